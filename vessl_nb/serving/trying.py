"""A version's stored examples, answered before it takes requests: so it is proven here, and warm."""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING, Any

import msgspec

from vessl_nb.capture.declared_types import declared_types
from vessl_nb.capture.instances import decode_input, decode_output
from vessl_nb.compared import Compared
from vessl_nb.errors import VesslError
from vessl_nb.runner import answer
from vessl_nb.serving.answering import JSON
from vessl_nb.serving.declared import pydantic_adapter_of
from vessl_nb.serving.orders import Tried
from vessl_nb.values.encoding import encode_loosely
from vessl_nb.values.sent import as_sent

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from vessl_nb.runner import Runner

log = logging.getLogger("vessl_nb.serving")


def try_example(
    runner: Runner, model: Any, write: Callable[[Any], tuple[bytes, str]], example: Mapping[str, Any], which: str
) -> Tried:
    """Answer an example, and hold the answer against what is stored.

    Parameters
    ----------
    runner, model
        The loaded version.
    write
        Makes a body of a value.
    example
        What is stored with the version, encoded.
    which
        What it is called.
    """
    problem = _problem_with(runner, model, example, which)
    shown = []
    try:
        given = _as_sent_to(runner, decode_input(runner, example["input"]))
        got = _as_answered(write, decode_output(runner, example["output"]))
        shown.append((msgspec.Raw(given), msgspec.Raw(got)))
    except VesslError:
        pass
    except Exception as error:  # noqa: BLE001  # validators and serializers are the user's own code
        log.warning("An example is not shown: %s: %s", type(error).__name__, error)
    return Tried(problem=problem, examples=shown)


def _as_sent_to(runner: Runner, value: Any) -> bytes:
    adapter = pydantic_adapter_of(declared_types(runner)[0])
    if adapter is not None:
        with contextlib.suppress(Exception):  # of plain data it knows no aliases, and needs none
            value = adapter.dump_python(value, by_alias=True, warnings=False)
    return msgspec.json.encode(as_sent(value))


def _as_answered(write: Callable[[Any], tuple[bytes, str]], value: Any) -> bytes:
    body, kind = write(value)
    return body if kind == JSON else msgspec.json.encode(body)  # bytes by themselves are no JSON


def _problem_with(runner: Runner, model: Any, example: Mapping[str, Any], which: str) -> str:
    def ask() -> Any:
        return encode_loosely(answer(runner, model, decode_input(runner, example["input"])))

    try:
        first = ask()
        difference = Compared(example, [first, first], []).difference()
        if difference:  # once more, since chance may be all that differs
            difference = Compared(example, [first, ask()], []).difference()
    except VesslError as error:
        log.error("Answering %s failed: %s", which, error.what, exc_info=error)  # noqa: TRY400  # it is told as well
        return f"Answering {which} failed: {error.what}"
    return f"It answers {which} {difference}" if difference else ""
