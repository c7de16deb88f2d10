"""The journal: what happened, one immutable document each.

``journal/<stream>/00000001.json`` is a stream's first document; each next one has the next number. A document is one
line of JSON::

    {"number": 2, "id": "<32 hex digits>", "stream": "<stream>", "previous": "<blake3 of document 1's file>",
     "time": "2026-11-01T09:30:00.123456Z", "actor": {"user": "ada", "host": "lab-3"},
     "kind": "<what happened>", "body": {...}, "checksum": "<blake3>"}

`checksum` is the blake3 digest of every byte of the file before ``,"checksum":``. `previous` is that of the whole
file before it, and is missing in the first: so a document that was changed, replaced or taken out of the middle is
found. The id lets a writer recognise its own document where the answer to its write got lost.

Streams whose names differ only by case are one stream, in a folder of the lower-case name: some file systems cannot
tell them apart either. The spelling in the first document holds.

Writing number n + 1 fails where it exists: of many writers one wins, the others read on and try again. That is the only
coordination there is: no lock, on a laptop or on a shared drive. A hole is never filled.

``heads/<stream>.json`` is a note of how far the journal had come: ``{"number": 7, "digest": "<blake3 of document 7's
file>", "checksum": "<blake3>"}``, with a checksum as documents have it. It is put there after the document, and may lag
behind, or be deleted, and is passed over where its checksum is wrong; but a journal that ends before it, or has another
document there, has lost something at its end, which the chain alone cannot tell.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import socket
import threading
import uuid
import warnings
from itertools import islice
from typing import TYPE_CHECKING, Annotated

import blake3
import msgspec

from vessl_nb.errors import Damaged, RegistryError
from vessl_nb.storage.unreadable import UNREADABLE
from vessl_nb.storage.writers import user_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vessl_nb.storage.folder import Folder

_Hex128 = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{32}$")]
_CHECKSUM = b',"checksum":"'

HEADS = "heads"
"""Where the notes are of how far the journals have come."""

_MOST_MISSING = 100
"""How many missing documents of a stream are listed: a stray file with a large number would make it millions."""

_DIGITS = 8
"""How many digits the number in a document's name has, or more."""


_begun = threading.local()


def last_begun() -> str:
    """Give the id of the last document that this thread began to write, arrived or not; empty for none."""
    document_id: str = getattr(_begun, "document_id", "")
    return document_id


class Actor(msgspec.Struct, frozen=True):
    """Who wrote a document: a user's name and a host's."""

    user: str
    host: str


class Document(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A journal document, without its checksum; the module's docstring describes the fields."""

    number: Annotated[int, msgspec.Meta(ge=1)]
    id: _Hex128
    stream: str
    previous: str | None = None
    time: Annotated[dt.datetime, msgspec.Meta(tz=True)]
    actor: Actor
    kind: str
    body: msgspec.Raw


class Head(msgspec.Struct, frozen=True):
    """How far a journal has come: the number of a document, and the digest of its file."""

    number: Annotated[int, msgspec.Meta(ge=1)]
    digest: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]


