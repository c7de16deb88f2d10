"""What the front and the workers of a version say to each other, through Unix sockets.

Asks go through one socket that all workers share, a packet each: whoever is free takes the next, so that none waits
behind a slow one while another is idle. Answers come back in a stream for each worker, whose end tells that the worker
is no more. Which ask a worker is at is written into memory that both see, so that it is known of one that died.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import socket
import struct
import sys
import tempfile
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from vessl_nb.serving.problems import PROBLEM_TYPE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vessl_nb.serving.problems import Problem

# Packets keep their bounds, and the end of the last writer ends the reading; macOS has them without the latter.
_PACKETS = socket.SOCK_SEQPACKET if sys.platform == "linux" else socket.SOCK_DGRAM

INLINE = 1 << 16 if sys.platform == "linux" else 1 << 10
"""From this many bytes on a body travels in a file: a packet has to fit into the socket's memory."""

_ASK = struct.Struct("<QdBH")
_AFTER_NUMBER = struct.Struct("<dBH")
_ANSWER = struct.Struct("<IQHBHddd")
_SLOT = struct.Struct("<Q")
_WORKERS = 512
_TAKEN = struct.Struct(f"<{_WORKERS}Q")
_LARGEST_PACKET = _ASK.size + (1 << 16) + INLINE

_AWAKE = 8e-5
"""How long a worker waits for an ask awake, in seconds: being woken takes the system about half as long, and sometimes
milliseconds, where a client asks again as soon as it has its answer."""

_SOON = 2e-4
"""A worker waits awake only where the ask before came within these seconds: else it would burn time for nothing."""

TRY_EXAMPLE = "\0example"
"""The content type of the front's own ask: answer a stored example, and hold the answer against what is stored.

The body is its number, from 0.

No header can hold its first character, so no client can ask this.
"""

FAILED_STAGES = ("", "preprocess_data", "predict", "postprocess_data", "answer")
"""Where an answer failed, by number: nowhere, in a stage, or when what came of them was written."""


class Ask(NamedTuple):
    """A request, on its way to a worker.

    Attributes
    ----------
    id
        Its number; 0 is none.
    deadline
        When nobody waits for the answer any more, by ``time.monotonic``.
    content_type
        As the client sent it; empty where it said nothing.
    body
        What it sent; valid until the next ask is received.
    """

    id: int
    deadline: float
    content_type: str
    body: memoryview


class Answer(NamedTuple):
    """An answer, on its way back.

    Attributes
    ----------
    id
        That of the ask.
    status
        The HTTP status.
    stage
        Where it failed, one of `FAILED_STAGES`.
    content_type, body
        What the client gets; ``application/json`` is left empty.
    seconds
        How long preprocess, predict and postprocess took; none where it failed.
    """

    id: int
    status: int
    stage: str
    content_type: bytes
    body: bytes
    seconds: tuple[float, float, float] = (0.0, 0.0, 0.0)


def packet_pair() -> tuple[socket.socket, socket.socket]:
    """Make two sockets for packets, connected to each other."""
    one, other = socket.socketpair(socket.AF_UNIX, _PACKETS)
    for end in (one, other):
        for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            with contextlib.suppress(OSError):  # as much as the system gives; a packet of INLINE bytes always fits
                end.setsockopt(socket.SOL_SOCKET, option, 1 << 20)
    return one, other


def pack_ask(number: int, deadline: float, content_type: bytes, body: bytes | bytearray) -> bytes:
    """Write an ask whose body is small."""
    return b"".join((_ASK.pack(number, deadline, 0, len(content_type)), content_type, body))


def send_in_file(
    asks: socket.socket, number: int, deadline: float, content_type: bytes, body: bytes | bytearray
) -> None:
    """Send an ask whose body is large: the worker gets a file that only it and this process know.

    Raises
    ------
    BlockingIOError
        The socket is full; nothing was sent.
    OSError
        The file could not be written, or nobody reads any more.
    """
    with _unnamed_file() as file:
        left = memoryview(body)
        while left:
            left = left[os.write(file, left) :]
        packet = _ASK.pack(number, deadline, 1, len(content_type)) + content_type
        socket.send_fds(asks, [packet], [file])


@contextlib.contextmanager
def _unnamed_file() -> Iterator[int]:
    if hasattr(os, "memfd_create"):
        file = os.memfd_create("vessl_nb")
        try:
            yield file
        finally:
            os.close(file)
        return
    with tempfile.TemporaryFile() as temporary:
        yield temporary.fileno()


