"""The encoding of objects whose class is the user's: what they hold is kept, and the name of their class.

Decoding imports and runs nothing of the user's, so that it gives what was held, as a plain value.
"""

from __future__ import annotations

import dataclasses
import enum
import pathlib
import sys
from functools import partial
from typing import Any

from vessl_nb.values.family import Decode, Decoder, Encoder, NoEncoding, Walk, class_name


@dataclasses.dataclass(frozen=True, slots=True)
class Opaque:
    """What is left of a value that has no encoding.

    Attributes
    ----------
    class_name
        The name of its class in full.
    """

    class_name: str


def encoder_of(value: Any) -> Encoder | None:
    """Find the encoder for an object of a class that is not in any table."""
    kind = type(value)
    for base, encoder in _BY_BASE.items():
        if issubclass(kind, base):
            return encoder
    if dataclasses.is_dataclass(kind):
        return _encode_dataclass
    pydantic = sys.modules.get("pydantic.main")
    if pydantic is not None and issubclass(kind, pydantic.BaseModel):
        return _encode_pydantic
    if issubclass(kind, tuple) and hasattr(kind, "_fields"):
        return _encode_namedtuple
    held = next((base for base in _TO_BASE if issubclass(kind, base)), None)
    return None if held is None else partial(_encode_subclass, held)


def _encode_opaque(value: Opaque, _walk: Walk) -> Any:
    return {"$type": "opaque", "class": value.class_name}


def _decode_opaque(data: dict[str, Any], _decode: Decode) -> Opaque:
    return Opaque(data["class"])


def _encode_enum(value: enum.Enum, walk: Walk) -> Any:
    return {
        "$type": "enum",
        "class": class_name(type(value)),
        "name": value.name,
        "value": walk(value.value, ".value"),
    }


def _decode_value(data: dict[str, Any], decode: Decode) -> Any:
    return decode(data["value"])


def _encode_dataclass(value: Any, walk: Walk) -> Any:
    fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    return {"$type": "object", "class": class_name(type(value)), "fields": _encode_fields(fields, walk)}


def _encode_pydantic(value: Any, walk: Walk) -> Any:
    fields = {name: getattr(value, name) for name in type(value).model_fields} | (value.model_extra or {})
    return {"$type": "object", "class": class_name(type(value)), "fields": _encode_fields(fields, walk)}


def _encode_fields(fields: dict[str, Any], walk: Walk) -> Any:
    if any(name.startswith("$") for name in fields):  # pydantic's extra fields have any name
        return walk(fields, "")
    return {name: walk(item, f".{name}") for name, item in fields.items()}


def _decode_object(data: dict[str, Any], decode: Decode) -> Any:
    return decode(data["fields"])


def _encode_namedtuple(value: Any, walk: Walk) -> Any:
    names = list(value._fields)
    items = [walk(item, f".{name}") for name, item in zip(names, value, strict=True)]
    return {"$type": "namedtuple", "class": class_name(type(value)), "names": names, "items": items}


def _decode_namedtuple(data: dict[str, Any], decode: Decode) -> tuple[Any, ...]:
    return tuple(decode(data["items"]))


def _refuse_path(value: pathlib.PurePath, _walk: Walk) -> Any:
    raise NoEncoding(
        f"is a {type(value).__name__}, and the file it names would not travel with it",
        "Give what is in the file, or str(path) if only the name is meant.",
    )


_BY_BASE: dict[type, Encoder] = {
    Opaque: _encode_opaque,
    enum.Enum: _encode_enum,
    pathlib.PurePath: _refuse_path,
}

# The base's own conversion, so that a subclass's idea of, say, str() does not stand for what it holds.
_TO_BASE: dict[type, Any] = {
    str: str.__str__,
    int: int.__int__,
    float: float.__float__,
    complex: complex.__complex__,
    bytes: bytes.__bytes__,
    bytearray: bytearray,
    list: list,
    tuple: tuple,
    dict: dict,
    set: set,
    frozenset: frozenset,
}


def _encode_subclass(base: type, value: Any, walk: Walk) -> Any:
    if getattr(value, "__dict__", None):
        raise NoEncoding(
            f"is a {class_name(type(value))}, a {base.__name__} with attributes of its own, which would be lost",
            f"Give a plain {base.__name__}, or a dataclass.",
        )
    return {"$type": "subclass", "class": class_name(type(value)), "value": walk(_TO_BASE[base](value), "")}


DECODERS: dict[str, Decoder] = {
    "opaque": _decode_opaque,
    "enum": _decode_value,
    "subclass": _decode_value,
    "object": _decode_object,
    "namedtuple": _decode_namedtuple,
}
