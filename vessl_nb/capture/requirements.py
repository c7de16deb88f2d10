"""Packages that a version needs: read, inferred from what is imported, and held against what is installed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from vessl_nb import manifest
from vessl_nb.capture.dependencies import extras_of, installed_version, satisfies
from vessl_nb.capture.distributions import STANDARD_LIBRARY, distribution_of, is_namespace
from vessl_nb.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from vessl_nb.capture.info_folders import Distribution


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


def missing_requirements(requirements: Iterable[str]) -> dict[str, str | None]:
    """Find the requirements that are not met in this process, with the version that is installed, or None."""
    missing: dict[str, str | None] = {}
    for line in requirements:
        requirement = Requirement(line)
        if requirement.marker and not requirement.marker.evaluate():
            continue
        installed = installed_version(requirement.name)
        if installed is None or not satisfies(requirement, installed):
            missing[line] = installed
    return missing


@dataclass(frozen=True, slots=True)
class Inferred:
    """What a version needs, as far as can be told without running it.

    Attributes
    ----------
    requirements
        Those that were declared, in their order, and then those that were inferred, by name.
    problems
        What does not fit together, each in a sentence or two, with what to do about it.
    """

    requirements: list[manifest.Requirement]
    problems: list[str]


def infer_requirements(modules: Mapping[str, str], declared: Sequence[str], local: Collection[str] = ()) -> Inferred:
    """Find the requirements of a version from the modules that its code imports; none of them is imported for it.

    Each distribution behind a module is pinned to what is installed, without the local part of its version
    (``+cpu``), which no index has; one that was installed from a repository is pinned to its commit. The extras are
    those that `extras_of` finds.

    Parameters
    ----------
    modules
        The dotted names of the modules, each with the reason in words, such as ``imported by predict``. The standard
        library, vessl_nb, relative imports and editable installs may be among them; they are passed over.
    declared
        What the user declared. It is kept as it is, and wins over what would be inferred.
    local
        The top-level names of the modules whose sources travel with the version.

    Returns
    -------
    Inferred
        The requirements, and what is wrong with them.
    """
    problems = list(_problems_of(declared))
    named = {canonicalize_name(Requirement(line).name) for line in declared}
    behind: dict[str, tuple[Distribution, str]] = {}
    unknown: dict[str, str] = {}
    found: dict[str, Distribution | None] = {}
    # What the code itself imports says more than what is found in values.
    for module, reason in sorted(modules.items(), key=lambda item: (not item[1].startswith("imported"), item[0])):
        top = module.partition(".")[0]
        if top in STANDARD_LIBRARY or top in local or top in {"", "vessl_nb"}:
            continue
        if top not in found:  # whose a package is, its modules need not be asked; a namespace has several owners
            found[top] = None if is_namespace(top) else distribution_of(module)
        distribution = found[top] or distribution_of(module)
        if distribution is None:
            if canonicalize_name(top) not in named:
                unknown.setdefault(top, f"{module}, {reason}")
        elif not distribution.is_editable:
            is_said = re.search(rf"\b{re.escape(module)}\b", reason)
            because = reason if is_said else f"{module}, {reason}"
            behind.setdefault(canonicalize_name(distribution.name), (distribution, because))
    problems += [
        f"{module}, is in no package that is installed here. Install its package, or declare it in requirements."
        for module in unknown.values()
    ]
    requirements = [manifest.Requirement(line, "declared") for line in declared]
    for name, (distribution, because) in sorted(behind.items()):
        if name in named:
            continue
        extras = extras_of(name, behind.keys(), [*declared, *behind])
        requirements.append(manifest.Requirement(_line_of(distribution, extras), because))
        if distribution.direct_url.startswith("file:"):
            problems.append(
                f"{distribution.name} {distribution.version} was installed from {distribution.direct_url}, which other "
                f"machines do not have. Publish it, or install it with pip install -e: its source then travels along."
            )
    return Inferred(requirements, problems)


def _problems_of(declared: Sequence[str]) -> Iterator[str]:
    """Say which of the requirements that were declared are not what is installed."""
    for line, installed in missing_requirements(declared).items():
        if installed is None:
            yield (
                f"{line} is declared, but is not installed here: the version was tried without it. "
                f"Install it: pip install {line!r}"
            )
        else:
            yield (
                f"{line} is declared, but {installed} is installed here: the version was tried with that one. "
                f"Declare {Requirement(line).name}=={_public(installed)}."
            )


def _public(version: str) -> str:
    """Give a version without its local part; nothing where it is none that could be pinned."""
    try:
        return Version(version).public
    except InvalidVersion:
        return ""


def _line_of(distribution: Distribution, extras: Collection[str]) -> str:
    name = distribution.name + (f"[{','.join(sorted(extras))}]" if extras else "")
    if distribution.direct_url and not distribution.direct_url.startswith("file:"):
        return f"{name} @ {distribution.direct_url}"
    version = _public(distribution.version)
    return f"{name}=={version}" if version else name
