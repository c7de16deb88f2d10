"""purge: removing for good what should not have been registered, such as a secret."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from vessl_nb.errors import Damaged, InvalidArgument, RegistryError
from vessl_nb.faces.words import counted, size_words
from vessl_nb.registry.documents import Purged
from vessl_nb.registry.module_folders import forget_modules
from vessl_nb.registry.names import parse_reference
from vessl_nb.registry.references import every_reference, places_of, referenced_blobs, version_name
from vessl_nb.registry.registry import open_registry
from vessl_nb.registry.version import read_examples
from vessl_nb.registry.volume import forget_volume
from vessl_nb.storage.blobs import blob_key
from vessl_nb.storage.collection import collect

if TYPE_CHECKING:
    from vessl_nb.registry.registry import Registry
    from vessl_nb.registry.state import RepositoryState, Revision
    from vessl_nb.storage.blobs import Place

_OUT_OF_REACH = (
    "Not reached: backups and other copies of the registry, caches of other users and machines, processes that have it "
    "loaded; and what the journal says of it, which is its tags, description and names."
)


@dataclass(frozen=True, slots=True)
class PurgeReport:
    """What `purge` removed, and what it could not.

    Attributes
    ----------
    reference
        What was purged.
    removed, size
        How many blobs were deleted, and their bytes.
    shared
        The versions that hold some of the same content, by the digest of the blob: it stays until they are purged too.
    pending
        How many blobs stay because a registration under way may refer to them.
    revisions
        The other revisions of the same number, which were not purged.
    """

    reference: str
    removed: int
    size: int
    shared: dict[str, tuple[str, ...]]
    pending: int = 0
    revisions: tuple[str, ...] = ()

    def __repr__(self) -> str:
        lines = [f"Purged {self.reference}: {counted(self.removed, 'blob')}, {size_words(self.size)}."]
        if self.shared:
            others = dict.fromkeys(name for names in self.shared.values() for name in names)
            blobs = counted(len(self.shared), "blob")
            lines.append(
                f"It shared {blobs} with {', '.join(others)}: what is in there stays until these are purged too."
            )
        if self.pending:
            pending = counted(self.pending, "blob")
            lines.append(f"{pending} may be wanted by a registration under way: run vessl-nb gc when it is done.")
        if self.revisions:
            lines.append(f"Still there of the same number: {', '.join(self.revisions)}.")
        return "\n".join([*lines, _OUT_OF_REACH])


def purge(reference: str, example: int | None = None) -> PurgeReport:
    """Remove a version for good, or one of its examples; this cannot be undone.

    The files of its volume go with it, those included that were uploaded before it was registered.

    Parameters
    ----------
    reference
        The version by its number, such as ``iris:3`` (its newest revision) or ``iris:3@1``: one revision.
    example
        Which of its `examples` to remove, counted from 0; None for the whole version.

    Returns
    -------
    PurgeReport
        What was removed, what other versions still hold, and what is out of reach.

    Raises
    ------
    InvalidArgument
        The reference has no number, or the version has no such example.
    NotFound
        The reference names nothing.
    RegistryError
        Something in the registry is damaged, so that it cannot be known what others hold. What was purged is marked so
        all the same, and `gc` removes it later.
    """
    parsed = parse_reference(reference)
    if parsed.number is None:
        raise InvalidArgument(
            f"{reference!r} may mean another version tomorrow, and purging cannot be undone.",
            f"Name the number, as in '{parsed.repository}:3'.",
        )
    registry = open_registry()
    state, revision = registry.resolve(parsed)
    said = revision.registered
    name = version_name(state, state.model(said.number), revision)
    if example is None:
        held = _purge_version(registry, state, revision)
    else:
        name = f"example {example} of {name}"
        held = _purge_example(registry, state, revision, example)
    blobs = {place.home for place in held}
    try:
        freed = collect(registry.folder, lambda: referenced_blobs(registry), only=blobs)
        shared: dict[str, dict[str, None]] = {}
        for other, place in every_reference(registry):
            if place.home in blobs:
                shared.setdefault(place.home, {})[other] = None
    except RegistryError as error:
        raise RegistryError(
            f"{name} is purged, but what it held is not freed yet: {error.what}",
            f"{error.next_step} Then run: vessl-nb gc",
        ) from error
    pending = [blob for blob in blobs - shared.keys() if registry.folder.size(blob_key(blob)) is not None]
    revisions = [other for other in state.model(said.number).revisions if not other.purged and other != revision]
    return PurgeReport(
        name,
        freed.blobs,
        freed.size,
        {blob: tuple(names) for blob, names in shared.items()},
        len(pending),
        tuple(version_name(state, state.model(said.number), other) for other in revisions),
    )


def _purge_version(registry: Registry, state: RepositoryState, revision: Revision) -> list[Place]:
    """Mark a version as purged, and remove its volume from the user's cache; give the places that it held."""
    said = revision.registered
    held = [said.manifest, *([said.examples] if said.examples else [])]
    manifest = None
    with contextlib.suppress(Damaged):  # what a damaged manifest refers to cannot be known, and is left to gc
        held = [*places_of(registry, revision)]
        manifest = registry.manifest(said.manifest)
    body = Purged(number=said.number, revision=said.revision, whole=True)
    registry.commit(state.organization, state.name, lambda _: body)
    if manifest:
        forget_volume(manifest)
        forget_modules(manifest)
    return held


def _purge_example(registry: Registry, state: RepositoryState, revision: Revision, index: int) -> list[Place]:
    """Let a version keep its other examples only; give the place of those it had."""
    said = revision.registered
    examples = read_examples(registry, revision)
    if said.examples is None or type(index) is not int or not 0 <= index < len(examples):
        have = f"It has {counted(len(examples), 'example')}, counted from 0." if examples else "It has none."
        raise InvalidArgument(f"There is no example {index!r} to purge.", have)
    del examples[index]
    with registry.pins() as pins:
        kept, _ = registry.blobs.store([msgspec.json.encode(examples)] if examples else [], pins)
        body = Purged(number=said.number, revision=said.revision, examples=kept[0] if kept else None)

        def decide(now: RepositoryState) -> Purged:
            if now.model(said.number).revisions[said.revision - 1] != revision:
                raise InvalidArgument("Its examples changed meanwhile.", "Look at them, and purge again.")
            return body

        registry.commit(state.organization, state.name, decide, pins)
    return [said.examples]
