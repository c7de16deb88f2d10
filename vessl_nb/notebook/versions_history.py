"""What happened to the models of a repository, as its journal tells it."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from vessl_nb.registry.documents import (
    KINDS,
    AliasMoved,
    Archived,
    Checked,
    Deleted,
    FilesAdded,
    ModelCreated,
    Purged,
    Registered,
)
from vessl_nb.storage.journal import Journal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from vessl_nb.registry.documents import Body
    from vessl_nb.registry.registry import Registry


class Event(NamedTuple):
    """Something that happened to a model: when, by whom, and what, in words."""

    time: datetime
    user: str
    words: str


class History:
    """The events of one repository; each look reads only what has come since the one before.

    Parameters
    ----------
    registry
        Where it is.
    stream
        The repository's journal, such as ``default/iris``.
    name
        The repository, as references write it.
    """

    def __init__(self, registry: Registry, stream: str, name: str) -> None:
        self._journal = Journal(registry.folder, stream)
        self._name = name
        self._events: dict[int, list[Event]] = defaultdict(list)
        self._aliases: dict[str, int] = {}

    def of(self, number: int) -> list[Event]:
        """List what happened to a model, newest first; Damaged where the journal is."""
        for document in self._journal.read_on():
            body = msgspec.json.decode(document.body, type=KINDS[document.kind])
            for about, words in self._told(body):
                self._events[about].append(Event(document.time, document.actor.user, words))
        return self._events[number][::-1]

    def _told(self, body: Body) -> Iterator[tuple[int, str]]:
        """Tell what a document says, and of which models."""
        match body:
            case Registered():
                yield body.number, f"revision {body.revision} registered"
                for alias in body.aliases:
                    yield from self._moved(alias, body.number, body.revision)
            case AliasMoved():
                yield from self._moved(body.alias, body.number, body.revision)
            case Archived():
                yield body.number, "taken back from the archive" if body.undone else "archived"
            case Checked():
                yield body.number, f"revision {body.revision} checked: {'passed' if body.check.passed else 'failed'}"
            case FilesAdded():
                yield body.number, f"files added: {', '.join(body.files)}"
            case ModelCreated():
                yield body.number, "created"
            case Purged():
                yield body.number, f"{'' if body.whole else 'examples of '}revision {body.revision} purged"
            case Deleted():
                yield body.number, "deleted"

    def _moved(self, alias: str, number: int, revision: int) -> Iterator[tuple[int, str]]:
        before = self._aliases.get(alias, number)
        self._aliases[alias] = number
        came = ""
        if before != number:
            came = f", from {self._name}:{before}"
            yield before, f"alias {alias} moved on to {self._name}:{number}"
        yield number, f"alias {alias} set to revision {revision}{came}"
