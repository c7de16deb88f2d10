"""Checkpoints: the fold of a long journal, so that a process that begins need not read all of it.

``checkpoints/<organization>/<repository>.msgpack`` in the registry, or in the user's cache where the registry is
read-only. It says up to which document it goes, and that document's digest. It is passed over where the journal has
another one there, and where it is damaged, of another layout, or not what documents could have made. It can be deleted
at any time: nothing is only in it. `fsck` reads every document, and holds the fold against the checkpoint.
"""

from __future__ import annotations

import contextlib

import blake3
import msgspec

from vessl_nb.errors import RegistryError
from vessl_nb.registry.state import RepositoryState
from vessl_nb.storage.folder import Folder
from vessl_nb.storage.journal import Head
from vessl_nb.storage.unreadable import UNREADABLE
from vessl_nb.storage.user_cache import cache_folder

LAYOUT = 1
"""Raised whenever `RepositoryState`, what it is made of, or the kinds of documents change: then older checkpoints, and
newer ones, are passed over."""

INTERVAL = 64
"""After so many further documents a new checkpoint is written."""

CHECKPOINTS = "checkpoints"

_DIGEST = 32


class Checkpoint(msgspec.Struct, frozen=True):
    """A repository, folded up to a document.

    Attributes
    ----------
    layout
        `LAYOUT` of the vessl_nb that wrote it.
    registry
        The registry's id, since the user's cache has those of several.
    stream
        The journal's stream, as its first document spells it.
    head
        The document up to which it goes.
    state
        The fold.
    """

    layout: int
    registry: str
    stream: str
    head: Head
    state: RepositoryState


def read_checkpoint(folder: Folder, registry: str, stream: str) -> Checkpoint | None:
    """Read the checkpoint of a stream that goes furthest; None where there is none of use."""
    found = [_read(place, registry, stream) for place in (folder, _cache_of(registry))]
    usable = [checkpoint for checkpoint in found if checkpoint is not None]
    return max(usable, key=lambda checkpoint: checkpoint.head.number, default=None)


def write_checkpoint(folder: Folder, checkpoint: Checkpoint) -> None:
    """Put a checkpoint in place of an older one; where nothing can be written, there is none."""
    text = msgspec.msgpack.encode(checkpoint)
    sealed = blake3.blake3(text).digest() + text
    for place in (folder, _cache_of(checkpoint.registry)):
        try:
            place.replace(checkpoint_key(checkpoint.stream), sealed)
        except (RegistryError, OSError):
            continue
        return


def checkpoint_key(stream: str) -> str:
    """Name the file of a stream's checkpoint."""
    return f"{CHECKPOINTS}/{stream.lower()}.msgpack"


def _read(folder: Folder, registry: str, stream: str) -> Checkpoint | None:
    with contextlib.suppress(FileNotFoundError, RegistryError, *UNREADABLE):
        sealed = memoryview(folder.read(checkpoint_key(stream)))
        if blake3.blake3(sealed[_DIGEST:]).digest() == sealed[:_DIGEST]:
            checkpoint = msgspec.msgpack.decode(sealed[_DIGEST:], type=Checkpoint)
            is_meant = (checkpoint.layout, checkpoint.registry) == (LAYOUT, registry)
            if is_meant and checkpoint.stream.lower() == stream.lower() and checkpoint.state.holds_together(stream):
                return checkpoint
    return None


def _cache_of(registry: str) -> Folder:
    return Folder(cache_folder() / "registries" / registry)
