"""gc: what only deleted, purged or never finished versions held."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vessl_nb.errors import Damaged, RegistryError
from vessl_nb.registry.references import referenced_blobs
from vessl_nb.registry.registry import open_registry
from vessl_nb.storage.collection import Collected, collect

if TYPE_CHECKING:
    from vessl_nb.registry.registry import Registry


def collect_garbage(
    registry: Registry | None = None, *, only: set[str] | None = None, dry_run: bool = False
) -> Collected:
    """Free what nothing in the registry refers to any more; others may register and read meanwhile.

    Parameters
    ----------
    registry
        The registry; None for the one in use.
    only
        Digests of the blobs to look at; None for all.
    dry_run
        Free nothing.

    Returns
    -------
    Collected
        What was freed; with `dry_run`, what would have been.

    Raises
    ------
    RegistryError
        Something is damaged or of a newer format, so that it cannot be known what is referred to: nothing is freed.
    """
    registry = registry or open_registry()
    if not registry.exists():
        return Collected(0, 0, 0)
    return collect(registry.folder, lambda: _references(registry), only=only, dry_run=dry_run)


def _references(registry: Registry) -> set[str]:
    try:
        return referenced_blobs(registry)
    except Damaged as damaged:
        raise RegistryError(
            f"gc freed nothing: {damaged.file} {damaged.problem}, and what it refers to cannot be known.",
            f"{damaged.next_step} A version whose manifest is lost can be given up with vessl-nb purge.",
        ) from damaged
