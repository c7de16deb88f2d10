"""Class probabilities, recognised where there is no doubt: numbers from 0 to 1 that sum to 1."""

from __future__ import annotations

import sys
from typing import Any

from vessl_nb.faces.chart import bars_html
from vessl_nb.faces.html import one_line
from vessl_nb.values.numbers import elements_of
from vessl_nb.values.pretty import pretty

_MOST_CLASSES = 25_000  # of a list each item is looked at
_MOST_SHOWN = 10
_NAMED = 3
_TOLERANCE = 1e-3  # probabilities in float16, or rounded to a few digits, sum to nearly 1

Shares = list[tuple[Any, float]]


def probabilities_of(value: Any) -> Shares | None:
    """Take the probabilities of classes, each with its label; None where the value is nothing of the kind.

    It is a dict of label to float, a list or vector of floats, or a batch with one such row.
    """
    shares = _shares_of(value)
    if shares is None or len(shares) < 2 or not all(0 <= share <= 1 for _, share in shares):  # noqa: PLR2004  # of one class there is no choice
        return None
    if abs(sum(share for _, share in shares) - 1) > _TOLERANCE:
        return None
    return shares


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
    return _labelled(sorted(shares, key=lambda pair: -pair[1])[:count])


def _labelled(shares: Shares) -> list[tuple[str, float]]:
    return [(label if isinstance(label, str) else pretty(label), share) for label, share in shares]


def _shares_of(value: Any) -> Shares | None:
    kind = type(value)
    if kind is dict or kind is list:
        if not 0 < len(value) <= _MOST_CLASSES:
            return None
        pairs = value.items() if kind is dict else enumerate(value)
        shares = []
        for label, share in pairs:
            # The first item that is no float ends it.
            if not _is_float(share) or isinstance(label, float | tuple):
                return None
            shares.append((label, float(share)))
        return shares
    shape = getattr(value, "shape", None)
    is_vector = isinstance(shape, tuple) and (len(shape) == 1 or (len(shape) == 2 and shape[0] == 1))  # noqa: PLR2004
    if not is_vector or not 0 < shape[-1] <= _MOST_CLASSES:  # type: ignore[index]  # a tuple, as was seen
        return None
    elements = elements_of(value, _MOST_CLASSES)
    if elements is None or elements.dtype.kind != "f":
        return None
    return list(enumerate(elements.tolist()))


def _is_float(value: Any) -> bool:
    np = sys.modules.get("numpy")
    return type(value) is float or (np is not None and isinstance(value, np.floating))
