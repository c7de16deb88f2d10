"""The registry: reads repositories, and commits what happens to them."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import threading
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from vessl_nb.errors import Damaged, FormatTooNew, InvalidArgument, NotFound, RegistryError, nearest
from vessl_nb.manifest import decode_manifest
from vessl_nb.registry.checkpoint import INTERVAL, LAYOUT, Checkpoint, read_checkpoint, write_checkpoint
from vessl_nb.registry.documents import KIND_OF, KINDS
from vessl_nb.registry.format import check_format, write_format
from vessl_nb.registry.names import qualified
from vessl_nb.registry.state import RepositoryState
from vessl_nb.storage.blobs import Blobs, blob_key
from vessl_nb.storage.folder import Folder
from vessl_nb.storage.journal import HEADS, Journal
from vessl_nb.storage.unreadable import UNREADABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vessl_nb.manifest import Manifest
    from vessl_nb.registry.documents import Body
    from vessl_nb.registry.names import Reference
    from vessl_nb.registry.state import Revision
    from vessl_nb.storage.blobs import Place
    from vessl_nb.storage.journal import Document
    from vessl_nb.storage.writers import Pins


class Registry:
    """A registry, in a folder.

    Parameters
    ----------
    root
        The folder; it need not exist before something is written.

    Attributes
    ----------
    folder
        Its files.
    blobs
        Its blobs.
    id
        What tells it from every other registry; empty as long as it does not exist.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = Folder(root)
        self.blobs = Blobs(self.folder)
        self.id = ""
        self._repositories: dict[str, _Repository] = {}
        # Forms and tables call from threads of their own while a cell runs.
        self._lock = threading.RLock()

    def repositories(self) -> list[RepositoryState]:
        """Read every repository, ordered by organization and name; warns of those that are damaged."""
        with self._lock:
            states = []
            for stream in self.streams():
                try:
                    states.append(self._read(stream))
                except RegistryError as error:
                    warnings.warn(f"{stream} is left out. {error}", stacklevel=2)
            return [state for state in states if state is not None]

    def streams(self) -> list[str]:
        """List the journals, ordered by organization and name, in lower case; those included that have vanished."""
        if not self.exists():
            return []
        found = [*self.folder.walk("journal"), *(name.removesuffix(".json") for name in self.folder.walk(HEADS))]
        return sorted(set(found))

    def repository(self, organization: str, name: str) -> RepositoryState:
        """Read a repository.

        Raises
        ------
        NotFound
            There is none of this name; the nearest is named.
        Damaged
            A document of it is missing or changed.
        """
        state = self.find(organization, name)
        if state is None:
            wanted = qualified(organization, name)
            have = [state.qualified for state in self.repositories()]
            raise NotFound(
                f"There is no model repository {wanted!r} in {self.root}.",
                nearest(wanted, have) or (f"There are: {', '.join(have[:10])}." if have else _nothing_in(self.root)),
            )
        return state

    def find(self, organization: str, name: str) -> RepositoryState | None:
        """Read a repository; None where there is none of just this spelling."""
        with self._lock:
            state = self._read(f"{organization}/{name}") if self.exists() else None
        return state if state and (state.organization, state.name) == (organization, name) else None

    def resolve(self, reference: Reference) -> tuple[RepositoryState, Revision]:
        """Find the revision that a reference means, and its repository; NotFound where it names nothing."""
        state = self.repository(reference.organization, reference.repository)
        return state, state.resolve(reference)

    def check_new(self, organization: str, name: str) -> None:
        """Refuse a name that differs from an existing one only by case.

        Raises
        ------
        InvalidArgument
            Names the existing one.
        """
        with self._lock:
            if not self.exists():
                return
            state = self._read(f"{organization}/{name}")
            is_new = state is None
            for sibling in self.folder.names(f"journal/{organization.lower()}") if is_new else ():
                with contextlib.suppress(Damaged, FormatTooNew):  # another repository's trouble
                    state = self._read(f"{organization}/{sibling}")
                if state:
                    break
        if state and state.organization != organization:
            raise InvalidArgument(
                f"The organization {organization!r} differs only by case from {state.organization!r}, which exists.",
                f"Use {state.organization!r}, or another name.",
            )
        if state and state.name != name and not is_new:
            raise InvalidArgument(
                f"{qualified(organization, name)!r} differs only by case from {state.qualified!r}, which exists.",
                f"Use {state.name!r}, or another name.",
            )

    def commit(
        self, organization: str, name: str, decide: Callable[[RepositoryState], Body], pins: Pins | None = None
    ) -> tuple[RepositoryState, Body]:
        """Write one document into a repository's journal, and read on.

        Parameters
        ----------
        organization, name
            The repository; it begins with its first document.
        decide
            Makes the document's body from the repository as it is. It is called again each time another writer was
            first, and may raise: then nothing is written.
        pins
            What keeps the blobs that the document refers to.

        Returns
        -------
        state : RepositoryState
            The repository with the document in it, and perhaps with later ones.
        body
            What was written.
        """
        stream = f"{organization}/{name}"
        with self._lock:
            while True:
                self.check_new(organization, name)
                state = self._read(stream)
                body = decide(state or RepositoryState(organization, name))
                if state is None:
                    self.make()
                repository = self._repositories.get(stream.lower()) or _Repository(self.folder, self.id, stream)
                if repository.journal.append(KIND_OF[type(body)], body, pins.check if pins else None):
                    break
            committed = self._read(stream)
        assert committed is not None  # noqa: S101  # it has the document just written
        return committed, body

    @contextlib.contextmanager
    def pins(self) -> Iterator[Pins]:
        """Pin the blobs that are stored meanwhile, until what refers to them is committed."""
        self.make()
        with self.folder.pins() as pins:
            yield pins

    def manifest(self, place: Place) -> Manifest:
        """Read a version's manifest; Damaged where it is missing or is not what was written."""
        text = self.blobs.read(place)
        try:
            return decode_manifest(text)
        except UNREADABLE as error:
            next_step = "Install a newer vessl_nb, or restore the file from a backup."
            raise Damaged.at(self.folder.path(blob_key(place.home)), f"is no manifest: {error}", next_step) from None

    def make(self) -> None:
        """Make the folder a registry, if it is none yet, before anything else is written into it."""
        self.id = check_format(self.folder) or write_format(self.folder)

    def exists(self) -> bool:
        """Tell whether there is a registry yet; RegistryError where the folder is something else."""
        if not self.id:
            self.id = check_format(self.folder)
        return bool(self.id)

    def _read(self, stream: str) -> RepositoryState | None:
        """Bring a repository up to date; None where its journal is empty."""
        key = stream.lower()
        repository = self._repositories.pop(key, None) or _Repository(self.folder, self.id, stream)
        try:
            repository.read_on()
        except Damaged:
            # The folder may have been put in place of another, by hand: then it holds together by itself.
            repository = _Repository(self.folder, self.id, stream)
            repository.read_on()
        if repository.state is not None:
            self._repositories[key] = repository
        return repository.state


