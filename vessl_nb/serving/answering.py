"""What an answer becomes: the body that a client gets, and its content type."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from vessl_nb.capture.declared_types import declared_types, type_name
from vessl_nb.capture.pydantic_bytes import make_base64_serializer, make_base64_validator, may_hold_anything
from vessl_nb.errors import NotSendable
from vessl_nb.faces.words import one_line
from vessl_nb.serving.declared import errors_of, pydantic_adapter_of
from vessl_nb.values.sent import as_sent, open_value
from vessl_nb.values.sent_libraries import png_of

if TYPE_CHECKING:
    from vessl_nb.runner import Runner

Writer = Callable[[Any], tuple[bytes, str]]
"""Makes a body, and its content type, of what a runner returned."""

_Encode = Callable[[Any], bytes]

JSON = "application/json"
_ANY_BYTES = "application/octet-stream"
_FIRST_BYTES = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"%PDF-", "application/pdf"),
)
_MOST_CHARACTERS = 300


def make_writer(runner_cls: Runner) -> Writer:
    """Make what writes a runner's answers.

    Bytes and images are the body as they are, an image as a PNG file. Everything else is JSON, as
    `vessl_nb.values.sent` describes it; an answer of the type that the runner declares for its output, if pydantic
    knows it, is validated, and written as pydantic writes that type, with its aliases, but with bytes as base64.

    Parameters
    ----------
    runner_cls
        The runner.

    Returns
    -------
    callable
        Takes an answer and returns the body and its content type. It raises `NotSendable` where the answer, or
        something in it, cannot be written, or does not fit what is declared. What a validator of the user's own raises,
        other than pydantic's errors, goes through.
    """
    declared = declared_types(runner_cls)[1]
    adapter = pydantic_adapter_of(declared)
    plainly = _plainly("answer", "Return")
    return _writer(plainly if adapter is None else _typed(adapter, declared, plainly), "answer", "Return")


def make_plain_writer(name: str, verb: str) -> Writer:
    """Make what writes any value as `make_writer` has it, where nothing is declared.

    Parameters
    ----------
    name
        What the value is called where it cannot be written: ``data``, say.
    verb
        What is done with it: ``Send``, say.
    """
    return _writer(_plainly(name, verb), name, verb)


def _writer(encode: _Encode, name: str, verb: str) -> Writer:
    def write(value: Any) -> tuple[bytes, str]:
        kind = type(value)
        if kind is not dict and kind is not list:
            if isinstance(value, bytes | bytearray | memoryview):
                return _as_bytes(value)
            pil_image = sys.modules.get("PIL.Image")
            if pil_image is not None and isinstance(value, pil_image.Image):
                return _as_png(value, name, verb)
        return encode(value), JSON

    return write


def _plainly(name: str, verb: str) -> _Encode:
    write = msgspec.json.Encoder(enc_hook=open_value).encode

    def encode(value: Any) -> bytes:
        try:
            return write(value)
        except Exception:  # noqa: BLE001  # what stands in the way is found out by another, slower way
            return _encode_slowly(value, name, verb)

    return encode


def _encode_slowly(value: Any, name: str, verb: str) -> bytes:
    """Write what msgspec alone does not, such as dicts whose keys are tuples, or say which part of it cannot be."""
    try:
        return msgspec.json.encode(as_sent(value, name, verb))
    except NotSendable:
        raise
    except Exception as error:
        problem = one_line(f"{type(error).__name__}: {error}", _MOST_CHARACTERS)
        raise NotSendable(
            f"The {name}, a {type(value).__name__}, cannot be written as JSON: {problem}",
            f"{verb} numbers, text, lists, dicts, arrays, frames or bytes.",
            path=name,
        ) from error


def _typed(adapter: Any, declared: Any, plainly: _Encode) -> _Encode:
    pydantic = sys.modules["pydantic"]
    # The adapter's own methods would only pass on what they are given, each time.
    validate, validate_json = adapter.validator.validate_python, make_base64_validator(adapter).validate_json
    serializer = make_base64_serializer(adapter)
    is_open, write = may_hold_anything(adapter.core_schema), msgspec.json.Encoder(enc_hook=_open_typed).encode

    def encode(value: Any) -> bytes:
        try:
            fitting = validate(value)
        except pydantic.ValidationError as error:
            # What a client would get for it may fit where the value itself does not: a list for an array.
            try:
                fitting = validate_json(plainly(value))
            except (pydantic.ValidationError, NotSendable):
                raise _misfit(error, declared) from error
        # By alias, for so the schema of the output names the fields.
        if is_open:
            # In a field of any type, pydantic has bytes as text, where they happen to be text.
            with contextlib.suppress(Exception):  # a field may hold what only its own type says how to write
                return write(serializer.to_python(fitting, by_alias=True))
        try:
            written: bytes = serializer.to_json(fitting, by_alias=True)
        except Exception:  # noqa: BLE001  # it may hold what pydantic does not write, such as an array
            return plainly(serializer.to_python(fitting, by_alias=True))
        return written

    return encode


def _open_typed(value: Any) -> Any:
    """Bring a value nearer to JSON that is of a type of pydantic's own, such as a URL, or that it knows, as a path."""
    try:
        return open_value(value)
    except TypeError:
        return sys.modules["pydantic_core"].to_jsonable_python(value)


def _misfit(error: Any, declared: Any) -> NotSendable:
    location, message, value = next(errors_of(error))
    path = "answer" + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in location)
    given = "" if message == "is missing" else f" (it is {one_line(repr(value), 60)})"
    what = f"{path} does not fit {type_name(declared)}, which the runner declares as its output: {message}{given}."
    return NotSendable(what, "Return what fits from postprocess_data.", path=path)


def _as_bytes(value: bytes | bytearray | memoryview) -> tuple[bytes, str]:
    content = value if type(value) is bytes else bytes(value)
    for first, media_type in _FIRST_BYTES:
        if content.startswith(first):
            return content, media_type
    is_webp = content[:4] == b"RIFF" and content[8:12] == b"WEBP"
    return content, "image/webp" if is_webp else _ANY_BYTES


def _as_png(value: Any, name: str, verb: str) -> tuple[bytes, str]:
    try:
        return png_of(value), "image/png"
    except Exception as error:  # images read their file only now, and of their mode there may be no PNG
        problem = one_line(f"{type(error).__name__}: {error}", _MOST_CHARACTERS)
        raise NotSendable(
            f"The {name} is an image that cannot be written as a PNG: {problem}",
            f"{verb} it in RGB, or the bytes of a file.",
            path=name,
        ) from error
