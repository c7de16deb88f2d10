"""Statements of a text: what each of them binds, and how it is written."""

from __future__ import annotations

import ast
import functools
import re
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

Kind = Literal["function", "class", "assignment", "import"]

DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
"""Statements that define a function or a class."""

_OWN_SCOPE = (ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def parse(text: str) -> ast.Module | None:
    """Parse a text; None where it is no Python."""
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


_BINDABLE = re.compile(r"\b(?:def|class|type)\s+(\w+)|\bimport\b(.*)|\b(\w+)\b(?!\s*[.(\[])")


@functools.lru_cache(maxsize=10_000)  # as many as the runs that are remembered; each is some words
def names_perhaps_bound_in(text: str) -> frozenset[str]:
    """Find the words that stand where a statement could bind them: quickly, without parsing, and too many."""
    found: set[str] = set()
    for defined, imported, word in _BINDABLE.findall(text):
        found.update(re.findall(r"\w+", imported) if imported else (defined or word,))
    return frozenset(found)


@functools.lru_cache(maxsize=10_000)
def bindings_in(text: str) -> dict[str, list[tuple[Kind, int, str]]]:
    """Give what the top-level statements of a text bind: by name, each time with kind, line and the statement."""
    tree = parse(text)
    if tree is None:
        return {}
    lines = text.split("\n")
    found: dict[str, list[tuple[Kind, int, str]]] = {}
    for statement in tree.body:
        bound: dict[str, tuple[Kind, int]] = {}
        for name, kind, line in _bound_by(statement, in_expressions=":=" in text):
            bound.setdefault(name, (kind, line))
        source = source_of(statement, lines) if bound else ""
        for name, (kind, line) in bound.items():
            found.setdefault(name, []).append((kind, line, source))
    return found


def names_bound_by(statement: ast.stmt) -> set[str]:
    """Name what a statement binds in the notebook's own scope, blocks inside it included."""
    return {name for name, _, _ in _bound_by(statement, in_expressions=True)}


def source_of(statement: ast.stmt, lines: list[str]) -> str:
    """Cut a statement out of the lines of its text, decorators included, not indented.

    Comments stay, unless another statement stands between.
    """
    decorators = getattr(statement, "decorator_list", [])
    start = min([statement.lineno, *(decorator.lineno for decorator in decorators)])
    own = lines[start - 1 : statement.end_lineno]
    # Two statements may stand in one line; columns are counted in bytes.
    end, after = own[-1].encode()[: statement.end_col_offset], own[-1].encode()[statement.end_col_offset :]
    if not after.lstrip().startswith(b"#"):
        own[-1] = end.decode()
    before = own[0].encode()[: statement.col_offset].decode()
    if before.strip() and not decorators:
        own[0] = own[0][len(before) :]
    elif indent := len(before):
        own = [line if line[:indent].strip() else line[indent:] for line in own]
    return "\n".join(own).rstrip()


def _bound_by(node: ast.AST, *, in_expressions: bool) -> Iterator[tuple[str, Kind, int]]:
    """Walk what binds a name in a statement, as `names_bound_by` does."""
    line = getattr(node, "lineno", 0)
    if isinstance(node, DEFINITIONS):
        yield node.name, "class" if isinstance(node, ast.ClassDef) else "function", line
        return
    if isinstance(node, ast.Import | ast.ImportFrom):
        yield from ((name, "import", line) for name in _imported_by(node))
        return
    if isinstance(node, _OWN_SCOPE):
        return
    if isinstance(node, ast.AnnAssign) and node.value is None:  # it binds nothing
        return
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        yield node.id, "assignment", line
    elif isinstance(node, ast.MatchAs | ast.MatchStar) and node.name:
        yield node.name, "assignment", line
    for child in ast.iter_child_nodes(node):
        # Expressions are most of the tree, and bind only by := what is not a target.
        if in_expressions or not isinstance(child, ast.expr) or isinstance(getattr(child, "ctx", None), ast.Store):
            yield from _bound_by(child, in_expressions=in_expressions)


def _imported_by(node: ast.Import | ast.ImportFrom) -> Iterator[str]:
    for alias in node.names:
        if alias.asname or isinstance(node, ast.Import):
            yield alias.asname or alias.name.partition(".")[0]
        elif alias.name != "*":  # what that binds does not stand there
            yield alias.name
