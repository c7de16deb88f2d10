"""The server's log: one line for each thing that happened, on standard error, from all its processes."""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import sys
import time
from logging.handlers import QueueHandler, QueueListener

_FORMAT = "%(asctime)s %(levelname)s %(message)s"
_LAST_WORDS = 1.0
"""How long the end of a server waits for who reads its log, in seconds."""

_lines: queue.Queue[logging.LogRecord] = queue.Queue(10_000)
"""What is to be written aside; what does not fit is left out."""


def write_log() -> None:
    """Write what is logged to standard error, in this process and those forked from it."""
    logging.basicConfig(format=_FORMAT, level=logging.INFO, stream=sys.stderr)


def write_log_aside() -> None:
    """Write what is logged to standard error in a thread: who reads it may be slow, and nobody here waits for that."""
    if sys.stderr is None:  # closed, and its descriptor may be another file's by now
        logging.basicConfig(handlers=[logging.NullHandler()])
        return
    writer = _Writer(os.dup(sys.stderr.fileno()))
    writer.setFormatter(logging.Formatter(_FORMAT))
    QueueListener(_lines, writer).start()
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
    def __init__(self, file: int) -> None:
        super().__init__()
        self._file = file

    def emit(self, record: logging.LogRecord) -> None:
        # Not by sys.stderr: the end of the process would wait for a thread that is still writing there.
        left = f"{self.format(record)}\n".encode(errors="backslashreplace")
        with contextlib.suppress(OSError):  # a disk that is full now may have room for the next line
            while left:
                left = left[os.write(self._file, left) :]
