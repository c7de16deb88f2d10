"""How a version was checked, in words."""

from __future__ import annotations

from dataclasses import dataclass

from vessl_nb.faces.html import bad, dim, escape, page
from vessl_nb.faces.words import bounded, counted, duration_words, one_line

_LONGEST = 400
_MOST_REMARKS = 12


@dataclass(frozen=True, slots=True)
class CheckFace:
    """How a version answered its samples in a clean process.

    Attributes
    ----------
    passed
        Whether it did, as it had before.
    samples
        How many there were.
    remarks
        What there is to say of it, in sentences.
    seconds
        How long it took.
    python
        The Python version that it ran under.
    """

    passed: bool
    samples: int
    remarks: tuple[str, ...]
    seconds: float
    python: str


def check_lines(face: CheckFace, *, in_full: bool) -> list[str]:
    """Write a check as lines of text: how it went, and a line for each remark.

    Parameters
    ----------
    face
        The check.
    in_full
        Say under which Python it ran and how long it took, which differs from run to run.
    """
    how = f", Python {one_line(face.python, 40)}, {duration_words(face.seconds)}" if in_full else ""
    first = f"{_verdict(face)} in a clean process, {counted(face.samples, 'sample')}{how}"
    return [first, *(one_line(remark, _LONGEST) for remark in face.remarks)]


def check_items(face: CheckFace) -> str:
    """Draw a check as HTML: how it went, in a line, and a line for each remark."""
    verdict = escape(_verdict(face)) if face.passed else bad(_verdict(face))
    said = bounded([one_line(remark, _LONGEST) for remark in face.remarks], _MOST_REMARKS)
    remarks = "".join(f"<br>{escape(remark)}" for remark in said)
    return f"{verdict} in a clean process, {counted(face.samples, 'sample')}{remarks}"


def check_text(reference: str, face: CheckFace, *, in_full: bool = False) -> str:
    """Write what came of checking a version, as text; `in_full` as `check_lines` takes it."""
    first, *remarks = check_lines(face, in_full=in_full)
    return "\n  ".join([f"{one_line(reference, 300)} {first}", *remarks])


def check_html(reference: str, face: CheckFace) -> str:
    """Draw what came of checking a version."""
    name = f"<strong>{escape(one_line(reference, 300))}</strong>"
    how = dim(f"Python {one_line(face.python, 40)}")
    return page(f'<div class="vnb-report">{name} {check_items(face)} {how}</div>')


def _verdict(face: CheckFace) -> str:
    return "passed" if face.passed else "failed"
