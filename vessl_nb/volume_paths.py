"""Paths in a volume, and the trees that go there."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, NoReturn

from vessl_nb.errors import InvalidArgument, NotFound

if TYPE_CHECKING:
    from collections.abc import Iterable

RESERVED = frozenset({"vessl.manifest.yaml", "vessl.runner.pkl", "vessl.model.pkl"})
"""What VESSL's SDK puts at the root of a volume: an exported version needs these names."""


LONGEST_NAME = 255
"""The most bytes that a file's name may have on the file systems in use."""


def check_volume_path(path: object) -> str:
    """Hold a path in a volume against the rules, and give it back without ``.`` and doubled slashes.

    Raises
    ------
    InvalidArgument
        It is empty, absolute, leaves the volume, is reserved, or is no text that UTF-8 can say.
    """
    if not isinstance(path, str) or set(PurePosixPath(path).parts) <= {"/", ".."} or "\0" in path:
        raise InvalidArgument(f"{path!r} is no path in a volume.", "Write a relative path, such as 'model.pt'.")
    pure = PurePosixPath(path)
    if pure.is_absolute():
        raise InvalidArgument(
            f"{path!r} is absolute, but paths in a volume are relative.", f"Use {path.lstrip('/')!r}."
        )
    if ".." in pure.parts:
        raise InvalidArgument(f"{path!r} leaves the volume.", "Write a path without '..'.")
    if pure.parts[0] in RESERVED:  # nor may it be a folder
        raise InvalidArgument(f"{path!r} is reserved for the version's own files.", "Use another name.")
    if any(len(part.encode("utf-8", "replace")) > LONGEST_NAME for part in pure.parts):
        raise InvalidArgument(
            f"{path[:40]!r}... has a name of more than {LONGEST_NAME} bytes, which file systems refuse.", "Shorten it."
        )
    if not is_utf8(path):
        raise InvalidArgument(f"{path!r} has characters that UTF-8 cannot say.", "Rename the file.")
    return str(pure)


def check_no_clash(paths: Iterable[str]) -> None:
    """Refuse paths of which one would have to be a file and a folder at once.

    Raises
    ------
    InvalidArgument
        Names both.
    """
    every = set(paths)
    for path in sorted(every):
        for parent in PurePosixPath(path).parents:
            if str(parent) in every:
                raise InvalidArgument(
                    f"{str(parent)!r} would be a file, and a folder with {path!r} in it.", "Rename one of the two."
                )


def walk_folder(folder: Path) -> dict[str, Path]:
    """Collect the files of a folder's whole tree, by their paths below it, in order.

    Links to files inside the folder are followed.

    Raises
    ------
    InvalidArgument
        A link leaves the folder or leads to a folder, or something is neither file nor folder: none can be copied
        in a way that surely means the same elsewhere.
    """
    real_root = folder.resolve()
    files: dict[str, Path] = {}
    for place, folders, names in os.walk(folder, onerror=_raise):
        folders.sort()
        for name in sorted([*names, *(inner for inner in folders if (Path(place) / inner).is_symlink())]):
            file = Path(place) / name
            inner = file.relative_to(folder).as_posix()
            try:
                is_link, is_file = file.is_symlink(), file.is_file()
            except OSError as error:  # its path is longer than the system takes
                _raise(error)
            # Not Path.resolve, which raises where a link leads to itself.
            target = Path(os.path.realpath(file)) if is_link else file
            if is_link and not target.is_relative_to(real_root):
                raise InvalidArgument(
                    f"{str(file)!r} is a link that leaves the folder: it leads to {str(target)!r}.",
                    "Replace it by what it leads to.",
                )
            if not is_file:
                raise InvalidArgument(
                    f"{str(file)!r} is no file that could be copied.", "Take it out of the folder, or replace it."
                )
            files[inner] = file
    return files


def _raise(error: OSError) -> NoReturn:
    raise NotFound(f"Cannot read {error.filename!r}: {error.strerror}.", "Take it out of the folder, or allow it.")


def is_utf8(text: str) -> bool:
    """Tell whether a text can be written as UTF-8; one with lone surrogates, such as a badly named file, cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
