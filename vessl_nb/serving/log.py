"""The server's log: one line for each thing that happened, on standard error, from all its processes."""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import queue
import sys
import time
from logging.handlers import QueueHandler, QueueListener

_FORMAT = "%(asctime)s %(levelname)s %(message)s"
_MOST_WAITING = 10_000
_LAST_WORDS = 1.0
"""How long the end of a server waits for who reads its log, in seconds."""


def write_log() -> None:
    """Write what is logged to standard error, in this process and those forked from it."""
    logging.basicConfig(format=_FORMAT, level=logging.INFO, stream=sys.stderr)


def write_log_aside() -> None:
    """Write what is logged to standard error in a thread: who reads it may be slow, and nobody here waits for that."""
    lines: queue.Queue[logging.LogRecord] = queue.Queue(_MOST_WAITING)
    writer = _Writer()
    writer.setFormatter(logging.Formatter(_FORMAT))
    QueueListener(lines, writer).start()
    logging.basicConfig(level=logging.INFO, handlers=[_Aside(lines)])
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)  # it has a line for each request that is no HTTP
    atexit.register(_wait_for, lines)


class _Aside(QueueHandler):
    def enqueue(self, record: logging.LogRecord) -> None:
        with contextlib.suppress(queue.Full):  # what does not fit is left out
            self.queue.put_nowait(record)


class _Writer(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        # Not by sys.stderr: the end of the process would wait for a thread that is still writing there.
        os.write(2, f"{self.format(record)}\n".encode(errors="backslashreplace"))


def _wait_for(lines: queue.Queue[logging.LogRecord]) -> None:
    deadline = time.monotonic() + _LAST_WORDS
    while not lines.empty() and time.monotonic() < deadline:
        time.sleep(0.01)
