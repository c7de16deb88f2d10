"""Statements of the notebook: the one that made a function or class, found by its byte code."""

from __future__ import annotations

import ast
import functools
import linecache
import sys
import types
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vessl_nb.capture.bindings import DEFINITIONS, names_bound_by, parse, source_of
from vessl_nb.capture.cells import cells, definitions_of
from vessl_nb.capture.code import by_name, global_names, portable_name, same_code
from vessl_nb.capture.functions import functions_behind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_FUNCTION = 1
"""The flag of code whose names are in fast places: a function's, not a class body's."""

_ASSIGNMENTS = (ast.Assign, ast.AnnAssign)
_RUN_AT_ONCE = {"<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>"}


@dataclass(frozen=True)
class Statement:
    """A statement at the top of a cell or module.

    Attributes
    ----------
    text
        Its text, decorators included, not indented.
    provides
        The names that it binds.
    place
        Its cell's place among all, and its line: the order in which things were written.
    """

    text: str
    provides: frozenset[str]
    place: tuple[int, int]

    @functools.cached_property
    def code(self) -> types.CodeType:
        """Its byte code."""
        return compile(self.text, "<statement>", "exec", dont_inherit=True)

    @functools.cached_property
    def needs(self) -> Mapping[str, int]:
        """The global names that it reads, when it runs or later."""
        return global_names(self.code)

    @functools.cached_property
    def needs_at_once(self) -> set[str]:
        """Those that it reads when it runs: decorators, bases, defaults, what a class body computes."""
        return set().union(*(_own_names(part) for part in _run_at_once(self.code))) & self.needs.keys()

    def holds(self, code: types.CodeType) -> bool:
        """Tell whether a function's byte code comes from this statement."""
        return any(same_code(code, found) for found in self._by_name.get(portable_name(code.co_qualname), ()))

    @functools.cached_property
    def _by_name(self) -> dict[str, list[types.CodeType]]:
        return by_name(self.code)


def _run_at_once(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType) and (not inner.co_flags & _FUNCTION or inner.co_name in _RUN_AT_ONCE):
            yield from _run_at_once(inner)


def _own_names(code: types.CodeType) -> set[str]:
    flat = tuple(None if isinstance(constant, types.CodeType) else constant for constant in code.co_consts)
    return set(global_names(code.replace(co_consts=flat)))


class Statements:
    """The statements of all cells that ran, and of the files that are no modules."""

    def __init__(self) -> None:
        self._texts = [(cell.filename, cell.text) for cell in cells()]
        # Cells that no shell knows of, those of other tools, are as old as their text is.
        others = {name: number - len(linecache.cache) for number, name in enumerate(linecache.cache)}
        self._order = others | {name: number for number, (name, _) in enumerate(self._texts)}
        self._known = {name for name, _ in self._texts}

    def of_code(self, code: types.CodeType) -> Statement | None:
        """Find the statement that a function's byte code comes from; None where none has just this code."""
        first = portable_name(code.co_qualname).partition(".")[0]
        for name, text in self._candidates(code.co_filename):
            for node in _statements_in(text):
                if not _may_hold(node, first):
                    continue
                for statement in self._parts(name, text, node):
                    if statement.holds(code):
                        return statement
        return None

    def binding(self, name: str, value: Any) -> Statement | None:
        """Find the statement that bound a name to a function or class: the newest that can have."""
        codes = [function.__code__ for function in functions_behind(value)]
        files = dict.fromkeys(code.co_filename for code in codes if code.co_filename not in self._known)
        texts = [*self._texts, *((file, "".join(linecache.getlines(file))) for file in reversed(files))]
        for file, text in reversed(texts):
            for node in reversed(_statements_in(text)):
                if not isinstance(node, (*DEFINITIONS, *_ASSIGNMENTS)) or name not in names_bound_by(node):
                    continue
                if isinstance(node, DEFINITIONS):
                    statement = self._statement(file, text, node)
                    if statement and (not codes or any(map(statement.holds, codes))):
                        return statement
                else:
                    return self._statement(file, text, node)
        return None

    def _candidates(self, filename: str) -> Iterator[tuple[str, str]]:
        """Walk the texts that code of this file name may come from, the likeliest first."""
        own = "".join(linecache.getlines(filename))
        if own:
            yield filename, own
        yield from ((name, text) for name, text in reversed(self._texts) if name != filename)

    def _parts(self, file: str, text: str, node: ast.stmt) -> Iterator[Statement]:
        """Give a statement, or each lambda in it by itself where to run it again would do more than define them."""
        if not isinstance(node, (*_ASSIGNMENTS, ast.Expr)) or not _does_something(node):
            statement = self._statement(file, text, node)
            if statement is not None:
                yield statement
            return
        for place, inner in enumerate(_lambdas_in(node)):
            name = f"lambda_{node.lineno}" + (f"_{place}" if place else "")
            segment = ast.get_source_segment(text, inner) or ""
            segment = f"({segment})" if "\n" in segment else segment
            statement = self._make(f"{name} = {segment}", {name}, file, node)
            if statement is not None:
                yield statement

    def _statement(self, file: str, text: str, node: ast.stmt) -> Statement | None:
        return self._make(source_of(node, text.split("\n")), names_bound_by(node), file, node)

    def _make(self, text: str, provides: set[str], file: str, node: ast.stmt) -> Statement | None:
        try:
            statement = Statement(text, frozenset(provides), (self._order.get(file, -1), node.lineno))
            _ = statement.code
        except (SyntaxError, ValueError):  # a part that cannot stand alone, such as one that awaits
            return None
        return statement


@functools.lru_cache(maxsize=512)
def _statements_in(text: str) -> list[ast.stmt]:
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


def _may_hold(node: ast.stmt, first: str) -> bool:
    if isinstance(node, DEFINITIONS):
        return node.name == first
    return first == "<lambda>" and isinstance(node, (*_ASSIGNMENTS, ast.Expr))


def _does_something(node: ast.AST) -> bool:
    """Tell whether a statement calls something when it runs, outside of the functions that it makes."""
    if isinstance(node, ast.Lambda):
        return False
    return isinstance(node, ast.Call) or any(map(_does_something, ast.iter_child_nodes(node)))


def _lambdas_in(node: ast.AST) -> Iterator[ast.Lambda]:
    """Walk the lambdas in a statement that are in no other, in order."""
    if isinstance(node, ast.Lambda):
        yield node
        return
    for inner in ast.iter_child_nodes(node):
        yield from _lambdas_in(inner)


def import_of(name: str, value: Any) -> str:
    """Find the import statement of the notebook that gave a name its value, as a line; empty where there is none."""
    for definition in reversed(definitions_of(name)):
        if definition.kind != "import":
            continue
        for node in ast.walk(ast.parse(definition.source)):
            if not isinstance(node, ast.ImportFrom) or not node.module or node.level:
                continue
            for alias in node.names:
                found = getattr(sys.modules.get(node.module), alias.name, None)
                if (alias.asname or alias.name) == name and found is value:
                    return f"from {node.module} import {alias.name}" + (f" as {name}" if alias.asname else "")
    return ""
