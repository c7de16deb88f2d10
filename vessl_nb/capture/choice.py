"""What stands in ``runner.py``: the statements, imports and constants that the runner and its model need.

A name that a statement needs while it runs has what was bound to it before: where it was bound anew since, the earlier
statement stands in the module as well. All other names have what they are bound to now.
"""

from __future__ import annotations

import ast
import functools
import re
import types
import typing
from typing import TYPE_CHECKING, Any

from vessl_nb.capture.code import is_builtin, is_by_attrs, keeps_something
from vessl_nb.capture.functions import functions_behind, is_another, namespace_of
from vessl_nb.capture.made_class import write_made_class
from vessl_nb.capture.one_statement import Statement
from vessl_nb.capture.pickles import is_shells_open
from vessl_nb.capture.set_afterwards import say_what_was_set
from vessl_nb.capture.statements import Statements
from vessl_nb.capture.written_values import (
    PLAIN,
    attribute_of,
    is_equal_constant,
    say_two_things,
    say_what,
    write_import,
    write_literal,
)
from vessl_nb.values.secrets import secret_reason

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from vessl_nb.capture.names import Names
    from vessl_nb.capture.pickles import Captured
    from vessl_nb.capture.statements import Binder

_CODE_LIKE = {"typing", "types", "functools", "re", "pathlib", "datetime", "operator"}
"""Modules whose objects are as their statement made them: aliases, partial functions, patterns, paths."""

_MADE_ANEW = (functools.partial, re.Pattern, functools._lru_cache_wrapper, types.GenericAlias, types.UnionType)  # noqa: SLF001  # its only name
"""Of these, those whose statement is always run again."""

_OURS = {"vessl": "import vessl_nb as vessl", "vessl_nb": "import vessl_nb"}


