"""Blobs: immutable bytes, named by their blake3 digest, stored once.

``blobs/<ab>/<digest>`` holds the bytes and nothing else, read-only; ``<ab>`` are the digest's first two digits.
Contents from `LARGE` bytes up have a blob of their own. The smaller ones of one writing share one blob, its pack, each
at a multiple of `ALIGNMENT` bytes, with zeros between: a thousand small files would cost ten times one.

A `Place` says where a content is. Its digest is always that of the content itself, so that a later writer can find it
again wherever it lies, and a reader can check it.

Storing takes these steps, in this order, so that gc cannot take away what is about to be referred to: digests are
computed; what may be referred to is pinned; only then it is looked for, and put where it is missing.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable  # noqa: TC003  # NamedTuple reads the annotations as the program runs
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple, TypeAlias, TypeVar

import blake3
import msgspec

from vessl_nb.errors import Damaged, InvalidArgument, NotFound, RegistryError
from vessl_nb.progress import progress
from vessl_nb.storage.disk import CHUNK, clone, copy_file, map_privately, start_writing_out, write_all
from vessl_nb.storage.verified import is_verified, remember_verified

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import BinaryIO

    from vessl_nb.progress import Progress
    from vessl_nb.storage.folder import Folder
    from vessl_nb.storage.writers import Pins

LARGE = 1 << 20
"""From this many bytes on, a content has a blob of its own."""

ALIGNMENT = 64
"""Contents of a pack begin at multiples of this many bytes, so that arrays mapped from it are aligned."""

WRITERS = 4
"""How many blobs are written at a time: waiting for the disk, they take little of a processor."""

_HASHED_AT_ONCE = 1 << 26
"""How many bytes are hashed between two looks at the clock."""

_READ_AT_ONCE = 1 << 22
"""How many bytes of a file are read at a time to be hashed."""

_WORTH_THREADS = 1 << 17
"""From this many bytes on, blake3 is quicker with all cores."""

_T = TypeVar("_T")

Digest: TypeAlias = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
Size: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]


class Later(NamedTuple):
    """Bytes that are brought into memory only while they are used, such as those on an accelerator.

    Attributes
    ----------
    nbytes
        How many there are.
    fetch
        Gives them.
    """

    nbytes: int
    fetch: Callable[[], memoryview]


Content: TypeAlias = bytes | bytearray | memoryview | Path | Later
"""Bytes in memory or to be brought there, or a file to be copied."""


class Place(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Where a content lies.

    Attributes
    ----------
    digest
        blake3 of the content, 64 hexadecimal digits.
    length
        Its length in bytes.
    blob
        The digest of the blob that it shares with others; None where it has a blob of its own, named by `digest`.
    offset
        Where in the blob it begins, in bytes.
    """

    digest: Digest
    length: Size
    blob: Digest | None = None
    offset: Size = 0

    @property
    def home(self) -> str:
        """The digest of the blob that it lies in."""
        return self.blob or self.digest


class _Measured(NamedTuple):
    content: Content
    digest: str
    length: int


