"""Local modules: sources beside the notebook, or installed in editable mode, that travel with a version.

They are found without importing or running anything: a module that is loaded says where it came from, any other is
looked up as an import would, and what it imports is read from its source.
"""

from __future__ import annotations

import ast
import os
import sys
import sysconfig
import warnings
from dataclasses import dataclass
from importlib.machinery import EXTENSION_SUFFIXES, SOURCE_SUFFIXES
from pathlib import Path
from typing import TYPE_CHECKING

from vessl_nb.capture.changed_modules import say_changes
from vessl_nb.capture.imports import names_in, walk_imports
from vessl_nb.capture.module_places import find_displaced, is_brought, is_local, locate, variables_of
from vessl_nb.errors import InvalidArgument
from vessl_nb.faces.words import size_words
from vessl_nb.volume_paths import check_no_clash, check_volume_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from vessl_nb.capture.module_places import Place

WORTH_SAYING = 64 << 20
"""From this many bytes on, it is said how large a package folder is: somebody's data may lie in it."""

_NEVER_LOCAL = frozenset({"__main__", "__mp_main__", "vessl_nb"})
_SUFFIXES = (*EXTENSION_SUFFIXES, *SOURCE_SUFFIXES)  # the longest first, as they are tried


@dataclass(frozen=True, slots=True)
class LocalModules:
    """The local modules that some code needs.

    Attributes
    ----------
    files
        Their files, by path below the folder that an import looks in, such as ``pkg/__init__.py``.
    imports
        The modules that their sources import and that are neither local nor Python's own, each with the reason, such
        as ``imported by helper.py``.
    top_level
        The names that they are imported by, without what comes after a dot.
    changed
        Those loaded in this process whose file says something else by now, each with the sentences that say what.
    problems
        What does not travel, or not everywhere: a sentence each.
    """

    files: dict[str, Path]
    imports: dict[str, str]
    top_level: tuple[str, ...]
    changed: dict[str, list[str]]
    problems: tuple[str, ...]


def find_local_modules(names: Iterable[str]) -> LocalModules:
    """Find the local ones among some modules, and those that these import.

    A module is one file; a package is its whole folder, data and tests included, without byte code and hidden files;
    of a package without ``__init__.py`` only the parts that are used are taken.

    Parameters
    ----------
    names
        Names of modules, such as ``pkg.model``; those that are not local, or are nowhere, are passed over.

    Returns
    -------
    LocalModules
        What was found.

    Raises
    ------
    InvalidArgument
        Two folders of one package have different files at one path, or a file's name cannot be stored.
    """
    search = _Search()
    for name in names:
        search.follow(name)
    check_no_clash(search.files)
    changed: dict[str, list[str]] = {}
    for name, module in sorted(sys.modules.items()) if search.files else ():
        path = search.source_of(name)
        if path and variables_of(module).get("__file__") == str(search.files[path]) and (said := say_changes(module)):
            changed[name] = said
    return LocalModules(
        dict(sorted(search.files.items())),
        dict(sorted(search.imports.items())),
        tuple(sorted({path.partition("/")[0].partition(".")[0] for path in search.files})),
        changed,
        tuple(dict.fromkeys(search.problems)),
    )


