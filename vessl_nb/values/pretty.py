"""A value as text, as IPython would print it: of bounded length, made in bounded time, with no memory address in it.

Nothing here looks at more of a value than it shows: a list of ten million items is asked for a few dozen.
"""

from __future__ import annotations

import array
import collections
import dataclasses
import re
import sys
import types
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from vessl_nb.values.abridged import MOST_CHARACTERS, MOST_LINES, WIDTH, abridged
from vessl_nb.values.tables import pandas_text

_MOST_ITEMS = (MOST_LINES - 1, 5, 3)  # of a container that takes a line an item: the outermost, one in it, any deeper
_MOST_LEVELS = 20
_MOST_VALUES = 500  # in all containers together
_MOST_INNER_CHARACTERS = 200  # of one text or object inside a container
_MOST_BITS = 4000  # of an integer written in full; Python itself refuses a little more
_MOST_SORTED = 100  # elements of a set

_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
_MORE = "..."

_Part = tuple[str, Any]  # what is written before a value, such as a key; and the value


def pretty(value: Any) -> str:
    """Write a value as text of at most 12 lines and 1,000 characters."""
    return _clamped(_Printer().show(value, WIDTH), MOST_LINES, MOST_CHARACTERS)


class _Printer:
    """Prints one value; counts how many it has printed inside of it."""

    def __init__(self) -> None:
        self.left = _MOST_VALUES
        self.within: list[int] = []  # the ids of the containers that the present value is inside of

    def show(self, value: Any, width: int) -> str:
        kind = type(value)
        self.left -= 1
        try:
            container = _container_of(value)
            if container is None:
                return self._leaf(value)
            opening, parts, closing = container
            if self.left < 0 or id(value) in self.within or len(self.within) >= _MOST_LEVELS:
                return f"{opening}{_MORE}{closing}"
            self.within.append(id(value))
            try:
                return self._container(opening, parts, closing, width)
            finally:
                self.within.pop()
        except Exception as error:  # noqa: BLE001  # a repr is the user's own code
            return f"<{kind.__name__}: its repr raised {type(error).__name__}>"

    def _container(self, opening: str, parts: Iterable[_Part], closing: str, width: int) -> str:
        most = _MOST_ITEMS[min(len(self.within), len(_MOST_ITEMS)) - 1]
        texts: list[str] = []
        length = len(opening) + len(closing)
        more: list[str] = []
        for before, value in parts:
            text = before + _indented(self.show(value, width - len(opening) - len(before)), len(before))
            texts.append(text)
            length += len(text) + 2
            if self.left < 0 or (length > width and len(texts) > most):
                more = [_MORE]
                break
        # One line of as many items as it holds, if they are all or many; else a line an item.
        line = f"{opening}{', '.join([*texts, *more])}{closing}"
        kept = len(texts)
        while len(line) > width and kept > most:
            kept -= 1
            line = f"{opening}{', '.join([*texts[:kept], _MORE])}{closing}"
        if len(line) <= width and "\n" not in line:
            return line
        if len(texts) > most:
            texts, more = texts[:most], [_MORE]
        margin = len(opening)
        return opening + f",\n{' ' * margin}".join(_indented(text, margin) for text in [*texts, *more]) + closing

    def _leaf(self, value: Any) -> str:
        kind = type(value)
        most = _MOST_INNER_CHARACTERS if self.within else MOST_CHARACTERS
        if kind in {str, bytes, bytearray}:
            return repr(value) if len(value) <= most else repr(value[:most]) + _MORE
        if kind is int and value.bit_length() > _MOST_BITS:
            return f"<int of {value.bit_length()} bits>"
        return _clamped(_readable(abridged(value) or pandas_text(value) or repr(value)), MOST_LINES, most)


def _readable(text: str) -> str:
    # A repr may hold what cannot be written as UTF-8, and then not be saved.
    return _ADDRESS.sub("", text[: 10 * MOST_CHARACTERS]).encode("utf-8", "backslashreplace").decode()


def _indented(text: str, margin: int) -> str:
    return text.replace("\n", "\n" + " " * margin)


def _clamped(text: str, most_lines: int, most_characters: int) -> str:
    lines = text[: most_characters + 1].split("\n")
    if len(text) <= most_characters and len(lines) <= most_lines:
        return text
    if len(lines) > most_lines:
        text = "\n".join([*lines[: most_lines - 1], _MORE])
    return text if len(text) <= most_characters else text[: most_characters - len(_MORE)] + _MORE


# Containers ------------------------------------------------------------------------------------------------------

_Container = tuple[str, Iterable[_Part], str]