class Blobs:
    """The blobs of a registry.

    Parameters
    ----------
    folder
        The registry's folder.
    """

    def __init__(self, folder: Folder) -> None:
        self._folder = folder

    def store(self, contents: Sequence[Content], pins: Pins, known: Iterable[Place] = ()) -> tuple[list[Place], int]:
        """Store contents, each byte of them once.

        Parameters
        ----------
        contents
            What to store.
        pins
            Take the blobs in, until what refers to them is committed; their `check` puts the blobs' names on disk.
        known
            Places that a version in this registry refers to: what lies there is referred to, not written.

        Returns
        -------
        places : list of Place
            One for each content, in order. Their bytes are on disk.
        added : int
            How many bytes of contents were written.

        Raises
        ------
        InvalidArgument
            A content changed while it was stored.
        RegistryError
            It cannot be written.
        """
        if not contents:
            return [], 0
        lengths = list(map(_length_of, contents))
        with progress("Storing", 2 * sum(lengths)) as shown:
            measured = self._measure(contents, lengths, shown, pins)
            wanted = {each.digest: each for each in measured}
            shared = {place.digest: place for place in known if place.digest in wanted}
            large = {digest for digest, each in wanted.items() if each.length >= LARGE}
            pins.add(large.union(place.home for place in shared.values()))
            found = self._present(shared)
            missing = {digest: each for digest, each in wanted.items() if digest not in found}
            added = self._store_large([each for digest, each in missing.items() if digest in large], shown, pins)
            found |= {digest: Place(digest, missing[digest].length) for digest in missing.keys() & large}
            if small := [each for digest, each in missing.items() if digest not in large]:
                packed, added_small = self._store_small(small, shown, pins)
                found |= packed
                added += added_small
        return [found[each.digest] for each in measured], added

    def _measure(self, contents: Sequence[Content], lengths: list[int], shown: Progress, pins: Pins) -> list[_Measured]:
        """Read contents through: the large ones at the same time, the small ones together."""
        cores = os.cpu_count() or 1
        large = [[index] for index, length in enumerate(lengths) if length >= _WORTH_THREADS]
        small = [index for index, length in enumerate(lengths) if length < _WORTH_THREADS]

        def threads_for(length: int) -> int:
            # Enough contents keep all cores busy, but for the last ones, which should not be the largest.
            return 1 if len(large) >= cores and length <= _HASHED_AT_ONCE else _threads_for(length)

        def measure(group: list[int]) -> list[_Measured]:
            return [_measure(contents[index], threads_for(lengths[index]), shown) for index in group]

        if not large:
            return measure(small)
        groups = [*large, small]
        found = self._in_threads([partial(measure, group) for group in groups], cores, shown, pins)
        by_index = dict(zip(chain(*groups), chain(*found), strict=True))
        return [by_index[index] for index in range(len(contents))]

    def _present(self, shared: dict[str, Place]) -> dict[str, Place]:
        """Keep the places whose blobs are there, by digest: what is lost or damaged is written again."""
        sizes = {home: self._folder.size(blob_key(home)) for home in {place.home for place in shared.values()}}
        sound = {home for home, size in sizes.items() if size is not None and self._is_there(home, size)}
        return {
            digest: place
            for digest, place in shared.items()
            if place.home in sound and place.offset + place.length <= (sizes[place.home] or 0)
        }

    def _store_large(self, contents: list[_Measured], shown: Progress, pins: Pins) -> int:
        """Put contents into blobs of their own; give the number of bytes that were not there yet."""
        if not contents:
            return 0
        missing = [each for each in contents if not self._is_there(each.digest, each.length)]
        if missing:
            self._in_threads([partial(self._write_large, each, shown) for each in missing], WRITERS, shown, pins)
        pins.named(blob_key(each.digest) for each in contents)  # whoever wrote them
        self._remember(each.digest for each in missing)
        return sum(each.length for each in missing)

    def _in_threads(self, work: Iterable[Callable[[], _T]], count: int, shown: Progress, pins: Pins) -> list[_T]:
        with ThreadPoolExecutor(count, "vessl_nb") as threads:
            tasks = [threads.submit(task) for task in work]
            waiting = set(tasks)
            try:
                while waiting:
                    done, waiting = wait(waiting, timeout=0.2, return_when=FIRST_EXCEPTION)
                    for task in done:
                        task.result()
                    shown.draw()
                    pins.stay_alive()
            except BaseException:  # an interrupt, too, need not wait for the largest of them
                shown.stop()
                threads.shutdown(wait=True, cancel_futures=True)
                raise
        return [task.result() for task in tasks]

    def _write_large(self, wanted: _Measured, shown: Progress) -> None:
        with self._folder.temporary(blob_key(wanted.digest)) as temporary:
            with temporary.open("x+b", buffering=0) as file:
                if _write(file, wanted.content, shown) != wanted.digest:
                    raise _changed()
                self._folder.finish(file, temporary)
            self._publish(temporary, wanted.digest, wanted.length)

    def _store_small(self, contents: list[_Measured], shown: Progress, pins: Pins) -> tuple[dict[str, Place], int]:
        """Put contents into one blob together, which has its name only when it is written."""
        places, length = _lay_out(contents)
        with self._folder.temporary("blobs") as temporary:
            hasher = blake3.blake3()  # parts are small: to hand each to several threads takes longer than to hash it
            with temporary.open("xb") as file:
                for part in _pack(places, contents):
                    hasher.update(part)
                    file.write(part)
                    shown.count(len(part))
                    shown.draw()
                    pins.stay_alive()
                file.flush()
                self._folder.finish(file, temporary)
            blob = hasher.hexdigest()
            pins.add([blob])
            is_there = self._is_there(blob, length)
            if not is_there:
                self._publish(temporary, blob, length)
                self._remember([blob])
        pins.named([blob_key(blob)])
        home = None if len(places) == 1 else blob
        found = {place.digest: Place(place.digest, place.length, home, place.offset) for place in places}
        return found, 0 if is_there else sum(place.length for place in places)

    def _is_there(self, digest: str, length: int) -> bool:
        """Tell whether a blob is there and is what its name says: nothing is referred to that was damaged meanwhile."""
        status = self._folder.status(blob_key(digest))
        if status is None or status.st_size != length:
            return False
        if is_verified(digest, status):
            return True
        try:
            self.check(digest, lambda _: None)
        except Damaged:
            return False
        return True

    def _publish(self, temporary: Path, digest: str, length: int) -> None:
        if not self._folder.publish(temporary, blob_key(digest)) and not self._is_there(digest, length):
            # Nobody wrote it since: it is cut short. What was just written is what it should be.
            temporary.replace(self._folder.path(blob_key(digest)))

    def _remember(self, digests: Iterable[str]) -> None:
        """Note that blobs are what their names say: they were just written."""
        written = []
        for digest in digests:
            with contextlib.suppress(FileNotFoundError):  # gc moved it into the trash meanwhile, and puts it back
                written.append((digest, self._folder.path(blob_key(digest)).stat()))
        remember_verified(written)

    def read(self, place: Place) -> bytes:
        """Read a content and check it against its digest.

        Raises
        ------
        Damaged
            It is missing, or is not what was written.
        """
        if place.length >= LARGE:
            content = bytes(self.view(place))
        else:
            with self._open(place.home) as file, self._folder.in_words("read", blob_key(place.home)):
                content = os.pread(file.fileno(), place.length, place.offset)
        if blake3.blake3(content).hexdigest() != place.digest:
            raise self._damaged(place.home, "is not what was written")
        return content

    def view(self, place: Place) -> memoryview:
        """Map a content: writable, and private to this process, so that writing to it leaves the file alone.

        Raises
        ------
        Damaged
            It is missing, or is not what was written.
        """
        return self.map([place])[0]

    def map(self, places: Iterable[Place]) -> list[memoryview]:
        """Map many contents as `view` does, each blob once; a place that is given twice has memory of its own each."""
        mapped: dict[str, memoryview] = {}
        given: set[Place] = set()
        views = []
        for place in places:
            if place.home not in mapped:
                mapped[place.home] = self._map(place.home)
            whole = mapped[place.home]
            if place.offset + place.length > len(whole) or (place.blob is None and place.length != len(whole)):
                raise self._damaged(
                    place.home, f"is {len(whole):,} bytes long instead of {place.offset + place.length:,}"
                )
            content = whole[place.offset : place.offset + place.length]
            if place in given:
                # Equal contents are stored once, but may be separate objects, of which one is changed later.
                content = memoryview(bytearray(content)) if place.blob else self._map(place.home)
            given.add(place)
            views.append(content)
        return views

    def check(self, blob: str, progressed: Callable[[int], None]) -> None:
        """Read a blob through, and hold it against its name.

        Parameters
        ----------
        blob
            Its digest.
        progressed
            Is told how many bytes were read, now and then.

        Raises
        ------
        Damaged
            It is missing, or is not what was written.
        """
        with self._open(blob) as file:
            self._read_through(blob, file, progressed)

    def copy(self, place: Place, target: Path) -> None:
        """Copy a content into a new file; the blocks are shared where the file system can do that."""
        with target.open("xb", buffering=0) as file:
            if place.blob is None and place.length >= LARGE:
                with self._open(place.digest) as source:
                    self._verify(place.digest, source)
                    copy_file(source.fileno(), file.fileno())
            else:
                write_all(file.fileno(), self.read(place))

    def _open(self, blob: str) -> BinaryIO:
        try:
            return self._folder.open(blob_key(blob))
        except FileNotFoundError:
            raise self._damaged(blob, "is missing") from None

    def _map(self, blob: str) -> memoryview:
        with self._open(blob) as file:
            self._verify(blob, file)
            return map_privately(file.fileno(), os.fstat(file.fileno()).st_size)

    def _verify(self, blob: str, file: BinaryIO) -> None:
        """Hold a blob against its name, if that was not done on this machine before."""
        if not is_verified(blob, os.fstat(file.fileno())):
            self._read_through(blob, file, lambda _: None)
            file.seek(0)

    def _read_through(self, blob: str, file: BinaryIO, progressed: Callable[[int], None]) -> None:
        with self._folder.in_words("read", blob_key(blob)):
            status = os.fstat(file.fileno())
            hasher = blake3.blake3(max_threads=_threads_for(status.st_size))
            while part := file.read(_READ_AT_ONCE):
                hasher.update(part)
                progressed(len(part))
        if hasher.hexdigest() != blob:
            raise self._damaged(blob, "is not what was written")
        remember_verified([(blob, status)])

    def _damaged(self, blob: str, problem: str) -> Damaged:
        next_step = "Restore this file from a backup; what does not need it stays usable."
        return Damaged.at(self._folder.path(blob_key(blob)), problem, next_step)


