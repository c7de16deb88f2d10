"""Tensors that are small views of large storages: the whole storage is stored, which is seldom meant."""

from __future__ import annotations

import contextlib
import warnings
from collections import deque
from typing import TYPE_CHECKING, Any

from vessl_nb.capture.contents import walk_contents
from vessl_nb.faces.words import size_words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vessl_nb.storage.pickling import Viewed

WORTH_SAYING = 1 << 20
"""How many bytes must be stored in vain before that is said."""

_MOST_OBJECTS = 10_000
"""How many objects are looked through for a tensor's name."""


def warn_of_wide_views(viewed: list[Viewed], roots: Mapping[str, Any]) -> None:
    """Warn of storages of which the tensors that were pickled use less than half.

    Parameters
    ----------
    viewed
        The storages, with the tensors that look at them.
    roots
        What was pickled, by the names that the user has for it.
    """
    for storage in viewed:
        used = storage.used() if storage.size >= WORTH_SAYING else storage.size
        if storage.size - used >= WORTH_SAYING and used * 2 <= storage.size:
            name = ""
            with contextlib.suppress(Exception):  # what users' classes raise when they are looked into
                name = _find_name(storage.tensors[0], roots)
            name = name or "a tensor"
            warnings.warn(
                f"{name} keeps a storage of {size_words(storage.size)} alive, of which {size_words(used)} are used; "
                f"all of it is stored. {name}.clone() has memory of its own.",
                stacklevel=2,
            )


def _find_name(wanted: Any, roots: Mapping[str, Any]) -> str:
    """Search for an object breadth first, so that the shortest way to it is found; empty where it is not found."""
    waiting = deque(roots.items())
    met: dict[int, Any] = {}  # kept, so that no other object gets the id
    while waiting and len(met) < _MOST_OBJECTS:
        name, value = waiting.popleft()
        if value is wanted:
            return name
        if id(value) not in met:
            met[id(value)] = value
            waiting.extend((name + step, child) for step, child in walk_contents(value))
    return ""
