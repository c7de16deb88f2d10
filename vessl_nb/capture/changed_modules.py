"""Modules that were changed on disk after they were imported: what runs here is not what would travel."""

from __future__ import annotations

import warnings
from importlib.machinery import SOURCE_SUFFIXES
from pathlib import Path
from typing import TYPE_CHECKING

from vessl_nb.capture.code import by_name, portable_name, same_code
from vessl_nb.capture.functions import functions_behind
from vessl_nb.capture.module_places import variables_of

if TYPE_CHECKING:
    import types


def is_changed(module: types.ModuleType) -> bool:
    """Tell whether a loaded module's file says something else by now: what runs here is older than what is on disk.

    The byte code of its own functions and methods is held against the file's; a module without any is never changed.
    """
    variables = variables_of(module)
    file = variables.get("__file__")
    if not isinstance(file, str) or not file.endswith(tuple(SOURCE_SUFFIXES)):
        return False
    own = [
        member
        for member in list(variables.values())
        if not isinstance(member, type) or member.__module__ == variables.get("__name__")
    ]
    live = {function.__code__ for member in own for function in functions_behind(member)}
    live = {code for code in live if code.co_filename == file}
    if not live:
        return False
    try:
        source = Path(file).read_bytes()
        loader = variables.get("__loader__")
        to_code = getattr(loader, "source_to_code", None)
        if loader is not None and to_code is None:  # an import hook compiles something else
            return False
        with warnings.catch_warnings(action="ignore"):
            whole = to_code(source, file) if to_code else compile(source, file, "exec", dont_inherit=True)
    except (OSError, SyntaxError, ValueError):
        return True  # it could be imported once
    written = by_name(whole)
    return not all(
        any(same_code(code, other) for other in written.get(portable_name(code.co_qualname), ())) for code in live
    )
