"""Names that have gone stale: the notebook, run anew, would not make them as they are now."""

from __future__ import annotations

import functools
import inspect
import os
import re
import sys
import types
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from vessl_nb.capture.bindings import parse
from vessl_nb.capture.cells import RUNS, cells, definitions_in, running_shell

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from vessl_nb.capture.cells import Cell, Definition, Run


@dataclass(frozen=True, slots=True)
class Stale:
    """A name that would not come from the notebook again as it is now, and the sentence that says why."""

    name: str
    sentence: str


def stale_names(uses: Mapping[str, Collection[str]], runner: str) -> list[Stale]:
    """Find the names that the notebook, run anew, would not make as they are now.

    Parameters
    ----------
    uses
        The captured names, each with the qualified names of the definitions that use it.
    runner
        The name of the runner's class.

    Returns
    -------
    list of Stale
        A name is here only where it is known: a helper redefined after the runner, a name of a cell that was changed
        and run again, or of a cell that the saved notebook does not have any more.
    """
    shell = running_shell()
    ran = _since_reset([cell for cell in cells() if cell.number is not None])
    if shell is None or any(_hides_names(cell.text) for cell in ran):
        return []
    notebook = _read_notebook()
    definitions = definitions_in(tuple(ran))
    unsure = {name for cell in ran for name in _names_perhaps_made_in(cell.text)}
    order = {cell.filename: place for place, cell in enumerate(ran)}
    runners = definitions.of(runner)
    newest_runner = runners[-1].cell if runners else None
    found = []
    for name, users in uses.items():
        known = definitions.of(name)
        if name not in shell.user_ns or not known or name in unsure:
            continue
        is_newest = _is_from(shell.user_ns[name], known[-1])
        if is_newest is False:
            continue
        lost = [_say_lost(definition, ran, notebook) for definition in known]
        if all(lost):
            found.append(Stale(name, f"{name} comes from {lost[-1]}"))
        elif is_newest and newest_runner and order[known[-1].cell.filename] > order[newest_runner.filename]:
            before = [each for each in known if order[each.cell.filename] <= order[newest_runner.filename]]
            if before and before[-1].source != known[-1].source:
                found.append(Stale(name, _say_redefined(name, known[-1], runner, newest_runner, users)))
    return found


_MOST_WRAPPERS = 10


def _is_from(value: Any, definition: Definition) -> bool | None:
    """Whether a function or class is what a definition made; None where it does not show."""
    if definition.kind == "import":  # it made nothing
        return None
    for _ in range(_MOST_WRAPPERS):
        outer, value = value, inspect.getattr_static(value, "__wrapped__", value)  # which runs nothing of its own
        if value is outer:
            break
    functions = vars(value).values() if isinstance(value, type) else (value,)
    files = {function.__code__.co_filename for function in functions if isinstance(function, types.FunctionType)}
    files -= {"<timed exec>", "<string>"}  # under %%time, and what a dataclass writes: these may be of any cell
    return definition.cell.filename in files if files else None


def _since_reset(ran: list[Cell]) -> list[Cell]:
    """Leave out the cells whose names ``%reset`` took away; it does not begin to count anew."""
    resets = [index for index, cell in enumerate(ran) if "run_line_magic('reset'" in cell.text]
    return ran[resets[-1] :] if resets else ran


_HIDDEN = re.compile(
    r"\bexec\(|\bglobals\(\)|\brunpy\b|\buser_ns\b|\.push\(|\bimport \*"
    r"|run_line_magic\('(run|load|loadpy|pylab|store)'"
)
"""What binds names that do not stand in the text: of a notebook that has it nothing certain can be said."""


@functools.lru_cache(maxsize=10_000)
def _hides_names(text: str) -> bool:
    return _HIDDEN.search(text) is not None


@functools.lru_cache(maxsize=10_000)
def _names_perhaps_made_in(text: str) -> frozenset[str]:
    """Find the names that a cell may make without a statement that binds them: nothing certain can be said of these."""
    # Under these two the cell is run as one, and has its own text; other magics may do with it what they like.
    if re.search(r"run_cell_magic\('(?!vessl_runner|capture)", text):
        return frozenset(re.findall(r"\w+", text))
    declared = re.findall(r"\bglobal\b([^\n;]*)", text)
    return frozenset(name for names in declared for name in re.findall(r"\w+", names))


def _say_redefined(name: str, newest: Definition, runner: str, cell: Cell, users: Collection[str]) -> str:
    """Say that a name was defined otherwise when the runner was."""
    used = f" (used by {', '.join(sorted(users))})" if users else ""
    return (
        f"{name} was redefined in In[{newest.cell.number}], after {runner} was defined in In[{cell.number}]: "
        f"the new one ships{used}."
    )


def _say_lost(definition: Definition, ran: list[Cell], notebook: _Notebook | None) -> str:
    """Say that the cell of a definition does not have it any more; nothing where it has, or where that is not known."""
    run = next((run for run in reversed(RUNS) if run.number == definition.cell.number), None)
    if run is None:
        return ""
    place = f"In[{run.number}]"
    again = next((later for later in reversed(RUNS) if later.cell_id == run.cell_id and run.cell_id), run)
    now = [cell for cell in ran if cell.number == again.number]
    if again.number > run.number and now and all(parse(cell.text) for cell in now):
        return (
            f"{place}, but that cell was run again as In[{again.number}] and no longer defines it: Run All would not "
            "make it. Define it in a cell again."
        )
    if notebook and notebook.misses(run):
        return (
            f"{place}, which {notebook.name} no longer holds: the cell was changed or deleted since it ran. What ran "
            "is what ships; put the cell back, or run it as it is now."
        )
    return ""


class _NotebookCell(msgspec.Struct):
    source: str | list[str] = ""


class _NotebookFile(msgspec.Struct):
    cells: list[_NotebookCell]


_CLOCKS_DIFFER = 2.0  # seconds between this machine's clock and that of a network drive


@dataclass(frozen=True, slots=True)
class _Notebook:
    """A notebook as it was saved: the file's name, the time, and the texts of its cells."""

    name: str
    time: float
    texts: frozenset[str]

    def misses(self, run: Run) -> bool:
        """Whether it was saved after a run, without the cell that was run."""
        return self.time > run.time + _CLOCKS_DIFFER and _bare(run.text) not in self.texts


def _read_notebook() -> _Notebook | None:
    """Read the notebook that runs here; None where it cannot be found, or was not saved as it runs."""
    variables = vars(sys.modules["__main__"])
    named = str(variables.get("__vsc_ipynb_file__") or os.environ.get("JPY_SESSION_NAME") or "")
    if not RUNS or not named.endswith(".ipynb"):
        return None
    try:
        # The server's path may begin at its own root; the kernel begins in the notebook's folder.
        file = Path(named) if Path(named).exists() else Path(Path(named).name)
        saved = msgspec.json.decode(file.read_bytes(), type=_NotebookFile)
        time = file.stat().st_mtime
    except (OSError, ValueError, msgspec.MsgspecError):
        return None
    texts = frozenset(
        _bare(cell.source if isinstance(cell.source, str) else "".join(cell.source)) for cell in saved.cells
    )
    # Another notebook of that name, or a front end that sends other texts than it saves, does not have the newest run.
    return _Notebook(file.name, time, texts) if _bare(RUNS[-1].text) in texts else None


def _bare(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.strip().splitlines())
