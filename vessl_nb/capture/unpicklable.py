"""Where in an object the thing is that cannot be pickled."""

from __future__ import annotations

import contextlib
import re
import types
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vessl_nb.capture.contents import walk_contents
from vessl_nb.errors import CannotPickle
from vessl_nb.storage.pickling import BufferPickler

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
    culprit = _Found(name, value, _said(error))
    if "recursion" not in culprit.problem:  # then it is as deep as this all the way down
        with contextlib.suppress(Exception):  # objects that cannot even be looked into must not hide what is wrong
            culprit = _search(culprit)
    kind = f"{type(culprit.value).__module__}.{type(culprit.value).__qualname__}".removeprefix("builtins.")
    return CannotPickle(f"Cannot pickle {culprit.path}, a {kind}: {culprit.problem}", way_out, path=culprit.path)


@dataclass(frozen=True, slots=True)
class _Found:
    """Something that cannot be pickled: the way to it, itself, and what pickling it raises."""

    path: str
    value: Any
    problem: str


def _search(root: _Found) -> _Found:
    """Follow what cannot be pickled down to something that holds nothing that cannot.

    Something that fails only because it leads back to where the search has been is not to blame: then the search goes
    on beside it.
    """
    attempts = iter(range(ATTEMPTS))
    met = {id(root.value): root.value}  # they all fail; kept, so that no other object gets the id
    way = [(root, _children(root.value))]
    leads_back: set[int] = set()
    while way:
        found, children = way[-1]
        for step, child in children:
            if id(child) in met:
                leads_back.add(id(found.value))
                continue
            if next(attempts, None) is None:
                return found
            if problem := _problem_of(child):
                met[id(child)] = child
                way.append((_Found(found.path + step, child, problem), _children(child)))
                break
        else:
            if id(found.value) not in leads_back:
                return found
            way.pop()
            if way:
                leads_back.add(id(way[-1][0].value))
    return root


class _Attempt(BufferPickler):
    """Pickles functions without their global names: these are captures, pickled, and explained, by themselves."""

    def reducer_override(self, obj: Any) -> Any:
        reduced = super().reducer_override(obj)
        if isinstance(obj, types.FunctionType) and reduced is not NotImplemented:
            _, _, (_, state), *_ = reduced
            state["__globals__"] = {}
        return reduced


def _problem_of(value: Any) -> str:
    try:
        _Attempt().dump(value)
    except Exception as error:  # noqa: BLE001  # whatever a class's own __reduce__ raises
        return _said(error)
    return ""


def _said(error: Exception) -> str:
    """Give what an error says in one line, without addresses: they differ from run to run."""
    first, *_ = str(error).strip().splitlines() or [""]
    return re.sub(r" at 0x[0-9a-fA-F]+", "", first) or type(error).__name__


def _children(value: Any) -> Iterator[tuple[str, Any]]:
    """Walk what an object holds, and then what is written in those of its classes that cannot be pickled."""
    yield from walk_contents(value)
    if not isinstance(value, type | types.FunctionType):
        for base in type(value).__mro__:
            if _problem_of(base):
                yield from walk_contents(base)
