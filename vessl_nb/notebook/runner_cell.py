"""The cell under ``%%vessl_runner``: run, and searched for the runner that it defines."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from vessl_nb.errors import InvalidArgument, InvalidRunner, VesslError
from vessl_nb.notebook.candidates import private_runners_in, runners_in
from vessl_nb.spelling import spoken_in

if TYPE_CHECKING:
    from collections.abc import Mapping

    from IPython.core.interactiveshell import InteractiveShell

    from vessl_nb.runner import Runner


class CellFailed(VesslError):
    """The cell under a magic failed; IPython has shown its traceback already."""

    def shown_lines(self) -> list[str]:
        """Show nothing more."""
        return []


def run_runner_cell(shell: InteractiveShell, cell: str) -> str:
    """Run a cell, and name the one runner that it defined.

    Parameters
    ----------
    shell
        Where it runs.
    cell
        The cell, without the magic's own line.

    Raises
    ------
    CellFailed
        It raised.
    InvalidRunner
        It defined no runner, or several.
    InvalidArgument
        It awaits something.
    """
    if _in_event_loop() and shell.should_run_async(cell, transformed_cell=shell.transform_cell(cell)):
        raise InvalidArgument(
            "The cell awaits something outside of its functions, which under a cell magic it cannot.",
            "Run it without %%vessl_runner, then mark its class: %vessl_runner NAME",
        )
    before = private_runners_in(shell.user_ns) | runners_in(shell.user_ns)
    with spoken_in(""):  # what the cell calls, it calls in Python
        # A comment stands for the magic's own line, so that tracebacks count lines as the cell shows them.
        result = shell.run_cell(cell if cell.lstrip().startswith("%%") else f"#\n{cell}")
    if not result.success:
        error = result.error_before_exec or result.error_in_exec
        said = ": ".join(filter(None, [type(error).__name__, str(error)]))
        raise CellFailed(f"The cell failed: {said}") from error
    defined = _defined_since(before, shell.user_ns)
    if not defined:
        raise InvalidRunner(
            "The cell defines no runner.",
            "It needs a class with a predict: class MyRunner(vessl_nb.RunnerBase): ...",
        )
    if len(defined) > 1:
        raise InvalidRunner(
            f"The cell defines {len(defined)} runners: {', '.join(defined)}.",
            f"Mark one of them: %vessl_runner {defined[0]}",
        )
    return defined[0]


def _defined_since(before: Mapping[str, Runner], variables: Mapping[str, Any]) -> list[str]:
    """Name the runners that are new, each class once.

    An imported one counts only where none was written, and one with an underscore, a base of others mostly, only where
    no other is new.
    """
    public, private = runners_in(variables), private_runners_in(variables)
    after = public if any(before.get(name) is not runner for name, runner in public.items()) else private
    new = {runner: name for name, runner in reversed(after.items()) if before.get(name) is not runner}
    written = {runner: name for runner, name in new.items() if runner.__module__ == variables.get("__name__")}
    return list((written or new).values())[::-1]


def _in_event_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
