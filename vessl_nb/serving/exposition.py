"""The server's metrics as Prometheus reads them; written by Prometheus' own library.

Durations are in seconds, counters end in ``_total``. ``vessl_request_seconds`` counts the requests that failed too, so
that a time-out is not missing from the latencies, but none that was refused at once, as by a full queue;
``vessl_stage_seconds`` counts those whose stages all returned. ``process_*`` is of the process that takes the requests,
not of its workers.
"""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from vessl_nb.runner import STAGES
from vessl_nb.serving.latencies import BOUNDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.core import Metric

    from vessl_nb.serving.metrics import Gauges, Metrics, Totals

_SHOWN = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
"""The bounds of the histograms' buckets, in seconds; each is one of `BOUNDS`."""

_OPENMETRICS = "application/openmetrics-text; version=1.0.0"

_PLACES = [(str(float(bound)), BOUNDS.index(bound)) for bound in _SHOWN]


def exposition(metrics: Metrics, gauges: Gauges, accept: str = "") -> tuple[bytes, str]:
    """Write what was counted, and what the server tells of itself.

    Parameters
    ----------
    metrics, gauges
        Those.
    accept
        The request's Accept header: the text format, or OpenMetrics where that is named.

    Returns
    -------
    bytes, str
        The document, and its content type.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Families(metrics.totals(), gauges))
    ProcessCollector(registry=registry)
    # The library trips over versions that are no number, and repeats any other in its answer.
    encode, content_type = choose_encoder(_OPENMETRICS if "application/openmetrics-text" in accept else "")
    return encode(registry), content_type


class _Families(Collector):
    """The metrics by name."""

    def __init__(self, totals: Totals, gauges: Gauges) -> None:
        self._totals = totals
        self._gauges = gauges

    def collect(self) -> Iterator[Metric]:
        yield from self._counters()
        yield from self._histograms()
        yield from self._own()

    def _counters(self) -> Iterator[Metric]:
        requests = CounterMetricFamily("vessl_requests", "Requests to /predict, by status.", labels=["status"])
        for status, count in enumerate(self._totals.requests):
            # A series that begins at its first request has no rate then; 200 is there from the start.
            if count or status == 200:  # noqa: PLR2004  # the status of a success
                requests.add_metric([str(status)], count)
        yield requests
        errors = CounterMetricFamily("vessl_errors", "Requests that failed, by the stage that did.", labels=["stage"])
        for stage, count in self._totals.errors.items():
            errors.add_metric([stage], count)
        yield errors

    def _histograms(self) -> Iterator[Metric]:
        (whole, *each), (whole_sum, *each_sum) = self._totals.counts, self._totals.sums
        requests = HistogramMetricFamily("vessl_request_seconds", "How long requests to /predict were in the server.")
        requests.add_metric([], _buckets(whole), whole_sum)
        yield requests
        stages = HistogramMetricFamily("vessl_stage_seconds", "How long each of the stages took.", labels=["stage"])
        for stage, counts, total in zip(STAGES, each, each_sum, strict=True):
            stages.add_metric([stage], _buckets(counts), total)
        yield stages

    def _own(self) -> Iterator[Metric]:
        gauges = self._gauges
        yield GaugeMetricFamily("vessl_queue_length", "Requests that wait for a worker.", value=gauges.queue_length)
        workers = GaugeMetricFamily("vessl_workers", "Worker processes, by their state.", labels=["state"])
        for state, count in gauges.workers.items():
            workers.add_metric([state], count)
        yield workers
        yield CounterMetricFamily(
            "vessl_worker_restarts", "Workers started in place of one that ended.", value=gauges.restarts
        )
        yield CounterMetricFamily(
            "vessl_refused_connections",
            "Connections refused before they asked for /predict: too many, no HTTP, too large headers.",
            value=gauges.refused_connections,
        )
        yield InfoMetricFamily("vessl_version", "The version that is served.", value=gauges.version)
        if gauges.is_current is not None:
            yield GaugeMetricFamily(
                "vessl_serves_alias",
                "0 where what the alias points at was refused, or it cannot be read; 1 where that is served, or loads.",
                value=gauges.is_current,
            )


def _buckets(counts: list[int]) -> list[tuple[str, float]]:
    running = list(accumulate(counts))
    return [*((bound, running[place]) for bound, place in _PLACES), ("+Inf", running[-1])]
