"""What installers wrote down of a distribution: its ``*.dist-info`` or ``*.egg-info``, read file by file."""

from __future__ import annotations

import contextlib
import importlib.machinery
import json
import os
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Iterator

_SITE_FOLDERS = {"site-packages", "dist-packages"}
_MOST_COMPARED = 2000  # files of two distributions that claim the same module


@dataclass(frozen=True, slots=True)
class Distribution:
    """An installed distribution.

    Attributes
    ----------
    name
        As it writes itself, such as ``scikit-learn``.
    version
        What is installed, local part included, such as ``2.13.0+cpu``.
    is_editable
        Whether its sources lie outside the installed packages, where someone works on them.
    direct_url
        Where it was installed from, as pip takes it, such as ``git+https://...@commit``; a ``file://`` URL where that
        was this machine's disk; empty where it was an index.
    """

    name: str
    version: str
    is_editable: bool
    direct_url: str


@dataclass(frozen=True, slots=True)
class InfoFolder:
    """What an installer wrote down of a distribution: its ``*.dist-info`` or ``*.egg-info``.

    Attributes
    ----------
    path
        The folder; an old ``*.egg-info`` may be a file.
    name
        The distribution's name, normalised.
    """

    path: str
    name: str

    def read(self, file: str) -> bytes:
        """Read one of its files; empty where there is none."""
        return _read(f"{self.path}/{file}")

    def age(self) -> tuple[int, str]:
        """Give what sorts it before those that were installed earlier."""
        return -_stat(self.path)[1], self.path

    def headers(self) -> list[tuple[str, str]]:
        """Read the headers of the metadata, in order; none where there is no metadata."""
        text = self.read("METADATA") or self.read("PKG-INFO") or _read(self.path)
        header = text.replace(b"\r\n", b"\n").partition(b"\n\n")[0].decode(errors="replace")
        lines = (line.partition(": ") for line in header.split("\n") if not line.startswith((" ", "\t")))
        return [(key, value.strip()) for key, _, value in lines if value]

    def describe(self) -> Distribution:
        """Read its name, version and where it came from."""
        headers = dict(reversed(self.headers()))
        source = self._source()
        # A source tree that setuptools once built has an egg-info beside its modules, and is installed nowhere else.
        is_source_tree = self.path.endswith(".egg-info") and Path(self.path).parent.name not in _SITE_FOLDERS
        return Distribution(
            headers.get("Name", self.name),
            headers.get("Version", ""),
            is_source_tree or _is_editable(source),
            # conda builds each package from a folder of its own, and writes that down.
            "" if self.read("INSTALLER").strip() == b"conda" else _url_of(source),
        )

    def requires(self) -> list[str]:
        """Give the requirements it asks for, each as it wrote them, with those of its extras."""
        if self.path.endswith(".egg-info"):
            from importlib.metadata import PathDistribution  # noqa: PLC0415  # slow to import, seldom needed

            return PathDistribution(Path(self.path)).requires or []
        return [value for key, value in self.headers() if key == "Requires-Dist"]

    def modules(self) -> set[str]:
        """Give the top-level names of the modules it provides."""
        if names := self._top_level():
            return names
        for found in set(re.findall(rb"(?m)^([^/,\n]+[/,])", self.read("RECORD"))):
            first = found.decode(errors="replace")
            if first.endswith(","):
                names |= _module_name(first[:-1])
            elif first != "__pycache__/" and not {".", "-"} & set(first):
                names.add(first[:-1])
        for source in self._paths_added():
            with contextlib.suppress(OSError):  # the folder of an editable install may be gone
                for entry in os.scandir(source):
                    is_package = entry.is_dir() and Path(entry, "__init__.py").exists()
                    names |= {entry.name} if is_package else _module_name(entry.name)
        return names

    def owns(self, file: str, module: str) -> bool:
        """Tell whether a file of the folder around, in which `module` is written, came with this distribution.

        The file of a namespace package is its folder, with a slash at the end.
        """
        if record := self.read("RECORD"):
            entry = (file if file.endswith("/") else f"{file},").encode()
            return record.startswith(entry) or b"\n" + entry in record
        top = module.partition(".")[0]
        if names := self._top_level():
            return top in names
        return self.name in likely_names(module)

    def leads_to(self, root: str, file: str, module: str) -> bool:
        """Tell whether it is an editable install through which a module is found that lies somewhere else."""
        source = self._source()
        if not _is_editable(source):
            return False
        project = os.path.realpath(unquote(urlsplit(str(source.get("url", ""))).path))
        if not os.path.realpath(f"{root}/{file}").startswith(f"{project}/"):
            return False
        if os.path.realpath(root) in map(os.path.realpath, self._paths_added()):
            return True
        # The finders that setuptools and meson write have the names of the modules in them.
        quoted = re.compile(rf"""['"]{re.escape(module.partition(".")[0])}['"]""".encode())
        return any(quoted.search(text) for text in self._beside(".py"))

    def mismatches(self, folder: str) -> int:
        """Count the files that it recorded below a folder, and that are not there in the size it recorded."""
        root = Path(self.path).parent
        line = re.compile(rf"(?m)^({re.escape(folder)}/[^,\n]+),[^,\n]*,(\d+)\r?$".encode())
        recorded = line.findall(self.read("RECORD"))[:_MOST_COMPARED]
        return sum(_stat(f"{root}/{file.decode(errors='replace')}")[0] != int(size) for file, size in recorded)

    def _top_level(self) -> set[str]:
        return set(self.read("top_level.txt").decode(errors="replace").split())

    def _source(self) -> dict[str, Any]:
        """Read where it was installed from (PEP 610); empty where that is an index."""
        try:
            source = json.loads(self.read("direct_url.json") or b"{}")
        except ValueError:
            return {}
        return source if isinstance(source, dict) else {}

    def _paths_added(self) -> list[str]:
        """Give the folders that it puts on the module path."""
        lines = b"\n".join(self._beside(".pth")).decode(errors="replace").splitlines()
        return [line.strip() for line in lines if line.startswith("/")]

    def _beside(self, ending: str) -> Iterator[bytes]:
        """Read the files with an ending that it put right into the folder around."""
        for name in re.findall(rf"(?m)^([^/,\n]+{re.escape(ending)}),".encode(), self.read("RECORD")):
            yield _read(str(Path(self.path).parent / name.decode(errors="replace")))


