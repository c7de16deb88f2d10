"""The magics of the road to a version: a runner is marked, seen at work, and seen with what it takes along."""

from __future__ import annotations

from typing import TYPE_CHECKING

from IPython.core.magic import line_cell_magic, line_magic, magics_class
from IPython.core.magic_arguments import argument, magic_arguments
from IPython.display import display

import vessl_nb as vessl  # whose names bring what they need at the first use: %load_ext is to be quick
from vessl_nb.errors import InvalidArgument, VesslError
from vessl_nb.notebook.candidates import find_runner
from vessl_nb.notebook.notebook_magics import NotebookMagics
from vessl_nb.notebook.runner_cell import run_runner_cell
from vessl_nb.notebook.typed import typed
from vessl_nb.runner import check_runner

if TYPE_CHECKING:
    from argparse import Namespace

    from vessl_nb.belongings import Captures, RunnerPreview, RunnerPreviews
    from vessl_nb.runner import Runner


class PreviewFailed(VesslError):
    """A stage failed; the preview above the error shows where and why."""


@magics_class
class RunnerMagics(NotebookMagics):
    """The magics that need a runner, and no registry."""

    @magic_arguments()
    @argument("name", nargs="?", help="A runner class that exists already; not for the cell form.")
    @argument("--model", "-m", metavar="EXPR", help="The model that predict gets: a variable, or an expression.")
    @argument("--sample", "-s", metavar="EXPR", action="append", help="What a client might send; may be given again.")
    @typed
    @line_cell_magic
    def vessl_runner(self, arguments: Namespace, cell: str | None = None) -> Runner | RunnerPreview | RunnerPreviews:
        """Mark a class as the notebook's runner, and show what it does with a sample.

            %%vessl_runner --model clf --sample '{"x": [5.1, 3.5, 1.4, 0.2]}'
            class IrisRunner(vessl.RunnerBase):
                ...

            %vessl_runner IrisRunner

        %%vessl_runner runs the cell and marks the subclass of RunnerBase that it
        defines; %vessl_runner NAME marks a class that exists. With --sample the
        sample's way through preprocess, predict and postprocess is shown at once,
        and what the runner takes along of the notebook.

        Run again, the cell shows the last sample's way again, and what is
        different now: --model and --sample may be left out then. Both may be any
        expression, which is evaluated anew each time. One with spaces or quotes
        stands in single quotes.

        Returns the preview, with its .stages and .output; without a sample the class.
        Next: %vessl_register NAME registers what is marked.
        """
        if cell is not None and arguments.name is not None:
            raise InvalidArgument(
                f"%%vessl_runner marks the class that its cell defines, and takes no name: {arguments.name}",
                f"Take the name away; %vessl_runner {arguments.name} marks a class that exists.",
            )
        if cell is not None:
            name = run_runner_cell(self._shell, cell)
        else:
            name = self.choose_runner(arguments.name, "%vessl_runner")
        runner = check_runner(self.evaluate(name, "%vessl_runner"))
        if find_runner(name, self.variables) is not runner:
            raise InvalidArgument(
                f"{name} is no name under which the notebook has its class, and by a name it is marked.",
                f"Give it one in a cell: {runner.__name__} = {name}",
            )
        self.memory.mark(name)
        remembered = cell is not None and self.preview_again and bool(self.memory.find(name).samples)
        if arguments.sample is not None or remembered:
            return self._preview(name, runner, arguments)
        if arguments.model is not None:
            self.evaluate(arguments.model, "--model")
            self.memory.recall(name).model = arguments.model
        return runner

    @magic_arguments()
    @argument(
        "--runner", "-r", metavar="NAME", help="The runner; the marked one, or the notebook's only one, if left out."
    )
    @argument("--model", "-m", metavar="EXPR", help="The model: a variable, or an expression.")
    @argument(
        "--sample",
        "-s",
        metavar="EXPR",
        action="append",
        help="What a client might send; the last one, if left out; may be given again.",
    )
    @typed
    @line_magic
    def vessl_preview(self, arguments: Namespace) -> RunnerPreview | RunnerPreviews:
        """Show a sample's way through the runner's three stages.

            %vessl_preview
            %vessl_preview --sample '{"x": [5.1, 3.5, 1.4, 0.2]}'
            %vessl_preview -s first -s second

        Each stage shows what it returned, how long it took, and what is different
        from the last run of the same sample. Of several samples each is a row.
        Below stands what the runner takes along of the notebook. A stage that
        fails is shown with your own lines, and the magic fails, so that Run All
        stops there.

        Returns the preview, with its .stages and .output.
        Next: %vessl_register NAME keeps the samples that passed as examples.
        """
        name = self.choose_runner(arguments.runner, "--runner")
        return self._preview(name, check_runner(self.evaluate(name, "--runner")), arguments)

    @magic_arguments()
    @argument(
        "--runner", "-r", metavar="NAME", help="The runner; the marked one, or the notebook's only one, if left out."
    )
    @argument("--model", "-m", metavar="EXPR", help="The model: a variable, or an expression.")
    @typed
    @line_magic
    def vessl_captures(self, arguments: Namespace) -> Captures:
        """Show what the runner takes along, and what is wrong with it.

            %vessl_captures
            %vessl_captures --runner IrisRunner --model clf

        Names of the notebook with their sizes, local modules, packages with the
        reason for each, environment variables that are read; and names that exist
        nowhere, values that cannot travel, and secrets. Nothing is registered.

        Returns them, as .names, .modules, .requirements, .problems and .remarks.
        Next: %vessl_register NAME takes all of it along.
        """
        name = self.choose_runner(arguments.runner, "--runner")
        runner = check_runner(self.evaluate(name, "--runner"))
        return vessl.captures(runner, self.choose_model(name, arguments, required=False))

    def _preview(self, name: str, runner: Runner, arguments: Namespace) -> RunnerPreview | RunnerPreviews:
        """Preview the samples, and remember them; where a stage fails, show it, and fail, so that Run All stops."""
        remembered = self.memory.recall(name)
        model = self.choose_model(name, arguments, required=False)
        expressions = arguments.sample or remembered.samples
        if not expressions:
            raise InvalidArgument("There is no sample to preview.", "Give one: --sample '{\"x\": [1, 2]}'")
        option = "--sample" if arguments.sample else "The remembered --sample"
        samples = [self.evaluate(expression, option) for expression in expressions]
        from vessl_nb.belongings import preview_with_captures, previews_with_captures  # noqa: PLC0415  # quick as above
        from vessl_nb.values.changes import RunMemory  # noqa: PLC0415  # as above

        remembered.runs = remembered.runs or RunMemory()
        shown: RunnerPreview | RunnerPreviews
        if len(samples) == 1:
            shown = preview_with_captures(runner, samples[0], model, memory=remembered.runs)
            passed = [shown.ok]
        else:
            shown = previews_with_captures(runner, samples, model, memory=remembered.runs)
            passed = [preview.ok for preview in shown]
        # Not before: what was interrupted, or could not be evaluated, is not to be tried again by itself.
        remembered.keep(arguments.model, expressions, passed)
        if shown.error:
            display(shown)
            raise PreviewFailed(shown.error.what) from shown.error
        return shown
