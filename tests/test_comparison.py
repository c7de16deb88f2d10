"""Two encoded values compared: what the check in a clean process tells the user of a difference, and of none."""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import enum
import math
import time
from typing import Any, NamedTuple

import hypothesis.extra.numpy as hnp
import msgspec
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image

from vessl_nb.values.comparison import Comparison, alike, compare
from vessl_nb.values.encoding import encode_loosely

try:
    import torch
except ImportError:
    torch = None

needs_torch = pytest.mark.skipif(torch is None, reason="torch is not installed")
quick = settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])


class Colour(enum.Enum):
    RED = "r"
    BLUE = "b"


class Weekday(enum.IntFlag, boundary=enum.KEEP):
    MONDAY = 1


class Point(NamedTuple):
    x: float
    y: float


@dataclasses.dataclass
class Flower:
    petal: float


class Thing:
    pass


class Other:
    pass


def encoded(value: Any) -> Any:
    """As it comes out of a file or another process."""
    return msgspec.json.decode(msgspec.json.encode(encode_loosely(value)))


def compared(expected: Any, found: Any) -> Comparison:
    return compare(encoded(expected), encoded(found))


scalars = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.binary(max_size=5) | st.dates()
)
arrays = hnp.arrays(hnp.scalar_dtypes() | hnp.array_dtypes(), hnp.array_shapes(min_dims=0, min_side=0, max_side=3))
values = st.recursive(
    scalars | st.complex_numbers() | arrays,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=3), inner, max_size=3)
        | st.dictionaries(st.integers(), inner, max_size=3)
        | st.tuples(inner, inner)
    ),
    max_leaves=8,
)


@quick
@given(values)
def test_any_value_is_equal_to_itself_and_like_itself(value):
    # Around it is something that differs, so that it is walked through and not compared as one text.
    assert compare(encoded([0.0, value]), encoded([-0.0, value])) == Comparison("equal")
    assert alike(encoded([1, value]), encoded([2, value])) == Comparison("equal")


@quick
@given(values, values)
def test_it_says_the_same_whichever_of_the_two_was_expected(one, other):
    for comparing in (compare, alike):
        there, back = comparing(encoded(one), encoded(other)), comparing(encoded(other), encoded(one))
        assert there.outcome == back.outcome
        for words in (there.expected, there.found):
            assert len(words) <= 120
            assert "\n" not in words


numbers = st.floats() | st.complex_numbers()


@quick
@given(numbers, numbers | st.floats(-2e-5, 2e-5))
@example(1.7e308, -1.7e308)
@example(complex(1.7e308, 1.7e308), complex(-1.7e308, 1.7e308))
@example(math.inf, -math.inf)
@example(complex(math.inf, 1), complex(math.inf, 2))
def test_a_number_compares_as_an_array_of_it_does(number, other):
    for found in (other, number * (1 + other)):
        if type(found) is type(number):
            arrays = np.array([number]), np.array([found])
            assert compared(number, found).outcome == compared(*arrays).outcome


@quick
@given(values, values)
def test_what_is_equal_or_close_is_also_alike(one, other):
    if compare(encoded(one), encoded(other)).outcome != "different":
        assert alike(encoded(one), encoded(other)).outcome == "equal"


@pytest.mark.parametrize(
    ("expected", "found"),
    [
        (0.0, -0.0),
        ([math.nan, 1.0, 0.0], [math.nan, 1.0, -0.0]),
        ({"a": 1, "b": -0.0}, {"b": 0.0, "a": 1}),
        ({1: "a", 2: "b"}, {2: "b", 1: "a"}),
        (complex(math.nan, -0.0), complex(math.nan, 0.0)),
        ({0.0, 1.0}, {-0.0, 1.0}),
        (np.array([0.0, np.nan, np.inf]), np.array([-0.0, -np.nan, np.inf])),
        (np.float32(0.0), np.float32(-0.0)),
        (np.array([complex(np.nan, 0.0)]), np.array([complex(np.nan, -0.0)])),
        (np.array(["NaT", "2020-01-01"], "M8[s]"), np.array(["NaT", "2020-01-01"], "M8[s]")),
        (pd.DataFrame({"a": [0.0, np.nan]}), pd.DataFrame({"a": [-0.0, np.nan]})),
        (pd.Series([1, None], dtype="Int64"), pd.Series([1, pd.NA], dtype="Int64")),
        (Thing(), Thing()),
    ],
)
def test_values_that_only_look_different_are_equal(expected, found):
    assert compared(expected, found) == Comparison("equal")


