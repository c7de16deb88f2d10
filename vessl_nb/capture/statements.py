"""Statements of the notebook: the one that made a function or class, found by its byte code."""

from __future__ import annotations

import ast
import linecache
import sys
import types
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vessl_nb.capture.bindings import DEFINITIONS, names_bound_by, source_of
from vessl_nb.capture.cells import cells
from vessl_nb.capture.code import portable_name
from vessl_nb.capture.functions import functions_behind
from vessl_nb.capture.one_statement import Statement
from vessl_nb.capture.statement_nodes import (
    ASSIGNMENTS,
    IMPORTS,
    binders_in,
    does_something,
    lambdas_in,
    may_hold,
    statements_in,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

_FUTURE = "from __future__ import annotations"


@dataclass(frozen=True, slots=True)
class Binder:
    """What binds a name: a statement, or a loop, a block or ``+=``, which cannot be taken out by itself.

    Attributes
    ----------
    file, text
        The text that it is in.
    place
        Where it is among all, as a statement's.
    node
        The statement.
    """

    file: str
    text: str
    place: tuple[int, int]
    node: ast.stmt

    @property
    def is_whole(self) -> bool:
        """Whether it gives the name its value by itself."""
        return isinstance(self.node, (*DEFINITIONS, *ASSIGNMENTS, *IMPORTS))

    @property
    def is_import(self) -> bool:
        """Whether it imports."""
        return isinstance(self.node, IMPORTS)

    @property
    def source(self) -> str:
        """How it is written."""
        return source_of(self.node, self.text.split("\n"))


class Statements:
    """The statements of all cells that ran, and of the files that are no modules."""

    def __init__(self) -> None:
        self._texts = [(cell.filename, cell.text) for cell in cells()]
        # Cells that no shell knows of, those of other tools, are as old as their text is.
        others = {name: number - len(linecache.cache) for number, name in enumerate(linecache.cache)}
        self._order = others | {name: number for number, (name, _) in enumerate(self._texts)}
        self._known = {name for name, _ in self._texts}
        self._with_future = {name for name, text in self._texts if _FUTURE in text}

    def of_code(self, code: types.CodeType) -> Statement | None:
        """Find the statement that a function's byte code comes from; None where none has just this code."""
        first = portable_name(code.co_qualname).partition(".")[0]
        for name, text in self._candidates(code.co_filename):
            for node in statements_in(text):
                if not may_hold(node, first):
                    continue
                for statement in self._parts(name, text, node):
                    if statement.holds(code):
                        return statement
        return None

    def binding(self, name: str, value: Any) -> Statement | None:
        """Find the statement that bound a name to a function or class: the newest that can have."""
        codes = [function.__code__ for function in functions_behind(value)]
        files = dict.fromkeys(code.co_filename for code in codes)
        newest_first = self.binders(name, *files)[::-1]
        for binder in sorted(newest_first, key=lambda binder: binder.file in self._known):
            if isinstance(binder.node, DEFINITIONS):
                statement = self.statement_of(binder)
                if statement and (not codes or any(map(statement.holds, codes))):
                    return statement
            elif isinstance(binder.node, ASSIGNMENTS):
                return self.statement_of(binder)
        return None

    def binders(self, name: str, *files: str) -> list[Binder]:
        """List what binds a name, oldest first: in the cells, and in these files as well."""
        more = [(file, "".join(linecache.getlines(file))) for file in reversed(files) if file not in self._known]
        texts = [*more, *self._texts]
        found = [
            Binder(file, text, (self._order.get(file, -1), node.lineno), node)
            for file, text in texts
            for node in binders_in(text).get(name, ())
        ]
        return sorted(found, key=lambda binder: binder.place)

    def binders_beside(self, statement: Statement, name: str) -> list[Binder]:
        """List what binds a name among what a statement stands with, oldest first: all cells, or the file it is in."""
        is_cell = statement.file in self._known
        found = self.binders(name, *([] if is_cell else [statement.file]))
        return [
            binder for binder in found if (binder.file in self._known if is_cell else binder.file == statement.file)
        ]

    def statement_of(self, binder: Binder) -> Statement | None:
        """Take out a statement that binds a name; None where it cannot stand alone."""
        return self._statement(binder.file, binder.text, binder.node)

    def import_of(self, name: str, value: Any) -> str:
        """Find the import that gave a name its value, as a line; empty where there is none."""
        for binder in reversed(self.binders(name)):
            node = binder.node
            if not isinstance(node, ast.ImportFrom) or not node.module or node.level:
                continue
            for alias in node.names:
                found = vars(sys.modules.get(node.module, types)).get(alias.name)
                if (alias.asname or alias.name) == name and found is value:
                    return f"from {node.module} import {alias.name}" + (f" as {name}" if alias.asname else "")
        return ""

    def _candidates(self, filename: str) -> Iterator[tuple[str, str]]:
        """Walk the texts that code of this file name may come from, the likeliest first."""
        own = "".join(linecache.getlines(filename))
        if own:
            yield filename, own
        yield from ((name, text) for name, text in reversed(self._texts) if name != filename)

    def _parts(self, file: str, text: str, node: ast.stmt) -> Iterator[Statement]:
        """Give a statement, or each lambda in it by itself where to run it again would do more than define them."""
        if not isinstance(node, (*ASSIGNMENTS, ast.Expr)) or not does_something(node):
            statement = self._statement(file, text, node)
            if statement is not None:
                yield statement
            return
        for place, inner in enumerate(lambdas_in(node)):
            name = f"lambda_{node.lineno}" + (f"_{place}" if place else "")
            segment = ast.get_source_segment(text, inner) or ""
            segment = f"({segment})" if "\n" in segment else segment
            statement = self._make(f"{name} = {segment}", {name}, file, node)
            if statement is not None:
                yield statement

    def _statement(self, file: str, text: str, node: ast.stmt) -> Statement | None:
        return self._make(source_of(node, text.split("\n")), names_bound_by(node), file, node)

    def _has_future(self, file: str) -> bool:
        """Tell whether annotations are not looked at in a text: a shell lets a cell's import hold in later ones."""
        if file in self._known:
            return any(self._order[file] >= self._order[other] for other in self._with_future)
        return _FUTURE in "".join(linecache.getlines(file))

    def _make(self, text: str, provides: set[str], file: str, node: ast.stmt) -> Statement | None:
        is_active = isinstance(node, ASSIGNMENTS) and does_something(node)
        place = (self._order.get(file, -1), node.lineno)
        try:
            statement = Statement(text, frozenset(provides), place, file, is_active, self._has_future(file))
            _ = statement.code
        except (SyntaxError, ValueError):  # a part that cannot stand alone, such as one that awaits
            return None
        return statement
