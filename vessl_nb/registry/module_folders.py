"""Where a version's local modules are laid out in the user's cache.

What travels together is a unit: a package with its folder, or a module by itself. Each has a folder named by what is in
it, so that versions with the same unit share it.
"""

from __future__ import annotations

import shutil
from importlib.machinery import EXTENSION_SUFFIXES, SOURCE_SUFFIXES
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import blake3

from vessl_nb.storage.user_cache import cache_folder

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from vessl_nb.manifest import Manifest
    from vessl_nb.storage.blobs import Place

_SUFFIXES = (*EXTENSION_SUFFIXES, *SOURCE_SUFFIXES)


def split_units(files: Mapping[str, Place]) -> dict[str, dict[str, Place]]:
    """Split a version's module files into units, by the name that each is imported by."""
    packages = {str(PurePosixPath(path).parent) for path in files if _module_name(path) == "__init__"}
    units: dict[str, dict[str, Place]] = {}
    for path, place in files.items():
        parents = [str(parent) for parent in PurePosixPath(path).parents]
        root = next((parent for parent in reversed(parents) if parent in packages), None)
        module = PurePosixPath(path).with_name(_module_name(path)) if root is None else PurePosixPath(root)
        units.setdefault(".".join(module.parts), {})[path] = place
    return units


def unit_folder(unit: Mapping[str, Place]) -> Path:
    """Give the path of the folder for a unit, whether it exists or not."""
    hasher = blake3.blake3()
    for path, place in sorted(unit.items()):
        hasher.update(f"{path}\0{place.digest}\n".encode())
    return cache_folder() / "modules" / hasher.hexdigest()[:32]


def forget_modules(manifest: Manifest) -> None:
    """Remove a version's modules from the user's cache; a version that has the same ones lays them out again."""
    for unit in split_units(manifest.modules).values():
        shutil.rmtree(unit_folder(unit), ignore_errors=True)


def _module_name(path: str) -> str:
    name = PurePosixPath(path).name
    return next((name.removesuffix(suffix) for suffix in _SUFFIXES if name.endswith(suffix)), name)
