"""What is measured of a server: how it starts, how fast it answers, what its workers weigh, how it follows an alias."""

from __future__ import annotations

import statistics
import subprocess
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from serving_peers import models
from serving_peers.environments import BARE, OURS
from serving_peers.running import Failed, Served, private_memory, result_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from serving_peers.environments import Tool

    Figures = dict[str, float]

SAMPLE = [5.1, 3.5, 1.4, 0.2]
NET_SAMPLE = [0.5] * models.WIDTH
SECONDS = 4
"""How long wrk asks."""

WORKERS = 4
CONNECTIONS = 16
ASKED = 20
"""How many requests each worker answers before it is weighed."""

PATIENCE = 120
"""Seconds after which workers that get no requests, or an alias that is not followed, are given up."""

MOVES = 3
"""How often the alias is moved."""


def measure_start(tool: Tool, home: Path) -> Figures:
    """Start a server, and weigh it while it has nothing to do."""
    with Served(tool, "dot", home) as served:
        answer = served.wait_for_answer(SAMPLE)
        if abs(answer["y"] - models.dot(models.WEIGHTS, SAMPLE)) > 1e-9:
            raise Failed(f"answers {answer}")
        time.sleep(1)
        return {"start": served.started_in, "idle": float(served.memory())}


def measure_rates(tool: Tool, home: Path) -> Figures:
    """Ask a server as fast as it answers."""
    figures: Figures = {}
    with Served(tool, "dot", home) as served:
        served.wait_for_answer(SAMPLE)
        served.load(SAMPLE, CONNECTIONS, 1)  # to warm up
        for connections in (1, CONNECTIONS):
            told = served.load(SAMPLE, connections, SECONDS)
            figures |= {f"{name}_{connections}": value for name, value in told.items()}
    return figures


def measure_slow(tool: Tool, home: Path) -> Figures:
    """Ask a model that takes 10 ms."""
    with Served(tool, "slow", home, WORKERS) as served:
        served.wait_for_answer(SAMPLE)
        served.load(SAMPLE, CONNECTIONS, 2)  # by then all workers are there
        return {"slow": served.load(SAMPLE, CONNECTIONS, SECONDS)["rate"]}


def measure_private(tool: Tool, home: Path) -> Figures:
    """Weigh workers that have a large model, once each has answered."""
    answered: Counter[int] = Counter()
    deadline = time.monotonic() + PATIENCE

    def have_answered() -> bool:
        return len(answered) == WORKERS and min(list(answered.values())) >= ASKED

    def ask(served: Served) -> None:
        while not have_answered() and time.monotonic() < deadline:
            answered[int(served.ask(NET_SAMPLE)["pid"])] += 1

    with Served(tool, "net", home, WORKERS) as served:
        served.wait_for_answer(NET_SAMPLE)
        with ThreadPoolExecutor(2 * WORKERS) as clients:
            list(clients.map(ask, [served] * 2 * WORKERS))
        if not have_answered():
            raise Failed(f"its {WORKERS} workers answered {sorted(answered.values())} requests")
        return {"private": float(max(map(private_memory, answered)))}


def measure_moves(tool: Tool, home: Path) -> Figures:
    """Move the alias under load: how long the new version takes to answer, and how many requests failed."""
    times = []
    with Served(tool, "dot", home) as served:
        before = served.wait_for_answer(SAMPLE)["version"]
        with served.start_load(SAMPLE, CONNECTIONS, 3 * MOVES + 2) as wrk:
            for _ in range(MOVES):
                words = tool.command("move", 2 if before == "dot:1" else 1)
                environment = tool.environment(home)
                moved = subprocess.run(words, env=environment, cwd=home, capture_output=True, text=True, check=True)
                began = float(moved.stdout)
                while (now := served.ask(SAMPLE)["version"]) == before:
                    if time.monotonic() > began + PATIENCE:
                        raise Failed(f"the alias was not followed within {PATIENCE} s")
                    time.sleep(0.002)
                times.append(time.monotonic() - began)
                before = now
            told = result_of(wrk)
    return {"move": statistics.median(times), "move_failed": told["failed"], "move_requests": told["requests"]}


@dataclass(frozen=True)
class Work:
    """What is measured together.

    Attributes
    ----------
    measure
        Measures it once.
    model
        Which model it needs.
    turns
        How often it is measured.
    with_floor, with_peers
        Whether the bare function and the peers are measured, too.
    """

    measure: Callable[[Tool, Path], Figures]
    model: str
    turns: int
    with_floor: bool = False
    with_peers: bool = True

    def tools(self, tools: Sequence[Tool]) -> list[Tool]:
        """Choose the tools of which it is measured."""
        chosen = [tool for tool in tools if self.model in tool.models]
        return [tool for tool in chosen if tool is OURS or (self.with_floor if tool is BARE else self.with_peers)]


WORKS = {
    "start": Work(measure_start, "dot", 3),
    "rates": Work(measure_rates, "dot", 3, with_floor=True),
    "slow": Work(measure_slow, "slow", 2),
    "private": Work(measure_private, "net", 1),
    "moves": Work(measure_moves, "dot", 1, with_peers=False),
}
"""The works in their order."""
