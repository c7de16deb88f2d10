"""Bodies that the runner's own types validate, by pydantic."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import msgspec

from vessl_nb.errors import VesslError
from vessl_nb.faces.html import one_line
from vessl_nb.serving.declared import errors_of
from vessl_nb.serving.misfits import does_not_fit
from vessl_nb.serving.parsing import parse_json, too_deep
from vessl_nb.serving.problems import short
from vessl_nb.values.encoding import decode, encode_loosely
from vessl_nb.values.sent import as_sent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_MOST_CHARACTERS = 200


def make_typed(adapter: Any, examples: Sequence[Any]) -> Callable[[bytes | memoryview], Any]:
    """Make what reads bodies of a declared type.

    Parameters
    ----------
    adapter
        Pydantic's, of the type.
    examples
        The inputs of the version's examples, encoded. Where they are plain data although the type is a model, the
        runner was tried with plain data, and goes on to get it; validated all the same.

    Returns
    -------
    callable
        Takes a body and gives an instance of the type. It raises `Problem`: 400 where the body is no JSON, 422 where
        it does not fit.
    """
    validation_error, validate = sys.modules["pydantic"].ValidationError, adapter.validator.validate_json
    is_plain = bool(examples) and all(_is_plainer(adapter, example) for example in examples)

    def read(body: bytes | memoryview) -> Any:
        # Pydantic's own parser takes NaN, and makes infinity of what is too large.
        data = parse_json(body)
        try:
            instance = validate(bytes(body))
        except validation_error as error:
            found = list(errors_of(error))
            if not found[0][0] and found[0][1].startswith("Invalid JSON: recursion"):
                raise too_deep() from None
            raise does_not_fit(_places(found, data)) from None
        return data if is_plain else instance

    return read


def _places(found: list[tuple[tuple[Any, ...], str, Any]], data: Any) -> Iterator[tuple[list[Any], str]]:
    for location, message, value in found:
        said = one_line(message, _MOST_CHARACTERS)
        is_told = message == "is missing" or isinstance(value, dict | list)
        is_of_json = isinstance(value, str | int | float | bool | None)
        yield _steps(location, message, data), said if is_told or not is_of_json else f"{said}; it is {short(value)}"


def _steps(location: tuple[Any, ...], message: str, data: Any) -> list[Any]:
    """Keep of pydantic's way what is a way into the data: among its steps are the names of alternatives."""
    steps: list[Any] = []
    for number, step in enumerate(location, 1):
        is_there = step in data if isinstance(data, dict) else isinstance(data, list) and step in range(len(data))
        if is_there:
            data = data[step]
        elif number < len(location) or message != "is missing":
            continue
        steps.append(step)
    return steps


def _is_plainer(adapter: Any, example: Any) -> bool:
    """Tell whether an example is plain data where the type makes something else of it."""
    given = _forms(example)
    if "object" in given:
        return False
    try:
        made = _forms(encode_loosely(adapter.validate_json(msgspec.json.encode(as_sent(decode(example))))))
    except (VesslError, TypeError, ValueError, OverflowError):  # what does not fit tells nothing
        return False
    return bool(made) and (not given or "object" in made)


def _forms(data: Any) -> set[str]:
    """Name the forms of an encoded value that are more than plain data."""
    if isinstance(data, list):
        return set().union(*map(_forms, data))
    if not isinstance(data, dict):
        return set()
    inside = set().union(*map(_forms, data.values()))
    return inside | {str(data["$type"])} if "$type" in data else inside
