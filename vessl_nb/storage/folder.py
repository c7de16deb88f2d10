"""A folder of immutable files: created whole or not at all, never overwritten, on disk before they are referred to."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from vessl_nb.errors import RegistryError
from vessl_nb.storage.disk import CannotPublish, publish, sync, sync_folder, take_after, write_all
from vessl_nb.storage.writers import FOLDER as WRITERS
from vessl_nb.storage.writers import Pins, Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import BinaryIO


TRASH = "trash"
"""Where gc puts what it is about to delete: ``trash/<id of the writer>-<n>/<digest>``."""


_LOOKS = 8
"""How often a file is looked for, in its place and in the trash: each gc at work may move it once meanwhile."""


class Folder:
    """A folder of immutable files, named by keys such as ``blobs/ab/abcd``.

    Parameters
    ----------
    root
        The folder itself; it is made on the first write. What is made in it takes the root's permissions and group, so
        that a folder shared by a group stays shared. All files but notes are read-only.

    Attributes
    ----------
    writer
        Who writes into the folder: the process.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.writer = Writer(root)
        self._made: set[Path] = set()  # folders that are there
        self._durable: set[Path] = set()  # those whose own names are surely on disk

    @contextlib.contextmanager
    def pins(self) -> Iterator[Pins]:
        """Pin blobs until what refers to them is committed."""
        with self.in_words("write", WRITERS):
            self.make_folder(self.root)
            self.writer.announce()
        pins = Pins(self.writer, self.sync)
        try:
            yield pins
        finally:
            pins.release()

    def path(self, key: str) -> Path:
        """Give the path of a file, whether it exists or not."""
        return self.root / key

    def read(self, key: str) -> bytes:
        """Read a whole file; FileNotFoundError where there is none."""
        with self.in_words("read", key), self.path(key).open("rb", buffering=0) as file:
            return file.readall()

    def open(self, key: str) -> BinaryIO:
        """Open a file to be read or mapped; FileNotFoundError where there is none, nor one in the trash."""
        with self.in_words("read", key):
            for _ in range(_LOOKS):
                with contextlib.suppress(FileNotFoundError):
                    return self.path(key).open("rb")
                for file in self.root.glob(f"{TRASH}/*/{Path(key).name}"):
                    with contextlib.suppress(FileNotFoundError):  # it is back in its place
                        return file.open("rb")
            return self.path(key).open("rb")

    def status(self, key: str) -> os.stat_result | None:
        """Give what the operating system says of a file; None where there is none."""
        with self.in_words("read", key):
            try:
                # os.stat, because a registration asks for each of its blobs, and a Path costs more than the answer.
                return os.stat(f"{self.root}/{key}")  # noqa: PTH116
            except FileNotFoundError:
                return None

    def size(self, key: str) -> int | None:
        """Give a file's size in bytes; None where there is none."""
        status = self.status(key)
        return None if status is None else status.st_size

    def names(self, key: str) -> list[str]:
        """List the files and folders in a folder, unsorted; nothing where there is no such folder."""
        with self.in_words("list", key):
            try:
                # os.listdir, because iterdir would build a Path for each of 10,000 names.
                return [name for name in os.listdir(self.path(key)) if not name.startswith(".")]  # noqa: PTH208
            except (FileNotFoundError, NotADirectoryError):  # some systems leave notes of their own beside the folders
                return []

    def walk(self, key: str) -> Iterator[str]:
        """Walk the files and folders two levels down, by their paths below `key`, unsorted."""
        return (f"{outer}/{inner}" for outer in self.names(key) for inner in self.names(f"{key}/{outer}"))

    def create(self, key: str, content: bytes, check: Callable[[], None] | None = None) -> bool:
        """Create a file with its whole content, synced to disk with the folder that names it.

        Parameters
        ----------
        key, content
            The file.
        check
            Is called when the file has everything but its name, and may raise. If gc voids the writer after that, the
            file does not get its name: it is in the folder that gc takes away.

        Returns
        -------
        bool
            False where the name was taken: the file there is left as it is.

        Raises
        ------
        RegistryError
            The file cannot be written: no space, no permission, a file where a folder should be. Or it was, and the
            disk did not confirm it.
        """
        with self.temporary(key) as temporary:
            with temporary.open("xb", buffering=0) as file:
                write_all(file.fileno(), content)
                self.finish(file, temporary)
            if check:
                check()
            created = self.publish(temporary, key)
        if created:
            self.sync([key])
        return created

    @contextlib.contextmanager
    def temporary(self, key: str) -> Iterator[Path]:
        """Give the path of a file to be written; afterwards it is gone, unless it has got its name."""
        with self.in_words("write", key):
            self.make_folder(self.root)
            self.writer.announce()
            path = self.writer.temporary()
            try:
                yield path
            finally:
                with contextlib.suppress(OSError):  # gone, or in a folder that goes with its writer
                    path.unlink()

    def finish(self, file: BinaryIO, path: Path) -> None:
        """Give a file that was written its permissions, and put it on disk."""
        take_after(self.root, path, 0o444)
        sync(file.fileno())

    def publish(self, temporary: Path, key: str) -> bool:
        """Give a finished file its name, if that is free; `sync` puts the name on disk."""
        path = self.path(key)
        self.make_folder(path.parent)
        return publish(temporary, path)

    def replace(self, key: str, content: bytes) -> None:
        """Put a note, which may be lost, in place of what is there: the one kind of file that is not immutable."""
        with self.temporary(key) as temporary:
            temporary.write_bytes(content)
            take_after(self.root, temporary, 0o666)
            self.make_folder(self.path(key).parent)
            temporary.rename(self.path(key))

    def sync(self, keys: Iterable[str]) -> None:
        """Put the names of files on disk, whoever wrote them; their contents are there before they are named."""
        for folder in dict.fromkeys(self.path(key).parent for key in keys):
            with self.in_words("write", str(folder.relative_to(self.root))):
                self._sync_way_to(folder)
                sync_folder(folder)

    def begin_anew(self) -> None:
        """Forget which folders there are: somebody deleted the root."""
        self._made.clear()
        self._durable.clear()

    def _sync_way_to(self, folder: Path) -> None:
        """Put a folder's own name on disk, and those above it: whoever made it may not have come to that yet."""
        if folder != self.root and folder not in self._durable:
            self._sync_way_to(folder.parent)
            sync_folder(folder.parent)
            self._durable.add(folder)

    def make_folder(self, folder: Path) -> None:
        """Make a folder below the root; `sync` puts its name on disk with the first file in it."""
        if folder in self._made:
            return
        if folder != self.root:
            self.make_folder(folder.parent)
            try:
                folder.mkdir()
            except FileExistsError:
                if not folder.is_dir():
                    raise NotADirectoryError(20, "Not a directory", str(folder)) from None
            else:
                take_after(self.root, folder, 0o7777)
        else:
            self._make_root()
        self._made.add(folder)

    def _make_root(self) -> None:
        missing = [folder for folder in (self.root, *self.root.parents) if not folder.exists()]
        self.root.mkdir(parents=True, exist_ok=True)
        for folder in missing or [self.root]:
            with contextlib.suppress(PermissionError):  # what is above is not ours
                sync_folder(folder.parent)

    @contextlib.contextmanager
    def in_words(self, verb: str, key: str) -> Iterator[None]:
        """Turn what the operating system raises into an error that says what to do."""
        try:
            yield
        except RegistryError:
            raise
        except CannotPublish as error:
            raise RegistryError(
                f"Cannot keep a registry in {self.root}: {error.strerror}.",
                "Two writers could overwrite each other there. Point VESSL_NB_REGISTRY to another file system.",
            ) from error
        except FileNotFoundError:
            if verb == "read":
                raise
            self.begin_anew()
            raise RegistryError(f"Cannot {verb} {self.path(key)}: its folder vanished.", "Run it again.") from None
        except OSError as error:
            raise RegistryError(
                f"Cannot {verb} {self.path(key)}: {error.strerror or error}.",
                "Free it, or point VESSL_NB_REGISTRY to another folder.",
            ) from error
