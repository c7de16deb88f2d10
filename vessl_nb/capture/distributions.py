"""Installed distributions, read from their own files: which one has a module, what it asks for, what it provides.

`importlib.metadata.packages_distributions` answers the same, after reading every file of every distribution (100 ms and
more). Here the search begins at the module's own file, in the one folder it lies in, and what was read is remembered
until that folder changes, as it does with each ``pip install``.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import sys
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from vessl_nb.capture.info_folders import InfoFolder
from vessl_nb.capture.module_places import variables_of
from vessl_nb.capture.site_folders import SiteFolder, site_folders

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from vessl_nb.capture.info_folders import Distribution

STANDARD_LIBRARY = frozenset({*sys.stdlib_module_names, *sys.builtin_module_names, "__main__"})
"""Top-level names of modules that come with Python."""


def distribution_of(module: str) -> Distribution | None:
    """Find the installed distribution that a module belongs to, without importing anything.

    Parameters
    ----------
    module
        Its dotted name. As much of it is used as it takes: ``google`` alone says nothing, ``google.cloud.storage``
        does. Parts that are no module (``sklearn.svm.SVC``) do no harm.

    Returns
    -------
    Distribution or None
        None for the standard library, and for a module that lies in no installed distribution.
    """
    if module.partition(".")[0] in STANDARD_LIBRARY:
        return None
    places = [place for name, spec in _specs_of(module) for place in _places_of(name, spec)]
    # The deepest first: packages share their upper names, and a namespace around a module says nothing of it.
    places = [place for place in places if not place[1].endswith("/") or place[2] == places[-1][2]]
    for root, file, name in reversed(places):
        folder = SiteFolder.at(root)
        if folder and (info := folder.owner_of(file, name)):
            return info.describe()
    for root, file, name in places[-1:]:
        infos = (info for folder in site_folders() for info in folder.infos)
        for info in infos:
            if info.leads_to(root, file, name):
                return info.describe()
    return None


def is_namespace(module: str) -> bool:
    """Tell whether a module is a namespace package: a folder that several distributions share, and no code."""
    spec = dict(_specs_of(module)).get(module)
    return spec is not None and not spec.has_location and spec.submodule_search_locations is not None


def find_installed(name: str) -> InfoFolder | None:
    """Find an installed distribution by its name, in whatever way that is written."""
    wanted = canonicalize_name(name)
    for folder in site_folders():
        named = [info for info in folder.infos if info.name == wanted and info.headers()]
        if named:
            return min(named, key=InfoFolder.age) if len(named) > 1 else named[0]
    return None


def _specs_of(module: str) -> Iterator[tuple[str, importlib.machinery.ModuleSpec]]:
    """Walk the specs of a module and the packages around it, outermost first, as far as they can be found."""
    locations: Iterable[str] | None = None
    name = ""
    for part in module.split("."):
        name = f"{name}.{part}" if name else part
        variables = variables_of(sys.modules.get(name))
        spec = variables.get("__spec__")
        if not isinstance(spec, importlib.machinery.ModuleSpec):
            spec = _find_spec(part, locations)
        if spec is None:
            return
        yield name, spec
        locations = variables.get("__path__", spec.submodule_search_locations)
        if locations is None:
            locations = ()


def _find_spec(part: str, locations: Iterable[str] | None) -> importlib.machinery.ModuleSpec | None:
    try:
        if locations is None:
            return importlib.util.find_spec(part)
        # By its last part alone: by its whole name, a package inside a namespace package is found only once imported.
        return importlib.machinery.PathFinder.find_spec(part, list(locations))
    except Exception:  # noqa: BLE001  # modules without a spec, and whatever finders that others put there raise
        return None


def _places_of(name: str, spec: importlib.machinery.ModuleSpec) -> Iterator[tuple[str, str, str]]:
    """Split where a module lies into the folder in which its name begins, and the rest; its name goes with them."""
    levels = name.count(".") + 1
    if spec.has_location and spec.origin:
        parts = spec.origin.split("/")
        cut = len(parts) - levels - parts[-1].startswith("__init__.")
        yield "/".join(parts[:cut]), "/".join(parts[cut:]), name
    elif not spec.has_location:
        for path in spec.submodule_search_locations or ():
            parts = path.split("/")
            yield "/".join(parts[:-levels]), "/".join(parts[-levels:]) + "/", name
