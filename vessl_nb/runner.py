"""RunnerBase and its contract: which methods a runner has, and how they are called.

The data flows ``postprocess_data(predict(model, preprocess_data(data)))``. The contract is that of VESSL's Model
Serving API: methods may be static methods, plain functions or class methods, refused only where they cannot be
called so.

Pickles in a registry name the classes of this module: they are never renamed, and never moved.
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from vessl_nb.errors import InvalidRunner, StageError
from vessl_nb.spelling import choose_by_skin

if TYPE_CHECKING:
    from collections.abc import Callable

InputType = TypeVar("InputType")
OutputType = TypeVar("OutputType")

STAGES = ("preprocess_data", "predict", "postprocess_data")
"""The methods that a sample goes through, in order."""

PARAMETERS = {
    "save_model": ("model",),
    "load_model": ("props", "artifacts"),
    "preprocess_data": ("data",),
    "predict": ("model", "data"),
    "postprocess_data": ("data",),
}
"""What each method of a runner is called with, by position."""


class RunnerBase(ABC, Generic[InputType, OutputType]):
    """The class that a runner derives from.

    Only `predict` must be overridden. ``RunnerBase[In, Out]`` with two pydantic models declares the types of what comes
    in and goes out.
    """

    @staticmethod
    def save_model(model: Any) -> dict[str, str]:
        """Save the model into files in the working directory, which is the root of the version's volume.

        Parameters
        ----------
        model
            The instance that was given to `register_model`.

        Returns
        -------
        dict of str to str
            What `load_model` gets as `props`. Where this method is overridden, `load_model` must be too.
        """
        raise NotImplementedError

    @staticmethod
    def load_model(props: dict[str, str] | None, artifacts: dict[str, str]) -> Any:
        """Load the model from files; the working directory is the root of the version's volume.

        Parameters
        ----------
        props
            What `save_model` returned; None where it is not overridden.
        artifacts
            The dictionary that was given to `register_model`.

        Returns
        -------
        object
            The model, as `predict` wants it.
        """
        raise NotImplementedError

    @staticmethod
    def preprocess_data(data: InputType) -> Any:
        """Turn what a client sends into what the model takes; as it is, where not overridden."""
        return data

    @staticmethod
    @abstractmethod
    def predict(model: Any, data: Any) -> Any:
        """Let the model answer preprocessed data; must be overridden."""
        raise NotImplementedError

    @staticmethod
    def postprocess_data(data: Any) -> OutputType:
        """Turn what `predict` returned into what a client gets; as it is, where not overridden."""
        return data  # type: ignore[no-any-return]  # the identity, whatever type it is


class TorchRunner(RunnerBase[Any, Any]):
    """The runner of `register_torch_model`: the model is called, without gradients."""

    @staticmethod
    def predict(model: Any, data: Any) -> Any:
        """Call the model."""
        import torch  # noqa: PLC0415  # who has a module has torch

        with torch.no_grad():
            return model(data)


Runner = type[RunnerBase[Any, Any]]


def overrides(runner_cls: Runner, method: str) -> bool:
    """Tell whether a runner has a method of its own by this name."""
    return getattr(runner_cls, method) is not getattr(RunnerBase, method)


def check_runner(runner_cls: object) -> Runner:
    """Hold a class against the runner's contract.

    Returns
    -------
    type
        The class itself.

    Raises
    ------
    InvalidRunner
        It is no class, not derived from RunnerBase, has no `predict`, has a method that is async or cannot be called as
        the contract calls it, or saves its model without loading it.
    """
    if not isinstance(runner_cls, type):
        name = type(runner_cls).__name__
        is_instance = isinstance(runner_cls, RunnerBase)
        what = choose_by_skin("runner_cls", "The runner")
        raise InvalidRunner(
            f"{what} must be a class, but this {name} is {'an instance' if is_instance else 'not a class'}.",
            f"Pass the class itself: {choose_by_skin(f'runner_cls={name}', name)}"
            if is_instance
            else "Pass a class that derives from vessl_nb.RunnerBase.",
        )
    if not issubclass(runner_cls, RunnerBase):
        raise InvalidRunner(
            f"{runner_cls.__name__} does not derive from vessl_nb.RunnerBase.",
            f"Write it as: class {runner_cls.__name__}(vessl_nb.RunnerBase): ...",
        )
    if not overrides(runner_cls, "predict"):
        raise InvalidRunner(
            f"{runner_cls.__name__} has no predict.",
            "Add to it: @staticmethod def predict(model, data): ...",
        )
    for method, parameters in PARAMETERS.items():
        if overrides(runner_cls, method):
            _check_callable_with(runner_cls, method, parameters)
    if overrides(runner_cls, "save_model") and not overrides(runner_cls, "load_model"):
        raise InvalidRunner(
            f"{runner_cls.__name__} overrides save_model but not load_model, so nothing could read what it saves.",
            "Add to it: @staticmethod def load_model(props, artifacts): ...",
        )
    return runner_cls


def _check_callable_with(runner_cls: Runner, method: str, parameters: tuple[str, ...]) -> None:
    function: Callable[..., Any] = getattr(runner_cls, method)
    call = f"{method}({', '.join(parameters)})"
    if not callable(function):
        raise InvalidRunner(f"{runner_cls.__name__}.{method} is no function but {function!r}.", f"Write it as {call}.")
    if inspect.iscoroutinefunction(function):
        raise InvalidRunner(
            f"{runner_cls.__name__}.{method} is async, but is called as a plain function.",
            f"Write it as: @staticmethod def {call}",
        )
    try:
        signature = inspect.signature(function)
    except (ValueError, TypeError):  # a C function, say: it cannot be asked
        return
    try:
        signature.bind(*parameters)
    except TypeError:
        raise InvalidRunner(
            f"{runner_cls.__name__}.{method}{signature} cannot be called as {call}.",
            f"Write it as: @staticmethod def {call}",
        ) from None


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
    except (Exception, SystemExit) as error:  # an exit would end the server
        raise StageError.from_exception(runner_cls.__name__, stage, error, next_step) from error
