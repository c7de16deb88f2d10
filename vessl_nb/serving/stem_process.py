"""The process that loads a version, as the front starts it, orders workers from it, and ends it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import msgspec

from vessl_nb.errors import CannotServe
from vessl_nb.serving.orders import Fork, Forked, Loaded
from vessl_nb.serving.wire import packet_pair

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vessl_nb.serving.wire import Slots

_LARGEST = 1 << 16
_LOADING_LIMIT = 600.0
_FORKING_LIMIT = 30.0
_LAST_WORD = 0.05


class StemProcess:
    """A process that loads the version, as the front talks to it.

    Attributes
    ----------
    running
        Those that this process waits for, by process id.
    starting
        How many more there will be, whose ids are not known yet.
    """

    running: ClassVar[set[int]] = set()
    starting: ClassVar[int] = 0

    def __init__(self, process: asyncio.subprocess.Process, control: socket.socket) -> None:
        self.process = process
        self.control = control
        self.loaded = Loaded()
        self.turn = asyncio.Lock()
        self.running.add(process.pid)

    @classmethod
    def is_awaited(cls, pid: int) -> bool:
        """Tell whether a child of this process is one, or may be: `asyncio` asks for its end."""
        return pid in cls.running or cls.starting > 0

    @classmethod
    async def start(cls, reference: str, digest: str, folder: Path, workers: int) -> StemProcess:
        """Start the process, and wait until it has loaded; CannotServe where it cannot.

        Parameters
        ----------
        reference, digest
            The version, with its revision, and what it must be.
        folder
            Its working directory.
        workers
            How many workers there are to be, who share the processors.
        """
        # What lies among temporary files for long may have been cleared away.
        folder.mkdir(mode=0o700, exist_ok=True)  # noqa: ASYNC240  # it takes a moment
        ours, theirs = packet_pair()
        ours.setblocking(False)
        script = (
            f"from vessl_nb.serving.stem import main; main({theirs.fileno()}, {reference!r}, {digest!r}, {os.getpid()})"
        )
        with theirs, cls._one_more():
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",
                "-c",
                script,
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                cwd=folder,
                env=_environment(workers),
                start_new_session=True,  # Ctrl-C is the front's to hear, and all of it can be ended together
            )
            stem = cls(process, ours)
        try:
            await stem._load(reference)
        except BaseException:  # that nobody waits for it any more, too
            await stem.end()
            raise
        return stem

    @classmethod
    @contextlib.contextmanager
    def _one_more(cls) -> Iterator[None]:
        cls.starting += 1
        try:
            yield
        finally:
            cls.starting -= 1

    async def _load(self, reference: str) -> None:
        message = await self._hear(_LOADING_LIMIT)
        if not message:
            raise CannotServe(f"The process that loads {reference} {self._fate()}.", "See the log.")
        self.loaded = msgspec.json.decode(message, type=Loaded)
        if self.loaded.what:
            raise CannotServe(self.loaded.what, self.loaded.next_step, kind=self.loaded.kind)

    async def fork(self, place: int, asks: socket.socket, answers: socket.socket, slots: Slots) -> int:
        """Let it make a worker, and give its process id; OSError where it makes none."""
        async with self.turn:
            packet = msgspec.json.encode(Fork(place))
            socket.send_fds(self.control, [packet], [asks.fileno(), answers.fileno(), slots.file])
            message = await self._hear(_FORKING_LIMIT)
        if not message:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()  # what it may still say would be taken for the answer to the next order
            raise OSError(f"the process that loaded the version {self._fate()}")
        forked = msgspec.json.decode(message, type=Forked)
        if not forked.pid:
            raise OSError(forked.why)
        return forked.pid

    async def _hear(self, limit: float) -> bytes:
        """Wait for what it says next; empty where it ends, or the time does, without a word."""
        # Its end is waited for as well: what it has started may hold its socket open.
        saying = asyncio.ensure_future(asyncio.get_running_loop().sock_recv(self.control, _LARGEST))
        ending = asyncio.ensure_future(self.process.wait())
        try:
            await asyncio.wait((saying, ending), timeout=limit, return_when=asyncio.FIRST_COMPLETED)
            if not saying.done():
                with contextlib.suppress(TimeoutError):  # the last word of one that ended may just have come
                    return await asyncio.wait_for(asyncio.shield(saying), _LAST_WORD)
                return b""
            message = saying.result() if saying.exception() is None else b""
            if not message and self.process.returncode is None:
                with contextlib.suppress(TimeoutError):  # to say how it ended
                    await asyncio.wait_for(asyncio.shield(ending), 1)
            return message
        finally:
            for task in (saying, ending):
                task.cancel()
            await asyncio.wait((saying, ending))

    def _fate(self) -> str:
        status = self.process.returncode
        if status is None:
            return "does not answer"
        return f"was ended by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"

    async def end(self) -> None:
        """End it, and every worker that it made."""
        self.control.close()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        await self.process.wait()
        self.running.discard(self.process.pid)


def _environment(workers: int) -> dict[str, str]:
    """Give the runner's code what this process has, but for the token: clients are to know that."""
    return _threads(workers) | {n: v for n, v in os.environ.items() if n != "VESSL_NB_TOKEN"} | _named_folders()


def _threads(workers: int) -> dict[str, str]:
    """Share the processors among several workers: each would compute with as many threads as there are processors."""
    if workers == 1:
        return {}
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return {"OMP_NUM_THREADS": str(max(1, processors // workers))}


def _named_folders() -> dict[str, str]:
    """Give where the registry and the cache are, seen from any folder."""
    names = ("VESSL_NB_REGISTRY", "VESSL_NB_CACHE")
    return {name: str(Path(said).expanduser().absolute()) for name in names if (said := os.environ.get(name))}
