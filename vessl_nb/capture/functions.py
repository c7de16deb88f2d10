"""Functions behind a value: those of a class, and those that decorators were put around."""

from __future__ import annotations

import types
from typing import TYPE_CHECKING, Any

from vessl_nb.capture.generated import own_members

if TYPE_CHECKING:
    from collections.abc import Iterator


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
