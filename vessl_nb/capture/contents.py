"""What an object holds, and what a user would write to come to it."""

from __future__ import annotations

import collections
import contextlib
import copyreg
import functools
import inspect
import sys
import types
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_LONGEST_KEY = 60  # characters


def walk_contents(value: Any) -> Iterator[tuple[str, Any]]:
    """Walk what an object holds, with the text that leads to it from the object; no text where it is the same thing."""
    if isinstance(value, type):
        yield from _members(value)
        return
    if isinstance(value, dict):
        yield from ((f"[{_key(key)}]", child) for key, child in list(value.items()))
    elif isinstance(value, tuple) and hasattr(value, "_fields"):
        yield from ((f".{name}", child) for name, child in zip(value._fields, value, strict=True))
    elif isinstance(value, list | tuple | collections.deque):
        yield from ((f"[{index}]", child) for index, child in enumerate(list(value)))
    elif isinstance(value, functools.partial):
        yield ".func", value.func
        yield from ((f".args[{index}]", child) for index, child in enumerate(value.args))
        yield from ((f".keywords[{name!r}]", child) for name, child in value.keywords.items())
    elif isinstance(value, types.MethodType):
        yield ".__self__", value.__self__
    elif isinstance(value, staticmethod | classmethod):
        yield "", value.__func__
    elif isinstance(value, property):
        yield from (("", function) for function in (value.fget, value.fset, value.fdel) if function)
    if isinstance(value, types.FunctionType):
        yield from _variables(value)
    else:
        yield from _attributes(value)


def _variables(function: types.FunctionType) -> Iterator[tuple[str, Any]]:
    """Walk what a function keeps: its closure, its defaults, its attributes."""
    for variable, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        with contextlib.suppress(ValueError):  # it is empty
            yield f" -> {variable}", cell.cell_contents
    for name, parameter in _parameters(function).items():
        yield f" -> {name}", parameter.default
    yield from ((f".{name}", child) for name, child in vars(function).items())


def _parameters(function: types.FunctionType) -> Mapping[str, inspect.Parameter]:
    try:
        parameters = inspect.signature(function, follow_wrapped=False).parameters
    except (TypeError, ValueError):  # somebody wrote a __signature__ that is none
        return {}
    return {name: parameter for name, parameter in parameters.items() if parameter.default is not parameter.empty}


def _attributes(value: Any) -> Iterator[tuple[str, Any]]:
    """Walk the attributes of an object that are pickled with it."""
    for name, child in _state(value).items():
        if name in {"_modules", "_parameters", "_buffers"} and isinstance(child, dict):
            # A torch module's parts are its attributes to the user.
            yield from ((f".{part}", inner) for part, inner in child.items())
        elif not _is_inside(str(name), type(value)):
            yield f".{name}", child


def _state(value: Any) -> dict[str, Any]:
    """Give what pickle takes of an object's attributes: what ``__getstate__`` leaves out is not to blame."""
    try:
        reduced = value.__reduce_ex__(5)
    except Exception:  # noqa: BLE001  # it is the object itself that refuses, in whatever way
        return {}
    state = reduced[2] if isinstance(reduced, tuple) and len(reduced) > 2 else None  # noqa: PLR2004  # as pickle has it
    # With slots it is a pair: those in the __dict__, if there is one, and those in slots.
    parts = [part for part in (state if isinstance(state, tuple) else (state,)) if part is not None]
    if parts and all(isinstance(part, dict) for part in parts):
        return {name: child for part in parts for name, child in part.items()}
    slots = getattr(copyreg, "_slotnames")(type(value))  # noqa: B009  # as pickle finds them; typeshed has no such name
    return {**getattr(value, "__dict__", {}), **{name: getattr(value, name) for name in slots if hasattr(value, name)}}


def _members(cls: type) -> Iterator[tuple[str, Any]]:
    """Walk what is written in the body of a class, without what Python adds to it and pickles do not hold."""
    added = (types.GetSetDescriptorType, types.MemberDescriptorType)
    for name, member in list(vars(cls).items()):
        if name != "_abc_impl" and not isinstance(member, added):
            yield f".{name}", member


def _is_inside(name: str, cls: type) -> bool:
    """Whether an attribute is none of the user's business, who cannot change it: the object itself is to be named."""
    if any(base.__module__.startswith("torch.jit.") for base in cls.__mro__):
        return True
    return name.startswith("_") and cls.__module__.partition(".")[0] in sys.stdlib_module_names


def _key(key: Any) -> str:
    """Write a dictionary's key, or its type where that would be long or tell an address."""
    try:
        text = repr(key)
    except Exception:  # noqa: BLE001  # whatever a class's own __repr__ raises
        text = ""
    if text and " at 0x" not in text and len(text) <= _LONGEST_KEY:
        return text
    return f"{text[:_LONGEST_KEY]}…" if isinstance(key, str | bytes) else f"<{type(key).__qualname__}>"
