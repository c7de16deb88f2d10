"""Values as they are written in ``runner.py``: as literals, as imports, or in words."""

from __future__ import annotations

import ast
import functools
import math
import pprint
import sys
import types
from typing import Any

from vessl_nb.capture.pickles import full_name

PLAIN = (int, float, bool, str, bytes, types.NoneType, list, tuple, dict, set)
"""Types whose values may be written as literals."""

_LONGEST_LITERAL = 2000
"""A constant of more characters than this is kept as a value, not written down."""


def attribute_of(value: Any, name: str) -> Any:
    """Give an attribute of a user's object; None where it has none, whatever looking for it raises."""
    try:
        return getattr(value, name, None)
    except Exception:  # noqa: BLE001  # a class may answer for attributes in its own way, and fail
        return None


def write_literal(value: Any) -> str:
    """Write a constant down; empty where it is none, or too long."""
    if not _is_plain(value, 4):
        return ""
    text = repr(value)
    if len(text) > 100:  # noqa: PLR2004  # what stands on a line
        text = pprint.pformat(value, width=100, sort_dicts=False)
    try:
        is_same = len(text) <= _LONGEST_LITERAL and repr(ast.literal_eval(text)) == repr(value)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return ""
    return text if is_same else ""


def write_import(name: str, value: Any) -> str:
    """Write the import that binds a name to what can be imported, as that calls itself; empty where it is none."""
    if isinstance(value, types.ModuleType):
        package, _, last = value.__name__.rpartition(".")
        if name == value.__name__:
            return f"import {name}"
        return f"from {package} import {name}" if last == name else f"import {value.__name__} as {name}"
    module, own = attribute_of(value, "__module__"), attribute_of(value, "__qualname__")
    is_named = isinstance(module, str) and isinstance(own, str) and own and module != "__main__"
    if is_named and attribute_of(sys.modules.get(module), own) is value:
        return f"from {module} import {own}" + ("" if own == name else f" as {name}")
    return ""


def write_callable(value: Any) -> tuple[str, str]:
    """Write what Python's own modules have, or a partial of it, as an expression, with the module to import.

    Returns
    -------
    expression, module : str
        Both empty where it cannot be written so; the module alone is where it is one of Python's builtins.
    """
    if isinstance(value, functools.partial):
        inner, module = write_callable(value.func)
        given = [write_literal(part) for part in value.args]
        given += [f"{name}={text}" if (text := write_literal(part)) else "" for name, part in value.keywords.items()]
        is_written = inner and not module and all(given)
        return (f"functools.partial({', '.join([inner, *given])})", "functools") if is_written else ("", "")
    if isinstance(value, types.MethodDescriptorType) and value.__objclass__.__module__ == "builtins":
        return value.__qualname__, ""
    name = attribute_of(value, "__name__")
    if not isinstance(name, str) or isinstance(value, types.FunctionType):
        return "", ""
    for home in ("builtins", *(module for module in list(sys.modules) if "." not in module and module != "__main__")):
        if sys.modules.get(home) and attribute_of(sys.modules[home], "__dict__").get(name) is value:
            return (name, "") if home == "builtins" else (f"{home}.{name}", home)
    return "", ""


def is_equal_constant(one: Any, other: Any) -> bool:
    """Tell whether two values would be the same when written down."""
    return type(one) is type(other) and isinstance(one, PLAIN) and repr(one) == repr(other)


def say_what(value: Any) -> str:
    """Say what a value is: its type, and its shape where it has one."""
    kind = full_name(value if isinstance(value, type) else type(value))
    shape = attribute_of(value, "shape")
    return f"{kind} {tuple(shape)}" if isinstance(shape, tuple) and shape else kind


def say_two_things(name: str, one: Any, other: Any) -> str:
    """Say that a name has one value here and another there."""
    kinds = say_what(one), say_what(other)
    module = attribute_of(other, "__module__")
    if isinstance(one, type) and isinstance(other, type) and kinds[0] == kinds[1] and module != "__main__":
        return (
            f"{name} is two classes, both called {kinds[0]}: {module} was loaded again after one of them was used. "
            "Run again what uses it, and register it then."
        )
    return f"{name} means two things: {kinds[0]} and {kinds[1]}."


def _is_plain(value: Any, depth: int) -> bool:
    if type(value) not in PLAIN or depth < 0:
        return False
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, dict):
        return len(value) <= _LONGEST_LITERAL and all(
            _is_plain(part, depth - 1) for item in value.items() for part in item
        )
    if isinstance(value, list | tuple | set):
        return len(value) <= _LONGEST_LITERAL and all(_is_plain(part, depth - 1) for part in value)
    return not isinstance(value, str | bytes) or len(value) <= _LONGEST_LITERAL
