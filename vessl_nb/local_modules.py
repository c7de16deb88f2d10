"""A version's local modules made importable where it is loaded: its own code under their names, or an error.

Each unit (see `vessl_nb.registry.module_folders`) is laid out in the user's cache, and a name stands for one content as
long as the process lives. Deciding by the unit, not by the top-level name, lets packages without ``__init__.py`` go on
being spread over folders.
"""

from __future__ import annotations

import os
import sys
import threading
from importlib.abc import MetaPathFinder
from importlib.machinery import (
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    ModuleSpec,
    PathFinder,
    SourceFileLoader,
)
from typing import TYPE_CHECKING

from vessl_nb.capture.module_places import find_displaced
from vessl_nb.loaded_modules import is_loaded
from vessl_nb.registry.module_folders import split_units, unit_folder
from vessl_nb.registry.volume import lay_out
from vessl_nb.volume_paths import check_volume_path

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from types import ModuleType

    from vessl_nb.storage.blobs import Blobs, Place


def make_importable(files: Mapping[str, Place], blobs: Blobs) -> None:
    """Make local modules importable, from now on and as long as this process lives.

    Parameters
    ----------
    files
        Their files, by path below the folder that an import looks in, such as ``pkg/__init__.py``.
    blobs
        Where their contents are.

    Warns
    -----
    UserWarning
        An ordinary import would find another file under one of their names: the user's own, perhaps.

    Raises
    ------
    LocalModuleConflict
        Something else is loaded, or was promised to another version, under one of their names. Then nothing was made
        importable.
    InvalidArgument
        A path leaves the folder, or clashes with another: a document may be hostile.
    RegistryError
        The cache cannot be written.
    Damaged
        A file is missing from the registry, or is not what was written.
    """
    for path in files:
        check_volume_path(path)
    units = split_units(files)
    with _lock:
        folders = {name: _folder_of(name, unit) for name, unit in units.items()}
        for name in _find_missing(units, folders):
            lay_out(blobs, units[name], folders[name])
        # Looked for once more: it may take a while, and another thread may have imported one from elsewhere.
        missing = _find_missing(units, folders)
        new = [name for name in missing if name not in _finder.folders]
        _finder.take({name: folders[name] for name in missing})
    _say_displaced(
        {name: displaced for name in new if (displaced := _find_displaced(name, units[name], folders[name]))}
    )


class _Finder(MetaPathFinder):
    """Finds the units that versions brought; what is inside them is found by their packages' own paths.

    Attributes
    ----------
    folders
        The folder that each unit was laid out in, by its name. Replaced as a whole, since imports look into it without
        a lock: with one, a thread that imports and one that loads could wait for each other.
    """

    def __init__(self) -> None:
        self.folders: dict[str, Path] = {}

    def take(self, folders: Mapping[str, Path]) -> None:
        """Take units in, and stand where imports ask before they look into folders."""
        self.folders = {**self.folders, **folders}
        if folders and self not in sys.meta_path:
            position = sys.meta_path.index(PathFinder) if PathFinder in sys.meta_path else 0
            sys.meta_path.insert(position, self)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find a unit, or a package without ``__init__.py`` that one is in."""
        folders = self.folders
        if fullname in folders:
            return _spec_in(folders[fullname], fullname)
        inner = fullname.replace(".", "/")
        spread = [str(folder / inner) for name, folder in folders.items() if name.startswith(f"{fullname}.")]
        if not spread:
            return None
        elsewhere = PathFinder.find_spec(fullname, path, target)
        if elsewhere is not None and elsewhere.loader is None:
            return elsewhere  # it has parts here as well, and the units in it are asked for by their full names
        spec = ModuleSpec(fullname, None, is_package=True)
        spec.submodule_search_locations = spread
        return spec


_finder = _Finder()
_lock = threading.RLock()


def _renew_lock() -> None:
    global _lock  # noqa: PLW0603  # a lock that another thread held at the fork stays held in the child
    _lock = threading.RLock()


os.register_at_fork(after_in_child=_renew_lock)


def _spec_in(folder: Path, name: str) -> ModuleSpec:
    # A finder of its own: Python's path finder remembers for good that a folder was not there.
    finder = FileFinder(
        str((folder / name.replace(".", "/")).parent),
        (ExtensionFileLoader, EXTENSION_SUFFIXES),
        (SourceFileLoader, SOURCE_SUFFIXES),
    )
    spec = finder.find_spec(name)
    if spec is None or spec.loader is None:
        # Whatever else there is by this name, it is not what the version was registered with.
        message = f"The version's module {name} is gone from {folder}. Load the version again."
        raise ModuleNotFoundError(message, name=name)
    return spec


def _find_displaced(name: str, unit: Mapping[str, Place], folder: Path) -> Path | None:
    base = name.replace(".", "/")
    bases = {base + suffix for suffix in (*EXTENSION_SUFFIXES, *SOURCE_SUFFIXES)}
    bases |= {f"{base}/__init__{suffix}" for suffix in (*EXTENSION_SUFFIXES, *SOURCE_SUFFIXES)}
    return next((find_displaced(name, folder / path) for path in sorted(unit) if path in bases), None)


def _say_displaced(displaced: Mapping[str, Path]) -> None:
    if not displaced:
        return
    from vessl_nb.capture.inventory import warn  # noqa: PLC0415  # a server that loads a version need not have it

    warn(
        [
            f"{name} is now the one that the version loaded here brought, not {file}, in this process. To work on "
            "yours, restart the kernel, and load the version in another process (`vessl-nb run`)."
            for name, file in displaced.items()
        ]
    )


def _find_missing(units: Mapping[str, Mapping[str, Place]], folders: Mapping[str, Path]) -> list[str]:
    """List the units that are to come from the cache: all but those of which the same code is loaded from elsewhere."""
    return [name for name, unit in units.items() if not is_loaded(name, unit, folders[name], _finder.folders)]


def _folder_of(name: str, unit: Mapping[str, Place]) -> Path:
    """Name the folder for a unit's content: where it was laid out for this process, or else in the user's cache."""
    wanted, taken = unit_folder(unit), _finder.folders.get(name)
    return taken if taken is not None and taken.name == wanted.name else wanted
