"""One statement: what it binds, what it needs, and when, and the functions in it."""

from __future__ import annotations

import functools
import types
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vessl_nb.capture.code import by_name, global_names, portable_name, same_code

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_FUNCTION = 1
"""The flag of code whose names are in fast places: a function's, not a class body's."""

_FUTURE_ANNOTATIONS = 0x1000000
"""What says to the compiler that annotations are not looked at."""

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
    file
        The file name of its text; empty where it was made up here.
    does_something
        Whether it calls something when it runs that may do more than give a value: to run it again is not safe.
    has_future
        Whether ``from __future__ import annotations`` holds where it is: then its annotations need nothing.
    """

    text: str
    provides: frozenset[str]
    place: tuple[int, int]
    file: str = ""
    does_something: bool = False
    has_future: bool = False

    @functools.cached_property
    def code(self) -> types.CodeType:
        """Its byte code."""
        flags = _FUTURE_ANNOTATIONS if self.has_future else 0
        code: types.CodeType = compile(self.text, "<statement>", "exec", flags, dont_inherit=True)
        return code

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
