"""The tools that are compared, each in a virtual environment of its own, made once and used again."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

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
            env=_environment_of(home, keeps_path=self.python == sys.executable),
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
            python = _make(folder / name, ENVIRONMENTS[name], say)
        except subprocess.CalledProcessError as error:
            lines = (error.stderr or "").strip().splitlines()
            say(f"{tool.key} is left out: {lines[-1] if lines else error}")
            continue
        tools.append(Tool(tool.key, tool.packages, tool.script, str(python)))
    return tools


def compile_ours() -> None:
    """Compile vessl_nb to byte code, as pip has done with the others."""
    spec = importlib.util.find_spec("vessl_nb")
    if spec is not None and spec.submodule_search_locations:
        _compile(sys.executable, spec.submodule_search_locations[0])


def label_of(tool: Tool) -> str:
    """Name a tool with its versions, as its own interpreter knows them."""
    script = "import importlib.metadata, sys; print(*map(importlib.metadata.version, sys.argv[1:]))"
    told = subprocess.run(
        [tool.python, "-c", script, *tool.packages.values()], capture_output=True, text=True, check=True
    )
    versions = told.stdout.split()
    return ", ".join(f"{name} {version}" for name, version in zip(tool.packages, versions, strict=True))


def _make(folder: Path, requirements: list[str], say) -> Path:
    python = folder / "bin" / "python"
    marker = folder / "requirements.txt"
    wanted = "\n".join([sys.version, *requirements])
    if marker.exists() and marker.read_text() == wanted:
        return python
    say(f"Installing {', '.join(requirements)} ...")
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", folder], check=True, capture_output=True, text=True)
    install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", *requirements]
    subprocess.run(["nice", "-n", "10", python, *install], check=True, capture_output=True, text=True)
    _compile(python, folder / "lib")
    marker.write_text(wanted)
    return python


def _compile(python: Path | str, folder: Path | str) -> None:
    # Some packages ship files that are no Python 3: that these do not compile is no matter.
    subprocess.run(["nice", "-n", "10", python, "-m", "compileall", "-qq", folder], check=False, capture_output=True)


def _environment_of(home: Path, *, keeps_path: bool) -> dict[str, str]:
    """Give a child's environment variables: everything it writes is in its folder, and it tells nobody of its use."""
    kept = {name: value for name, value in os.environ.items() if keeps_path or name != "PYTHONPATH"}
    kept.pop("PYTHONDONTWRITEBYTECODE", None)
    return kept | {
        "VESSL_NB_REGISTRY": str(home / "registry"),
        "VESSL_NB_CACHE": str(home / "cache"),
        "BENTOML_HOME": str(home / "bentoml"),
        "BENTOML_DO_NOT_TRACK": "True",
        "DO_NOT_TRACK": "true",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "GIT_PYTHON_REFRESH": "quiet",
        "PINS_CACHE_DIR": str(home / "pins_cache"),
        "TMPDIR": str(home / "tmp"),
    }
