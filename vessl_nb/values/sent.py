"""A value as a client sends or gets it: plain JSON, as `vessl_nb.values.schema` describes it.

=====================================================  ==============================================================
what it is                                             in JSON
=====================================================  ==============================================================
NaN, infinities, ``NaT``, ``NA``                       null
arrays, tensors, series, indexes, sets, tuples, deque  an array; an array or tensor without dimensions is its element
a frame                                                an array of objects, one a row, by the columns' names; the index
                                                       is left out
a dict with other keys than text                       an object; the keys as text
dataclasses, pydantic models                           an object of the fields
enums, subclasses of Python's types                    what they hold
bytes; images                                          base64; base64 of a PNG file
dates and times; time spans                            ISO 8601; as ``P1DT2S``, to the microsecond
decimals, fractions, UUIDs, complex numbers            text, as Python writes it: ``"1.20"``, ``"1/2"``, ``"(1+2j)"``
text with lone surrogates                              text with the replacement character
=====================================================  ==============================================================
"""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import decimal
import enum
import fractions
import uuid
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from json.encoder import encode_basestring
from typing import Any

import msgspec

from vessl_nb.errors import NotSendable
from vessl_nb.values.family import class_name
from vessl_nb.values.sent_libraries import open_library_value

_MOST_LEVELS = 200  # within what common parsers of JSON take
_MOST_BITS = 14_000  # Python writes no decimal numbers of more than 4300 digits

# msgspec writes these as they are described above.
_PLAIN = frozenset(
    {
        *(float, bool, type(None), bytes, bytearray, memoryview, decimal.Decimal, uuid.UUID),
        *(dt.datetime, dt.date, dt.time, dt.timedelta),
    }
)


def open_value(value: Any) -> Any:  # noqa: PLR0911  # one for each kind of value
    """Bring a value one step nearer to JSON: an array becomes a list, whose items may need a step of their own.

    Parameters
    ----------
    value
        One that msgspec does not write by itself; its ``enc_hook`` may be this function.

    Raises
    ------
    TypeError
        There is no such step.
    """
    opened = open_library_value(value)
    if opened is not value:
        return opened
    if isinstance(value, complex | fractions.Fraction):
        return str(value)
    for base, convert in _BASES.items():
        if isinstance(value, base) and type(value) not in {base, bool}:  # of a bool, msgspec asks as a key
            return convert(value)
    if isinstance(value, msgspec.Struct):
        return msgspec.structs.asdict(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Sequence | AbstractSet | collections.deque):
        return list(value)
    if hasattr(value, "tolist"):  # arrays of other libraries
        return value.tolist()
    raise TypeError(f"{class_name(type(value))} has no form in JSON")


# The base's own conversion, so that a subclass's idea of, say, str() does not stand for what it holds.
_BASES: dict[type, Any] = {
    str: str.__str__,
    int: int.__int__,
    float: float.__float__,
    bytes: bytes.__bytes__,
    bytearray: bytes,
    decimal.Decimal: decimal.Decimal,
    uuid.UUID: lambda value: uuid.UUID(int=value.int),
    dt.datetime: lambda value: value.isoformat(),
    dt.date: lambda value: value.isoformat(),
    dt.time: lambda value: value.isoformat(),
    dt.timedelta: lambda value: dt.timedelta(value.days, value.seconds, value.microseconds),
}


def as_sent(value: Any, name: str = "value") -> Any:
    """Make plain data of a value: what msgspec writes without any help.

    Parameters
    ----------
    value
        Any value; it is left as it is.
    name
        What the value is called where a part of it cannot be sent.

    Raises
    ------
    NotSendable
        The value, or something in it, has no form in JSON.
    """
    return _walk(value, (name,))


def _walk(value: Any, steps: tuple[str, ...]) -> Any:  # noqa: PLR0911  # one for each kind of value
    kind = type(value)
    if kind is str:
        return value if value.isascii() else _well_formed(value)
    if kind is int:
        return _check_length(value, steps)
    if kind is dict or isinstance(value, dict):
        _check_depth(steps)
        return {_key(key, steps): _walk(item, (*steps, f"[{_step(key)}]")) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        _check_depth(steps)
        return [_walk(item, (*steps, f"[{number}]")) for number, item in enumerate(value)]
    if isinstance(value, enum.Enum):
        return _walk(value.value, steps)
    if dataclasses.is_dataclass(kind):
        _check_depth(steps)
        return {
            field.name: _walk(getattr(value, field.name), (*steps, f".{field.name}"))
            for field in dataclasses.fields(kind)
        }
    if kind in _PLAIN:
        return value
    _check_depth(steps)
    try:
        opened = open_value(value)
    except Exception as error:
        raise _refusal(value, steps, error) from error
    return _walk(opened, steps)


def _well_formed(text: str) -> str:
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _check_length(value: int, steps: tuple[str, ...]) -> int:
    if value.bit_length() <= _MOST_BITS:
        return value
    path = "".join(steps)
    what = f"{path} is an integer of {value.bit_length():,} bits, too long to be written as a number."
    raise NotSendable(what, "Return it as text: hex(value).", path=path)


def _key(key: Any, steps: tuple[str, ...]) -> str:
    if type(key) is str and key.isascii():
        return key
    sent = _walk(key, (*steps, ".keys()"))
    if isinstance(sent, str):
        return sent
    if isinstance(sent, bool | None):
        return {True: "true", False: "false", None: "null"}[sent]
    if isinstance(sent, list):
        return str(key)
    return str(msgspec.to_builtins(sent))


def _step(key: Any) -> str:
    return encode_basestring(key[:60]) if isinstance(key, str) else repr(key)[:60]


def _check_depth(steps: tuple[str, ...]) -> None:
    if len(steps) > _MOST_LEVELS:
        path = "".join(steps[:4]) + " ..."
        raise NotSendable(
            f"{path} is more than {_MOST_LEVELS} levels deep, or contains itself.",
            "Return it flatter.",
            path=path,
        )


def _refusal(value: Any, steps: tuple[str, ...], error: Exception) -> NotSendable:
    path = "".join(steps)
    kind = type(value)
    name = kind.__name__ if kind.__module__ == "builtins" else class_name(kind)
    if isinstance(error, TypeError) and str(error).endswith("has no form in JSON"):
        what = f"{path} is a {name}, which has no form in JSON."
        return NotSendable(what, "Return numbers, text, lists, dicts, arrays, frames or bytes.", path=path)
    return NotSendable(
        f"{path} is a {name} that cannot be written: {type(error).__name__}: {error}",
        "Return its content as plain data.",
        path=path,
    )
