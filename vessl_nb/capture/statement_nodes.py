"""The statements in a text, as Python's parser gives them."""

from __future__ import annotations

import ast
import functools
from typing import TYPE_CHECKING

from vessl_nb.capture.bindings import DEFINITIONS, names_bound_by, parse

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ASSIGNMENTS = (ast.Assign, ast.AnnAssign)
"""Statements that give names a value."""

IMPORTS = (ast.Import, ast.ImportFrom)
"""Statements that import."""

_HARMLESS = {
    "range", "zip", "enumerate", "dict", "list", "tuple", "set", "frozenset", "sorted", "reversed", "map", "filter",
    "len", "min", "max", "sum", "str", "int", "float", "bool", "functools.partial", "partial", "re.compile",
    "Path", "pathlib.Path", "timedelta", "datetime.timedelta", "date", "datetime.date",
}  # fmt: skip
"""What may be called again: it gives the same each time, and changes nothing."""

_KNOWN_TEXTS = 4096
"""Of so many texts it is kept what is in them: a long session has a thousand cells."""


@functools.lru_cache(maxsize=_KNOWN_TEXTS)
def binders_in(text: str) -> Mapping[str, list[ast.stmt]]:
    """List, for each name, the statements of a text that bind it, in order."""
    found: dict[str, list[ast.stmt]] = {}
    for node in statements_in(text):
        for name in names_bound_by(node):
            found.setdefault(name, []).append(node)
    return found


@functools.lru_cache(maxsize=_KNOWN_TEXTS)
def statements_in(text: str) -> list[ast.stmt]:
    """List the statements of a text, those inside top-level blocks such as ``if`` and ``try`` as well, in order."""
    tree = parse(text)
    found: list[ast.stmt] = []
    left: list[ast.stmt] = tree.body[::-1] if tree else []
    while left:
        node = left.pop()
        found.append(node)
        if not isinstance(node, DEFINITIONS):
            left += [inner for inner in ast.iter_child_nodes(node) if isinstance(inner, ast.stmt)][::-1]
            handlers = getattr(node, "handlers", [])
            left += [inner for handler in handlers for inner in handler.body]
    return found


def may_hold(node: ast.stmt, first: str) -> bool:
    """Tell whether a statement may have a function in it whose qualified name begins so."""
    if isinstance(node, DEFINITIONS):
        return node.name == first
    return first == "<lambda>" and isinstance(node, (*ASSIGNMENTS, ast.Expr))


def does_something(node: ast.AST) -> bool:
    """Tell whether a statement calls something when it runs, outside of the functions that it makes."""
    if isinstance(node, ast.Lambda):
        return False
    is_call = isinstance(node, ast.Call) and ast.unparse(node.func) not in _HARMLESS
    return is_call or isinstance(node, ast.Await) or any(map(does_something, ast.iter_child_nodes(node)))


def lambdas_in(node: ast.AST) -> Iterator[ast.Lambda]:
    """Walk the lambdas in a statement that are in no other, in order."""
    if isinstance(node, ast.Lambda):
        yield node
        return
    for inner in ast.iter_child_nodes(node):
        yield from lambdas_in(inner)
