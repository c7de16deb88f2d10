"""One version: what it is, what it takes along, and how to load it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vessl_nb.faces.captures import (
    CaptureFace,
    capture_lines,
    captures_items,
    file_items,
    item,
    items,
    requirement_items,
    requirement_lines,
)
from vessl_nb.faces.check import CheckFace, check_items, check_lines
from vessl_nb.faces.html import chips, code, dim, drawn_within_bounds, escape, facts_table, folded, page, time_html
from vessl_nb.faces.words import (
    aligned,
    and_more,
    bounded,
    bounded_lines,
    counted,
    fact_lines,
    minute_words,
    one_line,
    size_words,
    tag_list,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

_SHOWN = 8  # what is beyond these is folded
_WORDS_SHOWN = 16  # tags stand on a line, so there is room for more
_MOST_SOURCE = 14_000  # bytes
_NOT_SERVABLE = "none yet: it holds files only, and is not servable"
_NOT_DECLARED = "read by the code, not declared"


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
        The packages it needs: the line that pip takes, such as ``numpy==2.1.0``, and the reason.
    env
        The environment variables it needs, by name.
    captures
        The notebook names that travel with the runner.
    artifacts
        Its files: path in the volume, size.
    examples
        How many input examples it has.
    python
        The version of Python it was registered under.
    source
        The text of its ``runner.py``, secrets masked.
    unwritten
        What its ``runner.py`` has not, in sentences.
    modules
        The files of local modules: path, size.
    reads
        The environment variables that its code reads, by name, whether they are declared or not.
    signature
        What a client sends and what it gets, in a line each; empty where nothing is known.
    check
        How it was checked; None where it was not.
    declined
        The user did not want it checked.
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
    requirements: tuple[tuple[str, str], ...]
    env: tuple[str, ...]
    captures: tuple[CaptureFace, ...]
    artifacts: tuple[tuple[str, int], ...]
    examples: int
    python: str
    source: str = ""
    unwritten: tuple[str, ...] = ()
    modules: tuple[tuple[str, int], ...] = ()
    reads: tuple[str, ...] = ()
    signature: tuple[tuple[str, str], ...] = ()
    check: CheckFace | None = None
    declined: bool = False

    @property
    def unchecked(self) -> str:
        """Why it was not checked."""
        return "not checked, as was asked" if self.declined else "not checked: no sample"


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
    aliases = f" ({', '.join(one_line(alias, 40) for alias in face.aliases)})" if face.aliases else ""
    return "\n  ".join([f"{_headline(face)}{aliases}", *fact_lines(_facts(face, in_full=in_full))])


def _headline(face: VersionFace) -> str:
    return one_line(face.reference, 300)


def _facts(face: VersionFace, *, in_full: bool) -> list[tuple[str, list[str]]]:
    """Write each fact as its title and its lines; one with no lines has nothing to say."""
    return [
        ("Runner", [one_line(face.runner, 80) or _NOT_SERVABLE]),
        ("Model", _lines(face.model)),
        ("Check", _check_lines(face, in_full=in_full) if face.runner else []),
        ("Tags", bounded(tag_list(face.tags))),
        ("Description", bounded_lines(face.description, lines=8, width=100) if face.description.strip() else []),
        ("Signature", aligned([[side, one_line(words, 200)] for side, words in face.signature])),
        ("Captures", capture_lines(face.captures, in_full=in_full)),
        ("Modules", _file_lines(face.modules, in_full=in_full)),
        ("Files", _file_lines(face.artifacts, in_full=in_full)),
        ("Requirements", requirement_lines(face.requirements, in_full=in_full)),
        ("Environment", aligned([[one_line(name, 80), said] for name, said in _environment(face)])),
        ("runner.py", [f"not complete: {one_line(sentence, 400)}" for sentence in face.unwritten]),
        ("Examples", [str(face.examples)] if face.runner else []),
        ("Python", _lines(face.python)),
        ("Size", [_size(face)] if in_full else []),
        ("Created", [f"{minute_words(face.created)} UTC"] if in_full else []),
        ("Load it", [_load(face)] if face.runner else []),
    ]


def _lines(text: str) -> list[str]:
    return [one_line(text, 100)] if text else []


def _check_lines(face: VersionFace, *, in_full: bool) -> list[str]:
    return check_lines(face.check, in_full=in_full) if face.check else [face.unchecked]


def _file_lines(files: Sequence[tuple[str, int]], *, in_full: bool) -> list[str]:
    shown = files if in_full else files[:_SHOWN]
    rows = [[one_line(path, 100), *([size_words(size)] if in_full else [])] for path, size in shown]
    return [*aligned(rows, right={1} if in_full else ()), *and_more(len(files) - len(shown))]


def _environment(face: VersionFace) -> list[tuple[str, str]]:
    undeclared = [name for name in face.reads if name not in face.env]
    return [*((name, "") for name in face.env), *((name, _NOT_DECLARED) for name in undeclared)]


def _size(face: VersionFace) -> str:
    return f"{size_words(face.size)}, {size_words(face.added)} of it new"


def _load(face: VersionFace) -> str:
    return f'vessl_nb.load("{one_line(face.reference, 300)}")'


def version_html(face: VersionFace) -> str:
    """Draw the report as HTML: a table of facts, and the runner's source behind a line that opens."""
    return drawn_within_bounds(lambda most: _report(face, most))


