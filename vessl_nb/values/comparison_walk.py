"""The walk through two encoded values, form by form, and what comes of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from vessl_nb.faces.words import one_line
from vessl_nb.values.comparison_words import MOST_CHARACTERS, kind_of, typed_words, words_of

_DOUBLE = 8  # bytes
_PLAIN = {type(None), bool, int, float, str}


@dataclass(frozen=True, slots=True)
class Comparison:
    """How two values compare.

    Attributes
    ----------
    outcome
        ``equal``; ``close``, where floats differ within the tolerance and nothing else does; or ``different``.
    path
        The way to the first difference, such as ``.scores[2]``; empty where there is none, or where the whole differs.
    expected, found
        The two parts that differ there, in one short line each; empty where equal.
    """

    outcome: Literal["equal", "close", "different"]
    path: str = ""
    expected: str = ""
    found: str = ""


Comparer = Callable[["Walk", Any, Any, str], Comparison | None]
"""Compares two values of one form on a walk, at a path; None where they are equal or close."""

Comparers = Mapping[str, Comparer]
"""Of a family of types, by the name of the form."""


class Walk:
    """One walk through two values, which ends at the first place that is different.

    Parameters
    ----------
    comparers
        How to compare two values of one form, by the name that `kind_of` gives it; all others are leaves.
    by_value
        Whether the values count, or only types, dtypes and shapes.
    """

    def __init__(self, comparers: Comparers, *, by_value: bool) -> None:
        self.by_value = by_value
        self._comparers = comparers
        self.first_close: Comparison | None = None

    def __call__(self, expected: Any, found: Any, path: str) -> Comparison | None:
        """Compare two parts; None where they are equal or close."""
        kinds = kind_of(expected), kind_of(found)
        if kinds[0] != kinds[1]:
            return different(path, *map(typed_words, (expected, found)))
        return self._comparers.get(kinds[0], compare_leaves)(self, expected, found, path)

    def by_values(self) -> Walk:
        """Begin a walk on which the values count."""
        return self if self.by_value else Walk(self._comparers, by_value=True)

    def note_close(self, path: str, expected: Any, found: Any) -> None:
        """Keep the first place where floats differ within the tolerance."""
        if self.first_close is None:
            self.first_close = Comparison("close", path, repr(expected), repr(found))

    def each(
        self, items: list[Any], others: list[Any], path: str, step: Callable[[int], str] = "[{}]".format
    ) -> Comparison | None:
        """Compare the items of two lists of one length."""
        for number, (one, other) in enumerate(zip(items, others, strict=True)):
            if is_plainly_equal(one, other):
                continue  # most of a long list goes this way, without a step being written
            difference = self(one, other, path + step(number))
            if difference:
                return difference
        return None


def is_plainly_equal(one: Any, other: Any) -> bool:
    """Tell at a glance whether two plain values are equal; where they are not, they may still be close."""
    return type(one) is type(other) and type(one) in _PLAIN and bool(one == other)


def different(path: str, expected: str, found: str) -> Comparison:
    """Say that two parts are different, in words that are made short enough."""
    return Comparison("different", path, one_line(expected, MOST_CHARACTERS), one_line(found, MOST_CHARACTERS))


def compare_leaves(walk: Walk, expected: Any, found: Any, path: str) -> Comparison | None:
    """Compare two values that have nothing inside."""
    if not walk.by_value or expected == found:
        return None
    return different(path, words_of(expected), words_of(found))


def tolerance_of(nbytes: int = _DOUBLE, step: float = 0.0) -> tuple[float, float]:
    """Give ``rtol`` and ``atol``, as `vessl_nb.values.comparison` says, for numbers of so many bytes and their step."""
    return (1e-5, 1e-8) if nbytes >= _DOUBLE else (max(1e-3, step), 1e-5)
