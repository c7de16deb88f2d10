"""A version's volume: the folder that its runner sees as its working directory."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import blake3
import msgspec
import platformdirs

from vessl_nb.registry.documents import Registered
from vessl_nb.volume_paths import check_volume_path

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from _typeshed import ReadableBuffer

    from vessl_nb.registry.registry import Registry
    from vessl_nb.registry.state import Layer
    from vessl_nb.storage.blobs import Blobs, Place


def files_of(registry: Registry, layers: Sequence[Layer]) -> dict[str, Place]:
    """Collect the files of a volume: of two with one path, the later one."""
    files: dict[str, Place] = {}
    for layer in layers:
        files.update(registry.manifest(layer.manifest).files if isinstance(layer, Registered) else layer)
    return files


def make_volume(blobs: Blobs, files: Mapping[str, Place]) -> Path:
    """Lay a volume's files out in the user's cache, once for each set of files.

    Returns
    -------
    Path
        The folder. Its files are a copy, read-only: what is written there never reaches the registry, and the next
        load gets a copy that is as it was.

    Raises
    ------
    Damaged
        A file is missing from the registry, or is not what was written.
    """
    identity = msgspec.json.encode({path: place.digest for path, place in files.items()}, order="sorted")
    parent = cache_folder() / "volumes"
    volume = parent / blake3.blake3(identity).hexdigest()[:32]
    if _is_whole(volume, files):
        return volume
    parent.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=".building-", dir=parent))
    try:
        # A document may be hostile, and name paths outside.
        contents = {check_volume_path(path): blobs.view(place) for path, place in files.items()}
        write_files(building, contents)
        for path in contents:
            (building / path).chmod(0o444)
            os.utime(building / path, ns=(0, 0))  # what is written to later shows by its time
        _replace(volume, building, files)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return volume


def write_files(folder: Path, contents: Mapping[str, ReadableBuffer]) -> None:
    """Write files below a folder, of two with one path the later one."""
    for path, content in contents.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)


def cache_folder() -> Path:
    """Give the user's cache folder: VESSL_NB_CACHE, or where the platform keeps caches. It can be deleted any time."""
    named = os.environ.get("VESSL_NB_CACHE")
    return Path(named).expanduser().absolute() if named else platformdirs.user_cache_path("vessl_nb")


def _is_whole(volume: Path, files: Mapping[str, Place]) -> bool:
    """Tell whether a volume is there with its files as they were laid out: caches are cleaned, and runners write."""
    try:
        found = {path: (volume / path).stat() for path in files}
    except (FileNotFoundError, NotADirectoryError):
        return False
    return volume.is_dir() and all(
        (found[path].st_size, found[path].st_mtime_ns) == (place.length, 0) for path, place in files.items()
    )


def _replace(volume: Path, building: Path, files: Mapping[str, Place]) -> None:
    while True:
        try:
            building.rename(volume)
        except OSError:  # it is there: another process was first, or it is not whole
            if _is_whole(volume, files):
                return
            # Aside, not away: a process may have it as its working directory.
            with contextlib.suppress(FileNotFoundError):
                volume.rename(volume.with_name(f".changed-{volume.name}-{secrets.token_hex(4)}"))
        else:
            return
