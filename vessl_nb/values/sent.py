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
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from json.encoder import encode_basestring
from typing import Any

import msgspec

from vessl_nb.errors import NotSendable
from vessl_nb.values.family import class_name
from vessl_nb.values.sent_libraries import open_library_value

_MOST_LEVELS = 200  # within what common parsers of JSON take
_MOST_STEPS = 4  # are told of what is too deep
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


def as_sent(value: Any, name: str = "value", verb: str = "Return") -> Any:
    """Make plain data of a value: what msgspec writes without any help.

    Parameters
    ----------
    value
        Any value; it is left as it is.
    name
        What the value is called where a part of it cannot be sent.
    verb
        What is done with it, as the next step is to say: ``Return`` or ``Send``.

    Raises
    ------
    NotSendable
        The value, or something in it, has no form in JSON.
    """
    try:
        return _walk(value, 1)
    except _NoForm as refusal:
        steps = [name, *reversed(refusal.steps)]
        path = "".join(steps[:_MOST_STEPS]) + " ..." if refusal.is_too_deep else "".join(steps)
        raise NotSendable(f"{path} {refusal.what}", f"{verb} {refusal.instead}", path=path) from refusal.__cause__


class _NoForm(Exception):
    """A part has no form in JSON; what contains it adds the way to it, which nobody needs before."""

    def __init__(self, what: str, instead: str, *, is_too_deep: bool = False) -> None:
        super().__init__(what)
        self.what = what
        self.instead = instead
        self.is_too_deep = is_too_deep
        self.steps: list[str] = []  # from the part outwards


def _walk(value: Any, level: int) -> Any:  # noqa: PLR0911  # one for each kind of value
    kind = type(value)
    if kind in _PLAIN:
        return value
    if kind is str:
        return value if value.isascii() else _well_formed(value)
    if kind is int:
        return _check_length(value)
    if kind is dict or isinstance(value, dict):
        return _walk_dict(value, level)
    if isinstance(value, list | tuple | set | frozenset):
        return _walk_items(value, level)
    if isinstance(value, enum.Enum):
        return _walk(value.value, level)
    _check_depth(level)
    if dataclasses.is_dataclass(kind):
        return _walk_fields(value, level)
    try:
        opened = open_value(value)
    except Exception as error:
        raise _refusal(value, error) from error
    return _walk(opened, level)


def _walk_dict(value: dict[Any, Any], level: int) -> dict[str, Any]:
    _check_depth(level)
    names = _names(value, level)
    sent: dict[str, Any] = {}
    key = None
    try:
        for name, (key, item) in zip(names, value.items(), strict=True):  # noqa: B007  # it says which one fails
            sent[name] = _walk(item, level + 1)
    except _NoForm as refusal:
        refusal.steps.append(f"[{_step(key)}]")
        raise
    return sent


def _names(value: dict[Any, Any], level: int) -> list[str]:
    try:
        return [_name(key, level) for key in value]
    except _NoForm as refusal:
        refusal.steps.append(".keys()")
        raise


def _walk_items(value: Iterable[Any], level: int) -> list[Any]:
    _check_depth(level)
    sent: list[Any] = []
    try:
        for item in value:
            sent.append(_walk(item, level + 1))  # noqa: PERF401  # how many there are says which one fails
    except _NoForm as refusal:
        refusal.steps.append(f"[{len(sent)}]")
        raise
    return sent


def _walk_fields(value: Any, level: int) -> dict[str, Any]:
    sent = {}
    name = ""
    try:
        for name in [field.name for field in dataclasses.fields(value)]:
            sent[name] = _walk(getattr(value, name), level + 1)
    except _NoForm as refusal:
        refusal.steps.append(f".{name}")
        raise
    return sent


def _well_formed(text: str) -> str:
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _check_length(value: int) -> int:
    if value.bit_length() <= _MOST_BITS:
        return value
    what = f"is an integer of {value.bit_length():,} bits, too long to be written as a number."
    raise _NoForm(what, "it as text: hex(value).")


def _name(key: Any, level: int) -> str:
    if type(key) is str and key.isascii():
        return key
    sent = _walk(key, level + 1)
    if isinstance(sent, str):
        return sent
    if isinstance(sent, bool | None):
        return {True: "true", False: "false", None: "null"}[sent]
    if isinstance(sent, list):
        return str(key)
    return str(msgspec.to_builtins(sent))


def _step(key: Any) -> str:
    return encode_basestring(key[:60]) if isinstance(key, str) else repr(key)[:60]


def _check_depth(level: int) -> None:
    if level > _MOST_LEVELS:
        what = f"is more than {_MOST_LEVELS} levels deep, or contains itself."
        raise _NoForm(what, "it flatter.", is_too_deep=True)


def _refusal(value: Any, error: Exception) -> _NoForm:
    kind = type(value)
    name = kind.__name__ if kind.__module__ == "builtins" else class_name(kind)
    if isinstance(error, TypeError) and str(error).endswith("has no form in JSON"):
        return _NoForm(
            f"is a {name}, which has no form in JSON.", "numbers, text, lists, dicts, arrays, frames or bytes."
        )
    return _NoForm(f"is a {name} that cannot be written: {type(error).__name__}: {error}", "its content as plain data.")