class AskReader:
    """Receives asks, in a worker.

    Parameters
    ----------
    asks
        The socket that all workers of a version share.
    note
        The memory in which the front reads at which ask this worker is, `Slots.note`.
    """

    def __init__(self, asks: socket.socket, note: memoryview) -> None:
        asks.setblocking(True)
        self._receive = asks.recvmsg_into
        self._buffer = bytearray(_LARGEST_PACKET)
        self._view = memoryview(self._buffer)
        self._note = note
        # A packet begins with the number, and is received right into the note: between taking an ask and noting it
        # this process could be killed, and nobody would know whose it was.
        self._buffers: list[memoryview | bytearray] = [note, self._buffer]
        self._room = socket.CMSG_SPACE(struct.calcsize("i"))
        self._comes_soon = False

    def next(self) -> Ask | None:
        """Wait for the next ask; None where there will be none any more."""
        began = time.monotonic()
        received = self._watch(began + _AWAKE) if self._comes_soon else None
        length, extra, _, _ = received or self._receive(self._buffers, self._room)
        self._comes_soon = time.monotonic() - began < _SOON
        if not length:
            return None
        (number,) = _SLOT.unpack(self._note)
        deadline, is_file, type_length = _AFTER_NUMBER.unpack_from(self._buffer)
        start = _AFTER_NUMBER.size + type_length
        content_type = bytes(self._view[_AFTER_NUMBER.size : start]).decode("latin-1") if type_length else ""
        body = self._view[start : length - _SLOT.size] if not is_file else _map_file(extra)
        return Ask(number, deadline, content_type, body)

    def _watch(self, end: float) -> tuple[int, list[tuple[int, int, bytes]], int, Any] | None:
        """Look for an ask again and again, without sleeping."""
        receive, buffers, room, clock = self._receive, self._buffers, self._room, time.monotonic
        while clock() < end:
            try:
                return receive(buffers, room, socket.MSG_DONTWAIT)
            except BlockingIOError:
                pass
        return None


def _map_file(extra: list[tuple[int, int, bytes]]) -> memoryview:
    (_, _, descriptor) = extra[0]
    file = struct.unpack("i", descriptor[:4])[0]
    try:
        return memoryview(mmap.mmap(file, 0, access=mmap.ACCESS_READ))
    finally:
        os.close(file)


def answer_with(number: int, problem: Problem, stage: str = "") -> Answer:
    """Make the answer to an ask that a problem is."""
    return Answer(number, problem.status, stage, PROBLEM_TYPE, problem.document())


def pack_answer(answer: Answer) -> bytes:
    """Write an answer."""
    number, status, stage, content_type, body, seconds = answer
    length = len(content_type) + len(body)
    if length >= 1 << 32:
        raise OverflowError(length)
    head = _ANSWER.pack(length, number, status, FAILED_STAGES.index(stage), len(content_type), *seconds)
    return b"".join((head, content_type, body))


class AnswerReader:
    """Takes a stream of answers apart, in the front."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, part: bytes, answered: Callable[[Answer], Any]) -> None:
        """Take in what arrived, and hand over each answer that is complete."""
        buffer = self._buffer
        buffer += part
        start, end = 0, len(buffer)
        while end - start >= _ANSWER.size:
            length, number, status, stage, type_length, first, second, third = _ANSWER.unpack_from(buffer, start)
            middle = start + _ANSWER.size + type_length
            stop = start + _ANSWER.size + length
            if stop > end:
                break
            content_type = bytes(buffer[start + _ANSWER.size : middle]) if type_length else b""
            body = bytes(buffer[middle:stop])
            start = stop
            answered(Answer(number, status, FAILED_STAGES[stage], content_type, body, (first, second, third)))
        del buffer[:start]


class Slots:
    """Memory in which it stands at which ask each worker is, for the front, and which are withdrawn, for the workers.

    Parameters
    ----------
    file
        A descriptor of its file; None makes a new one.
    """

    COUNT = _WORKERS
    """How many workers there may be."""

    _WITHDRAWN = 4096  # the last of them; one that is forgotten is answered to nobody
    _SIZE = (COUNT + _WITHDRAWN) * _SLOT.size

    def __init__(self, file: int | None = None) -> None:
        with contextlib.ExitStack() as stack:
            if file is None:
                file = stack.enter_context(_unnamed_file())
                os.ftruncate(file, self._SIZE)
                self.file = os.dup(file)
            else:
                self.file = file
            self._memory = mmap.mmap(self.file, self._SIZE)

    def note(self, worker: int) -> memoryview:
        """Give a worker's part of it."""
        return memoryview(self._memory)[worker * _SLOT.size : (worker + 1) * _SLOT.size]

    def read(self, worker: int) -> int:
        """Tell at which ask a worker was last; 0 for none."""
        number: int = _SLOT.unpack_from(self._memory, worker * _SLOT.size)[0]
        return number

    def leave(self, worker: int) -> None:
        """Note that a worker is at none, where it does not answer the last one."""
        _SLOT.pack_into(self._memory, worker * _SLOT.size, 0)

    def last_taken(self) -> int:
        """Tell the last ask that any worker has come to: they take them in their order."""
        taken: tuple[int, ...] = _TAKEN.unpack_from(self._memory)
        return max(taken)

    def withdraw(self, ask: int) -> None:
        """Note that nobody waits for the answer to an ask any more."""
        _SLOT.pack_into(self._memory, self._place_of(ask), ask)

    def is_withdrawn(self, ask: int) -> bool:
        """Tell whether nobody waits for the answer to an ask any more."""
        return bool(_SLOT.unpack_from(self._memory, self._place_of(ask))[0] == ask)

    def _place_of(self, ask: int) -> int:
        return (self.COUNT + ask % self._WITHDRAWN) * _SLOT.size

    def close(self) -> None:
        """Give the memory back."""
        self._memory.close()
        os.close(self.file)
