"""A worker: one process that answers one request after the other, in its main thread, as the runner's author tried it.

It knows nothing of HTTP beyond bodies and content types, and needs no event loop: what blocks or hangs in it holds up
nobody else, and where it takes too long, the front ends the process.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import time
import uuid
from typing import TYPE_CHECKING, Any

import msgspec

from vessl_nb.runner import STAGES
from vessl_nb.serving.problems import CLIENT_CLOSED, Problem
from vessl_nb.serving.trying import try_example
from vessl_nb.serving.wire import TRY_EXAMPLE, Answer, AskReader, answer_with, pack_answer

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Mapping, Sequence

    from vessl_nb.runner import Runner
    from vessl_nb.serving.reading import Reader
    from vessl_nb.serving.wire import Slots

log = logging.getLogger("vessl_nb.serving")


class Responder:
    """Answers asks with a loaded version.

    Parameters
    ----------
    runner, model
        What was loaded.
    read
        Makes data of a body.
    write
        Makes a body, and its content type, of what the runner returned.
    examples
        What is stored with the version, encoded.
    """

    def __init__(
        self,
        runner: Runner,
        model: Any,
        read: Reader,
        write: Callable[[Any], tuple[bytes, str]],
        examples: Sequence[Mapping[str, Any]],
    ) -> None:
        self._runner = runner
        self._model = model
        self._read = read
        self._write = write
        self._examples = examples

    def respond(self, number: int, content_type: str, body: memoryview) -> Answer:
        """Answer one request; whatever the runner's code raises is in the answer, and in the log.

        Parameters
        ----------
        number
            The ask's.
        content_type, body
            What the client sent.
        """
        if content_type == TRY_EXAMPLE:
            place = int(bytes(body))
            which = "its example" if len(self._examples) == 1 else f"example {place + 1}"
            tried = try_example(self._runner, self._model, self._write, self._examples[place], which)
            return Answer(number, 200, "", b"", msgspec.json.encode(tried))
        runner, clock = self._runner, time.perf_counter
        stage = ""
        try:
            data = self._read(content_type, body)
            stage = "preprocess_data"
            begun = clock()
            value = runner.preprocess_data(data)
            stage = "predict"
            ready = clock()
            value = runner.predict(self._model, value)
            stage = "postprocess_data"
            predicted = clock()
            value = runner.postprocess_data(value)
            stage = "answer"
            done = clock()
            answered, kind = self._write(value)
        except Problem as refusal:
            if not stage:
                return answer_with(number, refusal)
            failed: BaseException = refusal
        except BaseException as error:  # noqa: BLE001  # an exit, or a panic of Rust's, is no reason to stop serving
            failed = error
        else:
            seconds = (ready - begun, predicted - ready, done - predicted)
            sent = b"" if kind == "application/json" else kind.encode()
            return Answer(number, 200, "", sent, answered, seconds)
        stage = stage or STAGES[0]  # a validator of the user's own raised, before it
        return answer_with(number, self._report(failed, stage), stage)

    def _report(self, error: BaseException, stage: str) -> Problem:
        """Write what was raised into the log, under a number that the client is told."""
        name = uuid.uuid4().hex[:12]
        log.error("%s failed in %s, id %s", self._runner.__name__, stage, name, exc_info=error)
        return Problem(
            500,
            "The runner failed",
            f"The model's own code failed in {stage}. The server's log has the details under this id.",
            stage=stage,
            id=name,
        )


def work(responder: Responder, asks: socket.socket, answers: socket.socket, slots: Slots, place: int) -> None:
    """Answer asks until there are no more.

    Parameters
    ----------
    responder
        Answers each.
    asks, answers
        Where they come from, and where the answers go.
    slots, place
        Where to note at which ask this worker is, and where it stands which are withdrawn.
    """
    reader = AskReader(asks, slots.note(place))
    answers.setblocking(True)
    for end in (asks, answers):  # a process that the runner forks would hold them open when this one is no more
        os.register_at_fork(after_in_child=end.close)
    while (ask := reader.next()) is not None:
        if time.monotonic() > ask.deadline:
            slots.leave(place)  # the client has been told so
            del ask
            continue
        if slots.is_withdrawn(ask.id):
            answer = pack_answer(Answer(ask.id, CLIENT_CLOSED, "", b"", b""))  # only the front hears it
        else:
            answer = pack_answer(responder.respond(ask.id, ask.content_type, ask.body))
        try:
            answers.sendall(answer)
        except OSError:
            return  # the front is no more
        del answer
        del ask  # a large body is not kept until the next one comes


def end_process() -> None:
    """End this process at once: what the runner registered to be done at the end is the loading process's to do."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):  # the runner's code may have replaced it
            stream.flush()
    os._exit(0)
