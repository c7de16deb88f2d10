"""What every test stands on: a registry and a cache of its own."""

from __future__ import annotations

import atexit
import os
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from IPython.core.interactiveshell import InteractiveShell
    from notebook_shell import Notebook
    from real_kernel import Kernel


@pytest.fixture(autouse=True)
def registry_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the test a registry, which does not exist yet, and a cache; nothing of the user's is touched."""
    monkeypatch.setenv("VESSL_NB_REGISTRY", str(tmp_path / "registry"))
    monkeypatch.setenv("VESSL_NB_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("VESSL_NB_ORGANIZATION", raising=False)
    return tmp_path / "registry"


@pytest.fixture
def snapshot(registry_root: Path):
    """Give a function that reads every file of the registry, by path: equal snapshots are byte-identical registries."""

    def take() -> dict[str, bytes]:
        # Which process writes is no part of what is in the registry; what it left unfinished would be.
        files = (path for path in sorted(registry_root.rglob("*")) if path.is_file() and path.name != "writer.json")
        return {str(path.relative_to(registry_root)): path.read_bytes() for path in files}

    return take


@pytest.fixture
def anew(monkeypatch: pytest.MonkeyPatch):
    """Give a function after which the registry is read anew, as a process that begins reads it."""
    from vessl_nb.registry import registry
    from vessl_nb.storage import verified

    def begin() -> None:
        monkeypatch.setattr(registry, "_OPEN", {})
        verified._notes.clear()

    return begin


@pytest.fixture
def plain_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[InteractiveShell]:
    """Give IPython's own shell, with nothing loaded, in a folder that is empty."""
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.chdir(tmp_path)
    main = sys.modules["__main__"]
    config = Config()
    config.HistoryManager.enabled = False  # its sqlite file would stay open
    config.InteractiveShell.colors = "nocolor"
    InteractiveShell.clear_instance()
    shell = InteractiveShell.instance(config=config)
    yield shell
    atexit.unregister(shell.atexit_operations)  # a third of a second each
    InteractiveShell.clear_instance()
    sys.modules["__main__"] = main


@pytest.fixture
def bare(plain_shell: InteractiveShell) -> Notebook:
    """Give a shell with nothing loaded."""
    from notebook_shell import Notebook

    return Notebook(plain_shell)


@pytest.fixture
def notebook(bare: Notebook) -> Notebook:
    """Give a shell with the magics, a model and a runner that nobody has marked."""
    from usual_cells import MODEL, RUNNER

    bare("%load_ext vessl_nb\nimport vessl_nb as vessl")
    bare(MODEL)
    bare(RUNNER)
    return bare


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """Start a kernel that has the extension."""
    from real_kernel import Kernel

    kernel = Kernel("vessl_nb", tmp_path_factory.mktemp("kernel"))
    kernel.at_start = kernel.run("%vessl_versions?").reply
    yield kernel
    kernel.stop()


@pytest.fixture
def kernel(running: Kernel, tmp_path: Path) -> Kernel:
    """Give the kernel as new, in this test's folder and with its registry."""
    from real_kernel import SETUP

    running("%reset -f")
    running("%reload_ext vessl_nb")
    running(f"import os; os.chdir({str(tmp_path)!r})")
    for name in ("VESSL_NB_REGISTRY", "VESSL_NB_CACHE"):
        running(f"os.environ[{name!r}] = {os.environ[name]!r}")
    running(SETUP)
    return running
