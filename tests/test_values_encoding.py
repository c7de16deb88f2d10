"""The encoding in which samples are stored: permanent, so each of its forms is pinned here to the letter."""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import decimal
import enum
import fractions
import math
import pathlib
import subprocess
import sys
import uuid
import zoneinfo
from typing import Any, NamedTuple

import hypothesis.extra.numpy as hnp
import msgspec
import numpy as np
import pandas as pd
import pydantic
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from vessl_nb.errors import Damaged, FormatTooNew, InvalidArgument, MissingRequirement
from vessl_nb.values import family
from vessl_nb.values.encoding import NotEncodable, Opaque, decode, encode, encode_loosely

try:
    import torch
except ImportError:
    torch = None

needs_torch = pytest.mark.skipif(torch is None, reason="torch is not installed")

settings.register_profile(
    "encoding", max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
quick = settings.get_profile("encoding")


class Colour(enum.Enum):
    RED = "r"


class Size(enum.IntEnum):
    SMALL = 1


class Point(NamedTuple):
    x: float
    y: list


@dataclasses.dataclass
class Flower:
    petal: float
    parts: dict


class Request(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="allow")
    rows: list[int]


class Words(str):
    __slots__ = ()


class Shouting(str):
    __slots__ = ()

    def __str__(self):
        return self.upper()


def through_json(data: Any) -> Any:
    return msgspec.json.decode(msgspec.json.encode(data))


def there_and_back(value: Any) -> Any:
    return decode(through_json(encode(value)))


def same(left: Any, right: Any) -> bool:  # noqa: C901, PLR0911, PLR0912  # one case a type
    """Equal in type and in every detail, not only as far as == goes."""
    if type(left) is not type(right):
        return False
    if isinstance(left, float | complex):
        return repr(left) == repr(right)
    if isinstance(left, list | tuple):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict):
        return same(list(left.items()), list(right.items()))
    if isinstance(left, set | frozenset):
        return {(type(item), repr(item)) for item in left} == {(type(item), repr(item)) for item in right}
    if isinstance(left, dt.datetime | dt.time):
        return (left, left.fold, str(left.tzinfo)) == (right, right.fold, str(right.tzinfo))
    if isinstance(left, decimal.Decimal):
        return str(left) == str(right)
    if isinstance(left, np.ndarray | np.generic):
        if left.dtype != right.dtype or left.dtype.str != right.dtype.str or left.shape != right.shape:
            return False
        if left.dtype.names is not None:
            return all(same(left[name], right[name]) for name in left.dtype.names)
        return same(left.tolist(), right.tolist()) if left.dtype == object else left.tobytes() == right.tobytes()
    if isinstance(left, pd.DataFrame):
        pd.testing.assert_frame_equal(left, right, check_exact=True, check_freq=True)
        return True
    if isinstance(left, pd.Series):
        pd.testing.assert_series_equal(left, right, check_exact=True, check_freq=True)
        return True
    if isinstance(left, pd.Index):
        pd.testing.assert_index_equal(left, right, exact=True, check_exact=True)
        return getattr(left, "freq", None) == getattr(right, "freq", None)
    if isinstance(left, pd.Categorical):
        return same(pd.Series(left), pd.Series(right))
    if isinstance(left, Image.Image):
        return (left.mode, left.size, left.tobytes()) == (right.mode, right.size, right.tobytes())
    if torch is not None and isinstance(left, torch.Tensor):
        return left.dtype == right.dtype and left.shape == right.shape and torch.equal(bits(left), bits(right))
    return left is right or bool(left == right)


def bits(tensor: Any) -> Any:
    return tensor.detach().clone(memory_format=torch.contiguous_format).reshape(-1).view(torch.uint8)


# Each form to the letter -----------------------------------------------------------------------------------------

MEETING = dt.datetime(2024, 10, 27, 2, 30, tzinfo=zoneinfo.ZoneInfo("Europe/Paris"), fold=1)
NO_NAME = {"$type": "pandas.RangeIndex", "start": 0, "stop": 2, "step": 1, "name": None}
INDEX_7_8 = {
    "$type": "pandas.Index",
    "name": "n",
    "values": {"$type": "numpy.ndarray", "dtype": "|i1", "shape": [2], "base64": "Bwg="},
}
TRUE_FALSE = {"$type": "numpy.ndarray", "dtype": "|b1", "shape": [2], "base64": "AQA="}
TWO_BYTES = {"$type": "numpy.ndarray", "dtype": "|i1", "shape": [2], "base64": "AAE="}

