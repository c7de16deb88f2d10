"""The hook that remembers which cell of the notebook ran at which execution count."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from IPython.core.getipython import get_ipython

from vessl_nb.capture.cells import RUNS, Run

if TYPE_CHECKING:
    from IPython.core.interactiveshell import ExecutionInfo, InteractiveShell


def watch_cells(shell: InteractiveShell) -> None:
    """Remember every run of a cell from here on; a second time changes nothing."""
    unwatch_cells(shell)
    shell.events.register("pre_run_cell", _remember)


def unwatch_cells(shell: InteractiveShell) -> None:
    """Remember no more runs; those that are remembered stay, for when the extension is loaded again."""
    with suppress(ValueError):  # it was not there
        shell.events.unregister("pre_run_cell", _remember)


def _remember(info: ExecutionInfo) -> None:
    # A cell that a magic runs has no number of its own, no id, and belongs to the run that is remembered already.
    if not info.store_history:
        return
    shell: Any = get_ipython()
    number = shell.execution_count - 1  # IPython counts up before it calls its hooks
    if RUNS and RUNS[-1].number >= number:
        RUNS.clear()  # %reset began a new count
    RUNS.append(Run(info.cell_id or "", number, info.raw_cell or "", time.time()))
