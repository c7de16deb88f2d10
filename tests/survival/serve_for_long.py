"""A server under everything at once, for as long as is asked: ``python tests/survival/serve_for_long.py --minutes 10``.

Clients ask without a pause, workers are killed, runners raise, hang and end their processes, connections are dropped
and garbage is sent, while the alias moves to and fro. It prints a line each ten seconds, and at the end what was lost:
nothing may be but what was killed, and the front's memory and descriptors are flat. The exit status says whether.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import json
import os
import random
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Self

sys.path.insert(0, str(Path(__file__).parent.parent / "serving"))

import psutil
from http_socket import Talk, get, post, request
from served_runners import make_obedient
from server_processes import alive, at, processes_of

import vessl_nb as vessl
from vessl_nb.serving.launch import serve

EXPECTED = {"plain": {200, 503}, "raise": {500, 503}, "end": {503}, "kill": {503}, "sleep": {504, 503}}
"""What each kind of request may be answered; 503 where its worker was killed."""


class Clients:
    """Everybody who asks."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.counts: collections.Counter[tuple[str, object]] = collections.Counter()
        self.over = threading.Event()
        works = [lambda: self.ask("plain", {})] * 3 + [self.misbehave, self.drop, self.throw]
        self._threads = [threading.Thread(target=self._repeat, args=(work,)) for work in works]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        for thread in self._threads:
            thread.join()

    def _repeat(self, work) -> None:
        while not self.over.is_set():
            try:
                work()
            except Exception as error:  # noqa: BLE001  # a figure of its own
                self.counts["lost", type(error).__name__] += 1

    def ask(self, kind: str, data: object) -> None:
        asked = request(json.dumps(data).encode())
        with Talk(self.url) as talk:
            for _ in range(500 if kind == "plain" else 1):
                talk.send(asked)
                self.counts[kind, talk.reply().status] += 1
                if self.over.is_set():
                    return

    def misbehave(self) -> None:
        kind = random.choice(["raise", "raise", "end", "kill", "sleep"])
        self.ask(kind, {"do": kind, "seconds": 30})
        self.over.wait(0.5)

    def drop(self) -> None:
        with Talk(self.url) as talk:
            talk.send(request(b"{}")[: random.randrange(150)])
        self.counts["dropped", ""] += 1
        self.over.wait(0.002)

    def throw(self) -> None:
        with Talk(self.url) as talk, contextlib.suppress(OSError):
            talk.send(os.urandom(random.randrange(5000)))
        self.counts["garbage", ""] += 1
        self.over.wait(0.005)


def kill_workers(server, over: threading.Event) -> None:
    """Kill a worker now and then."""
    while not over.wait(5):
        with contextlib.suppress(psutil.Error, IndexError):
            stems = alive(psutil.Process(server._process.pid).children())
            random.choice(stems[0].children()).kill()


def move_alias(clients: Clients, seconds: float, moves: int) -> None:
    """Move the alias so many times, evenly."""
    for number in range(moves):
        if clients.over.wait(seconds / (moves + 1)):
            return
        vessl.set_alias(f"long:{2 - number % 2}", "champion")
        clients.counts["moved", ""] += 1


def run(minutes: float, moves: int, folder: Path) -> bool:
    """Serve for so long; tell whether all held."""
    with at(folder):
        for _ in range(2):
            vessl.register_model("long", None, make_obedient(), {}, check=False)
        vessl.set_alias("long:1", "champion")
        with serve("long:champion", workers=2, timeout=3) as server, Clients(server.url) as clients:
            front = psutil.Process(server._process.pid)
            seconds = 60 * minutes
            for target, given in ((kill_workers, (server, clients.over)), (move_alias, (clients, seconds, moves))):
                threading.Thread(target=target, args=given, daemon=True).start()
            began, memory, descriptors = time.monotonic(), [], []
            while time.monotonic() < began + seconds:
                time.sleep(min(10, seconds))
                memory.append(front.memory_info().rss / 1e6)
                descriptors.append(front.num_fds())
                restarts = get(server.url, "/metadata").json["server"]["restarts"]
                print(  # noqa: T201  # the figures are what it is for
                    f"{time.monotonic() - began:5.0f} s  {memory[-1]:6.1f} MB  {descriptors[-1]:4} descriptors  "
                    f"{len(processes_of(server)):2} processes  {restarts:4} workers replaced  {clients.counts['plain', 200]:,} answers",
                    flush=True,
                )  # fmt: skip
            clients.over.set()
            time.sleep(4)
            is_well = post(server.url, {}).status == 200
            left = len(processes_of(server))
        is_over = not psutil.pid_exists(front.pid)
    for (kind, status), count in sorted(clients.counts.items(), key=str):
        print(f"{kind:>8} {status!s:>20} {count:9,}")  # noqa: T201  # as above
    unexpected = {
        key: n for key, n in clients.counts.items() if key[0] == "lost" or key[1] not in EXPECTED.get(key[0], {""})
    }
    early = memory[len(memory) // 3]
    print(  # noqa: T201  # as above
        f"memory {early:.1f} MB after a third, {memory[-1]:.1f} MB at the end; {left} processes at the end, then none: {is_over}"
    )
    print(f"unexpected: {unexpected or 'nothing'}")  # noqa: T201  # as above
    return is_well and is_over and not unexpected and memory[-1] < early * 1.15 + 5


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--moves", type=int, default=100, help="how many times the alias moves")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        sys.exit(not run(chosen.minutes, chosen.moves, Path(folder)))