class _Search:
    """One search, from name to name."""

    def __init__(self) -> None:
        self.files: dict[str, Path] = {}
        self.imports: dict[str, str] = {}
        self.problems: list[str] = []
        self._found: dict[str, Place | None] = {}
        self._is_taken: dict[str, bool] = {}  # by modules and packages that have a file
        self._read: set[str] = set()
        self._waiting: list[str] = []

    def follow(self, name: str) -> None:
        """Take a module, where it is local, and all local ones that it leads to."""
        self._waiting.append(name)
        while self._waiting:
            name = self._waiting.pop()
            owner = self._owner_of(name)
            if owner is None:
                continue
            inner = name.removeprefix(owner).split(".")
            for end in range(1, len(inner) + 1):
                module = owner + ".".join(inner[:end])
                path = self.source_of(module)
                if path and path not in self._read:
                    self._read.add(path)
                    self._waiting += self._imports_of(module, path)

    def source_of(self, name: str) -> str:
        """Give the path of a module's source, as it travels; empty where it has none or was not taken."""
        base = name.replace(".", "/")
        return next((path for path in (f"{base}/__init__.py", f"{base}.py") if path in self.files), "")

    def _owner_of(self, name: str) -> str | None:
        """Find the local module or package that a name is, or is in, and take it; None where it is not local."""
        folders: list[Path] | None = None
        parts = name.split(".")
        for end in range(1, len(parts) + 1):
            owner = ".".join(parts[:end])
            if owner not in self._found:
                self._found[owner] = locate(owner, folders)
            found = self._found[owner]
            if found is None or owner in _NEVER_LOCAL:
                return None
            if found.file is not None:
                if owner not in self._is_taken:
                    self._is_taken[owner] = self._take(owner, found.file, found.folders)
                return owner if self._is_taken[owner] else None
            if not found.folders:  # built in
                return None
            folders = found.folders
        return None

    def _take(self, name: str, file: Path, folders: list[Path]) -> bool:
        base = name.replace(".", "/")
        if not is_local(file, base):
            return False
        suffix = next((suffix for suffix in _SUFFIXES if file.name.endswith(suffix)), "")
        if not suffix or not file.is_file():
            self.problems.append(f"The module {name} came from {file}, which is no source file: it does not travel.")
            return False
        if is_brought(file) and (displaced := find_displaced(name, file)):
            self.problems.append(
                f"{name} is the copy that a version loaded here brought, and that one travels, not {displaced}. To "
                "register yours, restart the kernel and do not load that version."
            )
        if not folders:
            self._add(f"{base}{suffix}", file)
            return True
        for folder in dict.fromkeys([file.parent, *folders]):
            size = 0
            for inner, path in self._walk(folder):
                self._add(f"{base}/{inner}", path)
                size += path.stat().st_size
            if size >= WORTH_SAYING:
                self.problems.append(f"The package folder {folder} has {size_words(size)}, and all of it travels.")
        # What is loaded was imported somehow, by a name that was put together perhaps: no source needs to say it.
        self._waiting += sorted(loaded for loaded in list(sys.modules) if loaded.startswith(f"{name}."))
        return True

    def _add(self, path: str, file: Path) -> None:
        path = check_volume_path(path)
        before = self.files.setdefault(path, file)
        if before != file and before.read_bytes() != file.read_bytes():
            raise InvalidArgument(
                f"{str(before)!r} and {str(file)!r} are different files, and both would travel as {path!r}.",
                "Keep one of them.",
            )
        if path.endswith(".so"):
            here = f"{sysconfig.get_platform()} under Python {sysconfig.get_python_version()}"
            self.problems.append(f"{path} is compiled: the version loads only on {here}.")

    def _walk(self, folder: Path) -> Iterator[tuple[str, Path]]:
        """Walk the files of a package folder that travel, by their paths in it."""
        root = Path(os.path.realpath(folder))
        for place, folders, names in os.walk(folder):
            kept = [name for name in sorted(folders) if not name.startswith(".") and name != "__pycache__"]
            links = [name for name in kept if (Path(place) / name).is_symlink()]
            folders[:] = [name for name in kept if name not in links]
            for name in sorted([*names, *links]):
                if name.startswith(".") or name.endswith(".pyc"):
                    continue
                file = Path(place) / name
                if not Path(os.path.realpath(file)).is_relative_to(root):
                    self.problems.append(f"{file} is a link that leaves the package folder: it does not travel.")
                elif not file.is_file():
                    self.problems.append(f"{file} is no file that could be copied: it does not travel.")
                else:
                    yield file.relative_to(folder).as_posix(), file

    def _imports_of(self, module: str, path: str) -> Iterator[str]:
        """Walk the local modules that a source imports, and note the others."""
        try:
            with warnings.catch_warnings(action="ignore"):  # Python said them when the module was imported
                tree = ast.parse(self.files[path].read_bytes())
        except (SyntaxError, ValueError, RecursionError) as error:
            self.problems.append(f"{path} cannot be read as Python: {error}.")
            return
        package = module if path.endswith("/__init__.py") else module.rpartition(".")[0]
        for statement, is_optional in walk_imports(tree):
            for base, name in names_in(statement, package):
                full = f"{base}.{name}" if name else base
                if self._owner_of(full):
                    yield full
                elif not self._is_local_namespace(full) and not self._is_local_namespace(base):
                    self._note(full if not name or full in sys.modules else base, path, is_optional=is_optional)

    def _is_local_namespace(self, name: str) -> bool:
        found = self._found.get(name)
        if found is None or found.file is not None or not found.folders:
            return False
        return all(is_local(folder, name) for folder in found.folders)

    def _note(self, name: str, path: str, *, is_optional: bool) -> None:
        top = name.partition(".")[0]
        if top in sys.stdlib_module_names or (is_optional and locate(top, None) is None):
            return
        self.imports.setdefault(name, f"imported by {path}")
