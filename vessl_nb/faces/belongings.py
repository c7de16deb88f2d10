"""A runner's belongings before it is registered: the report, and the few lines below a preview."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vessl_nb.faces.captures import (
    SHOWN,
    CaptureFace,
    capture_lines,
    captures_items,
    file_items,
    flags_of,
    item,
    items,
    requirement_items,
    requirement_lines,
    short_type,
)
from vessl_nb.faces.html import bad, dim, drawn_within_bounds, escape, facts_table, folded, page
from vessl_nb.faces.words import aligned, bounded, counted, fact_lines, one_line, size_words

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_NOTHING = "nothing of the notebook"
_LONGEST = 400
_MOST_NAMED = 6
_MOST_NOTES = 8


@dataclass(frozen=True, slots=True)
class BelongingsFace:
    """What a runner takes along.

    Attributes
    ----------
    runner
        The name of its class.
    captures
        The names that travel.
    modules
        The files of local modules: path, size.
    requirements
        The packages it needs: the line that pip takes, and the reason.
    reads
        The environment variables that its code reads, each with who does.
    problems
        What stops it from being registered: what is wrong, and the next step.
    remarks
        What else a person should know, in sentences.
    """

    runner: str
    captures: tuple[CaptureFace, ...]
    modules: tuple[tuple[str, int], ...]
    requirements: tuple[tuple[str, str], ...]
    reads: tuple[tuple[str, str], ...]
    problems: tuple[tuple[str, str], ...]
    remarks: tuple[str, ...]


def belongings_text(face: BelongingsFace) -> str:
    """Write the report as text that is the same on every machine: without sizes and the versions of packages."""
    facts = [
        ("Problems", [line for problem in face.problems for line in _problem_lines(problem)]),
        ("Names", capture_lines(face.captures, in_full=False)),
        ("Modules", bounded([one_line(path, 100) for path, _ in face.modules])),
        ("Requirements", requirement_lines(face.requirements, in_full=False)),
        ("Environment", aligned([[one_line(name, 80), _read_by(user)] for name, user in face.reads])),
        ("Remarks", [one_line(remark, _LONGEST) for remark in face.remarks]),
    ]
    return "\n  ".join([_headline(face), *fact_lines(facts)])


def belongings_html(face: BelongingsFace) -> str:
    """Draw the report as HTML: what is wrong first, then what travels, with sizes."""
    return drawn_within_bounds(lambda most: _report(face, most))


def _report(face: BelongingsFace, most: int) -> str:
    total = sum(capture.size for capture in face.captures) + sum(size for _, size in face.modules)
    caption = f"<strong>{escape(one_line(face.runner, 80))}</strong> takes along {dim(_measures(face, total))}"
    facts = [
        ("Problems", folded(face.problems, _MOST_NOTES, _problems_html, most)),
        ("Names", captures_items(face.captures, most)),
        ("Modules", file_items(face.modules, most)),
        ("Requirements", requirement_items(face.requirements, most)),
        ("Environment", folded(face.reads, SHOWN, _environment_html, most)),
        ("Remarks", folded(face.remarks, _MOST_NOTES, _remarks_html, most)),
    ]
    return page(facts_table(caption, facts) if any(fact for _, fact in facts) else f"<p>{caption}</p>")


def takes_along_lines(face: BelongingsFace) -> list[str]:
    """Write what ships in one line of text, and below it, one line each, what stands out."""
    notes = [f"{word}: {sentence}" for word, sentence in _notes(face)]
    return [f"Takes along: {_in_short(face)}", *(f"  {line}" for line in [*notes[:_MOST_NOTES], *_left_out(notes)])]


def takes_along_html(face: BelongingsFace) -> str:
    """Draw what ships in one line, and below it, one line each, what stands out; it goes inside of a `page`."""
    notes = list(_notes(face))
    entries = [
        f"{bad(word) if word != 'note' else dim(word)} {escape(sentence)}" for word, sentence in notes[:_MOST_NOTES]
    ]
    lines = "".join(f"<li>{entry}</li>" for entry in [*entries, *map(dim, _left_out(notes))])
    below = f'<ul class="vnb-notes">{lines}</ul>' if lines else ""
    return f'<div class="vnb-more">{dim("Takes along")} {escape(_in_short(face))}{below}</div>'


def _headline(face: BelongingsFace) -> str:
    return f"{one_line(face.runner, 80)} takes along {_measures(face)}"


def _measures(face: BelongingsFace, total: int | None = None) -> str:
    parts = [counted(len(face.captures), "name")] if face.captures else []
    parts += [counted(len(face.modules), "local file")] if face.modules else []
    return ", ".join([*(parts or [_NOTHING]), *([size_words(total)] if total else [])])


def _read_by(user: str) -> str:
    return f"read by {one_line(user, 80)}"


def _problem_lines(problem: tuple[str, str]) -> Iterator[str]:
    what, next_step = problem
    yield one_line(what, _LONGEST)
    if next_step:
        yield f"  {one_line(next_step, _LONGEST)}"


def _problem_html(problem: tuple[str, str]) -> str:
    what, next_step = problem
    step = f"<br>{escape(one_line(next_step, _LONGEST))}" if next_step else ""
    return f'<div class="vnb-error">{bad(one_line(what, _LONGEST))}{step}</div>'


def _problems_html(problems: Sequence[tuple[str, str]]) -> str:
    return "".join(map(_problem_html, problems))


def _environment_html(reads: Sequence[tuple[str, str]]) -> str:
    return items([item(name, _read_by(user)) for name, user in reads])


def _remarks_html(remarks: Sequence[str]) -> str:
    return "<br>".join(escape(one_line(remark, _LONGEST)) for remark in remarks)


def _in_short(face: BelongingsFace) -> str:
    values = [capture for capture in face.captures if not capture.is_helper]
    named = [f"{one_line(value.name, 48)} ({short_type(value)})" for value in values]
    if len(named) > _MOST_NAMED:
        named[_MOST_NAMED - 1 :] = [counted(len(named) - _MOST_NAMED + 1, "other value")]
    helpers = len(face.captures) - len(values)
    # A package has many files: its folder stands for them.
    tops = Counter(path.partition("/")[0] for path, _ in face.modules)
    folders = {path.partition("/")[0] for path, _ in face.modules if "/" in path}
    modules = [one_line(f"{top}/" if top in folders else top, 48) for top in tops]
    if len(modules) > _MOST_NAMED:
        modules[_MOST_NAMED - 1 :] = [counted(len(modules) - _MOST_NAMED + 1, "other module")]
    parts = [*named, *([counted(helpers, "helper")] if helpers else []), *modules]
    return ", ".join(parts) or _NOTHING


def _left_out(notes: Sequence[object]) -> list[str]:
    more = len(notes) - _MOST_NOTES
    return [f"… and {more:,} more; %vessl_captures shows all"] if more > 0 else []


def _notes(face: BelongingsFace) -> Iterator[tuple[str, str]]:
    """Walk what stands out, each with the word that it begins with."""
    for what, next_step in face.problems:
        yield "problem", one_line(f"{what.removesuffix('.')}. {next_step}", _LONGEST)
    for capture in face.captures:
        for word, sentence in flags_of(capture):
            if word != "secret":  # a remark says it, with the way out
                what = ", ".join(filter(None, [f"{capture.name} ({short_type(capture)})", capture.place]))
                yield word, one_line(f"{what}: {sentence}", _LONGEST)
    secrets = tuple(f"{capture.name} " for capture in face.captures if capture.secret)
    for remark in face.remarks:
        yield "secret" if remark.startswith(secrets) else "note", one_line(remark, _LONGEST)
