"""What the server counts: requests, errors and latencies, since it started and over the last minute.

The present second is counted by itself; once it is over, it is added to the totals and kept for a minute. So a request
costs one search and one addition for each of its times, and both views are of the same counts. There are no locks: the
front is one thread.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import deque
from operator import add
from typing import TYPE_CHECKING

import msgspec

from vessl_nb.runner import STAGES
from vessl_nb.serving.latencies import BOUNDS, Latency, describe_latency

if TYPE_CHECKING:
    from collections.abc import Callable

SECONDS = 60
"""How far back `Metrics.recent` looks."""

_TIMED = 1 + len(STAGES)
_STATUSES = 600
_SERVER_ERROR = 500


class Gauges(msgspec.Struct, frozen=True, kw_only=True):
    """What the server tells of itself when it is asked for its metrics.

    Attributes
    ----------
    queue_length
        How many requests wait for a worker.
    workers
        How many workers there are, by state.
    restarts
        How many workers were started in place of one that ended.
    version
        What is served, as labels: ``reference``, ``runner`` ...
    refused_connections
        How many connections were refused before it was known that they ask for a prediction.
    is_current
        Whether that is what the alias points at; None where no alias is followed.
    """

    queue_length: int = 0
    workers: dict[str, int] = {}
    restarts: int = 0
    version: dict[str, str] = {}
    refused_connections: int = 0
    is_current: bool | None = None


class Recent(msgspec.Struct, frozen=True):
    """The last 60 full seconds, oldest first.

    Attributes
    ----------
    requests
        How many requests were answered in each second, with whatever status.
    refused
        How many of them with a status from 400 to 499: the client's fault.
    errors
        How many of them with a status of 500 or more: the version's fault, or the server's.
    whole
        How long requests took in the server, those that failed included, but not those refused at once.
    stages
        How long each stage took, by its name, where all of them returned.
    """

    requests: list[int]
    refused: list[int]
    errors: list[int]
    whole: Latency
    stages: dict[str, Latency]


class Totals(msgspec.Struct, frozen=True):
    """What was counted since the server started.

    Attributes
    ----------
    requests
        How many requests got each status, by the status.
    errors
        How many failed in each stage; ``none`` for those that failed in no stage: refused, timed out, or lost.
    counts
        How many requests took how long, by `BOUNDS`: as a whole, then in each stage.
    sums
        How many seconds they took together: as a whole, then in each stage.
    """

    requests: list[int]
    errors: dict[str, int]
    counts: list[list[int]]
    sums: list[float]


class _Second:
    """One second's requests."""

    __slots__ = ("counts", "errors", "number", "refused", "unmeasured")

    def __init__(self, number: int) -> None:
        self.number = number
        self.counts = _no_counts()
        self.refused = 0
        self.errors = 0
        self.unmeasured = 0

    def requests(self) -> int:
        return sum(self.counts[0]) + self.unmeasured


class Metrics:
    """Counts a server's requests; they are the server's own, whichever version answered.

    Parameters
    ----------
    clock
        Tells the time in seconds, from any start.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._totals = Totals(
            requests=[0] * _STATUSES,
            errors=dict.fromkeys((*STAGES, "answer", "none"), 0),
            counts=_no_counts(),
            sums=[0.0] * _TIMED,
        )
        self._past: deque[_Second] = deque(maxlen=SECONDS)
        # Read on every request, so that each is one step away.
        self._requests = self._totals.requests
        self._sums = self._totals.sums
        self._second = _Second(int(clock()))
        self._counts = self._second.counts
        self._over_at = self._second.number + 1

    def answered(self, status: int, seconds: float, stages: tuple[float, float, float]) -> None:
        """Count a request that got what the runner returned.

        Parameters
        ----------
        status
            The HTTP status of the answer.
        seconds
            How long the request was in the server.
        stages
            How long preprocess, predict and postprocess took.
        """
        now = self._clock()
        if now >= self._over_at:
            self._begin(now)
        preprocess, predict, postprocess = stages
        whole_counts, preprocess_counts, predict_counts, postprocess_counts = self._counts
        whole_counts[bisect_left(BOUNDS, seconds)] += 1
        preprocess_counts[bisect_left(BOUNDS, preprocess)] += 1
        predict_counts[bisect_left(BOUNDS, predict)] += 1
        postprocess_counts[bisect_left(BOUNDS, postprocess)] += 1
        sums = self._sums
        sums[0] += seconds
        sums[1] += preprocess
        sums[2] += predict
        sums[3] += postprocess
        self._requests[status] += 1

    def failed(self, status: int, stage: str, seconds: float) -> None:
        """Count a request that got a problem document.

        Parameters
        ----------
        status
            The HTTP status of the answer.
        stage
            Where it failed: a stage's name, ``answer`` where what the stages returned could not be written, or empty
            where it failed in none of them.
        seconds
            How long the request was in the server; 0.0 of one that was refused at once, which is not among the
            latencies: a full queue would make the server look fast.
        """
        now = self._clock()
        if now >= self._over_at:
            self._begin(now)
        second = self._second
        if seconds:
            second.counts[0][bisect_left(BOUNDS, seconds)] += 1
            self._sums[0] += seconds
        else:
            second.unmeasured += 1
        self._requests[status] += 1
        self._totals.errors[stage or "none"] += 1
        if status >= _SERVER_ERROR:
            second.errors += 1
        else:
            second.refused += 1

    def totals(self) -> Totals:
        """Tell everything that was counted until now."""
        present = self._second.counts
        counts = [list(map(add, *both)) for both in zip(self._totals.counts, present, strict=True)]
        return msgspec.structs.replace(self._totals, counts=counts)

    def recent(self) -> Recent:
        """Tell what happened in each of the last 60 seconds that are over."""
        now = self._clock()
        if now >= self._over_at:
            self._begin(now)
        present = int(now)
        by_number = {second.number: second for second in self._past}
        seconds = [by_number.get(number) for number in range(present - SECONDS, present)]
        latencies = [
            describe_latency([second.counts[timed] if second else None for second in seconds])
            for timed in range(_TIMED)
        ]
        return Recent(
            requests=[second.requests() if second else 0 for second in seconds],
            refused=[second.refused if second else 0 for second in seconds],
            errors=[second.errors if second else 0 for second in seconds],
            whole=latencies[0],
            stages=dict(zip(STAGES, latencies[1:], strict=True)),
        )

    def _begin(self, now: float) -> None:
        """End the present second, and begin the one that it is now."""
        over = self._second
        if over.requests():
            self._past.append(over)
            self._totals = self.totals()
        self._second = second = _Second(int(now))
        self._counts = second.counts
        self._over_at = second.number + 1


def _no_counts() -> list[list[int]]:
    return [[0] * (len(BOUNDS) + 1) for _ in range(_TIMED)]
