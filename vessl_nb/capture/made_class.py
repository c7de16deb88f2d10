"""A class that a call made, of functions that are there, written as a statement."""

from __future__ import annotations

import functools
import types
from typing import TYPE_CHECKING, Any

from vessl_nb.capture.generated import own_members
from vessl_nb.capture.written_values import say_what, write_callable, write_literal

if TYPE_CHECKING:
    from vessl_nb.capture.choice import Choice


def write_made_class(runner: type, choice: Choice) -> str:
    """Write a class that a call made, with the functions that it was given as they are called in the module.

    Parameters
    ----------
    runner
        The class.
    choice
        What the module has; what the functions need is chosen, and what cannot be written is said.

    Returns
    -------
    str
        The statement.
    """
    bases = []
    for base in runner.__bases__:
        choice.imports[f"{base.__module__}."] = f"import {base.__module__}"
        bases.append(f"{base.__module__}.{base.__qualname__}")
    lines = [f"class {runner.__name__}({', '.join(bases)}):"]
    for name, member in own_members(runner).items():
        if isinstance(member, staticmethod):
            if function := _write_name(member.__func__, choice):
                lines.append(f"    {name} = staticmethod({function})")
            else:
                choice.note(f"{runner.__name__}.{name} ({say_what(member.__func__)}) cannot be written down.")
    return "\n".join(lines if len(lines) > 1 else [*lines, "    pass"])


def _write_name(function: Any, choice: Choice) -> str:
    """Write a function as the module has it; empty where it has it not."""
    if isinstance(function, functools.partial) and isinstance(function.func, types.FunctionType):
        inner = _write_name(function.func, choice)
        given = [write_literal(part) for part in function.args]
        given += [f"{name}={write_literal(part)}" for name, part in function.keywords.items()]
        if not inner or not all(part and not part.endswith("=") for part in given):
            return ""
        choice.imports["functools."] = "import functools"
        return f"functools.partial({', '.join([inner, *given])})"
    if not isinstance(function, types.FunctionType):
        expression, module = write_callable(function)
        if module:
            choice.imports[f"{module}."] = f"import {module}"
        return expression
    known: dict[str, Any] = function.__globals__
    if name := next((name for name, value in list(known.items()) if value is function), ""):
        choice.need(name, known, function)
        return name if choice.bound.get(name) is function and name not in choice.constants else ""
    if function.__code__.co_qualname != "<lambda>":
        return ""
    found = (statement for statement in choice.statements() if statement.holds(function.__code__))
    return next((bound for statement in found for bound in statement.provides), "")
