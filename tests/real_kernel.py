"""A running kernel, spoken to as JupyterLab does, for tests."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from jupyter_client.manager import KernelManager
from usual_cells import MODEL

if TYPE_CHECKING:
    from pathlib import Path

SETUP = f"import vessl_nb as vessl\n{MODEL}"

ADDRESS_OR_TIME = re.compile(r"0x[0-9a-f]{5,}|\d\d:\d\d|\d ?(µs|ms|s)\b")


@dataclass
class Ran:
    """What came back over the wire for one cell."""

    reply: dict[str, Any]
    outputs: list[dict[str, Any]] = field(default_factory=list)

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [output["content"] for output in self.outputs if output["msg_type"] == kind]

    @property
    def text(self) -> str:
        """What is shown as text: streams, and the text of what is displayed."""
        return "".join(
            output["content"].get("text", "") + output["content"].get("data", {}).get("text/plain", "")
            for output in self.outputs
        )

    @property
    def errors(self) -> list[list[str]]:
        """The lines of each error that is shown."""
        tracebacks = [error["traceback"] for error in self.of("error")]
        return ["\n".join(lines).strip().splitlines() for lines in tracebacks if lines]


class Kernel:
    """A running kernel and a client of it."""

    def __init__(self, name: str, folder: Path) -> None:
        self.manager = KernelManager(kernel_name=name)
        environment = os.environ | {"IPYTHONDIR": str(folder / "ipython")}
        self.manager.start_kernel(env=environment, cwd=str(folder))
        self.client = self.manager.blocking_client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)

    def stop(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)
        self.manager.context.destroy(linger=0)

    def run(self, cell: str) -> Ran:
        outputs: list[dict[str, Any]] = []
        reply = self.client.execute_interactive(cell, timeout=60, output_hook=outputs.append, allow_stdin=False)
        return Ran(reply["content"], outputs)

    def __call__(self, cell: str) -> Ran:
        """Run a cell that works."""
        ran = self.run(cell)
        assert ran.reply["status"] == "ok", ran.reply
        return ran

    def value(self, expression: str) -> Any:
        """Give a value of the kernel's, by way of its repr."""
        return eval(self(expression).of("execute_result")[0]["data"]["text/plain"])

    def complete(self, text: str) -> list[str]:
        content = self.client.complete(text, len(text), reply=True, timeout=60)["content"]
        assert content["status"] == "ok"
        assert content["cursor_end"] == len(text)
        return [text[: content["cursor_start"]] + match for match in content["matches"]]
