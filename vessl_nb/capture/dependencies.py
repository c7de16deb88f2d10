"""What installed distributions need of each other: their requirements, extras included, as they count here."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from packaging.markers import UndefinedComparison, UndefinedEnvironmentName
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from vessl_nb.capture.distributions import find_installed

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

_EXTRA = re.compile(r"""extra\s*==\s*["']([^"']+)["']""")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def dependency_closure(requirements: Sequence[str]) -> set[str]:
    """Find all that is installed of what some requirements bring, the dependencies of dependencies included.

    Returns
    -------
    set of str
        The normalised names of the distributions.
    """
    found: set[str] = set()
    waiting = [Requirement(line) for line in requirements]
    met: set[tuple[str, str]] = set()
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        asked = {(name, extra) for extra in ("", *requirement.extras)} - met
        info = find_installed(name) if asked and _counts(requirement) else None
        if info is None:
            continue
        found.add(name)
        met |= asked
        for line in info.requires():
            waiting += [needed for _, extra in asked if (needed := _needed(line, extra))]
    return found


def importable_modules(distributions: Collection[str]) -> set[str]:
    """Give the top-level names of the modules that some installed distributions provide.

    Parameters
    ----------
    distributions
        Their names; one that is not installed provides nothing.
    """
    infos = (find_installed(name) for name in distributions)
    return {module for info in infos if info for module in info.modules()}


def extras_of(name: str, imported: Collection[str], others: Sequence[str]) -> list[str]:
    """Find the extras that a distribution was installed with.

    An extra counts only where a part of it is imported, all of it is installed, and something in it comes with none of
    the other requirements: ``uvicorn[standard]`` beside ``import uvloop``, but not ``pandas[parquet]`` beside
    ``import pyarrow``. That a distribution nobody imports here asks for an extra counts for nothing: where that one
    is needed, it brings the extra by itself.

    Parameters
    ----------
    name
        The distribution.
    imported
        The distributions that are imported.
    others
        All that is required.
    """
    info = find_installed(name)
    lines: dict[str, list[str]] = {}
    for line in info.requires() if info else ():
        for extra in _EXTRA.findall(line):
            lines.setdefault(extra, []).append(line)
    extras = []
    for extra, its_lines in sorted(lines.items()):
        names = {canonicalize_name(match[0]) for match in map(_NAME.match, its_lines) if match}
        if names.isdisjoint(imported) or names.issubset(imported):
            continue  # by far the most: to look at the names alone is quick
        parts = [part for line in its_lines if (part := _needed(line, extra))]
        if all(_is_met(part) for part in parts):
            brought = dependency_closure(others)
            if any(canonicalize_name(part.name) not in brought for part in parts):
                extras.append(extra)
    return extras


def installed_version(name: str) -> str | None:
    """Give the version of a distribution that is installed; None where it is not."""
    info = find_installed(name)
    if info and (version := info.describe().version):
        return version
    from importlib import metadata  # noqa: PLC0415  # slow to import, and needed only for zipped eggs and the like

    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def satisfies(requirement: Requirement, installed: str) -> bool:
    """Tell whether an installed version is one that a requirement takes."""
    try:
        return requirement.specifier.contains(Version(installed), prereleases=True)
    except InvalidVersion:  # from before there were rules for versions
        return not requirement.specifier


def _is_met(requirement: Requirement) -> bool:
    info = find_installed(requirement.name)
    return info is not None and satisfies(requirement, info.describe().version)


def _needed(line: str, extra: str) -> Requirement | None:
    """Read a requirement of a distribution; None where it does not count on this machine, with this extra of it."""
    if not extra and "extra" in line.partition(";")[2]:  # most lines of large packages, and slow to evaluate
        return None
    try:
        requirement = Requirement(line)
        counts = _counts(requirement, extra)
    except (InvalidRequirement, UndefinedComparison, UndefinedEnvironmentName):
        # From before there were rules for these: the rest of it means nothing, but it still says who.
        match = _NAME.match(line)
        return Requirement(match[0]) if match else None
    requirement.marker = None  # answered, and nothing later knows for which extra it was asked
    return requirement if counts else None


def _counts(requirement: Requirement, extra: str = "") -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": extra})