def likely_names(module: str) -> set[str]:
    """Give the names that a distribution with this module would have if it were named so."""
    parts = module.split(".")
    return {canonicalize_name("-".join(parts[: number + 1])) for number in range(len(parts))}


@lru_cache(maxsize=1)
def _suffixes() -> list[str]:
    return sorted(importlib.machinery.all_suffixes(), key=len, reverse=True)


def _module_name(file: str) -> set[str]:
    """Give the name of the module that a file is, if it is one."""
    return {file.removesuffix(suffix) for suffix in _suffixes() if file.endswith(suffix)} and {file.partition(".")[0]}


def _is_editable(source: dict[str, Any]) -> bool:
    folder = source.get("dir_info")
    return isinstance(folder, dict) and folder.get("editable") is True


def _url_of(source: dict[str, Any]) -> str:
    url, repository = source.get("url"), source.get("vcs_info")
    if not isinstance(url, str):
        return ""
    # Installers should leave out what one logs in with; where they did not, it goes no further.
    url = re.sub(r"^(https?://)[^/@$]*@", r"\1", url)
    if isinstance(repository, dict):
        url = f"{repository.get('vcs')}+{url}@{repository.get('commit_id')}"
    return f"{url}#subdirectory={source['subdirectory']}" if source.get("subdirectory") else url


def _read(path: str) -> bytes:
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123  # a hundred paths are not worth making
            return file.read()
    except OSError:
        return b""


def _stat(path: str) -> tuple[int, int]:
    """Give the size of a file and when it changed, in nanoseconds."""
    try:
        stat = os.stat(path)  # noqa: PTH116  # as above
    except OSError:
        return -1, 0
    return stat.st_size, stat.st_mtime_ns
