"""A thread that looks for news while a table is looked at, and ends by itself."""

from __future__ import annotations

import threading
import time
import weakref
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_EVERY = 0.5
_AT_LEAST_EVERY = 1.5
_SHARE = 0.05


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
