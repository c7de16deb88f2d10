"""Code objects: the names they use, whether two are the same, and where they are in a source."""

from __future__ import annotations

import bisect
import builtins
import dis
import functools
import importlib.util
import re
import types
from importlib.abc import InspectLoader
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_OF_ITS_PLACE = 0xFFE0000 | 0x10
"""The flags that ``from __future__ import ...`` sets, and the one that says code stands inside of other code."""

_LOADS = {"LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"}

_INLINED = re.compile(r"<(listcomp|setcomp|dictcomp)>\.(<locals>\.)?")


def nested(code: types.CodeType) -> Iterator[types.CodeType]:
    """Walk a code object and all that are inside it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from nested(constant)


@functools.lru_cache(maxsize=1024)
def global_names(code: types.CodeType) -> Mapping[str, int]:
    """Find the global names that code reads, nested functions included, each with the line where it first does.

    What the body of a module assigns itself is not among them. What a function assigns with ``global`` is: another call
    of it, or of another function, may read what was there before.
    """
    found: dict[str, int] = {}
    own: set[str] = set()
    for part in nested(code):
        kept: set[str] = set()  # the names of a class body, which come before global ones
        line = part.co_firstlineno
        for instruction in dis.get_instructions(part):
            line = _line_of(instruction) or line
            name = instruction.argval
            if instruction.opname == "STORE_NAME":
                (own if part is code else kept).add(name)
            elif instruction.opname in _LOADS and name not in kept:
                found.setdefault(name, line)
    return {name: line for name, line in found.items() if name not in own}


def _line_of(instruction: dis.Instruction) -> int | None:
    positions = instruction.positions
    return positions.lineno if positions else None


@functools.lru_cache(maxsize=1024)
def stored_globals(code: types.CodeType) -> set[str]:
    """Find the global names that code assigns with ``global``, nested functions included."""
    return {
        instruction.argval
        for part in nested(code)
        for instruction in dis.get_instructions(part)
        if instruction.opname == "STORE_GLOBAL"
    }


@functools.lru_cache(maxsize=1024)
def imports_of(code: types.CodeType) -> set[str]:
    """Find the modules that code imports as it runs, by their dotted names; relative imports are left out."""
    found: set[str] = set()
    for part in nested(code):
        steps = [step for step in dis.get_instructions(part) if step.opname != "EXTENDED_ARG"]
        for level, _, step in zip(steps, steps[1:], steps[2:], strict=False):
            if step.opname == "IMPORT_NAME" and level.argval == 0:
                found.add(step.argval)
    return found


def is_builtin(name: str) -> bool:
    """Tell whether a global name needs no definition: Python's own, and those that IPython puts beside them."""
    return hasattr(builtins, name) or name in {"__name__", "__file__", "__builtins__", "__doc__", "__class__"}


def is_by_attrs(code: types.CodeType) -> bool:
    """Tell whether attrs wrote a function."""
    return code.co_filename.startswith("<attrs generated")


def keeps_something(code: types.CodeType) -> bool:
    """Tell whether a function assigns what it closes over."""
    return any(step.opname == "STORE_DEREF" and step.argval in code.co_freevars for step in dis.get_instructions(code))


def same_code(one: types.CodeType, other: types.CodeType) -> bool:
    """Tell whether two code objects do the same, wherever they stand."""
    return (
        one.co_varnames == other.co_varnames
        and one.co_freevars == other.co_freevars
        and one.co_cellvars == other.co_cellvars
        and (one.co_argcount, one.co_posonlyargcount, one.co_kwonlyargcount)
        == (other.co_argcount, other.co_posonlyargcount, other.co_kwonlyargcount)
        and (one.co_flags ^ other.co_flags) & ~_OF_ITS_PLACE == 0
        and len(one.co_consts) == len(other.co_consts)
        and all(map(_same_constant, _constants_of(one), _constants_of(other)))
        and (
            (one.co_code, one.co_names, one.co_exceptiontable)
            == (other.co_code, other.co_names, other.co_exceptiontable)
            or (sorted(one.co_names) == sorted(other.co_names) and _steps(one) == _steps(other))
        )
    )


def _steps(code: types.CodeType) -> list[tuple[Any, ...]]:
    """List what code does, step by step, and which steps lead where when they raise.

    It is the same whether or not the modules that the code uses were imported in the same cell: where they were, Python
    does not take an attribute of theirs that is called for a method, and that is in the code.
    """
    steps = [step for step in dis.get_instructions(code) if step.opname not in {"EXTENDED_ARG", "PUSH_NULL", "NOP"}]
    offsets = [step.offset for step in steps]

    def number_at(offset: int) -> int:
        return bisect.bisect_left(offsets, offset)

    does: list[tuple[Any, ...]] = [
        (
            "LOAD_ATTR" if step.opname == "LOAD_METHOD" else step.opname,
            number_at(step.argval) if step.opcode in dis.hasjrel + dis.hasjabs else _shown(step.argval),
        )
        for step in steps
    ]
    entries = dis.Bytecode(code).exception_entries  # type: ignore[attr-defined]  # typeshed does not know it
    tried = [tuple(map(number_at, (entry.start, entry.end, entry.target))) for entry in entries]
    return [*does, *(places for places in tried if places[0] < places[1])]


def _shown(value: Any) -> Any:
    return value.co_name if isinstance(value, types.CodeType) else repr(value)


def _constants_of(code: types.CodeType) -> tuple[Any, ...]:
    """Give the constants of code, without the line where it stands, which classes keep from Python 3.13 on."""
    if "__firstlineno__" not in code.co_names:
        return code.co_consts
    return tuple(None if constant == code.co_firstlineno else constant for constant in code.co_consts)


def _same_constant(one: Any, other: Any) -> bool:
    if isinstance(one, types.CodeType) and isinstance(other, types.CodeType):
        return same_code(one, other)
    # 1 == 1.0 == True, and the texts tell them apart; sets have no order.
    return type(one) is type(other) and (one == other if isinstance(one, frozenset) else repr(one) == repr(other))


def by_name(source: str | types.CodeType, filename: str = "runner.py") -> dict[str, list[types.CodeType]]:
    """Compile a module, and list the code objects in it by their qualified names, in the order of their places.

    Parameters
    ----------
    source
        The module's text, or its code; SyntaxError or ValueError where the text is none.
    filename
        The file name that the code objects get, where a text is compiled.
    """
    whole = compile(source, filename, "exec", dont_inherit=True) if isinstance(source, str) else source
    found: dict[str, list[types.CodeType]] = {}
    for code in sorted(nested(whole), key=_start_of):
        if code is not whole:
            found.setdefault(portable_name(code.co_qualname), []).append(code)
    return found


@functools.lru_cache(maxsize=64)
def codes_of_module(module: str) -> dict[str, list[types.CodeType]]:
    """Find the module, and list its code objects as `by_name` does; nothing where it has no source here."""
    try:
        spec = importlib.util.find_spec(module)
        source = spec.loader.get_source(module) if spec and isinstance(spec.loader, InspectLoader) else None
    except (ImportError, ValueError):  # a module that is none, or has no spec
        return {}
    return by_name(source) if source else {}


def portable_name(qualified: str) -> str:
    """Name a function as every Python does: from 3.12 on, comprehensions are no functions of their own."""
    return _INLINED.sub("", qualified)


def _start_of(code: types.CodeType) -> tuple[int, int]:
    columns = [(line or 0, column) for line, _, column, _ in code.co_positions() if column is not None and line]
    return code.co_firstlineno, min((column for _, column in columns), default=0)
