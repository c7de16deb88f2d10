"""What does not fit, and where: a client is told of each such place by a JSON pointer, RFC 6901."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from vessl_nb.faces.words import counted
from vessl_nb.serving.problems import Problem, short
from vessl_nb.serving.schema_parts import types_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

MOST_ERRORS = 20
"""How many places a client is told of at once."""

_MOST_LEVELS = 60
_MOST_PLACES = 50_000  # looked at, which takes no longer than some milliseconds

_WORDS = {
    "number": "a number",
    "integer": "an integer",
    "string": "a string",
    "boolean": "true or false",
    "array": "an array",
    "object": "an object",
    "null": "null",
}
_TYPES: dict[str, tuple[type, ...]] = {
    "number": (int, float),
    "integer": (int,),
    "string": (str,),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
    "null": (type(None),),
}


class Misfit(Exception):
    """A value that does not fit; what contains it adds the way to it.

    Parameters
    ----------
    detail
        What it must be, and what it is.

    Attributes
    ----------
    steps
        The way to it, from the value outwards.
    """

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail
        self.steps: list[str | int] = []


def pointer_to(steps: Iterable[Any]) -> str:
    """Write the way to a value as a JSON pointer; the value as a whole is the empty text."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in steps)


def does_not_fit(found: Iterable[tuple[Iterable[Any], str]]) -> Problem:
    """Tell a client what of its data does not fit: 422, with at most 20 places.

    Parameters
    ----------
    found
        The way to each place, and what is wrong there.
    """
    errors = [{"pointer": pointer_to(steps), "detail": detail} for steps, detail in islice(found, MOST_ERRORS)]
    first = errors[0]
    more = f" `errors` has this and {counted(len(errors) - 1, 'other')}." if len(errors) > 1 else ""
    return Problem(
        422,
        "Input does not fit",
        f"{first['pointer'] or 'The data'}: {first['detail']}.{more} /openapi.json describes what the model takes.",
        errors=errors,
    )


def misfits(schema: dict[str, Any], data: Any) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Say what of a value does not fit a schema, as far as few words can.

    It is not what decides whether something fits: of keywords that `vessl_nb.values.schema` does not write, or pydantic
    seldom, it knows nothing.

    Parameters
    ----------
    schema
        JSON Schema.
    data
        Plain JSON.

    Yields
    ------
    steps : tuple
        The way to what does not fit.
    detail : str
        What it must be, and what it is.
    """
    yield from _Search(schema).look(schema, data, ())


@dataclass(slots=True)
class _Search:
    whole: dict[str, Any]
    places_left: int = _MOST_PLACES

    def look(self, schema: Any, data: Any, steps: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], str]]:
        self.places_left -= 1
        if not isinstance(schema, dict) or self.places_left < 0 or len(steps) > _MOST_LEVELS:
            return
        if "$ref" in schema:
            name = str(schema["$ref"]).rpartition("/")[2]
            schema = self.whole.get("$defs", {}).get(name, {})
        if alternatives := schema.get("anyOf", schema.get("oneOf")):
            yield from self._look_at_alternatives(alternatives, data, steps)
        elif not _is_of(data, kinds := types_of(schema)):
            yield steps, f"must be {_either(kinds)}; it is {short(data)}"
        elif "enum" in schema and data not in schema["enum"]:
            yield steps, f"must be {' or '.join(map(short, schema['enum'][:10]))}; it is {short(data)}"
        elif isinstance(data, dict):
            yield from self._look_at_object(schema, data, steps)
        elif isinstance(data, list):
            yield from self._look_at_array(schema, data, steps)

    def _look_at_alternatives(
        self, alternatives: Sequence[Any], data: Any, steps: tuple[str | int, ...]
    ) -> Iterator[tuple[tuple[str | int, ...], str]]:
        found = [list(self.look(alternative, data, steps)) for alternative in alternatives]
        if not all(found):
            return
        # The alternative that was meant is the one in which only something inside is wrong.
        meant = next((each for each in found if all(len(at) > len(steps) for at, _ in each)), None)
        if meant:
            yield from meant
            return
        kinds = [kind for alternative in alternatives for kind in types_of(alternative)]
        yield steps, f"must be {_either(kinds)}; it is {short(data)}"

    def _look_at_object(
        self, schema: dict[str, Any], data: dict[str, Any], steps: tuple[str | int, ...]
    ) -> Iterator[tuple[tuple[str | int, ...], str]]:
        for name in schema.get("required", ()):
            if name not in data:
                yield (*steps, name), "is missing"
        properties, others = schema.get("properties", {}), schema.get("additionalProperties")
        for name, item in data.items():
            if name in properties:
                yield from self.look(properties[name], item, (*steps, name))
            elif others is False:
                yield (*steps, name), "is not expected"
            else:
                yield from self.look(others, item, (*steps, name))

    def _look_at_array(
        self, schema: dict[str, Any], data: list[Any], steps: tuple[str | int, ...]
    ) -> Iterator[tuple[tuple[str | int, ...], str]]:
        if len(data) < schema.get("minItems", 0):
            yield steps, f"must have {counted(schema['minItems'], 'item')} at least; it has {len(data):,}"
        if len(data) > schema.get("maxItems", len(data)):
            yield steps, f"must have {counted(schema['maxItems'], 'item')} at most; it has {len(data):,}"
        places, others = schema.get("prefixItems", ()), schema.get("items")
        for number, item in enumerate(data):
            yield from self.look(places[number] if number < len(places) else others, item, (*steps, number))
            if self.places_left < 0:
                return


def _is_of(data: Any, kinds: list[str]) -> bool:
    if not kinds:
        return True
    if isinstance(data, bool):
        return "boolean" in kinds
    if isinstance(data, float) and data.is_integer() and "integer" in kinds:
        return True
    return any(isinstance(data, _TYPES.get(kind, (object,))) for kind in kinds)


def _either(kinds: Iterable[str]) -> str:
    words = list(dict.fromkeys(_WORDS.get(kind, kind) for kind in kinds))
    return " or ".join(words) or "something else"
