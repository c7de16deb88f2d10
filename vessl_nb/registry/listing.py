"""Versions as a DataFrame and as a table. Nothing is unpickled, and no blob is read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vessl_nb.errors import InvalidReference
from vessl_nb.faces.versions import VersionRow, versions_html, versions_text
from vessl_nb.registry.names import parse_reference
from vessl_nb.registry.registry import open_registry

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from vessl_nb.registry.state import RepositoryState, Revision

COLUMNS = (
    "reference", "number", "revision", "aliases", "created", "runner", "size", "added", "requirements", "description",
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
        ``description``, and a column ``tags.<name>`` for each tag.

    Raises
    ------
    NotFound
        There is no such repository; the nearest is named.
    """
    import pandas as pd  # noqa: PLC0415  # 300 ms that `import vessl_nb` does not take

    records = [_record(row) for row in version_rows(repository_name)]
    names = dict.fromkeys(name for record in records for name in record)
    frame = pd.DataFrame.from_records(records, columns=list(dict.fromkeys([*COLUMNS, *names])))
    return frame.astype({"number": "int64", "revision": "int64", "size": "int64", "added": "int64"})


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
    """Walk the models of a repository, or of all, newest first; NotFound where there is no such repository."""
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
    for model in reversed(state.models.values()):
        reference = f"{state.qualified}:{model.number}"
        if not model.revisions:
            yield VersionRow(reference, model.number, 0, (), model.created, "", {}, 0, 0, model.name)
            continue
        newest = model.revisions[-1]
        yield _row_of(state, reference, newest)
        for older in reversed(model.revisions[:-1]):
            if state.aliases_of(older):  # an alias stays at the revision that it was set to
                yield _row_of(state, f"{reference}@{older.registered.revision}", older)


def _row_of(state: RepositoryState, reference: str, revision: Revision) -> VersionRow:
    said = revision.registered
    return VersionRow(
        reference,
        said.number,
        said.revision,
        state.aliases_of(revision),
        revision.created,
        said.runner,
        said.tags,
        said.size,
        said.added,
        said.description,
        tuple(said.requirements),
    )


def _record(row: VersionRow) -> dict[str, Any]:
    values = {column: getattr(row, column) for column in COLUMNS}
    return values | {f"tags.{name}": value for name, value in row.tags.items()}