FORMS = {
    "plain": (
        {"a": [None, True, 1, -1.5, "é", {}], "b": []},
        {"a": [None, True, 1, -1.5, "é", {}], "b": []},
    ),
    "int": (-(2**64), {"$type": "int", "hex": "-0x10000000000000000"}),
    "nan": (math.nan, {"$type": "float", "value": "nan"}),
    "inf": (-math.inf, {"$type": "float", "value": "-inf"}),
    "complex": (complex(1, math.inf), {"$type": "complex", "real": 1.0, "imag": {"$type": "float", "value": "inf"}}),
    "str": ("a\ud800", {"$type": "str", "base64": "Ye2ggA=="}),
    "bytes": (b"ab", {"$type": "bytes", "base64": "YWI="}),
    "bytearray": (bytearray(b"ab"), {"$type": "bytearray", "base64": "YWI="}),
    "tuple": ((1, ()), {"$type": "tuple", "items": [1, {"$type": "tuple", "items": []}]}),
    "set": ({3, 1, 2}, {"$type": "set", "items": [1, 2, 3]}),
    "frozenset": (frozenset({"b", "a"}), {"$type": "frozenset", "items": ["a", "b"]}),
    "dict with other keys": ({1: "a", "b": 2}, {"$type": "dict", "items": [[1, "a"], ["b", 2]]}),
    "dict with $": ({"$type": "int"}, {"$type": "dict", "items": [["$type", "int"]]}),
    "datetime": (
        dt.datetime.fromisoformat("2024-01-02T03:04:05.000006"),
        {"$type": "datetime", "value": "2024-01-02T03:04:05.000006"},
    ),
    "datetime in a zone": (
        MEETING,
        {"$type": "datetime", "value": "2024-10-27T02:30:00", "zone": "Europe/Paris", "fold": 1},
    ),
    "datetime with an offset": (
        dt.datetime(2024, 1, 2, tzinfo=dt.timezone(dt.timedelta(hours=-3, minutes=-30))),
        {"$type": "datetime", "value": "2024-01-02T00:00:00", "zone": "-03:30"},
    ),
    "time": (dt.time(1, 2, tzinfo=dt.UTC), {"$type": "time", "value": "01:02:00", "zone": "+00:00"}),
    "date": (dt.date(2024, 1, 2), {"$type": "date", "value": "2024-01-02"}),
    "timedelta": (
        dt.timedelta(microseconds=-1),
        {"$type": "timedelta", "days": -1, "seconds": 86399, "microseconds": 999999},
    ),
    "decimal": (decimal.Decimal("1.20"), {"$type": "decimal", "value": "1.20"}),
    "fraction": (fractions.Fraction(-1, 3), {"$type": "fraction", "numerator": -1, "denominator": 3}),
    "uuid": (uuid.UUID(int=1), {"$type": "uuid", "value": "00000000-0000-0000-0000-000000000001"}),
    "array": (
        np.array([[1.5, 2]], ">f4"),
        {"$type": "numpy.ndarray", "dtype": ">f4", "shape": [1, 2], "base64": "P8AAAEAAAAA="},
    ),
    "array of objects": (
        np.array([None, {"a": 1}], object),
        {"$type": "numpy.ndarray", "dtype": "|O", "shape": [2], "items": [None, {"a": 1}]},
    ),
    "array of records": (
        np.array([(1, [2, 3])], np.dtype({"names": ["a", "b"], "formats": ["i1", ("u1", (2,))], "itemsize": 4})),
        {
            "$type": "numpy.ndarray",
            "dtype": {"fields": [["a", "|i1", 0], ["b", {"base": "|u1", "shape": [2]}, 1]], "itemsize": 4},
            "shape": [1],
            "base64": "AQIDAA==",
        },
    ),
    "numpy scalar": (np.int8(7), {"$type": "numpy.generic", "dtype": "|i1", "base64": "Bw=="}),
    "numpy text": (np.str_("a\0"), {"$type": "numpy.generic", "dtype": "U", "value": "a\0"}),
    "numpy bytes": (
        np.bytes_(b"a\0"),
        {"$type": "numpy.generic", "dtype": "S", "value": {"$type": "bytes", "base64": "YQA="}},
    ),
    "numpy time": (
        np.datetime64(1, "D"),
        {"$type": "numpy.generic", "dtype": "<M8[D]", "base64": "AQAAAAAAAAA="},
    ),
    "frame": (
        pd.DataFrame([[1, 2]], pd.RangeIndex(0, 2, 2), pd.Index([7, 8], dtype="int8", name="n"), dtype="int8"),
        {
            "$type": "pandas.DataFrame",
            "columns": INDEX_7_8,
            "index": {"$type": "pandas.RangeIndex", "start": 0, "stop": 2, "step": 2, "name": None},
            "values": [
                {"$type": "numpy.ndarray", "dtype": "|i1", "shape": [1], "base64": "AQ=="},
                {"$type": "numpy.ndarray", "dtype": "|i1", "shape": [1], "base64": "Ag=="},
            ],
        },
    ),
    "series": (
        pd.Series([True, False], name=("a", 1)),
        {
            "$type": "pandas.Series",
            "name": {"$type": "tuple", "items": ["a", 1]},
            "index": NO_NAME,
            "values": TRUE_FALSE,
        },
    ),
    "index": (pd.Index([7, 8], dtype="int8", name="n"), INDEX_7_8),
    "index of times": (
        pd.DatetimeIndex(np.array([0, 1], "M8[s]"), freq="s"),
        {
            "$type": "pandas.Index",
            "name": None,
            "values": {"$type": "numpy.ndarray", "dtype": "<M8[s]", "shape": [2], "base64": "AAAAAAAAAAABAAAAAAAAAA=="},
            "freq": "s",
        },
    ),
    "index of levels": (
        pd.MultiIndex([pd.Index([7, 8], dtype="int8")], [[0, 1]], names=["n"]),
        {
            "$type": "pandas.MultiIndex",
            "levels": [INDEX_7_8 | {"name": None}],
            "codes": [TWO_BYTES],
            "names": ["n"],
        },
    ),
    "categorical": (
        pd.Categorical.from_codes([0, 1], pd.Index([7, 8], dtype="int8", name="n"), ordered=True),
        {"$type": "pandas.Categorical", "codes": TWO_BYTES, "categories": INDEX_7_8, "ordered": True},
    ),
    "times in a zone": (
        pd.Series(np.array([0], "M8[s]")).dt.tz_localize("UTC").dt.tz_convert("Europe/Paris"),
        {
            "$type": "pandas.Series",
            "name": None,
            "index": NO_NAME | {"stop": 1},
            "values": {
                "$type": "pandas.DatetimeArray",
                "zone": "Europe/Paris",
                "utc": {"$type": "numpy.ndarray", "dtype": "<M8[s]", "shape": [1], "base64": "AAAAAAAAAAA="},
            },
        },
    ),
    "nullable": (
        pd.Series([0, None], dtype="Int8"),
        {
            "$type": "pandas.Series",
            "name": None,
            "index": NO_NAME,
            "values": {
                "$type": "pandas.MaskedArray",
                "dtype": "Int8",
                "values": TRUE_FALSE | {"dtype": "|i1", "base64": "AAA="},
                "mask": TRUE_FALSE | {"base64": "AAE="},
            },
        },
    ),
    "strings": (
        pd.Series(["a", None], dtype=pd.StringDtype("python")),
        {
            "$type": "pandas.Series",
            "name": None,
            "index": NO_NAME,
            "values": {"$type": "pandas.StringArray", "storage": "python", "missing": "NA", "values": ["a", None]},
        },
    ),
    "timestamp": (pd.Timestamp(1, unit="s").as_unit("s"), {"$type": "pandas.Timestamp", "value": 1, "unit": "s"}),
    "timestamp in a zone": (
        pd.Timestamp(1, unit="s", tz="Europe/Paris").as_unit("ms"),
        {"$type": "pandas.Timestamp", "value": 1000, "unit": "ms", "zone": "Europe/Paris"},
    ),
    "pandas timedelta": (
        pd.Timedelta(-5, unit="ns").as_unit("ns"),
        {"$type": "pandas.Timedelta", "value": -5, "unit": "ns"},
    ),
    "NaT": (pd.NaT, {"$type": "pandas.NaT"}),
    "NA": (pd.NA, {"$type": "pandas.NA"}),
    "image": (
        Image.frombytes("F", (2, 1), bytes(8)),
        {"$type": "PIL.Image", "mode": "F", "size": [2, 1], "base64": "AAAAAAAAAAA="},
    ),
    "opaque": (Opaque("a.B"), {"$type": "opaque", "class": "a.B"}),
}

