"""What a repository is: the fold of its journal."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from vessl_nb.errors import NotFound, nearest
from vessl_nb.registry.documents import AliasMoved, FilesAdded, ModelCreated, Registered, RepositoryCreated
from vessl_nb.registry.names import Reference, qualified

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator

    from vessl_nb.registry.documents import Body
    from vessl_nb.storage.blobs import Place

Layer = dict[str, "Place"] | Registered
"""What put files into a volume: files by path, or a registration, whose manifest has them."""


@dataclass(frozen=True, slots=True)
class Revision:
    """One registration of a model: what the journal says of it.

    Attributes
    ----------
    registered
        The document's body.
    created
        When it was registered, in UTC.
    layers
        What makes up its volume, oldest first; of two files with one path the later one is there.
    """

    registered: Registered
    created: dt.datetime
    layers: tuple[Layer, ...]


@dataclass(frozen=True, slots=True)
class ModelState:
    """A model: a number, what is in its volume, and its revisions, oldest first."""

    number: int
    created: dt.datetime
    name: str = ""
    layers: tuple[Layer, ...] = ()
    revisions: tuple[Revision, ...] = ()

    def with_files(self, files: dict[str, Place]) -> ModelState:
        """Give the model with more files in its volume."""
        return replace(self, layers=(*self.layers, files))

    def with_revision(self, registered: Registered, time: dt.datetime) -> ModelState:
        """Give the model with one more revision."""
        layers = (*self.layers, registered)
        return replace(self, layers=layers, revisions=(*self.revisions, Revision(registered, time, layers)))


@dataclass(slots=True)
class RepositoryState:
    """A repository, folded up to some document.

    Attributes
    ----------
    models
        By number, in order.
    aliases
        Number and revision, by alias.
    """

    organization: str
    name: str
    description: str = ""
    models: dict[int, ModelState] = field(default_factory=dict)
    aliases: dict[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def qualified(self) -> str:
        """The repository's name as references write it."""
        return qualified(self.organization, self.name)

    def next_number(self) -> int:
        """Give the number that the next new model gets."""
        return max(self.models, default=0) + 1

    def copy(self) -> RepositoryState:
        """Give one that can take in documents while others read this one."""
        return replace(self, models=dict(self.models), aliases=dict(self.aliases))

    def apply(self, body: Body, time: dt.datetime) -> None:
        """Take in one more document."""
        match body:
            case RepositoryCreated():
                self.description = body.description
            case ModelCreated():
                self.models[body.number] = ModelState(body.number, time, body.name, (body.files,) if body.files else ())
            case FilesAdded():
                self.models[body.number] = self.models[body.number].with_files(body.files)
            case Registered():
                model = self.models.get(body.number) or ModelState(body.number, time)
                self.models[body.number] = model.with_revision(body, time)
                self.aliases.update(dict.fromkeys(body.aliases, (body.number, body.revision)))
            case AliasMoved():
                self.aliases[body.alias] = (body.number, body.revision)

    def current_revisions(self) -> Iterator[Revision]:
        """Walk the newest revision of each model that can be served, newest model first."""
        return (model.revisions[-1] for model in reversed(self.models.values()) if model.revisions)

    def aliases_of(self, revision: Revision) -> tuple[str, ...]:
        """List the aliases that point at a revision, sorted."""
        wanted = (revision.registered.number, revision.registered.revision)
        return tuple(sorted(alias for alias, target in self.aliases.items() if target == wanted))

    def model(self, number: int) -> ModelState:
        """Find a model by its number; NotFound where there is none."""
        if number not in self.models:
            have = f"The newest is {self.next_number() - 1}." if self.models else "It has no models yet."
            raise NotFound(f"{self.qualified} has no model {number}.", have)
        return self.models[number]

    def resolve(self, reference: Reference) -> Revision:
        """Find the revision that a reference means.

        Raises
        ------
        NotFound
            It names nothing, or a model that nothing was registered for.
        """
        if reference.alias is not None:
            if reference.alias not in self.aliases:
                have = f"It has: {', '.join(sorted(self.aliases))}." if self.aliases else "It has no aliases yet."
                raise NotFound(
                    f"{self.qualified} has no alias {reference.alias!r}.",
                    nearest(reference.alias, self.aliases) or have,
                )
            number, revision = self.aliases[reference.alias]
            return self.models[number].revisions[revision - 1]
        if reference.number is None:
            newest = next(self.current_revisions(), None)
            if newest is None:
                last = max(self.models, default=None)
                raise NotFound(
                    f"{self.qualified} has no version that can be served.",
                    f"Register a runner for it: register_model({self.name!r}, {last}, YourRunner)",
                )
            return newest
        revisions = self.model(reference.number).revisions
        if not revisions:
            raise NotFound(
                f"{self.qualified}:{reference.number} holds files, but no runner was registered for it.",
                f"Register one: register_model({self.name!r}, {reference.number}, YourRunner)",
            )
        if reference.revision is not None and reference.revision > len(revisions):
            raise NotFound(
                f"{self.qualified}:{reference.number} has no revision {reference.revision}.",
                f"The newest is {self.qualified}:{reference.number}@{len(revisions)}.",
            )
        return revisions[(reference.revision or 0) - 1]
