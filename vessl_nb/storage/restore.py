"""The functions that pickles in a registry name: their names and parameters are part of the disk format.

A pickle calls them while it is read; what they need beside their arguments is in `CONTEXT`. They are never renamed,
never moved, and never take other arguments: what changes gets a new name here.
"""

from __future__ import annotations

import types
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Context:
    """What pickles are read with.

    Attributes
    ----------
    definitions
        The classes and functions that the pickles name, by their keys.
    device
        Where tensors go, such as ``cpu`` or ``cuda:1``; None leaves each where it was, if that is here.
    """

    definitions: dict[str, Any] = field(default_factory=dict)
    device: str | None = None


CONTEXT: ContextVar[Context] = ContextVar("vessl_nb_restore")
"""Set around every reading of a pickle."""


def definition(key: str) -> Any:
    """Give the class or function of this key."""
    return CONTEXT.get().definitions[key]


def closure(key: str, name: str) -> types.FunctionType:
    """Make a function from the template of this key, with cells that `fill_closure` fills.

    The cells come later because they may hold the very object that holds the function.
    """
    template: types.FunctionType = CONTEXT.get().definitions[key]
    cells = tuple(types.CellType() for _ in template.__code__.co_freevars)
    function = types.FunctionType(template.__code__, template.__globals__, name, None, cells)
    function.__qualname__ = template.__qualname__
    function.__module__ = template.__module__
    function.__doc__ = template.__doc__
    return function


def fill_closure(function: types.FunctionType, state: tuple[list[Any], Any, Any, dict[str, Any]]) -> None:
    """Fill a function with its cells (each in a list, which is empty where the cell is), defaults and attributes."""
    cells, function.__defaults__, function.__kwdefaults__, attributes = state
    for cell, held in zip(function.__closure__ or (), cells, strict=True):
        if held:
            cell.cell_contents = held[0]
    function.__dict__.update(attributes)


def torch_storage(buffer: Any, device: str) -> Any:
    """Make an untyped torch storage over a buffer, without a copy where it stays on the CPU.

    Parameters
    ----------
    buffer
        The storage's bytes, writable.
    device
        Where the storage was. It goes there again if that is here, else to the CPU, unless the context says where.
    """
    import torch  # noqa: PLC0415  # only who has tensors has torch

    whole = torch.frombuffer(buffer, dtype=torch.uint8) if len(buffer) else torch.empty(0, dtype=torch.uint8)
    storage = whole.untyped_storage()
    wanted = CONTEXT.get().device
    target = torch.device(wanted or device)
    if target.type == "cpu":
        return storage
    try:
        return storage.to(device=target)
    except (RuntimeError, AssertionError, NotImplementedError):  # what torch raises for a device that is not here
        if wanted:
            raise
        return storage


def torch_typed_storage(storage: Any, dtype: Any) -> Any:
    """Look at an untyped torch storage as one of a dtype."""
    import torch  # noqa: PLC0415  # as above

    # What torch's own loading builds; _internal silences the warning meant for users.
    make: Any = torch.storage.TypedStorage
    return make(wrap_storage=storage, dtype=dtype, _internal=True)
