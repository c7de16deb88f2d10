"""What this process has loaded under the names of a version's own modules: the same code, nothing, or a conflict."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import blake3

from vessl_nb.capture.changed_modules import is_changed
from vessl_nb.errors import LocalModuleConflict

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from vessl_nb.storage.blobs import Place


def is_loaded(name: str, unit: Mapping[str, Place], folder: Path, taken: Mapping[str, Path]) -> bool:
    """Tell whether the code of a unit is loaded already, from elsewhere.

    Parameters
    ----------
    name
        What the unit is imported by.
    unit
        Its files.
    folder
        The folder that it would be imported from.
    taken
        The folders of the units that versions loaded before brought.

    Returns
    -------
    bool
        False where nothing of it is loaded, or from that folder.

    Raises
    ------
    LocalModuleConflict
        Other code is loaded, or was promised to another version, under its name.
    """
    related = [other for other in taken if other.startswith(f"{name}.") or name.startswith(f"{other}.")]
    if taken.get(name, folder) != folder or related:
        other = name if name in taken else related[0]
        raise _conflict(name, str(taken[other]), "another version loaded here brought")
    for parent in _parents_of(name):
        # With a file it is no package that could be spread over folders.
        if getattr(sys.modules.get(parent), "__file__", None):
            raise _conflict(parent, _origin_of(parent), "this process has loaded")
    loaded = _loaded_in(name)
    elsewhere = [module for module in loaded if not Path(_origin_of(module)).is_relative_to(folder)]
    if not elsewhere:
        return False
    if name not in taken and name in loaded and _is_same(name, unit, loaded):
        return True
    raise _conflict(name, _origin_of(elsewhere[0]), "this process has loaded")


def _loaded_in(name: str) -> list[str]:
    """List what is loaded of a unit, itself first; not what its code only gave a second name there, or made up."""
    inner = sorted(module for module in list(sys.modules) if module.startswith(f"{name}."))
    own = [module for module in inner if getattr(sys.modules[module], "__name__", "") == module and _origin_of(module)]
    return [name, *own] if name in sys.modules else own


def _is_same(name: str, unit: Mapping[str, Place], loaded: Iterable[str]) -> bool:
    """Tell whether what is loaded was imported from files like a unit's, as they are now."""
    base = name.replace(".", "/")
    folders = [Path(folder) for folder in getattr(sys.modules[name], "__path__", [])]
    for path, place in unit.items():
        if folders:
            inner = path.removeprefix(f"{base}/")
            file = next((folder / inner for folder in folders if (folder / inner).is_file()), None)
        else:
            file = Path(_origin_of(name))
        if file is None or not file.is_file() or file.stat().st_size != place.length:
            return False
        if blake3.blake3().update_mmap(file).hexdigest() != place.digest:
            return False
    return not any(is_changed(sys.modules[module]) for module in loaded)


def _parents_of(name: str) -> Iterator[str]:
    parts = name.split(".")
    yield from (".".join(parts[:end]) for end in range(1, len(parts)))


def _origin_of(module: str) -> str:
    """Give the file of a loaded module, or the folder of a package without one; empty where it came from neither."""
    live = sys.modules[module]
    return str(getattr(live, "__file__", None) or next(iter(getattr(live, "__path__", None) or ()), ""))


def _conflict(module: str, loaded_from: str, whose: str) -> LocalModuleConflict:
    return LocalModuleConflict(
        f"The version brings its own module {module}, but {whose} another one"
        + (f", from {loaded_from}." if loaded_from else ", which is in no file."),
        "A process has one module of a name: load the version in another one (`vessl-nb run`), or restart the kernel.",
        module=module,
        loaded_from=loaded_from,
    )
