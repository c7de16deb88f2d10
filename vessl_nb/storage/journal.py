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
"""

from __future__ import annotations

import datetime as dt
import getpass
import re
import secrets
import socket
from typing import TYPE_CHECKING, Annotated

import blake3
import msgspec

from vessl_nb.errors import Damaged

if TYPE_CHECKING:
    from vessl_nb.storage.folder import Folder

_Hex128 = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{32}$")]
_CHECKSUM = b',"checksum":"'
_FILE = re.compile(r"\d{8,}\.json")


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
    time: dt.datetime
    actor: Actor
    kind: str
    body: msgspec.Raw


class Journal:
    """One stream of documents.

    Parameters
    ----------
    folder
        The registry's folder.
    stream
        The stream's name, a relative path such as ``default/iris``.

    Attributes
    ----------
    stream
        The name as the first document spells it, once that is read.
    """

    def __init__(self, folder: Folder, stream: str) -> None:
        self.stream = stream
        self._folder = folder
        self._path = f"journal/{stream.lower()}"
        self._length = 0
        self._head: str | None = None  # the digest of the newest document's file

    def read_on(self) -> list[Document]:
        """Read the documents that came since the last call, all of them at the first.

        Raises
        ------
        Damaged
            A document is missing from the middle, was changed, or does not belong here.
        """
        last = self._last_number()
        if last < self._length:
            raise self.damaged(self._length, "vanished")
        documents = []
        for number in range(self._length + 1, last + 1):
            document, digest = self._read(number)
            documents.append(document)
            self._length, self._head, self.stream = number, digest, document.stream
        return documents

    def append(self, kind: str, body: msgspec.Struct) -> bool:
        """Write the next document.

        Returns
        -------
        bool
            False where another writer took the number: read on, and try again. True: the document is on disk, and comes
            with the next `read_on`.
        """
        document = Document(
            number=self._length + 1,
            id=secrets.token_hex(16),
            stream=self.stream,
            previous=self._head,
            time=dt.datetime.now(dt.UTC),
            actor=_actor(),
            kind=kind,
            body=msgspec.Raw(msgspec.json.encode(body)),
        )
        text = msgspec.json.encode(document)[:-1]
        checksum = blake3.blake3(text).hexdigest()
        sealed = text + _CHECKSUM + checksum.encode() + b'"}\n'
        if self._folder.create(self._key(document.number), [sealed]):
            return True
        there, _ = self._read(document.number)
        return there.id == document.id

    def _last_number(self) -> int:
        names = self._folder.names(self._path)
        return max((int(name.removesuffix(".json")) for name in names if _FILE.fullmatch(name)), default=0)

    def _read(self, number: int) -> tuple[Document, str]:
        try:
            sealed = self._folder.read(self._key(number))
        except FileNotFoundError:
            raise self.damaged(number, "is missing") from None
        text, _, rest = sealed.rpartition(_CHECKSUM)
        if rest != blake3.blake3(text).hexdigest().encode() + b'"}\n':
            raise self.damaged(number, "was changed or is cut short: its checksum is wrong")
        try:
            document = msgspec.json.decode(text + b"}", type=Document)
        except msgspec.DecodeError as error:
            raise self.damaged(number, f"is no journal document: {error}") from None
        same_stream = document.stream.lower() == self.stream.lower() if number == 1 else document.stream == self.stream
        if document.number != number or not same_stream:
            raise self.damaged(number, f"is number {document.number} of {document.stream}")
        if document.previous != self._head and number == self._length + 1:
            raise self.damaged(number, "does not follow the document before it: one of the two was replaced")
        return document, blake3.blake3(sealed).hexdigest()

    def damaged(self, number: int, problem: str) -> Damaged:
        """Build the error that names a damaged document of this stream."""
        return Damaged(
            f"The registry is damaged: {self._folder.path(self._key(number))} {problem}.",
            "Restore this file from a backup; other repositories stay usable.",
        )

    def _key(self, number: int) -> str:
        return f"{self._path}/{number:08d}.json"


def _actor() -> Actor:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container whose user has no name
        user = ""
    return Actor(user, socket.gethostname())
