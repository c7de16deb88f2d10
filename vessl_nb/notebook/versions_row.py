"""One row of a versions table, as plain data: each cell's words, cut to the room that there is."""

from __future__ import annotations

from datetime import UTC
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from packaging.requirements import InvalidRequirement, Requirement

from vessl_nb.faces.words import one_line, size_words, tag_list, tag_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vessl_nb.faces.versions import VersionRow

_MOST_WORDS = 5


def row_of(row: VersionRow, tags: Sequence[str], width: int, *, fresh: bool) -> dict[str, Any]:
    """Write a version as a row.

    Parameters
    ----------
    row
        The version.
    tags
        The tags that have a column of their own.
    width
        How many characters a cell may have.
    fresh
        It came while the table was looked at.

    Returns
    -------
    dict
        Plain JSON.
    """
    others = {name: value for name, value in row.tags.items() if name not in tags}
    aliases = _first([one_line(alias, width) for alias in row.aliases], width)
    return {
        "key": row.reference,
        "revision": f"@{row.revision}" if row.revision > 1 and "@" not in row.reference else "",
        "about": one_line(row.description, 2 * width),
        "aliases": aliases,
        "hidden": len(row.aliases) - len(aliases),
        "created": row.created.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "runner": one_line(row.runner, width),
        "check": row.check,
        "tags": [one_line(tag_words(row.tags[tag]), width) if tag in row.tags else "" for tag in tags],
        "more": _list_words(tag_list(dict(list(others.items())[:_MOST_WORDS])), len(others), width),
        "size": size_words(row.size),
        "added": f"{size_words(row.added)} new",
        "needs": _list_words([_package(line) for line in row.requirements[:_MOST_WORDS]], len(row.requirements), width),
        "notes": [word for word, is_so in (("archived", row.archived), ("new", fresh)) if is_so],
    }


def _first(words: Sequence[str], width: int) -> list[str]:
    """Give as many words as have room, at least one."""
    ends = accumulate(len(word) + 2 for word in words)
    return [word for place, (word, end) in enumerate(zip(words, ends, strict=True)) if not place or end <= width]


def _list_words(words: Sequence[str], number: int, width: int) -> str:
    """Write the first of some words in one line, and how many more there are."""
    short = [one_line(word, width // 2) for word in words]
    shown = _first(short, width // 2)
    rest = number - len(shown)
    return ", ".join(shown) + (f" +{rest:,}" if rest else "")


def _package(line: str) -> str:
    """Name the package that a requirement asks for: its version is in the details."""
    try:
        return Requirement(line).name
    except InvalidRequirement:  # written under other rules
        return line