@pytest.mark.parametrize(
    ("expected", "found", "path"),
    [
        (0.3, 0.1 + 0.2, ""),
        (1.0, 1.0 + 9e-6, ""),
        ({"scores": [1, 2.0, 0.5]}, {"scores": [1, 2.0, 0.5000001]}, ".scores[2]"),
        (complex(1, 2), complex(1, 2.00001), ""),
        ({0.3, 5}, {0.1 + 0.2, 5}, "[an element]"),
        ((1.0, Point(1.0, 2.0)), (1.0, Point(1.0, 2.00001)), "[1].y"),
        (Flower(1.0), Flower(1.000001), ".petal"),
        (np.array([[1.0, 2.0]]), np.array([[1.0, 2.00001]]), "[0, 1]"),
        (np.array([1000.0], "f4"), np.array([1000.9], "f4"), "[0]"),
        (np.array([60000.0], "f2"), np.array([60032.0], "f2"), "[0]"),
        (np.array([1e20 + 1e-3j]), np.array([1e20 + 5e-3j]), "[0]"),
        (np.array([(1, 2.0)], "i4,f4"), np.array([(1, 2.001)], "i4,f4"), ".f1[0]"),
        (np.array([1.0, 2.0], object), np.array([1.0, 2.000001], object), "[1]"),
        (np.float64(1), np.float64(1 + 1e-9), ""),
        (pd.DataFrame({"a": [1], "b c": [0.3]}), pd.DataFrame({"a": [1], "b c": [0.1 + 0.2]}), '["b c"][0]'),
        (pd.DataFrame({7: [0.3]}), pd.DataFrame({7: [0.1 + 0.2]}), ".iloc[:, 0][0]"),
        (pd.Series([1.0], dtype="Float32"), pd.Series([1.0005], dtype="Float32"), "[0]"),
        (Image.new("F", (2, 1), 1.0), Image.new("F", (2, 1), 1.0001), "[0, 0]"),
    ],
)
def test_floats_within_the_tolerance_are_close_and_the_place_is_named(expected, found, path):
    comparison = compared(expected, found)
    assert (comparison.outcome, comparison.path) == ("close", path)
    assert comparison.expected
    assert comparison.expected != comparison.found


