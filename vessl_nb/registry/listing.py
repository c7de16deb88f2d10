"""Versions as a DataFrame and as a table. Nothing is unpickled, and no blob is read."""

from __future__ import annotations

import functools
from collections import defaultdict
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from vessl_nb.errors import InvalidReference
from vessl_nb.faces.versions import VersionRow, versions_html, versions_text
from vessl_nb.registry.names import parse_reference
from vessl_nb.registry.registry import open_registry
from vessl_nb.values.secrets import mask_named, mask_secrets

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from vessl_nb.registry.state import RepositoryState, Revision

COLUMNS = (
    "reference", "number", "revision", "aliases", "created", "runner", "size", "added", "requirements", "description",
    "archived", "check",
)  # fmt: skip


def versions(repository_name: str | None = None) -> pd.DataFrame:
    """List the versions of a repository, or of all, newest first.

    Parameters
    ----------
    repository_name
        Such as ``iris`` or ``org/iris``; None for all of them.

    Returns
    -------
    pandas.DataFrame
        One row for each model, with its newest revision, and one for each older revision that an alias points at:
        ``reference``, ``number``, ``revision``, ``aliases`` (a tuple), ``created`` (UTC), ``runner`` (empty where
        nothing is registered that could be served), ``size`` and ``added`` (bytes), ``requirements`` (a tuple),
        ``description``, ``archived``, ``check`` (``passed``, ``failed``, or empty where it was not checked), and a
        column ``tags.<name>`` for each tag. What looks like a secret is masked. Deleted models are left out.

    Raises
    ------
    NotFound
        There is no such repository; the nearest is named.
    """
    import pandas as pd  # noqa: PLC0415  # 300 ms that `import vessl_nb` does not take

    rows = list(version_rows(repository_name))
    columns: dict[str, list[Any]] = {column: list(map(attrgetter(column), rows)) for column in COLUMNS}
    for name in dict.fromkeys(name for row in rows for name in row.tags):
        columns[f"tags.{name}"] = [row.tags.get(name) for row in rows]
    numbers = {"number": "int64", "revision": "int64", "size": "int64", "added": "int64"}
    return pd.DataFrame(columns).astype({**numbers, "created": "datetime64[us, UTC]", "archived": "bool"})


class VersionsTable:
    """The versions of a repository, or of all, as they were when this was made.

    Parameters
    ----------
    repository_name
        As `versions` takes it.
    """

    def __init__(self, repository_name: str | None = None) -> None:
        self.title = repository_name or "All model repositories"
        self.rows = list(version_rows(repository_name))
        self._repository_name = repository_name

    @property
    def frame(self) -> pd.DataFrame:
        """The same as a DataFrame, read anew."""
        return versions(self._repository_name)

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        return versions_text(self.title, self.rows)

    def _repr_html_(self) -> str:
        return versions_html(self.title, self.rows)


def version_rows(repository_name: str | None = None) -> Iterator[VersionRow]:
    """Walk the models of a repository, or of all, newest first; NotFound where there is no such repository.

    What looks like a secret is masked in them: they are there to be shown.
    """
    registry = open_registry()
    if repository_name is None:
        states = registry.repositories()
    else:
        reference = parse_reference(repository_name)
        if ":" in repository_name:
            raise InvalidReference(
                f"{repository_name!r} names a version, where a repository's name is wanted.",
                f"Use {repository_name.partition(':')[0]!r}.",
            )
        states = [registry.repository(reference.organization, reference.repository)]
    return (row for state in states for row in _rows_of(state))


def _rows_of(state: RepositoryState) -> Iterator[VersionRow]:
    aliases: dict[tuple[int, int], list[str]] = defaultdict(list)
    for alias, target in sorted(state.aliases.items()):
        aliases[target].append(alias)
    repository = state.qualified
    for model in state.living():
        reference = f"{repository}:{model.number}"
        current = model.current()
        if current is None:
            yield VersionRow(reference, model.number, 0, (), model.created, "", {}, 0, 0, model.name)
            continue
        yield _row_of(current, reference, aliases, archived=model.archived)
        for older in reversed(model.revisions[: current.registered.revision - 1]):
            if (model.number, older.registered.revision) in aliases:  # an alias stays at the revision it was set to
                name = f"{reference}@{older.registered.revision}"
                yield _row_of(older, name, aliases, archived=model.archived)


def _row_of(
    revision: Revision, reference: str, aliases: dict[tuple[int, int], list[str]], *, archived: bool
) -> VersionRow:
    said = revision.registered
    return VersionRow(
        reference,
        said.number,
        said.revision,
        tuple(aliases.get((said.number, said.revision), ())),
        revision.created,
        said.runner,
        mask_named(said.tags) if said.tags else {},
        said.size,
        said.added,
        said.description and mask_secrets(said.description),
        _masked(tuple(said.requirements)),
        archived,
        "" if said.check is None else "passed" if said.check.passed else "failed",
    )


@functools.lru_cache(maxsize=4096)  # most versions of a model need the same
def _masked(lines: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(map(mask_secrets, lines))
