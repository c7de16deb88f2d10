"""``runner.py``: what travels by value as one module, to be read, reviewed and run.

It has the imports, constants, helpers and classes that the runner and its model need, each as the cell had it, those
that others need first. A value that has no source, such as a fitted scaler, is asked of the version by its name. What
could not be written down is said at the top. Each function in the pickles is found in it again, by its byte code: so
another Python can compile it anew.
"""

from __future__ import annotations

import ast
import math
import pprint
import re
import sys
import types
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vessl_nb.capture.code import by_name, codes_of_module, portable_name, same_code
from vessl_nb.capture.generated import own_members
from vessl_nb.capture.pickles import full_name, is_shells_open
from vessl_nb.capture.statements import Statements, import_of
from vessl_nb.manifest import Written
from vessl_nb.values.secrets import secret_reason

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from vessl_nb.capture.names import Names
    from vessl_nb.capture.pickles import Captured
    from vessl_nb.capture.statements import Statement

_LONGEST_LITERAL = 2000
"""A constant of more characters than this is kept as a value, not written down."""

_CODE_LIKE = {"typing", "types", "functools", "re", "pathlib", "datetime", "operator"}
"""Modules whose objects are as their statement made them: aliases, partial functions, patterns, paths."""

_PLAIN = (int, float, bool, str, bytes, types.NoneType, list, tuple, dict, set)


@dataclass(frozen=True, slots=True)
class Source:
    """A runner as a module.

    Attributes
    ----------
    text
        The module; empty where nothing travels by value.
    written
        Where each function's code is, by its key in the pickles; those that are nowhere are missing.
    unwritten
        What could not be written down, in sentences.
    """

    text: str
    written: dict[str, Written]
    unwritten: list[str]


def write_source(runner: type, captured: Captured, names: Names, local: Collection[str] = ()) -> Source:
    """Write a runner, and what it takes along, as one module.

    Parameters
    ----------
    runner
        The runner.
    captured
        The runner and the model, pickled.
    names
        What was found of the names they use.
    local
        The top-level names of the local modules that travel with the version.
    """
    if not captured.written and not captured.code:
        return Source("", {}, [])
    writer = _Writer(captured, names, local)
    writer.write_definitions(runner)
    written = writer.find_again(writer.text(runner))
    return Source(writer.text(runner), written, writer.unwritten)  # with what was not found in it


