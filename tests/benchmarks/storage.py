"""How fast storage is, against its goals and against other tools: python tests/benchmarks/storage.py

The goals compare with floors: the least that the same bytes can take, written, hashed or unpickled in the same process.
The other tools are installed into environments of their own the first time, which takes minutes and 5 GB; then
everything is run in one go, each work in a child process, the tools taking turns. What is imported at the first use is
not timed: each child registers or loads something else elsewhere before the clock starts.

Memory is read from /proc, so the rows of the big model need Linux; the others do not. A full run takes a quarter of an
hour. Nothing is asserted: machines differ, and the table is to be read.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from peer_environments import compile_ours
from platformdirs import user_cache_path
from storage_peers.environments import OURS, label_of, make_environments

if TYPE_CHECKING:
    from storage_peers.environments import Tool

MS = 1e-3
MB = 1e6
MODEL = 24 * (2048 * 2048 + 2048) * 4 + (2048 * 10 + 10) * 4
"""Bytes of the big model's weights."""

TIMEOUT = 1800
"""Seconds after which a child is given up."""

ALL = ("mlflow", "bentoml", "pins", "torch", "safetensors")
REGISTRIES = ("mlflow", "bentoml", "pins")
TORCH = ("mlflow", "bentoml", "torch", "safetensors")

WORKS = {
    "big": 3,
    "memory": 3,
    "load_big": 5,
    "fork": 3,
    "forest": 2,
    "load_forest": 5,
    "tensors": 2,
    "load_tensors": 5,
    "small": 3,
    "many": 1,
    "versions_1000": 7,
    "versions_10000": 7,
    "resolve": 3,
    "steady": 2,
}
"""The works in their order, and how many turns each tool gets; one that loads finds what an earlier one registered."""


@dataclass(frozen=True)
class Row:
    """A row of the table.

    Attributes
    ----------
    work, goal
        As the table says them.
    figure
        Which figure it shows, in seconds or bytes.
    floor
        What it is compared with: another figure of the same children, or a number.
    limit
        How many times the floor it may be.
    peers
        Whom it is compared with.
    pick
        What is compared with what: medians; where the disk disturbs, the best with the best; where the goal is for each
        of many, the worst.
    shows_first
        Whether the first one gets a line of its own: later ones may find more in caches.
    """

    work: str
    goal: str
    figure: str
    floor: str | float
    limit: float
    peers: tuple[str, ...] = ()
    pick: str = "median"
    shows_first: bool = False

    @property
    def unit(self) -> float:
        return MB if self.figure.endswith(("memory", "bytes", "fork")) else MS


ROWS = [
    Row("register 403 MB of torch, first time", "1.1 x write + fsync", "big", "write", 1.1, TORCH, pick="best"),
    Row("  again, the head changed", "1.3 x a blake3 pass", "again", "hash", 1.3, ("mlflow", "bentoml"), pick="best"),
    Row("  again: bytes written", "under 1 MB", "again_bytes", 1 * MB, 1, ("mlflow", "bentoml")),
    Row("  memory while registering", "under 64 MB", "memory", 64 * MB, 1, TORCH),
    Row("  load in a fresh process", "under 10 ms", "load_big", 10 * MS, 1, TORCH, shows_first=True),
    Row("  memory before the first forward", "under 20 MB", "load_big_memory", 20 * MB, 1, TORCH),
    Row("  private memory, each of 4 forked", "0.1 x the model", "fork", float(MODEL), 0.1, TORCH, pick="worst"),
    Row("register a forest of 500 trees", "2 x joblib.dump + fsync", "forest", "forest_floor", 2, REGISTRIES, pick="best"),
    Row("  load it", "2 x joblib.load", "load_forest", "load_forest_floor", 2, REGISTRIES),
    Row(
        "register 1,000 tensors of 100 KB", "1.3 x torch.save + fsync", "tensors", "tensors_floor", 1.3,
        ("mlflow", "bentoml", "safetensors"), pick="best",
    ),
    Row("  load them", "1.3 x torch.load", "load_tensors", "load_tensors_floor", 1.3, ("mlflow", "bentoml", "safetensors")),
    Row("register a small scikit-learn model", "under 10 ms, synced", "small", 10 * MS, 1, REGISTRIES),
    Row("1,000 versions to a DataFrame, cold", "under 15 ms", "versions_1000", 15 * MS, 1, REGISTRIES, shows_first=True),
    Row("10,000 versions to a DataFrame, cold", "under 100 ms", "versions_10000", 100 * MS, 1, shows_first=True),
    Row("by alias, of 1,000", "under 0.5 ms", "alias_1000", 0.5 * MS, 1, REGISTRIES),
    Row("the newest, of 1,000", "under 0.5 ms", "newest_1000", 0.5 * MS, 1, REGISTRIES),
    Row("one version, of 1,000", "under 0.5 ms", "number_1000", 0.5 * MS, 1, REGISTRIES),
    Row("by alias, of 10,000", "under 0.5 ms", "alias_10000", 0.5 * MS, 1),
    Row("the newest, of 10,000", "under 0.5 ms", "newest_10000", 0.5 * MS, 1),
    Row("one version, of 10,000", "under 0.5 ms", "number_10000", 0.5 * MS, 1),
    Row("the 1,000th registration", "1.2 x the 1st", "full", "new", 1.2, ("pins",)),
]  # fmt: skip

