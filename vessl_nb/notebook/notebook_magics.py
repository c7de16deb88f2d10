"""What all magics share: the notebook around them, and what they take where their line leaves it out."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from vessl_nb.notebook.arguments import choose
from vessl_nb.notebook.candidates import find_runner, models_in, runners_in
from vessl_nb.notebook.expressions import evaluate
from vessl_nb.notebook.remembered import Memory
from vessl_nb.notebook.settings import Settings

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator

    from IPython.core.interactiveshell import InteractiveShell


class NotebookMagics(Settings):
    """The ground that all magics stand on.

    Attributes
    ----------
    memory
        What they remember.
    """

    def __init__(self, shell: InteractiveShell) -> None:
        super().__init__(shell)
        self._shell = shell
        self.memory = Memory()
        self._scope: dict[str, Any] | None = None

    @property
    def variables(self) -> dict[str, Any]:
        """The notebook's variables."""
        variables: dict[str, Any] = self._shell.user_ns
        return variables

    def evaluate(self, expression: str, option: str) -> Any:
        """Give the value of a name or an expression that an option was given; InvalidArgument where it has none."""
        return evaluate(expression, option, self.variables if self._scope is None else self._scope)

    @contextmanager
    def within(self, variables: dict[str, Any]) -> Iterator[None]:
        """Evaluate in these variables, for as long as the block lasts: those of the function that a magic stands in."""
        before, self._scope = self._scope, variables
        try:
            yield
        finally:
            self._scope = before

    def choose_runner(self, named: str | None, option: str) -> str:
        """Name the runner: the one on the line, the marked one, or the notebook's only one.

        Parameters
        ----------
        named
            The one on the line; None where there is none.
        option
            How it is named there.

        Raises
        ------
        InvalidArgument
            There is none, there are several, or the cell that was to mark one failed.
        """
        runners = runners_in(self.variables)
        if named is None:
            self.memory.refuse_missing_mark(option, next(iter(runners), "NAME"))
        # One of a module, or with an underscore, is no candidate by itself: it was marked on purpose.
        marked = self.memory.marked if find_runner(self.memory.marked, self.variables) else None
        return choose(
            "runner",
            option,
            marked if named is None else named,
            runners,
            "Mark one: put %%vessl_runner on top of the cell of its class.",
        )

    def choose_model(self, runner: str, arguments: Namespace, *, required: bool) -> Any:
        """Give the model on the line, the one remembered, or the notebook's only one.

        Parameters
        ----------
        runner
            The runner's name.
        arguments
            What was typed.
        required
            Whether there has to be one; None is given where there is none.

        Raises
        ------
        InvalidArgument
            There is none, there are several, or the expression has no value.
        """
        if arguments.model is not None:
            return self.evaluate(arguments.model, "--model")
        remembered = self.memory.find(runner).model
        if remembered is not None:
            return self.evaluate(remembered, "The remembered --model")
        candidates = models_in(self.variables)
        if not candidates and not required:
            return None
        step = "Train one first, or say which variable it is: --model NAME. For a runner that needs none: --model {}"
        return self.evaluate(choose("model", "--model", None, candidates, step), "--model")

    def choose_examples(self, runner: str, given: list[str]) -> list[Any]:
        """Give the samples on the line, or the last that passed; where none did, the last: it is to be seen to fail.

        Parameters
        ----------
        runner
            The runner's name.
        given
            What was typed.

        Raises
        ------
        InvalidArgument
            An expression has no value.
        """
        if given:
            values = [self.evaluate(sample, "--sample") for sample in given]
            self.memory.recall(runner).samples = given
            return values
        remembered = self.memory.find(runner)
        samples = remembered.examples or remembered.samples
        return [self.evaluate(sample, "The remembered --sample") for sample in samples]
