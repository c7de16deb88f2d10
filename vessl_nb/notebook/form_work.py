"""Work that a widget starts: in a thread of its own, so that the kernel goes on, and cancelled as Ctrl-C would."""

from __future__ import annotations

import contextvars
import ctypes
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    Done = Callable[[Any, BaseException | None], None]


class Work:
    """One piece of work at a time.

    To cancel is to raise KeyboardInterrupt in the thread, between two of its steps: what holds for the stop button of a
    cell, that nothing is left half done, holds for it as well. In front ends that send a click while a cell runs the
    work is cancelled at once, elsewhere when the cell is done.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._interruptible: int | None = None  # the thread's identity, while it may be interrupted
        self._thread: threading.Thread | None = None

    def start(self, task: Callable[[], Any], done: Done) -> None:
        """Do something in a thread.

        Parameters
        ----------
        task
            What is to be done.
        done
            Is called in the thread when the task ended, with what it returned, or with what it raised, which is a
            KeyboardInterrupt where it was cancelled.
        """
        # The context goes along: ipykernel notes in it whose output is written.
        context = contextvars.copy_context()
        # A daemon: a kernel that is shut down does not wait for it.
        self._thread = threading.Thread(
            target=context.run, args=(self._run, task, done), name="vessl_nb form", daemon=True
        )
        self._thread.start()

    def cancel(self) -> None:
        """Interrupt the task; nothing where it has ended. It may be asked for again, where the task went on."""
        with self._lock:
            if self._interruptible is not None:
                time.sleep(0.001)  # whoever has just waited is not held up between a look and what follows it
                while _is_starting_a_thread(self._interruptible):
                    time.sleep(0.001)
                _raise_in(self._interruptible, KeyboardInterrupt)

    def join(self, seconds: float) -> None:
        """Wait until the work is done."""
        if self._thread is not None:
            self._thread.join(seconds)

    def _run(self, task: Callable[[], Any], done: Done) -> None:
        result: Any = None
        error: BaseException | None = None
        try:
            with self._lock:
                self._interruptible = threading.get_ident()
            try:
                result = task()
            except Exception as raised:  # noqa: BLE001  # whatever it is, it is handed on
                error = raised
            self._end()
        except KeyboardInterrupt as interrupt:
            # It may have come just after the task was done.
            error = interrupt if result is None and error is None else error
            try:
                self._end()
            except KeyboardInterrupt:  # once more
                self._end()
        finally:
            done(result, error)

    def _end(self) -> None:
        """Let no interrupt come any more, one that is on its way included."""
        with self._lock:
            self._interruptible = None
            _raise_in(threading.get_ident(), None)


def _is_starting_a_thread(thread: int) -> bool:
    """Tell whether a thread starts another, which has its identity at first in Python 3.11, and would be interrupted.

    It would end before it has begun, and the one that starts it wait forever.
    """
    frame = sys._current_frames().get(thread)  # noqa: SLF001  # documented, and the only way to another's frames
    while frame is not None and frame.f_code is not threading.Thread.start.__code__:
        frame = frame.f_back
    return frame is not None and frame.f_locals["self"].ident is None


def _raise_in(thread: int, error: type[BaseException] | None) -> None:
    """Let a thread raise an exception as soon as it does its next step; None takes back what it has not raised yet."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(
        ctypes.c_ulong(thread), ctypes.py_object(error) if error is not None else None
    )
