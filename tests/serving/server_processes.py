"""Where a server finds its versions, and the processes that it has."""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING

import psutil
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from vessl_nb.serving.launch import Server


@contextlib.contextmanager
def at(folder: Path) -> Iterator[None]:
    """Let a folder hold the registry and the cache for a while."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VESSL_NB_REGISTRY", str(folder / "registry"))
        patch.setenv("VESSL_NB_CACHE", str(folder / "cache"))
        yield


def processes_of(server: Server) -> list[psutil.Process]:
    """List a server's processes, its own first."""
    front = psutil.Process(server._process.pid)
    found = [front]
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.NoSuchProcess, OSError):
            if process.pid != front.pid and _belongs(process, front):
                found.append(process)
    return found


def _belongs(process: psutil.Process, front: psutil.Process) -> bool:
    """Tell whether a process descends from the front; a worker's parent may be gone, but not its session."""
    return front.pid in {parent.pid for parent in process.parents()} or any(
        os.getsid(process.pid) == child.pid for child in front.children()
    )


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    """List those that have not ended; one whose end nobody has asked for yet has."""
    left = []
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            if process.status() != psutil.STATUS_ZOMBIE:
                left.append(process)
    return left


def wait_until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    """Wait for something to become so."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to be"
        time.sleep(0.02)