@pytest.mark.parametrize(
    ("expected", "found", "said"),
    [
        (1, 2, ("", "1", "2")),
        (2**80, 2**80 + 1, ("", str(2**80), str(2**80 + 1))),
        (1, 1.0, ("", "1 (int)", "1.0 (float)")),
        (1, True, ("", "1 (int)", "True (bool)")),
        (None, 0, ("", "None", "0 (int)")),
        (1.0, 1.0001, ("", "1.0", "1.0001")),
        (1e-7, 3e-7, ("", "1e-07", "3e-07")),
        (math.inf, 1e308, ("", "inf", "1e+308")),
        (math.nan, 1.0, ("", "nan", "1.0")),
        ("yes", "no", ("", "'yes'", "'no'")),
        (b"a", b"b", ("", "b'a'", "b'b'")),
        (decimal.Decimal("1.2"), 1.2, ("", "Decimal('1.2') (decimal)", "1.2 (float)")),
        (dt.date(2020, 1, 1), dt.date(2021, 1, 1), ("", "datetime.date(2020, 1, 1)", "datetime.date(2021, 1, 1)")),
        ([1, 2], [1, 2, 3], ("", "list of 2 items", "list of 3 items")),
        ([1, 2], (1, 2), ("", "list of 2 items", "tuple of 2 items")),
        ({"x": {"y": [5]}}, {"x": {}}, (".x.y", "list of 1 item", "no such key")),
        ({"x": 1}, {"x": 1, "y z": 2}, ('["y z"]', "no such key", "2")),
        ({1: 1, "$": 1}, {1: 2, "$": 1}, ("[1]", "1", "2")),
        ({1, 2}, {1, 3}, ("[an element]", "2", "3")),
        (Colour.RED, Colour.BLUE, (".name", "'RED'", "'BLUE'")),
        (Weekday(8), Weekday(16), (".value", "8", "16")),
        (
            np.zeros(2, "f4"),
            np.zeros(2),
            ("", "numpy array of float32, shape (2,)", "numpy array of float64, shape (2,)"),
        ),
        (
            np.zeros(2, "<i4"),
            np.zeros(2, ">i4"),
            ("", "numpy array of int32, shape (2,)", "numpy array of >i4, shape (2,)"),
        ),
        (
            np.zeros((2, 3)),
            np.zeros((3, 2)),
            ("", "numpy array of float64, shape (2, 3)", "numpy array of float64, shape (3, 2)"),
        ),
        (np.arange(6).reshape(2, 3), np.array([[0, 1, 2], [3, 9, 5]]), ("[1, 1]", "4", "9")),
        (np.array([1.0, np.nan]), np.array([1.0, 2.0]), ("[1]", "nan", "2.0")),
        (np.array([np.inf]), np.array([1.0]), ("[0]", "inf", "1.0")),
        (np.array(["ab", "c"]), np.array(["ab", "d"]), ("[1]", "'c'", "'d'")),
        (np.array(["2020"], "M8[Y]"), np.array(["NaT"], "M8[Y]"), ("[0]", "2020", "NaT")),
        (np.float32(1), 1.0, ("", "np.float32(1.0) (numpy float32)", "1.0 (float)")),
        (pd.DataFrame({"a": [1], "b": [1]}), pd.DataFrame({"a": [1], "b": [2]}), (".b[0]", "1", "2")),
        (pd.DataFrame({"a": [1]}), pd.DataFrame({"b": [1]}), (".columns[0]", "'a'", "'b'")),
        (
            pd.DataFrame({"a": [1]}),
            pd.DataFrame({"a": [1.0]}),
            (".a", "numpy array of int64, shape (1,)", "numpy array of float64, shape (1,)"),
        ),
        (
            pd.DataFrame({"a": [1]}),
            pd.DataFrame({"a": [1, 1]}),
            (".index", "RangeIndex(start=0, stop=1, step=1)", "RangeIndex(start=0, stop=2, step=1)"),
        ),
        (pd.Series([1, None], dtype="Int64"), pd.Series([1, 0], dtype="Int64"), (".isna()[1]", "True", "False")),
        (pd.Series(["a", None]), pd.Series(["a", "b"]), ("[1]", "None", "'b' (str)")),
        (
            pd.Series([1], name="a"),
            pd.Series([1], name="b"),
            ("", "pandas.Series with name 'a'", "pandas.Series with name 'b'"),
        ),
        (Image.new("L", (2, 1)), Image.new("RGB", (2, 1)), ("", "L image of 2 × 1", "RGB image of 2 × 1")),
        (Image.new("L", (2, 1)), Image.new("L", (2, 1), 7), ("[0, 0]", "0", "7")),
        (Thing(), 1, ("", f"object of class {__name__}.Thing", "1 (int)")),
    ],
)
def test_what_is_different_is_named_with_its_place_and_both_sides(expected, found, said):
    assert compared(expected, found) == Comparison("different", *said)


def test_objects_without_an_encoding_differ_by_class():
    comparison = compared([Thing()], [Other()])
    assert (comparison.outcome, comparison.path) == ("different", "[0]")
    assert "Thing" in comparison.expected
    assert "Other" in comparison.found


def test_a_difference_outweighs_floats_that_are_close_before_it():
    assert compared([0.3, 1], [0.1 + 0.2, 2]) == Comparison("different", "[1]", "1", "2")


