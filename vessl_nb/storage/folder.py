"""A folder of immutable files: created whole or not at all, never overwritten, on disk before they are referred to."""

from __future__ import annotations

import contextlib
import os
import secrets
from typing import TYPE_CHECKING

from vessl_nb.errors import RegistryError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path
    from typing import BinaryIO

    from _typeshed import ReadableBuffer


class Folder:
    """A folder of immutable files, named by keys such as ``blobs/ab/abcd``.

    The verbs are those of an object store, so that a bucket can take this class's place.

    Parameters
    ----------
    root
        The folder itself; it is made on the first write. What is made in it takes the root's permissions, so that a
        folder shared by a group stays shared.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, key: str) -> Path:
        """Give the path of a file, whether it exists or not."""
        return self.root / key

    def read(self, key: str) -> bytes:
        """Read a whole file; FileNotFoundError where there is none."""
        with self._in_words("read", key):
            return self.path(key).read_bytes()

    def open(self, key: str) -> BinaryIO:
        """Open a file to be read or mapped; FileNotFoundError where there is none."""
        with self._in_words("read", key):
            return self.path(key).open("rb")

    def sync(self, key: str) -> None:
        """Put a file's name on disk, whoever wrote it; its contents are there before it is named."""
        with self._in_words("write", key):
            _sync_folder(self.path(key).parent)

    def size(self, key: str) -> int | None:
        """Give a file's size in bytes; None where there is none."""
        try:
            return self.path(key).stat().st_size
        except FileNotFoundError:
            return None

    def names(self, key: str) -> list[str]:
        """List the finished files and folders in a folder, unsorted; nothing where there is no such folder."""
        with self._in_words("list", key):
            try:
                # os.listdir, because iterdir would build a Path for each of 10,000 names.
                return [name for name in os.listdir(self.path(key)) if not name.startswith(".")]  # noqa: PTH208
            except FileNotFoundError:
                return []

    def create(self, key: str, chunks: Iterable[ReadableBuffer], *, read_only: bool = False) -> bool:
        """Create a file with its whole contents, synced to disk with the folder that names it.

        Returns
        -------
        bool
            False where the name was taken: the file there is left as it is.

        Raises
        ------
        RegistryError
            The file cannot be written: no space, no permission, a file where a folder should be.
        """
        path = self.path(key)
        with self._in_words("write", key):
            self._make_folder(path.parent)
            # The dot hides it from `names` until it is whole.
            temporary = path.parent / f".{secrets.token_hex(8)}.tmp"
            mode = self.root.stat().st_mode & (0o444 if read_only else 0o666)
            try:
                with temporary.open("xb", buffering=0) as file:
                    for chunk in chunks:
                        _write_all(file.fileno(), memoryview(chunk).cast("B"))
                    os.fchmod(file.fileno(), mode)
                    os.fsync(file.fileno())
                try:
                    # A link fails where the name exists: of many racing writers exactly one wins.
                    os.link(temporary, path)
                except FileExistsError:
                    return False
            finally:
                with contextlib.suppress(FileNotFoundError):
                    temporary.unlink()
            _sync_folder(path.parent)
        return True

    def _make_folder(self, folder: Path) -> None:
        missing = []
        while not folder.is_dir():
            missing.append(folder)
            folder = folder.parent
        mode = self.root.stat().st_mode if self.root.is_dir() else None
        for made in reversed(missing):
            with contextlib.suppress(FileExistsError):
                made.mkdir()
                if mode is not None:
                    made.chmod(mode)
            _sync_folder(made.parent)

    @contextlib.contextmanager
    def _in_words(self, verb: str, key: str) -> Iterator[None]:
        try:
            yield
        except RegistryError:
            raise
        except FileNotFoundError:
            if verb == "read":
                raise
            raise RegistryError(f"Cannot {verb} {self.path(key)}: its folder vanished.", "Run it again.") from None
        except OSError as error:
            raise RegistryError(
                f"Cannot {verb} {self.path(key)}: {error.strerror}.",
                "Free it, or point VESSL_NB_REGISTRY to another folder.",
            ) from error


def _write_all(descriptor: int, view: memoryview) -> None:
    while view:  # one write() takes 2 GiB at most
        view = view[os.write(descriptor, view) :]


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
