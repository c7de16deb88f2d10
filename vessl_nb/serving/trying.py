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
    from collections.abc import Callable, Mapping, Sequence

    from vessl_nb.runner import Runner

log = logging.getLogger("vessl_nb.serving")


def try_examples(
    runner: Runner, model: Any, write: Callable[[Any], tuple[bytes, str]], examples: Sequence[Mapping[str, Any]]
) -> Tried:
    """Answer each example twice, as the check does, and hold the answers against what is stored.

    Parameters
    ----------
    runner, model
        The loaded version.
    write
        Makes a body of a value.
    examples
        What is stored with the version, encoded.
    """
    problem = ""
    for place, example in enumerate(examples, 1):
        which = "its example" if len(examples) == 1 else f"example {place}"
        problem = _problem_with(runner, model, example, which)
        if problem:
            break
    shown = []
    for example in examples:
        try:
            given = _as_sent_to(runner, decode_input(runner, example["input"]))
            got = _as_answered(write, decode_output(runner, example["output"]))
        except VesslError:
            continue
        except Exception as error:  # noqa: BLE001  # validators and serializers are the user's own code
            log.warning("An example is not shown: %s: %s", type(error).__name__, error)
            continue
        shown.append((msgspec.Raw(given), msgspec.Raw(got)))
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
    try:
        answers = [encode_loosely(answer(runner, model, decode_input(runner, example["input"]))) for _ in range(2)]
        difference = Compared(example, answers, []).difference()
    except VesslError as error:
        log.error("Answering %s failed: %s", which, error.what, exc_info=error)  # noqa: TRY400  # it is told as well
        return f"Answering {which} failed: {error.what}"
    return f"It answers {which} {difference}" if difference else ""
