"""Folders of installed distributions, remembered until something is installed there or removed."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from vessl_nb.capture.info_folders import InfoFolder, likely_names

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(slots=True)
class SiteFolder:
    """A folder of installed distributions, as it was at a time.

    Attributes
    ----------
    path
        The folder.
    changed
        When something was last put into it or taken out, in nanoseconds.
    names
        What is in it.
    infos
        The distributions that are installed there.
    owners
        Those that files in it were found to come with, by the files' paths in it.
    """

    path: str
    changed: int
    names: set[str]
    infos: list[InfoFolder]
    owners: dict[str, InfoFolder] = field(default_factory=dict)

    @classmethod
    def at(cls, path: str) -> SiteFolder | None:
        """List a folder, or remember it; None where it cannot be listed."""
        try:
            changed = os.stat(path).st_mtime_ns  # noqa: PTH116  # a hundred paths are not worth making
            known = _known.get(path)
            if known and known.changed == changed:
                return known
            names = set(os.listdir(path))  # noqa: PTH208  # as above
        except OSError:
            return None
        # pip renames what it is about to remove, with a tilde in front.
        infos = [
            InfoFolder(f"{path}/{name}", canonicalize_name(name.removesuffix(".egg-info").split("-")[0]))
            for name in sorted(names)
            if name.endswith((".dist-info", ".egg-info")) and not name.startswith("~")
        ]
        folder = _known[path] = cls(path, changed, names, infos)
        return folder

    def owner_of(self, file: str, module: str) -> InfoFolder | None:
        """Find the distribution that a file in this folder came with; of a namespace package, the only one."""
        if file in self.owners:
            return self.owners[file]
        is_shared = file.endswith("/")
        owners: list[InfoFolder] = []
        likely, top = likely_names(module), canonicalize_name(module.partition(".")[0]).strip("-")
        distances = [self._distance(info, likely, top) for info in self.infos]
        for distance in range(max(distances, default=0) + 1):
            near = [info for info, found in zip(self.infos, distances, strict=True) if found == distance]
            owners += [info for info in near if info.owns(file, module)]
            if owners and not is_shared:
                break
        if not owners or (is_shared and len(owners) > 1):
            return None
        package = file.partition("/")[0]
        # Broken and forced installs leave the notes of the version before: then the newer ones count.
        owner = owners[0] if len(owners) == 1 else min(owners, key=lambda info: (info.mismatches(package), info.age()))
        self.owners[file] = owner
        return owner

    def _distance(self, info: InfoFolder, likely: set[str], top: str) -> int:
        """Say how late to look at a distribution for a module: as there are hundreds, the likely ones come first."""
        if info.name in likely:
            return 0
        if top in info.name:
            return 1
        # Those without a module of their own name, such as scikit-learn, are few, and mostly small.
        own = info.name.replace("-", "_")
        return 3 if own in self.names or f"{own}.py" in self.names else 2


_known: dict[str, SiteFolder] = {}


def site_folders() -> Iterator[SiteFolder]:
    """Walk the folders that Python looks for modules in, as far as they can be listed."""
    for path in dict.fromkeys(sys.path):
        if folder := SiteFolder.at(path or "."):
            yield folder
