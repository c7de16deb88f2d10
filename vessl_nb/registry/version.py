"""A version, as users hold it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypedDict

import msgspec

from vessl_nb.errors import Damaged
from vessl_nb.registry.names import Tag, parse_reference, qualified
from vessl_nb.registry.registry import open_registry
from vessl_nb.storage.blobs import blob_key
from vessl_nb.storage.unreadable import UNREADABLE

if TYPE_CHECKING:
    import datetime as dt

    from vessl_nb.faces.version import VersionFace
    from vessl_nb.manifest import Capture, Manifest, Signature
    from vessl_nb.registry.documents import Check
    from vessl_nb.registry.registry import Registry
    from vessl_nb.registry.state import RepositoryState, Revision
    from vessl_nb.storage.blobs import Place


class _Example(TypedDict):
    input: Any
    output: Any


def find_version(reference: str) -> Version:
    """Find the version that a reference means.

    Raises
    ------
    InvalidReference
        It cannot be read.
    NotFound
        It means nothing that is there.
    """
    registry = open_registry()
    return Version.of(registry, *registry.resolve(parse_reference(reference)))


def read_examples(registry: Registry, revision: Revision) -> list[dict[str, Any]]:
    """Read the examples of a revision; Damaged where they are missing or are not what was written."""
    place = revision.registered.examples
    try:
        return msgspec.json.decode(registry.blobs.read(place), type=list[_Example]) if place else []
    except UNREADABLE as error:
        raise _unreadable(registry, place, f"holds no examples: {error}") from None


def _unreadable(registry: Registry, place: Place | None, problem: str) -> Damaged:
    assert place is not None  # noqa: S101  # something was read there
    next_step = "Install a newer vessl_nb, or restore the file from a backup."
    return Damaged.at(registry.folder.path(blob_key(place.home)), problem, next_step)


@dataclass(frozen=True, repr=False)
class Version:
    """A registered version: a model number and a revision of it.

    Attributes
    ----------
    repository_name, organization_name
        Where it is.
    number
        The model's number.
    revision
        1 for the first registration under this number, one more for each time it was overwritten.
    runner
        The runner's name.
    created
        When it was registered, in UTC.
    aliases
        The aliases that pointed at it when this object was made.
    tags, description
        What was said of it.
    size
        How many bytes its contents have.
    added
        How many bytes registering it wrote; what earlier versions had is not written again.
    requirements
        The packages it needs.
    """

    organization_name: str
    repository_name: str
    number: int
    revision: int
    runner: str
    created: dt.datetime
    aliases: tuple[str, ...]
    tags: dict[str, Tag]
    description: str
    size: int
    added: int
    requirements: tuple[str, ...]
    _is_one_of_many: bool = field(compare=False)
    _registry: Registry = field(compare=False)
    _revision: Revision = field(compare=False)

    @classmethod
    def of(cls, registry: Registry, state: RepositoryState, revision: Revision) -> Version:
        """Build it from what the journal says."""
        said = revision.registered
        return cls(
            state.organization,
            state.name,
            said.number,
            said.revision,
            said.runner,
            revision.created,
            state.aliases_of(revision),
            said.tags,
            said.description,
            said.size,
            said.added,
            tuple(said.requirements),
            len(state.models[said.number].revisions) > 1,
            registry,
            revision,
        )

    @property
    def reference(self) -> str:
        """What `load` takes: ``iris:3``, with the revision where it is not the only one: ``iris:3@2``."""
        revision = f"@{self.revision}" if self._is_one_of_many else ""
        return f"{qualified(self.organization_name, self.repository_name)}:{self.number}{revision}"

    @property
    def digest(self) -> str:
        """The digest of its manifest: registries that were made apart may have other versions under one reference."""
        return self._revision.registered.manifest.digest

    @cached_property
    def manifest(self) -> Manifest:
        """The document that describes what the version holds."""
        return self._registry.manifest(self._revision.registered.manifest)

    @property
    def files(self) -> dict[str, Place]:
        """The files of its volume by path, with those that it keeps from earlier revisions."""
        return self.manifest.files

    @property
    def source(self) -> str:
        """``runner.py``: the readable source of the runner; empty where none could be found."""
        place = self.manifest.source.place if self.manifest.source else None
        try:
            return self._registry.blobs.read(place).decode() if place else ""
        except UnicodeDecodeError as error:
            raise _unreadable(self._registry, place, f"holds no source: {error}") from None

    @property
    def check(self) -> Check | None:
        """How it was checked in a clean process; None where it was not."""
        return self._revision.registered.check

    @property
    def declined(self) -> bool:
        """Whether it was not to be checked."""
        return self._revision.registered.unchecked

    @property
    def signature(self) -> Signature | None:
        """What a client sends and gets, as JSON Schema; None where nothing is known of it."""
        return self.manifest.signature

    @property
    def captures(self) -> list[Capture]:
        """The notebook names that travel with its runner."""
        return self.manifest.captures

    @property
    def modules(self) -> dict[str, Place]:
        """The files of its local modules, by their paths where they are imported from."""
        return self.manifest.modules

    @property
    def examples(self) -> list[dict[str, Any]]:
        """The samples it was registered with, each with its output, in the encoding of `vessl_nb.values.encoding`."""
        return read_examples(self._registry, self._revision)

    def __repr__(self) -> str:
        return f"<Version {self.reference}>"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:  # noqa: FBT001  # IPython's signature
        from vessl_nb.faces.version import version_text  # noqa: PLC0415  # a server need not have what draws

        printer.text(repr(self) if cycle else version_text(self.face()))

    def _repr_html_(self) -> str:
        from vessl_nb.faces.version import version_html  # noqa: PLC0415  # as above

        return version_html(self.face())

    def face(self) -> VersionFace:
        """Give what is shown of it, as plain data: what looks like a secret is masked here, for every face."""
        from vessl_nb.registry.version_faces import version_face  # noqa: PLC0415  # as above

        return version_face(self)
