"""A body as JSON, or what a client is told of a body that is none."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from vessl_nb.faces.words import counted
from vessl_nb.serving.problems import Problem

_decode = msgspec.json.Decoder().decode

_TITLE = "Malformed body"
_NEXT_STEP = "Mend it there, and send it again."
_PLACE = re.compile(r" \(byte (\d+)\)$")
_HALF = re.compile(rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?=[^\\])")
_NO_NUMBERS = (b"NaN", b"Infinity", b"-Infinity")


def parse_json(body: bytes | memoryview) -> Any:
    """Parse JSON as RFC 8259 has it: UTF-8, without NaN.

    Integers may have 4300 digits, and become Python's. Of a name that is there twice the last value counts.

    Raises
    ------
    Problem
        400: it is no JSON.
    """
    try:
        return _decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise _no_json(bytes(body), error) from None


def _no_json(body: bytes, error: Exception) -> Problem:  # noqa: PLR0911  # one for each way to be none
    if not body.strip():
        return Problem(400, _TITLE, "The body is empty. Send JSON: curl -H 'content-type: application/json' -d '...'")
    if isinstance(error, RecursionError):
        return too_deep()
    if isinstance(error, UnicodeDecodeError):
        return Problem(400, _TITLE, f"The body is not UTF-8{_bad_byte(body)}. Send JSON in UTF-8.")
    said = str(error)
    if "out of range" in said:
        where = f", at {said.rpartition(' at ')[2]}" if " - at " in said else ""
        what = "an integer of too many digits" if said.startswith("Integer") else "a number that is too large"
        return Problem(400, _TITLE, f"The body has {what}{where}. Send it as text.")
    if "truncated" in said and _HALF.search(body):  # to msgspec the other half would be what is missing
        return Problem(400, _TITLE, r"The body is not JSON: \ud800, or the like, is half of one character. Send both.")
    if "truncated" in said:
        return Problem(
            400,
            _TITLE,
            f"The body is not JSON: it ends, after {counted(len(body), 'byte')}, within a value. "
            "Close every bracket, brace and quote; was all of it sent?",
        )
    found = _PLACE.search(said)
    if found is None:
        return Problem(400, _TITLE, f"The body is not JSON: {said}. {_NEXT_STEP}")
    place = min(int(found[1]), len(body))
    where = _position(body, place)
    if body.startswith(_NO_NUMBERS, place) or body.startswith(b"-Infinity", max(place - 1, 0)):
        return Problem(400, _TITLE, f"The body is not JSON: it has NaN or Infinity, {where}. Send null in its place.")
    what = said[: found.start()].rpartition(": ")[2]
    return Problem(400, _TITLE, f"The body is not JSON: {what}, {where}. {_NEXT_STEP}")


def too_deep() -> Problem:
    """Say that a body has more levels than can be read."""
    return Problem(400, _TITLE, "The body is nested too deeply to be read. Send it flatter.")


def _position(body: bytes, place: int) -> str:
    before = body[:place]
    line = before.count(b"\n") + 1
    column = len(before[before.rfind(b"\n") + 1 :].decode("utf-8", "replace")) + 1
    return f"at line {line:,}, column {column:,}"


def _bad_byte(body: bytes) -> str:
    try:
        body.decode()
    except UnicodeDecodeError as error:
        return f": byte 0x{body[error.start]:02x}, {_position(body, error.start)}"
    return ""
