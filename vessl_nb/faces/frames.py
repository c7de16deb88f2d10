"""The lines of a user's code that an error went through, with the one where it broke marked."""

from __future__ import annotations

from dataclasses import dataclass

from vessl_nb.faces.html import escape
from vessl_nb.faces.words import clean, counted

_MOST = 8  # a recursion too deep has a thousand
_WIDTH = 160


@dataclass(frozen=True, slots=True)
class FrameFace:
    """One place that the error went through.

    Attributes
    ----------
    place
        Where it is, such as ``In[3], line 12, in predict``.
    lines
        The line, or where it broke also some before and after: each with its number.
    number
        The number of the line that the error went through.
    """

    place: str
    lines: tuple[tuple[int, str], ...] = ()
    number: int = 0


def frame_lines(frames: tuple[FrameFace, ...]) -> list[str]:
    """Write the last of the frames, outermost first; the line that it broke at is marked with an arrow."""
    return [line for _, line in _marked_lines(frames)]


def frames_html(frames: tuple[FrameFace, ...]) -> str:
    """Draw the frames as `frame_lines` writes them, the marked line in bold; nothing where there are none."""
    lines = [
        f"<strong>{escape(line)}</strong>" if is_marked else escape(line) for is_marked, line in _marked_lines(frames)
    ]
    return f'<pre class="vnb-pre" tabindex="0">{chr(10).join(lines)}</pre>' if lines else ""


def _marked_lines(frames: tuple[FrameFace, ...]) -> list[tuple[bool, str]]:
    left_out = len(frames) - _MOST
    marked = [(False, f"… {counted(left_out, 'frame')} before")] if left_out > 0 else []
    for place, frame in enumerate(frames):
        if place < left_out:
            continue
        marked.append((False, _short(frame.place)))
        width = len(str(max((number for number, _ in frame.lines), default=0)))
        for number, line in frame.lines:
            is_marked = number == frame.number and place == len(frames) - 1
            arrow = "→" if is_marked else " "
            marked.append((is_marked, f"{arrow} {number:>{width}}  {_short(line)}".rstrip()))
    return marked


def _short(line: str) -> str:
    line = clean(line).replace("\n", " ")
    return line if len(line) <= _WIDTH else line[: _WIDTH - 1] + "…"
