"""An exception as a person sees it: the user's own lines that it went through, and those around where it broke."""

from __future__ import annotations

import linecache
import textwrap
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from vessl_nb.errors import OTHERS
from vessl_nb.faces.frames import FrameFace

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType

_BEFORE, _AFTER = 3, 1  # lines of context: what led there tells more than what would have come
_MOST_BEFORE = 1000  # frames of a recursion too deep


def frames_of(error: BaseException, cell_of: Callable[[str], str]) -> tuple[FrameFace, ...]:
    """Cut a traceback to the user's own frames; where there are none, the innermost is there, whoever wrote it.

    Parameters
    ----------
    error
        What was raised.
    cell_of
        Names the cell that a code's file name stands for, such as ``In[3]``; empty where it is not known.

    Returns
    -------
    tuple of FrameFace
        Outermost first. The last one has the lines around where it broke, as far as they are of the same function.
    """
    every = [(frame.f_code, number) for frame, number in traceback.walk_tb(error.__traceback__)][-_MOST_BEFORE:]
    own = [place for place in every if not place[0].co_filename.startswith(OTHERS)] or every[-1:]
    return tuple(_frame(*place, cell_of, around=place is own[-1]) for place in own)


def plain_place(filename: str) -> str:
    """Name a file, where nothing is known of cells; empty for what is none."""
    return Path(filename).name if Path(filename).exists() else ""


def _frame(code: CodeType, number: int, cell_of: Callable[[str], str], *, around: bool) -> FrameFace:
    place = f"{cell_of(code.co_filename) or 'cell'}, line {number}, in {code.co_name}"
    source = linecache.getlines(code.co_filename)
    first, last = number, number
    if around:
        first = max(number - _BEFORE, code.co_firstlineno)
        last = min(number + _AFTER, _last_line(code))
    numbers = range(first, min(last, len(source)) + 1)
    text = textwrap.dedent("".join(source[number - 1].rstrip("\r\n") + "\n" for number in numbers))
    return FrameFace(place, tuple(zip(numbers, text.split("\n"), strict=False)), number)


def _last_line(code: CodeType) -> int:
    """Give the last line of a function, those of the functions in it included."""
    inner = [_last_line(constant) for constant in code.co_consts if isinstance(constant, type(code))]
    return max([*inner, *(line for _, _, line in code.co_lines() if line is not None)])