def blob_key(digest: str) -> str:
    """Name the file of a blob, as the folder knows it."""
    return f"blobs/{digest[:2]}/{digest}"


def digest_in(key: str) -> str | None:
    """Give the digest of the blob that a file is, by its key; None where it is none."""
    digest = key.rpartition("/")[2]
    return digest if re.fullmatch("[0-9a-f]{64}", digest) and key == blob_key(digest) else None


def _length_of(content: Content) -> int:
    if isinstance(content, Later):
        return content.nbytes
    if isinstance(content, Path):
        with _reading(content):
            return content.stat().st_size
    return memoryview(content).nbytes


_threads: int = blake3.blake3.AUTO


def _use_own_threads() -> None:
    global _threads  # noqa: PLW0603  # blake3's shared threads are not in a forked process: it would wait for ever
    _threads = os.cpu_count() or 1


os.register_at_fork(after_in_child=_use_own_threads)


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Say of a file of the user's which it is that cannot be read: it is none of the registry's."""
    try:
        yield
    except OSError as error:
        if isinstance(error, RegistryError):
            raise
        raise NotFound(
            f"Cannot read {str(path)!r}: {error.strerror}.", "Nothing was registered. Look at the file, and try again."
        ) from error


def _threads_for(length: int) -> int:
    return _threads if length >= _WORTH_THREADS else 1


def _measure(content: Content, threads: int, shown: Progress) -> _Measured:
    """Read a content through, for its digest and its length: a file may have another one a moment later."""
    hasher = blake3.blake3(max_threads=threads)
    length = 0
    for part in _parts_of(content, _READ_AT_ONCE if isinstance(content, Path) else _HASHED_AT_ONCE):
        hasher.update(part)
        length += len(part)
        shown.count(len(part))
    return _Measured(content, hasher.hexdigest(), length)


def _parts_of(content: Content, size: int) -> Iterator[memoryview]:
    if isinstance(content, Path):
        with _reading(content), content.open("rb", buffering=0) as file:
            while part := file.read(size):
                yield memoryview(part)
        return
    whole = memoryview(content.fetch() if isinstance(content, Later) else content).cast("B")
    for start in range(0, len(whole), size):
        yield whole[start : start + size]


def _write(file: BinaryIO, content: Content, shown: Progress) -> str:
    """Write a content, and give the digest of what was written."""
    hasher = blake3.blake3()
    if isinstance(content, Path):
        with _reading(content), content.open("rb") as source:
            is_clone = clone(source.fileno(), file.fileno())
        if is_clone:  # whatever happens to the original from now on does not reach it
            while part := file.read(_READ_AT_ONCE):
                hasher.update(part)
                shown.count(len(part))
            return hasher.hexdigest()
    end = 0
    for live in _parts_of(content, CHUNK):
        part = bytes(live)  # so that what is hashed is what is written, though training goes on
        hasher.update(part)
        write_all(file.fileno(), part)
        end += len(part)
        start_writing_out(file.fileno(), end)
        shown.count(len(part))
    return hasher.hexdigest()


def _lay_out(contents: list[_Measured]) -> tuple[list[Place], int]:
    """Give small contents their places in a blob that they share, and that blob its length."""
    places: list[Place] = []
    end = 0
    for each in contents:
        start = end + -end % ALIGNMENT
        end = start + each.length
        places.append(Place(each.digest, each.length, None, start))
    return places, end


def _pack(places: list[Place], contents: list[_Measured]) -> Iterator[bytes]:
    """Walk the bytes of a blob that small contents share."""
    end = 0
    for place, each in zip(places, contents, strict=True):
        taken = b"".join(_parts_of(each.content, LARGE))
        if blake3.blake3(taken).hexdigest() != place.digest:
            raise _changed()
        yield bytes(place.offset - end)
        yield taken
        end = place.offset + place.length


def _changed() -> InvalidArgument:
    """Build the error for a content that is not what it was when its digest was computed."""
    return InvalidArgument(
        "Something of the model, or one of its files, changed while it was registered.",
        "Register it again when nothing trains it or writes to it.",
    )
