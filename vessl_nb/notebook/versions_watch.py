"""A thread that looks for news while a widget is looked at, and the views that look."""

from __future__ import annotations

import threading
import time
import weakref
from typing import TYPE_CHECKING

from vessl_nb.notebook.running_cells import running_cells

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_EVERY = 0.5
_AT_LEAST_EVERY = 1.5
_SHARE = 0.05
_SILENCE = 30.0
"""How long a view says nothing until it is taken for gone, in seconds: it says hello every 10."""


class Watch:
    """Calls a method again and again, in a thread of its own, until it is stopped or its object is gone.

    Parameters
    ----------
    look
        The bound method. Its object is not kept alive by this.
    """

    def __init__(self, look: Callable[[], None]) -> None:
        self._look = weakref.WeakMethod(look)
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def is_running(self) -> bool:
        """Whether it looks."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Begin to look, unless it does."""
        if self.is_running and not self._stopped.is_set():
            return
        self._stopped = threading.Event()
        # A daemon: a notebook's kernel does not wait for it.
        self._thread = threading.Thread(
            target=_look_on, args=(self._look, self._stopped), name="vessl_nb versions", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._stopped.set()


def _look_on(method: weakref.WeakMethod[Callable[[], None]], stopped: threading.Event) -> None:
    wait = _EVERY
    while not stopped.wait(wait):
        look = method()
        if look is None:
            return
        began = time.perf_counter()
        look()
        del look
        # Where looking is slow, as on a lab drive with many repositories, it is done less often.
        wait = min(max(_EVERY, (time.perf_counter() - began) / _SHARE), _AT_LEAST_EVERY)


class Views:
    """The views of a widget, by name: each says hello again and again, and goodbye where it can.

    A page that is loaded anew, or closed, cannot: whoever was silent for long is gone.
    """

    def __init__(self) -> None:
        self._heard: dict[str, float] = {}
        self._cells = running_cells()

    def greet(self, name: str) -> bool:
        """Note that a view was heard; tell whether it is a new one."""
        is_new = name not in self._heard
        self._heard[name] = time.monotonic()
        return is_new

    def leave(self, name: str) -> None:
        """Note that a view is gone."""
        self._heard.pop(name, None)

    def drop_silent(self) -> None:
        """Forget the views that were silent for long."""
        # While a cell runs the kernel hears nobody.
        heard_since = self._cells.idle_since if self._cells else 0.0
        now = time.monotonic()
        self._heard = {name: at for name, at in self._heard.items() if now - max(at, heard_since) < _SILENCE}

    def __iter__(self) -> Iterator[str]:
        return iter(self._heard)

    def __len__(self) -> int:
        return len(self._heard)
