"""The versions of one model repository or of several, as a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from vessl_nb.faces.html import bad, chips, dim, escape, page, time_html
from vessl_nb.faces.words import aligned, counted, minute_words, one_line, size_words, tag_words

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_MOST_ROWS = 20
_MOST_TAGS = 12
_EMPTY = "No versions yet. Register one: %vessl_register NAME"
_NOT_SERVABLE = "not servable"
_NUMBER = "vnb-number"


class VersionRow(msgspec.Struct, frozen=True, gc=False):
    """One version in a table.

    Attributes
    ----------
    reference
        As users type it, such as ``iris:3`` or ``org/iris:3``.
    number, revision
        The version's number, and how often it was written: 1 where it never was overwritten.
    aliases
        The names that point at it.
    created
        When it was registered.
    runner
        The name of its runner's class; empty for a version of files only, which cannot be served.
    tags
        Its tags.
    size, added
        The bytes it holds, and how many of them no earlier version had.
    description
        Its description, of any length.
    requirements
        The packages it needs; a table has no room for them, a data frame of these rows has.
    archived
        It was put aside.
    check
        ``passed`` or ``failed``; empty where it was not checked.
    """

    reference: str
    number: int
    revision: int
    aliases: tuple[str, ...]
    created: datetime
    runner: str
    tags: Mapping[str, object]
    size: int
    added: int
    description: str
    requirements: tuple[str, ...] = ()
    archived: bool = False
    check: str = ""


@dataclass(frozen=True, slots=True)
class _Column:
    """A column: its title, the words of each row's cell, and how the cell is drawn where words are not all."""

    title: str
    words: Callable[[VersionRow], str]
    html: Callable[[VersionRow], str] | None = None
    kind: str = ""
    measured: bool = False

    def cell(self, row: VersionRow) -> str:
        return self.html(row) if self.html else escape(self.words(row))


def versions_text(title: str, rows: Sequence[VersionRow], *, in_full: bool = False) -> str:
    """Write the table as text, in the order given.

    Parameters
    ----------
    title
        What is listed, such as the repository's name.
    rows
        The versions, newest first.
    in_full
        Show every row, with times and sizes, for a terminal. These differ from run to run, so a notebook's text has
        none, and only the first rows.
    """
    if not rows:
        return f"{one_line(title, 80)}\n  {_EMPTY}"
    shown = rows if in_full else rows[:_MOST_ROWS]
    columns = [column for column in _columns(shown) if in_full or not column.measured]
    table = [[column.title for column in columns]]
    table += [[column.words(row) for column in columns] for row in shown]
    right = {place for place, column in enumerate(columns) if column.kind == _NUMBER}
    left_out = [] if in_full else _left_out(rows)
    lines = [f"{one_line(title, 80)}, {counted(len(rows), 'version')}", *aligned(table, right=right), *left_out]
    return "\n  ".join(lines)


def versions_html(title: str, rows: Sequence[VersionRow]) -> str:
    """Draw the table as HTML, in the order given; it scrolls inside its own box where it is wider than the page."""
    name = f"<strong>{escape(one_line(title, 80))}</strong>"
    if not rows:
        return page(f"<p>{name} {dim(_EMPTY)}</p>")
    columns = _columns(rows[:_MOST_ROWS])
    head = "".join(f'<th scope="col"{_class(column)}>{escape(column.title)}</th>' for column in columns)
    body = "".join(f"<tr>{_cells(columns, row)}</tr>" for row in rows[:_MOST_ROWS])
    more = "".join(f'<p class="vnb-more">{dim(line)}</p>' for line in _left_out(rows))
    return page(
        f'<div class="vnb-scroll" tabindex="0"><table class="vnb-table vnb-list"><caption>{name} '
        f"{dim(counted(len(rows), 'version'))}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        f"</div>{more}"
    )


def _columns(rows: Sequence[VersionRow]) -> list[_Column]:
    """Choose the columns that have something to say about these rows."""
    columns = [_Column("Version", _reference)]
    if any(row.aliases for row in rows):
        columns.append(
            _Column("Aliases", lambda row: ", ".join(map(_short, row.aliases)), lambda row: chips(row.aliases))
        )
    if any(row.archived for row in rows):
        columns.append(_Column("State", lambda row: "archived" if row.archived else ""))
    columns.append(_Column("Runner", lambda row: _short(row.runner) or _NOT_SERVABLE, _runner_html))
    if any(row.check for row in rows):
        columns.append(_Column("Check", lambda row: one_line(row.check or "not checked", 40), _check_html))
    columns += [_tag_column(name, rows) for name in _tag_names(rows)[:_MOST_TAGS]]
    columns += [
        _Column(
            "Created (UTC)", lambda row: minute_words(row.created), lambda row: time_html(row.created), measured=True
        ),
        _Column("Size", lambda row: size_words(row.size), kind=_NUMBER, measured=True),
        _Column("Added", lambda row: size_words(row.added), kind=_NUMBER, measured=True),
    ]
    if any(row.description.strip() for row in rows):
        columns.append(
            _Column("Description", lambda row: one_line(row.description, 60), _description_html, "vnb-prose")
        )
    return columns


def _tag_names(rows: Sequence[VersionRow]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row.tags))


def _tag_column(name: str, rows: Sequence[VersionRow]) -> _Column:
    values = [row.tags[name] for row in rows if name in row.tags]
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    return _Column(
        one_line(name, 32),
        lambda row: tag_words(row.tags[name]) if name in row.tags else "",
        kind=_NUMBER if numbers else "",
    )


def _left_out(rows: Sequence[VersionRow]) -> list[str]:
    """Say what the table has no room for."""
    tags = len(_tag_names(rows[:_MOST_ROWS])) - _MOST_TAGS
    lines = [f"… and {len(rows) - _MOST_ROWS:,} more"] if len(rows) > _MOST_ROWS else []
    return [*lines, f"… and {counted(tags, 'more tag')}"] if tags > 0 else lines


def _short(name: str) -> str:
    return one_line(name, 40)


def _reference(row: VersionRow) -> str:
    """Write the reference; one whose number was written more than once names its revision, as users may type it."""
    reference = one_line(row.reference, 300)
    return f"{reference}@{row.revision}" if row.revision > 1 and "@" not in reference else reference


def _runner_html(row: VersionRow) -> str:
    return escape(_short(row.runner)) if row.runner else dim(_NOT_SERVABLE)


def _check_html(row: VersionRow) -> str:
    return bad(row.check) if row.check == "failed" else escape(one_line(row.check or "not checked", 40))


def _description_html(row: VersionRow) -> str:
    short = one_line(row.description, 80)
    if not short.endswith("…"):
        return escape(short)
    return f'<span title="{escape(one_line(row.description, 400))}">{escape(short)}</span>'


def _class(column: _Column) -> str:
    return f' class="{column.kind}"' if column.kind else ""


def _cells(columns: Sequence[_Column], row: VersionRow) -> str:
    first, *others = columns
    cells = "".join(f"<td{_class(column)}>{column.cell(row)}</td>" for column in others)
    return f'<th scope="row">{first.cell(row)}</th>{cells}'
