"""The magics: each gathers arguments, calls one function, and gives back what it returns."""

from __future__ import annotations

import asyncio
import functools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from IPython.core.magic import Magics, line_cell_magic, line_magic, magics_class, needs_local_scope, no_var_expand
from IPython.core.magic_arguments import argument, magic_arguments
from IPython.display import display

import vessl_nb as vessl  # whose names bring what they need at the first use: %load_ext is to be quick
from vessl_nb.errors import InvalidArgument, InvalidRunner, VesslError
from vessl_nb.notebook.arguments import choose, evaluate, expand, parse_line, parse_tags
from vessl_nb.notebook.candidates import models_in, runners_in
from vessl_nb.registry.names import parse_reference
from vessl_nb.runner import check_runner, overrides

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable

    from IPython.core.interactiveshell import InteractiveShell

    from vessl_nb.belongings import Captures, RunnerPreview, RunnerPreviews
    from vessl_nb.loading import LoadedModel
    from vessl_nb.notebook.form_widget import RegisterForm
    from vessl_nb.notebook.versions_table import VersionsTable as LiveTable
    from vessl_nb.registry.listing import VersionsTable
    from vessl_nb.registry.version import CheckReport, Version
    from vessl_nb.runner import Runner
    from vessl_nb.values.changes import RunMemory


class CellFailed(VesslError):
    """The cell under a magic failed; IPython has shown its traceback already."""

    def _render_traceback_(self) -> list[str]:
        return []


class PreviewFailed(VesslError):
    """A stage failed; the preview above the error shows where and why."""


@dataclass(slots=True)
class _Remembered:
    """What was said with a runner: expressions, evaluated anew each time they are used."""

    model: str | None = None
    samples: list[str] = field(default_factory=list)
    examples: list[str] = field(default_factory=list)  # the last samples that came through all three stages
    runs: RunMemory | None = None


def _typed(magic: Callable[..., Any]) -> Callable[..., Any]:
    """Give a magic its line expanded and taken apart; a semicolon at the end silences what it returns.

    IPython's `output_can_be_silenced` leaves the semicolon in the line, and asks Python's tokenizer for it, after the
    magic has run: a line that is no Python, such as ``--description (draft``, would then fail.
    """

    @no_var_expand
    @needs_local_scope
    @functools.wraps(magic)
    def run(magics: VesslMagics, line: str, *cell: str, local_ns: dict[str, Any] | None = None) -> Any:
        silent = any(text.rstrip().endswith(";") for text in (line, *cell))
        typed = expand(line.rstrip().removesuffix(";"), magics.variables | (local_ns or {}))
        result = magic(magics, parse_line(run.parser, typed), *cell)  # type: ignore[attr-defined]  # by magic_arguments
        return None if silent else result

    return run


