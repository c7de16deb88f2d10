"""Methods that the standard library wrote into a class: they are made again where it is loaded, not taken along.

Their code is in no cell, and another Python writes it in another way.
"""

from __future__ import annotations

import collections
import dataclasses
import functools
import reprlib
import types
from typing import Any

from vessl_nb.storage import restore

_BY_DATACLASS = {
    "__init__", "__repr__", "__eq__", "__lt__", "__le__", "__gt__", "__ge__", "__hash__", "__setattr__", "__delattr__",
    "__replace__",
}  # fmt: skip

_PARAMETERS = ("init", "repr", "eq", "order", "unsafe_hash", "frozen")

_KEPT = {"__module__", "__doc__"}
"""What is another in each named tuple."""


def own_members(cls: type) -> dict[str, Any]:
    """Give what a class was given by hand: what ``dataclass`` or a named tuple wrote into it is left out."""
    members = dict(vars(cls))
    if "__dataclass_fields__" in members:
        return {name: value for name, value in members.items() if not _is_by_dataclass(name, value)}
    if is_named_tuple(cls):
        twin = collections.namedtuple(cls.__name__, cls._fields)  # type: ignore[attr-defined, misc]  # noqa: PYI024
        plain = set(vars(twin))  # of a name of its own: a class that nothing holds is emptied when garbage is collected
        return {name: value for name, value in members.items() if name not in plain or name in _KEPT}
    return members


def implementations_of(function: types.FunctionType) -> dict[type, Any] | None:
    """Give the implementations of a ``functools.singledispatch`` function, by type; None where it is none."""
    registry = getattr(function, "registry", None)
    if isinstance(registry, types.MappingProxyType) and function.__code__.co_filename == functools.__file__:
        return dict(registry)
    return None


def is_named_tuple(cls: type) -> bool:
    """Tell whether a class is one that ``namedtuple`` made itself, not one derived from it."""
    return issubclass(cls, tuple) and cls.__bases__ == (tuple,) and "_field_defaults" in vars(cls)


def without_generated(cls: type, reduced: tuple[Any, ...]) -> tuple[Any, ...]:
    """Leave the generated methods of a dataclass or named tuple out of what pickles it.

    Parameters
    ----------
    cls
        The class, which travels by value.
    reduced
        How cloudpickle takes it apart: what makes it, with what, its attributes, and at the end what sets these.
    """
    attributes, slots = reduced[2]
    is_dataclass = "__dataclass_fields__" in vars(cls)
    if not is_dataclass and not is_named_tuple(cls):
        return reduced
    own = own_members(cls)
    state = {name: value for name, value in attributes.items() if name in own}, slots
    if is_dataclass:
        # What dataclass keeps of its parameters has other parts in another Python.
        parameters = {part: getattr(cls.__dataclass_params__, part) for part in _PARAMETERS}  # type: ignore[attr-defined]
        state[0]["__dataclass_params__"] = parameters
        return (*reduced[:2], state, *reduced[3:5], restore.dataclass_state)
    made = (cls.__name__, cls._fields, cls._field_defaults)  # type: ignore[attr-defined]
    return (restore.named_tuple, made, state, *reduced[3:])


def _is_by_dataclass(name: str, value: Any) -> bool:
    if name not in _BY_DATACLASS or not isinstance(value, types.FunctionType):
        return False
    return value.__code__.co_filename in {"<string>", dataclasses.__file__, reprlib.__file__}
