"""A shell, as a notebook has one, for tests: cells are run in it, and what came of each is kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from IPython.core.completer import provisionalcompleter
from IPython.utils.capture import capture_output

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


@dataclass
class Ran:
    """What came of a cell."""

    value: Any
    error: BaseException | None
    text: str
    shown: list[str]


class Notebook:
    """A shell, and its cells run one by one."""

    def __init__(self, shell: InteractiveShell) -> None:
        self.shell = shell
        self.variables = shell.user_ns

    def run(self, cell: str) -> Ran:
        with capture_output() as captured:
            result = self.shell.run_cell(cell, store_history=True)
        error = result.error_before_exec or result.error_in_exec
        # A cell that a magic runs takes the result's value away; Out has it in any case.
        value = self.variables["Out"].get(result.execution_count)
        shown = [output.data.get("text/plain", "") for output in captured.outputs]
        return Ran(value, error, captured.stdout + captured.stderr, shown)

    def __call__(self, cell: str) -> Any:
        """Run a cell that works, and give its value."""
        ran = self.run(cell)
        assert ran.error is None, ran.text
        return ran.value

    def fails(self, cell: str, kind: type[BaseException], *lines: str) -> Ran:
        """Run a cell that fails, and hold against these lines all that is shown of it."""
        ran = self.run(cell)
        assert type(ran.error) is kind, ran.error
        assert ran.text.strip().splitlines() == [f"{kind.__name__}: {lines[0]}", *lines[1:]]
        return ran

    def faces(self, value: Any) -> dict[str, str]:
        """Give what the shell would show of a value, by kind."""
        return self.shell.display_formatter.format(value)[0]

    def complete(self, text: str) -> list[str]:
        """Press Tab at the end of a text; gives the whole texts that one could choose."""
        with provisionalcompleter():
            offered = list(self.shell.Completer.completions(text, len(text)))
        return [text[: completion.start] + completion.text for completion in offered]

    def completions(self, text: str) -> list[str]:
        """Press Tab; gives the last words alone, of ours."""
        return [whole.rpartition(" ")[2].rpartition("=")[2] for whole in self.complete(text)]
