"""A schema of `vessl_nb.values.schema`, or of pydantic, in one line for people."""

from __future__ import annotations

import itertools
from json.encoder import encode_basestring
from typing import Any

from vessl_nb.faces.words import one_line

_MOST_LEVELS = 20
_MOST_CHARACTERS = 200


def describe_signature(schema: dict[str, Any]) -> str:
    """Write a schema in one line for people.

    Parameters
    ----------
    schema
        The input or the output of a `Signature`.

    Returns
    -------
    str
        At most 200 characters, such as ``{"x": [number, ...], "name"?: string or null}`` (a key with a question mark
        may be missing) or ``numpy float32 (?, 4)``.
    """
    return one_line(_words(schema, schema, 0), _MOST_CHARACTERS)


def _words(schema: Any, whole: dict[str, Any], depth: int) -> str:
    if depth > _MOST_LEVELS or not isinstance(schema, dict):
        return "…" if schema is not True else "anything"
    if "$ref" in schema:
        name = str(schema["$ref"]).rpartition("/")[2]
        return _words(whole.get("$defs", {}).get(name, {}), whole, depth + 1)
    for name in ("anyOf", "oneOf", "allOf"):
        if name in schema:
            return " or ".join(dict.fromkeys(_words(part, whole, depth + 1) for part in schema[name]))
    if "enum" in schema or "const" in schema:
        return " or ".join(map(repr, schema.get("enum") or [schema.get("const")]))
    types = schema.get("type", [])
    types = [types] if isinstance(types, str) else types
    words = [_type_words(kind, schema, whole, depth) for kind in types]
    return " or ".join(words) or str(schema.get("x-type", "anything")).rpartition(".")[2]


def _type_words(kind: str, schema: dict[str, Any], whole: dict[str, Any], depth: int) -> str:
    if "x-shape" in schema and kind != "null":
        return _shape_words(schema)
    if "x-mode" in schema and kind != "null":
        width, height = ("?" if length is None else length for length in schema["x-size"])
        return f"{schema['x-mode']} image {width} × {height}"
    if kind == "object":
        return _object_words(schema, whole, depth + 1)
    if kind == "array":
        return _array_words(schema, whole, depth + 1)
    return "bytes" if "contentEncoding" in schema and kind == "string" else _format_words(kind, schema)


def _format_words(kind: str, schema: dict[str, Any]) -> str:
    return str(schema.get("format", kind)) if kind == "string" else kind


def _shape_words(schema: dict[str, Any]) -> str:
    shape = ["?" if length is None else str(length) for length in schema["x-shape"]]
    library_name = schema["x-type"].partition(".")[0]
    return f"{library_name} {_dtype_words(schema['x-dtype'])} ({', '.join(shape)}{',' * (len(shape) == 1)})"


def _object_words(schema: dict[str, Any], whole: dict[str, Any], depth: int) -> str:
    required = schema.get("required", [])
    parts = [
        f"{encode_basestring(name)}{'' if name in required else '?'}: {_words(part, whole, depth)}"
        for name, part in itertools.islice(schema.get("properties", {}).items(), _MOST_CHARACTERS)
    ]
    others = schema.get("additionalProperties")
    if isinstance(others, dict):
        parts.append(f"…: {_words(others, whole, depth)}")
    elif schema.get("x-abridged"):
        parts.append("…")
    return f"{{{', '.join(parts)}}}" if parts else "object"


def _array_words(schema: dict[str, Any], whole: dict[str, Any], depth: int) -> str:
    parts = [_words(part, whole, depth) for part in schema.get("prefixItems", [])]
    if schema.get("items"):
        parts += [_words(schema["items"], whole, depth), "..."]
    name = schema.get("x-type", "").rpartition(".")[2]
    if name == "DataFrame":
        return f"DataFrame {_words(schema['items'], whole, depth)}"
    return (f"{name} " if name else "") + (f"[{', '.join(parts)}]" if parts else "array")


_NUMPY_NAMES = {"f": "float", "i": "int", "u": "uint", "c": "complex"}


def _dtype_words(dtype: Any) -> str:
    if not isinstance(dtype, str):
        return "records"
    letter, size = dtype.lstrip("<>|=")[:1], dtype.lstrip("<>|=")[1:]
    if size.isdigit() and letter in _NUMPY_NAMES:
        return f"{_NUMPY_NAMES[letter]}{int(size) * 8}"
    names = {"b": "bool", "O": "object", "U": "text", "S": "bytes", "V": "bytes", "M": "datetime64", "m": "timedelta64"}
    return names[letter] if dtype[:1] in "<>|=" and letter in names else dtype
