"""A register form when it is not live: what it was filled in with, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vessl_nb.faces.html import bad, code, escape, extended, facts_table, page
from vessl_nb.faces.words import bounded_lines, fact_lines, one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

_WIDTH = 200
_LINES = 12
_LONGEST_LINE = 2000


@dataclass(frozen=True, slots=True)
class FormFace:
    """A register form.

    Attributes
    ----------
    filled
        What was filled in: the field's title, and what stands in it.
    problems
        What is wrong with it: the field's title, and why.
    line
        The magic that does the same.
    said
        The last thing that it said, such as that a version was registered.
    outcome_text, outcome_html
        The faces of what came of it, a version or a preview; empty where nothing did.
    """

    filled: tuple[tuple[str, str], ...]
    problems: tuple[tuple[str, str], ...] = ()
    line: str = ""
    said: str = ""
    outcome_text: str = ""
    outcome_html: str = ""


def form_text(face: FormFace) -> str:
    """Write the form as text."""
    facts: list[tuple[str, Sequence[str]]] = [
        *((title, bounded_lines(words, lines=_LINES, width=_WIDTH)) for title, words in face.filled),
        *((title, [f"Not yet: {one_line(why, _WIDTH)}"]) for title, why in face.problems),
        ("As a line", [one_line(face.line, _LONGEST_LINE)] if face.line else []),
        ("Outcome", bounded_lines(face.said, lines=_LINES, width=_WIDTH) if face.said else ["not registered"]),
    ]
    outcome = [face.outcome_text] if face.outcome_text else []
    return "\n".join(["\n  ".join(["Register a model", *fact_lines(facts)]), *outcome])


def form_html(face: FormFace) -> str:
    """Draw the form as HTML: what came of it first."""
    facts = [
        ("Outcome", "<br>".join(map(escape, bounded_lines(face.said or "not registered", lines=_LINES, width=_WIDTH)))),
        *((title, _value_html(words)) for title, words in face.filled),
        *((title, f"{bad('Not yet:')} {escape(one_line(why, _WIDTH))}") for title, why in face.problems),
        ("As a line", code(one_line(face.line, _LONGEST_LINE)) if face.line else ""),
    ]
    table = facts_table("<strong>Register a model</strong>", facts)
    return extended(face.outcome_html, f'<div class="vnb-more">{table}</div>') if face.outcome_html else page(table)


def _value_html(words: str) -> str:
    return "<br>".join(map(code, bounded_lines(words, lines=_LINES, width=_WIDTH)))