# What comes back of objects is what they held, without their class.
OBJECT_FORMS = {
    "enum": (
        Colour.RED,
        {"$type": "enum", "class": f"{__name__}.Colour", "name": "RED", "value": "r"},
        "r",
    ),
    "int enum": (
        Size.SMALL,
        {"$type": "enum", "class": f"{__name__}.Size", "name": "SMALL", "value": 1},
        1,
    ),
    "named tuple": (
        Point(1.0, [(2,)]),
        {
            "$type": "namedtuple",
            "class": f"{__name__}.Point",
            "names": ["x", "y"],
            "items": [1.0, [{"$type": "tuple", "items": [2]}]],
        },
        (1.0, [(2,)]),
    ),
    "dataclass": (
        Flower(1.5, {1: 2}),
        {
            "$type": "object",
            "class": f"{__name__}.Flower",
            "fields": {"petal": 1.5, "parts": {"$type": "dict", "items": [[1, 2]]}},
        },
        {"petal": 1.5, "parts": {1: 2}},
    ),
    "pydantic model": (
        Request(rows=[1], more=2.5),
        {"$type": "object", "class": f"{__name__}.Request", "fields": {"rows": [1], "more": 2.5}},
        {"rows": [1], "more": 2.5},
    ),
    "pydantic model with a field named $type": (
        Request.model_validate({"rows": [], "$type": "int"}),
        {
            "$type": "object",
            "class": f"{__name__}.Request",
            "fields": {"$type": "dict", "items": [["rows", []], ["$type", "int"]]},
        },
        {"rows": [], "$type": "int"},
    ),
    "subclass of str": (
        Shouting("quiet"),
        {"$type": "subclass", "class": f"{__name__}.Shouting", "value": "quiet"},
        "quiet",
    ),
    "ordered dict": (
        collections.OrderedDict(b=1, a=2),
        {"$type": "subclass", "class": "collections.OrderedDict", "value": {"b": 1, "a": 2}},
        {"b": 1, "a": 2},
    ),
    "counter": (
        collections.Counter([3]),
        {
            "$type": "subclass",
            "class": "collections.Counter",
            "value": {"$type": "dict", "items": [[3, 1]]},
        },
        {3: 1},
    ),
}


@pytest.mark.parametrize(("value", "data"), FORMS.values(), ids=FORMS)
def test_each_form_is_as_documented(value, data):
    assert same(through_json(encode(value)), data)
    assert same(decode(data), value)


