"""The encoding of Python's own types: numbers, text, containers, times."""

from __future__ import annotations

import datetime as dt
import decimal
import fractions
import math
import uuid
import zoneinfo
from json.encoder import encode_basestring
from typing import Any

import msgspec

from vessl_nb.values.family import Decode, Decoder, Encoder, NoEncoding, Walk, class_name, from_base64, to_base64

_SMALLEST, _LARGEST = -(2**63), 2**63 - 1


def is_plain(value: Any) -> bool:
    """Say whether a value is its own encoding, containers apart."""
    kind = type(value)
    if kind is str:
        return _is_well_formed(value)
    if kind is int:
        return bool(_SMALLEST <= value <= _LARGEST)
    if kind is float:
        return math.isfinite(value)
    return value is None or kind is bool


def _is_well_formed(text: str) -> bool:
    """Say whether text can be written as UTF-8: lone surrogates, as in undecodable file names, cannot."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


# Numbers and text ------------------------------------------------------------------------------------------------


def _encode_int(value: int, _walk: Walk) -> Any:
    # Hexadecimal: Python refuses to read or write decimal numbers of more than 4300 digits.
    return {"$type": "int", "hex": hex(value)}


def _decode_int(data: dict[str, Any], _decode: Decode) -> int:
    return int(data["hex"], 16)


def _encode_float(value: float, _walk: Walk) -> Any:
    return {"$type": "float", "value": repr(value)}


def _decode_float(data: dict[str, Any], _decode: Decode) -> float:
    return {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}[data["value"]]


def _encode_complex(value: complex, walk: Walk) -> Any:
    return {"$type": "complex", "real": walk(value.real, ".real"), "imag": walk(value.imag, ".imag")}


def _decode_complex(data: dict[str, Any], decode: Decode) -> complex:
    return complex(decode(data["real"]), decode(data["imag"]))


def _encode_str(value: str, _walk: Walk) -> Any:
    return {"$type": "str", "base64": to_base64(value.encode("utf-8", "surrogatepass"))}


def _decode_str(data: dict[str, Any], _decode: Decode) -> str:
    return from_base64(data["base64"]).decode("utf-8", "surrogatepass")


def _encode_bytes(value: bytes | bytearray, _walk: Walk) -> Any:
    return {"$type": type(value).__name__, "base64": to_base64(value)}


def _decode_bytes(data: dict[str, Any], _decode: Decode) -> bytes:
    return bytes(from_base64(data["base64"]))


def _decode_bytearray(data: dict[str, Any], _decode: Decode) -> bytearray:
    return from_base64(data["base64"])


def _encode_as_text(value: Any, _walk: Walk) -> Any:
    return {"$type": type(value).__name__.lower(), "value": str(value)}


def _decode_decimal(data: dict[str, Any], _decode: Decode) -> decimal.Decimal:
    return decimal.Decimal(data["value"])


def _decode_uuid(data: dict[str, Any], _decode: Decode) -> uuid.UUID:
    return uuid.UUID(data["value"])


def _encode_fraction(value: fractions.Fraction, walk: Walk) -> Any:
    above, below = walk(value.numerator, ".numerator"), walk(value.denominator, ".denominator")
    return {"$type": "fraction", "numerator": above, "denominator": below}


def _decode_fraction(data: dict[str, Any], decode: Decode) -> fractions.Fraction:
    return fractions.Fraction(decode(data["numerator"]), decode(data["denominator"]))


# Containers ------------------------------------------------------------------------------------------------------


def _encode_list(value: list[Any], walk: Walk) -> Any:
    return [walk(item, f"[{number}]") for number, item in enumerate(value)]


def _encode_tuple(value: tuple[Any, ...], walk: Walk) -> Any:
    return {"$type": "tuple", "items": _encode_list(list(value), walk)}


def _decode_tuple(data: dict[str, Any], decode: Decode) -> tuple[Any, ...]:
    return tuple(decode(data["items"]))


def _encode_set(value: set[Any] | frozenset[Any], walk: Walk) -> Any:
    # Sorted by what is written, so that one set is always one text.
    items = sorted(walk.keys(value, "[element {}]"), key=msgspec.json.encode)
    return {"$type": type(value).__name__, "items": items}


def _decode_set(data: dict[str, Any], decode: Decode) -> set[Any]:
    return set(decode(data["items"]))


def _decode_frozenset(data: dict[str, Any], decode: Decode) -> frozenset[Any]:
    return frozenset(decode(data["items"]))


def _encode_dict(value: dict[Any, Any], walk: Walk) -> Any:
    if all(type(key) is str and not key.startswith("$") and _is_well_formed(key) for key in value):
        return {key: walk(item, f"[{encode_basestring(key)}]") for key, item in value.items()}
    keys = walk.keys(value, ".keys()[{}]")
    items = [walk(item, f"[{_key_in_path(key)}]") for key, item in value.items()]
    return {"$type": "dict", "items": [list(pair) for pair in zip(keys, items, strict=True)]}


def _decode_dict(data: dict[str, Any], decode: Decode) -> dict[Any, Any]:
    return {decode(key): decode(item) for key, item in data["items"]}


def _key_in_path(key: Any) -> str:
    if type(key) is str and _is_well_formed(key):
        return encode_basestring(key)
    return ascii(key) if type(key) in {str, bytes, bool, int, float, type(None)} else f"<{type(key).__name__}>"


# Times -----------------------------------------------------------------------------------------------------------


def encode_zone(zone: Any) -> str:
    """Name a time zone: by its offset, as ``+01:00``, or by its name, as ``Europe/Paris``."""
    if type(zone) is dt.timezone:
        return dt.datetime(2000, 1, 1, tzinfo=zone).isoformat().removeprefix("2000-01-01T00:00:00")
    # zoneinfo's zones have a key, pytz's, which older versions of pandas use, a zone; of both only some.
    name = getattr(zone, "key", None) or getattr(zone, "zone", None)
    if isinstance(name, str):
        return name
    raise _refused(zone)


def _refused(zone: Any) -> NoEncoding:
    return NoEncoding(
        f"has a time zone of type {class_name(type(zone))}, which has no encoding",
        "Use zoneinfo.ZoneInfo or datetime.timezone.",
    )


def decode_zone(name: str) -> dt.tzinfo:
    """Make the time zone that `encode_zone` named."""
    if name.startswith(("+", "-")):
        zone = dt.datetime.fromisoformat(f"2000-01-01T00:00:00{name}").tzinfo
        if zone is not None:
            return zone
    return zoneinfo.ZoneInfo(name)


def _encode_time(value: dt.datetime | dt.time, _walk: Walk) -> Any:
    zone = value.tzinfo
    data = {"$type": type(value).__name__, "value": value.replace(tzinfo=None).isoformat()}
    if zone is not None:
        # pytz keeps in the zone which of two ambiguous hours is meant, so that its name alone is not the time.
        if not isinstance(zone, dt.timezone | zoneinfo.ZoneInfo):
            raise _refused(zone)
        data["zone"] = encode_zone(zone)
    return data | {"fold": 1} if value.fold else data


def _decode_datetime(data: dict[str, Any], _decode: Decode) -> dt.datetime:
    zone = decode_zone(data["zone"]) if "zone" in data else None
    return dt.datetime.fromisoformat(data["value"]).replace(tzinfo=zone, fold=data.get("fold", 0))


def _decode_time(data: dict[str, Any], _decode: Decode) -> dt.time:
    zone = decode_zone(data["zone"]) if "zone" in data else None
    return dt.time.fromisoformat(data["value"]).replace(tzinfo=zone, fold=data.get("fold", 0))


def _encode_date(value: dt.date, _walk: Walk) -> Any:
    return {"$type": "date", "value": value.isoformat()}


def _decode_date(data: dict[str, Any], _decode: Decode) -> dt.date:
    return dt.date.fromisoformat(data["value"])


def _encode_timedelta(value: dt.timedelta, _walk: Walk) -> Any:
    names = ("days", "seconds", "microseconds")
    return {"$type": "timedelta"} | {name: getattr(value, name) for name in names}


def _decode_timedelta(data: dict[str, Any], _decode: Decode) -> dt.timedelta:
    return dt.timedelta(data["days"], data["seconds"], data["microseconds"])


ENCODERS: dict[type, Encoder] = {
    int: _encode_int,
    float: _encode_float,
    complex: _encode_complex,
    str: _encode_str,
    bytes: _encode_bytes,
    bytearray: _encode_bytes,
    list: _encode_list,
    tuple: _encode_tuple,
    set: _encode_set,
    frozenset: _encode_set,
    dict: _encode_dict,
    dt.datetime: _encode_time,
    dt.time: _encode_time,
    dt.date: _encode_date,
    dt.timedelta: _encode_timedelta,
    decimal.Decimal: _encode_as_text,
    uuid.UUID: _encode_as_text,
    fractions.Fraction: _encode_fraction,
}
"""By exact type: a subclass is not mistaken for its base."""

DECODERS: dict[str, Decoder] = {
    "int": _decode_int,
    "float": _decode_float,
    "complex": _decode_complex,
    "str": _decode_str,
    "bytes": _decode_bytes,
    "bytearray": _decode_bytearray,
    "tuple": _decode_tuple,
    "set": _decode_set,
    "frozenset": _decode_frozenset,
    "dict": _decode_dict,
    "datetime": _decode_datetime,
    "time": _decode_time,
    "date": _decode_date,
    "timedelta": _decode_timedelta,
    "decimal": _decode_decimal,
    "uuid": _decode_uuid,
    "fraction": _decode_fraction,
}
