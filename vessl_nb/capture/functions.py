"""Functions behind a value: those of a class, and those that decorators were put around."""

from __future__ import annotations

import sys
import types
from typing import TYPE_CHECKING, Any

from vessl_nb.capture.generated import own_members

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def functions_behind(value: Any) -> Iterator[types.FunctionType]:
    """Walk the functions that a value is made of.

    Parameters
    ----------
    value
        A function, also one that was wrapped, by closures or as ``functools.wraps`` notes it; a class, with the classes
        in it; a property or a method. Behind anything else there is none.
    """
    left = [value]
    met: dict[int, Any] = {}  # with the objects, so that no other gets an id of theirs meanwhile
    while left:
        inner = left.pop()
        if id(inner) in met:  # a class may refer to itself, and a function be wrapped around itself
            continue
        met[id(inner)] = inner
        if isinstance(inner, type):
            left += own_members(inner).values()
        elif isinstance(inner, property):
            left += [inner.fget, inner.fset, inner.fdel]
        elif isinstance(inner, types.FunctionType):
            yield inner
            left += [vars(inner).get("__wrapped__"), *_closed_over_by(inner)]
        else:
            left.append(_wrapped_by(inner))


def is_another(live: Any, written: Any) -> bool:
    """Tell whether a name has another class or function by now than the one it was given to."""
    if not isinstance(live, type | types.FunctionType):
        return False
    of_live = {id(function) for function in functions_behind(live)}
    return not any(id(function) in of_live for function in functions_behind(written))


def namespace_of(written: Any) -> Mapping[str, Any]:
    """Give the global names of a function, or of those of a class."""
    if isinstance(written, types.FunctionType):
        return written.__globals__
    for member in vars(written).values():
        function = getattr(member, "__func__", member)
        if isinstance(function, types.FunctionType) and function.__module__ == written.__module__:
            return function.__globals__
    return vars(sys.modules.get(written.__module__, types))


def _closed_over_by(function: types.FunctionType) -> Iterator[types.FunctionType]:
    for cell in function.__closure__ or ():
        try:
            if isinstance(cell.cell_contents, types.FunctionType):
                yield cell.cell_contents
        except ValueError:  # it is empty
            continue


def _wrapped_by(value: Any) -> Any:
    if isinstance(value, types.MethodType | staticmethod | classmethod):
        return value.__func__
    try:
        return vars(value).get("__wrapped__")
    except Exception:  # noqa: BLE001  # whatever a user's object does when it is looked into
        return None
