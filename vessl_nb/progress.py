"""A progress bar for work that takes longer than a second: in the notebook, or on a terminal."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from concurrent.futures import CancelledError
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Show = Callable[[str, int, int], None]

PATIENCE = 1.0
"""Work that is done within this time shows no bar, in seconds."""

# Of the thread that does the work: a bar would belong to no cell there.
_SHOW: ContextVar[Show | None] = ContextVar("vessl_nb_progress", default=None)


class Progress:
    """Counts bytes, and draws a bar once it is worth one.

    Threads may count; only whoever made it draws, since a widget belongs to the cell that it was made in.
    """

    def __init__(self, title: str, total: int) -> None:
        self._title = title
        self._total = total
        self._done = 0
        self._begun = time.monotonic()
        self._bar: Any = None
        self._show = _SHOW.get()
        self._is_stopped = False
        self._lock = threading.Lock()

    def count(self, number: int) -> None:
        """Count bytes that are done, from any thread; CancelledError where the work was stopped."""
        with self._lock:
            self._done += number
        if self._is_stopped:
            raise CancelledError

    def stop(self) -> None:
        """Let the threads that count end where they are."""
        self._is_stopped = True

    def draw(self) -> None:
        """Bring the bar up to date."""
        if self._show is not None:
            self._show(self._title, min(self._done, self._total), self._total)
            return
        if self._bar is None:
            if time.monotonic() - self._begun < PATIENCE or not _is_watched():
                return
            from tqdm.auto import tqdm  # noqa: PLC0415  # in a notebook it imports widgets: only where there is a bar

            self._bar = tqdm(desc=self._title, total=self._total, unit="B", unit_scale=True, leave=False)
        self._bar.update(min(self._done, self._total) - self._bar.n)

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()


@contextlib.contextmanager
def progress(title: str, total: int) -> Iterator[Progress]:
    """Show how far a piece of work is, if it takes longer than `PATIENCE`.

    Parameters
    ----------
    title
        What is being done.
    total
        How many bytes there are to do.
    """
    shown = Progress(title, total)
    try:
        yield shown
    finally:
        shown.close()


@contextlib.contextmanager
def shown_by(show: Show) -> Iterator[None]:
    """Let a function show how far the work of the block is, in place of a bar.

    Parameters
    ----------
    show
        Is called often, with what is being done, the bytes that are done, and those that there are to do.
    """
    before = _SHOW.set(show)
    try:
        yield
    finally:
        _SHOW.reset(before)


def _is_watched() -> bool:
    """Tell whether there is a person to see a bar; a log is none."""
    return "ipykernel" in sys.modules or (sys.stderr is not None and sys.stderr.isatty())
