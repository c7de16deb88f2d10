"""Class probabilities, recognised where there is no doubt: numbers from 0 to 1 that sum to 1."""

from __future__ import annotations

import heapq
import operator
import re
import sys
from typing import Any

from vessl_nb.faces.chart import bars_html
from vessl_nb.faces.words import one_line
from vessl_nb.values.numbers import elements_of
from vessl_nb.values.pretty import pretty

# Two of these may sum to 1 by chance. Beside other labels one may be a class: a game is a win, a draw or a loss.
_METRICS = frozenset({"acc", "accuracy", "auc", "f1", "loss", "precision", "recall"})

_MOST_CLASSES = 25_000  # of a list each item is looked at
_MOST_SHOWN = 10
_NAMED = 3
_TOLERANCE = 1e-3  # probabilities in float16, or rounded to a few digits, sum to nearly 1

Shares = list[tuple[Any, float]]


def probabilities_of(value: Any) -> Shares | None:
    """Take the probabilities of classes, each with its label; None where the value is nothing of the kind.

    It is a dict of label to float, a list or vector of floats, or a batch with one such row.
    """
    found = _labels_and_numbers(value)
    if found is None or len(found[1]) < 2:  # noqa: PLR2004  # of one class there is no choice
        return None
    labels, numbers = found
    # The sum first, which is no number where one of them is none.
    if not abs(sum(numbers) - 1) <= _TOLERANCE or min(numbers) < 0 or max(numbers) > 1:
        return None
    return list(zip(labels, numbers, strict=True))


def probability_bars(shares: Shares) -> str:
    """Draw the probabilities as bars; of many classes the most probable."""
    if len(shares) <= _MOST_SHOWN:
        return bars_html(_labelled(shares))
    return bars_html(_highest(shares, _MOST_SHOWN), len(shares) - _MOST_SHOWN)


def probability_words(shares: Shares) -> str:
    """Write the most probable classes: ``highest: 281 0.83, 282 0.1``; nothing where all can be seen at a glance."""
    if len(shares) <= _MOST_SHOWN:
        return ""
    return "highest: " + ", ".join(f"{one_line(label, 40)} {share:.3g}" for label, share in _highest(shares, _NAMED))


def _highest(shares: Shares, count: int) -> list[tuple[str, float]]:
    return _labelled(heapq.nlargest(count, shares, key=operator.itemgetter(1)))


def _labelled(shares: Shares) -> list[tuple[str, float]]:
    return [(label if isinstance(label, str) else pretty(label), share) for label, share in shares]


def _labels_and_numbers(value: Any) -> tuple[list[Any], list[float]] | None:
    """Take a value apart, if all that it holds is floats."""
    if type(value) is dict or type(value) is list:
        return _of_container(value)
    shape = getattr(value, "shape", None)
    is_vector = isinstance(shape, tuple) and (len(shape) == 1 or (len(shape) == 2 and shape[0] == 1))  # noqa: PLR2004
    if not is_vector or not 0 < shape[-1] <= _MOST_CLASSES:  # type: ignore[index]  # a tuple, as was seen
        return None
    elements = elements_of(value, _MOST_CLASSES)
    if elements is None or elements.dtype.kind != "f":
        return None
    return list(range(elements.size)), elements.tolist()


def _of_container(value: dict[Any, Any] | list[Any]) -> tuple[list[Any], list[float]] | None:
    if not 0 < len(value) <= _MOST_CLASSES:
        return None
    items = value.values() if isinstance(value, dict) else value
    # The first item tells of most that they are none; then their classes tell faster than a look at each.
    if not _are_floats({type(next(iter(items)))}) or not _are_floats(set(map(type, items))):
        return None
    labels = list(value if isinstance(value, dict) else range(len(value)))
    if any(issubclass(kind, float | tuple) for kind in set(map(type, labels))) or all(map(_is_metric, labels)):
        return None
    return labels, list(map(float, items))


def _is_metric(label: Any) -> bool:
    return isinstance(label, str) and not _METRICS.isdisjoint(re.split(r"[\W_]+", label.casefold()))


def _are_floats(kinds: set[type]) -> bool:
    np = sys.modules.get("numpy")
    return all(kind is float or (np is not None and issubclass(kind, np.floating)) for kind in kinds)