def _nothing_in(root: Path) -> str:
    return "It is empty." if root.exists() else "That folder does not exist: is VESSL_NB_REGISTRY right?"


class _Repository:
    """A repository's journal, and its fold as far as it was read."""

    def __init__(self, folder: Folder, registry: str, stream: str) -> None:
        self.journal = Journal(folder, stream)
        self.state: RepositoryState | None = None
        self._folder = folder
        self._registry = registry
        self._checkpointed: int | None = None  # up to which document; None before the first look

    def read_on(self) -> None:
        if self._checkpointed is None:
            self._begin_at_checkpoint()
        documents = self.journal.read_on()
        if documents:
            organization, _, name = self.journal.stream.rpartition("/")
            # Whoever reads the state in another thread keeps it as it is.
            state = self.state.copy() if self.state else RepositoryState(organization, name)
            for document in documents:
                _apply(state, document, self.journal)
            self.state = state
        if self.state and self.journal.head and self.journal.head.number - (self._checkpointed or 0) >= INTERVAL:
            self._checkpointed = self.journal.head.number
            checkpoint = Checkpoint(LAYOUT, self._registry, self.journal.stream, self.journal.head, self.state)
            write_checkpoint(self._folder, checkpoint)

    def _begin_at_checkpoint(self) -> None:
        self._checkpointed = 0
        checkpoint = read_checkpoint(self._folder, self._registry, self.journal.stream)
        if checkpoint and self.journal.has(checkpoint.head):
            self.journal = Journal(self._folder, checkpoint.stream, checkpoint.head)
            self.state, self._checkpointed = checkpoint.state, checkpoint.head.number


def fold(journal: Journal) -> RepositoryState | None:
    """Read a journal from its first document on, without a checkpoint; None where it is empty."""
    documents = journal.read_on()
    organization, _, name = journal.stream.rpartition("/")
    state = RepositoryState(organization, name)
    for document in documents:
        _apply(state, document, journal)
    return state if documents else None


def _apply(state: RepositoryState, document: Document, journal: Journal) -> None:
    """Take a journal document into a repository; FormatTooNew or Damaged where that cannot be done."""
    if document.kind not in KINDS:
        raise FormatTooNew(
            f"The journal of {journal.stream} has a document of the unknown kind {document.kind!r}.",
            "Install a newer vessl_nb: pip install --upgrade vessl_nb",
        )
    try:
        body = msgspec.json.decode(document.body, type=KINDS[document.kind])
        state.apply(body, document.time.astimezone(dt.UTC))
    except (*UNREADABLE, LookupError, ValueError, OverflowError) as error:  # the last: a time that UTC cannot say
        raise journal.damaged(document.number, f"cannot be applied: {error}") from None


_OPEN: dict[Path, Registry] = {}
# A lock that another thread held at the fork would stay held in the child for ever.
os.register_at_fork(after_in_child=_OPEN.clear)


def open_registry() -> Registry:
    """Open the registry that VESSL_NB_REGISTRY names, or the one in ``~/.vessl_nb/registry``.

    Raises
    ------
    RegistryError
        The variable names something that is no folder of this machine.
    """
    named = os.environ.get("VESSL_NB_REGISTRY")
    if named and "://" in named:
        raise RegistryError(
            f"VESSL_NB_REGISTRY is {named!r}; this vessl_nb keeps registries in folders only.",
            "Set it to a folder's path.",
        )
    root = Path(named).expanduser().absolute() if named else Path.home() / ".vessl_nb" / "registry"
    return _OPEN.setdefault(root, Registry(root))