@pytest.mark.parametrize(("value", "data", "held"), OBJECT_FORMS.values(), ids=OBJECT_FORMS)
def test_objects_keep_what_they_hold_and_the_name_of_their_class(value, data, held):
    assert same(through_json(encode(value)), data)
    assert same(decode(data), held)


@needs_torch
def test_the_form_of_tensors():
    data = {"$type": "torch.Tensor", "dtype": "bfloat16", "shape": [1, 2], "base64": "gD8AwA=="}
    tensor = torch.tensor([[1.0, -2.0]], dtype=torch.bfloat16)
    assert encode(tensor) == data
    assert same(decode(data), tensor)


def test_the_form_of_png_images():
    # The bytes of a PNG depend on the compressor; the form, and that an old one is read, do not.
    png = "iVBORw0KGgoAAAANSUhEUgAAAAIAAAABCAIAAAB7QOjdAAAAD0lEQVR42mP4z8DA8J8BAAf/Af+4BDXgAAAAAElFTkSuQmCC"
    image = Image.frombytes("RGB", (2, 1), b"\xff\x00\x00\x00\xff\x00")
    data = encode(image)
    assert list(data) == ["$type", "mode", "png"]
    assert (data["$type"], data["mode"]) == ("PIL.Image", "RGB")
    assert same(decode(data), image)
    assert same(decode({"$type": "PIL.Image", "mode": "RGB", "png": png}), image)


def test_every_form_is_pinned_above():
    from vessl_nb.values import encoding

    pinned = {"torch.Tensor"}
    waiting = [data for _, data, *_ in (*FORMS.values(), *OBJECT_FORMS.values())]
    while waiting:
        data = waiting.pop()
        if isinstance(data, dict):
            pinned.add(data.get("$type"))
            waiting.extend(data.values())
        elif isinstance(data, list):
            waiting.extend(data)
    assert pinned >= set(encoding._DECODERS)
    assert all(f"``{tag}``" in encoding.__doc__ for tag in encoding._DECODERS)


# Round trips -----------------------------------------------------------------------------------------------------

TEXT = st.text(st.characters(codec=None, exclude_categories=()), max_size=8)
ZONES = st.sampled_from([None, dt.UTC, zoneinfo.ZoneInfo("America/New_York"), dt.timezone(dt.timedelta(seconds=-3661))])
HASHABLE = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-(2**200), 2**200),
    st.floats(allow_nan=False),
    TEXT,
    st.binary(max_size=8),
    st.decimals(allow_nan=False),
    st.fractions(),
    st.uuids(),
    st.dates(),
    st.datetimes(timezones=ZONES),
    st.times(timezones=st.sampled_from([None, dt.UTC])),
    st.timedeltas(),
)
SCALARS = st.one_of(
    HASHABLE,
    st.floats(),
    st.complex_numbers(),
    st.decimals(),
    st.binary(max_size=8).map(bytearray),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(TEXT | st.sampled_from(["$type", "$", "a"]), inner, max_size=4),
        st.dictionaries(HASHABLE | st.tuples(HASHABLE), inner, max_size=4),
        st.sets(HASHABLE, max_size=4),
        st.frozensets(HASHABLE, max_size=4),
    ),
    max_leaves=12,
)


@settings(quick, max_examples=300)
@given(VALUES)
def test_python_values_come_back(value):
    assert same(there_and_back(value), value)


@quick
@given(VALUES)
def test_loose_and_strict_are_one_for_what_can_be_encoded(value):
    assert encode_loosely(value) == encode(value)


@quick
@given(st.sets(st.text(max_size=3) | st.integers() | st.binary(max_size=3)))
def test_one_set_is_always_one_text(value):
    other = set()
    for item in reversed(list(value)):
        other.add(item)
    assert msgspec.json.encode(encode(value)) == msgspec.json.encode(encode(other))


PORTABLE = st.one_of(
    hnp.boolean_dtypes(),
    hnp.integer_dtypes(),
    hnp.unsigned_integer_dtypes(),
    hnp.floating_dtypes(sizes=(16, 32, 64)),
    hnp.complex_number_dtypes(sizes=(64, 128)),
    hnp.datetime64_dtypes(),
    hnp.timedelta64_dtypes(),
    hnp.unicode_string_dtypes(max_len=4),
    hnp.byte_string_dtypes(max_len=4),
)
RECORDS = hnp.array_dtypes(PORTABLE, max_size=3, allow_subarrays=True).filter(
    lambda dtype: all(len(field) == 2 for field in dtype.fields.values())  # no titles
)
SHAPES = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=3)


@settings(quick, max_examples=200)
@given(st.data())
def test_arrays_come_back(data):
    dtype = data.draw(PORTABLE | RECORDS)
    array = data.draw(hnp.arrays(dtype, SHAPES))
    back = there_and_back(array)
    assert same(back, array)
    assert back.flags.writeable


@quick
@given(hnp.arrays(object, SHAPES, elements=st.integers() | st.lists(st.none(), max_size=2)))
def test_arrays_of_objects_come_back(array):
    assert same(there_and_back(array), array)


@quick
@given(st.data())
def test_numpy_scalars_come_back(data):
    scalar = data.draw(hnp.arrays(data.draw(PORTABLE), ()))[()]
    assert same(there_and_back(scalar), scalar)


