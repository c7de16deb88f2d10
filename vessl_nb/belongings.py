"""What a runner takes along, before it is registered: seen in the notebook, nothing written and nothing raised."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from vessl_nb.capture.inventory import inventory_of, undefined_in, unpicklable_in
from vessl_nb.errors import VesslError
from vessl_nb.faces.belongings import (
    BelongingsFace,
    belongings_html,
    belongings_text,
    takes_along_html,
    takes_along_lines,
)
from vessl_nb.faces.html import extended
from vessl_nb.faces.preview import preview_html, preview_text
from vessl_nb.registry.version import capture_face
from vessl_nb.runner import check_runner
from vessl_nb.stages import Preview, run_stages

if TYPE_CHECKING:
    from vessl_nb.manifest import Capture, Requirement
    from vessl_nb.runner import Runner


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
        return BelongingsFace(
            runner=self.runner,
            captures=tuple(map(capture_face, self.names)),
            modules=tuple(self.modules.items()),
            requirements=tuple((needed.line, needed.reason) for needed in self.requirements),
            reads=tuple(self.reads.items()),
            problems=tuple((problem.what, problem.next_step) for problem in self.problems),
            remarks=self.remarks,
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


def preview_with_captures(runner_cls: Runner, sample: Any, model: Any = None) -> RunnerPreview:
    """Send a sample through a runner's stages, and list what the runner takes along.

    Parameters
    ----------
    runner_cls, sample, model
        As `preview` takes them.

    Returns
    -------
    RunnerPreview
        What is wrong is in it, not raised: in its ``error`` and its ``captures``.

    Raises
    ------
    InvalidRunner
        The class does not keep the runner's contract.
    """
    shown = run_stages(check_runner(runner_cls), sample, model)
    # After the stages: code may import a module, or set a global name, when it first runs.
    return RunnerPreview(shown.runner, shown.sample, shown.stages, shown._face, captures(runner_cls, model))  # noqa: SLF001  # it is one