@magics_class
class VesslMagics(Magics):
    """The magics of vessl_nb."""

    def __init__(self, shell: InteractiveShell) -> None:
        super().__init__(shell)
        self._shell = shell
        # By name: a cell that is run again makes a new class, and the name means that one.
        self._marked: str | None = None
        self._remembered: dict[str, _Remembered] = {}

    @property
    def variables(self) -> dict[str, Any]:
        """The notebook's variables."""
        variables: dict[str, Any] = self._shell.user_ns
        return variables

    @magic_arguments()
    @argument("name", nargs="?", help="A runner class that exists already; not for the cell form.")
    @argument("--model", "-m", metavar="EXPR", help="The model that predict gets: a variable, or an expression.")
    @argument("--sample", "-s", metavar="EXPR", action="append", help="What a client might send; may be given again.")
    @_typed
    @line_cell_magic
    def vessl_runner(self, arguments: Namespace, cell: str | None = None) -> Runner | RunnerPreview | RunnerPreviews:
        """Mark a class as the notebook's runner.

        ``%%vessl_runner`` runs the cell and marks the subclass of RunnerBase that it defines; ``%vessl_runner NAME``
        marks a class that exists. With ``--sample`` the sample's way through the three stages is shown at once, and
        what the runner takes along::

            %%vessl_runner --model clf --sample '{"x": [5.1, 3.5, 1.4, 0.2]}'
            class IrisRunner(vessl.RunnerBase):
                ...

        Run again, the cell shows the last sample's way again, and what is different now; ``--sample`` may be left out.
        """
        if cell is not None and arguments.name is not None:
            raise InvalidArgument(
                f"%%vessl_runner marks the class that its cell defines, and takes no name: {arguments.name}",
                f"Take the name away; %vessl_runner {arguments.name} marks a class that exists.",
            )
        name = self._run_cell(cell) if cell is not None else self._runner_name(arguments.name, "%vessl_runner")
        runner = check_runner(self._value(name, "%vessl_runner"))
        self._marked = name
        if arguments.sample is not None or (cell is not None and self._recall(name).samples):
            return self._preview(name, runner, arguments)
        if arguments.model is not None:
            self._value(arguments.model, "--model")
            self._recall(name).model = arguments.model
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
    @_typed
    @line_magic
    def vessl_preview(self, arguments: Namespace) -> RunnerPreview | RunnerPreviews:
        """Show a sample's way through the runner's three stages, and what the runner takes along.

        ::

            %vessl_preview --sample '{"x": [5.1, 3.5, 1.4, 0.2]}'

        Of several samples each is a row. Each stage says what is different from the last run of the same sample.
        """
        name = self._runner_name(arguments.runner, "--runner")
        return self._preview(name, check_runner(self._value(name, "--runner")), arguments)

    @magic_arguments()
    @argument(
        "--runner", "-r", metavar="NAME", help="The runner; the marked one, or the notebook's only one, if left out."
    )
    @argument("--model", "-m", metavar="EXPR", help="The model: a variable, or an expression.")
    @_typed
    @line_magic
    def vessl_captures(self, arguments: Namespace) -> Captures:
        """Show what the runner takes along: names, local modules, packages, and what is wrong with them.

        ::

            %vessl_captures

        Nothing is registered.
        """
        name = self._runner_name(arguments.runner, "--runner")
        runner = check_runner(self._value(name, "--runner"))
        return vessl.captures(runner, self._model_for(name, arguments, required=False))

    @magic_arguments()
    @argument(
        "repository",
        nargs="?",
        help="The model repository, with a number to overwrite a model: iris, iris:3, org/iris; needed without --form.",
    )
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
    @argument("--no-check", action="store_true", help="Register without trying the examples in a clean process.")
    @argument("--no-examples", action="store_true", help="Keep no examples; they are tried all the same.")
    @argument("--form", action="store_true", help="Show a form, filled in with the rest of the line.")
    @_typed
    @line_magic
    def vessl_register(self, arguments: Namespace) -> Version | RegisterForm:
        """Register the notebook's runner and model as a new version.

        ::

            %vessl_register iris --tag accuracy=0.97 --alias champion

        The last sample that passed a preview is kept as its example, unless others are given. Before anything is
        registered, the examples are tried in a clean process. With ``--form`` all of this is asked for in a form, which
        shows the line that does the same.
        """
        artifacts = self._value(arguments.artifacts, "--artifacts") if arguments.artifacts is not None else None
        if arguments.form:
            return vessl.register_form(
                arguments.repository,
                runner=arguments.runner,
                model=arguments.model,
                samples=arguments.sample,
                artifacts=artifacts,
                requirements=arguments.requirement,
                tags=parse_tags(arguments.tag),
                aliases=arguments.alias,
                description=arguments.description or "",
                env=arguments.env,
                check=not arguments.no_check,
                store_examples=not arguments.no_examples,
            )
        if arguments.repository is None:  # argparse says it so where something is always needed
            raise InvalidArgument(
                "%vessl_register: the following arguments are required: repository",
                "%vessl_register? shows what it takes.",
            )
        target = parse_reference(arguments.repository)
        if target.alias is not None or target.revision is not None:
            raise InvalidArgument(
                f"{arguments.repository!r} names a version that exists.",
                f"Register a new one in {target.repository!r}, or overwrite a number: '{target.repository}:3'.",
            )
        name = self._runner_name(arguments.runner, "--runner")
        runner = check_runner(self._value(name, "--runner"))
        # One that only reads files gets none, for a model that has its files.
        reads_files = target.number is not None and overrides(runner, "load_model")
        model = None
        if not reads_files or overrides(runner, "save_model") or arguments.model is not None:
            model = self._model_for(name, arguments, required=not reads_files)
        return vessl.register_model(
            target.repository,
            target.number,
            runner,
            model,
            arguments.requirement,
            artifacts,
            sample=self._examples_for(name, arguments.sample or []) or None,
            tags=parse_tags(arguments.tag),
            aliases=arguments.alias,
            description=arguments.description or "",
            env=arguments.env,
            check=not arguments.no_check,
            store_examples=not arguments.no_examples,
            organization_name=target.organization,
        )

    @magic_arguments()
    @argument("reference", help="The version: iris (the newest), iris:3, iris:champion, iris:3@1, org/iris:3.")
    @argument("--record", action="store_true", help="Keep the result with the version, whatever it is.")
    @_typed
    @line_magic
    def vessl_check(self, arguments: Namespace) -> CheckReport:
        """Try a version's examples in a clean process, and compare the answers with those of when it was registered.

        ::

            %vessl_check iris:3
        """
        return vessl.check(arguments.reference, record=arguments.record)

    @magic_arguments()
    @argument("repository", nargs="?", help="The model repository; all of them, if left out.")
    @_typed
    @line_magic
    def vessl_versions(self, arguments: Namespace) -> VersionsTable | LiveTable:
        """Show the versions of a model repository, newest first.

        ::

            %vessl_versions iris

        In a notebook the table can be sorted, searched and opened, and stays up to date; what is selected in it is
        the ``selected`` of what is returned.
        """
        if getattr(self._shell, "kernel", None) is not None:
            return vessl.versions_table(arguments.repository)
        from vessl_nb.registry.listing import VersionsTable  # noqa: PLC0415  # as quick as above

        return VersionsTable(arguments.repository)  # a terminal draws no widgets

    @magic_arguments()
    @argument("reference", help="The version: iris (the newest), iris:3, iris:champion, iris:3@1, org/iris:3.")
    @argument("--device", metavar="NAME", help="Where tensors go, such as cpu or cuda:1.")
    @_typed
    @line_magic
    def vessl_load(self, arguments: Namespace) -> LoadedModel:
        """Load a version; its ``run(data)`` answers a request.

        ::

            model = %vessl_load iris:champion
        """
        return vessl.load(arguments.reference, arguments.device)

    @magic_arguments()
    @argument("reference", help="The version: iris (the newest), iris:3, iris:3@1, org/iris:3, or another alias.")
    @argument("alias", help="The name that is to point at it.")
    @_typed
    @line_magic
    def vessl_alias(self, arguments: Namespace) -> Version:
        """Let an alias point at a version; it moves where it pointed at another.

        ::

            %vessl_alias iris:3 champion
        """
        return vessl.set_alias(arguments.reference, arguments.alias)

    def _run_cell(self, cell: str) -> str:
        """Run the cell, and find the one runner that it defined."""
        if _in_event_loop() and self._shell.should_run_async(cell, transformed_cell=self._shell.transform_cell(cell)):
            raise InvalidArgument(
                "The cell awaits something outside of its functions, which under a cell magic it cannot.",
                "Run it without %%vessl_runner, then mark its class: %vessl_runner NAME",
            )
        before = runners_in(self.variables)
        # A comment stands for the magic's own line, so that tracebacks count lines as the cell shows them.
        result = self._shell.run_cell(cell if cell.lstrip().startswith("%%") else f"#\n{cell}")
        if not result.success:
            error = result.error_before_exec or result.error_in_exec
            said = ": ".join(filter(None, [type(error).__name__, str(error)]))
            raise CellFailed(f"The cell failed: {said}")
        defined = self._defined_since(before)
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

    def _defined_since(self, before: dict[str, Runner]) -> list[str]:
        """Name the runners that are new, each class once; an imported one counts only where none was written."""
        after = runners_in(self.variables)
        new = {runner: name for name, runner in reversed(after.items()) if before.get(name) is not runner}
        written = {runner: name for runner, name in new.items() if runner.__module__ == self.variables.get("__name__")}
        return list((written or new).values())[::-1]

    def _runner_name(self, named: str | None, option: str) -> str:
        runners = runners_in(self.variables)
        marked = self._marked if self._marked in runners else None
        return choose(
            "runner",
            option,
            marked if named is None else named,
            runners,
            "Mark one: put %%vessl_runner on top of the cell of its class.",
        )

    def _recall(self, name: str) -> _Remembered:
        return self._remembered.setdefault(name, _Remembered())

    def _model_for(self, name: str, arguments: Namespace, *, required: bool) -> Any:
        """Give the model on the line, the one remembered, or the notebook's only one; None where it has none."""
        if arguments.model is not None:
            return self._value(arguments.model, "--model")
        remembered = self._recall(name).model
        if remembered is not None:
            return self._value(remembered, "The remembered --model")
        candidates = models_in(self.variables)
        if not candidates and not required:
            return None
        step = "Train one first, or say which variable it is: --model NAME"
        return self._value(choose("model", "--model", None, candidates, step), "--model")

    def _examples_for(self, name: str, given: list[str]) -> list[Any]:
        """Give the samples on the line, or the last that passed; where none did, the last: it is to be seen to fail."""
        remembered = self._recall(name)
        if given:
            values = [self._value(sample, "--sample") for sample in given]
            remembered.samples = given
            return values
        return [self._value(sample, "The remembered --sample") for sample in remembered.examples or remembered.samples]

    def _preview(self, name: str, runner: Runner, arguments: Namespace) -> RunnerPreview | RunnerPreviews:
        """Preview the samples, and remember them; where a stage fails, show it, and fail, so that Run All stops."""
        remembered = self._recall(name)
        model = self._model_for(name, arguments, required=False)
        expressions = arguments.sample or remembered.samples
        if not expressions:
            raise InvalidArgument("There is no sample to preview.", "Give one: --sample '{\"x\": [1, 2]}'")
        option = "--sample" if arguments.sample else "The remembered --sample"
        samples = [self._value(expression, option) for expression in expressions]
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
        remembered.model = remembered.model if arguments.model is None else arguments.model
        remembered.samples = expressions
        if any(passed):
            remembered.examples = [sample for sample, is_well in zip(expressions, passed, strict=True) if is_well]
        if shown.error:
            display(shown)
            raise PreviewFailed(shown.error.what)
        return shown

    def _value(self, expression: str, option: str) -> Any:
        return evaluate(expression, option, self.variables)


def _in_event_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
