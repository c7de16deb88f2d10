"""Bodies that are held against a schema, and brought to the types of the samples."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

import jsonschema_rs

from vessl_nb.faces.words import one_line
from vessl_nb.serving.misfits import MOST_ERRORS, Misfit, does_not_fit, misfits
from vessl_nb.serving.parsing import parse_json, too_deep
from vessl_nb.serving.revival import make_reviver

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_MOST_CHARACTERS = 200


def make_described(schema: dict[str, Any], examples: Sequence[Any]) -> Callable[[bytes | memoryview], Any]:
    """Make what reads bodies that a schema describes.

    Parameters
    ----------
    schema
        Of the input; what it says in names of its own, beginning with ``x-``, is no condition.
    examples
        The inputs of the version's examples, encoded.

    Returns
    -------
    callable
        Takes a body, and raises `Problem`: 400 where it is no JSON, 422 where it does not fit.
    """
    validator = jsonschema_rs.Draft202012Validator(schema)
    is_valid, revive = validator.is_valid, make_reviver(schema, examples)

    def read(body: bytes | memoryview) -> Any:
        data = parse_json(body)
        try:
            fits = is_valid(data)
        except ValueError:  # it has more levels than the validator goes down
            raise too_deep() from None
        if not fits:
            raise does_not_fit(list(islice(misfits(schema, data), MOST_ERRORS)) or [_first_misfit(validator, data)])
        if revive is None:
            return data
        try:
            return revive(data)
        except Misfit as misfit:
            raise does_not_fit([(reversed(misfit.steps), misfit.detail)]) from misfit

    return read


def _first_misfit(validator: Any, data: Any) -> tuple[list[Any], str]:
    """Ask the validator itself; of all errors, which it gives as well, a million would take half a minute."""
    try:
        validator.validate(data)
    except jsonschema_rs.ValidationError as error:
        return error.instance_path, one_line(error.message, _MOST_CHARACTERS)
    return [], "does not fit the schema"
