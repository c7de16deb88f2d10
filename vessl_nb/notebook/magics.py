"""The magics: each gathers arguments, calls one function, and gives back what it returns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from IPython.core.magic import Magics, line_cell_magic, line_magic, magics_class, output_can_be_silenced
from IPython.core.magic_arguments import argument, magic_arguments
from IPython.display import display

from vessl_nb.errors import InvalidArgument, InvalidRunner, VesslError
from vessl_nb.loading import load
from vessl_nb.notebook.arguments import choose, evaluate, parse_line, parse_tags
from vessl_nb.notebook.candidates import models_in, runners_in
from vessl_nb.registration import register_model
from vessl_nb.registry.listing import VersionsTable
from vessl_nb.registry.models import set_alias
from vessl_nb.registry.names import parse_reference
from vessl_nb.runner import check_runner, overrides
from vessl_nb.stages import preview

if TYPE_CHECKING:
    from argparse import Namespace

    from IPython.core.interactiveshell import InteractiveShell

    from vessl_nb.loading import LoadedModel
    from vessl_nb.registry.version import Version
    from vessl_nb.runner import Runner
    from vessl_nb.stages import Preview


class CellFailed(VesslError):
    """The cell under a magic failed; IPython has shown its traceback already."""

    def _render_traceback_(self) -> list[str]:
        return []


class PreviewFailed(VesslError):
    """A stage failed; the preview above the error shows where and why."""


@magics_class
class VesslMagics(Magics):
    """The magics of vessl_nb."""

    def __init__(self, shell: InteractiveShell) -> None:
        super().__init__(shell)
        self._shell = shell
        # By name: a cell that is run again makes a new class, and the name means that one.
        self._marked: str | None = None
        self._model: str | None = None
        self._samples: list[str] = []

    @property
    def variables(self) -> dict[str, Any]:
        """The notebook's variables."""
        variables: dict[str, Any] = self._shell.user_ns
        return variables

    @magic_arguments()
    @argument("name", nargs="?", help="A runner class that exists already; not for the cell form.")
    @argument("--model", "-m", metavar="EXPR", help="The model that predict gets: a variable, or an expression.")
    @argument("--sample", "-s", metavar="EXPR", help="What a client might send: a variable, or an expression.")
    @output_can_be_silenced
    @line_cell_magic
    def vessl_runner(self, line: str, cell: str | None = None) -> Runner | Preview:
        """Mark a class as the notebook's runner.

        ``%%vessl_runner`` runs the cell and marks the subclass of RunnerBase that it defines; ``%vessl_runner NAME``
        marks a class that exists. With ``--sample`` the sample's way through the three stages is shown at once::

            %%vessl_runner --model clf --sample '{"x": [5.1, 3.5, 1.4, 0.2]}'
            class IrisRunner(vessl.RunnerBase):
                ...
        """
        arguments = parse_line(self.vessl_runner.parser, line)
        name = self._run_cell(cell) if cell is not None else self._runner_name(arguments.name)
        runner = check_runner(self._value(name, "%vessl_runner"))
        self._marked = name
        self._remember(arguments)
        return self._preview(runner) if arguments.sample else runner

    @magic_arguments()
    @argument(
        "--runner", "-r", metavar="NAME", help="The runner; the marked one, or the notebook's only one, if left out."
    )
    @argument("--model", "-m", metavar="EXPR", help="The model: a variable, or an expression.")
    @argument("--sample", "-s", metavar="EXPR", help="What a client might send; the last one, if left out.")
    @output_can_be_silenced
    @line_magic
    def vessl_preview(self, line: str) -> Preview:
        """Show a sample's way through the runner's three stages.

        ::

        %vessl_preview --sample '{"x": [5.1, 3.5, 1.4, 0.2]}'
        """
        arguments = parse_line(self.vessl_preview.parser, line)
        runner = check_runner(self._value(self._runner_name(arguments.runner), "--runner"))
        self._remember(arguments)
        if not self._samples:
            raise InvalidArgument("There is no sample to preview.", "Give one: --sample '{\"x\": [1, 2]}'")
        return self._preview(runner)

    @magic_arguments()
    @argument("repository", help="The model repository, with a number to overwrite a model: iris, iris:3, org/iris.")
    @argument(
        "--runner", "-r", metavar="NAME", help="The runner; the marked one, or the notebook's only one, if left out."
    )
    @argument("--model", "-m", metavar="EXPR", help="The model; the notebook's only one, if left out.")
    @argument("--sample", "-s", metavar="EXPR", action="append", help="An example to keep; may be given again.")
    @argument("--tag", "-t", metavar="NAME=VALUE", action="append", help="What to say of it; may be given again.")
    @argument("--alias", "-a", metavar="NAME", action="append", help="A name to point at it; may be given again.")
    @argument("--requirement", metavar="LINE", action="append", help="A package it needs; may be given again.")
    @argument("--artifacts", metavar="EXPR", help="Files to take along: a dictionary of local paths to volume paths.")
    @argument("--env", metavar="NAME", action="append", help="An environment variable it needs; may be given again.")
    @argument("--description", "-d", metavar="TEXT", help="What it is, in words.")
    @output_can_be_silenced
    @line_magic
    def vessl_register(self, line: str) -> Version:
        """Register the notebook's runner and model as a new version.

        ::

            %vessl_register iris --tag accuracy=0.97 --alias champion

        The samples of the last preview are kept as its examples, unless others are given.
        """
        arguments = parse_line(self.vessl_register.parser, line)
        target = parse_reference(arguments.repository)
        if target.alias is not None or target.revision is not None:
            raise InvalidArgument(
                f"{arguments.repository!r} names a version that exists.",
                f"Register a new one in {target.repository!r}, or overwrite a number: '{target.repository}:3'.",
            )
        runner = check_runner(self._value(self._runner_name(arguments.runner), "--runner"))
        samples = arguments.sample or self._samples
        return register_model(
            target.repository,
            target.number,
            runner,
            self._model_for(runner, arguments, needed=target.number is None),
            arguments.requirement,
            self._value(arguments.artifacts, "--artifacts") if arguments.artifacts else None,
            sample=[self._value(sample, "--sample") for sample in samples] or None,
            tags=parse_tags(arguments.tag),
            aliases=arguments.alias,
            description=arguments.description or "",
            env=arguments.env,
            organization_name=target.organization,
        )

    @magic_arguments()
    @argument("repository", nargs="?", help="The model repository; all of them, if left out.")
    @output_can_be_silenced
    @line_magic
    def vessl_versions(self, line: str) -> VersionsTable:
        """Show the versions of a model repository, newest first.

        ::

        %vessl_versions iris
        """
        return VersionsTable(parse_line(self.vessl_versions.parser, line).repository)

    @magic_arguments()
    @argument("reference", help="The version: iris (the newest), iris:3, iris:champion, iris:3@1, org/iris:3.")
    @argument("--device", metavar="NAME", help="Where tensors go, such as cpu or cuda:1.")
    @output_can_be_silenced
    @line_magic
    def vessl_load(self, line: str) -> LoadedModel:
        """Load a version; its ``run(data)`` answers a request.

        ::

        model = %vessl_load iris:champion
        """
        arguments = parse_line(self.vessl_load.parser, line)
        return load(arguments.reference, arguments.device)

    @magic_arguments()
    @argument("reference", help="The version: iris (the newest), iris:3, iris:3@1, org/iris:3, or another alias.")
    @argument("alias", help="The name that is to point at it.")
    @output_can_be_silenced
    @line_magic
    def vessl_alias(self, line: str) -> Version:
        """Let an alias point at a version; it moves where it pointed at another.

        ::

        %vessl_alias iris:3 champion
        """
        arguments = parse_line(self.vessl_alias.parser, line)
        return set_alias(arguments.reference, arguments.alias)

    def _run_cell(self, cell: str) -> str:
        """Run the cell, and find the one runner that it defined."""
        before = runners_in(self.variables)
        if not self._shell.run_cell(cell).success:
            raise CellFailed("The cell failed.")
        after = runners_in(self.variables)
        defined = {name: runner for name, runner in after.items() if before.get(name) is not runner}
        if not defined:
            raise InvalidRunner(
                "The cell defines no runner.",
                "It needs a class with a predict: class MyRunner(vessl_nb.RunnerBase): ...",
            )
        if len(defined) > 1:
            raise InvalidRunner(
                f"The cell defines {len(defined)} runners: {', '.join(defined)}.",
                f"Mark one of them: %vessl_runner {next(iter(defined))}",
            )
        return next(iter(defined))

    def _runner_name(self, named: str | None) -> str:
        runners = runners_in(self.variables)
        marked = self._marked if self._marked in runners else None
        return choose(
            "runner",
            "--runner",
            named or marked,
            runners,
            "Mark one: put %%vessl_runner on top of the cell of its class.",
        )

    def _model_for(self, runner: Runner, arguments: Namespace, *, needed: bool) -> Any:
        """Give the model to register; None where the runner loads it itself, from files that are there."""
        expression = arguments.model or self._model
        if expression is None and not needed and overrides(runner, "load_model"):
            return None
        step = "Train one first, or say which variable it is: --model NAME"
        candidates = {} if expression else models_in(self.variables)
        return self._value(choose("model", "--model", expression, candidates, step), "--model")

    def _remember(self, arguments: Namespace) -> None:
        self._model = arguments.model or self._model
        self._samples = [arguments.sample] if arguments.sample else self._samples

    def _preview(self, runner: Runner) -> Preview:
        """Preview the remembered sample; where a stage fails, show it, and fail, so that Run All stops."""
        expression = self._model
        if expression is None:
            candidates = models_in(self.variables)
            expression = choose("model", "--model", None, candidates, "") if candidates else None
        model = self._value(expression, "--model") if expression else None
        shown = preview(runner, self._value(self._samples[-1], "--sample"), model)
        if shown.error:
            display(shown)
            raise PreviewFailed(shown.error.what)
        return shown

    def _value(self, expression: str, option: str) -> Any:
        return evaluate(expression, option, self.variables)
