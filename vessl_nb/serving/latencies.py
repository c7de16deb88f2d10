"""How latencies are counted, and what is told of them: medians and 95th percentiles."""

from __future__ import annotations

from bisect import bisect_left
from itertools import accumulate
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

BOUNDS = [
    bound
    for exponent in range(-6, 2)
    for mantissa in ("1", "1.25", "1.6", "2", "2.5", "3", "4", "5", "6", "8")
    if (bound := float(f"{mantissa}e{exponent}")) <= 30  # noqa: PLR2004  # no request is to take longer
]
"""The upper bounds of the counted latencies, in seconds: ten a decade, so that a percentile is right to a fifth."""

_MEDIAN, _P95 = 0.5, 0.95


class Latency(msgspec.Struct, frozen=True):
    """Median and 95th percentile in seconds; None where there was no request.

    Attributes
    ----------
    median, p95
        Of all requests of the last minute.
    medians, p95s
        Of each second, oldest first.
    """

    median: float | None
    p95: float | None
    medians: list[float | None]
    p95s: list[float | None]


def describe_latency(by_second: Sequence[list[int] | None]) -> Latency:
    """Describe how long requests took.

    Parameters
    ----------
    by_second
        How many requests took how long, by `BOUNDS`, in each second; None where there were none.
    """
    together = [sum(column) for column in zip(*filter(None, by_second), strict=True)]
    return Latency(
        median=_percentile(together, _MEDIAN),
        p95=_percentile(together, _P95),
        medians=[_percentile(counts, _MEDIAN) for counts in by_second],
        p95s=[_percentile(counts, _P95) for counts in by_second],
    )


def _percentile(counts: list[int] | None, share: float) -> float | None:
    """Find the latency that a share of the requests did not exceed, as if each bucket's were evenly spread in it."""
    running = list(accumulate(counts or ()))
    if not running or not running[-1]:
        return None
    wanted = share * running[-1]
    place = bisect_left(running, wanted)
    if place == len(BOUNDS):
        return BOUNDS[-1]
    lower = BOUNDS[place - 1] if place else 0.0
    before = running[place - 1] if place else 0
    return lower + (BOUNDS[place] - lower) * (wanted - before) / (running[place] - before)
