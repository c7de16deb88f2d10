"""Which blobs the journals refer to, and for which versions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vessl_nb.errors import Damaged
from vessl_nb.registry.registry import fold
from vessl_nb.storage.journal import Journal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vessl_nb.registry.registry import Registry
    from vessl_nb.registry.state import ModelState, RepositoryState, Revision
    from vessl_nb.storage.blobs import Place


def every_reference(registry: Registry) -> Iterator[tuple[str, Place]]:
    """Walk every place that something refers to which was neither deleted nor purged, with the version that does.

    Raises
    ------
    RegistryError
        A journal or a manifest cannot be read, so that it cannot be known what is referred to.
    """
    # From the first document on: what is deleted for good is not decided by a checkpoint.
    states = [fold(Journal(registry.folder, stream)) for stream in registry.streams()]
    for state in filter(None, states):
        for model in state.living():
            yield from ((f"{state.qualified}:{model.number}", place) for place in model.added.values())
            for revision in model.revisions:
                if revision.purged:
                    continue
                try:
                    places = [*places_of(registry, revision)]
                except Damaged:
                    if not _went_meanwhile(registry, state, revision):
                        raise
                    continue
                yield from ((version_name(state, model, revision), place) for place in places)


def _went_meanwhile(registry: Registry, state: RepositoryState, revision: Revision) -> bool:
    """Tell whether a version was deleted or purged since its journal was read: another gc may have freed it by now."""
    said = revision.registered
    now = fold(Journal(registry.folder, f"{state.organization}/{state.name}"))
    model = now.models.get(said.number) if now else None
    return model is None or model.deleted or model.revisions[said.revision - 1].purged


def referenced_blobs(registry: Registry) -> set[str]:
    """Give the digests of all blobs that are referred to; RegistryError as `every_reference` raises it."""
    return {place.home for _, place in every_reference(registry)}


def places_of(registry: Registry, revision: Revision) -> Iterator[Place]:
    """Walk the places that a revision refers to; Damaged, naming a way out, where its manifest cannot be read."""
    said = revision.registered
    yield said.manifest
    if said.examples:
        yield said.examples
    yield from registry.manifest(said.manifest).places()


def version_name(state: RepositoryState, model: ModelState, revision: Revision) -> str:
    """Name a revision as references do, with ``@`` where its number has several."""
    several = len(model.revisions) > 1
    return f"{state.qualified}:{model.number}" + (f"@{revision.registered.revision}" if several else "")
