"""Modules that are not what their files say: what runs here is not what would travel."""

from __future__ import annotations

import ast
import warnings
from collections import Counter
from importlib.machinery import SOURCE_SUFFIXES
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vessl_nb.capture.bindings import names_bound_by
from vessl_nb.capture.code import by_name, portable_name, same_code
from vessl_nb.capture.functions import functions_behind
from vessl_nb.capture.module_places import variables_of
from vessl_nb.values.secrets import secret_reason

if TYPE_CHECKING:
    import types

_NOTHING = object()
_LONGEST = 60
_MOST_SAID = 3
_READERS = {
    "len",
    "list",
    "tuple",
    "set",
    "dict",
    "frozenset",
    "sorted",
    "enumerate",
    "sum",
    "min",
    "max",
    "any",
    "all",
}


def is_changed(module: types.ModuleType) -> bool:
    """Tell whether a loaded module is not what its file says by now, as far as `say_changes` can tell."""
    return bool(say_changes(module))


def say_changes(module: types.ModuleType) -> list[str]:
    """Say in which way a loaded module is not what its file says by now.

    The byte code of its own functions and methods is held against the file's, and so are the constants that it writes
    down at its top level, each assigned once; what else it computes is not looked at.

    Parameters
    ----------
    module
        The module; nothing of it is run.

    Returns
    -------
    list of str
        Sentences; none where it is the same, or has no source.
    """
    variables = variables_of(module)
    file = variables.get("__file__")
    loader = variables.get("__loader__")
    to_code = getattr(loader, "source_to_code", None)
    if not isinstance(file, str) or not file.endswith(tuple(SOURCE_SUFFIXES)):
        return []
    if loader is not None and to_code is None:  # an import hook compiles something else
        return []
    name = str(variables.get("__name__", ""))
    edited = (
        f"{name} was changed on disk after it was imported: the file travels, and this process runs what it was. "
        "Restart the kernel, or reload it."
    )
    live = _own_codes(variables, file)
    try:
        source = Path(file).read_bytes()
        with warnings.catch_warnings(action="ignore"):
            constants = _constants_in(ast.parse(source)) if _is_plain(source) else {}
            if live:
                whole = to_code(source, file) if to_code else compile(source, file, "exec", dont_inherit=True)
    except (OSError, SyntaxError, ValueError, RecursionError):
        return [edited]  # it could be imported once
    others = [
        f"{name}.{constant} {_say_values(constant, variables.get(constant, _NOTHING), value)} in {Path(file).name}, "
        "which travels. Reload the module, or write there what it is to be."
        for constant, value in constants.items()
        if not _is_same(variables.get(constant, _NOTHING), value)
    ]
    if len(others) > _MOST_SAID:
        others[_MOST_SAID:] = [f"{len(others) - _MOST_SAID} more names of {name} are not what the file says."]
    written = by_name(whole) if live else {}
    is_edited = not all(
        any(same_code(code, other) for other in written.get(portable_name(code.co_qualname), ())) for code in live
    )
    return [edited, *others] if is_edited else others


def _own_codes(variables: dict[str, Any], file: str) -> set[types.CodeType]:
    own = [
        member
        for member in list(variables.values())
        if not isinstance(member, type) or member.__module__ == variables.get("__name__")
    ]
    live = {function.__code__ for member in own for function in functions_behind(member)}
    return {code for code in live if code.co_filename == file}


def _is_plain(source: bytes) -> bool:
    """Tell whether what a source binds is written in it: these bind names that no statement shows."""
    return not any(word in source for word in (b"globals(", b"exec(", b"vars()", b"locals()", b"modules[__name__]"))


def _constants_in(tree: ast.Module) -> dict[str, Any]:
    """Find the names that a module gives a literal value, and never anything else."""
    bound: Counter[str] = Counter()
    found: dict[str, Any] = {}
    for statement in tree.body:
        bound.update(names_bound_by(statement))
        if isinstance(statement, ast.ImportFrom) and any(alias.name == "*" for alias in statement.names):
            found.clear()  # it may have bound any of those before it
        value = statement.value if isinstance(statement, ast.Assign | ast.AnnAssign) else None
        targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
        names = [target.id for target in targets if isinstance(target, ast.Name)]
        if value is not None and names:
            try:
                found.update(dict.fromkeys(names, ast.literal_eval(value)))
            except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):  # it is computed
                continue
    unsure = {name for node in ast.walk(tree) if isinstance(node, ast.Global) for name in node.names}
    unsure |= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Del)}
    filled = _names_perhaps_filled_in(tree)
    return {
        name: value
        for name, value in found.items()
        if bound[name] == 1 and name not in unsure and (_is_immutable(value) or (value and name not in filled))
    }


def _names_perhaps_filled_in(tree: ast.Module) -> set[str]:
    """Find the names whose values a source does more with than read items: a list may be filled, as a cache is."""
    read: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load):
            read.add(id(node.value))
        elif isinstance(node, ast.Compare):
            read.update(map(id, node.comparators))
        elif isinstance(node, ast.For | ast.comprehension):
            read.add(id(node.iter))
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _READERS:
            read.update(map(id, node.args))
    loads = (node for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load))
    return {node.id for node in loads if id(node) not in read}


def _is_immutable(value: Any) -> bool:
    return all(map(_is_immutable, value)) if isinstance(value, tuple) else not isinstance(value, list | dict | set)


def _is_same(live: Any, written: Any) -> bool:
    """Tell whether two literal values are the same, 1 and 1.0 and True apart; what else is live is never asked."""
    if type(live) is not type(written):
        return False
    if isinstance(written, list | tuple):
        return len(live) == len(written) and all(map(_is_same, live, written))
    if isinstance(written, dict):
        return _is_same(list(live), list(written)) and _is_same(list(live.values()), list(written.values()))
    if isinstance(written, set):
        return len(live) == len(written) and {(type(each), each) for each in live if _is_immutable(each)} == {
            (type(each), each) for each in written
        }
    return repr(live) == repr(written)


def _say_values(name: str, live: Any, written: Any) -> str:
    if secret_reason(name, live) or secret_reason(name, written):
        return "has another value here than"
    if live is _NOTHING:
        return f"does not exist here, and is {_shorten(repr(written))}"
    is_plain = isinstance(live, str | bytes | int | float | complex | None)
    return f"is {_show(live, is_plain=is_plain)} here and {_shorten(repr(written))}"


def _show(live: Any, *, is_plain: bool) -> str:
    # The representation of anything else may run code, and be long.
    return _shorten(repr(live)) if is_plain else f"a {type(live).__qualname__}"


def _shorten(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
