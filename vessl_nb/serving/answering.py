"""What an answer becomes: the body that a client gets, and its content type."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from vessl_nb.capture.declared_types import declared_types, type_name
from vessl_nb.errors import NotSendable
from vessl_nb.faces.html import one_line
from vessl_nb.serving.declared import adapter_of, errors_of
from vessl_nb.values.sent import as_sent, open_value
from vessl_nb.values.sent_libraries import png_of

if TYPE_CHECKING:
    from vessl_nb.runner import Runner

Writer = Callable[[Any], tuple[bytes, str]]
"""Makes a body, and its content type, of what a runner returned."""

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
    knows it, is validated, and written as pydantic writes that type, with its aliases.

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
    adapter = adapter_of(declared)
    encode = _encode_anything if adapter is None else _typed(adapter, declared)

    def write(value: Any) -> tuple[bytes, str]:
        kind = type(value)
        if kind is not dict and kind is not list:
            if isinstance(value, bytes | bytearray | memoryview):
                return _as_bytes(value)
            pil_image = sys.modules.get("PIL.Image")
            if pil_image is not None and isinstance(value, pil_image.Image):
                return _as_png(value)
        return encode(value), JSON

    return write


_encode = msgspec.json.Encoder(enc_hook=open_value).encode


def _encode_anything(value: Any) -> bytes:
    try:
        return _encode(value)
    except Exception:  # noqa: BLE001  # what stands in the way is found out by another, slower way
        return _encode_slowly(value)


def _encode_slowly(value: Any) -> bytes:
    """Write what msgspec alone does not, such as dicts whose keys are tuples, or say which part of it cannot be."""
    try:
        return msgspec.json.encode(as_sent(value, "answer"))
    except NotSendable:
        raise
    except Exception as error:
        problem = one_line(f"{type(error).__name__}: {error}", _MOST_CHARACTERS)
        raise NotSendable(
            f"The answer, a {type(value).__name__}, cannot be written as JSON: {problem}",
            "Return numbers, text, lists, dicts, arrays, frames or bytes.",
            path="answer",
        ) from error


def _typed(adapter: Any, declared: Any) -> Callable[[Any], bytes]:
    pydantic = sys.modules["pydantic"]
    # The adapter's own methods would only pass on what they are given, each time.
    validate, dump = adapter.validator.validate_python, adapter.serializer.to_json

    def encode(value: Any) -> bytes:
        try:
            fitting = validate(value)
        except pydantic.ValidationError as error:
            # What a client would get for it may fit where the value itself does not: a list for an array.
            try:
                fitting = adapter.validate_json(_encode_slowly(value))
            except (pydantic.ValidationError, NotSendable):
                raise _misfit(error, declared) from error
        try:
            # By alias, for so the schema of the output names the fields.
            written: bytes = dump(fitting, by_alias=True)
        except Exception:  # noqa: BLE001  # a field may hold what pydantic does not write: an array, bytes of any kind
            return _encode_slowly(adapter.dump_python(fitting, by_alias=True))
        return written

    return encode


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


def _as_png(value: Any) -> tuple[bytes, str]:
    try:
        return png_of(value), "image/png"
    except Exception as error:  # images read their file only now, and of their mode there may be no PNG
        problem = one_line(f"{type(error).__name__}: {error}", _MOST_CHARACTERS)
        raise NotSendable(
            f"The answer is an image that cannot be written as a PNG: {problem}",
            "Return it in RGB, or the bytes of a file.",
            path="answer",
        ) from error
