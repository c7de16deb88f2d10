"""A sample through the three stages, timed, each value kept."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from vessl_nb.errors import StageError
from vessl_nb.faces.preview import PreviewFace, StageFace, preview_html, preview_text
from vessl_nb.faces.previews import previews_html, previews_text
from vessl_nb.faces.words import kind_words
from vessl_nb.runner import STAGES, overrides
from vessl_nb.values.changes import Outcome
from vessl_nb.values.excerpt import excerpt_of
from vessl_nb.values.raised import frames_of, plain_place
from vessl_nb.values.summary import summarize

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from vessl_nb.faces.frames import FrameFace
    from vessl_nb.faces.value import ValueFace
    from vessl_nb.runner import Runner
    from vessl_nb.values.changes import RunMemory


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of a preview.

    Attributes
    ----------
    name
        ``preprocess_data``, ``predict`` or ``postprocess_data``.
    state
        ``ok``, ``failed``, or ``not run`` because an earlier stage failed.
    value
        What it returned; None where it returned nothing.
    seconds
        How long it took; 0.0 where it was not run.
    error
        What it raised, with the user's own lines; None where it did not.
    overridden
        Whether the runner has a method of its own for it; otherwise the value passes through.
    change
        What is different from the last run of the same sample, in words; empty where no run is remembered.
    """

    name: str
    state: Literal["ok", "failed", "not run"]
    value: Any = None
    seconds: float = 0.0
    error: StageError | None = None
    overridden: bool = True
    change: str = ""
    _face: ValueFace | None = None
    _given: ValueFace | None = None
    _frames: tuple[FrameFace, ...] = ()

    def face(self) -> StageFace:
        """Give what is shown of it, as plain data."""
        return StageFace(
            name=self.name,
            state=self.state,
            value=self._face,
            seconds=self.seconds if self.state != "not run" else None,
            given=self._given if self.error else None,
            error=self.error.problem if self.error else "",
            frames=self._frames,
            identity=not self.overridden,
            change=self.change,
        )


@dataclass(frozen=True, slots=True)
class Preview:
    """A sample's way through a runner's stages.

    Attributes
    ----------
    runner
        The runner's name.
    sample
        What went in.
    stages
        The three stages, in order.
    """

    runner: str
    sample: Any
    stages: tuple[Stage, ...]
    _face: ValueFace

    @property
    def ok(self) -> bool:
        """Whether all three stages returned."""
        return self.error is None

    @property
    def error(self) -> StageError | None:
        """What the failing stage raised; None where all is well."""
        return next((stage.error for stage in self.stages if stage.error), None)

    @property
    def output(self) -> Any:
        """What a client would get; None where a stage failed."""
        return self.stages[-1].value

    def face(self) -> PreviewFace:
        """Give what is shown of it, as plain data."""
        return PreviewFace(self.runner, self._face, tuple(stage.face() for stage in self.stages))

    def __repr__(self) -> str:
        return preview_text(self.face())

    def _repr_html_(self) -> str:
        return preview_html(self.face())


@dataclass(frozen=True, slots=True, repr=False)
class Previews:
    """The way of several samples through a runner's stages; a sequence of `Preview`, in the samples' order.

    Attributes
    ----------
    runner
        The runner's name.
    previews
        One for each sample.
    """

    runner: str
    previews: tuple[Preview, ...]

    @property
    def ok(self) -> bool:
        """Whether all three stages returned, for every sample."""
        return self.error is None

    @property
    def error(self) -> StageError | None:
        """What the first stage that failed raised; None where all is well."""
        return next((preview.error for preview in self.previews if preview.error), None)

    @property
    def outputs(self) -> list[Any]:
        """What a client would get for each sample; None where a stage failed."""
        return [preview.output for preview in self.previews]

    def __len__(self) -> int:
        return len(self.previews)

    def __iter__(self) -> Iterator[Preview]:
        return iter(self.previews)

    def __getitem__(self, place: int) -> Preview:
        return self.previews[place]

    def faces(self) -> list[PreviewFace]:
        """Give what is shown of each, as plain data."""
        return [preview.face() for preview in self.previews]

    def __repr__(self) -> str:
        return previews_text(self.runner, self.faces())

    def _repr_html_(self) -> str:
        return previews_html(self.runner, self.faces())


def run_stages(
    runner_cls: Runner,
    sample: Any,
    model: Any,
    *,
    memory: RunMemory | None = None,
    cell_of: Callable[[str], str] = plain_place,
) -> Preview:
    """Send a sample through the stages of a runner that is known to keep the contract.

    Parameters
    ----------
    runner_cls, sample, model
        The runner, what a client would send, and the model that `predict` gets.
    memory
        What to hold the run against, and where to remember it.
    cell_of
        Names the cell that a code's file name stands for; empty where it is not known.

    Returns
    -------
    Preview
        A failing stage is in it, not raised.
    """
    # What a person sees is drawn at once: a later stage may change the value in place.
    given = sample_face = summarize(sample)
    sample_excerpt = excerpt_of(sample) if memory is not None else None
    value, failed = sample, False
    stages: list[Stage] = []
    outcomes: list[Outcome] = []
    for name in STAGES:
        overridden = overrides(runner_cls, name)
        if failed:
            stages.append(Stage(name, "not run", overridden=overridden))
            outcomes.append(Outcome())
            continue
        method = getattr(runner_cls, name)
        arguments = (model, value) if name == "predict" else (value,)
        start = time.perf_counter()
        try:
            value = method(*arguments)
        except (Exception, SystemExit) as error:  # noqa: BLE001  # whatever the user's code raises is shown
            seconds = time.perf_counter() - start
            raised = StageError.from_exception(runner_cls.__name__, name, error)
            raised.__cause__ = error
            frames = frames_of(error, cell_of)
            stages.append(Stage(name, "failed", None, seconds, raised, overridden, _given=given, _frames=frames))
            outcomes.append(Outcome(problem=raised.problem))
            failed = True
        else:
            seconds = time.perf_counter() - start
            given = summarize(value) if overridden else given
            stages.append(Stage(name, "ok", value, seconds, None, overridden, _face=given))
            # What was only passed on is the change of the stage before.
            kept = excerpt_of(value) if memory is not None and overridden else None
            outcomes.append(Outcome(kept, kind_words(given)))
    if memory is not None and sample_excerpt is not None:
        changes = memory.changes(sample_excerpt, outcomes)
        stages = [replace(stage, change=change) for stage, change in zip(stages, changes, strict=True)]
    return Preview(runner_cls.__name__, sample, tuple(stages), sample_face)


def run_samples(
    runner_cls: Runner,
    samples: Sequence[Any],
    model: Any,
    *,
    memory: RunMemory | None = None,
    cell_of: Callable[[str], str] = plain_place,
) -> Previews:
    """Send each of several samples through the stages, as `run_stages` does with one."""
    previews = (run_stages(runner_cls, sample, model, memory=memory, cell_of=cell_of) for sample in samples)
    return Previews(runner_cls.__name__, tuple(previews))
