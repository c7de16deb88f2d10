"""Which files were held against their digests on this machine, so that each is read through but once.

``<cache>/verified`` is a set of keys of `KEY` bytes, one after the other. A key is made of a digest and of what the
operating system says of the file: device, inode, size, and the times of its last change, so that a file that was
touched since is checked anew. Several processes append to it at once; where it is lost or garbled, files are checked
once more.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

import blake3

from vessl_nb.storage.user_cache import cache_folder

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

KEY = 16
"""Length of a key, in bytes: two files never share one by chance."""

MOST = 1 << 22
"""A note longer than this is begun anew, in bytes: a quarter of a million blobs."""

_notes: dict[Path, set[bytes]] = {}


def is_verified(digest: str, status: os.stat_result) -> bool:
    """Tell whether this very file was held against its digest before."""
    return _key(digest, status) in _read(cache_folder() / "verified")


def remember_verified(files: Iterable[tuple[str, os.stat_result]]) -> None:
    """Note that files are what their digests say: each a digest, and the file's status."""
    path = cache_folder() / "verified"
    known = _read(path)
    keys = [key for key in (_key(digest, status) for digest, status in files) if key not in known]
    known.update(keys)
    if not keys:
        return
    with contextlib.suppress(OSError):  # no cache: the next process checks once more
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        try:
            if os.fstat(descriptor).st_size > MOST:
                os.ftruncate(descriptor, 0)
            os.write(descriptor, b"".join(keys))  # one write is not torn by another
        finally:
            os.close(descriptor)


def _read(path: Path) -> set[bytes]:
    if path not in _notes:
        try:
            text = path.read_bytes()
        except OSError:
            text = b""
        _notes[path] = {text[start : start + KEY] for start in range(0, len(text), KEY)}
    return _notes[path]


def _key(digest: str, status: os.stat_result) -> bytes:
    said = (digest, status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    return blake3.blake3(repr(said).encode()).digest(KEY)