class _Writer:
    def __init__(self, captured: Captured, names: Names, local: Collection[str]) -> None:
        self._local = local
        self.unwritten: list[str] = []
        self._captured = captured
        self._values = {name.name for name in names.names if name.kind == "global"}
        self._statements = Statements()
        self._chosen: dict[str, Statement] = {}
        self._imports: dict[str, str] = {}  # by the name they bind
        self._constants: dict[str, str] = {}
        self._bound: dict[str, Any] = {}
        self._made = ""
        self._elsewhere = _files_of_modules()

    def write_definitions(self, runner: type) -> None:
        """Choose the statements that make the definitions, and go on to what these need."""
        for written in [runner, *self._captured.written]:
            namespace = _namespace_of(written)
            self._need(written.__name__, namespace, namespace.get(written.__name__, written))
        for function in self._captured.functions.values():
            code = function.__code__
            if code.co_filename not in self._elsewhere and not self._is_chosen(code):
                statement = self._statements.of_code(code)
                if statement is not None:
                    self._choose(statement, function.__globals__)
        if runner.__name__ not in self._bound and "<locals>" not in runner.__qualname__:
            self._made = self._write_made(runner)
        elif runner.__name__ not in self._bound:
            self.unwritten.append(f"{runner.__qualname__} was made inside a function: vessl_nb.load gives it.")

    def _write_made(self, runner: type) -> str:
        """Write a class that was made by a call, of functions that are there, as a statement."""
        bases = []
        for base in runner.__bases__:
            self._imports[f"{base.__module__}."] = f"import {base.__module__}"
            bases.append(f"{base.__module__}.{base.__qualname__}")
        lines = [f"class {runner.__name__}({', '.join(bases)}):"]
        for name, member in own_members(runner).items():
            if isinstance(member, staticmethod) and (function := self._name_of(member.__func__)):
                lines.append(f"    {name} = staticmethod({function})")
        return "\n".join(lines) if len(lines) > 1 else ""

    def _name_of(self, function: Any) -> str:
        """Give what the module calls a function; empty, and said, where it has it not."""
        name = getattr(function, "__name__", "")
        if isinstance(function, types.FunctionType) and function.__globals__.get(name) is not function:
            if function.__code__.co_qualname == "<lambda>":
                found = (statement for statement in self._chosen.values() if statement.holds(function.__code__))
                return next((bound for statement in found for bound in statement.provides), "")
        elif isinstance(function, types.FunctionType):
            self._need(name, function.__globals__, function)
            return name if self._bound.get(name) is function else ""
        elif home := next((m for m in list(sys.modules) if "." not in m and _attribute(m, name) is function), ""):
            self._imports[f"{home}."] = f"import {home}"
            return f"{home}.{name}"
        self._note(f"{_words(function)} {name} is used, and has no name in here.")
        return ""

    def _is_chosen(self, code: types.CodeType) -> bool:
        return any(statement.holds(code) for statement in self._chosen.values())

    def _choose(self, statement: Statement, namespace: Mapping[str, Any]) -> None:
        if statement.text in self._chosen:
            return
        self._chosen[statement.text] = statement
        for name in statement.provides:
            self._bound.setdefault(name, namespace.get(name))
        for name in statement.needs:
            if name in namespace:
                self._need(name, namespace, namespace[name])

    def _need(self, name: str, namespace: Mapping[str, Any], value: Any) -> None:
        """See to it that the module binds a name to a value."""
        if name in self._bound:
            if self._bound[name] is not value and not _is_equal_constant(self._bound[name], value):
                self._note(f"{name} means two things: {_words(self._bound[name])} and {_words(value)}.")
            return
        is_definition = isinstance(value, type | types.FunctionType)
        if name in {"display", "get_ipython"} or (name.startswith("__") and name.endswith("__")):
            return
        if is_shells_open(value):
            return
        if line := _import_line(name, value):
            self._bound[name] = value
            self._imports[name] = line
            return
        if is_definition and namespace.get(name) is not value:
            return  # a local one, or one under another name: what it was made in comes with its own code
        if is_definition or type(value).__module__ in _CODE_LIKE:
            statement = self._statements.binding(name, value)
            if statement is not None:
                self._bound[name] = value
                self._choose(statement, namespace)
                return
        self._bound[name] = value
        self._constants[name] = self._constant(name, value)

    def _constant(self, name: str, value: Any) -> str:
        literal = "" if secret_reason(name, value) else _literal(value)
        if literal:
            return f"{name} = {literal}"
        if name in self._values:
            return f'{name} = vessl_nb.captured("{name}")  # {_words(value)}'
        self._note(f"{name} ({_words(value)}) was used only while its cell ran, and is not kept with the version.")
        return f"# {name}: {_words(value)}, not kept with the version."

    def _note(self, sentence: str) -> None:
        if sentence not in self.unwritten:
            self.unwritten.append(sentence)

    def text(self, runner: type) -> str:
        """Put the module together."""
        written = [*(statement.text for statement in self._in_order()), self._made]
        statements = "\n\n\n".join(filter(None, written))
        flags = [function.__code__.co_flags for function in self._captured.functions.values()]
        future = ["from __future__ import annotations"] if any(map(_has_future_annotations, flags)) else []
        imports = [*self._imports.values(), *self._submodules(statements)]
        own = [line for line in imports if line.split()[1].partition(".")[0] in self._local]
        modules = sorted({line.split()[1].partition(".")[0] for line in own})
        brought = [f'vessl_nb.captured("{name}")  # a module of the version\'s own' for name in modules]
        if brought or any("vessl_nb.captured(" in line for line in self._constants.values()):
            imports.append("import vessl_nb")
        others = [line for line in imports if line not in own]
        notes = [f"# Not in here: {sentence}" for sentence in self.unwritten]
        head = [f'"""{runner.__qualname__}, as it was registered."""', *(["\n".join(notes)] if notes else [])]
        parts = [
            *head,
            *future,
            "\n".join(_sorted_imports(others)),
            "\n".join([*brought, *_sorted_imports(own)]),
            "\n".join(self._constants.values()),
        ]
        return "\n\n".join(filter(None, parts)) + (f"\n\n\n{statements}\n" if statements else "\n")

    def _in_order(self) -> list[Statement]:
        """Order the statements as they were written, those that others need at once before them."""
        waiting = sorted(self._chosen.values(), key=lambda statement: statement.place)
        ordered: dict[str, Statement] = {}
        begun: set[str] = set()

        def providers(names: Any) -> Iterator[Statement]:
            yield from (statement for statement in waiting if statement.provides & set(names))

        def put(statement: Statement, *, is_called: bool) -> None:
            if statement.text in begun:
                return
            begun.add(statement.text)
            for needed in providers(statement.needs_at_once):
                put(needed, is_called=True)
            ordered[statement.text] = statement
            if is_called:  # it may be run before the module is complete
                for needed in providers(statement.needs):
                    put(needed, is_called=True)

        for statement in waiting:
            put(statement, is_called=False)
        return list(ordered.values())

    def _submodules(self, text: str) -> Iterator[str]:
        """Import the submodules that the text reaches through their package, such as ``os.path``."""
        for name, value in self._bound.items():
            if isinstance(value, types.ModuleType) and self._imports.get(name) == f"import {name}":
                for found in sorted(set(re.findall(rf"\b{re.escape(name)}((?:\.\w+)+)", text))):
                    parts = found.split(".")[1:]
                    inner = [f"{name}.{'.'.join(parts[:n])}" for n in range(1, len(parts) + 1)]
                    yield from (f"import {module}" for module in inner if module in sys.modules)

    def find_again(self, text: str) -> dict[str, Written]:
        """Say where each function's code is; note those that are nowhere."""
        own = by_name(text)
        found: dict[str, Written] = {}
        for key, function in self._captured.functions.items():
            code = function.__code__
            name = portable_name(code.co_qualname)
            module = self._elsewhere.get(code.co_filename, "")
            among = codes_of_module(module) if module else own
            place = next((place for place, other in enumerate(among.get(name, ())) if same_code(code, other)), None)
            if place is None:
                self._note(f"The source of {code.co_qualname} was not found.")
            else:
                found[key] = Written(name=name, place=place, module=module)
        return found


