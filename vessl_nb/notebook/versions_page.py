"""One page of a versions table, as plain data: what the front end draws, and no more."""

from __future__ import annotations

from datetime import UTC
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from vessl_nb.faces.html import counted, one_line, size_words, tag_list, tag_words
from vessl_nb.notebook.versions_query import SIZES, TAG, Query, Rows

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from vessl_nb.faces.versions import VersionRow

_MOST_TAGS = 5
_MOST_LINES = 6
_POINTS = 40


def columns_of(rows: Rows) -> list[dict[str, Any]]:
    """Choose a table's columns: the same for all of its pages, so that none jumps while one looks through them."""
    columns = [_column("version", "Version")]
    if any(row.aliases for row in rows.rows):
        columns.append(_column("aliases", "Aliases"))
    columns += [_column("created", "Created"), _column("runner", "Runner"), _column("check", "Check")]
    columns += [_tag_column(name, rows) for name in rows.tags[:_MOST_TAGS]]
    if folded := rows.tags[_MOST_TAGS:]:
        columns.append({"key": "more", "label": counted(len(folded), "more tag"), "sorts": False})
    return [*columns, {**_column("size", "Size"), "number": True}, _column("requirements", "Requirements")]


def page_of(
    title: str,
    rows: Rows,
    found: Sequence[VersionRow],
    query: Query,
    columns: Sequence[dict[str, Any]],
    fresh: Collection[str],
) -> dict[str, Any]:
    """Give what the front end draws.

    Parameters
    ----------
    title
        What is listed.
    rows
        All versions.
    found, query
        Those that were asked for, and how.
    columns
        As `columns_of` chose them.
    fresh
        The keys of those that have come since.

    Returns
    -------
    dict
        Plain JSON.
    """
    last = max((len(found) - 1) // query.size, 0)
    page = min(query.page, last)
    shown = found[page * query.size : (page + 1) * query.size]
    return {
        "title": one_line(title, 80),
        "counted": _count_words(rows, len(found), query, first=page * query.size, shown=len(shown)),
        "columns": list(columns),
        "rows": [_row(row, columns, fresh=row.reference in fresh) for row in shown],
        "search": query.search,
        "show": query.show,
        "sort": query.sort,
        "descending": query.descending,
        "page": page,
        "pages": last + 1,
        "size": query.size,
        "sizes": list(SIZES),
        "empty": _empty_words(rows, query) if not shown else "",
    }


def _column(key: str, label: str) -> dict[str, Any]:
    return {"key": key, "label": label, "sorts": True}


def _tag_column(name: str, rows: Rows) -> dict[str, Any]:
    column = _column(f"{TAG}{name}", one_line(name, 32))
    values = [row.tags[name] for row in rows.rows if row.tags.get(name) is not None]
    if not values or any(isinstance(value, bool) or not isinstance(value, int | float) for value in values):
        return column
    repositories = {row.reference.partition(":")[0] for row in rows.rows}
    if len(values) < 2 or len(repositories) > 1:  # noqa: PLR2004  # a line has two ends, and one subject
        return {**column, "number": True}
    numbers = [float(value) for value in reversed(values) if isinstance(value, int | float)]
    said = f"{column['label']} over {counted(len(numbers), 'version')}, oldest to newest"
    ends = f"from {tag_words(numbers[0])} to {tag_words(numbers[-1])}"
    spread = f"lowest {tag_words(min(numbers))}, highest {tag_words(max(numbers))}"
    return {**column, "number": True, "line": _heights(numbers), "said": f"{said}: {ends}; {spread}"}


def _heights(values: Sequence[float]) -> list[int]:
    """Draw a line of at most 40 points, each the mean of its share, as heights from 0 to 100."""
    count = min(len(values), _POINTS)
    cuts = [len(values) * place // count for place in range(count + 1)]
    means = [sum(values[start:end]) / (end - start) for start, end in pairwise(cuts)]
    low, high = min(means), max(means)
    return [round(100 * (mean - low) / (high - low)) if high > low else 50 for mean in means]


def _row(row: VersionRow, columns: Sequence[dict[str, Any]], *, fresh: bool) -> dict[str, Any]:
    tags = [column["key"].removeprefix(TAG) for column in columns if column["key"].startswith(TAG)]
    others = {name: value for name, value in row.tags.items() if name not in tags}
    lines = [one_line(line, 60) for line in row.requirements[:_MOST_LINES]]
    rest = len(row.requirements) - len(lines)
    name = one_line(row.reference, 120)
    return {
        "key": row.reference,
        "name": f"{name}@{row.revision}" if row.revision > 1 and "@" not in name else name,
        "aliases": [one_line(alias, 40) for alias in row.aliases[:_MOST_LINES]],
        "created": row.created.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "runner": one_line(row.runner, 40),
        "check": one_line(row.check, 40),
        "tags": {f"{TAG}{tag}": tag_words(row.tags[tag]) for tag in tags if tag in row.tags},
        "more": tag_list(dict(list(others.items())[:_MOST_LINES])),
        "size": size_words(row.size),
        "added": f"{size_words(row.added)} new",
        "needs": len(row.requirements),
        "lines": [*lines, f"… and {rest:,} more"] if rest else lines,
        "archived": row.archived,
        "fresh": fresh,
    }


def _count_words(rows: Rows, found: int, query: Query, *, first: int, shown: int) -> str:
    every = counted(len(rows.rows), "version")
    if not shown:
        return f"none of {every}"
    archived = sum(row.archived for row in rows.rows) if query.show == "current" else 0
    hidden = f", {archived:,} archived not shown" if archived else ""
    span = f"{first + 1:,} to {first + shown:,}" if found > shown else ""
    if found + archived == len(rows.rows) and not query.search.strip():
        return f"{span or f'{found:,}'} of {every}{hidden}" if span or hidden else every
    return f"{f'{span} of ' if span else ''}{found:,} found among {every}{hidden}"


def _empty_words(rows: Rows, query: Query) -> str:
    if not rows.rows:
        return "No versions yet. Register one: %vessl_register NAME"
    if query.search.strip():
        tags = ", ".join(one_line(name, 32) for name in rows.tags[:_MOST_TAGS])
        return f"No version matches {one_line(query.search, 60)!r}." + (f" There are the tags {tags}." if tags else "")
    return "No version is archived." if query.show == "archived" else "Every version is archived."
