"""Where in an object the thing is that cannot be pickled."""

from __future__ import annotations

import contextlib
import types
from io import BytesIO
from typing import TYPE_CHECKING, Any

import cloudpickle

from vessl_nb.errors import CannotPickle

if TYPE_CHECKING:
    from collections.abc import Iterator

ATTEMPTS = 500
"""How many objects are tried at most: the search is for an error message, and must end soon."""


def explain_unpicklable(value: Any, name: str, error: Exception, way_out: str) -> CannotPickle:
    """Build the error that names the innermost object that cannot be pickled.

    Parameters
    ----------
    value
        What could not be pickled.
    name
        What the user calls it, such as ``model``.
    error
        What pickling it raised.
    way_out
        What the user can do about it.
    """
    attempts = iter(range(ATTEMPTS))
    path, culprit, problem = name, value, str(error)
    searching = True
    while searching:
        searching = False
        for step, child in _children(culprit):
            if next(attempts, None) is None:
                break
            found = _problem_of(child)
            if found:
                path, culprit, problem, searching = path + step, child, found, True
                break
    kind = f"{type(culprit).__module__}.{type(culprit).__qualname__}".removeprefix("builtins.")
    return CannotPickle(f"Cannot pickle {path}, a {kind}: {problem}", way_out, path=path)


class _Attempt(cloudpickle.Pickler):  # type: ignore[misc]  # cloudpickle ships no types
    """Pickles functions without their global names: these are captures, pickled, and explained, by themselves."""

    def reducer_override(self, obj: Any) -> Any:
        reduced = super().reducer_override(obj)
        if isinstance(obj, types.FunctionType) and reduced is not NotImplemented:
            _, _, (_, state), *_ = reduced
            state["__globals__"] = {}
        return reduced


def _problem_of(value: Any) -> str:
    try:
        _Attempt(BytesIO(), protocol=5).dump(value)
    except Exception as error:  # noqa: BLE001  # whatever a class's own __reduce__ raises
        return str(error) or type(error).__name__
    return ""


def _children(value: Any) -> Iterator[tuple[str, Any]]:
    """Walk what an object holds, with the text that leads to it from the object."""
    if isinstance(value, dict):
        yield from ((f"[{key!r}]", child) for key, child in list(value.items()))
    elif isinstance(value, list | tuple):
        yield from ((f"[{index}]", child) for index, child in enumerate(value))
    else:
        for name, child in list(getattr(value, "__dict__", {}).items()):
            if name in {"_modules", "_parameters", "_buffers"} and isinstance(child, dict):
                # A torch module's parts are its attributes to the user.
                yield from ((f".{part}", inner) for part, inner in child.items())
            else:
                yield f".{name}", child
        cells = zip(value.__code__.co_freevars, value.__closure__ or (), strict=True) if _is_function(value) else ()
        for variable, cell in cells:
            with contextlib.suppress(ValueError):  # it is empty
                yield f" -> {variable}", cell.cell_contents


def _is_function(value: Any) -> bool:
    return hasattr(value, "__code__") and hasattr(value, "__closure__")
