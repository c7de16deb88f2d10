"""Processes that lose their parent: in a container the first process, which gets them, may be one that reaps nothing.

That is the server itself where it is the container's command, or JupyterLab. What nobody reaps stays in the table of
processes until that is full. On Linux the server takes its descendants in and reaps them; elsewhere the system does.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans() -> None:
    """Make this process the parent of those of its descendants that lose theirs."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):  # it is a sandbox's, say
            ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def reap_orphans(is_awaited: Callable[[int], bool]) -> None:
    """Reap the children that have ended.

    Parameters
    ----------
    is_awaited
        Tells of a process whether somebody else here waits for its end: it is left to them, with those behind it until
        the next time.
    """
    if sys.platform != "linux":
        return
    with contextlib.suppress(ChildProcessError):  # there are none
        # Looked at first, and left where it was: an end that is asked for twice is an error of the second.
        while found := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            if is_awaited(found.si_pid):
                return
            os.waitpid(found.si_pid, os.WNOHANG)