@pytest.mark.parametrize(
    "array",
    [
        np.asfortranarray(np.arange(6).reshape(2, 3)),
        np.arange(10)[::-2],
        np.broadcast_to(1.5, (2, 2)),
        np.zeros(3, np.dtype("i1,f8", align=True)),
        np.zeros((2, 0, 3)),
        np.array([np.array(5), [1, 2], "x"], dtype=object),
        np.zeros(2, "V3"),
    ],
)
def test_arrays_of_every_layout_come_back(array):
    assert same(there_and_back(array), array)


def test_bool_and_numpy_floats_do_not_turn_into_their_bases():
    back = there_and_back([True, 1, 1.0, np.float64(1), np.True_, np.str_("a")])
    assert [type(item) for item in back] == [bool, int, float, np.float64, np.bool_, np.str_]


if torch is None:
    TORCH_DTYPES = []
else:
    TORCH_DTYPES = sorted(
        {
            name
            for name, dtype in vars(torch).items()
            if isinstance(dtype, torch.dtype)
            and str(dtype) == f"torch.{name}"
            and not name.startswith(("q", "bits", "int1", "int2", "int3", "int4", "int5", "int6", "int7", "uint1"))
            and name not in {"uint2", "uint3", "uint4", "uint5", "uint6", "uint7", "complex32"}
        }
        | {"int16", "int32", "uint16"}
    )


@needs_torch
@pytest.mark.parametrize("name", TORCH_DTYPES)
def test_tensors_of_every_dtype_come_back(name):
    dtype = getattr(torch, name)
    tensor = torch.randint(0, 2, (48,), dtype=torch.uint8).view(dtype)
    assert same(there_and_back(tensor), tensor)


@needs_torch
@quick
@given(hnp.arrays(st.sampled_from(["u1", "i8", "f2", "f4", "f8", "c8", "?"]), SHAPES))
def test_tensors_come_back(array):
    tensor = torch.from_numpy(array)
    assert same(there_and_back(tensor), tensor)
    assert same(there_and_back(tensor.mT if tensor.ndim > 1 else tensor), tensor.mT if tensor.ndim > 1 else tensor)


@needs_torch
def test_tensors_of_every_layout_come_back():
    base = torch.arange(12.0, requires_grad=True)
    for tensor in (
        base.reshape(3, 4).t(),
        base[::2],
        torch.tensor(1.5),
        torch.zeros(0, 3),
        torch.tensor([1 + 2j, 3j]).conj(),
        torch.zeros(1, 3, 2, 2).contiguous(memory_format=torch.channels_last),
        torch.nn.Parameter(torch.ones(2)),
    ):
        back = there_and_back(tensor)
        assert torch.equal(back, tensor.detach())
        assert (type(back), back.dtype, back.requires_grad) == (torch.Tensor, tensor.dtype, False)
    assert there_and_back({"x": base})["x"].add_(1)[0] == 1, "what comes back can be written to"
    assert base[0] == 0


COLUMNS = {
    "int8": [1, -2, 3],
    "float32": [1.5, math.nan, -0.0],
    "bool": [True, False, True],
    "complex128": [1j, 2, 3],
    "object": ["a", [1], None],
    "datetime64[ns]": ["2024-01-01", None, "1700-01-01"],
    "datetime64[s]": ["2024-01-01", None, "1700-01-01"],
    "timedelta64[ms]": [1, None, -3],
    "datetime64[us, Europe/Paris]": ["2024-10-27T00:30Z", None, "2024-10-27T01:30Z"],
    "datetime64[ns, UTC]": ["2024-10-27", None, "2024-10-28"],
    "datetime64[ns, UTC-03:30]": ["2024-10-27", None, "2024-10-28"],
    "category": ["a", None, "b"],
    "Int64": [2**60, None, -1],
    "UInt8": [255, None, 0],
    "Float32": [0.5, None, 2],
    "boolean": [True, None, False],
    "string": ["a", None, ""],
    "str": ["é", "b", ""],
}


@pytest.mark.parametrize("dtype", COLUMNS)
def test_pandas_columns_of_every_dtype_come_back(dtype):
    values = COLUMNS[dtype]
    if dtype.startswith("datetime64"):
        values = pd.to_datetime(pd.Series(values).astype(object), format="ISO8601", utc="," in dtype)
    series = pd.Series(values, dtype=dtype if dtype != "timedelta64[ms]" else "Int64").astype(dtype)
    for some in (series, series[:0], series[1:2], pd.Series(series, name="x").rename({0: "a", 1: "a", 2: "b"})):
        assert same(there_and_back(some), some)
    frame = pd.DataFrame({"a": series, "b": series})
    assert same(there_and_back(frame), frame)
    if dtype not in {"object", "complex128"}:
        index = pd.Index(series, name="i")
        assert same(there_and_back(index), index)


@quick
@given(st.data())
def test_frames_come_back(data):
    rows = data.draw(st.integers(0, 3))
    columns = [
        pd.Series(data.draw(st.lists(values, min_size=rows, max_size=rows)), dtype=dtype)
        for values, dtype in data.draw(st.lists(st.sampled_from(SERIES), min_size=1, max_size=3))
    ]
    frame = pd.DataFrame(dict(enumerate(columns)))
    frame.columns = pd.Index(data.draw(st.lists(HASHABLE, min_size=len(columns), max_size=len(columns))), dtype=object)
    frame.index = pd.Index(data.draw(st.lists(st.integers(-9, 9), min_size=rows, max_size=rows)), dtype="int64")
    back = there_and_back(frame)
    assert all(map(same, back.columns, frame.columns))
    back.columns = frame.columns = range(len(columns))  # pandas cannot compare labels of any kind
    assert same(back, frame)


