"""Which environment variables code reads by a constant name.

Of functions the byte code is read and not the source: it is always there, it is exactly what will run, and the names in
it are looked up in the namespace that the function has. Of local modules, which are files and need not be imported
here, the source is read.
"""

from __future__ import annotations

import ast
import dis
import os
import re
import types
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_SILENT = {"CACHE", "COPY", "EXTENDED_ARG", "NOP", "NOT_TAKEN", "PRECALL", "PUSH_NULL", "RESUME", "POP_TOP"}
"""Instructions that may stand between two that belong together, in one Python version or another."""

_ATTRIBUTE = {"LOAD_ATTR", "LOAD_METHOD"}
_STORING = {"STORE_FAST", "STORE_NAME", "STORE_GLOBAL", "STORE_DEREF"}

_READING = {"get", "pop", "__getitem__"}  # setdefault is how one sets what is not set yet


def environment_reads(code: types.CodeType, namespace: Mapping[str, Any]) -> list[str]:
    """Name the environment variables that a function's byte code reads.

    Parameters
    ----------
    code
        The function's code; that of functions and classes inside it is read as well.
    namespace
        Its global names: they tell what ``o`` is after ``import os as o``, and a name that is a constant's.

    Returns
    -------
    list of str
        Their names, in the order met. Names that are put together as the code runs are not known.
    """
    return list(dict.fromkeys(_reads(code, namespace, {})))


def environment_reads_in(source: str) -> list[str]:
    """Name the environment variables that a module's source reads; none where it is no Python.

    Parameters
    ----------
    source
        The module's text.

    Returns
    -------
    list of str
        Their names, in the order of the lines.
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return []
    reader = _Source(tree)
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.expr | ast.AugAssign)]
    found = [(node.lineno, node.col_offset, name) for node in nodes for name in reader.reads(node)]
    return list(dict.fromkeys(name for _, _, name in sorted(found)))


def _reads(code: types.CodeType, namespace: Mapping[str, Any], outer: Mapping[str, str]) -> Iterator[str]:
    variables = dict(outer)  # what a function's own variables mean, by its own imports and assignments
    # The last two things that were put on the stack: what they mean, and a text's value.
    before, last = ("", ""), ("", "")
    for name, argument in _instructions(code):
        if name == "BINARY_SUBSCR" and (before[0], last[0]) == ("environ", "text"):
            yield last[1]
        elif name == "CONTAINS_OP" and (before[0], last[0]) == ("text", "environ"):
            yield before[1]
        if name in _STORING:
            variables[argument] = last[0]
            before, last = ("", ""), before
            continue
        now = _loaded(name, argument, last[0], variables, namespace)
        if now[0] == "text" and last[0] == "getenv":
            yield now[1]
        # An attribute takes the place of its object.
        before, last = before if name in _ATTRIBUTE else last, now
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _reads(constant, namespace, variables)


def _loaded(
    name: str, argument: Any, last: str, variables: Mapping[str, str], namespace: Mapping[str, Any]
) -> tuple[str, str]:
    """Say what an instruction puts on the stack."""
    if not isinstance(argument, str):
        return ("", "")
    if name == "LOAD_CONST":
        return ("text", argument)
    if name == "IMPORT_NAME":
        return ("os" if argument in {"os", "os.path"} else "", "")
    if name in _ATTRIBUTE or name == "IMPORT_FROM":
        return (_attribute(last, argument), "")
    if name.startswith("LOAD_") and argument in variables:
        return (variables[argument], "")
    # A variable of the function's own hides the global one.
    return _global(namespace.get(argument)) if name in {"LOAD_GLOBAL", "LOAD_NAME"} else ("", "")


def _instructions(code: types.CodeType) -> Iterator[tuple[str, Any]]:
    """Walk the instructions as if every Python version had the same."""
    for instruction in dis.get_instructions(code):
        name, argument = instruction.opname, instruction.argval
        if name in _SILENT:
            continue
        if isinstance(argument, tuple) and (parts := re.findall(r"(?:LOAD|STORE)_FAST", name)):
            yield from zip(parts, argument, strict=False)  # from 3.13 on one instruction may do two
        elif name == "BINARY_OP" and instruction.argrepr == "[]":
            yield "BINARY_SUBSCR", argument  # as 3.14 has it
        else:
            yield name, argument


def _global(value: Any) -> tuple[str, str]:
    if isinstance(value, str):
        return ("text", value)
    if value is os:
        return ("os", "")
    if value is os.environ:
        return ("environ", "")
    is_method = isinstance(value, types.MethodType) and value.__self__ is os.environ and value.__name__ in _READING
    return ("getenv", "") if value is os.getenv or is_method else ("", "")


def _attribute(meaning: str, name: str) -> str:
    if meaning == "os" and name in {"environ", "getenv"}:
        return name
    return "getenv" if meaning == "environ" and name in _READING else ""


class _Source:
    """Knows what the names in a module's source mean, by its imports and plain assignments."""

    def __init__(self, tree: ast.Module) -> None:
        self._names: dict[str, str] = {}
        self._texts: dict[str, str] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    if alias.name == "os" or (alias.name.startswith("os.") and not alias.asname):
                        self._names[alias.asname or "os"] = "os"
            elif isinstance(node, ast.ImportFrom) and node.module == "os" and not node.level:
                self._names |= {alias.asname or alias.name: _attribute("os", alias.name) for alias in node.names}
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                name = node.targets[0].id
                if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
                    self._texts[name] = node.value.value
                elif meaning := self._meaning(node.value):
                    self._names[name] = meaning

    def reads(self, node: ast.AST) -> Iterator[str]:
        """Name what a piece of the source reads, without what is inside it."""
        found: str | None = None
        if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load):
            found = self._text(node.slice) if self._meaning(node.value) == "environ" else None
        elif isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Subscript):
            found = self._text(node.target.slice) if self._meaning(node.target.value) == "environ" else None
        elif isinstance(node, ast.Call) and self._meaning(node.func) == "getenv":
            first = [*node.args, *(keyword.value for keyword in node.keywords if keyword.arg == "key")][:1]
            found = self._text(first[0]) if first else None
        elif isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.In | ast.NotIn):
            found = self._text(node.left) if self._meaning(node.comparators[0]) == "environ" else None
        if found is not None:
            yield found

    def _meaning(self, node: ast.expr) -> str:
        if isinstance(node, ast.Name):
            return self._names.get(node.id, "")
        return _attribute(self._meaning(node.value), node.attr) if isinstance(node, ast.Attribute) else ""

    def _text(self, node: ast.expr) -> str | None:
        if isinstance(node, ast.Name):
            return self._texts.get(node.id)
        return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None
