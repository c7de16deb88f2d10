"""A sample through the three stages, timed, each value kept."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from vessl_nb.errors import StageError
from vessl_nb.faces.preview import PreviewFace, StageFace, preview_html, preview_text
from vessl_nb.runner import STAGES, check_runner, overrides
from vessl_nb.values.summary import summarize

if TYPE_CHECKING:
    from vessl_nb.faces.value import ValueFace
    from vessl_nb.runner import Runner


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
    """

    name: str
    state: Literal["ok", "failed", "not run"]
    value: Any = None
    seconds: float = 0.0
    error: StageError | None = None
    overridden: bool = True
    _face: ValueFace | None = None
    _given: ValueFace | None = None

    def face(self) -> StageFace:
        """Give what is shown of it, as plain data."""
        return StageFace(
            name=self.name,
            state=self.state,
            value=self._face,
            seconds=self.seconds if self.state != "not run" else None,
            given=self._given if self.error else None,
            error=self.error.problem if self.error else "",
            lines=tuple(self.error.lines) if self.error else (),
            identity=not self.overridden,
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


def preview(runner_cls: Runner, sample: Any, model: Any = None) -> Preview:
    """Send a sample through a runner's three stages, and keep what each of them returns.

    Parameters
    ----------
    runner_cls
        The runner.
    sample
        What a client would send.
    model
        The model that `predict` gets.

    Returns
    -------
    Preview
        A failing stage is in it, not raised: see its ``ok`` and ``error``.

    Raises
    ------
    InvalidRunner
        The class does not keep the runner's contract.
    """
    return run_stages(check_runner(runner_cls), sample, model)


def answer(runner_cls: Runner, model: Any, data: Any, next_step: str = "") -> Any:
    """Answer one request: preprocess, predict, postprocess.

    Parameters
    ----------
    runner_cls, model
        The runner, and the model that `predict` gets.
    data
        What a client sends.
    next_step
        What the error says is to be done where a stage fails.

    Returns
    -------
    object
        What the client gets.

    Raises
    ------
    StageError
        The runner's code raised; what it raised is the error's ``__cause__``.
    """
    stage = "preprocess_data"
    try:
        ready = runner_cls.preprocess_data(data)
        stage = "predict"
        predicted = runner_cls.predict(model, ready)
        stage = "postprocess_data"
        return runner_cls.postprocess_data(predicted)
    except Exception as error:
        raise StageError.from_exception(runner_cls.__name__, stage, error, next_step) from error


def run_stages(runner_cls: Runner, sample: Any, model: Any) -> Preview:
    """Do what `preview` does, with a runner that is known to keep the contract."""
    # What a person sees is drawn at once: a later stage may change the value in place.
    given = sample_face = summarize(sample)
    value, failed = sample, False
    stages = []
    for name in STAGES:
        overridden = overrides(runner_cls, name)
        if failed:
            stages.append(Stage(name, "not run", overridden=overridden))
            continue
        method = getattr(runner_cls, name)
        arguments = (model, value) if name == "predict" else (value,)
        start = time.perf_counter()
        try:
            value = method(*arguments)
        except Exception as error:  # noqa: BLE001  # whatever the user's code raises is shown
            seconds = time.perf_counter() - start
            raised = StageError.from_exception(runner_cls.__name__, name, error)
            raised.__cause__ = error
            stages.append(Stage(name, "failed", None, seconds, raised, overridden, _given=given))
            failed = True
        else:
            seconds = time.perf_counter() - start
            given = summarize(value) if overridden else given
            stages.append(Stage(name, "ok", value, seconds, None, overridden, given))
    return Preview(runner_cls.__name__, sample, tuple(stages), sample_face)
