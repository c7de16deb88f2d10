"""Variables of a notebook that could be its runner or its model."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from vessl_nb.runner import Runner, RunnerBase, overrides

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def runners_in(variables: Mapping[str, Any]) -> dict[str, Runner]:
    """Find the classes that are runners: those that have a `predict`, written in this notebook or imported into it."""
    return {name: value for name, value in own_variables(variables) if _is_runner(value)}


def private_runners_in(variables: Mapping[str, Any]) -> dict[str, Runner]:
    """Find the runners whose names begin with an underscore: each stands under the name that it was written with.

    Where a cell ended with a class, IPython keeps that as well, as ``_`` and ``_3``.
    """
    return {
        name: value
        for name, value in list(variables.items())
        if name.startswith("_") and _is_runner(value) and value.__name__ == name
    }


def find_runner(name: str | None, variables: Mapping[str, Any]) -> Runner | None:
    """Find the runner of a name, which may be in a module, as ``runners.Iris`` is; None where there is none."""
    first, *others = (name or "").split(".")
    value = variables.get(first)
    for other in others:
        value = getattr(value, other, None)
    runner: Runner | None = value if _is_runner(value) else None
    return runner


def _is_runner(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, RunnerBase) and overrides(value, "predict")


def models_in(variables: Mapping[str, Any]) -> dict[str, Any]:
    """Find the instances that could be a model: torch modules, and what has a `predict`; each object once.

    An instance of a runner is none.
    """
    torch = sys.modules.get("torch")
    found: dict[int, tuple[str, Any]] = {}
    for name, value in own_variables(variables):
        if isinstance(value, type | RunnerBase):
            continue
        is_module = torch is not None and isinstance(value, torch.nn.Module) and not _is_loss(torch, value)
        if is_module or callable(getattr(type(value), "predict", None)):
            found.setdefault(id(value), (name, value))
    return dict(found.values())


def _is_loss(torch: Any, value: Any) -> bool:
    """Tell whether a torch module is a loss: a training notebook always has one, and it is never the model."""
    return isinstance(value, torch.nn.modules.loss._Loss)  # noqa: SLF001  # their one base class


def own_variables(variables: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Walk the variables that a user made: IPython's own begin with an underscore, or are In and Out."""
    return (
        (name, value)
        for name, value in list(variables.items())
        if not name.startswith("_") and name not in {"In", "Out", "exit", "quit", "get_ipython", "open"}
    )
