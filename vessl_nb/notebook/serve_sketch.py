"""A first value for a form, where a version has no example: made of what its signature says."""

from __future__ import annotations

import math
from typing import Any

_MOST_LEVELS = 8
_MOST_ITEMS = 4_000  # of one array; a longer one nobody fills in by hand
_OF_TYPES = {"number": 0.0, "integer": 0, "string": "", "boolean": False, "null": None}


def sketch_of(schema: dict[str, Any]) -> Any:
    """Make a value of the shape that a schema describes; what it holds is for the user to fill in.

    Parameters
    ----------
    schema
        JSON Schema, as a signature has it.

    Returns
    -------
    object
        None where there is nothing to fill in, or more than anybody would: part of an array would not fit.
    """
    try:
        return _sketch(schema, schema, 0)
    except _TooLong:
        return None


class _TooLong(Exception):
    """An array has more items than are written out."""


def _sketch(part: Any, whole: dict[str, Any], level: int) -> Any:
    if level > _MOST_LEVELS or not isinstance(part, dict):
        return None
    if "$ref" in part:
        return _sketch(whole.get("$defs", {}).get(str(part["$ref"]).rpartition("/")[2]), whole, level + 1)
    said = [part[name] for name in ("default", "const") if name in part]
    if values := [*said, *part.get("examples", ()), *part.get("enum", ())]:
        return values[0]
    for name in ("anyOf", "oneOf", "allOf"):
        if alternatives := [each for each in part.get(name, []) if each != {"type": "null"}]:
            return _sketch(alternatives[0], whole, level + 1)
    return _of_type(part, whole, level)


def _of_type(part: dict[str, Any], whole: dict[str, Any], level: int) -> Any:
    types = part.get("type", "null")
    kind = next((each for each in types if each != "null"), "null") if isinstance(types, list) else types
    if kind == "object":
        return {name: _sketch(member, whole, level + 1) for name, member in part.get("properties", {}).items()}
    if kind == "array" and "x-shape" in part:
        return _array(part, [1 if length is None else length for length in part["x-shape"]])
    if kind == "array":
        first = [_sketch(item, whole, level + 1) for item in part.get("prefixItems", [])]
        more = max(part.get("minItems", 0 if first else 1) - len(first), 0) if "items" in part else 0
        if more > _MOST_ITEMS:
            raise _TooLong
        return [*first, *(_sketch(part["items"], whole, level + 1) for _ in range(more))]
    return _OF_TYPES.get(kind)


def _array(part: dict[str, Any], shape: list[int]) -> Any:
    """Fill an array of a shape, such as numpy's, with what stands for its elements."""
    if math.prod(length or 1 for length in shape) > _MOST_ITEMS:
        raise _TooLong
    if not shape:
        return _OF_TYPES.get(part.get("type", "number"), 0.0)
    return [_array(part.get("items", {}), shape[1:])] * shape[0]
