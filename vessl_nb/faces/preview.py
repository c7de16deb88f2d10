"""A sample on its way through a runner: what went in, and what each stage made of it, side by side."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from vessl_nb.faces.frames import frame_lines, frames_html
from vessl_nb.faces.html import bad, code, dim, escape, fitting, page, value_html
from vessl_nb.faces.words import aligned, bounded_lines, duration_words, kind_words, one_line

if TYPE_CHECKING:
    from vessl_nb.faces.frames import FrameFace
    from vessl_nb.faces.value import ValueFace

UNCHANGED = "unchanged since the last run"
"""How the change of a stage begins that gave the same as before."""

_PASSED_ON = "unchanged, not overridden"
_MOST_BYTES = 48_000  # with what stands below it, a preview stays under 60,000
_COLUMN = "minmax(156px, 2fr)"  # a stage's name stands on one line
_INLINE = 72  # a value up to this long stands on its stage's line of text, a longer one under it


@dataclass(frozen=True, slots=True)
class StageFace:
    """One stage, as it went for one sample.

    Attributes
    ----------
    name
        Such as ``predict``.
    state
        How it went.
    value
        What it returned.
    seconds
        How long it took.
    given
        What went into it; shown where it failed.
    error
        What the user's code raised, such as ``ValueError: 3 features, not 4``.
    frames
        The user's own lines that the error went through, the last one where it broke.
    identity
        The runner did not override it: what went in came out.
    change
        What is different from the last run of the same sample, such as ``was 0.83``; empty where there was none.
    """

    name: str
    state: Literal["ok", "failed", "not run"]
    value: ValueFace | None = None
    seconds: float | None = None
    given: ValueFace | None = None
    error: str = ""
    frames: tuple[FrameFace, ...] = ()
    identity: bool = False
    change: str = ""


@dataclass(frozen=True, slots=True)
class PreviewFace:
    """A sample on its way through a runner.

    Attributes
    ----------
    runner
        The name of the runner's class.
    given
        The sample.
    stages
        The stages in the order they run.
    """

    runner: str
    given: ValueFace
    stages: tuple[StageFace, ...]


def preview_text(face: PreviewFace) -> str:
    """Write the preview as text that is the same on every run: no times, no addresses.

    Values of one short line stand beside their stage; longer ones are indented under it, and bounded.
    """
    changes = [stage.change for stage in face.stages if stage.change]
    is_unchanged = bool(changes) and all(change == UNCHANGED for change in changes)
    # Said once, where it holds for all of them.
    stages = [replace(stage, change="") for stage in face.stages] if is_unchanged else face.stages
    entries = [_value_entry("input", face.given), *map(_stage_entry, stages)]
    heads = aligned([head for head, _ in entries])
    lines = [f"{_headline(face)}, {UNCHANGED}" if is_unchanged else _headline(face)]
    for head, (_, below) in zip(heads, entries, strict=True):
        lines += [f"  {head}", *(f"      {line}".rstrip() for line in below)]
    return "\n".join(lines)


def failure_text(stage: StageFace) -> list[str]:
    """Write where a stage broke, and the value that went in, a line an entry."""
    lines = frame_lines(stage.frames)
    if stage.given is not None:
        (_, kind, text), below = _value_entry("", stage.given)
        lines += [f"  given: {kind}   {text}".rstrip(), *(f"    {line}" for line in below)]
    return lines


def failure_html(stage: StageFace) -> str:
    """Draw what a stage raised, where it broke, and the value that went in."""
    error = "\n".join(bounded_lines(stage.error, lines=8, width=400))
    parts = [f'<div class="vnb-error">{bad(error)}</div>', frames_html(stage.frames)]
    if stage.given is not None:
        parts += [f'<div class="vnb-given">{dim(f"given {kind_words(stage.given)}")}</div>', value_html(stage.given)]
    return "".join(parts)


_Entry = tuple[tuple[str, str, str], list[str]]


def _headline(face: PreviewFace) -> str:
    failed = next((stage for stage in face.stages if stage.state == "failed"), None)
    runner = one_line(face.runner, 80)
    return f"{runner} failed in {one_line(failed.name, 80)}" if failed else runner


def _value_entry(name: str, value: ValueFace) -> _Entry:
    lines = bounded_lines(value.text, lines=12, width=100)
    facts = [one_line(value.facts, 200)] if value.facts else []
    if len(lines) == 1 and len(lines[0]) <= _INLINE:
        return (name, kind_words(value), lines[0]), facts
    return (name, kind_words(value), ""), [*lines, *facts]


def _stage_entry(stage: StageFace) -> _Entry:
    name = one_line(stage.name, 80)
    change = [f"({one_line(stage.change, 200)})"] if stage.change else []
    if stage.state == "failed":
        first, *more = bounded_lines(stage.error, lines=8, width=400)
        return (name, "failed", first), [*more, *change, *failure_text(stage)]
    if stage.state == "not run":
        return (name, "not run", ""), []
    if stage.identity:
        return (name, _PASSED_ON, ""), []
    head, below = _value_entry(name, stage.value) if stage.value else ((name, "", ""), [])
    return head, [*below, *change]


def preview_html(face: PreviewFace) -> str:
    """Draw the preview as one strip, a column for each stage; without its style it is a table, a row for each.

    A value is drawn as IPython would draw it; each stage says how long it took, and its share of the whole.
    """
    # How much room there is for drawings is seen without any.
    return _strip(_fitted(face, _MOST_BYTES - len(_strip(_fitted(face, 0)).encode())))


def _fitted(face: PreviewFace, budget: int) -> PreviewFace:
    shown = [value for stage in face.stages for value in (None if stage.identity else stage.value, stage.given)]
    given, *rest = fitting([face.given, *shown], budget)
    pairs = zip(rest[::2], rest[1::2], strict=True)
    stages = [
        replace(stage, value=value, given=given) for stage, (value, given) in zip(face.stages, pairs, strict=True)
    ]
    return replace(face, given=given or face.given, stages=tuple(stages))


def _strip(face: PreviewFace) -> str:
    total = sum(stage.seconds or 0.0 for stage in face.stages)
    rows = [_row("input", "", kind=escape(kind_words(face.given)), value=value_html(face.given), time="")]
    rows += [_stage_row(stage, total) for stage in face.stages]
    # A stage that failed has most to say, one that did nothing least.
    columns = " ".join([_COLUMN, *map(_width, face.stages)])
    head = "".join(f'<th scope="col">{title}</th>' for title in ("Stage", "Type", "Value", "Time"))
    return page(
        f'<table class="vnb-table vnb-strip"><caption>{_caption(face, total)}</caption>'
        f'<thead><tr>{head}</tr></thead><tbody style="--vnb-columns: {columns}">{"".join(rows)}</tbody></table>'
    )


def _caption(face: PreviewFace, total: float) -> str:
    failed = next((stage for stage in face.stages if stage.state == "failed"), None)
    if failed:
        return f"<strong>{escape(one_line(face.runner, 80))}</strong> {bad(f'failed in {failed.name}')}"
    took = f", {duration_words(total)}" if total else ""
    return f"<strong>{escape(one_line(face.runner, 80))}</strong> {dim(f'one sample through its stages{took}')}"


def _width(stage: StageFace) -> str:
    if stage.state == "failed":
        return "minmax(0, 4fr)"
    return "minmax(168px, 1fr)" if stage.state == "not run" or stage.identity else _COLUMN


def _stage_row(stage: StageFace, total: float) -> str:
    time = _time(stage.seconds, total)
    change = f'<div class="vnb-change">{escape(one_line(stage.change, 200))}</div>' if stage.change else ""
    if stage.state == "failed":
        return _row(stage.name, "vnb-failed", kind=bad("failed"), value=change + failure_html(stage), time=time)
    if stage.state == "not run":
        return _row(stage.name, "vnb-quiet", kind="not run", value="", time="")
    if stage.identity:
        return _row(stage.name, "vnb-quiet", kind=_PASSED_ON, value="", time="")
    kind, value = (escape(kind_words(stage.value)), value_html(stage.value)) if stage.value else ("", "")
    return _row(stage.name, "", kind=kind, value=change + value, time=time)


def _row(name: str, state: str, *, kind: str, value: str, time: str) -> str:
    return (
        f'<tr class="{state}"><th scope="row">{code(one_line(name, 80))}</th><td class="vnb-kind">{kind}</td>'
        f'<td class="vnb-value">{value}</td><td class="vnb-time">{time}</td></tr>'
    )


def _time(seconds: float | None, total: float) -> str:
    if seconds is None:
        return ""
    share = round(100 * seconds / total) if total else 0
    bar = f'<span class="vnb-bar" aria-hidden="true"><span style="width: {share}%"></span></span>'
    return f"{dim(f'{duration_words(seconds)}, {share}%')}{bar}"