def _items(values: Iterable[Any]) -> Iterator[_Part]:
    return (("", value) for value in values)


def _pairs(mapping: Any) -> Iterator[_Part]:
    return ((f"{_key(key)}: ", value) for key, value in mapping.items())


def _key(key: Any) -> str:
    return _clamped(_Printer().show(key, WIDTH), 1, _MOST_INNER_CHARACTERS)


def _named(names: Iterable[str], value: Any) -> _Container:
    return f"{type(value).__name__}(", ((f"{name}=", getattr(value, name)) for name in names), ")"


def _tuple(value: tuple[Any, ...]) -> _Container:
    return "(", _items(value), ",)" if len(value) == 1 else ")"


def _set(value: set[Any]) -> _Container:
    return ("{", _items(_sorted(value)), "}") if value else ("set(", (), ")")


def _frozenset(value: frozenset[Any]) -> _Container:
    return ("frozenset({", _items(_sorted(value)), "})") if value else ("frozenset(", (), ")")


def _sorted(values: set[Any] | frozenset[Any]) -> Iterable[Any]:
    if len(values) > _MOST_SORTED:
        return iter(values)
    try:
        return sorted(values)
    except Exception:  # noqa: BLE001  # the comparison is the user's own code
        return iter(values)


def _defaultdict(value: collections.defaultdict[Any, Any]) -> _Container:
    factory = getattr(value.default_factory, "__name__", repr(value.default_factory))
    return f"defaultdict({factory}, {{", _pairs(value), "})"


def _deque(value: collections.deque[Any]) -> _Container:
    limit = "" if value.maxlen is None else f", maxlen={value.maxlen}"
    return "deque([", _items(value), f"]{limit})"


# What prints as a list does is a list, whatever it is derived from; what prints in its own way prints itself.
_SHAPES: dict[Any, Callable[[Any], _Container]] = {
    list.__repr__: lambda value: ("[", _items(value), "]"),
    tuple.__repr__: _tuple,
    dict.__repr__: lambda value: ("{", _pairs(value), "}"),
    set.__repr__: _set,
    frozenset.__repr__: _frozenset,
    collections.OrderedDict.__repr__: lambda value: (f"{type(value).__name__}({{", _pairs(value), "})"),
    collections.Counter.__repr__: lambda value: (f"{type(value).__name__}({{", _pairs(value), "})"),
    collections.defaultdict.__repr__: _defaultdict,
    collections.deque.__repr__: _deque,
    collections.UserDict.__repr__: lambda value: ("{", _pairs(value), "}"),
    collections.UserList.__repr__: lambda value: ("[", _items(value), "]"),
    types.MappingProxyType.__repr__: lambda value: ("mappingproxy({", _pairs(value), "})"),
    types.SimpleNamespace.__repr__: lambda value: _named(vars(value), value),
    type({}.keys()).__repr__: lambda value: ("dict_keys([", _items(value), "])"),
    type({}.values()).__repr__: lambda value: ("dict_values([", _items(value), "])"),
    type({}.items()).__repr__: lambda value: ("dict_items([", _items(value), "])"),
    BaseException.__repr__: lambda value: (f"{type(value).__name__}(", _items(value.args), ")"),
    array.array.__repr__: lambda value: (f"array({value.typecode!r}, [", _items(value), "])"),
}


class _NamedTuple(NamedTuple):
    """Has the repr that all named tuples have."""


def _container_of(value: Any) -> _Container | None:
    kind = type(value)
    shape = _SHAPES.get(kind.__repr__)
    if shape is not None:
        return shape(value)
    if dataclasses.is_dataclass(kind) and _has_generated_repr(kind):
        return _named((field.name for field in dataclasses.fields(kind) if field.repr), value)
    if issubclass(kind, tuple) and getattr(kind.__repr__, "__code__", None) is _NamedTuple.__repr__.__code__:
        return _named(value._fields, value)
    pydantic = sys.modules.get("pydantic.main")
    if pydantic is not None and kind.__repr__ is pydantic.BaseModel.__repr__:
        return _named((name for name, field in kind.model_fields.items() if field.repr), value)
    numpy = sys.modules.get("numpy")
    if numpy is not None and kind is numpy.ndarray and value.dtype == object:
        return "array([", _items(value.flat), f"], shape={value.shape}, dtype=object)"
    return None


def _has_generated_repr(kind: Any) -> bool:
    # dataclasses compile what they write for a class from text, and guard it against cycles with a wrapper.
    written = getattr(kind.__repr__, "__wrapped__", None)
    return getattr(getattr(written, "__code__", None), "co_filename", None) == "<string>"