def _sorted_imports(lines: Collection[str]) -> list[str]:
    return sorted(set(lines), key=lambda line: (not line.startswith("import"), line))


def _attribute(module: str, name: str) -> Any:
    return vars(sys.modules[module]).get(name) if sys.modules.get(module) else None


def _namespace_of(written: Any) -> Mapping[str, Any]:
    if isinstance(written, types.FunctionType):
        return written.__globals__
    for member in vars(written).values():
        function = getattr(member, "__func__", member)
        if isinstance(function, types.FunctionType) and function.__module__ == written.__module__:
            return function.__globals__
    return vars(sys.modules.get(written.__module__, types))


def _import_line(name: str, value: Any) -> str:
    """Write the import behind a name; empty where it is none."""
    if isinstance(value, types.ModuleType):
        package, _, last = value.__name__.rpartition(".")
        if name == value.__name__:
            return f"import {name}"
        return f"from {package} import {name}" if last == name else f"import {value.__name__} as {name}"
    if isinstance(value, _PLAIN) or getattr(value, "__module__", "") == "__main__":
        return ""
    if line := import_of(name, value):
        return line
    module, own = getattr(value, "__module__", None), getattr(value, "__qualname__", "")
    if isinstance(module, str) and own and getattr(sys.modules.get(module), own, None) is value:
        return f"from {module} import {own}" + ("" if own == name else f" as {name}")
    return ""


def _literal(value: Any) -> str:
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


def _is_plain(value: Any, depth: int) -> bool:
    if type(value) not in _PLAIN or depth < 0:
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


def _is_equal_constant(one: Any, other: Any) -> bool:
    return type(one) is type(other) and isinstance(one, _PLAIN) and repr(one) == repr(other)


def _words(value: Any) -> str:
    kind = full_name(value if isinstance(value, type) else type(value))
    shape = getattr(value, "shape", None)
    return f"{kind} {tuple(shape)}" if isinstance(shape, tuple) and shape else kind


def _has_future_annotations(flags: int) -> bool:
    return bool(flags & 0x1000000)  # CO_FUTURE_ANNOTATIONS


def _files_of_modules() -> dict[str, str]:
    """List the source files of the modules that another machine can import, with their names."""
    main = sys.modules["__main__"]  # which multiprocessing puts there once more, under another name
    files = {
        name: getattr(module, "__file__", None) for name, module in list(sys.modules.items()) if module is not main
    }
    return {file: name for name, file in files.items() if isinstance(file, str)}
