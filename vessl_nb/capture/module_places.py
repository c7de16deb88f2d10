"""Where modules are, loaded or not, and which places are nobody's but the user's."""

from __future__ import annotations

import filecmp
import functools
import os
import site
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from vessl_nb.storage.user_cache import cache_folder

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
        return _locate_on_path(name, folders, list(sys.meta_path))
    return Place(Path(file) if isinstance(file, str) else None, [Path(folder) for folder in inner or ()])


def find_displaced(name: str, file: Path) -> Path | None:
    """Find the file that an import would take, had no version brought a module of that name.

    Parameters
    ----------
    name
        The module's name.
    file
        The file that the version brought: the module, or the package's ``__init__.py``.

    Returns
    -------
    Path or None
        None where there is none, or where what there is of it is the same as what the version brought.
    """
    # The one that finds what versions brought stands on a higher floor, and is known by its name alone.
    finders = [
        finder for finder in list(sys.meta_path) if getattr(finder, "__module__", "") != "vessl_nb.local_modules"
    ]
    folders: list[Path] | None = None
    parts = name.split(".")
    for end in range(1, len(parts) + 1):
        found = _locate_on_path(".".join(parts[:end]), folders, finders)
        if found is None:
            return None
        folders = found.folders
    other = found.file if found else None
    if other is None or is_brought(other) or not other.is_file():
        return None
    brought = [file] if file.stem != "__init__" else [path for path in file.parent.rglob("*") if _is_kept(path)]
    same = (_same_file(path, other.parent / path.relative_to(file.parent)) for path in brought)
    return None if other.name == file.name and all(same) else other


def is_brought(file: Path) -> bool:
    """Tell whether a module's file is a copy that a version brought, in the user's cache."""
    return file.absolute().is_relative_to(cache_folder() / "modules")


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


def _locate_on_path(name: str, folders: list[Path] | None, finders: list[Any]) -> Place | None:
    try:
        spec = _find_spec(name, None if folders is None else [str(folder) for folder in folders], finders)
    except KeyError:
        # A package without __init__.py in another one: Python looks for the outer one among what was imported.
        inner = [folder / name.rpartition(".")[2] for folder in folders or ()]
        return Place(None, [folder for folder in inner if folder.is_dir()])
    if spec is None:
        return None
    file, found = spec.origin if spec.has_location else None, spec.submodule_search_locations
    return Place(Path(file) if isinstance(file, str) else None, [Path(folder) for folder in found or ()])


def _is_kept(path: Path) -> bool:
    return path.is_file() and path.suffix != ".pyc"


def _same_file(one: Path, other: Path) -> bool:
    return other.is_file() and filecmp.cmp(one, other, shallow=False)


def _find_spec(name: str, folders: list[str] | None, finders: list[Any]) -> ModuleSpec | None:
    for finder in finders:
        # setuptools' finder imports setuptools when it is asked for distutils, and nothing shall be imported here.
        if getattr(finder, "__module__", "") == "_distutils_hack" or not hasattr(finder, "find_spec"):
            continue
        spec: ModuleSpec | None = finder.find_spec(name, folders)
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
