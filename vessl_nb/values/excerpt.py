"""A bounded part of a value, encoded: enough to tell later whether, and where, another value differs."""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import fractions
import itertools
import math
import sys
import uuid
from dataclasses import dataclass
from typing import Any

from vessl_nb.values import plain
from vessl_nb.values.encoding import encode_loosely
from vessl_nb.values.family import class_name
from vessl_nb.values.numbers import elements_of
from vessl_nb.values.pretty import pretty

SOME = "some of its elements"
"""The name under which the excerpt of a large array or frame stands."""

_MOST_UNITS = 4096  # of all that is kept: an element, or eight characters
_MOST_ELEMENTS = 1024  # of one array
_MOST_BYTES = 64_000  # of texts in an array
_MOST_CHARACTERS = 2000
_MOST_ITEMS = 100
_MOST_LEVELS = 20
_MOST_ROWS, _MOST_COLUMNS = 32, 32
_SIDE = 32  # pixels
_SMALL = {float, complex, dt.datetime, dt.time, dt.date, dt.timedelta, decimal.Decimal, fractions.Fraction, uuid.UUID}
_SMALL_OF_PANDAS = {"Timestamp", "Timedelta", "NaTType", "NAType"}


@dataclass(frozen=True, slots=True)
class Excerpt:
    """What is kept of a value.

    Attributes
    ----------
    data
        Its bounded part, as `encode_loosely` gives it.
    extents
        What its data do not say: classes, and the lengths and shapes of what was cut, in the order they were met.
    is_whole
        Whether nothing was left out.
    """

    data: Any
    extents: tuple[str, ...]
    is_whole: bool


def excerpt_of(value: Any) -> Excerpt:
    """Take an excerpt, in bounded time: at once, for the value may change in place."""
    walk = _Walk()
    try:
        data = encode_loosely(walk.take(value, 0))
    except Exception as error:  # noqa: BLE001  # properties and items of the user's own classes
        return Excerpt(None, (f"{class_name(type(value))} that raises {type(error).__name__}",), is_whole=False)
    return Excerpt(data, tuple(walk.extents), walk.is_whole)


class _Walk:
    """Takes what can be encoded, in the place of what can not, or is too large."""

    def __init__(self) -> None:
        self.extents: list[str] = []
        self.is_whole = True
        self._left = _MOST_UNITS

    def take(self, value: Any, level: int) -> Any:
        self._left -= 1
        kind = type(value)
        if kind is str or kind is bytes:
            return self._text(value)
        if plain.is_plain(value) or kind in _SMALL or _is_small_of_pandas(kind):
            return value
        if self._left <= 0 or level >= _MOST_LEVELS:
            return self._cut(class_name(kind), None)
        return self._container(value, level) if kind in {list, tuple, dict} else self._object(value, level)

    def _cut(self, extent: str, part: Any) -> Any:
        self.is_whole = False
        self.extents.append(extent)
        return part

    def _container(self, value: Any, level: int) -> Any:
        if len(value) > _MOST_ITEMS:
            self._cut(f"{len(value)} items", None)
        if type(value) is dict:
            pairs = itertools.islice(value.items(), _MOST_ITEMS)
            return {self._key(key): self.take(item, level + 1) for key, item in pairs}
        return type(value)(self.take(item, level + 1) for item in value[:_MOST_ITEMS])

    def _key(self, key: Any) -> Any:
        if type(key) is str:
            return self._text(key)
        return key if plain.is_plain(key) else self._text(pretty(key))

    def _text(self, value: Any) -> Any:
        most = min(_MOST_CHARACTERS, 8 * max(self._left, 0))
        self._left -= min(len(value), most) // 8
        return value if len(value) <= most else self._cut(f"{len(value)} characters", value[:most])

    def _object(self, value: Any, level: int) -> Any:
        kind = type(value)
        numpy, pandas = sys.modules.get("numpy"), sys.modules.get("pandas")
        image = sys.modules.get("PIL.Image")
        if dataclasses.is_dataclass(kind):
            self.extents.append(class_name(kind))
            return {field.name: self.take(getattr(value, field.name), level + 1) for field in dataclasses.fields(kind)}
        if numpy is not None and isinstance(value, numpy.generic):
            return value
        if pandas is not None and isinstance(value, pandas.DataFrame | pandas.Series | pandas.Index):
            return self._frame(value, level)
        if image is not None and numpy is not None and isinstance(value, image.Image):
            self._left -= _SIDE * _SIDE
            small = value.resize((_SIDE, _SIDE), resample=0)
            return self._cut(f"Image {value.size} {value.mode}", {SOME: numpy.asarray(small)})
        return self._array(value)

    def _array(self, value: Any) -> Any:
        elements = elements_of(value, max(min(_MOST_ELEMENTS, self._left), 1))
        if elements is None or elements.dtype.hasobject or elements.nbytes > _MOST_BYTES:
            # What a person sees of it is what can be compared.
            return self._cut(class_name(type(value)), self._text(pretty(value)))
        self._left -= elements.size
        if elements.size == math.prod(value.shape):
            return value
        return self._cut(f"{class_name(type(value))} {tuple(value.shape)} {value.dtype}", {SOME: elements})

    def _frame(self, value: Any, level: int) -> Any:
        """Take some rows and columns, cell by cell: of a column of objects any cell may be large."""
        rows = len(value)
        places = [rows * number // _MOST_ROWS for number in range(_MOST_ROWS)] if rows > _MOST_ROWS else [*range(rows)]
        if not hasattr(value, "iloc"):
            cells: Any = [self.take(cell, level + 1) for cell in value[places]]
        else:
            # Rows that got other labels are a change as well.
            self.extents.append(", ".join(pretty(label) for label in value.index[places]))
            part = value.iloc[places] if value.ndim == 1 else value.iloc[places, :_MOST_COLUMNS]
            columns = [part] if value.ndim == 1 else [part.iloc[:, place] for place in range(part.shape[1])]
            taken = [[self.take(cell, level + 1) for cell in column] for column in columns]
            cells = taken[0] if value.ndim == 1 else dict(zip(map(self._key, part.columns), taken, strict=True))
        if rows > _MOST_ROWS or (value.ndim > 1 and value.shape[1] > len(cells)):
            return self._cut(f"{class_name(type(value))} {value.shape}", {SOME: cells})
        return cells


def _is_small_of_pandas(kind: type) -> bool:
    # In which of its modules they are differs between versions of pandas.
    return kind.__module__.partition(".")[0] == "pandas" and kind.__name__ in _SMALL_OF_PANDAS
