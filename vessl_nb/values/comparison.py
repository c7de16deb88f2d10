"""Two encoded values compared: equal, close where floats differ as they do between machines, or different, and where.

Both are as `vessl_nb.values.encoding` writes them. What counts as close, for a and b that are finite::

    |a - b| <= atol + rtol * max(|a|, |b|)

============================================  ================================================  ========
numbers                                       ``rtol``                                          ``atol``
============================================  ================================================  ========
of 64 bits: float, complex, float64 ...       1e-5                                              1e-8
of fewer: float32, float16, bfloat16 ...      1e-3, or one step of the type where it is more    1e-5
============================================  ================================================  ========

A NaN equals a NaN at the same place, -0.0 equals 0.0, an infinity only itself. Everything else is compared exactly,
types and dtypes included, but for what makes no other value of it: the order of a dict, how a PNG was packed, which
library holds pandas' text, the frequency that a time index notes of itself. Of a value without an encoding only the
class is known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from vessl_nb.values import comparison_arrays, comparison_parts, comparison_plain
from vessl_nb.values.comparison_walk import Comparison, Walk

if TYPE_CHECKING:
    from vessl_nb.values.comparison_walk import Comparers

_COMPARERS: Comparers = {**comparison_plain.COMPARERS, **comparison_arrays.COMPARERS, **comparison_parts.COMPARERS}


def compare(expected: Any, found: Any) -> Comparison:
    """Compare two encoded values.

    Parameters
    ----------
    expected, found
        Values as `encode_loosely` gives them.

    Returns
    -------
    Comparison
        With the first place that is different; where all is at least close, the first that is not equal.

    Raises
    ------
    VesslError
        Something in them cannot be decoded; see `vessl_nb.values.encoding.decode`.
    """
    # Equal values are one text as a rule. Python's == would not do: to it 1, 1.0 and True are equal.
    if msgspec.json.encode(expected) == msgspec.json.encode(found):
        return Comparison("equal")
    walk = Walk(_COMPARERS, by_value=True)
    return walk(expected, found, "") or walk.first_close or Comparison("equal")


def alike(expected: Any, found: Any) -> Comparison:
    """Compare two encoded values by type, dtype and shape only: for what is not deterministic.

    Parameters
    ----------
    expected, found
        Values as `encode_loosely` gives them.

    Returns
    -------
    Comparison
        ``equal`` where both have the same keys, lengths, types, dtypes and shapes, else ``different``.
    """
    return Walk(_COMPARERS, by_value=False)(expected, found, "") or Comparison("equal")