SERIES = [
    (st.integers(-(2**63), 2**63 - 1), "int64"),
    (st.integers(0, 255) | st.none(), "UInt8"),
    (st.floats(), "float64"),
    (st.booleans() | st.none(), "boolean"),
    (st.text(max_size=3) | st.none(), "string"),
    (st.text(max_size=3), "str"),
    (st.sampled_from("abc") | st.none(), "category"),
    (st.integers(-(2**40), 2**40), "datetime64[ns]"),
    (st.integers(-(2**40), 2**40), "timedelta64[ns]"),
    (st.none() | st.lists(st.integers(0, 3), max_size=2), "object"),
]


@pytest.mark.parametrize(
    "value",
    [
        pd.Index([], dtype=object),
        pd.Index(["a", 1, None, (1, 2)], dtype=object, tupleize_cols=False, name=("n", 1)),
        pd.Index([1.5, math.nan, math.nan]),
        pd.date_range("2024-01-01", periods=3, freq="D", tz="Europe/Paris"),
        pd.timedelta_range("1h", periods=3),
        pd.CategoricalIndex(["b", "a"], categories=["b", "a", "c"], ordered=True),
        pd.MultiIndex.from_product([["a", "b"], pd.to_datetime(["2024-01-01"])], names=["n", "n"]),
        pd.MultiIndex.from_tuples([("a", 1), ("a", None)], names=[None, ("x", 2)]),
        pd.RangeIndex(10, 0, -3, name="r"),
        pd.DataFrame(),
        pd.DataFrame(index=[1, 2]),
        pd.DataFrame(columns=["a", "b"]),
        pd.DataFrame([[1, "a"], [2, "b"]], index=["x", "x"], columns=["c", "c"]),
        pd.DataFrame([[1, 2.5]], columns=pd.MultiIndex.from_tuples([("a", 1), ("b", 2)])),
        pd.DataFrame({"a": [1, 2]}, index=[math.nan, math.nan]),
        pd.DataFrame({("a", 1): [1], 2: [2], None: [3]}),
        pd.DataFrame({"big": np.array([1, 2], ">i4")}),
        pd.Timestamp("2024-10-27T00:30Z").tz_convert("Europe/Paris"),
        pd.Timestamp("2024-10-27T01:30Z").tz_convert("Europe/Paris"),
        pd.Timestamp("2024-01-01T00:00:00.000000001"),
        pd.Timestamp("2024-01-01T00:00+05:30"),
    ],
    ids=repr,
)
def test_pandas_values_come_back(value):
    back = there_and_back(value)
    assert same(back, value)
    assert getattr(back, "unit", None) == getattr(value, "unit", None)


def test_strings_in_frames_may_have_lone_surrogates():
    series = pd.Series(["a", None, "\ud800"], dtype=pd.StringDtype("python"))
    assert same(there_and_back(series), series)


def test_strings_that_arrow_holds_come_back():
    pytest.importorskip("pyarrow")
    for dtype in (pd.StringDtype("pyarrow"), "str"):
        series = pd.Series(["a", None, "é"], dtype=dtype)
        assert encode(series)["values"]["storage"] == "pyarrow"
        assert same(there_and_back(series), series)


def test_strings_that_arrow_held_come_back_without_arrow(monkeypatch):
    data = {"$type": "pandas.StringArray", "storage": "pyarrow", "missing": "NA", "values": ["a", None]}
    monkeypatch.setattr("vessl_nb.values.frames._has_arrow", lambda: False)
    assert list(decode(data)) == ["a", pd.NA]


def test_str_columns_come_back_as_objects_before_pandas_had_them(monkeypatch):
    data = {"$type": "pandas.StringArray", "storage": "python", "missing": "nan", "values": ["a", None]}
    series = {"$type": "pandas.Series", "name": None, "index": NO_NAME, "values": data}

    def before_2_3(storage):
        return pd.CategoricalDtype()

    monkeypatch.setattr(pd, "StringDtype", before_2_3)
    assert same(decode(series), pd.Series(["a", math.nan], dtype=object))


@pytest.mark.parametrize(
    "mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I", "I;16", "F", "CMYK", "YCbCr", "HSV", "LAB", "RGBX", "RGBa", "La"]
)
def test_images_of_every_mode_come_back(mode):
    noise = np.random.default_rng(0).integers(0, 256, 16 * 5 * 4, dtype=np.uint8).tobytes()
    if mode in {"1", "P"}:
        image = Image.frombytes("RGB", (16, 5), noise[: 16 * 5 * 3]).convert(mode)
    else:
        size = {"L": 1, "LA": 2, "La": 2, "I;16": 2, "RGB": 3, "YCbCr": 3, "HSV": 3, "LAB": 3}.get(mode, 4)
        image = Image.frombytes(mode, (16, 5), noise[: 16 * 5 * size])
    back = there_and_back(image)
    assert same(back, image)
    if mode == "P":
        assert same(back.convert("RGB"), image.convert("RGB"))


