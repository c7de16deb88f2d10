"""The last minute of a server in words and lines: how much it answered, and how fast each stage was."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vessl_nb.faces.words import duration_words

if TYPE_CHECKING:
    from collections.abc import Sequence


def numbers_of(recent: dict[str, Any]) -> dict[str, Any]:
    """Describe the last minute.

    Parameters
    ----------
    recent
        What ``GET /recent`` answers.

    Returns
    -------
    dict
        ``rows``, one for the rate and one for each latency: each with a ``name``, what its ``line`` shows as numbers
        from 0 to 100 (None where nothing was), ``said`` about it in words, and its ``values``. All latencies are drawn
        to one scale, so that it is seen which stage takes the time.
    """
    requests, failed = recent["requests"], sum(recent["errors"])
    refused = sum(recent["refused"])
    total, most = sum(requests), max(requests)
    problems = [f"{failed:,} failed"] if failed else []
    problems += [f"{refused:,} refused"] if refused else []
    rate = {
        "name": "requests",
        "values": [f"{total:,} in all", ", ".join(problems) or "none failed"],
        "failed": bool(failed),
        "line": _line(requests, most),
        "said": f"Requests per second over the last minute: {total:,} in all, at most {most:,} in a second",
    }
    slowest = max((median for median in recent["whole"]["medians"] if median is not None), default=0.0)
    latencies = [("the whole request", recent["whole"]), *recent["stages"].items()]
    return {"rows": [rate, *(_latency_row(name, latency, slowest) for name, latency in latencies if latency["median"])]}


def _latency_row(name: str, latency: dict[str, Any], slowest: float) -> dict[str, Any]:
    median, p95 = duration_words(latency["median"]), duration_words(latency["p95"])
    return {
        "name": name,
        "values": [f"median {median}", f"95% within {p95}"],
        "failed": False,
        "line": _line(latency["medians"], slowest),
        "said": f"Median of {name} in each second of the last minute: {median} over all, 95% within {p95}",
    }


def _line(values: Sequence[float | None], most: float) -> list[int | None]:
    # A stage is now and then slower than the median of whole requests: some of those failed before it.
    return [None if value is None else min(round(100 * value / (most or 1.0)), 100) for value in values]
