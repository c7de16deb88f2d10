"""What a runner takes along, before it is registered: seen in the notebook, nothing written and nothing raised."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, overload

from vessl_nb.capture.cells import cell_of
from vessl_nb.errors import InvalidArgument, VesslError
from vessl_nb.faces.belongings import (
    BelongingsFace,
    belongings_html,
    belongings_text,
    takes_along_html,
    takes_along_lines,
)
from vessl_nb.faces.html import extended
from vessl_nb.faces.preview import preview_html, preview_text
from vessl_nb.faces.previews import previews_html, previews_text
from vessl_nb.runner import check_runner
from vessl_nb.stages import Preview, Previews, run_samples, run_stages
from vessl_nb.values.secrets import mask_secrets

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vessl_nb.manifest import Capture, Requirement
    from vessl_nb.runner import Runner
    from vessl_nb.values.changes import RunMemory

_NOT_GIVEN: Any = object()  # None is a sample


@dataclass(frozen=True, repr=False)
class Captures:
    """What a runner takes along.

    Attributes
    ----------
    runner
        The runner's name.
    names
        The names of the notebook that travel: each with its kind, type, size, place and users, and why it looks like
        a secret.
    modules
        The files of local modules that travel, by path, with their sizes.
    requirements
        The packages it needs, each with its reason.
    reads
        The environment variables that its code reads, each with who does.
    problems
        Why it could not be registered: names that exist nowhere, and values that cannot travel.
    remarks
        What else a person should know, in sentences: names that come from a cell that was changed, secrets, variables
        that are not declared.
    """

    runner: str
    names: tuple[Capture, ...] = ()
    modules: dict[str, int] = field(default_factory=dict)
    requirements: tuple[Requirement, ...] = ()
    reads: dict[str, str] = field(default_factory=dict)
    problems: tuple[VesslError, ...] = ()
    remarks: tuple[str, ...] = ()

    def face(self) -> BelongingsFace:
        """Give what is shown of it, as plain data."""
        from vessl_nb.registry.version_faces import capture_face  # noqa: PLC0415  # as in `captures`

        return BelongingsFace(
            runner=self.runner,
            captures=tuple(map(capture_face, self.names)),
            modules=tuple(self.modules.items()),
            requirements=tuple((mask_secrets(needed.line), needed.reason) for needed in self.requirements),
            reads=tuple(self.reads.items()),
            problems=tuple((mask_secrets(problem.what), mask_secrets(problem.next_step)) for problem in self.problems),
            remarks=tuple(map(mask_secrets, self.remarks)),
        )

    def __repr__(self) -> str:
        return belongings_text(self.face())

    def _repr_html_(self) -> str:
        return belongings_html(self.face())


@dataclass(frozen=True, slots=True)
class RunnerPreview(Preview):
    """A sample's way through a runner's stages, and what the runner takes along.

    Attributes
    ----------
    captures
        What it takes along.
    """

    captures: Captures

    def __repr__(self) -> str:
        return "\n".join([preview_text(self.face()), *takes_along_lines(self.captures.face())])

    def _repr_html_(self) -> str:
        return extended(preview_html(self.face()), takes_along_html(self.captures.face()))


@dataclass(frozen=True, slots=True, repr=False)
class RunnerPreviews(Previews):
    """The way of several samples through a runner's stages, and what the runner takes along.

    Attributes
    ----------
    captures
        What it takes along.
    """

    captures: Captures

    def __repr__(self) -> str:
        return "\n".join([previews_text(self.runner, self.faces()), *takes_along_lines(self.captures.face())])

    def _repr_html_(self) -> str:
        return extended(previews_html(self.runner, self.faces()), takes_along_html(self.captures.face()))


@overload
def preview(runner_cls: Runner, sample: Any, model: Any = None) -> Preview: ...


@overload
def preview(runner_cls: Runner, *, model: Any = None, samples: Sequence[Any]) -> Previews: ...


def preview(
    runner_cls: Runner, sample: Any = _NOT_GIVEN, model: Any = None, *, samples: Sequence[Any] | None = None
) -> Preview | Previews:
    """Send a sample, or several, through a runner's three stages, and keep what each of them returns.

    Parameters
    ----------
    runner_cls
        The runner.
    sample
        What a client would send; a list is one sample.
    model
        The model that `predict` gets.
    samples
        Several samples, in place of the one.

    Returns
    -------
    Preview or Previews
        A failing stage is in it, not raised: see its ``ok`` and ``error``. With `samples` there is one for each.

    Raises
    ------
    InvalidRunner
        The class does not keep the runner's contract.
    InvalidArgument
        There are both a sample and samples, or neither.
    """
    runner = check_runner(runner_cls)
    if (sample is _NOT_GIVEN) == (samples is None):
        raise InvalidArgument(
            f"preview was given {'no sample' if samples is None else 'a sample, and samples as well'}.",
            "Give one: preview(runner, sample, model); or several: preview(runner, samples=[...], model=model).",
        )
    if samples is not None:
        return run_samples(runner, samples, model, cell_of=cell_of)
    return run_stages(runner, sample, model, cell_of=cell_of)


def captures(runner_cls: Runner, model: Any = None) -> Captures:
    """List what a runner takes along, and what is wrong with it; nothing is registered.

    Parameters
    ----------
    runner_cls
        The runner.
    model
        The model: its class travels as well, or the package that has it.

    Returns
    -------
    Captures
        What would be an error of `register_model` is in its ``problems``, not raised.

    Raises
    ------
    InvalidRunner
        The class does not keep the runner's contract.
    """
    # A preview alone, which most sessions begin with, does without all that this brings.
    from vessl_nb.capture.inventory import inventory_of, undefined_in, unpicklable_in  # noqa: PLC0415

    runner = check_runner(runner_cls)
    try:
        inventory = inventory_of(runner, model)
        modules = {path: file.stat().st_size for path, file in inventory.modules.files.items()}
    except VesslError as error:  # a local module whose files cannot travel
        return Captures(runner.__name__, problems=(error,))
    return Captures(
        runner.__name__,
        tuple(inventory.captures),
        modules,
        tuple(inventory.requirements),
        inventory.reads,
        (*undefined_in(inventory.names), *unpicklable_in(inventory.names)),
        tuple(inventory.remarks),
    )


def preview_with_captures(
    runner_cls: Runner, sample: Any, model: Any = None, *, memory: RunMemory | None = None
) -> RunnerPreview:
    """Send a sample through a runner's stages, and list what the runner takes along.

    Parameters
    ----------
    runner_cls, sample, model
        As `preview` takes them.
    memory
        What to hold the run against, and where to remember it.

    Returns
    -------
    RunnerPreview
        What is wrong is in it, not raised: in its ``error`` and its ``captures``.

    Raises
    ------
    InvalidRunner
        The class does not keep the runner's contract.
    """
    shown = run_stages(check_runner(runner_cls), sample, model, memory=memory, cell_of=cell_of)
    # After the stages: code may import a module, or set a global name, when it first runs.
    return RunnerPreview(shown.runner, shown.sample, shown.stages, shown._face, captures(runner_cls, model))  # noqa: SLF001  # it is one


def previews_with_captures(
    runner_cls: Runner, samples: Sequence[Any], model: Any = None, *, memory: RunMemory | None = None
) -> RunnerPreviews:
    """Do what `preview_with_captures` does, with several samples."""
    shown = run_samples(check_runner(runner_cls), samples, model, memory=memory, cell_of=cell_of)
    return RunnerPreviews(shown.runner, shown.previews, captures(runner_cls, model))
