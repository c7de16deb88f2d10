"""gc: removing blobs that nothing refers to, beside writers and readers, without a lock.

In this order, which was tried with writers stopped at every step (tests/survival/test_orders.py):

1. Folders of writers that do not count any more are taken away, with all they were writing; from here on their pins are
   void, and they find that out before they commit.
2. Blobs that no document refers to are moved into ``trash/<id of this writer>-<n>/``. A writer that looks for one now
   does not find it, and puts it anew; a reader finds it in the trash.
3. All that is in the trash is listed: what another gc has there, because it was killed or works at the same time, is
   treated as one's own in step 6.
4. The pins are read, of all writers that were not taken away.
5. The journals are read again: whoever pinned and committed before step 4 has its document there.
6. Of what was listed, and nothing else, what is pinned or referred to goes back to its place, and the rest is deleted.

Whatever comes into the trash after step 3 may be pinned after step 4 by a writer that found it in its place. So each gc
has a folder of its own in the trash, each time another one: a path that was listed never means a later file.
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
from vessl_nb.storage.writers import GONE, find_writers, read_pins

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
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
        Look at these blobs only; None for all.
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
    dead = [writer.id for writer in find_writers(folder.root, folder.writer.now()) if not writer.counts]
    leftovers = sum(_size_of(folder.path(f"{WRITERS}/{writer}")) for writer in dead)
    there = {digest for name in folder.walk("blobs") if (digest := digest_in(f"blobs/{name}"))}
    unwanted = there - referenced()
    if only is not None:
        unwanted &= only
    if dry_run:
        trash = _files_in_trash(folder)
        wanted = _pinned(folder, void=dead) | referenced()
        sizes = {blob: folder.size(blob_key(blob)) or 0 for blob in unwanted}
        sizes |= {file.name: length for file, length in trash.items()}
        sizes = {blob: size for blob, size in sizes.items() if blob not in wanted}
        return Collected(len(sizes), sum(sizes.values()), leftovers)
    with folder.in_words("write", TRASH):
        folder.writer.announce()
        for writer in dead:
            _take_away(folder, writer)
        return _sweep(folder, referenced, unwanted, leftovers)


def _sweep(folder: Folder, referenced: Callable[[], set[str]], unwanted: set[str], leftovers: int) -> Collected:
    own = folder.path(f"{TRASH}/{_new_name(folder)}")
    if unwanted:
        folder.make_folder(own)
    for blob in unwanted:
        with contextlib.suppress(FileNotFoundError):  # another gc was quicker
            folder.path(blob_key(blob)).rename(own / blob)
    trash = _files_in_trash(folder)
    wanted: set[str] | None = None
    try:
        pinned = _pinned(folder)
        wanted = referenced() | pinned
    finally:
        if wanted is None:  # it cannot be known what is wanted
            _empty(folder, {file: length for file, length in trash.items() if file.parent == own}, unwanted)
    deleted, size = _empty(folder, trash, wanted)
    return Collected(deleted, size, leftovers)


def _files_in_trash(folder: Folder) -> dict[Path, int]:
    """List what is in the trash, with its length."""
    files = {}
    for file in folder.root.glob(f"{TRASH}/*/*"):
        with contextlib.suppress(FileNotFoundError):  # another gc was quicker
            files[file] = file.stat().st_size
    return files


def _empty(folder: Folder, trash: dict[Path, int], wanted: set[str]) -> tuple[int, int]:
    """Put what is wanted back into its place, and delete the rest; give how many files, and bytes, that were."""
    deleted = size = 0
    restored = []
    with progress("Freeing", sum(trash.values())) as shown:
        for file, length in trash.items():
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
    for place in folder.root.glob(f"{TRASH}/*"):
        with contextlib.suppress(OSError):  # another gc has something there, or took it away
            place.rmdir()
    folder.begin_anew()
    return deleted, size


def _pinned(folder: Folder, void: Collection[str] = ()) -> set[str]:
    """Read the pins of all writers that were not taken away: any of them may commit, even if it does not count now."""
    writers = [name for name in folder.names(WRITERS) if GONE not in name and name not in void]
    return set[str]().union(*(read_pins(folder.root, writer) for writer in writers))


def _take_away(folder: Folder, writer: str) -> None:
    """Void a writer: rename its folder, which is one step, and then delete it."""
    place = folder.path(f"{WRITERS}/{writer}")
    gone = place.with_name(f"{writer.partition(GONE)[0]}{GONE}{_new_name(folder)}")
    with contextlib.suppress(FileNotFoundError):
        place.rename(gone)
    shutil.rmtree(gone, ignore_errors=True)


def _new_name(folder: Folder) -> str:
    """Give a name that nobody had before."""
    return f"{folder.writer.id}-{folder.writer.new_name()}"


def _size_of(folder: Path) -> int:
    total = 0
    for file in folder.glob("*.tmp"):
        with contextlib.suppress(FileNotFoundError):
            total += file.stat().st_size
    return total
