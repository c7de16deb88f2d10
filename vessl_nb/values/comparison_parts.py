"""How objects, and what pandas has, compare: each form is a few named parts, of its type or of its value."""

from __future__ import annotations

from typing import Any

from vessl_nb.values.comparison_walk import Comparer, Comparers, Comparison, Walk, different
from vessl_nb.values.comparison_words import key_step, kind_of, words_of
from vessl_nb.values.encoding import decode
from vessl_nb.values.pretty import pretty


def _compare_frames(walk: Walk, expected: Any, found: Any, path: str) -> Comparison | None:
    # Columns are what keys are in a dict, so that their names count however the values are compared.
    difference = walk.by_values()(expected["columns"], found["columns"], f"{path}.columns")
    difference = difference or walk(expected["index"], found["index"], f"{path}.index")
    if difference:
        return difference
    labels = list(decode(expected["columns"]))

    def step(number: int) -> str:
        label = labels[number]
        return key_step(label) if isinstance(label, str) else f".iloc[:, {number}]"

    return walk.each(expected["values"], found["values"], path, step)


def _compare_ranges(walk: Walk, expected: Any, found: Any, path: str) -> Comparison | None:
    is_same = expected == found if walk.by_value else len(decode(expected)) == len(decode(found))
    return None if is_same else different(path, words_of(expected), words_of(found))


def _said(data: Any, name: str) -> Any:
    # Some libraries make a class that was written inside of a function again under its own name alone.
    return data[name].rpartition(".")[2] if name == "class" else data[name]


def _parts(said: tuple[str, ...], walked: dict[str, str]) -> Comparer:
    """Make the comparer of a form that is said by some of its names and walked through by others.

    Parameters
    ----------
    said
        The names whose values are part of its type.
    walked
        The names of the values in it, with the step to each.
    """

    def compare_parts(walk: Walk, expected: Any, found: Any, path: str) -> Comparison | None:
        for name in said:
            if _said(expected, name) != _said(found, name):
                words = (pretty(decode(data[name])) for data in (expected, found))
                return different(path, *(f"{kind_of(expected)} with {name} {word}" for word in words))
        for name, step in walked.items():
            difference = walk(expected[name], found[name], path + step)
            if difference:
                return difference
        return None

    return compare_parts


COMPARERS: Comparers = {
    "pandas.DataFrame": _compare_frames,
    "pandas.RangeIndex": _compare_ranges,
    "opaque": _parts(("class",), {}),
    "object": _parts(("class",), {"fields": ""}),
    "subclass": _parts(("class",), {"value": ""}),
    "enum": _parts(("class",), {"name": ".name", "value": ".value"}),
    "pandas.Series": _parts(("name",), {"index": ".index", "values": ""}),
    "pandas.Index": _parts(("name",), {"values": ""}),
    "pandas.MultiIndex": _parts(("names",), {"levels": ".levels", "codes": ".codes"}),
    "pandas.Categorical": _parts(("ordered",), {"categories": ".categories", "codes": ".codes"}),
    "pandas.DatetimeArray": _parts(("zone",), {"utc": ""}),
    "pandas.MaskedArray": _parts(("dtype",), {"mask": ".isna()", "values": ""}),
    "pandas.StringArray": _parts(("missing",), {"values": ""}),
}
