"""One page of a versions table, as plain data: what the front end draws, and no more."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from vessl_nb.faces.words import counted, one_line, tag_words
from vessl_nb.notebook.versions_query import SIZES, TAG, Query, Rows
from vessl_nb.notebook.versions_row import row_of

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from vessl_nb.faces.versions import VersionRow

_MOST_TAGS = 5
_MOST_CHOICES = 40
_LONGEST_NAME = 60
_POINTS = 40
_MOST_BYTES = 15_000  # with its script and its style, a table's state stays under 40,000
_WIDTHS = (60, 24, 12, 6)


def tags_shown(rows: Rows, query: Query) -> tuple[str, ...]:
    """Choose the tags that have a column of their own: those used most, and the one that is sorted by."""
    sorted_by = query.sort.removeprefix(TAG) if query.sort.startswith(TAG) else None
    return tuple(name for place, name in enumerate(rows.tags) if place < _MOST_TAGS or name == sorted_by)


def columns_of(rows: Rows, tags: Sequence[str]) -> list[dict[str, Any]]:
    """Make a table's columns: the same for all of its pages, so that none jumps while one looks through them.

    Parameters
    ----------
    rows
        All versions.
    tags
        The tags that have a column of their own; the others share one, which offers to show and sort by each.
    """
    columns = [_column("version", "Version")]
    if any(row.aliases for row in rows.rows):
        columns.append(_column("aliases", "Aliases"))
    columns += [_column("created", "Created"), _column("runner", "Runner"), _column("check", "Check")]
    columns += [_tag_column(name, rows) for name in tags]
    if folded := [name for name in rows.tags if name not in tags]:
        choices = [name for name in folded if len(name) <= _LONGEST_NAME][:_MOST_CHOICES]
        columns.append({"key": "more", "label": counted(len(folded), "more tag"), "choices": choices})
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
        As `columns_of` made them, for the tags that are shown with this query.
    fresh
        The keys of those that have come since.

    Returns
    -------
    dict
        Plain JSON, of at most some 15,000 bytes: long texts are cut the shorter the more of them there are.
    """
    last = max((len(found) - 1) // query.size, 0)
    page = min(query.page, last)
    shown = found[page * query.size : (page + 1) * query.size]
    drawn = {
        "title": one_line(title, 80),
        "counted": _count_words(rows, len(found), query, first=page * query.size, shown=len(shown)),
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
    tags = tags_shown(rows, query)
    for width in _WIDTHS:
        drawn["columns"] = _cut(columns, width)
        drawn["rows"] = [row_of(row, tags, width, fresh=row.reference in fresh) for row in shown]
        if len(json.dumps(drawn)) <= _MOST_BYTES:
            break
    return drawn


def _column(key: str, label: str) -> dict[str, Any]:
    return {"key": key, "label": label, "sorts": True}


def _tag_column(name: str, rows: Rows) -> dict[str, Any]:
    column = _column(f"{TAG}{name}", one_line(name, 32))
    if len(name) > _LONGEST_NAME:
        column = {**column, "key": f"{TAG}{one_line(name, _LONGEST_NAME)}", "sorts": False}
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


def _cut(columns: Sequence[dict[str, Any]], width: int) -> list[dict[str, Any]]:
    """Offer fewer tags where there is little room: those that are used most."""
    if width == _WIDTHS[0]:
        return list(columns)
    return [
        {**column, "choices": column["choices"][: width // 2]} if "choices" in column else column for column in columns
    ]


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
