"""Large texts and bytes come back as they were, and are stored once.

They are as large as weights where a model holds a vocabulary, a tokenizer or the bytes of another library's file.
"""

from __future__ import annotations

import functools
import random
import types

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import vessl_nb as vessl

MEGABYTES = 5_000_000

SIZES = {"a few bytes": 40, "100 KB": 100_000, "over 1 MiB": 1_200_000}
"""Small data stays in the pickle, medium data shares a blob, large data has one of its own."""

sizes = pytest.mark.parametrize("length", SIZES.values(), ids=SIZES)


def register(model):
    class Runner(vessl.RunnerBase):
        @staticmethod
        def predict(model, data):
            return model

    return vessl.register_model("texts", None, Runner, model)


def reload(model):
    return vessl.load(register(model).reference).model


def text_of(letters, size=MEGABYTES):
    """Make a text that does not repeat itself."""
    picked = np.random.default_rng(0).integers(len(letters), size=size)
    return np.array(list(letters))[picked].tobytes().decode("utf-32")


EDGES = sorted({size + by for size in (0, 1024, 4096, 1 << 16, 1 << 18, 1 << 20) for by in (-1, 0, 1)} - {-1})
"""Sizes at which data may begin to be kept in another way."""


@pytest.mark.parametrize("letters", ["ab", "aé", "a中", "a😀"], ids=["ASCII", "Latin", "Chinese", "emoji"])
def test_texts_of_every_size_come_back(letters):
    model = [text_of(letters, size) for size in EDGES]
    loaded = reload(model)
    assert loaded == model
    assert set(map(type, loaded)) == {str}


@pytest.mark.parametrize("kind", [bytes, bytearray])
def test_bytes_of_every_size_come_back(kind):
    model = [kind(random.Random(size).randbytes(size)) for size in EDGES]
    loaded = reload(model)
    assert loaded == model
    assert set(map(type, loaded)) == {kind}


@sizes
def test_a_text_with_half_a_character_comes_back(length):
    model = ["a" * length + "\ud800", {"é" * length + "\udcff": 1}]
    assert reload(model) == model


@sizes
def test_their_subclasses_come_back_with_what_they_hold(length):
    class Vocabulary(str):
        __slots__ = ("language",)

    class Blob(bytes):
        pass

    vocabulary, blob = Vocabulary("é" * length), Blob(b"x" * length)
    vocabulary.language, blob.note = "fr", "a note"
    loaded_vocabulary, loaded_blob = reload([vocabulary, blob])
    assert (loaded_vocabulary, loaded_vocabulary.language) == (vocabulary, "fr")
    assert (loaded_blob, loaded_blob.note) == (blob, "a note")
    assert [type(loaded_vocabulary).__name__, type(loaded_blob).__name__] == ["Vocabulary", "Blob"]


@sizes
def test_a_bytearray_at_two_places_is_one_and_an_equal_one_another(length):
    data = bytearray(length)
    first, again, equal = reload([data, data, bytearray(length)])
    first[0] = 1
    again.append(2)
    assert first is again
    assert (len(first), first[0], equal) == (length + 1, 1, bytes(length))


@sizes
def test_a_text_at_two_places_is_one(length):
    text, data = "é" * length, b"x" * length
    loaded = reload([text, {"a": text}, data, {"b": data}])
    assert loaded[0] is loaded[1]["a"]
    assert loaded[2] is loaded[3]["b"]


@sizes
def test_equal_ones_of_different_types_keep_their_types(length):
    model = [b"x" * length, bytearray(b"x" * length), "x" * length, np.full(length, ord("x"), np.uint8)]
    loaded = reload(model)
    assert list(map(type, loaded)) == list(map(type, model))
    assert loaded[:3] == model[:3]
    assert loaded[3].tobytes() == model[0]


@sizes
def test_what_a_runner_uses_comes_back(length):
    vocabulary, blob, buffer = "é" * length, b"x" * length, bytearray(length)

    class Runner(vessl.RunnerBase):
        table = vocabulary

        @staticmethod
        def predict(model, data, start=blob):
            return [Runner.table == vocabulary, len(vocabulary), start == model, buffer is data, len(buffer)]

    vessl.register_model("texts", None, Runner, blob)
    assert vessl.load("texts").run(buffer) == [True, length, True, False, length]


@sizes
def test_writing_to_a_loaded_bytearray_leaves_the_registry_alone(length, snapshot):
    version = register({"data": bytearray(length)})
    before = snapshot()
    for _ in range(2):
        loaded = vessl.load(version.reference).model["data"]
        assert loaded == bytes(length)
        loaded[:] = b"x" * length
        loaded += b"more"
        del loaded[:5]
        assert len(loaded) == length - 1
    assert snapshot() == before


LARGE = {
    "text": functools.partial(text_of, "abcdefgh"),
    "text of other letters": functools.partial(text_of, "abcdé中"),
    "bytes": lambda: random.Random(0).randbytes(MEGABYTES),
    "bytearray": lambda: bytearray(random.Random(0).randbytes(MEGABYTES)),
    "array": lambda: np.random.default_rng(0).random(MEGABYTES // 8),
    "frame": lambda: pd.DataFrame(np.random.default_rng(0).random((MEGABYTES // 80, 10))),
    "array of objects": lambda: np.array([text_of("abcdefgh"), None], object),
    "in a dictionary's key": lambda: {text_of("abcdefgh"): 1},
    "in a set": lambda: {text_of("abcdefgh")},
    "attribute": lambda: types.SimpleNamespace(vocab=text_of("abcdefgh")),
}


@pytest.mark.parametrize("make", LARGE.values(), ids=LARGE)
def test_large_data_is_stored_once(make):
    first = register({"data": make(), "step": 1})
    second = register({"data": make(), "step": 2})
    assert first.added > MEGABYTES
    assert second.added < 100_000
    assert [vessl.load(version.reference).model["step"] for version in (first, second)] == [1, 2]


def test_large_texts_and_bytes_are_stored_once_beside_each_other():
    text, data = text_of("abcdefgh"), random.Random(0).randbytes(MEGABYTES)
    first = register({"vocab": text, "blob": data, "step": 1})
    second = register({"step": 2, "blob": data, "more": [1, 2], "vocab": text})
    assert first.added > 2 * MEGABYTES
    assert second.added < 100_000
    assert vessl.load(second.reference).model == {"step": 2, "blob": data, "more": [1, 2], "vocab": text}


@pytest.mark.parametrize("kind", ["text", "bytes", "bytearray"])
def test_equal_ones_in_one_version_are_stored_once(kind):
    model = [LARGE[kind]() for _ in range(3)]
    version = register(model)
    assert MEGABYTES < version.added < 1.1 * MEGABYTES
    assert vessl.load(version.reference).model == model


small_or_large = st.sampled_from([1, 1, 50, 3000])
anything = st.recursive(
    st.tuples(
        st.text(max_size=20) | st.binary(max_size=20) | st.binary(max_size=20).map(bytearray), small_or_large
    ).map(lambda pair: pair[0] * pair[1]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=9), inner, max_size=3)
        | inner.map(lambda x: [x, x])
    ),
    max_leaves=8,
)


@given(anything)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_texts_and_bytes_come_back(registry_root, model):
    assert repr(reload({"model": model})) == repr({"model": model})
