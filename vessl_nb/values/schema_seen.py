"""What was seen of encoded values at one place, kind by kind, until a schema is written of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

MOST_PROPERTIES = 300
"""How many properties a schema may have, and an object in it."""

WHOLE = "floats without a fraction, with some missing"
BLANK = "floats that are all missing"
"""Two kinds of columns of pandas', of which the other samples decide what they are."""

BASE64 = {"type": "string", "contentEncoding": "base64"}
DATE_TIME = {"type": "string", "format": "date-time"}
DURATION = {"type": "string", "format": "duration"}
COMPLEX = {"x-type": "complex"}
"""Schemas of what Python and numpy have alike."""

_MOST_LEVELS = 20
_PLAIN = {type(None): "null", bool: "boolean", int: "integer", float: "number", str: "string"}


@dataclass(slots=True)
class Budget:
    """How many properties a schema may still have."""

    left: int = MOST_PROPERTIES


class Collector(Protocol):
    """What collects the insides of one kind."""

    def add(self, data: Any, depth: int) -> None:
        """Look at another value of this kind."""

    def schema(self, budget: Budget) -> dict[str, Any]:
        """Write what was seen of this kind as JSON Schema."""


Look = Callable[["Seen", Any, int], None]
"""Notes one value of a form, found so deep, in what was seen at its place."""

Looks = Mapping[str | type, Look]
"""Of a family of types, by what tells their forms apart."""


@dataclass(slots=True)
class Seen:
    """What was seen at one place of the samples, by kind.

    Attributes
    ----------
    looks
        How to look at each form, by its ``$type``; at dicts and lists without one, by ``dict`` and ``list``.
    kinds
        Those that JSON Schema alone describes with their schema; others, such as ``object``, with what collects the
        insides.
    """

    looks: Looks
    kinds: dict[str, Any] = field(default_factory=dict)

    def another(self) -> Seen:
        """Begin to look at a place inside of this one."""
        return Seen(self.looks)

    def add(self, data: Any, depth: int) -> None:
        """Look at an encoded value."""
        if depth > _MOST_LEVELS:
            self.kinds["abridged"] = {"x-abridged": True}
        elif isinstance(data, dict):
            look = self.looks.get(data["$type"], _look_at_opaque) if "$type" in data else self.looks[dict]
            look(self, data, depth)
        elif isinstance(data, list):
            self.looks[list](self, data, depth)
        else:
            self.note(_PLAIN[type(data)])

    def add_all(self, items: list[Any], depth: int) -> None:
        """Look at many values; fast where they are numbers and texts."""
        types = set(map(type, items))
        if types <= _PLAIN.keys():
            for kind in types:
                self.note(_PLAIN[kind])
        else:
            for item in items:
                self.add(item, depth)

    def note(self, kind: str, schema: dict[str, Any] | None = None) -> None:
        """Note a kind that needs no looking into."""
        self.kinds[kind] = {"type": kind} if schema is None else schema

    def inside(self, kind: str, collector: Callable[[], Collector]) -> Collector:
        """Give what collects the insides of a kind."""
        if kind not in self.kinds:
            self.kinds[kind] = collector()
        collecting: Collector = self.kinds[kind]
        return collecting

    def schema(self, budget: Budget) -> dict[str, Any]:
        """Write what was seen as JSON Schema."""
        kinds = _without_guesses(self.kinds)
        is_nullable = kinds.pop("null", None) is not None
        schemas = [
            dict(found) if isinstance(found, dict) else found.schema(budget)
            for _, found in sorted(kinds.items(), key=lambda item: item[0])
        ]
        if len(schemas) == 1:
            [schema] = schemas
            if is_nullable and "type" in schema:  # what has no type may be null already
                schema["type"] = [schema["type"], "null"]
            return schema
        if is_nullable:
            schemas.append({"type": "null"})
        return {"anyOf": schemas} if len(schemas) > 1 else next(iter(schemas), {})


def _without_guesses(kinds: dict[str, Any]) -> dict[str, Any]:
    """Decide what pandas leaves open: a column of integers, or of anything, is one of floats where all is missing."""
    settled = {kind: found for kind, found in kinds.items() if kind not in {WHOLE, BLANK}}
    is_number = WHOLE in kinds and "integer" not in settled
    if is_number or (BLANK in kinds and not settled.keys() - {"null"}):
        settled["number"] = {"type": "number"}
    if "number" in settled:
        settled.pop("integer", None)
    return settled


def _look_at_opaque(seen: Seen, data: Any, _depth: int) -> None:
    """Note an object of which only the class is known."""
    name = data.get("class", data["$type"])  # a form that is newer than this module is said by its own name
    seen.note(f"object of {name}", {"x-type": name})


def look_at_not_finite(seen: Seen, _data: Any = None, _depth: int = 0) -> None:
    """Note a float that is no finite number: a client sends and gets it as null."""
    seen.note("number")
    seen.note("null")


def look_at_leaf(schema: dict[str, Any]) -> Look:
    """Make the look at what one schema says whole."""
    kind = " ".join(map(str, schema.values()))
    return lambda seen, _data, _depth: seen.note(kind, schema)
