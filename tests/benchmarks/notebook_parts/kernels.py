"""Real kernels to measure in: a script of this folder runs there as a cell, and tells figures."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

from jupyter_client.manager import start_new_kernel

_TIMEOUT = 600
_FIGURES = "figures: "


class Kernel:
    """A kernel that has just started, and has run a cell.

    Parameters
    ----------
    client
        Its client, connected.
    """

    def __init__(self, client: Any) -> None:
        self._client = client
        self.run("1 + 1")

    def run(self, code: str) -> dict[str, Any]:
        """Run code as a cell; gives the figures that it tells, and raises where it fails."""
        said: list[str] = []

        def hear(message: dict[str, Any]) -> None:
            if message["msg_type"] == "stream":
                said.append(message["content"]["text"])

        reply = self._client.execute_interactive(code, timeout=_TIMEOUT, output_hook=hear)["content"]
        if reply["status"] != "ok":
            raise RuntimeError("\n".join(reply["traceback"]))
        told = [line.removeprefix(_FIGURES) for line in "".join(said).splitlines() if line.startswith(_FIGURES)]
        return json.loads(told[-1]) if told else {}

    def run_script(self, name: str) -> dict[str, Any]:
        """Run a script of this folder as a cell, so that its classes are the notebook's own."""
        return self.run(Path(__file__).with_name(f"{name}.py").read_text())


@contextlib.contextmanager
def start_kernel():
    """Start a kernel; it has the environment variables of this process."""
    manager, client = start_new_kernel()
    try:
        yield Kernel(client)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