def test_images_leave_behind_what_is_not_in_the_pixels(tmp_path):
    Image.new("RGB", (4, 4), "red").save(tmp_path / "photo.jpg", dpi=(300, 300), comment=b"secret place")
    with Image.open(tmp_path / "photo.jpg") as image:
        data = encode(image)
        assert same(decode(data).convert("RGB"), image.convert("RGB"))
        assert not decode(data).info
        assert image.info["comment"] == b"secret place"


# Refusals --------------------------------------------------------------------------------------------------------


def refusal(value: Any) -> NotEncodable:
    with pytest.raises(NotEncodable) as caught:
        encode(value)
    assert caught.value.what
    assert caught.value.next_step
    assert "\n" not in caught.value.what
    assert through_json(encode_loosely(value))
    decode(through_json(encode_loosely(value)))
    return caught.value


def test_a_refusal_says_where_what_and_what_to_do():
    error = refusal({"x": [0, 1, 2, object()]})
    assert error.path == 'sample["x"][3]'
    assert error.what == 'sample["x"][3] is of type builtins.object, which has no encoding'
    assert error.next_step == "Give plain data, arrays, frames, tensors or images."
    assert isinstance(error, InvalidArgument)
    with pytest.raises(NotEncodable, match=r"^output\[0\] is of type"):
        encode([print], name="output")


def test_the_path_leads_through_every_kind_of_container():
    assert refusal({1: (0, {'a"b': object()})}).path == 'sample[1][1]["a\\"b"]'
    assert refusal(Flower(1, {"a": object()})).path == 'sample.parts["a"]'
    assert refusal(Request(rows=[], more=object())).path == "sample.more"
    assert refusal(Point(1, object())).path == "sample.y"
    assert refusal(np.array([[1, object()]], object)).path == "sample[0, 1]"
    assert refusal(pd.DataFrame({"a": [1], "b": [object()]})).path == 'sample["b"][0]'
    assert refusal({object(): 1}).path == "sample.keys()[0]"
    assert refusal({"\ud800": object()}).path == "sample['\\ud800']"


def test_what_holds_itself_is_refused():
    loop = [1]
    loop.append({"back": (loop,)})
    assert refusal(loop).what.startswith('sample[1]["back"][0] contains itself')
    array = np.empty(1, object)
    array[0] = array
    assert "contains itself" in refusal(array).what
    flower = Flower(1, {})
    flower.parts["self"] = flower
    assert "contains itself" in refusal(flower).what


def test_one_object_in_two_places_is_no_cycle():
    row = [1]
    assert there_and_back([row, row, (row,)]) == [[1], [1], ([1],)]


@pytest.mark.parametrize("wrap", [lambda inner: [inner], lambda inner: {"a": inner}, lambda inner: (inner,)])
def test_what_is_very_deep_is_refused_and_what_is_not_comes_back(wrap):
    deep = 1
    for _ in range(100):
        deep = wrap(deep)
    assert same(there_and_back(deep), deep)
    assert "more than 100 levels deep" in refusal(wrap(deep)).what
    for _ in range(100_000):
        deep = wrap(deep)
    with pytest.raises(NotEncodable, match="levels deep"):
        encode(deep)


class Attributed(str):  # noqa: SLOT000  # what the test is about
    pass


def attributed():
    text = Attributed("a")
    text.language = "fr"
    return text


class Guarded(list):
    def __iter__(self):
        raise RuntimeError("locked\nfor good")


@dataclasses.dataclass
class Lost:
    there: int

    def __getattribute__(self, name):
        if name == "there":
            raise OSError("the file is gone")
        return super().__getattribute__(name)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (pathlib.Path("x.csv"), "would not travel with it"),
        (pathlib.PurePosixPath("x.csv"), "would not travel with it"),
        (lambda: 1, "is of type builtins.function"),
        (Flower, "is of type builtins.type"),
        (iter([1]), "list_iterator"),
        (range(3), "builtins.range"),
        (attributed(), "attributes of its own"),
        (Guarded([1]), "cannot be read: RuntimeError: locked"),
        (Lost(1), "cannot be read: OSError: the file is gone"),
        (np.ma.array([1, 2], mask=[0, 1]), "MaskedArray"),
        (np.rec.array([(1,)]), "recarray"),
        (np.array([(1, None)], "i4,O"), "has no encoding"),
        (np.array([1], np.dtype([(("title", "a"), "i4")])), "has a title"),
        (pd.Series(pd.period_range("2024", periods=2, freq="D")), "period"),
        (pd.cut(pd.Series([1, 2, 3]), 2), "interval"),
        (pd.arrays.SparseArray([0, 1]), "Sparse"),
        (dt.datetime(2024, 1, 1, tzinfo=type("Own", (dt.tzinfo,), {"utcoffset": lambda *_: None})()), "time zone"),
        ({Flower.__eq__: 1}, "builtins.function"),
        ({Colour.RED: 1, "r": 2}, "would be equal once decoded"),
        ({Colour.RED, "r"}, "would be equal once decoded"),
        ({dataclasses.make_dataclass("Key", ["a"], frozen=True)(1): 1}, "would not be hashable once decoded"),
        (pd.Series([1, 2], index=pd.Index([Colour.RED, "r"], dtype=object)), "would be equal once decoded"),
    ],
    ids=lambda item: item if isinstance(item, str) else type(item).__name__,
)
def test_what_has_no_encoding_is_refused_with_the_reason(value, message):
    error = refusal(value)
    assert message in error.what


