"""gc: removing blobs that nothing refers to, beside writers and readers, without a lock.

In this order, which was tried with writers stopped at every step (tests/test_collection.py):

1. Folders of writers that do not count any more are taken away, with all they were writing; from here on their pins are
   void, and they find that out before they commit.
2. Blobs that no document refers to are moved into ``trash/<id of this writer>/``. A writer that looks for one now does
   not find it, and puts it anew; a reader finds it in the trash.
3. The pins are read.
4. The journals are read again: whoever pinned and committed before step 3 has its document there.
5. What is pinned or referred to goes back to its place, the rest is deleted.

What another gc has in the trash, because it was killed or works at the same time, is treated as one's own in step 5:
it was moved there before step 3 as well.
"""

from __future__ import annotations

import contextlib
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vessl_nb.progress import progress
from vessl_nb.storage.blobs import blob_key, digest_in
from vessl_nb.storage.folder import TRASH
from vessl_nb.storage.writers import FOLDER as WRITERS
from vessl_nb.storage.writers import find_writers, read_pins

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from vessl_nb.storage.folder import Folder


@dataclass(frozen=True, slots=True)
class Collected:
    """What gc freed, or would free.

    Attributes
    ----------
    blobs, size
        How many blobs, and their bytes.
    leftovers
        Bytes of files that killed writers were writing.
    """

    blobs: int
    size: int
    leftovers: int


def collect(
    folder: Folder, referenced: Callable[[], set[str]], *, only: set[str] | None = None, dry_run: bool = False
) -> Collected:
    """Remove the blobs that nothing refers to.

    Parameters
    ----------
    folder
        The registry's folder.
    referenced
        Reads all journals as they are now, and gives the digests of the blobs that they refer to. It raises where it
        cannot know: then everything stays.
    only
        Look at these blobs only; None for all, and for what killed writers left.
    dry_run
        Remove nothing.

    Returns
    -------
    Collected
        What was freed; with `dry_run`, what would have been.

    Raises
    ------
    RegistryError
        The folder cannot be written to, and what `referenced` raises.
    """
    dead = (
        []
        if only is not None
        else [writer.id for writer in find_writers(folder.root, folder.writer.now()) if not writer.counts]
    )
    leftovers = sum(_size_of(folder.path(f"{WRITERS}/{writer}")) for writer in dead)
    there = {digest for name in folder.walk("blobs") if (digest := digest_in(f"blobs/{name}"))}
    unwanted = there - referenced()
    if only is not None:
        unwanted &= only
    if dry_run:
        unwanted -= _pinned(folder)
        left = [file for file in folder.root.glob(f"{TRASH}/*/*") if file.name not in unwanted]
        size = sum(folder.size(blob_key(blob)) or 0 for blob in unwanted) + sum(file.stat().st_size for file in left)
        return Collected(len(unwanted) + len(left), size, leftovers)
    with folder.in_words("write", TRASH):
        folder.writer.announce()
        for writer in dead:
            _take_away(folder, writer)
        return _sweep(folder, referenced, unwanted, leftovers)


def _sweep(folder: Folder, referenced: Callable[[], set[str]], unwanted: set[str], leftovers: int) -> Collected:
    own = folder.path(f"{TRASH}/{folder.writer.id}")
    if unwanted:
        folder.make_folder(own)
    for blob in unwanted:
        with contextlib.suppress(FileNotFoundError):  # another gc was quicker
            folder.path(blob_key(blob)).rename(own / blob)
    wanted: set[str] | None = None
    try:
        pinned = _pinned(folder)
        wanted = referenced() | pinned
    finally:
        if wanted is None:  # it cannot be known what is wanted
            _empty(folder, [own], unwanted)
    deleted, size = _empty(folder, [*folder.root.glob(f"{TRASH}/*")], wanted)
    return Collected(deleted, size, leftovers)


def _empty(folder: Folder, trash: list[Path], wanted: set[str]) -> tuple[int, int]:
    """Put what is wanted back into its place, and delete the rest; give how many files, and bytes, that were."""
    files = []
    for place in trash:
        with contextlib.suppress(FileNotFoundError):  # another gc was quicker
            files += [(file, file.stat().st_size) for file in place.iterdir()]
    deleted = size = 0
    restored = []
    with progress("Freeing", sum(length for _, length in files)) as shown:
        for file, length in files:
            with contextlib.suppress(FileNotFoundError):  # another gc was quicker
                if file.name in wanted:
                    folder.publish(file, blob_key(file.name))
                    file.unlink(missing_ok=True)
                    restored.append(blob_key(file.name))
                else:
                    file.unlink()
                    deleted, size = deleted + 1, size + length
            shown.count(length)
            shown.draw()
    folder.sync(restored)
    for place in trash:
        with contextlib.suppress(OSError):  # another gc put something there, or took it away
            place.rmdir()
    folder.begin_anew()
    return deleted, size


def _pinned(folder: Folder) -> set[str]:
    counting = [writer.id for writer in find_writers(folder.root, folder.writer.now()) if writer.counts]
    return set[str]().union(*(read_pins(folder.root, writer) for writer in counting))


def _take_away(folder: Folder, writer: str) -> None:
    """Void a writer: rename its folder, which is one step, and then delete it."""
    place = folder.path(f"{WRITERS}/{writer}")
    gone = place.with_name(f"{writer}.gone-{folder.writer.id}")
    with contextlib.suppress(FileNotFoundError):
        place.rename(gone)
    shutil.rmtree(gone, ignore_errors=True)


def _size_of(folder: Path) -> int:
    total = 0
    for file in folder.glob("*.tmp"):
        with contextlib.suppress(FileNotFoundError):
            total += file.stat().st_size
    return total
