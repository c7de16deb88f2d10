"""Packages that a version needs: read, and held against what is installed."""

from __future__ import annotations

import sys
from importlib import metadata
from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement

from vessl_nb.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_RECORDED = ("cloudpickle", "numpy", "pandas", "torch", "vessl_nb")
"""Modules whose version says most about whether a pickle will load elsewhere; the model's own is added."""


def check_requirements(requirements: Sequence[str] | None) -> list[str]:
    """Hold requirements against what pip takes, and give them back as they were given.

    Raises
    ------
    InvalidArgument
        One is no requirement.
    """
    if requirements is None:
        return []
    if isinstance(requirements, str) or not isinstance(requirements, list | tuple):
        raise InvalidArgument(
            f"requirements must be a list, not {requirements!r}.", 'Write it as ["scikit-learn==1.7.0"].'
        )
    for line in requirements:
        try:
            Requirement(line)
            line.encode()
        except (InvalidRequirement, TypeError, UnicodeEncodeError) as error:
            reason = str(error).splitlines()[0]
            raise InvalidArgument(
                f"{line!r} is no requirement: {reason}.",
                "Write a package as pip takes it: 'torch', 'numpy>=2' or 'name @ https://...'.",
            ) from None
    return list(requirements)


def with_package(requirements: Sequence[str], package: str) -> list[str]:
    """Add a package to requirements that do not name it yet."""
    named = {Requirement(line).name.lower() for line in requirements}
    return [*requirements, *([] if package in named else [package])]


def missing_requirements(requirements: Iterable[str]) -> dict[str, str | None]:
    """Find the requirements that are not met in this process, with the version that is installed, or None."""
    missing: dict[str, str | None] = {}
    for line in requirements:
        requirement = Requirement(line)
        if requirement.marker and not requirement.marker.evaluate():
            continue
        try:
            installed = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            missing[line] = None
            continue
        if not requirement.specifier.contains(installed, prereleases=True):
            missing[line] = installed
    return missing


def package_versions(classes: Iterable[type]) -> dict[str, str]:
    """Give the versions of the packages behind some classes, and of those that pickles depend on, as imported here."""
    names = sorted({*_RECORDED, *(cls.__module__.partition(".")[0] for cls in classes)})
    found = {name: getattr(sys.modules.get(name), "__version__", None) for name in names}
    # torch has a str of its own there.
    return {name: str(version) for name, version in found.items() if isinstance(version, str)}
