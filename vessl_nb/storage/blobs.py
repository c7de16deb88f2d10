"""Blobs: immutable bytes, named by their blake3 digest, stored once.

``blobs/<ab>/<digest>`` holds the bytes and nothing else, read-only; ``<ab>`` are the digest's first two digits.
Contents from `LARGE` bytes up have a blob of their own. The smaller ones of one writing share one blob, its pack, each
at a multiple of `ALIGNMENT` bytes, with zeros between: a thousand small files would cost ten times one.

A `Place` says where a content is. Its digest is always that of the content itself, so that a later writer can find it
again wherever it lies, and a reader can check it.
"""

from __future__ import annotations

import mmap
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import blake3
import msgspec

from vessl_nb.errors import Damaged, InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from vessl_nb.storage.folder import Folder

LARGE = 1 << 20
"""From this many bytes on, a content has a blob of its own."""

ALIGNMENT = 64
"""Contents of a pack begin at multiples of this many bytes, so that arrays mapped from it are aligned."""

CHUNK = 1 << 20
"""How many bytes of a file are read at a time while it is copied."""

Digest: TypeAlias = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
Size: TypeAlias = Annotated[int, msgspec.Meta(ge=0)]

Content: TypeAlias = bytes | bytearray | memoryview | Path
"""Bytes in memory, or a file to be copied."""


class Place(msgspec.Struct, frozen=True, omit_defaults=True):
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


class Blobs:
    """The blobs of a registry.

    Parameters
    ----------
    folder
        The registry's folder.
    """

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._verified: set[str] = set()

    def store(self, contents: Sequence[Content], known: Iterable[Place] = ()) -> tuple[list[Place], int]:
        """Store contents, each byte of them once.

        Parameters
        ----------
        contents
            What to store.
        known
            Places that the caller knows to be in this registry: what lies there is referred to, not written.

        Returns
        -------
        places : list of Place
            One for each content, in order. When this returns they are on disk.
        added : int
            How many bytes of contents were written.
        """
        found = self._present(known)
        digests = [_digest_of(content) for content in contents]
        added = 0
        small: dict[str, Content] = {}
        for content, digest in zip(contents, digests, strict=True):
            if digest in found or digest in small:
                continue
            length = _length_of(content)
            if length >= LARGE:
                added += self._create(digest, length, _checked(digest, _chunks_of(content)))
                found[digest] = Place(digest, length)
            else:
                small[digest] = content
        if small:
            places = _lay_out(small)
            blob = places[0].blob or places[0].digest
            end = places[-1].offset + places[-1].length
            if self._create(blob, end, _checked(blob, _pack(places, small))):
                added += sum(place.length for place in places)
            found.update((place.digest, place) for place in places)
        return [found[digest] for digest in digests], added

    def _present(self, known: Iterable[Place]) -> dict[str, Place]:
        """Keep the places whose blobs are there, by digest: what is lost is written again."""
        sizes: dict[str, int] = {}
        found = {}
        for place in known:
            blob = place.blob or place.digest
            if blob not in sizes:
                sizes[blob] = self._folder.size(_key(blob)) or 0
            if place.offset + place.length <= sizes[blob]:
                found[place.digest] = place
        return found

    def read(self, place: Place) -> bytes:
        """Read a content and check it against its digest.

        Raises
        ------
        Damaged
            It is missing, or is not what was written.
        """
        return bytes(self.view(place))

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
            blob = place.blob or place.digest
            if blob not in mapped:
                mapped[blob] = self._map(blob)
            whole = mapped[blob]
            if place.offset + place.length > len(whole):
                raise self._damaged(blob, f"is {len(whole):,} bytes long, too short")
            content = whole[place.offset : place.offset + place.length]
            if place in given:
                # Equal contents are stored once, but may be separate objects, of which one is changed later.
                content = self._map(blob) if place.length >= LARGE else memoryview(bytearray(content))
            given.add(place)
            views.append(content)
        return views

    def _map(self, blob: str) -> memoryview:
        try:
            with self._folder.open(_key(blob)) as file:
                empty = os.fstat(file.fileno()).st_size == 0  # which mmap refuses
                whole = memoryview(bytearray() if empty else mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY))
        except FileNotFoundError:
            raise self._damaged(blob, "is missing") from None
        if blob not in self._verified:
            if _digest_of(whole) != blob:
                raise self._damaged(blob, "is not what was written")
            self._verified.add(blob)
        return whole

    def _create(self, digest: str, length: int, chunks: Iterable[memoryview]) -> int:
        if self._folder.size(_key(digest)) == length:
            self._folder.sync(_key(digest))  # whoever wrote it may not have come to that yet
            return 0
        if not self._folder.create(_key(digest), chunks, read_only=True):
            # Somebody else wrote it since, or what is there has another length.
            size = self._folder.size(_key(digest))
            if size != length:
                raise self._damaged(digest, f"is {size:,} bytes long instead of {length:,}")
            return 0
        return length

    def _damaged(self, blob: str, problem: str) -> Damaged:
        return Damaged(
            f"The registry is damaged: {self._folder.path(_key(blob))} {problem}.",
            "Restore this file from a backup; what does not need it stays usable.",
        )


def _key(digest: str) -> str:
    return f"blobs/{digest[:2]}/{digest}"


def _length_of(content: Content) -> int:
    return content.stat().st_size if isinstance(content, Path) else memoryview(content).nbytes


def _digest_of(content: Content) -> str:
    hasher = blake3.blake3()
    if isinstance(content, Path):
        hasher.update_mmap(content)
    else:
        hasher.update(content)
    return hasher.hexdigest()


def _chunks_of(content: Content) -> Iterator[memoryview]:
    if not isinstance(content, Path):
        yield memoryview(content).cast("B")
        return
    with content.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield memoryview(chunk)


def _checked(digest: str, chunks: Iterable[memoryview]) -> Iterator[memoryview]:
    """Pass chunks on to be written, and fail at the end, before they are named, where they are not of this digest."""
    hasher = blake3.blake3()
    for chunk in chunks:
        hasher.update(chunk)
        yield chunk
    if hasher.hexdigest() != digest:
        raise InvalidArgument(
            "Something of the model, or one of its files, changed while it was registered.",
            "Register it again when nothing trains it or writes to it.",
        )


def _lay_out(contents: dict[str, Content]) -> list[Place]:
    """Give small contents their places in a pack; where there is but one, the pack is that content."""
    spans: list[tuple[int, int]] = []
    end = 0
    for content in contents.values():
        start, length = end + -end % ALIGNMENT, _length_of(content)
        spans.append((start, length))
        end = start + length
    places = [Place(digest, length, None, start) for digest, (start, length) in zip(contents, spans, strict=True)]
    if len(places) == 1:
        return places
    hasher = blake3.blake3()
    for chunk in _pack(places, contents):
        hasher.update(chunk)
    return [Place(place.digest, place.length, hasher.hexdigest(), place.offset) for place in places]


def _pack(places: list[Place], contents: dict[str, Content]) -> Iterator[memoryview]:
    """Walk the bytes of a pack, each content checked against its own digest."""
    end = 0
    for place in places:
        yield memoryview(bytes(place.offset - end))
        yield from _checked(place.digest, _chunks_of(contents[place.digest]))
        end = place.offset + place.length
