"""One version: what it is, what it takes along, and how to load it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vessl_nb.faces.html import (
    aligned,
    bounded_lines,
    chips,
    code,
    counted,
    dim,
    escape,
    folded,
    minute_words,
    one_line,
    page,
    size_words,
    tag_list,
    time_html,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

_SHOWN = 8  # captures and files beyond these are folded
_WORDS_SHOWN = 16  # tags and requirements stand on a line, so there is room for more
_NOT_SERVABLE = "none yet: it holds files only, and is not servable"
_Item = tuple[str, str, int] | tuple[str, int]


@dataclass(frozen=True, slots=True)
class VersionFace:
    """One version, as it is shown after it was registered, and by ``vessl-nb show``.

    Attributes
    ----------
    reference
        As users type it, such as ``iris:3``.
    repository, number, revision
        Where it stands; a revision above 1 overwrote another.
    runner
        The name of its runner's class; empty for a version of files only, which cannot be served.
    model
        The type of its model.
    size, added
        The bytes it holds, and how many of them no earlier version had.
    created
        When it was registered.
    aliases
        The names that point at it.
    tags
        Its tags.
    description
        Its description, of any length.
    requirements
        The packages it needs, such as ``numpy==2.1.0``.
    env
        The environment variables it needs, by name.
    captures
        The notebook names that travel with the runner: name, type, size.
    artifacts
        Its files: path in the volume, size.
    examples
        How many input examples it has.
    python
        The version of Python it was registered under.
    source
        The text of its ``runner.py``.
    """

    reference: str
    repository: str
    number: int
    revision: int
    runner: str
    model: str
    size: int
    added: int
    created: datetime
    aliases: tuple[str, ...]
    tags: Mapping[str, object]
    description: str
    requirements: tuple[str, ...]
    env: tuple[str, ...]
    captures: tuple[tuple[str, str, int], ...]
    artifacts: tuple[tuple[str, int], ...]
    examples: int
    python: str
    source: str = ""


def version_text(face: VersionFace, *, in_full: bool = False) -> str:
    """Write the report as text.

    Parameters
    ----------
    face
        The version.
    in_full
        Show everything, with times and sizes, for a terminal. These differ from run to run, so a notebook's text has
        none.
    """
    facts = [(title, lines) for title, lines in _facts(face, in_full=in_full) if lines]
    cells = [("" if place else title, line) for title, lines in facts for place, line in enumerate(lines)]
    aliases = f" ({', '.join(one_line(alias, 40) for alias in face.aliases)})" if face.aliases else ""
    return "\n  ".join([f"{_headline(face)}{aliases}", *aligned(cells)])


def _headline(face: VersionFace) -> str:
    return one_line(face.reference, 300)


def _facts(face: VersionFace, *, in_full: bool) -> list[tuple[str, list[str]]]:
    """Write each fact as its title and its lines; one with no lines has nothing to say."""
    return [
        ("Runner", [one_line(face.runner, 80) or _NOT_SERVABLE]),
        ("Model", _lines(face.model)),
        ("Tags", _shortened(tag_list(face.tags))),
        ("Description", bounded_lines(face.description, lines=8, width=100) if face.description.strip() else []),
        ("Captures", _item_lines(face.captures, in_full=in_full)),
        ("Files", _item_lines(face.artifacts, in_full=in_full)),
        ("Requirements", _shortened([one_line(requirement, 100) for requirement in face.requirements])),
        ("Environment", _shortened([one_line(name, 80) for name in face.env])),
        ("Examples", [str(face.examples)] if face.runner else []),
        ("Python", _lines(face.python)),
        ("Size", [_size(face)] if in_full else []),
        ("Created", [f"{minute_words(face.created)} UTC"] if in_full else []),
        ("Load it", [_load(face)] if face.runner else []),
    ]


def _lines(text: str) -> list[str]:
    return [one_line(text, 100)] if text else []


def _shortened(lines: Sequence[str]) -> list[str]:
    return [*lines[:_SHOWN], *_and_more(len(lines))]


def _and_more(number: int) -> list[str]:
    return [f"… and {number - _SHOWN:,} more"] if number > _SHOWN else []


def _item_lines(items: Sequence[_Item], *, in_full: bool) -> list[str]:
    rows = [[*(one_line(word, 48) for word in words), size_words(size)] for *words, size in items[:_SHOWN]]
    rows = rows if in_full else [row[:-1] for row in rows]
    return [*aligned(rows, right={len(rows[0]) - 1} if rows and in_full else ()), *_and_more(len(items))]


def _size(face: VersionFace) -> str:
    return f"{size_words(face.size)}, {size_words(face.added)} of it new"


def _load(face: VersionFace) -> str:
    return f'vessl_nb.load("{one_line(face.reference, 300)}")'


def version_html(face: VersionFace) -> str:
    """Draw the report as HTML: a table of facts, and the runner's source behind a line that opens."""
    rows = "".join(f'<tr><th scope="row">{title}</th><td>{fact}</td></tr>' for title, fact in _facts_html(face) if fact)
    caption = f"<strong>{escape(_headline(face))}</strong> {chips(face.aliases)}<br>{_measures_html(face)}"
    return page(
        f'<table class="vnb-table vnb-facts"><caption>{caption}</caption><tbody>{rows}</tbody></table>'
        f"{_source_html(face.source)}"
    )


def _measures_html(face: VersionFace) -> str:
    python = f", Python {escape(one_line(face.python, 40))}" if face.python else ""
    return f'<span class="vnb-dim vnb-small">{time_html(face.created)} UTC, {_size(face)}{python}</span>'


def _facts_html(face: VersionFace) -> list[tuple[str, str]]:
    description = "<br>".join(map(escape, bounded_lines(face.description, lines=8, width=400)))
    return [
        ("Runner", code(one_line(face.runner, 80)) if face.runner else dim(_NOT_SERVABLE)),
        ("Model", code(one_line(face.model, 100)) if face.model else ""),
        ("Tags", _codes(tag_list(face.tags))),
        ("Description", description),
        ("Captures", folded(face.captures, _SHOWN, _items_html)),
        ("Files", folded(face.artifacts, _SHOWN, _items_html)),
        ("Requirements", _codes([one_line(requirement, 100) for requirement in face.requirements])),
        ("Environment", _codes([one_line(name, 80) for name in face.env])),
        ("Examples", str(face.examples) if face.runner else ""),
        ("Load it", code(_load(face)) if face.runner else ""),
    ]


def _codes(words: Sequence[str]) -> str:
    return folded(words, _WORDS_SHOWN, lambda some: ", ".join(map(code, some)))


def _items_html(items: Sequence[_Item]) -> str:
    if not items:
        return ""
    rows = []
    for name, *kind, size in items:
        words = escape(one_line(str(kind[0]), 60)) if kind else ""
        rows.append(f"<li>{code(one_line(name, 80))} <span>{words}</span> <span>{size_words(size)}</span></li>")
    return f'<ul class="vnb-items">{"".join(rows)}</ul>'


def _source_html(source: str) -> str:
    if not source.strip():
        return ""
    lines = bounded_lines(source, lines=300, width=200)
    summary = f"runner.py, {counted(len(source.rstrip().splitlines()), 'line')}"
    text = escape(chr(10).join(lines)[:20_000])
    return f'<details class="vnb-source"><summary>{summary}</summary><pre class="vnb-pre">{text}</pre></details>'