NOTES = """\
ratio: of vessl_nb to its floor; of a peer to vessl_nb. best, median, worst: what is compared, of both.
Loads, lists and lookups come after a first use of another registry, so that lazy imports are not counted.
MLflow, BentoML, vetiver and pins do not sync what they write; MLflow's database does. torch and safetensors are synced.
torch.load and safetensors load files whose path and module they are told; the others find the version by its name.
MLflow has a SQLite database and, where nothing else is said, requirements that are given: inferring them takes seconds.
"memory while registering" and "private memory" are above what the process had before it began."""


class Results:
    """What the children told, by tool.

    Attributes
    ----------
    figures
        By the tool's key and the figure's name.
    problems
        Why a tool has no figures, by its key and the figure's or the work's name.
    """

    def __init__(self) -> None:
        self.figures: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
        self.problems: dict[str, dict[str, str]] = defaultdict(dict)

    def run(self, tool: Tool, work: str, folder: Path, turn: int) -> None:
        """Let a tool do a work."""
        try:
            done = tool.run(work, folder, turn, TIMEOUT)
        except subprocess.TimeoutExpired:
            self.problems[tool.key][work] = f"takes over {TIMEOUT // 60} minutes"
            return
        try:
            told = json.loads(done.stdout.splitlines()[-1])
        except (IndexError, ValueError):
            told = {"error": _death_of(done)}
        if "error" in told:
            if told["error"] != "no such thing":
                _say(f"{tool.key} fails at {work}: {told['error']}")
            self.problems[tool.key][work] = told["error"]
            return
        for name, values in told.items():
            self.figures[tool.key][name].extend(values)

    def ways(self, tool: Tool, figure: str) -> list[str]:
        """List the names under which a tool has a figure: ``small``, ``small: requirements given``."""
        return [name for name in self.figures[tool.key] if name == figure or name.startswith(f"{figure}: ")]

    def problem(self, tool: Tool, figure: str) -> str:
        """Say why a tool has no such figure."""
        said = self.problems[tool.key].get(WORK_OF.get(figure, figure), "no such thing")
        return said if len(said) <= 70 else f"{said[:67]}..."


WORK_OF = {
    "again": "big",
    "again_bytes": "big",
    "load_big_memory": "load_big",
    "full": "steady",
    **{f"{what}_{count}": "resolve" for what in ("alias", "newest", "number") for count in (1000, 10000)},
}
"""Which work tells a figure, where it is not the one of its name."""


def main() -> None:
    arguments = _parse(sys.argv[1:])
    compile_ours()
    peers = [] if arguments.without_peers else make_environments(arguments.peers, _say)
    tools = [OURS, *peers]
    works = [work for work in WORKS if not arguments.only or work in arguments.only]
    results, start = Results(), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="vessl_nb-storage-") as folder:
        filesystem = _filesystem_of(Path(folder))
        for work in works:
            for turn in range(WORKS[work]):
                for tool in tools if turn % 2 == 0 else reversed(tools):
                    if work not in results.problems[tool.key]:
                        _say(f"{time.monotonic() - start:6.0f} s  {work} {turn + 1}/{WORKS[work]}: {tool.key}")
                        results.run(tool, work, Path(folder), turn)
    print(
        f"{label_of(OURS)}; {platform.machine()}, {os.cpu_count()} cores, {platform.system()} {platform.release()}, "
        f"{filesystem}; Python {platform.python_version()}\n"
    )
    _print_table(results, peers, set(works))
    print(f"\n{NOTES}")