def _report(face: VersionFace, most: int) -> str:
    more = "".join(f" {dim(line)}" for line in and_more(len(face.aliases) - _WORDS_SHOWN))
    aliases = chips(one_line(alias, 80) for alias in face.aliases[:_WORDS_SHOWN])
    caption = f"<strong>{escape(_headline(face))}</strong> {aliases}{more}<br>{_measures_html(face)}"
    return page(f"{facts_table(caption, _facts_html(face, most))}{_source_html(face.source)}")


def _measures_html(face: VersionFace) -> str:
    python = f", Python {escape(one_line(face.python, 40))}" if face.python else ""
    return f'<span class="vnb-dim vnb-small">{time_html(face.created)} UTC, {_size(face)}{python}</span>'


def _facts_html(face: VersionFace, most: int) -> list[tuple[str, str]]:
    description = "<br>".join(map(escape, bounded_lines(face.description, lines=8, width=400)))
    check = check_items(face.check) if face.check else dim(face.unchecked)
    return [
        ("Runner", code(one_line(face.runner, 80)) if face.runner else dim(_NOT_SERVABLE)),
        ("Model", code(one_line(face.model, 100)) if face.model else ""),
        ("Check", check if face.runner else ""),
        ("Tags", folded(tag_list(face.tags), _WORDS_SHOWN, lambda some: ", ".join(map(code, some)), most)),
        ("Description", description),
        ("Signature", "<br>".join(f"{dim(side)} {code(one_line(words, 200))}" for side, words in face.signature)),
        ("Captures", captures_items(face.captures, most)),
        ("Modules", file_items(face.modules, most)),
        ("Files", file_items(face.artifacts, most)),
        ("Requirements", requirement_items(face.requirements, most)),
        ("Environment", folded(_environment(face), _SHOWN, _environment_html, most)),
        ("runner.py", folded(face.unwritten, _SHOWN, _unwritten_html, most)),
        ("Examples", str(face.examples) if face.runner else ""),
        ("Load it", code(_load(face)) if face.runner else ""),
    ]


def _environment_html(variables: Sequence[tuple[str, str]]) -> str:
    return items([item(name, said) for name, said in variables])


def _unwritten_html(lines: Sequence[str]) -> str:
    return "<br>".join(f"not complete: {escape(one_line(line, 400))}" for line in lines)


def _source_html(source: str) -> str:
    if not source.strip():
        return ""
    lines = bounded_lines(source, lines=300, width=200)
    summary = f"runner.py, {counted(len(source.rstrip().splitlines()), 'line')}"
    drawn = escape(chr(10).join(lines)).encode()
    if len(drawn) > _MOST_SOURCE:
        drawn = drawn[:_MOST_SOURCE].rpartition(b"\n")[0]
        rest = len(source.rstrip().splitlines()) - drawn.count(b"\n") - 1
        drawn += f"\n… and {counted(rest, 'more line')}".encode()
    pre = f'<pre class="vnb-pre" tabindex="0">{drawn.decode()}</pre>'
    return f'<details class="vnb-source"><summary>{summary}</summary>{pre}</details>'
