"""How Python's own values compare: numbers, texts, lists, sets and dicts."""

from __future__ import annotations

import math
from typing import Any

import msgspec

from vessl_nb.values.comparison_walk import Comparers, Comparison, Walk, different, is_plainly_equal, tolerance_of
from vessl_nb.values.comparison_words import MOST_CHARACTERS, entries_of, items_of, key_step, kind_of, words_of
from vessl_nb.values.encoding import decode


def _compare_texts(walk: Walk, expected: Any, found: Any, path: str) -> Comparison | None:
    if not walk.by_value or expected == found:
        return None
    texts = decode(expected), decode(found)
    # Long texts often begin alike: what is shown begins a little before they part.
    parting = next((number for number, (a, b) in enumerate(zip(*texts, strict=False)) if a != b), min(map(len, texts)))
    start = max(0, parting - MOST_CHARACTERS // 4)
    return Comparison("different", path, *(_excerpt(text, start) for text in texts))


def _excerpt(text: str, start: int) -> str:
    shown = ("…" if start else "") + repr(text[start : start + MOST_CHARACTERS])
    return shown if len(shown) <= MOST_CHARACTERS else shown[: MOST_CHARACTERS - 1] + "…"


def _compare_numbers(walk: Walk, expected: Any, found: Any, path: str) -> Comparison | None:
    one, other = decode(expected), decode(found)
    if not walk.by_value or (_is_same(one.real, other.real) and _is_same(one.imag, other.imag)):
        return None
    rtol, atol = tolerance_of()
    distance = _size(one - other)
    if math.isfinite(distance) and distance <= atol + rtol * max(_size(one), _size(other)):
        walk.note_close(path, one, other)
        return None
    return different(path, repr(one), repr(other))


def _size(number: complex) -> float:
    return math.hypot(number.real, number.imag)  # abs of a large complex number raises OverflowError


def _is_same(one: float, other: float) -> bool:
    return one == other or (math.isnan(one) and math.isnan(other))


def _compare_lists(walk: Walk, expected: Any, found: Any, path: str) -> Comparison | None:
    items, others = items_of(expected), items_of(found)
    if len(items) != len(others):
        return different(path, words_of(expected), words_of(found))
    return walk.each(items, others, path)


def _compare_sets(walk: Walk, expected: Any, found: Any, path: str) -> Comparison | None:
    items, others = ({msgspec.json.encode(item): item for item in items_of(data)} for data in (expected, found))
    if len(items) != len(others):
        return different(path, words_of(expected), words_of(found))
    # What only one of them has is paired by type and, for floats, by size: they may be close.
    mine = sorted((items[text] for text in items.keys() - others.keys()), key=_rank)
    theirs = sorted((others[text] for text in others.keys() - items.keys()), key=_rank)
    return walk.each(mine, theirs, path, lambda _: "[an element]")


def _rank(data: Any) -> tuple[str, float, bytes]:
    kind = kind_of(data)
    return kind, decode(data) if kind == "float" else 0.0, msgspec.json.encode(data)


def _compare_namedtuples(walk: Walk, expected: Any, found: Any, path: str) -> Comparison | None:
    if _type_of_tuple(expected) != _type_of_tuple(found):
        return different(path, _type_of_tuple(expected), _type_of_tuple(found))
    return walk.each(expected["items"], found["items"], path, lambda number: f".{expected['names'][number]}")


def _type_of_tuple(data: Any) -> str:
    return f"{data['class']}({', '.join(data['names'])})"


def _compare_dicts(walk: Walk, expected: Any, found: Any, path: str) -> Comparison | None:
    entries, others = entries_of(expected), entries_of(found)
    for text, (key, item) in entries.items():
        if text not in others:
            return different(path + key_step(key), words_of(item), "no such key")
        other = others[text][1]
        if is_plainly_equal(item, other):
            continue
        difference = walk(item, other, path + key_step(key))
        if difference:
            return difference
    for text, (key, item) in others.items():
        if text not in entries:
            return different(path + key_step(key), "no such key", words_of(item))
    return None


COMPARERS: Comparers = {
    **dict.fromkeys(("float", "complex"), _compare_numbers),
    "str": _compare_texts,
    **dict.fromkeys(("list", "tuple"), _compare_lists),
    **dict.fromkeys(("set", "frozenset"), _compare_sets),
    "namedtuple": _compare_namedtuples,
    "dict": _compare_dicts,
}
