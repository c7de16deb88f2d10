"""Cells: what ran, and where a name comes from.

IPython keeps the text of each cell that it compiled in `linecache`, under a file name of its own: one for each run in a
terminal, one for each text in a kernel. Which number a file name has stands in the shell's compiler.
"""

from __future__ import annotations

import ast
import functools
import linecache
import re
import sys
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vessl_nb.capture.bindings import bindings_in, names_perhaps_bound_in, parse

if TYPE_CHECKING:
    from collections.abc import Collection

    from vessl_nb.capture.bindings import Kind


@dataclass(frozen=True, slots=True)
class Run:
    """A run of a cell: the cell's id (empty where the front end gives none), the number, the raw text, and the time."""

    cell_id: str
    number: int
    text: str
    time: float


RUNS: deque[Run] = deque(maxlen=10_000)
"""The runs of this session, oldest first; the extension's hook fills it, so that without the extension it is empty."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell that was run, or a script.

    Attributes
    ----------
    filename
        What its code objects have as file name.
    number
        The execution count of its newest run; None where it has none: a script, a cell of a session before this, or
        one that the front end ran without counting it.
    text
        Its Python as it was compiled, magics transformed, with lines as the notebook counts them.
    """

    filename: str
    number: int | None
    text: str


@dataclass(frozen=True, slots=True)
class Definition:
    """A top-level statement that binds a name.

    Attributes
    ----------
    cell
        Where it is.
    kind
        What binds the name; of several in one statement, the first.
    line
        The line of what binds it.
    source
        The whole statement with its decorators: of an ``if`` or ``try`` around a definition, all of it.
    """

    cell: Cell
    kind: Kind
    line: int
    source: str


def cell_of(filename: str) -> str:
    """Name the cell that a code's file name stands for, such as ``In[3]``, or the file; empty where it is not known."""
    shell = running_shell()
    number = _place(shell, filename)[0] if shell else None
    if number is None and (found := re.fullmatch(r"<ipython-input-(\d+)-\w+>", filename)):
        number = int(found[1])
    if number is not None:
        return f"In[{number}]"
    is_made_up = filename.startswith("<") or re.search(r"[/\\]ipykernel_\d+[/\\]\d+\.py$", filename)
    return "" if is_made_up else Path(filename).name


def place_of(filename: str, line: int) -> str:
    """Say where a line of code is, such as ``In[3], line 2`` or ``helper.py, line 2``; empty where it is not known."""
    cell = cell_of(filename)
    return f"{cell}, line {line}" if cell else ""


def cells() -> list[Cell]:
    """List the cells that were run and whose text is known, oldest first; in a script, the script alone.

    A cell that a magic ran, as under ``%%vessl_runner``, comes after the cell of the magic and has its number. Those
    that have none come first.
    """
    shell = running_shell()
    if shell is None:
        filename = getattr(sys.modules.get("__main__"), "__file__", None) or ""
        text = "".join(linecache.getlines(filename))
        return [Cell(filename, None, text)] if text else []
    return list(_cells_of(shell, tuple(_numbers(shell).items()), tuple(shell.history_manager.input_hist_parsed)))


@functools.lru_cache(maxsize=1)
def _cells_of(shell: Any, numbers: tuple[tuple[str, int], ...], _history: tuple[str, ...]) -> tuple[Cell, ...]:
    """List the cells of a shell, once for what it has run: a registration asks for them many times."""
    found = []
    for filename, _ in numbers:
        number, is_inner = _place(shell, filename)
        found.append((number or 0, is_inner, Cell(filename, number, _unfold(_text_of(filename), shell))))
    return tuple(cell for _, _, cell in sorted(found, key=lambda entry: entry[:2]))


class Definitions:
    """What the top-level statements of some cells bind.

    Parameters
    ----------
    among
        The cells, oldest first. One is parsed only when a name is asked for that it may bind: most never are.
    """

    def __init__(self, among: Collection[Cell]) -> None:
        self._cells: dict[str, list[Cell]] = {}
        for cell in among:
            for name in names_perhaps_bound_in(cell.text):
                self._cells.setdefault(name, []).append(cell)

    def of(self, name: str) -> list[Definition]:
        """List the top-level statements that bind a name, those run first at the beginning.

        Parameters
        ----------
        name
            The name. What binds it inside of functions, by ``global``, is not looked for.

        Returns
        -------
        list of Definition
            Empty where no cell is known to bind it: it may come from a star import, ``exec`` or a magic.
        """
        return [
            Definition(cell, kind, line, source)
            for cell in self._cells.get(name, ())
            for kind, line, source in bindings_in(cell.text).get(name, ())
        ]


@functools.lru_cache(maxsize=2)  # of all cells, and of those since a reset
def definitions_in(among: tuple[Cell, ...]) -> Definitions:
    """Give what the statements of some cells bind; of the same cells it is found out once."""
    return Definitions(among)


def definitions_of(name: str) -> list[Definition]:
    """List the statements of all cells that bind a name, as `Definitions.of` does; for many names, ask that."""
    return definitions_in(tuple(cells())).of(name)


def running_shell() -> Any:
    """Give the IPython shell that runs in this process; None where none does."""
    # Where it was never imported, no shell runs.
    get_shell = getattr(sys.modules.get("IPython"), "get_ipython", None)
    shell = get_shell() if get_shell else None
    knows_cells = hasattr(getattr(shell, "compile", None), "_filename_map")
    return shell if knows_cells and getattr(shell, "history_manager", None) is not None else None


def _numbers(shell: Any) -> dict[str, int]:
    """Give the number under which the shell files each file name."""
    numbers: dict[str, int] = shell.compile._filename_map  # noqa: SLF001  # its only name; IPython's own tracebacks use it
    return numbers


def _place(shell: Any, filename: str) -> tuple[int | None, bool]:
    """Give the number of the cell that a file name stands for, and whether a magic in that cell ran it.

    IPython counts up before it runs a cell, so what a magic runs inside of one is filed under the next cell's number.
    """
    number = _numbers(shell).get(filename, 0)
    parsed: list[str] = shell.history_manager.input_hist_parsed
    if 0 < number < len(parsed) and parsed[number].splitlines() == _text_of(filename).rstrip("\n").splitlines():
        return number, False
    if 1 < number <= len(parsed) and "run_cell" in parsed[number - 1]:
        return number - 1, True
    return None, False


def _text_of(filename: str) -> str:
    return "".join(linecache.getlines(filename))


@functools.lru_cache(maxsize=1000)
def _unfold_body(text: str) -> str | None:
    """Give what is under a magic that compiles its cell by itself, and so leaves no text; None for all other cells."""
    tree = parse(text)
    call = tree.body[0] if tree and len(tree.body) == 1 else None
    if not (isinstance(call, ast.Expr) and isinstance(call.value, ast.Call) and len(call.value.args) == 3):  # noqa: PLR2004  # name, line, body
        return None
    magic, _, body = call.value.args
    is_known = isinstance(magic, ast.Constant) and magic.value in {"time", "prun"}
    return body.value if is_known and isinstance(body, ast.Constant) and isinstance(body.value, str) else None


def _unfold(text: str, shell: Any) -> str:
    if not text.startswith(("get_ipython().run_cell_magic('time'", "get_ipython().run_cell_magic('prun'")):
        return text
    body = _unfold_body(text)
    if body is None:
        return text
    transformed: str = shell.transform_cell(body)
    return f"\n{transformed}"  # an empty line in place of the magic's, so that lines count as the notebook shows them
