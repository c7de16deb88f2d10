"""Where a version comes from: the notebook, the git commit, and the packages that were imported there."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from vessl_nb.manifest import Origin

if TYPE_CHECKING:
    from collections.abc import Iterable

_RECORDED = ("cloudpickle", "numpy", "pandas", "torch", "vessl_nb")
"""Modules whose version says most about whether a pickle will load elsewhere; the model's own is added."""


def find_origin() -> Origin:
    """Name the notebook that runs here and the commit that its folder is at, as far as they can be known."""
    # VS Code says it in a variable, Jupyter's server in the kernel's environment.
    variables = vars(sys.modules["__main__"])
    notebook = variables.get("__vsc_ipynb_file__") or os.environ.get("JPY_SESSION_NAME") or ""
    name = Path(str(notebook)).name.encode("utf-8", "replace").decode()
    return Origin(notebook=name, commit=_commit())


def package_versions(classes: Iterable[type]) -> dict[str, str]:
    """Give the versions of the packages behind some classes, and of those that pickles depend on, as imported here."""
    names = sorted({*_RECORDED, *(cls.__module__.partition(".")[0] for cls in classes)})
    found = {name: getattr(sys.modules.get(name), "__version__", None) for name in names}
    # torch has a str of its own there.
    return {name: str(version) for name, version in found.items() if isinstance(version, str)}


def _commit() -> str:
    """Read the commit of the checkout that the working directory is in: ten times quicker than to ask git."""
    try:
        folder = Path.cwd()
        git = next((p / ".git" for p in (folder, *folder.parents) if (p / ".git").exists()), None)
        if git is None:
            return ""
        if git.is_file():  # a worktree
            git = git.parent / git.read_text().removeprefix("gitdir:").strip()
        head = (git / "HEAD").read_text().strip()
        if not head.startswith("ref: "):
            return head
        name = head.removeprefix("ref: ")
        common = git / (git / "commondir").read_text().strip() if (git / "commondir").exists() else git
        if (common / name).exists():
            return (common / name).read_text().strip()
        packed = (common / "packed-refs").read_text().splitlines()
        return next((line.split()[0] for line in packed if line.endswith(f" {name}")), "")
    except (OSError, UnicodeDecodeError):
        return ""
