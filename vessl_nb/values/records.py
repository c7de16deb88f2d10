"""A list of records as a table, and nested data as a tree that unfolds: what JSON holds, as a person reads it."""

from __future__ import annotations

import itertools
from typing import Any

from vessl_nb.faces.html import escape
from vessl_nb.faces.words import counted, one_line
from vessl_nb.values.pretty import pretty

_MOST_ROWS, _MOST_COLUMNS = 10, 12
_MOST_CELL = 50  # characters
_MOST_LINE = 100
_MOST_BRANCHES = (20, 10, 6)  # at the root, in a branch of it, any deeper
_MOST_LEVELS = 12
_MOST_NODES = 120


def records_table(value: Any) -> str | None:
    """Draw a list of dicts as a table, a row each; None for anything else, and for records of nested data."""
    if type(value) not in {list, tuple} or not value:
        return None
    shown = value[:_MOST_ROWS]
    if not all(type(record) is dict and record and _is_flat(record) for record in shown):
        return None
    names = list(dict.fromkeys(itertools.chain.from_iterable(itertools.islice(record, 1000) for record in shown)))
    columns = names[:_MOST_COLUMNS]
    head = "".join(f'<th scope="col">{_cell(name)}</th>' for name in columns)
    head += '<th scope="col">…</th>' if len(names) > len(columns) else ""
    rows = "".join(
        f'<tr><th scope="row">{number}</th>'
        + "".join(f"<td>{_cell(record[name]) if name in record else ''}</td>" for name in columns)
        + ("<td>…</td>" if len(names) > len(columns) else "")
        + "</tr>"
        for number, record in enumerate(shown)
    )
    more = len(value) - len(shown)
    below = f"<p>… and {counted(more, 'more row')}</p>" if more > 0 else ""
    return f'<table class="dataframe"><thead><tr><td></td>{head}</tr></thead><tbody>{rows}</tbody></table>{below}'


def _is_flat(record: dict[Any, Any]) -> bool:
    seen = itertools.islice(record.items(), 1000)
    return all(type(name) is str and not _is_nested(value) and type(value) is not dict for name, value in seen)


def _is_nested(value: Any) -> bool:
    """Say whether a list has containers in it, as far as its beginning shows."""
    return type(value) in {list, tuple} and any(type(item) in {dict, list, tuple} for item in value[:10])


def _cell(value: Any) -> str:
    return escape(one_line(value if type(value) is str else pretty(value), _MOST_CELL))


def tree_html(value: Any) -> str | None:
    """Draw nested dicts and lists as a tree whose branches unfold; None for anything else."""
    if not _branches(value) or not _has_branches(value):
        return None
    # What fits a line is read faster on that line.
    return None if "\n" not in pretty(value) else _Tree().branch(value, 0)


class _Tree:
    def __init__(self) -> None:
        self._left = _MOST_NODES

    def branch(self, value: Any, level: int) -> str:
        most = _MOST_BRANCHES[min(level, len(_MOST_BRANCHES) - 1)]
        items, shown = "", 0
        for name, item in _parts(value, most):
            if self._left <= 0:
                break
            self._left -= 1
            shown += 1
            items += f"<li>{self._item(name, item, level)}</li>"
        more = len(value) - shown
        items += f"<li>… and {more:,} more</li>" if more > 0 else ""
        return f'<ul class="vnb-tree">{items}</ul>'

    def _item(self, name: Any, item: Any, level: int) -> str:
        label = f"<strong>{escape(one_line(name if type(name) is str else pretty(name), _MOST_CELL))}</strong>"
        may_be_short = not _branches(item) or (len(item) <= _MOST_CELL and not _has_branches(item))
        # A branch is not written as text only to see that it is too long.
        line = pretty(item) if may_be_short else ""
        if may_be_short and (not _branches(item) or ("\n" not in line and len(line) <= _MOST_CELL)):
            return f"{label} {escape(one_line(line, _MOST_LINE))}"
        kind = f"{type(item).__name__}, {counted(len(item), 'item')}"
        if level + 1 >= _MOST_LEVELS:
            return f"{label} {escape(kind)}"
        return f"<details><summary>{label} {escape(kind)}</summary>{self.branch(item, level + 1)}</details>"


def _branches(value: Any) -> bool:
    return type(value) in {dict, list, tuple} and len(value) > 0


def _has_branches(value: Any) -> bool:
    return any(_branches(item) for _, item in _parts(value, _MOST_BRANCHES[0]))


def _parts(value: Any, most: int) -> Any:
    return itertools.islice(value.items() if type(value) is dict else enumerate(value), most)
