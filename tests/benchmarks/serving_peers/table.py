"""The table: a row for each figure, vessl_nb's first, then what the others reach."""

from __future__ import annotations

import statistics
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from serving_peers import models
from serving_peers.environments import BARE, OURS, label_of
from serving_peers.works import WORKERS, WORKS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from serving_peers.environments import Tool


@dataclass(frozen=True)
class Row:
    """A row of the table.

    Attributes
    ----------
    name, goal
        As the table says them.
    work, figure
        Which figure it shows, in seconds, bytes or requests.
    unit
        In what it is shown.
    floor
        What it is compared with: the bare function's figure, or a number.
    limit
        How many times the floor it may be at most; for a rate, at least. None where there is no goal.
    beats
        How many times better than each peer it is to be.
    """

    name: str
    goal: str
    work: str
    figure: str
    unit: str
    floor: float | Tool | None = None
    limit: float | None = None
    beats: dict[str, float] = field(default_factory=dict)

    @property
    def is_rate(self) -> bool:
        return self.unit == "/s"

    @property
    def best(self) -> Callable[[list[float]], float]:
        return max if self.is_rate else min


UNITS = {"/s": 1.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "MB": 1e6, "": 1.0}

FASTER = {"fastapi": 4.0, "litserve": 20.0, "mlflow": 20.0, "bentoml": 20.0}

ROWS = [
    Row("requests, 16 connections", "0.8 x bare", "rates", "rate_16", "/s", BARE, 0.8, FASTER),
    Row("  CPU of a request", "", "rates", "cpu_16", "us", BARE),
    Row("  p50", "", "rates", "p50_16", "ms", BARE),
    Row("  p99", "", "rates", "p99_16", "ms", BARE),
    Row("requests, 1 connection", "", "rates", "rate_1", "/s", BARE),
    Row("  CPU of a request", "", "rates", "cpu_1", "us", BARE),
    Row("  p50", "1.3 x bare", "rates", "p50_1", "ms", BARE, 1.3),
    Row("  p99", "1.3 x bare", "rates", "p99_1", "ms", BARE, 1.3),
    Row("start to the first answer", "under 0.6 s", "start", "start", "s", 0.6, 1),
    Row("memory, idle", "under 60 MB", "start", "idle", "MB", 60e6, 1),
    Row("private memory, worst of 4 workers", "under 40 MB", "private", "private", "MB", 40e6, 1),
    Row("10 ms of sleep, 4 workers", "400 /s at best", "slow", "slow", "/s", WORKERS / models.SLEEP),
    Row("an alias moved, under load", "", "moves", "move", "s"),
    Row("  requests in the meantime", "", "moves", "move_requests", ""),
    Row("  of which failed", "none", "moves", "move_failed", ""),
]

NOTES = """\
ratio: of vessl_nb to its floor; of a peer, how many times better vessl_nb is. Both are of the best turns: what else the
machine does only slows down. CPU: user and system time of all the server's processes, by request; it is steadier.
Memory: PSS of all the server's processes, a second after the first answer. Private: Private_Clean + Private_Dirty of
the worker that has most, with 403 MB of torch (24 layers of 2048 x 2048), after each has answered 20 requests.
Peers load that with torch.load, as their documentation does, MLflow from a pyfunc model's artifacts; they answer JSON
with what they come with, the bare function with Python's json. FastAPI's function is async, so it costs no thread; its
connections stay with the worker that took them, so that of 4 workers some may have none.
Access logs are off where there is a switch; byte code of all is compiled before. An alias moved: from the commit to the
first answer of the new version, the middle one of 3."""


class Results:
    """What the servers did, by tool.

    Attributes
    ----------
    figures
        By the tool's key and the figure's name, a value for each turn.
    problems
        Why a tool has no figures, by its key and the work's name.
    """

    def __init__(self) -> None:
        self.figures: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
        self.problems: dict[str, dict[str, str]] = defaultdict(dict)


def print_table(results: Results, peers: Sequence[Tool], names: Collection[str]) -> None:
    """Print the rows of some works.

    Parameters
    ----------
    results
        What was measured.
    peers
        Whom vessl_nb is compared with.
    names
        The works.
    """
    labels = {peer.key: label_of(peer) for peer in peers}
    _print_line("", "goal", "best", "median", "floor", "ratio", "met")
    for row in ROWS:
        if row.work not in names:
            continue
        ours = _print_ours(row, results)
        for peer in WORKS[row.work].tools(peers):
            _print_peer(row, results, peer, labels[peer.key], ours)


def _print_ours(row: Row, results: Results) -> float | None:
    """Print vessl_nb's line of a row; gives its figure."""
    values = results.figures[OURS.key].get(row.figure)
    if not values:
        _print_line(row.name, row.goal, results.problems[OURS.key].get(row.work, "nothing"))
        return None
    ours = row.best(values)
    floor = _floor_of(row, results)
    ratio = ours / floor if floor else None
    met = ""
    if row.figure == "move_failed":
        met = "no" if ours else "yes"
    elif row.limit is not None and ratio is not None:
        met = "yes" if (ratio >= row.limit if row.is_rate else ratio <= row.limit) else "no"
    _print_line(
        row.name,
        row.goal,
        _shown(ours, row),
        _shown(statistics.median(values), row),
        _shown(floor, row) if floor else "",
        f"{ratio:.2f} x" if ratio else "",
        met,
    )
    return ours


def _print_peer(row: Row, results: Results, peer: Tool, label: str, ours: float | None) -> None:
    values = results.figures[peer.key].get(row.figure)
    name = f"      {label}"
    if not values:
        _print_line(name, "", results.problems[peer.key].get(row.work, "nothing")[:70])
        return
    theirs = row.best(values)
    wanted = row.beats.get(peer.key)
    better = None if not ours else ours / theirs if row.is_rate else theirs / ours
    _print_line(
        name,
        f"{wanted:g} x" if wanted else "",
        _shown(theirs, row),
        _shown(statistics.median(values), row),
        "",
        f"{better:.1f} x" if better else "",
        ("yes" if better >= wanted else "no") if better and wanted else "",
    )


def _floor_of(row: Row, results: Results) -> float | None:
    if row.floor is None or isinstance(row.floor, float | int):
        return row.floor
    values = results.figures[row.floor.key].get(row.figure)
    return row.best(values) if values else None


def _shown(value: float, row: Row) -> str:
    shown = value / UNITS[row.unit]
    decimals = next((digits for digits, least in enumerate((100, 10, 0.1)) if shown >= least), 3)
    return f"{shown:,.{0 if shown == int(shown) else decimals}f} {row.unit}".rstrip()


def _print_line(
    name: str, goal: str, best: str, median: str = "", floor: str = "", ratio: str = "", met: str = ""
) -> None:
    print(f"{name:<38}{goal:<17}{best:>11}{median:>11}{floor:>11}{ratio:>9}  {met}".rstrip())
