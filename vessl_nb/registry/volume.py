"""A version's volume, the folder that its runner sees as its working directory; and any files laid out as one is."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import blake3

from vessl_nb.errors import InvalidArgument, RegistryError
from vessl_nb.manifest import encode_manifest
from vessl_nb.progress import progress
from vessl_nb.storage.user_cache import cache_folder
from vessl_nb.volume_paths import check_no_clash, check_volume_path

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vessl_nb.manifest import Manifest
    from vessl_nb.registry.registry import Registry
    from vessl_nb.registry.state import ModelState
    from vessl_nb.storage.blobs import Blobs, Place


_CHANGED = ".changed-"
"""Begins the name of a folder that was written into: some process may still have it as its working directory."""


def files_of(registry: Registry, model: ModelState) -> dict[str, Place]:
    """Collect the files in a model's volume: its newest revision's, and those that came since."""
    current = model.current()
    return {**(registry.manifest(current.registered.manifest).files if current else {}), **model.added}


def make_volume(blobs: Blobs, manifest: Manifest) -> Path:
    """Lay a version's files out in the user's cache, once for each version.

    Returns
    -------
    Path
        The folder. Its files are a copy, read-only: what is written there never reaches the registry, and the next
        load gets a copy that is as it was.

    Raises
    ------
    InvalidArgument, RegistryError, Damaged
        As `lay_out` says.
    """
    volume = volume_path(manifest)
    lay_out(blobs, manifest.files, volume)
    return volume


def lay_out(blobs: Blobs, files: Mapping[str, Place], folder: Path) -> None:
    """Lay files out in a folder of the user's cache, unless they are there as they were laid out and nothing else is.

    The folder appears with all of them in it. Several processes may lay it out at once; one that was written to is put
    aside, and laid out anew.

    Parameters
    ----------
    blobs
        Where their contents are.
    files
        The files, by path in the folder.
    folder
        The folder, whose name stands for just these files.

    Raises
    ------
    InvalidArgument
        A path leaves the folder, or clashes with another: a document may be hostile.
    RegistryError
        The cache cannot be written.
    Damaged
        A file is missing from the registry, or is not what was written.
    """
    _check_paths(files)
    try:
        if not _is_whole(folder, files):
            _build(blobs, files, folder)
    except RegistryError:
        raise
    except OSError as error:
        raise RegistryError(
            f"Cannot lay out the version's files in {folder}: {error.strerror or error}.",
            "Free it, or point VESSL_NB_CACHE to another folder.",
        ) from error


def volume_path(manifest: Manifest) -> Path:
    """Name the folder in the user's cache where a version's files are laid out, whether it is there or not."""
    return cache_folder() / "volumes" / blake3.blake3(encode_manifest(manifest)).hexdigest()[:32]


def forget_volume(manifest: Manifest) -> None:
    """Remove a version's files from the user's cache, those included that a runner had changed."""
    volume = volume_path(manifest)
    for place in (volume, *volume.parent.glob(f"{_CHANGED}{volume.name}-*")):
        shutil.rmtree(place, ignore_errors=True)


def copy_files(blobs: Blobs, files: Mapping[str, Place], folder: Path) -> None:
    """Copy files out of the blobs into a folder, by path.

    Raises
    ------
    InvalidArgument
        A path leaves the folder, or clashes with another: a document may be hostile.
    Damaged
        A file is missing from the registry, or is not what was written.
    """
    _check_paths(files)
    with progress("Laying out files", sum(place.length for place in files.values())) as shown:
        for path, place in files.items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            blobs.copy(place, target)
            shown.count(place.length)
            shown.draw()


def _check_paths(files: Mapping[str, Place]) -> None:
    for path in files:
        if check_volume_path(path) != path:  # two spellings could be one file
            raise InvalidArgument(
                f"{path!r} is no path as a volume has it.", f"It would be {check_volume_path(path)!r}."
            )
    check_no_clash(files)


def _is_whole(folder: Path, files: Mapping[str, Place]) -> bool:
    """Tell whether files are there as they were laid out, and no others: caches are cleaned, and runners write."""
    there = {
        (Path(place) / name).relative_to(folder).as_posix()
        for place, _, names in os.walk(folder)
        for name in names
        if Path(place).name != "__pycache__"  # which Python puts beside a module that is imported
    }
    if not folder.is_dir() or there != files.keys():
        return False
    found = {path: (folder / path).stat() for path in files}
    return all((found[path].st_size, found[path].st_mtime_ns) == (place.length, 0) for path, place in files.items())


def _build(blobs: Blobs, files: Mapping[str, Place], folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=".building-", dir=folder.parent))
    try:
        copy_files(blobs, files, building)
        for path in files:
            (building / path).chmod(0o444)
            os.utime(building / path, ns=(0, 0))  # what is written to later shows by its time
        _put(building, folder, files)
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _put(building: Path, folder: Path, files: Mapping[str, Place]) -> None:
    while True:
        try:
            building.rename(folder)
        except OSError:  # it is there: another process was first, or it is not whole
            if _is_whole(folder, files):
                return
            # Aside, not away: a process may have it as its working directory, or open its data files later.
            with contextlib.suppress(FileNotFoundError):
                folder.rename(folder.with_name(f"{_CHANGED}{folder.name}-{uuid.uuid4().hex[:8]}"))
        else:
            return
