"""fsck: every file of a registry held against what it must be. Nothing is unpickled, and nothing is changed."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vessl_nb.errors import Damaged, NotFound, RegistryError
from vessl_nb.faces.words import counted, size_words
from vessl_nb.progress import progress
from vessl_nb.registry.checkpoint import checkpoint_key, read_checkpoint
from vessl_nb.registry.references import places_of, version_name
from vessl_nb.registry.registry import fold
from vessl_nb.storage.blobs import blob_key, digest_in
from vessl_nb.storage.journal import Journal

if TYPE_CHECKING:
    from pathlib import Path

    from vessl_nb.registry.registry import Registry
    from vessl_nb.registry.state import Revision
    from vessl_nb.storage.blobs import Place


@dataclass(frozen=True, slots=True)
class Problem:
    """A damaged file.

    Attributes
    ----------
    file
        The file.
    problem
        What is wrong with it, such as ``is missing``.
    versions
        The versions that it touches, as references; a whole repository's name where its journal is damaged.
    """

    file: Path
    problem: str
    versions: tuple[str, ...]

    def __str__(self) -> str:
        touched = f" (touches {', '.join(self.versions)})" if self.versions else " (nothing refers to it)"
        return f"{self.file} {self.problem}{touched}"


@dataclass(slots=True)
class Report:
    """What `check_registry` found.

    Attributes
    ----------
    problems
        The damaged files.
    repositories, versions, blobs, size
        How many were looked at, and the bytes of the blobs.
    unreferenced
        Bytes of blobs that nothing refers to: no damage, but something for gc.
    """

    problems: list[Problem] = field(default_factory=list)
    repositories: int = 0
    versions: int = 0
    blobs: int = 0
    size: int = 0
    unreferenced: int = 0

    def __str__(self) -> str:
        looked_at = (
            f"{counted(self.repositories, 'repository', 'repositories')}, {counted(self.versions, 'version')} and "
            f"{counted(self.blobs, 'blob')} ({size_words(self.size)})"
        )
        lines = [f"  {problem}" for problem in self.problems]
        if self.unreferenced:
            lines.append(f"{size_words(self.unreferenced)} nothing refers to: vessl-nb gc frees them.")
        found = f"{counted(len(self.problems), 'damaged file')}:" if self.problems else "all is as it was written."
        return "\n".join([f"Looked at {looked_at}: {found}", *lines])


def check_registry(registry: Registry) -> Report:
    """Read every file of a registry, and hold it against its checksum, its digest, and what refers to it.

    Raises
    ------
    NotFound
        There is no registry.
    RegistryError
        The folder is none that this vessl_nb can read.
    """
    try:
        if not registry.exists():
            raise NotFound(f"There is no registry in {registry.root}.", "Is VESSL_NB_REGISTRY right?")
    except Damaged as damaged:
        return Report([_problem(damaged, ("every version",))])
    report = Report()
    users: dict[Place, list[str]] = defaultdict(list)
    for stream in registry.streams():
        report.repositories += 1
        _check_journal(registry, stream, report, users)
    _check_blobs(registry, report, users)
    return report


def _check_journal(registry: Registry, stream: str, report: Report, users: dict[Place, list[str]]) -> None:
    """Check a journal and its manifests, and note which places its versions refer to."""
    journal = Journal(registry.folder, stream)
    damages = journal.damages()
    state = None
    if not damages:
        try:
            state = fold(journal)
        except Damaged as damaged:
            damages = [damaged]
        except RegistryError as error:  # of a newer kind
            report.problems.append(Problem(registry.folder.path(f"journal/{stream}"), str(error), (stream,)))
    report.problems += [_problem(damaged, (f"every version of {stream}",)) for damaged in damages]
    if state is None:
        return
    checkpoint = read_checkpoint(registry.folder, registry.id, stream)
    if checkpoint and journal.head == checkpoint.head and checkpoint.state != state:
        problem = "is not what the journal says; it can be deleted"
        report.problems.append(Problem(registry.folder.path(checkpoint_key(stream)), problem, (stream,)))
    for model in state.living():
        for place in model.added.values():
            users[place].append(f"{state.qualified}:{model.number}")
        for revision in model.revisions:
            if not revision.purged:
                report.versions += 1
                _note_places(registry, revision, version_name(state, model, revision), report, users)


def _note_places(
    registry: Registry, revision: Revision, name: str, report: Report, users: dict[Place, list[str]]
) -> None:
    try:
        for place in places_of(registry, revision):
            users[place].append(name)
    except RegistryError as error:  # where the blob is not what was written, that is found among the blobs
        home = revision.registered.manifest.home
        with contextlib.suppress(RegistryError):
            registry.blobs.check(home, lambda _: None)
            damaged = error if isinstance(error, Damaged) else _unreadable(registry, home, error)
            report.problems.append(_problem(damaged, (name,)))


def _check_blobs(registry: Registry, report: Report, users: dict[Place, list[str]]) -> None:
    """Read every blob through; see that each place lies inside a blob that is there."""
    touched: dict[str, dict[str, None]] = defaultdict(dict)
    for place, names in users.items():
        touched[place.home].update(dict.fromkeys(names))
    files = {key: registry.folder.size(f"blobs/{key}") or 0 for key in registry.folder.walk("blobs")}
    sizes = {digest: size for key, size in files.items() if (digest := digest_in(f"blobs/{key}"))}
    for key in files:
        if not digest_in(f"blobs/{key}"):
            report.problems.append(Problem(registry.folder.path(f"blobs/{key}"), "is no blob", ()))
    report.blobs, report.size = len(sizes), sum(sizes.values())
    report.unreferenced = sum(size for digest, size in sizes.items() if digest not in touched)
    wanted = dict.fromkeys([*sizes, *touched])  # a missing one may be in the trash of a gc just now
    bad: set[str] = set()
    with progress("Checking", report.size) as shown:
        for digest in sorted(wanted):
            try:
                registry.blobs.check(digest, shown.count)
            except RegistryError as error:
                if digest not in touched and registry.folder.size(blob_key(digest)) is None:
                    continue  # gc was here meanwhile
                damaged = error if isinstance(error, Damaged) else _unreadable(registry, digest, error)
                bad.add(digest)
                report.problems.append(_problem(damaged, tuple(touched.get(digest, ()))))
            shown.draw()
    for place, names in users.items():
        if place.home not in bad and place.offset + place.length > sizes.get(place.home, place.offset + place.length):
            problem = f"is too short for a content at {place.offset:,} of {place.length:,} bytes"
            report.problems.append(Problem(registry.folder.path(blob_key(place.home)), problem, tuple(names)))


def _problem(damaged: Damaged, versions: tuple[str, ...]) -> Problem:
    assert damaged.file is not None  # noqa: S101  # storage names the file in each of them
    return Problem(damaged.file, damaged.problem, versions)


def _unreadable(registry: Registry, digest: str, error: RegistryError) -> Damaged:
    return Damaged.at(registry.folder.path(blob_key(digest)), f"cannot be read: {error.what}", "")
