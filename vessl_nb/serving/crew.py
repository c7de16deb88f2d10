"""The workers of one version, as the front knows them: started, asked, ended when they take too long, replaced."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import time
from collections import deque
from itertools import takewhile
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from vessl_nb.errors import CannotServe
from vessl_nb.serving.orders import Loaded, Tried
from vessl_nb.serving.problems import MEDIA_TYPE, Problem
from vessl_nb.serving.stem_process import StemProcess
from vessl_nb.serving.wire import (
    INLINE,
    TRY_EXAMPLES,
    Answer,
    AnswerReader,
    Slots,
    pack_ask,
    packet_pair,
    send_in_file,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path

_READ_AT_ONCE = 1 << 16
"""Room for more than 128 KiB would be mapped and given back each time: as much work as all else that the front does."""

_SWEEP = 0.05
"""How often deadlines are looked at, in seconds."""

_PARTING = 1.0
"""How long the end of a worker that was killed is waited for, in seconds."""

_HASTY = 1.0
"""A worker that lived shorter than these seconds is replaced only after a while: it would die again at once."""

_LONGEST_PAUSE = 10.0
_PROBLEM = MEDIA_TYPE.encode()

log = logging.getLogger("vessl_nb.serving")


class _Pending(NamedTuple):
    """An ask without an answer: who waits for it, until when."""

    answered: Callable[[Answer], object]
    deadline: float


class _Worker:
    """A worker, as the front knows it."""

    def __init__(self, place: int, pid: int, answers: socket.socket, stem: StemProcess) -> None:
        self.place = place
        self.pid = pid
        self.answers = answers
        self.stem = stem
        self.reader = AnswerReader()
        self.began = time.monotonic()


class Crew:
    """The workers of one version.

    Parameters
    ----------
    reference
        The version, with its revision.
    size
        How many workers there are to be.
    queue
        How many requests may wait beside those that workers are at.
    timeout
        How long a request may take, waiting included, in seconds.
    folder
        The workers' working directory, unless the version has a volume.

    Attributes
    ----------
    loaded
        What the version's process said of it.
    restarts
        How many workers have died and were replaced, or are to be.
    """

    def __init__(self, reference: str, size: int, queue: int, timeout: float, folder: Path) -> None:
        self.reference = reference
        self.loaded = Loaded()
        self.restarts = 0
        self._size = size
        self._capacity = size + queue
        self._timeout = timeout
        self._folder = folder
        self._asks, self._workers_end = packet_pair()
        self._asks.setblocking(False)
        self._slots = Slots()
        self._workers: dict[int, _Worker] = {}
        self._stems: list[StemProcess] = []
        self._choosing = asyncio.Lock()
        self._pending: dict[int, _Pending] = {}
        self._withdrawn = 0  # of these
        self._unsent: deque[tuple[int, bytes, bytes | bytearray]] = deque()
        self._number = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_ending = False

    @property
    def waiting(self) -> int:
        """How many requests have no answer yet, beyond those that workers are at."""
        return max(0, len(self._pending) - self._withdrawn - len(self._workers))

    @property
    def workers(self) -> int:
        """How many workers there are."""
        return len(self._workers)

    async def start(self) -> None:
        """Load the version, and make the workers.

        Raises
        ------
        CannotServe
            It does not load here; says why.
        """
        self._loop = asyncio.get_running_loop()
        try:
            await self._hire(0)
            hiring = [self._loop.create_task(self._hire(place)) for place in range(1, self._size)]
            await asyncio.gather(*hiring, return_exceptions=True)  # all of them, so that none goes on after the end
            await asyncio.gather(*hiring)
        except OSError as error:
            await self.end()
            raise CannotServe(f"Cannot start workers for {self.reference}: {error}.") from error
        except BaseException:
            await self.end()
            raise
        self._spawn(self._sweep())

    async def try_examples(self) -> Tried:
        """Let a worker answer the stored examples."""
        future: asyncio.Future[Answer] = self._loop.create_future()
        self._put(TRY_EXAMPLES.encode(), b"", future.set_result)
        answer = await future
        if answer.content_type == _PROBLEM:
            problem = msgspec.json.decode(answer.body)
            return Tried(problem=f"Answering its examples failed: {problem['title']}. {problem['detail']}")
        return msgspec.json.decode(answer.body, type=Tried)

    def ask(self, content_type: bytes, body: bytes | bytearray, answered: Callable[[Answer], object]) -> int:
        """Hand a request to whichever worker is free first.

        Parameters
        ----------
        content_type, body
            What the client sent.
        answered
            Is called once, with the answer: the worker's, or 503 where it died, or 504 where it took too long.

        Returns
        -------
        int
            Its number; 0 where too many are waiting: nothing will be called then.
        """
        pending = len(self._pending)
        if pending - self._withdrawn >= self._capacity or pending >= 2 * self._capacity:
            return 0
        return self._put(content_type, body, answered)

    def is_waiting(self, number: int) -> bool:
        """Tell whether no worker has come to a request yet: they take them in their order."""
        return number in self._pending and number > max(map(self._slots.read, self._workers), default=0)

    def withdraw(self, number: int) -> None:
        """Forget a request whose client is gone: its place is free, and a worker that comes to it passes it over.

        A worker that is at it already goes on, and is ended where that takes too long.
        """
        pending = self._pending.get(number)
        if pending is not None:
            self._pending[number] = _Pending(_tell_nobody, pending.deadline)
            self._withdrawn += 1
            self._slots.withdraw(number)

    def _put(self, content_type: bytes, body: bytes | bytearray, answered: Callable[[Answer], object]) -> int:
        self._number = number = self._number + 1
        deadline = time.monotonic() + self._timeout
        self._pending[number] = _Pending(answered, deadline)
        if self._unsent:
            self._unsent.append((number, content_type, body))
            return number
        try:
            self._send(number, deadline, content_type, body)
        except BlockingIOError:
            self._unsent.append((number, content_type, body))
            self._loop.add_writer(self._asks.fileno(), self._send_on)
        except OSError as error:
            self._refuse(number, error)
        return number

    def _send(self, number: int, deadline: float, content_type: bytes, body: bytes | bytearray) -> None:
        if len(body) < INLINE:
            self._asks.send(pack_ask(number, deadline, content_type, body))
        else:
            send_in_file(self._asks, number, deadline, content_type, body)

    def _send_on(self) -> None:
        """Send what the socket had no room for."""
        while self._unsent:
            number, content_type, body = self._unsent[0]
            pending = self._pending.get(number)
            if pending is not None:
                try:
                    self._send(number, pending.deadline, content_type, body)
                except BlockingIOError:
                    return
                except OSError as error:
                    self._refuse(number, error)
            self._unsent.popleft()
        self._loop.remove_writer(self._asks.fileno())

    def _refuse(self, number: int, error: OSError) -> None:
        log.error("A request could not be handed to a worker: %s", error)
        self._settle(_problem(number, 503, "No worker could take the request", "Try again in a moment."))

    def _settle(self, answer: Answer) -> None:
        pending = self._pending.pop(answer.id, None)
        if pending is None:  # the client was told that it took too long
            return
        if pending.answered is _tell_nobody:
            self._withdrawn -= 1
        try:
            pending.answered(answer)
        except Exception:  # the answers behind this one are others'
            log.exception("An answer could not be handed on")

    async def _hire(self, place: int) -> None:
        """Make a worker, and the process that it is forked from where there is none."""
        stem = await self._choose_stem()
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                pid = await stem.fork(place, self._workers_end, theirs, self._slots)
        except BaseException:
            ours.close()
            raise
        ours.setblocking(False)
        worker = _Worker(place, pid, ours, stem)
        self._workers[place] = worker
        self._loop.add_reader(ours.fileno(), self._read, worker)

    async def _choose_stem(self) -> StemProcess:
        if not self.loaded.can_fork:  # each worker has its own, and they load side by side
            return await self._start_stem()
        async with self._choosing:  # workers that died together share the next one as well
            for stem in self._stems:
                if stem.loaded.can_fork and stem.process.returncode is None:
                    return stem
            return await self._start_stem()

    async def _start_stem(self) -> StemProcess:
        in_use = {worker.stem for worker in self._workers.values()}
        over = [stem for stem in self._stems if stem.process.returncode is not None and stem not in in_use]
        self._stems = [stem for stem in self._stems if stem not in over]
        for stem in over:  # what it has started besides workers, perhaps
            await stem.end()
        stem = await StemProcess.start(self.reference, self._folder)
        self._stems.append(stem)
        self.loaded = stem.loaded
        return stem

    def _read(self, worker: _Worker) -> None:
        try:
            part = worker.answers.recv(_READ_AT_ONCE)
        except BlockingIOError:
            return
        except OSError:
            part = b""
        if part:
            worker.reader.feed(part, self._settle)
        else:
            self._lose(worker)

    def _lose(self, worker: _Worker) -> None:
        """Say of a worker's request that it is lost, and replace the worker."""
        if self._workers.get(worker.place) is not worker:
            return
        self._loop.remove_reader(worker.answers.fileno())
        worker.answers.close()
        del self._workers[worker.place]
        number = self._slots.read(worker.place)
        if number in self._pending:
            detail = "The process that was at this request ended before it was answered. Try again."
            self._settle(_problem(number, 503, "The request was lost", detail))
        if self._is_ending:
            return
        self.restarts += 1
        age = time.monotonic() - worker.began
        log.error(
            "A worker of %s (process %d) ended after %.1f s; another one takes its place",
            self.reference,
            worker.pid,
            age,
        )
        self._spawn(self._replace(worker.place, pause=0.0 if age > _HASTY else _HASTY / 2))

    async def _replace(self, place: int, pause: float) -> None:
        while not self._is_ending:
            await asyncio.sleep(pause)
            try:
                await self._hire(place)
            except Exception as error:  # noqa: BLE001  # a place that is given up would stay empty
                pause = min(max(2 * pause, 0.1), _LONGEST_PAUSE)
                log.error("No worker of %s could be made: %s Trying again in %.1f s", self.reference, error, pause)  # noqa: TRY400  # it says all
            else:
                return

    def _late(self, now: float) -> list[int]:
        # All have the same time, so the oldest come first.
        return [number for number, _ in takewhile(lambda item: item[1].deadline <= now, self._pending.items())]

    async def _sweep(self) -> None:
        """Answer what takes too long, and end the worker that is at it."""
        while True:
            await asyncio.sleep(_SWEEP)
            if not self._late(time.monotonic()):
                continue
            for worker in list(self._workers.values()):
                self._read(worker)  # the answer may have come while this process was at something else
            for number in self._late(time.monotonic()):
                detail = f"It took longer than {self._timeout:g} s."
                self._settle(_problem(number, 504, "No answer in time", detail))
                for worker in list(self._workers.values()):
                    if self._slots.read(worker.place) == number:
                        log.error("A request took longer than %g s; its worker is ended", self._timeout)
                        with contextlib.suppress(ProcessLookupError):
                            os.kill(worker.pid, signal.SIGKILL)
                        # Processes that it has started may hold its socket open.
                        self._loop.call_later(_PARTING, self._lose, worker)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def drain(self) -> None:
        """Wait until every request that was accepted has its answer, then end."""
        while self._pending:  # noqa: ASYNC110  # to look is cheap, and an event would cost each request
            await asyncio.sleep(_SWEEP)
        await self.end()

    async def end(self) -> None:
        """End every process; requests that have no answer yet get none."""
        if self._is_ending:
            return
        self._is_ending = True
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._unsent:
            self._loop.remove_writer(self._asks.fileno())
        for worker in list(self._workers.values()):
            self._loop.remove_reader(worker.answers.fileno())
            worker.answers.close()
        self._workers.clear()
        await asyncio.gather(*(stem.end() for stem in self._stems))
        self._asks.close()
        self._workers_end.close()
        self._slots.close()


def _tell_nobody(_: Answer) -> None:
    """Do nothing: the client is gone."""


def _problem(number: int, status: int, title: str, detail: str) -> Answer:
    document = Problem(status, title, detail).document()
    return Answer(number, status, "", _PROBLEM, document, (0.0, 0.0, 0.0))