def _parse(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = user_cache_path("vessl_nb") / "benchmark_peers"
    parser.add_argument("--peers", type=Path, default=default, help="the folder of the peers' environments")
    parser.add_argument("--without-peers", action="store_true", help="measure vessl_nb and its floors alone")
    parser.add_argument(
        "--only", nargs="+", choices=WORKS, help="some works; those that load need the one that registers as well"
    )
    return parser.parse_args(words)


def _print_table(results: Results, peers: list[Tool], works: set[str]) -> None:
    labels = {peer.key: label_of(peer) for peer in peers}
    _print_line("work", "goal", "vessl_nb", "floor", "ratio", "met", "of")
    for row in ROWS:
        if WORK_OF.get(row.figure, row.figure) not in works:
            continue
        ours = _print_ours(row, results)
        for peer in peers:
            if peer.key in row.peers:
                _print_peer(row, results, peer, labels[peer.key], ours)


def _print_ours(row: Row, results: Results) -> float | None:
    """Print vessl_nb's lines of a row; gives its figure."""
    values = results.figures[OURS.key].get(row.figure)
    if not values:
        _print_line(row.work, row.goal, results.problem(OURS, row.figure))
        return None
    ours, floor = _pick(row, values), _floor_of(row, results, OURS)
    ratio = ours / floor
    of = f"{row.pick} of {len(values)}"
    met = "yes" if ratio <= row.limit else "no"
    _print_line(row.work, row.goal, _shown(ours, row), _shown(floor, row), f"{_rounded(ratio)} x", met, of)
    if row.shows_first:
        _print_line("      the first of them", "", _shown(values[0], row))
    return ours


def _print_peer(row: Row, results: Results, peer: Tool, label: str, ours: float | None) -> None:
    ways = results.ways(peer, row.figure)
    if not ways:
        _print_line(f"      {label}", "", results.problem(peer, row.figure))
    for way in ways:
        how = way.removeprefix(row.figure).removeprefix(": ")
        values = results.figures[peer.key][way]
        theirs = _pick(row, values)
        has_floor = isinstance(row.floor, str) and row.floor in results.figures[peer.key]
        _print_line(
            f"      {label}{f', {how}' if how else ''}",
            "",
            _shown(theirs, row),
            _shown(_floor_of(row, results, peer), row) if has_floor else "",
            f"{_rounded(theirs / ours)} x" if ours and _can_tell(row, theirs, ours) else "",
            "",
            f"{len(values)}",
        )


def _can_tell(row: Row, *values: float) -> bool:
    """Tell whether a ratio means something: the kernel counts memory per core, and is off by a few 100 kB."""
    return not row.figure.endswith(("memory", "fork")) or max(values) > MB


def _floor_of(row: Row, results: Results, tool: Tool) -> float:
    return row.floor if isinstance(row.floor, float | int) else _pick(row, results.figures[tool.key][row.floor])


def _pick(row: Row, values: list[float]) -> float:
    return {"best": min, "median": statistics.median, "worst": max}[row.pick](values)


def _shown(value: float, row: Row) -> str:
    return f"{_rounded(value / row.unit)} {'MB' if row.unit == MB else 'ms'}"


def _rounded(value: float) -> str:
    """Write a number with three digits or so."""
    decimals = next((digits for digits, least in enumerate((100, 10, 0.1)) if value >= least), 3)
    return f"{value:,.{decimals}f}"


def _print_line(
    work: str, goal: str, figure: str, floor: str = "", ratio: str = "", met: str = "", of: str = ""
) -> None:
    print(f"{work:<46}{goal:<25}{figure:>11}{floor:>11}{ratio:>10}  {met:<4} {of}".rstrip())


def _filesystem_of(folder: Path) -> str:
    """Name the file system of a folder: on one in memory, syncing costs nothing."""
    try:
        mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text().splitlines()]
    except OSError:
        return "file system unknown"
    inside = [(point, kind) for point, kind in mounts if folder.is_relative_to(point)]
    return max(inside, key=lambda mount: len(mount[0]))[1]


def _death_of(done: subprocess.CompletedProcess[str]) -> str:
    """Say how a child ended that told nothing."""
    if done.returncode < 0:
        return f"killed by {signal.Signals(-done.returncode).name}"
    lines = done.stderr.strip().splitlines()
    return lines[-1] if lines else f"ended with {done.returncode}"


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