def test_long_doubles_are_refused():
    if np.dtype(np.longdouble).itemsize == 8:
        pytest.skip("a long double is a double here")
    assert "has no encoding" in refusal(np.longdouble(1)).what
    assert "has no encoding" in refusal(np.zeros(2, np.clongdouble)).what


@needs_torch
def test_tensors_that_are_not_plain_are_refused():
    class Own(torch.Tensor):
        pass

    assert "sparse" in refusal(torch.eye(2).to_sparse()).what
    assert "meta" in refusal(torch.empty(2, device="meta")).what
    assert "Own" in refusal(torch.ones(2).as_subclass(Own)).what


# Loosely ---------------------------------------------------------------------------------------------------------


def test_loosely_only_what_has_no_encoding_is_lost():
    data = through_json(encode_loosely({"scores": np.array([1.5]), "model": print, "more": [1, {2, print}]}))
    assert data["model"] == {"$type": "opaque", "class": "builtins.builtin_function_or_method"}
    back = decode(data)
    assert back["scores"].tolist() == [1.5]
    assert back["more"] == [1, {2, Opaque("builtins.builtin_function_or_method")}]
    assert encode(back) == data


def test_loosely_a_cycle_is_cut_where_it_closes():
    loop = [1]
    loop.append(loop)
    assert decode(encode_loosely(loop)) == [1, Opaque("builtins.list")]


def test_loosely_a_frame_without_one_column_is_no_frame():
    assert decode(encode_loosely(pd.DataFrame({"a": pd.period_range("2024", periods=1, freq="D")}))) == Opaque(
        pd.DataFrame.__module__ + ".DataFrame"
    )
    assert decode(encode_loosely(pd.Series([print], dtype=object)))[0] == Opaque("builtins.builtin_function_or_method")


# Decoding --------------------------------------------------------------------------------------------------------


def test_a_form_from_the_future_says_so():
    for data in ({"$type": "hologram"}, {"$type": ["tuple"]}, [{"a": {"$type": None}}]):
        with pytest.raises(FormatTooNew, match=r"unknown \$type"):
            decode(data)


@pytest.mark.parametrize(
    "data",
    [
        {"$type": "tuple"},
        {"$type": "int", "hex": "12z"},
        {"$type": "float", "value": "1.5"},
        {"$type": "bytes", "base64": "?"},
        {"$type": "set", "items": [[]]},
        {"$type": "datetime", "value": "yesterday"},
        {"$type": "numpy.ndarray", "dtype": "<f8", "shape": [3], "base64": "AAAA"},
        {"$type": "numpy.ndarray", "dtype": "|O", "shape": [1], "base64": "AAAAAAAAAAA="},
        {"$type": "numpy.ndarray", "dtype": "f8", "shape": [0], "base64": ""},
        {"$type": "numpy.ndarray", "dtype": {"fields": [["a", "|O", 0]], "itemsize": 8}, "shape": [0], "base64": ""},
        {"$type": "numpy.ndarray", "dtype": "|O", "shape": [2], "items": [1]},
        {"$type": "pandas.MaskedArray", "dtype": "__class__", "values": [], "mask": []},
        {"$type": "PIL.Image", "mode": "RGB", "png": "AAAA"},
        {"$type": "PIL.Image", "mode": "F", "size": [9, 9], "base64": "AAAA"},
    ],
    ids=str,
)
def test_a_form_that_is_not_as_written_is_called_damaged(data):
    with pytest.raises(Damaged, match="not as it was written"):
        decode([data])


@needs_torch
@pytest.mark.parametrize("name", ["load", "float32 ", "nn", "float32"])
def test_a_damaged_tensor_is_called_damaged(name):
    with pytest.raises(Damaged):
        decode({"$type": "torch.Tensor", "dtype": name, "shape": [2], "base64": "AAAA"})


def test_data_too_deep_to_be_ours_is_called_damaged():
    deep: Any = 1
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(Damaged, match="more levels"):
        decode(deep)


def test_a_library_that_is_missing_is_named(monkeypatch):
    def missing(name):
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr(family.importlib, "import_module", missing)
    with pytest.raises(MissingRequirement) as caught:
        decode({"$type": "PIL.Image", "mode": "L", "png": ""})
    assert caught.value.missing == ["pillow"]
    assert caught.value.next_step == "Install it: pip install pillow"


def test_encoding_leaves_the_value_as_it_is():
    frame = pd.DataFrame({"a": pd.Categorical(["x"]), "b": [[1]]})
    before = frame.copy(deep=True)
    encode(frame)
    assert same(frame, before)
    ordered = collections.OrderedDict(a=1, b=2)
    ordered.move_to_end("a")
    assert list(there_and_back(ordered)) == ["b", "a"]


def test_plain_values_need_no_library():
    code = (
        "import sys; from vessl_nb.values.encoding import decode, encode\n"
        "assert decode(encode({'a': (1, float('nan'))}))['a'][0] == 1\n"
        "print([name for name in ('numpy', 'pandas', 'torch', 'PIL', 'pydantic', 'IPython') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
