"""How fast a served version answers, against its goals and against other servers: python tests/benchmarks/serving.py

All servers answer the same request, ``{"x": [5.1, 3.5, 1.4, 0.2]}``, with a dot product, ``{"y": 1.71}``, from one
worker. vessl_nb has everything in place that it has for users: the signature that requests are held against, metrics,
queue, time limit. The floor is a bare ASGI function on the same uvicorn, doing the same JSON work.

The load comes from wrk (apt install wrk) on the same machine; rows that need it say so where it is missing. The servers
take turns, so that what else the machine does meets them all; where the best turn and the median are far apart, it did
much else. The other servers are installed into environments of their own the first time, which takes minutes and 6 GB.
Memory and processor time are read from /proc: this needs Linux. A full run takes ten minutes. Nothing is asserted:
machines differ, and the table is to be read.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from peer_environments import compile_ours
from platformdirs import user_cache_path
from serving_peers.environments import BARE, OURS, label_of, make_environments
from serving_peers.running import Failed
from serving_peers.table import NOTES, Results, print_table
from serving_peers.works import WORKS

if TYPE_CHECKING:
    from serving_peers.environments import Tool


def main() -> None:
    arguments = _parse(sys.argv[1:])
    compile_ours()
    peers = [] if arguments.without_peers else make_environments(arguments.peers, _say)
    tools = [OURS, BARE, *peers]
    names = [name for name in WORKS if not arguments.only or name in arguments.only]
    results, start = Results(), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="vessl_nb-serving-", ignore_cleanup_errors=True) as folder:
        for name in names:
            work = WORKS[name]
            able = work.tools(tools)
            for turn in range(work.turns):
                for tool in able if turn % 2 == 0 else reversed(able):
                    if name not in results.problems[tool.key]:
                        _say(f"{time.monotonic() - start:6.0f} s  {name} {turn + 1}/{work.turns}: {tool.key}")
                        _run(tool, name, Path(folder), results)
    print(
        f"{label_of(OURS)}; {platform.machine()}, {os.cpu_count()} cores, {platform.system()} {platform.release()}; "
        f"Python {platform.python_version()}; {label_of(BARE)}\n"
    )
    print_table(results, peers, names)
    print(f"\n{NOTES}")


def _run(tool: Tool, name: str, folder: Path, results: Results) -> None:
    """Let a tool do a work once."""
    work, home = WORKS[name], folder / tool.key
    try:
        _prepare(tool, work.model, home)
        figures = work.measure(tool, home)
    except (Failed, OSError, subprocess.CalledProcessError) as error:
        why = f"{error}"
        if isinstance(error, subprocess.CalledProcessError):
            why = error.stderr.strip().splitlines()[-1]
        _say(f"{tool.key} fails at {name}: {why}")
        results.problems[tool.key][name] = why
        return
    for figure, value in figures.items():
        results.figures[tool.key][figure].append(value)


def _parse(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = user_cache_path("vessl_nb") / "serving_peers"
    parser.add_argument("--peers", type=Path, default=default, help="the folder of the peers' environments")
    parser.add_argument("--without-peers", action="store_true", help="measure vessl_nb and the bare function alone")
    parser.add_argument("--only", nargs="+", choices=WORKS, help="some works")
    return parser.parse_args(words)


def _prepare(tool: Tool, model: str, home: Path) -> None:
    """Let a tool make the model that it is to serve, once."""
    done = home / f"{model}.prepared"
    if not done.exists():
        (home / "tmp").mkdir(parents=True, exist_ok=True)
        command = tool.command("prepare", model, home)
        subprocess.run(command, env=tool.environment(home), cwd=home, capture_output=True, text=True, check=True)
        done.touch()


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
