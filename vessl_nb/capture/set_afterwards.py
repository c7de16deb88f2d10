"""What was set on a class or function after its statement ran, and so is not in it: to be said."""

from __future__ import annotations

import ast
import types
from typing import TYPE_CHECKING, Any

from vessl_nb.capture.functions import functions_behind
from vessl_nb.capture.generated import own_members
from vessl_nb.capture.written_values import write_literal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vessl_nb.capture.one_statement import Statement

_PLAIN_KINDS = {"type", "ABCMeta"}
"""Metaclasses that put nothing into a class."""

_PLAIN_WAYS = {"staticmethod", "classmethod", "property"}
"""Decorators that leave a method's function in it."""


def say_what_was_set(definition: Any, statement: Statement) -> Iterator[str]:
    """Say in sentences what a class or function has that its statement does not give it.

    Parameters
    ----------
    definition
        The class or function.
    statement
        The statement that made it.

    Yields
    ------
    str
        A sentence. Of a class that a decorator, a base class or a metaclass may have given members there is none.
    """
    node = ast.parse(statement.text).body[0]
    if isinstance(definition, types.FunctionType) and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        if not node.decorator_list and statement.holds(definition.__code__):
            for name in vars(definition):
                yield f"{definition.__qualname__}.{name} was set after the function was made."
    elif isinstance(definition, type) and isinstance(node, ast.ClassDef) and _is_as_written(definition, node):
        for name in _set_on(definition, node, statement):
            yield f"{definition.__qualname__}.{name} was set after the class was made, and is not what it was."


def _is_as_written(cls: type, node: ast.ClassDef) -> bool:
    """Tell whether nothing but its own body gave a class its members: no decorator, base class or metaclass did."""
    if type(cls).__name__ not in _PLAIN_KINDS or (node.decorator_list and "__dataclass_fields__" not in vars(cls)):
        return False
    others = [base for base in cls.__mro__[1:] if base.__module__ not in {"builtins", "typing"}]
    return not any("__init_subclass__" in vars(base) for base in others)


def _set_on(cls: type, node: ast.ClassDef, statement: Statement) -> Iterator[str]:
    bound = _bound_in(node)
    for name, member in own_members(cls).items():
        functions = list(functions_behind(member))
        if name.startswith("__") and not functions:
            continue
        if name not in bound:
            is_by_others = name.startswith("_abc") or isinstance(member, types.MemberDescriptorType)
            if not is_by_others and not name.startswith("__"):
                yield name
            continue
        made = bound[name]
        if isinstance(made, ast.FunctionDef | ast.AsyncFunctionDef):
            is_plain = not [way for way in made.decorator_list if ast.unparse(way) not in _PLAIN_WAYS]
            codes = [function.__code__ for function in functions]
            if is_plain and not any(map(statement.holds, codes)):
                yield name
        elif isinstance(made, ast.expr) and write_literal(member) and _literal_of(made) not in {"", repr(member)}:
            yield name  # what holds classes or functions is no literal: a class may note them in it as they are made


def _bound_in(node: ast.ClassDef) -> dict[str, Any]:
    """Give what binds each name in a class body: a function, the expression of its value, or None for all else."""
    found: dict[str, Any] = {}
    for inner in ast.walk(node):
        if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store):
            found[inner.id] = None
        elif isinstance(inner, ast.alias):
            found[(inner.asname or inner.name).partition(".")[0]] = None
        elif isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and inner is not node:
            found.setdefault(inner.name, None)
    for inner in node.body:
        if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef):
            found[inner.name] = inner
        elif isinstance(inner, ast.Assign | ast.AnnAssign) and inner.value is not None:
            targets = inner.targets if isinstance(inner, ast.Assign) else [inner.target]
            found.update({target.id: inner.value for target in targets if isinstance(target, ast.Name)})
    return {_mangled(name, node.name): made for name, made in found.items()}


def _mangled(name: str, cls: str) -> str:
    is_private = name.startswith("__") and not name.endswith("__")
    return f"_{cls.lstrip('_')}{name}" if is_private else name


def _literal_of(node: ast.expr) -> str:
    try:
        return repr(ast.literal_eval(node))
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return ""