class Choice:
    """What was chosen of what the notebook has.

    Attributes
    ----------
    bound
        What the module's names are bound to in the end.
    imports
        Import statements, by the name that they bind.
    constants
        Assignments of values, by name.
    made
        The class, where a call made it; else empty.
    notes
        What could not be written down, in sentences.
    """

    def __init__(self, captured: Captured, names: Names, elsewhere: Collection[str]) -> None:
        self.bound: dict[str, Any] = {}
        self.imports: dict[str, str] = {}
        self.constants: dict[str, str] = {}
        self.made = ""
        self.notes: list[str] = []
        self._captured = captured
        self._values = {name.name for name in names.names if name.kind == "global"}
        self._elsewhere = elsewhere
        self._statements = Statements()
        self._chosen: dict[str, Statement] = {}
        self._earlier: set[Statement] = set()
        self._called: set[tuple[str, tuple[int, int]]] = set()

    def choose_for(self, runner: type) -> None:
        """Choose the statements that make the definitions, and go on to what these need."""
        for written in [runner, *self._captured.written]:
            namespace = namespace_of(written)
            live = namespace.get(written.__name__, written)
            if live is written or not is_another(live, written):
                self.need(written.__name__, namespace, live)
        for function in self._captured.functions.values():
            code = function.__code__
            if code.co_filename in self._elsewhere or is_by_attrs(code) or self.holds(code):
                continue
            statement = self._statements.of_code(code)
            if statement is not None:
                self._choose(statement, function.__globals__)
        if not any(runner.__name__ in statement.provides for statement in self.statements()):
            if "<locals>" in runner.__qualname__:
                self.note(f"{runner.__qualname__} was made inside a function: vessl_nb.load gives it.")
            elif runner.__name__ not in self.imports and runner.__name__ not in self.constants:
                self.made = write_made_class(runner, self)
        self._say_what_changed()

    def statements(self) -> list[Statement]:
        """List what was chosen, in the order written, and the constants that are bound anew among it."""
        chosen = {*self._chosen.values(), *self._earlier}
        late = [self._place_constant(name, line) for name, line in self.late_constants().items()]
        return [*sorted(chosen, key=lambda statement: statement.place), *late]

    def late_constants(self) -> dict[str, str]:
        """Give the constants that a statement in the module binds to something else before."""
        provided = {name for statement in (*self._chosen.values(), *self._earlier) for name in statement.provides}
        return {name: line for name, line in self.constants.items() if name in provided}

    def holds(self, code: types.CodeType) -> bool:
        """Tell whether a function's code is in a statement that was chosen."""
        return any(statement.holds(code) for statement in (*self._chosen.values(), *self._earlier))

    def note(self, sentence: str) -> None:
        """Say what could not be written down."""
        if sentence not in self.notes:
            self.notes.append(sentence)

    def _place_constant(self, name: str, line: str) -> Statement:
        places = [
            statement.place for statement in (*self._chosen.values(), *self._earlier) if name in statement.provides
        ]
        newest = [binder.place for binder in self._statements.binders(name)[-1:]]
        return Statement(line, frozenset({name}), max(places + newest))

    def _choose(self, statement: Statement, namespace: Mapping[str, Any], *, is_lost: bool = False) -> None:
        """Choose a statement and what it needs; of one that is lost, the functions in it know nothing any more."""
        if statement.text in self._chosen:
            return
        self._chosen[statement.text] = statement
        for name in statement.provides:
            if not self._is_bound_anew(name, statement):
                self.bound.setdefault(name, namespace.get(name))
        self._choose_needed(statement, namespace, statement.place, is_lost=is_lost)

    def _choose_needed(
        self, statement: Statement, namespace: Mapping[str, Any], place: tuple[int, int], *, is_lost: bool = False
    ) -> None:
        for name in statement.needs:
            at_once = name in statement.needs_at_once
            is_earlier = at_once and self._choose_earlier(name, statement, namespace, place)
            if at_once:
                self._choose_called(name, statement, namespace, place)
            if is_earlier:
                continue
            if name in namespace:
                self.need(name, namespace, namespace[name])
            elif (at_once or is_lost) and name not in self.bound and not is_builtin(name):
                self._provide(name, statement, namespace)

    def _choose_earlier(
        self,
        name: str,
        statement: Statement,
        namespace: Mapping[str, Any],
        place: tuple[int, int],
        *,
        is_sure: bool = True,
    ) -> bool:
        """Choose what bound a name before a place, if it was bound anew since; tell whether that is so."""
        binders = self._statements.binders_beside(statement, name)
        before = [binder for binder in binders if binder.place < place]
        after = [binder for binder in binders if binder.place > place]
        if not before or not after or after[-1].source == before[-1].source:
            return False
        earlier = self._statements.statement_of(before[-1]) if before[-1].is_whole else None
        if before[-1].is_import and earlier is not None:
            self._earlier.add(earlier)
            return True
        if earlier is None or earlier.does_something:
            if is_sure:
                user = _first_of(statement)
                self.note(f"{name} was bound anew after {user} was made with it, and what it was then is not kept.")
            return False
        if earlier not in self._earlier:
            self._earlier.add(earlier)
            self._choose_needed(earlier, namespace, earlier.place)
        return True

    def _choose_called(
        self, name: str, statement: Statement, namespace: Mapping[str, Any], place: tuple[int, int]
    ) -> None:
        """Choose what a function needed that is called at a place, such as a decorator, as it was then."""
        called = [binder for binder in self._statements.binders_beside(statement, name) if binder.place < place]
        if not called or not isinstance(called[-1].node, ast.FunctionDef) or (name, place) in self._called:
            return
        self._called.add((name, place))
        function = self._statements.statement_of(called[-1])
        if function is None:
            return
        for inner in function.needs:
            self._choose_earlier(inner, function, namespace, place, is_sure=False)
            self._choose_called(inner, function, namespace, place)

    def _provide(self, name: str, statement: Statement, namespace: Mapping[str, Any]) -> None:
        """Find what a statement needs that its functions do not know, as of a class that was loaded; or say it."""
        binders = [binder for binder in self._statements.binders(name, statement.file) if binder.is_whole]
        own = [binder for binder in binders if binder.file == statement.file]
        found = self._first_harmless([*reversed(own), *reversed(binders)])
        if found is not None and found[0].is_import:
            self.imports[name] = found[1].text
        elif found is not None:
            self.bound[name] = found[1]
            self._choose(found[1], namespace, is_lost=True)
        elif name in _OURS:
            self.imports[name] = _OURS[name]
        else:
            self.note(f"{name} is needed by {_first_of(statement)}, and is not known any more.")

    def _first_harmless(self, binders: list[Binder]) -> tuple[Binder, Statement] | None:
        for binder in binders:
            statement = self._statements.statement_of(binder)
            if statement is not None and not statement.does_something:
                return binder, statement
        return None

    def _is_bound_anew(self, name: str, statement: Statement) -> bool:
        newest = self._statements.binders_beside(statement, name)[-1:]
        return any(binder.place > statement.place and binder.source != statement.text for binder in newest)

    def need(self, name: str, namespace: Mapping[str, Any], value: Any) -> None:
        """See to it that the module binds a name to a value."""
        if name in self.bound:
            known = self.bound[name]
            if isinstance(known, Statement):  # what a statement needed that no function knows
                is_same = any(known.holds(function.__code__) for function in functions_behind(value))
            else:
                is_same = known is value or is_equal_constant(known, value)
            if not is_same:
                self.note(say_two_things(name, known, value))
            return
        is_definition = isinstance(value, type | types.FunctionType)
        is_pythons = name in {"display", "get_ipython"} or (name.startswith("__") and name.endswith("__"))
        if is_pythons or is_shells_open(value):
            return
        if line := self._import_line(name, value):
            self.bound[name] = value
            self.imports[name] = line
            return
        if is_definition and namespace.get(name) is not value:
            return  # a local one, or one under another name: what it was made in comes with its own code
        self.bound[name] = value
        statement = self._statement_of(name, value)
        if statement is None:
            self.constants[name] = self._write_constant(name, value)
        elif not self._choose_from_module(statement, name, namespace, value):
            self._choose(statement, namespace)

    def _statement_of(self, name: str, value: Any) -> Statement | None:
        """Find the statement that makes a value when it is run again; None where the value itself is to be kept."""
        is_definition = isinstance(value, type | types.FunctionType)
        if not is_definition and type(value).__module__ not in _CODE_LIKE:
            return None
        statement = self._statements.binding(name, value)
        is_alias = is_definition or isinstance(value, _MADE_ANEW) or type(value).__module__ == typing.__name__
        is_safe = statement is not None and not statement.does_something
        return statement if is_alias or is_safe or name not in self._values else None

    def _choose_from_module(self, statement: Statement, name: str, namespace: Mapping[str, Any], value: Any) -> bool:
        """Choose a function that a module had before it was loaded again, which the statement would not find there."""
        is_function = isinstance(value, types.FunctionType) and value.__globals__ is not namespace
        if not is_function or statement.holds(value.__code__):
            return False
        made = self._statements.of_code(value.__code__)
        if made is None or value.__name__ not in made.provides:
            return False
        self._choose(made, value.__globals__)
        self._earlier.add(Statement(f"{name} = {value.__name__}", frozenset({name}), statement.place))
        return True

    def _import_line(self, name: str, value: Any) -> str:
        if isinstance(value, PLAIN) or attribute_of(value, "__module__") == "__main__":
            return ""
        is_module = isinstance(value, types.ModuleType)
        return ("" if is_module else self._statements.import_of(name, value)) or write_import(name, value)

    def _write_constant(self, name: str, value: Any) -> str:
        literal = "" if secret_reason(name, value) else write_literal(value)
        if literal:
            return f"{name} = {literal}"
        if name in self._values:
            return f'{name} = vessl_nb.captured("{name}")  # {say_what(value)}'
        if isinstance(value, type | types.FunctionType):
            self.note(f"The source of {name} is not known: only vessl_nb.load gives it.")
            return f"# {name}: its source is not known."
        self.note(f"{name} ({say_what(value)}) was used only while its cell ran, and is not kept with the version.")
        return f"# {name}: {say_what(value)}, not kept with the version."

    def _say_what_changed(self) -> None:
        """Say what the definitions have that their statements do not give them."""
        for written in self._captured.written:
            name = written.__name__
            own = [statement for statement in self._chosen.values() if name in statement.provides]
            if own and self.bound.get(name) is written:
                newest = max(own, key=lambda statement: statement.place)
                for sentence in say_what_was_set(written, newest):
                    self.note(sentence)
        for function in self._captured.functions.values():
            code = function.__code__
            if code.co_filename not in self._elsewhere and keeps_something(code):
                self.note(f"{code.co_qualname} keeps something between its calls: here it begins anew.")


def _first_of(statement: Statement) -> str:
    return min(statement.provides, default="a statement")
