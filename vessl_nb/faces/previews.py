"""Several samples on their way through a runner: one row each."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from vessl_nb.faces.html import bad, code, dim, escape, fitting, page
from vessl_nb.faces.preview import UNCHANGED, StageFace, failure_html, failure_text
from vessl_nb.faces.words import aligned, and_more, bounded_lines, counted, duration_words, kind_words, one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vessl_nb.faces.preview import PreviewFace
    from vessl_nb.faces.value import ValueFace

_MOST_ROWS = 20
_CELL = 36  # characters of text in a column of a terminal
_HTML_CELL = 80
_MOST_DRAWN = 24_000  # bytes of all pictures


def previews_text(runner: str, faces: Sequence[PreviewFace]) -> str:
    """Write a row for each sample, and below them where the first that failed broke; the same on every run.

    Parameters
    ----------
    runner
        The name of the runner's class.
    faces
        The samples, each on its way.
    """
    lines = [f"{one_line(runner, 80)}, {_measures(faces)}"]
    if faces:
        rows = [["Sample", *(one_line(stage.name, 80) for stage in _cells(faces[0]))]]
        rows += [[str(number), *map(_cell_text, _cells(face))] for number, face in enumerate(faces[:_MOST_ROWS], 1)]
        lines += [f"  {line}" for line in [*aligned(rows, right={0}), *and_more(len(faces) - _MOST_ROWS)]]
    for number, stage in _first_failure(faces):
        lines += [f"  Sample {number} failed in {one_line(stage.name, 80)}:"]
        lines += [f"      {line}" for line in [*bounded_lines(stage.error, lines=8, width=400), *failure_text(stage)]]
    return "\n".join(lines)


def previews_html(runner: str, faces: Sequence[PreviewFace]) -> str:
    """Draw a row for each sample, pictures as pictures; below, where the first that failed broke.

    Parameters
    ----------
    runner, faces
        As `previews_text` takes them.
    """
    caption = f"<caption><strong>{escape(one_line(runner, 80))}</strong> {dim(_measures(faces))}</caption>"
    if not faces:
        return page(f'<table class="vnb-table vnb-list">{caption}</table>')
    rows = [_cells(face) for face in faces[:_MOST_ROWS]]
    pictures = iter(fitting([_picture(cell) for row in rows for cell in row], _MOST_DRAWN))
    head = "".join(f'<th scope="col">{code(one_line(stage.name, 80))}</th>' for stage in rows[0])
    body = ""
    for number, row in enumerate(rows, 1):
        cells = "".join(f"<td>{_cell_html(cell, next(pictures))}</td>" for cell in row)
        seconds = sum(cell.seconds or 0.0 for cell in row)
        body += f'<tr><th scope="row">{number}</th>{cells}<td class="vnb-number">{duration_words(seconds)}</td></tr>'
    more = "".join(f"<p>{dim(line)}</p>" for line in and_more(len(faces) - _MOST_ROWS))
    failure = "".join(
        f'<div class="vnb-more"><strong>{escape(f"Sample {number} failed in {one_line(stage.name, 80)}")}</strong>'
        f"{failure_html(stage)}</div>"
        for number, stage in _first_failure(faces)
    )
    return page(
        f'<div class="vnb-scroll" tabindex="0"><table class="vnb-table vnb-list vnb-samples">{caption}'
        f'<thead><tr><th scope="col">Sample</th>{head}<th scope="col" class="vnb-number">Time</th></tr></thead>'
        f"<tbody>{body}</tbody></table></div>{more}{failure}"
    )


def _measures(faces: Sequence[PreviewFace]) -> str:
    failed = sum(any(stage.state == "failed" for stage in face.stages) for face in faces)
    changes = [stage.change for face in faces for stage in face.stages if stage.change]
    return ", ".join(
        [
            counted(len(faces), "sample"),
            *([f"{failed:,} failed"] if failed else []),
            *([UNCHANGED] if changes and all(map(_is_unchanged, changes)) else []),
        ]
    )


def _is_unchanged(change: str) -> bool:
    return change.startswith(UNCHANGED)


def _cells(face: PreviewFace) -> list[StageFace]:
    return [StageFace("input", "ok", face.given), *face.stages]


def _first_failure(faces: Sequence[PreviewFace]) -> list[tuple[int, StageFace]]:
    failures = [
        (number, stage) for number, face in enumerate(faces, 1) for stage in face.stages if stage.state == "failed"
    ]
    # What went in is drawn in its row; below, its words are enough.
    return [
        (number, replace(stage, given=stage.given and replace(stage.given, html=None)))
        for number, stage in failures[:1]
    ]


def _cell_text(cell: StageFace) -> str:
    change = f" ({one_line(cell.change, _CELL)})" if cell.change and not _is_unchanged(cell.change) else ""
    return _words(cell, _CELL) + change


def _words(cell: StageFace, limit: int) -> str:
    if cell.state == "failed":
        return one_line(f"failed: {cell.error}", limit)
    if cell.state == "not run":
        return "not run"
    if cell.identity:
        return "not overridden"
    value = cell.value
    if value is None:
        return ""
    # In full where it is short, else what kind of value it is.
    is_short = "\n" not in value.text and len(value.text) <= limit
    return one_line(value.text if is_short else kind_words(value), limit)


def _picture(cell: StageFace) -> ValueFace | None:
    has_one = cell.value is not None and not cell.identity and (cell.value.html or "").startswith("<img ")
    return cell.value if has_one else None


def _cell_html(cell: StageFace, picture: ValueFace | None) -> str:
    words = _words(cell, _HTML_CELL)
    change = "" if not cell.change or _is_unchanged(cell.change) else one_line(cell.change, _HTML_CELL)
    below = f'<div class="vnb-change">{escape(change)}</div>' if change else ""
    if cell.state == "failed":
        return bad(words) + below
    if cell.state == "not run" or cell.identity:
        return dim(words)
    if picture is not None and picture.html is not None:
        return f'<div class="vnb-rich">{picture.html}</div>{dim(kind_words(picture))}{below}'
    return escape(words) + below
