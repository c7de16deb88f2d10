"""What a repository is: the fold of its journal."""

from __future__ import annotations

import datetime as dt  # msgspec reads the annotations as the program runs
from typing import TYPE_CHECKING

import msgspec

from vessl_nb.errors import NotFound, nearest
from vessl_nb.registry.documents import (
    AliasMoved,
    Archived,
    Checked,
    Deleted,
    FilesAdded,
    ModelCreated,
    Purged,
    Registered,
    RepositoryCreated,
)
from vessl_nb.registry.names import Reference, qualified
from vessl_nb.spelling import choose_by_skin
from vessl_nb.storage.blobs import Place  # as above

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vessl_nb.registry.documents import Body

replace = msgspec.structs.replace


# gc=False: there are no cycles among these, and Python need not look for any among 10,000 of them.
class Revision(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One registration of a model: what the journal says of it.

    Attributes
    ----------
    registered
        The document's body.
    created
        When it was registered, in UTC.
    purged
        It was removed for good.
    """

    registered: Registered
    created: dt.datetime
    purged: bool = False


class ModelState(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A model: a number, what is in its volume, and its revisions.

    Attributes
    ----------
    number, name
        The model's number, and the name it was created with, if any.
    created
        When it was created, in UTC.
    added
        Files that were put into its volume since its newest revision, by path.
    revisions
        Its registrations, oldest first.
    archived, deleted
        What became of it.
    """

    number: int
    created: dt.datetime
    name: str = ""
    added: dict[str, Place] = {}
    revisions: tuple[Revision, ...] = ()
    archived: bool = False
    deleted: bool = False

    def current(self) -> Revision | None:
        """Give the newest revision that was not purged."""
        for revision in reversed(self.revisions):
            if not revision.purged:
                return revision
        return None

    def with_check(self, body: Checked) -> ModelState:
        """Give the model with a revision checked again."""
        index = body.revision - 1
        old = self.revisions[index]
        new = replace(old, registered=replace(old.registered, check=body.check))
        return replace(self, revisions=(*self.revisions[:index], new, *self.revisions[index + 1 :]))

    def with_purged(self, body: Purged) -> ModelState:
        """Give the model with a revision, or examples of it, removed."""
        index = body.revision - 1
        old = self.revisions[index]
        new = Revision(replace(old.registered, examples=body.examples), old.created, body.whole or old.purged)
        return replace(self, revisions=(*self.revisions[:index], new, *self.revisions[index + 1 :]))


class RepositoryState(msgspec.Struct, omit_defaults=True):
    """A repository, folded up to some document.

    Attributes
    ----------
    models
        By number, in order; those that were deleted included.
    aliases
        Number and revision, by alias.
    """

    organization: str
    name: str
    description: str = ""
    models: dict[int, ModelState] = {}
    aliases: dict[str, tuple[int, int]] = {}

    @property
    def qualified(self) -> str:
        """The repository's name as references write it."""
        return qualified(self.organization, self.name)

    def holds_together(self, stream: str) -> bool:
        """Tell whether a journal's documents could have made it: where it was not made of them, it may be hostile."""
        if f"{self.organization}/{self.name}".lower() != stream.lower():
            return False
        for place, (number, model) in enumerate(self.models.items(), 1):
            if not place == number == model.number or model.created.tzinfo is not dt.UTC:
                return False
            for index, revision in enumerate(model.revisions, 1):
                said = revision.registered
                if (said.number, said.revision) != (number, index) or revision.created.tzinfo is not dt.UTC:
                    return False
        return all(
            number in self.models and 1 <= revision <= len(self.models[number].revisions)
            for number, revision in self.aliases.values()
        )

    def next_number(self) -> int:
        """Give the number that the next new model gets."""
        return next(reversed(self.models), 0) + 1

    def copy(self) -> RepositoryState:
        """Give one that can take in documents while others read this one."""
        return replace(self, models=dict(self.models), aliases=dict(self.aliases))

    def apply(self, body: Body, time: dt.datetime) -> None:  # noqa: C901  # one case for each kind of document
        """Take in one more document; LookupError or ValueError where it speaks of what is not there."""
        models = self.models
        match body:
            case RepositoryCreated():
                self.description = body.description
            case ModelCreated():
                self._check_next(body.number)
                models[body.number] = ModelState(body.number, time, body.name, body.files)
            case FilesAdded():
                model = models[body.number]
                models[body.number] = replace(model, added={**model.added, **body.files})
            case Registered():
                if body.number not in models:
                    self._check_next(body.number)
                model = models.get(body.number) or ModelState(body.number, time)
                if body.revision != len(model.revisions) + 1:
                    raise ValueError(f"revision {body.revision} of number {body.number} is out of order")
                models[body.number] = replace(
                    model, revisions=(*model.revisions, Revision(body, time)), added={}
                )  # fmt: skip
                self.aliases.update(dict.fromkeys(body.aliases, (body.number, body.revision)))
            case AliasMoved():
                _ = models[body.number].revisions[body.revision - 1]
                self.aliases[body.alias] = (body.number, body.revision)
            case Checked():
                models[body.number] = models[body.number].with_check(body)
            case Archived():
                models[body.number] = replace(models[body.number], archived=not body.undone)
            case Deleted():
                models[body.number] = replace(models[body.number], deleted=True)
                self.aliases = {alias: target for alias, target in self.aliases.items() if target[0] != body.number}
            case Purged():
                models[body.number] = models[body.number].with_purged(body)
                if body.whole:
                    gone = (body.number, body.revision)
                    self.aliases = {alias: target for alias, target in self.aliases.items() if target != gone}

    def _check_next(self, number: int) -> None:
        if number != self.next_number():
            raise ValueError(f"number {number} is out of order")

    def living(self) -> Iterator[ModelState]:
        """Walk the models that were not deleted, newest first."""
        return (model for model in reversed(self.models.values()) if not model.deleted)

    def newest(self) -> Revision | None:
        """Give the newest revision of the highest number that can be served and is not archived."""
        found = (model.current() for model in self.living() if not model.archived)
        return next((revision for revision in found if revision), None)

    def aliases_of(self, revision: Revision) -> tuple[str, ...]:
        """List the aliases that point at a revision, sorted."""
        wanted = (revision.registered.number, revision.registered.revision)
        return tuple(sorted(alias for alias, target in self.aliases.items() if target == wanted))

    def model(self, number: int) -> ModelState:
        """Find a model by its number; NotFound where there is none."""
        model = self.models.get(number)
        if model is None:
            have = f"The newest is {self.next_number() - 1}." if self.models else "It has no models yet."
            raise NotFound(f"{self.qualified} has no model {number}.", have)
        if model.deleted:
            raise NotFound(f"{self.qualified}:{number} was deleted.", "Its number is not used again.")
        return model

    def revision(self, number: int, revision: int) -> Revision:
        """Find a revision that there was; NotFound where it was deleted or purged."""
        found = self.model(number).revisions[revision - 1]
        if found.purged:
            several = f"@{revision}" if len(self.models[number].revisions) > 1 else ""
            raise NotFound(
                f"{self.qualified}:{number}{several} was purged: what it held is gone for good.", "Register it again."
            )
        return found

    def resolve(self, reference: Reference) -> Revision:
        """Find the revision that a reference means.

        Raises
        ------
        NotFound
            It names nothing, or a model that nothing was registered for, or what was deleted or purged.
        """
        if reference.alias is not None:
            if reference.alias not in self.aliases:
                have = f"It has: {', '.join(sorted(self.aliases))}." if self.aliases else "It has no aliases yet."
                raise NotFound(
                    f"{self.qualified} has no alias {reference.alias!r}.",
                    nearest(reference.alias, self.aliases) or have,
                )
            return self.revision(*self.aliases[reference.alias])
        if reference.number is None:
            return self._newest_or_raise()
        model = self.model(reference.number)
        if not model.revisions:
            raise NotFound(
                f"{self.qualified}:{reference.number} holds files, but no runner was registered for it.",
                f"Register one: {self._registering(reference.number)}",
            )
        if reference.revision is not None and reference.revision > len(model.revisions):
            raise NotFound(
                f"{self.qualified}:{reference.number} has no revision {reference.revision}.",
                f"The newest is {self.qualified}:{reference.number}@{len(model.revisions)}.",
            )
        current = model.current()
        newest = current.registered.revision if current else len(model.revisions)
        return self.revision(reference.number, reference.revision or newest)

    def _registering(self, number: int | None) -> str:
        line = f"%vessl_register {self.qualified}" + (f":{number}" if number else "")
        return choose_by_skin(f"register_model({self.name!r}, {number}, YourRunner)", line)

    def _newest_or_raise(self) -> Revision:
        newest = self.newest()
        if newest is None:
            last = next(self.living(), None)
            number = last.number if last else None
            next_step = f"Register a runner for it: {self._registering(number)}"
            if last and last.archived and last.current():
                name = f"{self.qualified}:{last.number}"
                undo = f"unarchive({name!r})"
                undo = choose_by_skin(undo, f"vessl_nb.{undo}", f"vessl-nb archive {name} --undo")
                next_step = f"Name an archived one, such as {name}, or take it back: {undo}"
            raise NotFound(f"{self.qualified} has no version that can be served.", next_step)
        return newest
