"""The servers that are compared, each in a virtual environment of its own, made once and used again."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import peer_environments
from peer_environments import make_environment, variables_of, why_not

if TYPE_CHECKING:
    from collections.abc import Callable

SCRIPTS = Path(__file__).parent

ENVIRONMENTS = {
    "fastapi": [
        "fastapi==0.165.0", "httptools==0.9.0", "numpy==2.4.6", "torch==2.13.0", "uvicorn==0.54.0", "uvloop==0.23.0",
    ],
    "litserve": ["litserve==0.2.19", "numpy==2.4.6", "torch==2.13.0"],
    "mlflow": ["mlflow==3.17.2", "numpy==2.4.6", "torch==2.13.0"],
    "bentoml": ["bentoml==1.4.40", "numpy==2.4.6", "torch==2.13.0"],
}  # fmt: skip
"""What is installed into each environment."""


@dataclass(frozen=True)
class Tool:
    """A server and how it is run.

    Attributes
    ----------
    key
        What the rows call it.
    packages
        The packages that it is, by the names that the table shows.
    script
        Its script in this folder.
    models
        Which models of `models.py` it serves.
    path
        Where it answers.
    wrapper
        Under which key of the body the data stands; empty where it is the body.
    python
        The interpreter that runs it.
    """

    key: str
    packages: dict[str, str]
    script: str
    models: tuple[str, ...] = ("dot", "slow", "net")
    path: str = "/predict"
    wrapper: str = ""
    python: str = sys.executable

    def command(self, *words: object) -> list[str]:
        """Give the command that runs its script."""
        return [self.python, str(SCRIPTS / self.script), *map(str, words)]

    def environment(self, home: Path) -> dict[str, str]:
        """Give its environment variables: all that it writes is in its folder, and it tells nobody of its use."""
        return variables_of(home, self.python)


OURS = Tool("vessl_nb", {"vessl_nb": "vessl_nb"}, "ours.py")

# The floor runs on the very uvicorn that vessl_nb runs on.
BARE = Tool("bare", {"bare function, uvicorn": "uvicorn"}, "bare_peer.py", ("dot",))

PEERS = {
    "starlette": Tool("starlette", {"Starlette": "starlette"}, "starlette_peer.py", ("dot",)),
    "fastapi": Tool("fastapi", {"FastAPI": "fastapi"}, "fastapi_peer.py"),
    "litserve": Tool("litserve", {"LitServe": "litserve"}, "litserve_peer.py"),
    "mlflow": Tool("mlflow", {"MLflow": "mlflow"}, "mlflow_peer.py", path="/invocations", wrapper="inputs"),
    "bentoml": Tool("bentoml", {"BentoML": "bentoml"}, "bentoml_peer.py"),
}


def make_environments(folder: Path, say: Callable[[str], None]) -> list[Tool]:
    """Make the peers' environments, where they are not there yet; who cannot be installed is left out, in words."""
    tools = []
    for tool in PEERS.values():
        name = tool.key if tool.key in ENVIRONMENTS else "fastapi"
        try:
            python = make_environment(folder / name, ENVIRONMENTS[name], say)
        except subprocess.CalledProcessError as error:
            say(f"{tool.key} is left out: {why_not(error)}")
            continue
        tools.append(
            Tool(tool.key, tool.packages, tool.script, tool.models, tool.path, tool.wrapper, python=str(python))
        )
    return tools


def label_of(tool: Tool) -> str:
    """Name a tool with its versions."""
    return peer_environments.label_of(tool.python, tool.packages)
