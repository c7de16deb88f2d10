"""What a client may ask of the front, so that none can use it up."""

from __future__ import annotations

import contextlib
import os
import resource
from pathlib import Path

BODY = 100 * 1000 * 1000
"""The most bytes of a request's body, where there is memory for it."""

BODIES = 1000 * 1000 * 1000
"""The most bytes of all bodies that are here at once, where there is memory for them."""

LARGE = 64 * 1024
"""From how many bytes on a body is counted among all."""

_OF_MEMORY = 0.25
"""What part of this machine's memory, or of its container's, bodies may have."""

HEADERS = 64 * 1024
"""The most bytes of a request's headers, and of its address."""

READING = 30.0
"""How long a request may take to arrive, in seconds."""

SLOWEST = 100_000
"""How many bytes of a body that have arrived give it another second."""

WRITING = 60.0
"""How long a client may leave an answer unread, in seconds."""

LINGERING = 2.0
"""How long a connection that was refused stays open for its client to read why, in seconds."""

GIVEN_UP = 1.0
"""How long the request of a client that sends nothing more may wait for a worker, in seconds.

Who does not wait any longer closes its connection, and cannot be told from who only sends no more.
"""

PARTING = 0.3
"""How long a connection without a request is kept once the server ends, in seconds: a request may be on its way."""

IDLE = 75.0
"""How long a connection without a request is kept, in seconds."""

_CONNECTIONS = 20_000
_OWN_FILES = 200


def limit_bodies() -> tuple[int, int]:
    """Give how many bytes one body may have, and how many all may have together."""
    sizes = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    for name in ("memory.max", "memory/memory.limit_in_bytes"):  # of the container, by cgroups' two versions
        with contextlib.suppress(OSError, ValueError):  # there is none, or it says "max"
            sizes.append(int(Path("/sys/fs/cgroup", name).read_text()))
    bodies = min(BODIES, int(min(sizes) * _OF_MEMORY))
    return min(BODY, bodies), bodies


def raise_open_files() -> int:
    """Let this process open as many files as it may, and give how many connections that is enough for."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _CONNECTIONS + _OWN_FILES if hard == resource.RLIM_INFINITY else min(hard, _CONNECTIONS + _OWN_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    return _CONNECTIONS if soft == resource.RLIM_INFINITY else min(_CONNECTIONS, soft - min(_OWN_FILES, soft // 2))