class Journal:
    """One stream of documents.

    Parameters
    ----------
    folder
        The registry's folder.
    stream
        The stream's name, a relative path such as ``default/iris``.
    known
        A document up to which the caller knows the stream already, with the stream's spelling; None for none.

    Attributes
    ----------
    stream
        The name as the first document spells it, once that is read.
    head
        The newest document that was read; None where there is none.
    """

    def __init__(self, folder: Folder, stream: str, known: Head | None = None) -> None:
        self.stream = stream
        self.head = known
        self._folder = folder
        self._path = f"journal/{stream.lower()}"
        self._is_complete = False  # looked through from the first document to the last

    def read_on(self) -> list[Document]:
        """Read the documents that came since the last call, or since the one that is known.

        Raises
        ------
        Damaged
            A document is missing, was changed, or does not belong here.
        """
        if not self._is_complete:
            self._look_through()
        documents = []
        while (sealed := self._sealed(self._length + 1)) is not None:
            documents.append(self._take(self._length + 1, sealed))
        if not documents and self.head and self._folder.size(self._key(self._length)) is None:
            raise self.damaged(self._length, "vanished")
        self._is_complete = True
        return documents

    def damages(self) -> list[Damaged]:
        """Look through all documents, and list what is wrong, not only the first of it."""
        numbers = self._numbers()
        missing = self._missing(numbers, self._last_number())
        found = [self.damaged(number, "is missing") for number in islice(missing, _MOST_MISSING)]
        for number in sorted(numbers):
            try:
                self._unseal(number, self._folder.read(self._key(number)))
            except Damaged as damaged:
                found.append(damaged)
            except (RegistryError, FileNotFoundError) as error:
                found.append(self.damaged(number, f"cannot be read: {error}"))
        return sorted(found, key=lambda damaged: str(damaged.file))

    def _last_number(self) -> int:
        noted = self._read_head()
        return max([*self._numbers(), noted.number if noted else 0])

    def _numbers(self) -> set[int]:
        names = [name.removesuffix(".json") for name in self._folder.names(self._path) if name.endswith(".json")]
        return {int(name) for name in names if len(name) >= _DIGITS and name.isascii() and name.isdecimal()}

    def _missing(self, numbers: set[int], last: int) -> Iterator[int]:
        """Find the numbers without a document, of which some may be known to have one."""
        for number in range(1, last + 1):
            # Of what is written while it is read, a listing may have the later and not the earlier.
            if number not in numbers and self._folder.size(self._key(number)) is None:
                yield number

    def has(self, head: Head) -> bool:
        """Tell whether the stream has just this document."""
        sealed = self._sealed(head.number)
        return sealed is not None and blake3.blake3(sealed).hexdigest() == head.digest

    def _look_through(self) -> None:
        """Make sure that the journal has every number up to its last, and what is noted of its end."""
        noted = self._read_head()  # before the names: it never runs ahead of them
        numbers = self._numbers()
        last = max([*numbers, noted.number if noted else 0])
        for number in self._missing(numbers, last) if len(numbers) < last else ():
            raise self.damaged(number, "is missing", at_end=number > max(numbers, default=0))
        if noted and not self.has(noted):
            self._unseal(noted.number, self._sealed(noted.number) or b"")  # says more, where it was changed by hand
            raise self.damaged(noted.number, "is not the document that was written", at_end=True)

    @property
    def _length(self) -> int:
        return self.head.number if self.head else 0

    def append(self, kind: str, body: msgspec.Struct, check: Callable[[], None] | None = None) -> bool:
        """Write the next document.

        Parameters
        ----------
        kind, body
            What it says.
        check
            As `Folder.create` takes it: makes sure, at the last moment, that what the body refers to is there.

        Returns
        -------
        bool
            False where another writer took the number: read on, and try again. True: the document is on disk, and comes
            with the next `read_on`.
        """
        noted = self._read_head()
        if noted and noted.number > self._length:
            number = self._length + 1
            if self._sealed(number) is None and number not in self._numbers():  # which NFS looks up anew
                raise self.damaged(number, "is missing")
            return False
        document = Document(
            number=self._length + 1,
            id=uuid.uuid4().hex,
            stream=self.stream,
            previous=self.head.digest if self.head else None,
            time=dt.datetime.now(dt.UTC),
            actor=Actor(user_name(), socket.gethostname()),
            kind=kind,
            body=msgspec.Raw(msgspec.json.encode(body)),
        )
        sealed = _seal(document)
        _begun.document_id = document.id
        key = self._key(document.number)
        try:
            if not self._folder.create(key, sealed, check) and not self._has_arrived(document, sealed):
                return False
        except RegistryError as error:
            if not self._has_arrived(document, sealed):
                raise
            # Others may have read it already: it cannot be taken back, only be doubted.
            warnings.warn(
                f"It is done, but the disk did not confirm that it will outlast a crash. {error}", stacklevel=2
            )
        with contextlib.suppress(RegistryError):  # the document is there, and that is what counts
            head = Head(document.number, blake3.blake3(sealed).hexdigest())
            self._folder.replace(self._head_key(), _seal(head))
        return True

    def _has_arrived(self, document: Document, sealed: bytes) -> bool:
        """Tell whether the document there is this one: the answer to its writing got lost."""
        return self._sealed(document.number) == sealed

    def _read_head(self) -> Head | None:
        try:
            text = _unsealed(self._folder.read(self._head_key()))
            return msgspec.json.decode(text, type=Head) if text else None
        except (FileNotFoundError, RegistryError, *UNREADABLE):  # a note may be lost
            return None

    def _sealed(self, number: int) -> bytes | None:
        try:
            return self._folder.read(self._key(number))
        except FileNotFoundError:
            return None

    def _unseal(self, number: int, sealed: bytes) -> Document:
        """Read a document that is as it was written."""
        text = _unsealed(sealed)
        if text is None:
            raise self.damaged(number, "was changed or is cut short: its checksum is wrong")
        try:
            return msgspec.json.decode(text, type=Document)
        except UNREADABLE as error:
            raise self.damaged(number, f"is no journal document: {error}") from None

    def _take(self, number: int, sealed: bytes) -> Document:
        """Hold a document against what it must be, and go on to it."""
        document = self._unseal(number, sealed)
        same_stream = document.stream.lower() == self.stream.lower() if number == 1 else document.stream == self.stream
        if document.number != number or not same_stream:
            raise self.damaged(number, f"is number {document.number} of {document.stream}")
        if document.previous != (self.head.digest if self.head else None):
            raise self.damaged(number, "does not follow the document before it: one of the two was replaced")
        self.head = Head(number, blake3.blake3(sealed).hexdigest())
        self.stream = document.stream
        return document

    def damaged(self, number: int, problem: str, *, at_end: bool = False) -> Damaged:
        """Build the error that names a damaged document of this stream."""
        next_step = "Restore this file from a backup; other repositories stay usable."
        if at_end:
            note = self._folder.path(self._head_key())
            next_step = f"Restore this file from a backup. If it is gone for good, delete {note}, to go on without it."
        return Damaged.at(self._folder.path(self._key(number)), problem, next_step)

    def _key(self, number: int) -> str:
        return f"{self._path}/{number:0{_DIGITS}d}.json"

    def _head_key(self) -> str:
        return f"{HEADS}/{self.stream.lower()}.json"


def _seal(said: Document | Head) -> bytes:
    """Write a line of JSON with its checksum."""
    text = msgspec.json.encode(said)[:-1]
    return b"".join((text, _CHECKSUM, blake3.blake3(text).hexdigest().encode(), b'"}\n'))


def _unsealed(sealed: bytes) -> bytes | None:
    """Take the checksum off a line of JSON; None where it is wrong."""
    text, _, rest = sealed.rpartition(_CHECKSUM)
    return text + b"}" if rest == blake3.blake3(text).hexdigest().encode() + b'"}\n' else None
