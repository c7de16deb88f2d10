"""Which versions a table shows, and in which order: search, filter, sort and page, all in Python.

A search is words and comparisons, all of which must hold::

    champion                  in the reference, an alias, the runner, the description, a tag or a requirement
    "two words"               the same, with a space in it
    accuracy>0.9              a tag, or one of: number, revision, runner, alias, check, created, size, added
    size>10MB created>=2026-11

There is no search that is wrong: what is no comparison is looked for as text.
"""

from __future__ import annotations

import contextlib
import operator
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vessl_nb.faces.words import minute_words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from vessl_nb.faces.versions import VersionRow

SIZES = (10, 25)
"""How many rows a page may have."""

TAG = "tags."
"""What stands before a tag's name where a column is named, as in the data frame of `versions`."""

_WORD = re.compile(r'(?:[^\s"]|"[^"]*"?)+')
_COMPARISON = re.compile(r"([^<>=!]+)(>=|<=|!=|=|>|<)(.+)", re.DOTALL)
_BYTES = re.compile(r"([0-9.]+) ?([kmgt]?)b", re.IGNORECASE)
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}

_ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "<=": operator.le,
}
_FIELDS: dict[str, Callable[[VersionRow], Any]] = {
    "number": lambda row: row.number,
    "revision": lambda row: row.revision,
    "runner": lambda row: row.runner,
    "alias": lambda row: row.aliases,
    "check": lambda row: row.check or "not checked",
    "size": lambda row: row.size,
    "added": lambda row: row.added,
}
_KEYS: dict[str, Callable[[VersionRow], Any]] = {
    "aliases": lambda row: ", ".join(row.aliases),
    "created": lambda row: row.created.timestamp(),
    "runner": lambda row: row.runner,
    "check": lambda row: row.check,
    "size": lambda row: row.size,
    "requirements": lambda row: len(row.requirements),
}


@dataclass(frozen=True, slots=True)
class Query:
    """What a table was asked for.

    Attributes
    ----------
    search
        As the module describes it.
    show
        ``current``, ``archived`` or ``all``.
    sort
        A column, or ``tags.`` and a tag's name; ``version`` is the order of the listing.
    descending
        The newest, largest or last first.
    page, size
        Which page, counted from 0, and how many rows it has.
    """

    search: str = ""
    show: str = "current"
    sort: str = "version"
    descending: bool = True
    page: int = 0
    size: int = SIZES[0]

    @classmethod
    def of(cls, asked: dict[str, Any], before: Query) -> Query:
        """Take in what a front end asks for; what it leaves out stays, and what cannot be meant as well."""
        search, show, sort = (str(asked.get(name, getattr(before, name))) for name in ("search", "show", "sort"))
        page, size = asked.get("page", before.page), asked.get("size", before.size)
        return cls(
            search[:500],
            show if show in {"current", "archived", "all"} else before.show,
            sort if sort in {"version", *_KEYS} or sort.startswith(TAG) else before.sort,
            bool(asked.get("descending", before.descending)),
            max(page, 0) if type(page) is int else before.page,
            size if size in SIZES else before.size,
        )


class Rows:
    """The versions of a table, as they were at one moment.

    Parameters
    ----------
    rows
        The versions, newest first.

    Attributes
    ----------
    tags
        The names of their tags, the most used first.
    by_key
        Each by its key, which is its reference.
    """

    def __init__(self, rows: Sequence[VersionRow]) -> None:
        self.rows = rows
        self.by_key = {row.reference: row for row in rows}
        uses: dict[str, int] = {}
        for row in rows:
            for name in row.tags:
                uses[name] = uses.get(name, 0) + 1
        self.tags = sorted(uses, key=lambda name: -uses[name])
        self._texts: list[str] | None = None

    def find(self, query: Query) -> list[VersionRow]:
        """Give all that a query asks for, in its order, whatever its page."""
        found: Iterable[VersionRow] = self.rows
        names = {name.casefold(): name for name in self.tags}
        words = []
        for word in _WORD.findall(query.search):
            test = _comparison(word, names)
            if test is None:
                words.append(word.replace('"', "").casefold())
            else:
                found = filter(test, found)
        if any(words):
            # By place, so that the texts of 10,000 versions are made once, and not for every letter that is typed.
            texts = self._searchable()
            places = {row.reference: place for place, row in enumerate(self.rows)}
            found = (row for row in found if all(word in texts[places[row.reference]] for word in words))
        if query.show != "all":
            found = (row for row in found if row.archived == (query.show == "archived"))
        return _in_order(list(found), query)

    def _searchable(self) -> list[str]:
        if self._texts is None:
            self._texts = [_text_of(row) for row in self.rows]
        return self._texts


def _text_of(row: VersionRow) -> str:
    tags = (f"{name}={value}" for name, value in row.tags.items())
    parts = (row.reference, *row.aliases, row.runner, row.check, row.description, *tags, *row.requirements)
    return "\n".join(parts).casefold()


def _comparison(word: str, tags: dict[str, str]) -> Callable[[VersionRow], bool] | None:
    """Read a comparison with a tag or a field that there is; None where it is none."""
    match = _COMPARISON.fullmatch(word.replace('"', ""))
    if match is None:
        return None
    name, sign, said = match[1].strip().casefold(), match[2], match[3].strip().casefold()
    if name in tags:
        tag = tags[name]
        return lambda row: tag in row.tags and _holds(row.tags[tag], sign, said)
    if name == "created":  # a moment is equal to the day, or the month, that its words begin with
        return lambda row: _holds(minute_words(row.created)[: len(said)], sign, said)
    if name in _FIELDS:
        value_of = _FIELDS[name]
        return lambda row: _holds(value_of(row), sign, said)
    return None


def _holds(value: Any, sign: str, said: str) -> bool:
    if isinstance(value, tuple):
        return any(_holds(one, "=", said) for one in value) == (sign != "!=")
    number = _number(said)
    if number is not None and isinstance(value, int | float) and not isinstance(value, bool):
        return value == number if sign == "=" else value != number if sign == "!=" else _ORDERS[sign](value, number)
    text = str(value).casefold()
    return (text == said) == (sign == "=") if sign in {"=", "!="} else _ORDERS[sign](text, said)


def _number(text: str) -> float | None:
    match = _BYTES.fullmatch(text)
    with contextlib.suppress(ValueError):
        return float(match[1]) * _UNITS[match[2]] if match else float(text)
    return None


def _in_order(rows: list[VersionRow], query: Query) -> list[VersionRow]:
    """Sort rows; those that have nothing in the column come last either way, the newest first among equals."""
    if query.sort == "version":
        return rows if query.descending else rows[::-1]
    if query.sort.startswith(TAG):
        tag = query.sort.removeprefix(TAG)
        having = [row for row in rows if row.tags.get(tag) is not None]
        lacking = [row for row in rows if row.tags.get(tag) is None]
        having.sort(key=lambda row: _sortable(row.tags[tag]), reverse=query.descending)
        return having + lacking
    key = _KEYS[query.sort]
    having = [row for row in rows if key(row) not in {"", None}]
    lacking = [row for row in rows if key(row) in {"", None}]
    having.sort(key=lambda row: _sortable(key(row)), reverse=query.descending)
    return having + lacking


def _sortable(value: object) -> tuple[int, float, str]:
    """Order numbers before texts: a tag may have been both."""
    return (0, value, "") if isinstance(value, int | float) else (1, 0, str(value).casefold())
