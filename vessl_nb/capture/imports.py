"""What a Python source imports."""

from __future__ import annotations

import ast
import warnings
from typing import TYPE_CHECKING

from vessl_nb.capture.distributions import is_namespace

if TYPE_CHECKING:
    from collections.abc import Iterator


def imports_in(source: str) -> dict[str, int]:
    """Find the modules that a Python source imports anywhere in it, except for type checkers alone.

    Returns
    -------
    dict of str to int
        The dotted names, each with the line of its first import, in the order of these lines. A relative import keeps
        its dots: ``.helpers``, for ``from . import helpers`` as well. For ``from google.cloud import storage``, where
        ``google.cloud`` is a namespace package here, it is ``google.cloud.storage``: the namespace itself belongs to
        nobody. Empty where the source cannot be parsed.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # whoever wrote the source has seen them, when it ran
            tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # null bytes; far too many parentheses
        return {}
    found: dict[str, int] = {}
    for statement, _ in walk_imports(tree):
        for name in _modules_of(statement):
            found.setdefault(name, statement.lineno)
    return found


def walk_imports(tree: ast.Module) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool]]:
    """Walk the import statements at any depth, in order, but for those for type checkers alone.

    Returns
    -------
    iterator of tuple
        Each with whether the code can do without: where it catches that there is no such module.
    """
    waiting: list[tuple[ast.AST, bool]] = [(tree, False)]
    while waiting:
        node, is_optional = waiting.pop()
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node, is_optional
            continue
        fields = ["body", "handlers", "orelse", "finalbody", "cases"]
        if isinstance(node, ast.If) and _is_type_checking(node.test):
            fields = ["orelse"]
        can_fail = isinstance(node, ast.Try) and any(map(_catches_import_errors, node.handlers))
        for field in reversed(fields):
            inner = getattr(node, field, [])
            is_tried = is_optional or (can_fail and field in {"body", "handlers"})
            waiting += [(statement, is_tried) for statement in reversed(inner)]


def names_in(statement: ast.Import | ast.ImportFrom, package: str) -> Iterator[tuple[str, str]]:
    """Walk what a statement imports: a module, and a name in it, which may be a module as well, or none."""
    if isinstance(statement, ast.Import):
        yield from ((alias.name, "") for alias in statement.names)
        return
    base = statement.module or ""
    if statement.level:
        parts = package.split(".") if package else []
        if len(parts) < statement.level:  # it leaves the package, and fails when it runs
            return
        base = ".".join([*parts[: len(parts) - statement.level + 1], *([base] if base else [])])
    yield from ((base, "" if alias.name == "*" else alias.name) for alias in statement.names)


def _modules_of(node: ast.Import | ast.ImportFrom) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    module = "." * node.level + (node.module or "")
    if node.module and (node.level or not is_namespace(module)):
        return [module]
    dot = "." if node.module else ""
    return [module if alias.name == "*" else f"{module}{dot}{alias.name}" for alias in node.names]


def _is_type_checking(test: ast.expr) -> bool:
    name = test.attr if isinstance(test, ast.Attribute) else getattr(test, "id", "")
    return name == "TYPE_CHECKING"


def _catches_import_errors(handler: ast.ExceptHandler) -> bool:
    caught = (
        {node.id for node in ast.walk(handler.type) if isinstance(node, ast.Name)} if handler.type else {"Exception"}
    )
    return not caught.isdisjoint({"ImportError", "ModuleNotFoundError", "Exception", "BaseException"})
