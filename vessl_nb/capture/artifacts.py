"""Artifacts: which files of this machine go where in a version's volume."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from vessl_nb.errors import InvalidArgument, NotFound
from vessl_nb.volume_paths import check_volume_path, is_utf8, walk_folder

if TYPE_CHECKING:
    from collections.abc import Mapping


def check_artifacts(artifacts: Mapping[str, str] | None) -> dict[str, str]:
    """Hold an artifacts dictionary against the glob rule and the rules for paths, before any file is looked at.

    A ``*`` may only be the whole last component, on both sides or on neither, and takes the folder's whole tree; a
    trailing slash means the same.

    Returns
    -------
    dict of str to str
        The dictionary as it was given.

    Raises
    ------
    InvalidArgument
        It breaks a rule, or claims one target twice.
    """
    if artifacts is None:
        return {}
    if not isinstance(artifacts, dict) or not all(
        isinstance(source, str) and isinstance(target, str) for source, target in artifacts.items()
    ):
        raise InvalidArgument(
            f"artifacts must be a dictionary of paths to paths, not {artifacts!r}.",
            'Write it as {"model.pt": "model.pt", "checkpoints/*": "checkpoints/*"}.',
        )
    claimed: dict[str, str] = {}
    for source, target in artifacts.items():
        if not source or not is_utf8(source):
            raise InvalidArgument(f"The artifact {source!r} is no path.", "Name a file, or a folder as 'folder/*'.")
        folder, is_glob = _split_glob(target)
        source_folder, is_source_glob = _split_glob(source)
        if is_glob != is_source_glob:
            globs = [f"{path}/*" if path else "*" for path in (source_folder, folder)]
            raise InvalidArgument(
                f"The artifact {source!r}: {target!r} has a '*' (or a trailing '/') on one side only.",
                f'Write it as {{"{globs[0]}": "{globs[1]}"}}, or without on both sides.',
            )
        # A glob's target may be the volume's root, which is '*'.
        path = "" if is_glob and folder in {"", "."} and target[0] != "/" else check_volume_path(folder or target)
        if path in claimed:
            raise InvalidArgument(
                f"The artifacts {claimed[path]!r} and {source!r} both claim {target!r} in the volume.",
                "Give one of them another target.",
            )
        claimed[path] = source
    return dict(artifacts)


def find_artifacts(artifacts: Mapping[str, str], folders: list[Path]) -> dict[str, Path]:
    """Find the files that an artifacts dictionary names.

    Parameters
    ----------
    artifacts
        As `check_artifacts` gave it.
    folders
        Where relative paths are looked up, in this order.

    Returns
    -------
    dict of str to Path
        The files, by their paths in the volume.

    Raises
    ------
    NotFound
        A file or folder does not exist, or a folder has no files.
    InvalidArgument
        Two files claim one path, or a folder cannot be copied.
    """
    files: dict[str, Path] = {}
    for source, target in artifacts.items():
        folder, is_glob = _split_glob(source)
        found = _look_up(folder or ("/" if source.startswith("/") else "."), folders, source, is_glob=is_glob)
        base = _split_glob(target)[0].strip("/")
        if not is_glob:
            if found.is_dir():
                raise InvalidArgument(
                    f"The artifact {source!r} is a folder.", f'Write it as {{"{source}/*": "{target}/*"}}.'
                )
            if not found.is_file():
                raise InvalidArgument(
                    f"The artifact {source!r} is no file that could be copied.", "Give a regular file."
                )
            inner = {check_volume_path(target): found}
        else:
            tree = walk_folder(found) if found.is_dir() else {}
            if not tree:
                raise NotFound(f"The artifact {source!r}: {found} is no folder with files in it.", "Check the path.")
            inner = {check_volume_path(f"{base}/{path}" if base else path): file for path, file in tree.items()}
        for path, file in inner.items():
            if path in files and files[path] != file:
                raise InvalidArgument(
                    f"The artifacts {str(files[path])!r} and {str(file)!r} both claim {path!r} in the volume.",
                    "Give one of them another target.",
                )
        files.update(inner)
    return files


def _split_glob(path: str) -> tuple[str, bool]:
    """Split a trailing ``*`` or slash off a path: the folder, and whether there was one."""
    folder, _, last = path.rpartition("/")
    if last in {"*", ""} and path:
        stem, is_glob = folder, True
    else:
        stem, is_glob = path, False
    if "*" in stem:
        raise InvalidArgument(
            f"{path!r} has a '*' in a place where it cannot be.",
            "A '*' may only be the whole last part of a path, as in 'checkpoints/*'.",
        )
    return stem, is_glob


def _look_up(path: str, folders: list[Path], source: str, *, is_glob: bool) -> Path:
    expanded = Path(path).expanduser()
    found = [folder / expanded for folder in folders if (folder / expanded).exists()]
    for candidate in found:
        # The volume's own root is always there: without files in it, the next folder is meant.
        if not is_glob or (candidate.is_dir() and any(candidate.iterdir())):
            return candidate
    if found:
        return found[-1]
    raise NotFound(
        f"The artifact {source!r} does not exist (looked in {folders[-1]}).",
        "Check the path, or write the file in save_model.",
    )
