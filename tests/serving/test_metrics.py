"""What a server counts: held against Prometheus' own parser, and against numpy's percentiles."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from vessl_nb.serving.exposition import exposition
from vessl_nb.serving.latencies import BOUNDS
from vessl_nb.serving.metrics import Gauges, Metrics

GAUGES = Gauges(
    queue_length=3,
    workers={"ready": 2, "starting": 1},
    restarts=4,
    version={"reference": 'iris:3 "the best"\n\\', "runner": "IrisRunner"},
)
SOME_SECONDS = st.floats(0, 100)


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def metrics(clock):
    return Metrics(clock)


def samples_of(metrics, gauges=GAUGES):
    """Read the exposition as Prometheus does: by name and labels."""
    body, _ = exposition(metrics, gauges)
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in parse_text(body.decode())
        for sample in family.samples
    }


def test_each_request_is_counted_by_its_status_and_each_failure_by_its_stage(metrics):
    metrics.answered(200, 0.002, (0.0001, 0.001, 0.0001))
    metrics.answered(200, 0.002, (0.0001, 0.001, 0.0001))
    metrics.failed(500, "predict", 0.003)
    metrics.failed(500, "answer", 0.003)
    metrics.failed(503, "", 0.00001)
    samples = samples_of(metrics)
    assert samples["vessl_requests_total", "200"] == 2
    assert samples["vessl_requests_total", "500"] == 2
    assert samples["vessl_requests_total", "503"] == 1
    assert samples["vessl_errors_total", "predict"] == 1
    assert samples["vessl_errors_total", "answer"] == 1
    assert samples["vessl_errors_total", "none"] == 1
    assert samples["vessl_errors_total", "preprocess_data"] == 0


def test_a_server_without_requests_shows_its_series_at_zero_so_that_rates_are_known_from_the_first_on(metrics):
    samples = samples_of(metrics)
    assert samples["vessl_requests_total", "200"] == 0
    assert samples["vessl_errors_total", "predict"] == 0
    assert samples["vessl_request_seconds_count",] == 0


def test_the_queue_the_workers_and_the_version_are_as_the_server_tells_them(metrics):
    samples = samples_of(metrics)
    assert samples["vessl_queue_length",] == 3
    assert samples["vessl_workers", "ready"] == 2
    assert samples["vessl_workers", "starting"] == 1
    assert samples["vessl_worker_restarts_total",] == 4
    assert samples["vessl_version_info", 'iris:3 "the best"\n\\', "IrisRunner"] == 1


def test_the_front_process_tells_its_memory(metrics):
    # Prometheus' library reads it from /proc, which macOS has not.
    if ("process_resident_memory_bytes",) not in (samples := samples_of(metrics)):
        pytest.skip("there is no /proc here")
    assert samples["process_resident_memory_bytes",] > 1_000_000


@settings(deadline=None)  # other work may hold it up
@given(st.lists(st.tuples(SOME_SECONDS, st.tuples(SOME_SECONDS, SOME_SECONDS, SOME_SECONDS)), max_size=30))
def test_a_bucket_counts_the_requests_that_took_no_longer_than_its_bound(requests):
    metrics = Metrics(Clock())
    for seconds, stages in requests:
        metrics.answered(200, seconds, stages)
    body, _ = exposition(metrics, GAUGES)
    families = {family.name: family for family in parse_text(body.decode())}
    taken = {
        "": [seconds for seconds, _ in requests],
        "preprocess_data": [stages[0] for _, stages in requests],
        "predict": [stages[1] for _, stages in requests],
        "postprocess_data": [stages[2] for _, stages in requests],
    }
    seen = 0
    for name in ("vessl_request_seconds", "vessl_stage_seconds"):
        for sample in families[name].samples:
            values = taken[sample.labels.get("stage", "")]
            if sample.name.endswith("_bucket"):
                seen += 1
                assert sample.value == sum(value <= float(sample.labels["le"]) for value in values)
            elif sample.name.endswith("_sum"):
                assert math.isclose(sample.value, sum(values), abs_tol=1e-9)
            else:
                assert sample.value == len(values)
    assert seen == 4 * 18


def test_the_buckets_reach_from_100_microseconds_to_30_seconds(metrics):
    body, _ = exposition(metrics, GAUGES)
    [family] = [family for family in parse_text(body.decode()) if family.name == "vessl_request_seconds"]
    bounds = [float(sample.labels["le"]) for sample in family.samples if sample.name.endswith("_bucket")]
    assert (bounds[0], bounds[-2], bounds[-1]) == (0.0001, 30.0, math.inf)


def test_prometheus_gets_openmetrics_where_it_asks_for_it(metrics):
    metrics.answered(200, 0.002, (0.0001, 0.001, 0.0001))
    body, content_type = exposition(metrics, GAUGES, "application/openmetrics-text; version=1.0.0,text/plain;q=0.5")
    assert content_type.startswith("application/openmetrics-text; version=1.0.0")
    names = {family.name for family in parse_openmetrics(body.decode())}
    assert {"vessl_requests", "vessl_stage_seconds", "vessl_version"} <= names
    assert exposition(metrics, GAUGES, "*/*")[1].startswith("text/plain; version=0.0.4")


@settings(deadline=None)  # other work may hold it up
@given(
    st.text(max_size=40)
    | st.from_regex(r"(application/openmetrics-text|text/plain)(; ?version=[^;]{0,8})?(; ?escaping=[a-z-]{0,9})?")
)
def test_no_accept_header_brings_the_metrics_down(accept):
    body, content_type = exposition(Metrics(Clock()), GAUGES, accept)
    assert b"vessl_requests" in body
    assert content_type.isprintable()


def test_the_counters_go_on_when_seconds_pass(clock, metrics):
    for second in range(200):
        clock.now = 1000.0 + second
        metrics.answered(200, 0.002, (0.0001, 0.001, 0.0001))
        metrics.failed(500, "predict", 0.002)
    samples = samples_of(metrics)
    assert samples["vessl_requests_total", "200"] == 200
    assert samples["vessl_errors_total", "predict"] == 200
    assert samples["vessl_request_seconds_count",] == 400
    assert samples["vessl_stage_seconds_count", "predict"] == 200
    assert samples["vessl_request_seconds_sum",] == pytest.approx(0.8)


def test_the_last_minute_is_told_second_by_second_and_what_is_older_is_forgotten(clock, metrics):
    metrics.answered(200, 0.5, (0.1, 0.3, 0.1))
    clock.now = 1030.5
    metrics.answered(200, 0.002, (0.0001, 0.001, 0.0001))
    metrics.failed(422, "", 0.001)
    metrics.failed(500, "predict", 0.001)
    clock.now = 1060.2
    recent = metrics.recent()
    assert len(recent.requests) == 60
    assert (recent.requests[0], recent.requests[30], sum(recent.requests)) == (1, 3, 4)
    assert (recent.refused[30], sum(recent.refused)) == (1, 1)
    assert (recent.errors[30], sum(recent.errors)) == (1, 1)
    clock.now = 1061.2
    assert sum(metrics.recent().requests) == 3
    clock.now = 5000.0
    assert sum(metrics.recent().requests) == 0


def test_the_present_second_waits_until_it_is_over_so_that_the_rate_does_not_drop_at_its_end(clock, metrics):
    metrics.answered(200, 0.002, (0.0001, 0.001, 0.0001))
    clock.now = 1000.9
    assert sum(metrics.recent().requests) == 0
    clock.now = 1001.0
    assert metrics.recent().requests[-1] == 1


@settings(deadline=None)  # other work may hold it up
@given(st.lists(st.floats(1e-5, 25), min_size=40, max_size=200), st.sampled_from(["median", "p95"]))
def test_a_percentile_is_right_to_a_quarter(taken, which):
    clock = Clock()
    metrics = Metrics(clock)
    for seconds in taken:
        metrics.answered(200, 1.0, (0.0, seconds, 0.0))
    clock.now += 1
    latency = metrics.recent().stages["predict"]
    exact = np.quantile(taken, {"median": 0.5, "p95": 0.95}[which], method="inverted_cdf")
    assert getattr(latency, which) == pytest.approx(exact, rel=0.25)
    assert getattr(latency, f"{which}s")[-1] == getattr(latency, which)


def test_requests_refused_at_once_are_counted_but_do_not_make_the_server_look_fast(clock, metrics):
    metrics.answered(200, 2.0, (0.0, 2.0, 0.0))
    for _ in range(100):
        metrics.failed(503, "", 0.0)
    clock.now = 1001.0
    recent = metrics.recent()
    assert (recent.requests[-1], recent.errors[-1]) == (101, 100)
    assert recent.whole.median > 1.5
    samples = samples_of(metrics)
    assert (samples["vessl_requests_total", "503"], samples["vessl_request_seconds_count",]) == (100, 1)


def test_a_second_in_which_all_was_refused_is_told_too(clock, metrics):
    metrics.failed(503, "", 0.0)
    clock.now = 1001.0
    assert metrics.recent().errors[-1] == 1


def test_a_second_without_requests_has_no_latency(clock, metrics):
    clock.now = 1001.0
    recent = metrics.recent()
    assert recent.whole.median is None
    assert recent.stages["predict"].p95s == [None] * 60


def test_a_request_that_took_longer_than_every_bound_is_counted_as_the_longest(clock, metrics):
    metrics.answered(200, 400.0, (0.0, 400.0, 0.0))
    clock.now = 1001.0
    assert metrics.recent().whole.median == BOUNDS[-1] == 30
    assert samples_of(metrics)["vessl_request_seconds_bucket", "+Inf"] == 1


def test_a_minute_of_any_load_takes_the_same_memory(clock, metrics):
    for second in range(3600):
        clock.now = 1000.0 + second
        metrics.answered(200, 0.002, (0.0001, 0.001, 0.0001))
    assert len(metrics._past) == 60
