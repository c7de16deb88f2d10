"""Virtual environments for the tools that a benchmark compares: each made once, and used again."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


def make_environment(folder: Path, requirements: Sequence[str], say: Callable[[str], None]) -> Path:
    """Make an environment where it is not there yet, and give its interpreter.

    Raises
    ------
    subprocess.CalledProcessError
        pip could not install something.
    """
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


def why_not(error: subprocess.CalledProcessError) -> str:
    """Say in a line why an environment could not be made."""
    lines = (error.stderr or "").strip().splitlines()
    return lines[-1] if lines else str(error)


def compile_ours() -> None:
    """Compile vessl_nb to byte code, as pip has done with the others."""
    spec = importlib.util.find_spec("vessl_nb")
    if spec is not None and spec.submodule_search_locations:
        _compile(sys.executable, spec.submodule_search_locations[0])


def _compile(python: Path | str, folder: Path | str) -> None:
    # Some packages ship files that are no Python 3: that these do not compile is no matter.
    subprocess.run(["nice", "-n", "10", python, "-m", "compileall", "-qq", folder], check=False, capture_output=True)


def label_of(python: str, packages: Mapping[str, str]) -> str:
    """Name packages with their versions, as an interpreter knows them."""
    script = "import importlib.metadata, sys; print(*map(importlib.metadata.version, sys.argv[1:]))"
    told = subprocess.run([python, "-c", script, *packages.values()], capture_output=True, text=True, check=True)
    return ", ".join(f"{name} {version}" for name, version in zip(packages, told.stdout.split(), strict=True))


def variables_of(home: Path, python: str) -> dict[str, str]:
    """Give a tool's environment variables: everything it writes is in its folder, and it tells nobody of its use."""
    kept = {name: value for name, value in os.environ.items() if python == sys.executable or name != "PYTHONPATH"}
    kept.pop("PYTHONDONTWRITEBYTECODE", None)
    return kept | {
        "PATH": f"{Path(python).parent}{os.pathsep}{os.environ['PATH']}",
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
