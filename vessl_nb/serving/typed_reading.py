"""Bodies that the runner's own types validate."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any

import msgspec

from vessl_nb.capture.pydantic_bytes import make_base64_validator, needs_instances
from vessl_nb.errors import CannotServe, VesslError
from vessl_nb.faces.words import one_line
from vessl_nb.serving.declared import Conversion, errors_of
from vessl_nb.serving.loosened import loosen_input
from vessl_nb.serving.misfits import Misfit, does_not_fit
from vessl_nb.serving.parsing import parse_json, too_deep
from vessl_nb.serving.problems import short
from vessl_nb.serving.revival import make_reviver
from vessl_nb.values.encoding import decode, encode_loosely
from vessl_nb.values.schema import schema_of
from vessl_nb.values.sent import as_sent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_MOST_CHARACTERS = 200
_OF_CLASSES = {"object", "enum", "namedtuple"}
_STEPS = re.compile(r"\.([^.\[`]+)|\[(\d+)\]")  # in a way as msgspec writes it: $.points[3].x
_MISSING = re.compile(r"Object missing required field `(.*)`")


def make_typed(adapter: Any, examples: Sequence[Any]) -> Callable[[bytes | memoryview], Any]:
    """Make what reads bodies of a declared type.

    Bytes are base64 in JSON, unless a model's own configuration has them otherwise.

    Parameters
    ----------
    adapter
        As `vessl_nb.serving.declared.adapter_of` gives it, of the type.
    examples
        The inputs of the version's examples, encoded. Where they are plain data although the type is a model, the
        runner was tried with plain data, and goes on to get it, of the types that the examples have; validated all the
        same. Where the type has a class in it that pydantic does not know, such as an array, they say how it is made.

    Returns
    -------
    callable
        Takes a body and gives an instance of the type. It raises `Problem`: 400 where the body is no JSON, 422 where
        it does not fit.

    Raises
    ------
    CannotServe
        Instances of such a class are needed, and there is no example.
    """
    if isinstance(adapter, Conversion):
        return _make_converted(adapter, examples)
    if needs_instances(adapter.core_schema):
        return _make_from_instances(adapter, examples)
    validation_error, validate = _validation_error(), make_base64_validator(adapter).validate_json
    is_plain = bool(examples) and all(_is_plainer(validate, example) for example in examples)
    revive = _make_reviver(examples) if is_plain else None

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
        return instance if revive is None else revive(data)

    return read


def _make_from_instances(adapter: Any, examples: Sequence[Any]) -> Callable[[bytes | memoryview], Any]:
    """Make what reads bodies of a type that JSON alone never fits: what is in it is made as the examples have it."""
    if not examples:
        raise CannotServe(
            "The runner declares a type for its input that JSON does not fit: an instance of a class must be in it "
            "that pydantic does not know.",
            "Register it with a sample, which says how such an instance is made: sample=...",
        )
    revive, validate, validation_error = _make_reviver(examples), adapter.validator.validate_python, _validation_error()
    is_plain = not any("object" in _forms(example) for example in examples)

    def read(body: bytes | memoryview) -> Any:
        made = revive(parse_json(body))
        try:
            instance = validate(made)
        except validation_error as error:
            raise does_not_fit(_places(list(errors_of(error)), parse_json(body))) from None
        return made if is_plain else instance

    return read


def _make_converted(convert: Conversion, examples: Sequence[Any]) -> Callable[[bytes | memoryview], Any]:
    """Make what reads bodies of a type that is none of pydantic's: as the examples are made, and then of its class."""
    revive = _make_reviver(examples)
    is_plain = bool(examples) and not any(_OF_CLASSES & _forms(example) for example in examples)

    def read(body: bytes | memoryview) -> Any:
        made = revive(parse_json(body))
        try:
            instance = convert(made)
        except msgspec.ValidationError as error:
            raise does_not_fit([_place_of(error)]) from None
        return made if is_plain else instance

    return read


def _place_of(error: msgspec.ValidationError) -> tuple[list[Any], str]:
    message, _, way = str(error).partition(" - at `$")
    steps: list[Any] = [name or int(number) for name, number in _STEPS.findall(way)]
    if missing := _MISSING.fullmatch(message):
        return [*steps, missing[1]], "is missing"
    return steps, one_line(message, _MOST_CHARACTERS)


def _make_reviver(examples: Sequence[Any]) -> Callable[[Any], Any]:
    """Make what brings data to the types that the examples have; whether it fits is for the declared type to say."""
    # As the document describes it where the examples alone say what is taken.
    revive_fitting = make_reviver(loosen_input(schema_of(examples), is_declared=False), examples)
    if revive_fitting is None:
        return lambda data: data

    def revive(data: Any) -> Any:
        try:
            return revive_fitting(data)
        except Misfit as misfit:
            raise does_not_fit([(reversed(misfit.steps), misfit.detail)]) from misfit
        except Exception as error:  # it is of another form than the examples are, and nothing has looked at it before
            raise does_not_fit([((), f"must be made as the examples are; it is {short(data)}")]) from error

    return revive


def _validation_error() -> Any:
    return sys.modules["pydantic"].ValidationError


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


def _is_plainer(validate: Callable[[bytes], Any], example: Any) -> bool:
    """Tell whether an example is plain data where the type makes something else of it."""
    given = _forms(example)
    if "object" in given:
        return False
    try:
        made = _forms(encode_loosely(validate(msgspec.json.encode(as_sent(decode(example))))))
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
