"""Where modules are, loaded or not, and which places are nobody's but the user's."""

from __future__ import annotations

import functools
import os
import site
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec

_INSTALLED_NAMES = frozenset({"site-packages", "dist-packages"})


class Place(NamedTuple):
    """Where a module is: its file, None for a namespace package or what has none; the folders of its submodules."""

    file: Path | None
    folders: list[Path]


def locate(name: str, folders: list[Path] | None) -> Place | None:
    """Find out where a module is, in the folders of the package that it is in; None where there is none."""
    module = sys.modules.get(name)
    if module is not None:
        variables = variables_of(module)
        file, inner = variables.get("__file__"), variables.get("__path__")
    else:
        spec = _find_spec(name, None if folders is None else [str(folder) for folder in folders])
        if spec is None:
            return None
        file, inner = spec.origin if spec.has_location else None, spec.submodule_search_locations
    return Place(Path(file) if isinstance(file, str) else None, [Path(folder) for folder in inner or ()])


def is_local(file: Path, base: str) -> bool:
    """Tell whether a file belongs to neither Python, nor an installed distribution, nor a kernel's cells.

    A file counts as installed by its own path as well as by what that leads to: some installers put links.
    """
    for path in (file.absolute(), Path(os.path.realpath(file))):
        if not _INSTALLED_NAMES.isdisjoint(path.parts) or any(
            path.is_relative_to(home) for home in _installed_folders()
        ):
            return False
        if any(part.startswith("ipykernel_") for part in path.parts):
            return False
    root = file.absolute().parent
    for _ in range(base.count("/") + (file.stem == "__init__")):
        root = root.parent
    return not _is_recorded(root, base)


def variables_of(module: Any) -> dict[str, Any]:
    """Give the variables of a module that is imported, without waking one that would be imported only now."""
    try:
        variables = object.__getattribute__(module, "__dict__")
    except AttributeError:  # anything may be put where modules are kept
        return {}
    return variables if isinstance(variables, dict) else {}


def _find_spec(name: str, folders: list[str] | None) -> ModuleSpec | None:
    for finder in list(sys.meta_path):
        # setuptools' finder imports setuptools when it is asked for distutils, and nothing shall be imported here.
        if getattr(finder, "__module__", "") == "_distutils_hack" or not hasattr(finder, "find_spec"):
            continue
        spec = finder.find_spec(name, folders)
        if spec is not None:
            return spec
    return None


def _is_recorded(root: Path, base: str) -> bool:
    """Tell whether pip put a module into a folder that it was pointed to, with ``--target`` for example."""
    if not any(root.glob("*.dist-info")):
        return False
    from importlib import metadata  # noqa: PLC0415  # slow to import, seldom needed

    starts = (f"{base}/", f"{base}.")
    records = (found.read_text("RECORD") for found in metadata.distributions(path=[str(root)]))
    return any(line.startswith(starts) for record in records if record for line in record.splitlines())


@functools.cache  # asked for only where modules are looked at: sysconfig takes its time
def _installed_folders() -> tuple[Path, ...]:
    named = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    return tuple({Path(way(path)) for path in (*named, site.getusersitepackages()) for way in (str, os.path.realpath)})
