"""The server's log: one line for each thing that happened, on standard error, from all its processes."""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import select
import sys
import time
from logging.handlers import QueueHandler, QueueListener

_FORMAT = "%(asctime)s %(levelname)s %(message)s"
_LAST_WORDS = 1.0
"""How long the end of a server waits for who reads its log, in seconds."""

_PATIENCE = 0.2
"""How long a process that answers requests waits for who reads its log, in seconds."""

_lines: queue.Queue[logging.LogRecord] = queue.Queue(10_000)
"""What is to be written aside; what does not fit is left out."""


def write_log() -> None:
    """Write what is logged to standard error, in this process and those forked from it.

    They cannot write it aside: a thread that writes is not in a fork. What nobody reads for a while is left out.
    """
    handler = _Writer(sys.stderr.fileno(), _PATIENCE) if sys.stderr is not None else logging.NullHandler()
    logging.basicConfig(level=logging.INFO, handlers=[handler])


def write_log_aside() -> None:
    """Write what is logged to standard error in a thread: who reads it may be slow, and nobody here waits for that."""
    if sys.stderr is None:  # closed, and its descriptor may be another file's by now
        logging.basicConfig(handlers=[logging.NullHandler()])
        return
    QueueListener(_lines, _Writer(os.dup(sys.stderr.fileno()), None)).start()
    aside = _Aside(_lines)
    aside.setFormatter(logging.Formatter("%(message)s"))  # with the traceback; the rest is the writer's
    logging.basicConfig(level=logging.INFO, handlers=[aside])
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)  # it has a line for each request that is no HTTP


def wait_for_log() -> None:
    """Let what was logged be written, unless that takes too long."""
    deadline = time.monotonic() + _LAST_WORDS
    while _lines.unfinished_tasks and time.monotonic() < deadline:
        time.sleep(0.005)


class _Aside(QueueHandler):
    def enqueue(self, record: logging.LogRecord) -> None:
        with contextlib.suppress(queue.Full):
            self.queue.put_nowait(record)


class _Writer(logging.Handler):
    """Writes to a file.

    Parameters
    ----------
    file
        Its descriptor.
    patience
        How long who reads it is waited for each time, in seconds; None for as long as it takes.
    """

    def __init__(self, file: int, patience: float | None) -> None:
        super().__init__()
        self.setFormatter(logging.Formatter(_FORMAT))
        self._file = file
        self._patience = None if patience is None else patience * 1000
        self._room = select.poll()
        self._room.register(file, select.POLLOUT)

    def emit(self, record: logging.LogRecord) -> None:
        # Not by sys.stderr: the end of the process would wait for a thread that is still writing there.
        left = f"{self.format(record)}\n".encode(errors="backslashreplace")
        with contextlib.suppress(OSError):  # a disk that is full now may have room for the next line
            while left and self._room.poll(self._patience):
                # So much goes into a pipe at once where there is room at all.
                left = left[os.write(self._file, left[: select.PIPE_BUF]) :]