def test_long_texts_are_shown_from_where_they_part():
    comparison = compared("word " * 1000 + "yes", "word " * 1000 + "no")
    assert comparison.expected.endswith("yes'")
    assert comparison.found.endswith("no'")
    assert len(comparison.expected) < 60


@needs_torch
@pytest.mark.parametrize(
    ("dtype", "found", "outcome"),
    [
        ("float64", 1.0001, "different"),
        ("float64", 1.000001, "close"),
        ("float32", 1.0005, "close"),
        ("float32", 1.002, "different"),
        ("float16", 1.001, "close"),
        ("bfloat16", 1.0078125, "close"),
        ("bfloat16", 1.0157, "different"),
        ("float8_e4m3fn", 1.125, "close"),
        ("float8_e4m3fn", 1.5, "different"),
        ("complex64", 1.0005, "close"),
        ("complex128", 1.0005, "different"),
    ],
)
def test_tensors_are_compared_as_finely_as_their_type_allows(dtype, found, outcome):
    dtype = getattr(torch, dtype)
    one, other = (torch.tensor([[0.0, number]], dtype=torch.float64).to(dtype) for number in (1.0, found))
    comparison = compared(one, other)
    assert (comparison.outcome, comparison.path) == (outcome, "[0, 1]")


@needs_torch
def test_tensors_of_integers_are_compared_exactly_and_dtypes_named():
    assert compared(torch.tensor([2**62]), torch.tensor([2**62 + 1])).path == "[0]"
    assert compared(torch.tensor([True]), torch.tensor([False])).expected == "True"
    assert compared(torch.zeros(2), np.zeros(2, "f4")) == Comparison(
        "different", "", "torch tensor of float32, shape (2,)", "numpy array of float32, shape (2,)"
    )


@pytest.mark.parametrize(
    ("expected", "found"),
    [
        (0.1, 0.9),
        ("a", "bcd"),
        ({"a": [1, b"x"]}, {"a": [2, b"yz"]}),
        ((1, {2}), (2, {9})),
        (np.zeros((2, 2)), np.ones((2, 2))),
        (pd.DataFrame({"a": [1, 2], "b": ["x", "y"]}), pd.DataFrame({"a": [3, 4], "b": ["z", "w"]})),
        (Image.new("L", (2, 1)), Image.new("L", (2, 1), 7)),
        (Colour.RED, Colour.BLUE),
        (Flower(1.0), Flower(2.0)),
    ],
)
def test_values_of_one_type_and_shape_are_alike_whatever_they_hold(expected, found):
    assert alike(encoded(expected), encoded(found)) == Comparison("equal")


@pytest.mark.parametrize(
    ("expected", "found", "path"),
    [
        (1, 1.0, ""),
        ([1], [1, 2], ""),
        ({"a": {"b": 1}}, {"a": {"c": 1}}, ".a.b"),
        (np.zeros(2), np.zeros(3), ""),
        (np.zeros(2), np.zeros(2, int), ""),
        (pd.DataFrame({"a": [1]}), pd.DataFrame({"b": [1]}), ".columns[0]"),
        (pd.DataFrame({"a": [1]}), pd.DataFrame({"a": [1, 2]}), ".index"),
        (Image.new("L", (2, 1)), Image.new("L", (1, 2)), ""),
        (Thing(), Other(), ""),
    ],
)
def test_values_of_another_type_or_shape_are_not_alike(expected, found, path):
    comparison = alike(encoded(expected), encoded(found))
    assert (comparison.outcome, comparison.path) == ("different", path)


def test_large_arrays_are_compared_in_little_time_and_to_the_last_element():
    array = np.arange(5_000_000, dtype="f4")
    other = array.copy()
    other[1_200_000] *= 1.0001
    start = time.perf_counter()
    assert compared(array, other).path == "[1200000]"
    other[-1] = 0
    assert compared(array, other) == Comparison("different", "[4999999]", "4999999.0", "0.0")
    assert time.perf_counter() - start < 5
