"""Which cells run in a notebook: work in another thread may have the process to itself between two of them."""

from __future__ import annotations

import sys
import threading
import time
import weakref
from contextlib import contextmanager
from typing import TYPE_CHECKING

from IPython.core.getipython import get_ipython

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from IPython.core.interactiveshell import ExecutionInfo, ExecutionResult, InteractiveShell

_LOOKS = 0.1
"""How often who waits looks whether it was interrupted, in seconds: a thread that only waits would not notice."""

_PATIENCE = 1.0
"""How long a cell waits before it says what for, in seconds."""

_SAID = "Waiting for a register form, whose runner works in a folder of its own. The stop button ends its work."

_OF_SHELL: weakref.WeakKeyDictionary[InteractiveShell, RunningCells] = weakref.WeakKeyDictionary()


def running_cells() -> RunningCells | None:
    """Give the cells of the notebook that this process runs; None where it runs none."""
    shell = get_ipython()
    if shell is None:
        return None
    cells = _OF_SHELL.setdefault(shell, RunningCells())
    cells.listen_to(shell)
    return cells


def cell_that_runs() -> ExecutionInfo | None:
    """Give what IPython knows of the cell that leads here; None where none does."""
    # A cell that began before anybody listened is told nowhere else.
    frame = sys._getframe(1)  # noqa: SLF001
    while frame is not None:
        if frame.f_code.co_name == "run_cell_async" and frame.f_globals.get("__name__", "").startswith("IPython."):
            info: ExecutionInfo | None = frame.f_locals.get("info")
            return info
        frame = frame.f_back  # type: ignore[assignment]  # the outermost has none
    return None


class RunningCells:
    """The cells that run now, and the work that is done between them."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        # A cell whose end was missed is forgotten with its result, when the next one is done.
        self._running: weakref.WeakSet[ExecutionInfo] = weakref.WeakSet()
        self._alone: list[tuple[threading.Thread, Callable[[], None]]] = []
        self._ended = time.monotonic()

    def listen_to(self, shell: InteractiveShell) -> None:
        """Note the beginning and the end of a shell's cells, unless that is done already."""
        if self._begin in shell.events.callbacks["pre_run_cell"]:
            return
        if (cell := cell_that_runs()) is not None:
            self._running.add(cell)
        shell.events.register("pre_run_cell", self._begin)
        shell.events.register("post_run_cell", self._end)

    @property
    def idle_since(self) -> float:
        """When the last cell ended, in the seconds of `time.monotonic`; now, while one runs."""
        return time.monotonic() if self._running else self._ended

    @contextmanager
    def between(self, waits: Callable[[], None], cancel: Callable[[], None]) -> Iterator[None]:
        """Run the block while no cell runs: it waits for the one that does, and cells that come wait for the block.

        Parameters
        ----------
        waits
            Is called where it has to wait.
        cancel
            Ends the block: the stop button of a cell that waits for it means it.
        """
        turn = (threading.current_thread(), cancel)
        try:
            with self._changed:
                if self._running:
                    waits()
                while self._running:
                    self._changed.wait(_LOOKS)
                self._alone.append(turn)
            yield
        finally:
            with self._changed:
                if turn in self._alone:
                    self._alone.remove(turn)
                self._changed.notify_all()

    def _begin(self, info: ExecutionInfo) -> None:
        patient_until = time.monotonic() + _PATIENCE
        while True:
            try:
                with self._changed:
                    # A thread that was stopped where it left its turn has left it.
                    while not self._running and any(thread.is_alive() for thread, _ in self._alone):
                        if time.monotonic() > patient_until:
                            patient_until = float("inf")
                            print(_SAID)  # noqa: T201  # it belongs to the cell that waits
                        self._changed.wait(_LOOKS)
                    self._running.add(info)
            except KeyboardInterrupt:  # IPython would show it, and run the cell beside the work
                for _, cancel in list(self._alone):
                    cancel()
            else:
                return

    def _end(self, result: ExecutionResult) -> None:
        with self._changed:
            if result.info is not None:
                self._running.discard(result.info)
            self._ended = time.monotonic()
            self._changed.notify_all()
