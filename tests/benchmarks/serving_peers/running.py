"""A server started, asked, weighed and stopped, whichever tool it is."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from serving_peers.environments import Tool

_START_LIMIT = 120.0
_STOP_LIMIT = 5.0
_TICK = 1 / os.sysconf("SC_CLK_TCK")
_LUA = Path(__file__).parent / "post.lua"


class Failed(Exception):
    """Something did not work; says what, in a line."""


class Served:
    """A running server.

    Parameters
    ----------
    tool
        What serves.
    model
        Which model.
    home
        The folder in which the model was prepared.
    workers
        How many workers there are.

    Attributes
    ----------
    started_in
        How long it took from the command to the first answer, in seconds.
    """

    def __init__(self, tool: Tool, model: str, home: Path, workers: int = 1) -> None:
        self.tool = tool
        self._port = _free_port()
        self._log = home / f"{model}.log"
        self._began = time.monotonic()
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                tool.command("serve", model, home, self._port, workers),
                env=tool.environment(home),
                cwd=home,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self.started_in = 0.0

    def wait_for_answer(self, x: Sequence[float]) -> dict[str, Any]:
        """Ask until there is an answer, and note how long that took."""
        while time.monotonic() < self._began + _START_LIMIT and self._process.poll() is None:
            with contextlib.suppress(OSError, http.client.HTTPException, Failed):
                answer = self.ask(x)
                self.started_in = time.monotonic() - self._began
                return answer
            time.sleep(0.005)
        lines = self._log.read_text(errors="replace").strip().splitlines()
        raise Failed(f"did not start: {lines[-1] if lines else 'it said nothing'}")

    def ask(self, x: Sequence[float]) -> dict[str, Any]:
        """Send one request on a connection of its own.

        Returns
        -------
        dict of str to object
            The answer, and as ``version`` the version that gave it, where the server says so.
        """
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        with contextlib.closing(connection):
            connection.request("POST", self.tool.path, self._body(x), {"content-type": "application/json"})
            response = connection.getresponse()
            text = response.read()
        if response.status != http.client.OK:
            raise Failed(f"answers {response.status}: {text[:80]!r}")
        answer = json.loads(text)
        return {**answer.get("predictions", answer), "version": response.getheader("vessl-version", "")}

    def _body(self, x: Sequence[float]) -> str:
        data: dict[str, Any] = {"x": list(x)}
        return json.dumps({self.tool.wrapper: data} if self.tool.wrapper else data)

    def start_load(self, x: Sequence[float], connections: int, seconds: float) -> subprocess.Popen[str]:
        """Let wrk send as many requests as it can."""
        if shutil.which("wrk") is None:
            raise Failed("wrk is not there: apt install wrk")
        return subprocess.Popen(
            [
                "wrk", "--threads=1", f"--connections={connections}", f"--duration={seconds}", f"--script={_LUA}",
                f"http://127.0.0.1:{self._port}{self.tool.path}",
            ],
            env={**os.environ, "BODY": self._body(x)},
            stdout=subprocess.PIPE,
            text=True,
        )  # fmt: skip

    def load(self, x: Sequence[float], connections: int, seconds: int) -> dict[str, float]:
        """Send as many requests as it takes, and tell what came of it.

        Returns
        -------
        dict of str to float
            ``rate`` in 1/s, ``p50`` and ``p99`` in seconds, ``cpu`` of all the server's processes in seconds a request.
        """
        before = self._cpu()
        told = result_of(self.start_load(x, connections, seconds))
        used = self._cpu() - before
        if told["failed"]:
            raise Failed(f"{told['failed']} of {told['requests']} requests failed")
        requests = told["requests"]
        return {"rate": requests / told["seconds"], "p50": told["p50"], "p99": told["p99"], "cpu": used / requests}

    def memory(self) -> int:
        """Weigh all its processes, in bytes; what several share is counted once."""
        return sum(_rollup(pid, "Pss") for pid in self._pids())

    def _cpu(self) -> float:
        """Add up the processor time of all its processes, and of those that were theirs and ended, in seconds."""
        ticks = 0
        for pid in self._pids():
            with contextlib.suppress(OSError):
                ticks += sum(map(int, _stat(pid)[11:15]))
        return ticks * _TICK

    def _pids(self) -> list[int]:
        """List the process that was started, and all that came of it."""
        parents = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError):
                    parents[int(entry.name)] = int(_stat(int(entry.name))[1])
        pids = [self._process.pid]
        for pid in pids:  # it grows as it is gone through
            pids += [child for child, parent in parents.items() if parent == pid]
        return pids

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        pids = self._pids()
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_STOP_LIMIT)
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()


def private_memory(pid: int) -> int:
    """Tell how much memory a process has for itself, in bytes."""
    return _rollup(pid, "Private_Clean") + _rollup(pid, "Private_Dirty")


def result_of(wrk: subprocess.Popen[str]) -> dict[str, Any]:
    """Wait for wrk's end, and read what it tells."""
    output, _ = wrk.communicate()
    if wrk.returncode:
        raise Failed(f"wrk ended with {wrk.returncode}")
    told: dict[str, Any] = json.loads(output.strip().splitlines()[-1])
    if not told["requests"]:
        raise Failed("no request was answered")
    return told


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _rollup(pid: int, name: str) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:  # it has ended
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))


def _stat(pid: int) -> list[str]:
    """Read what the kernel says of a process, after its name, which may have spaces."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
