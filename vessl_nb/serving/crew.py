"""The workers of one version, as the front knows them: started, asked, ended when they take too long, replaced."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import time
from typing import TYPE_CHECKING, Any

import msgspec

from vessl_nb.errors import CannotServe
from vessl_nb.faces.words import one_line
from vessl_nb.serving.orders import Loaded, Tried
from vessl_nb.serving.pending import Pending
from vessl_nb.serving.problems import PROBLEM_TYPE, Problem
from vessl_nb.serving.stem_process import StemProcess
from vessl_nb.serving.wire import (
    TRY_EXAMPLE,
    Answer,
    AnswerReader,
    Slots,
    packet_pair,
)

if TYPE_CHECKING:
    from collections.abc import Coroutine
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
_LONGEST_REASON = 500

log = logging.getLogger("vessl_nb.serving")


class _Worker:
    """A worker, as the front knows it."""

    def __init__(self, place: int, pid: int, answers: socket.socket, stem: StemProcess) -> None:
        self.place = place
        self.pid = pid
        self.answers = answers
        self.stem = stem
        self.reader = AnswerReader()
        self.began = time.monotonic()
        self.number = 0  # of the request that it is at, or was last
        self.since = self.began  # when it was seen to be at that

    def kill(self) -> None:
        """End it, and the processes that the runner's code has started."""
        for kill in (os.kill, os.killpg):  # the runner's code may have left the group
            with contextlib.suppress(ProcessLookupError, PermissionError):
                kill(self.pid, signal.SIGKILL)


class Crew:
    """The workers of one version.

    Parameters
    ----------
    reference, digest
        The version, with its revision; and its digest, for the registry may come to have another one under that.
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
    pending
        The requests that have no answer yet.
    """

    def __init__(self, reference: str, digest: str, size: int, queue: int, timeout: float, folder: Path) -> None:
        self.reference = reference
        self._digest = digest
        self.loaded = Loaded()
        self.restarts = 0
        self._size = size
        self._timeout = timeout
        self._folder = folder
        asks, self._workers_end = packet_pair()
        self._slots = Slots()
        self.pending = Pending(asks, self._slots, size + queue, timeout)
        self._workers: dict[int, _Worker] = {}
        self._stems: list[StemProcess] = []
        self._choosing = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._ending: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        """How many requests have no answer yet, beyond those that workers are at."""
        return max(0, len(self.pending) - len(self._workers))

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
        """Let workers answer the stored examples, one after the other; each may take as long as a request."""
        problem, shown = "", []
        for place in range(self.loaded.examples):
            future: asyncio.Future[Answer] = self._loop.create_future()
            self.pending.put(TRY_EXAMPLE.encode(), b"%d" % place, future.set_result)
            answer = await future
            if answer.content_type == PROBLEM_TYPE:
                said = msgspec.json.decode(answer.body)
                return Tried(problem=f"Answering its examples failed: {said['title']}. {said['detail']}")
            tried = msgspec.json.decode(answer.body, type=Tried)
            problem = problem or tried.problem
            shown += tried.examples
        return Tried(problem=problem, examples=shown)

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
        self.pending.is_closed = False
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
        stem = await StemProcess.start(self.reference, self._digest, self._folder, self._size)
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
            worker.reader.feed(part, self.pending.settle)
        else:
            self._lose(worker)

    def _lose(self, worker: _Worker) -> None:
        """Say of a worker's request that it is lost, and replace the worker."""
        if self._workers.get(worker.place) is not worker:
            return
        self._loop.remove_reader(worker.answers.fileno())
        worker.answers.close()
        worker.kill()  # what it has started is left
        del self._workers[worker.place]
        number = self._slots.read(worker.place)
        detail = "The process that was at this request ended before it was answered. Try again."
        self.pending.fail(number, Problem(503, "The request was lost", detail))
        self.pending.forget(number)
        if self._ending is not None:
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
        while self._ending is None:
            await asyncio.sleep(pause)
            try:
                await self._hire(place)
            except Exception as error:  # noqa: BLE001  # a place that is given up would stay empty
                if not self._workers:
                    self.pending.close()
                pause = min(max(2 * pause, 0.1), _LONGEST_PAUSE)
                why = one_line(str(error), _LONGEST_REASON)
                log.error("No worker of %s could be made: %s Trying again in %.1f s", self.reference, why, pause)  # noqa: TRY400  # it says all
            else:
                return

    async def _sweep(self) -> None:
        """Answer what takes too long, and end workers that are at one request for too long.

        That is from when the worker came to it: what waited for long is not the worker's fault, and to load the version
        anew may take longer than to wait for it.
        """
        while True:
            await asyncio.sleep(_SWEEP)
            now = time.monotonic()
            for worker in self._workers.values():
                number = self._slots.read(worker.place)
                if number != worker.number:
                    worker.number, worker.since = number, now
            if self.pending.late(now):
                for worker in list(self._workers.values()):
                    self._read(worker)  # the answer may have come while this process was at something else
                at = {worker.number for worker in self._workers.values()}
                for number in self.pending.late(now):
                    self.pending.time_out(number, is_at_worker=number in at)
            for worker in list(self._workers.values()):
                if self.pending.is_overdue(worker.number) and now - worker.since >= self._timeout:
                    log.error("A request took longer than %g s; its worker is ended", self._timeout)
                    self.pending.forget(worker.number)
                    worker.kill()
                    # Processes that it has started may hold its socket open.
                    self._loop.call_later(_PARTING, self._lose, worker)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def drain(self) -> None:
        """Wait until nobody waits for an answer any more, then end."""
        while self.pending.is_awaited:  # noqa: ASYNC110  # to look is cheap, and an event would cost each request
            await asyncio.sleep(_SWEEP)
        await self.end()

    async def end(self) -> None:
        """End every process; requests that have no answer yet get none."""
        if self._ending is None:
            self._ending = asyncio.get_running_loop().create_task(self._end())
        await asyncio.shield(self._ending)  # whoever does not wait for it any more does not stop it

    async def _end(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.pending.end()
        for worker in list(self._workers.values()):
            self._loop.remove_reader(worker.answers.fileno())
            worker.answers.close()
            worker.kill()
        self._workers.clear()
        await asyncio.gather(*(stem.end() for stem in self._stems))
        self._workers_end.close()
        self._slots.close()
