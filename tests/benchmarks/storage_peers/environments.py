"""The tools that are compared, each in a virtual environment of its own, made once and used again."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import peer_environments
from peer_environments import make_environment, variables_of, why_not

SCRIPTS = Path(__file__).parent

ENVIRONMENTS = {
    "mlflow": ["mlflow==3.17.2", "scikit-learn==1.9.1", "torch==2.13.0"],
    "bentoml": ["bentoml==1.4.40", "pandas==3.1.1", "scikit-learn==1.9.1", "torch==2.13.0"],
    "pins": ["pins==0.9.2", "scikit-learn==1.9.1", "vetiver==0.2.6"],
    "torch": ["numpy==2.4.6", "safetensors==0.8.0", "torch==2.13.0"],
}
"""What is installed into each environment."""


@dataclass(frozen=True)
class Tool:
    """A tool and how it is run.

    Attributes
    ----------
    key
        What the rows call it.
    packages
        The packages that it is, by the names that the table shows.
    script
        Its script in this folder.
    python
        The interpreter that runs it.
    """

    key: str
    packages: dict[str, str]
    script: str
    python: str = sys.executable

    def run(self, work: str, folder: Path, turn: int, timeout: float) -> subprocess.CompletedProcess[str]:
        """Do one work in a child, in a scratch folder."""
        home = folder / self.key
        (home / "tmp").mkdir(parents=True, exist_ok=True)
        return subprocess.run(
            [self.python, SCRIPTS / self.script, work, home, str(turn)],
            env=variables_of(home, self.python),
            cwd=home,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )


OURS = Tool("vessl_nb", {"vessl_nb": "vessl_nb"}, "ours.py")

PEERS = {
    "mlflow": Tool("mlflow", {"MLflow": "mlflow"}, "mlflow_peer.py"),
    "bentoml": Tool("bentoml", {"BentoML": "bentoml"}, "bentoml_peer.py"),
    "pins": Tool("pins", {"vetiver": "vetiver", "pins": "pins"}, "pins_peer.py"),
    "torch": Tool("torch", {"torch.save/load": "torch"}, "torch_peer.py"),
    "safetensors": Tool("safetensors", {"safetensors": "safetensors"}, "safetensors_peer.py"),
}


def make_environments(folder: Path, say) -> list[Tool]:
    """Make the peers' environments, where they are not there yet; who cannot be installed is left out, in words."""
    tools = []
    for tool in PEERS.values():
        name = tool.key if tool.key in ENVIRONMENTS else "torch"
        try:
            python = make_environment(folder / name, ENVIRONMENTS[name], say)
        except subprocess.CalledProcessError as error:
            say(f"{tool.key} is left out: {why_not(error)}")
            continue
        tools.append(Tool(tool.key, tool.packages, tool.script, str(python)))
    return tools


def label_of(tool: Tool) -> str:
    """Name a tool with its versions."""
    return peer_environments.label_of(tool.python, tool.packages)
