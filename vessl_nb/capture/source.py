"""``runner.py``: the source of what a runner takes along, for people to read."""

from __future__ import annotations

import ast
import inspect
import linecache
import sys
import types
from typing import TYPE_CHECKING, Any

from vessl_nb.capture.pickles import full_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vessl_nb.capture.pickles import Captured


def write_source(captured: Captured) -> str:
    """Write what travels by value as one module: imports, the captures by name and type, classes and functions.

    What has no source that could be found is said in a comment. Empty where there is nothing to write: the
    runner was imported from an installed module.
    """
    imports: set[str] = set()
    pieces: dict[str, None] = {}  # in order, each once: two lambdas may stand in one line
    for written in captured.written:
        source = source_of(written)
        imports.update(_imports_of(source, _variables_of(written)))
        pieces[source or _outline(written)] = None
    if not pieces:
        return ""
    kept = [f"# {capture.name}: {capture.type}, kept with the version." for capture in captured.captures]
    return "\n\n\n".join(filter(None, ["\n".join(sorted(imports)), "\n".join(kept), *pieces])) + "\n"


def source_of(written: Any) -> str:
    """Find the source of a class or function, decorators included; empty where there is none."""
    if isinstance(written, types.FunctionType):
        if written.__name__ == "<lambda>":
            return _lambda_source(written)
        return _node_source(written.__code__.co_filename, written.__name__, written.__code__.co_firstlineno)
    # A class does not know its file; its own methods do. One that has none is looked for in every cell, newest first.
    codes = [function.__code__ for function in _own_functions_of(written)]
    places = [(code.co_filename, code.co_firstlineno) for code in codes]
    cells = [(name, 0) for name in reversed(list(linecache.cache)) if "ipykernel" in name or "ipython-input" in name]
    return next(filter(None, (_node_source(file, written.__name__, line) for file, line in (*places, *cells))), "")


def _outline(written: Any) -> str:
    """Say what a class or function without source is: one made by a call, or typed where no text is kept."""
    if isinstance(written, types.FunctionType):
        return f"# {written.__qualname__}{inspect.signature(written)}: its source was not found."
    bases = ", ".join(map(full_name, written.__bases__))
    lines = [f"# class {written.__qualname__}({bases}), which was made by a call, with:"]
    for name, member in vars(written).items():
        function = getattr(member, "__func__", member)
        if isinstance(function, types.FunctionType):
            lines.append(f"#     {name} = {function.__qualname__}")
    return "\n".join(lines)


def _node_source(filename: str, name: str, line: int) -> str:
    lines = linecache.getlines(filename)
    try:
        tree = ast.parse("".join(lines))
    except (SyntaxError, ValueError):  # a null byte is a ValueError
        return ""
    for node in ast.walk(tree):
        if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) or node.name != name:
            continue
        start = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
        if line == 0 or start <= line <= (node.end_lineno or start):
            indent = node.col_offset
            own = [text if text[:indent].strip() else text[indent:] for text in lines[start - 1 : node.end_lineno]]
            return "".join(own).rstrip()
    return ""


def _lambda_source(function: types.FunctionType) -> str:
    """Give the statement that a lambda is in, as a comment: it may not stand alone."""
    line = linecache.getline(function.__code__.co_filename, function.__code__.co_firstlineno).strip()
    return f"# from: {line}" if line else ""


def _own_functions_of(written: Any) -> Iterator[types.FunctionType]:
    """Walk a function itself, or the methods that a class's own body defines."""
    if isinstance(written, types.FunctionType):
        yield written
        return
    for member in vars(written).values():
        function = member.__func__ if isinstance(member, staticmethod | classmethod) else member
        function = function.fget if isinstance(function, property) else function
        while isinstance(function, types.FunctionType) and "__wrapped__" in vars(function):
            function = vars(function)["__wrapped__"]
        if isinstance(function, types.FunctionType) and function.__qualname__.startswith(f"{written.__qualname__}."):
            yield function


def _variables_of(written: Any) -> dict[str, Any]:
    """Give the namespace that a class or function was written in."""
    function = next(_own_functions_of(written), None)
    return function.__globals__ if function else vars(sys.modules.get(written.__module__, types))


def _imports_of(source: str, variables: dict[str, Any]) -> Iterator[str]:
    """Write the imports behind the global names that a source uses."""
    try:
        tree = ast.parse(source)
    except SyntaxError:  # a piece that cannot stand alone
        return
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    for name in names & variables.keys():
        value = variables[name]
        if isinstance(value, types.ModuleType):
            yield f"import {value.__name__}" + ("" if name == value.__name__ else f" as {name}")
        elif isinstance(value, type | types.FunctionType | types.BuiltinFunctionType):
            module, own_name = value.__module__, value.__name__
            if module and module not in {"__main__", variables.get("__name__")}:
                yield f"from {module} import {own_name}" + ("" if name == own_name else f" as {name}")
