"""What an answer becomes: JSON of every value that a schema describes, or bytes and images as they are."""

from __future__ import annotations

import base64
import collections
import dataclasses
import datetime as dt
import decimal
import enum
import fractions
import io
import json
import math
import pathlib
import time
import uuid
import zoneinfo
from typing import Any, NamedTuple

import hypothesis.extra.numpy as hnp
import jsonschema
import numpy as np
import pandas as pd
import pydantic
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from vessl_nb.errors import NotSendable, VesslError
from vessl_nb.runner import RunnerBase
from vessl_nb.serving.answering import make_writer
from vessl_nb.serving.asking import write_data
from vessl_nb.values.encoding import encode_loosely
from vessl_nb.values.schema import schema_of

try:
    import torch
except ImportError:
    torch = None

needs_torch = pytest.mark.skipif(torch is None, reason="torch is not installed")
quick = settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])


class Plain(RunnerBase):
    pass


class Thing:
    pass


class Colour(enum.Enum):
    RED = "r"


class Size(enum.IntEnum):
    SMALL = 1


class Words(str):
    __slots__ = ()


class Point(NamedTuple):
    x: float
    y: str


@dataclasses.dataclass
class Flower:
    petal: Any
    colour: Colour


class Scored(pydantic.BaseModel):
    label: str
    score: float = pydantic.Field(alias="Score")
    model_config = pydantic.ConfigDict(populate_by_name=True)


class Loose(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(arbitrary_types_allowed=True)
    raw: bytes
    array: Any


write = make_writer(Plain)


def no_constant(name):
    raise AssertionError(f"{name} is no JSON")


def answered(value: Any) -> Any:
    body, content_type = write(value)
    assert content_type == "application/json"
    return json.loads(body, parse_constant=no_constant)


def with_null(schema: Any) -> Any:
    """The schema with its numbers made nullable, for NaN is null."""
    if isinstance(schema, list):
        return [with_null(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {key: with_null(item) for key, item in schema.items()}
    types = [schema["type"]] if isinstance(schema.get("type"), str) else schema.get("type", [])
    if "number" in types:
        schema["type"] = [*dict.fromkeys([*types, "null"])]
    return schema


scalars = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | st.dates() | st.datetimes()
    | st.times() | st.timedeltas() | st.binary(max_size=4) | st.uuids() | st.decimals() | st.fractions()
    | st.complex_numbers() | st.sampled_from([Colour.RED, Size.SMALL, pd.NaT, pd.NA, np.float32(0.1), np.int8(3)])
    | st.builds(np.datetime64, st.datetimes(), st.sampled_from(["s", "ms", "us", "D"]))
    | st.integers(-(2**62), 2**62).map(pd.Timestamp)
)  # fmt: skip
arrays = hnp.arrays(
    st.one_of(
        hnp.floating_dtypes(),
        hnp.integer_dtypes(),
        hnp.boolean_dtypes(),
        hnp.complex_number_dtypes(),
        hnp.unicode_string_dtypes(max_len=3),
        hnp.byte_string_dtypes(max_len=3),
        st.sampled_from(["M8[s]", "M8[ns]", "M8[D]", "m8[s]", "m8[us]"]).map(np.dtype),
    ).filter(lambda dtype: dtype.kind in "USMm" or dtype.itemsize <= 8 * (1 + (dtype.kind == "c"))),
    hnp.array_shapes(min_dims=0, min_side=0, max_side=3),
    elements=None,
    fill=st.nothing(),
).filter(
    lambda array: array.dtype.kind not in "Mm" or not array.size or (np.abs(array.view("i8").astype(float)) < 1e9).all()
)
cells = st.sampled_from(
    [
        [1, 2, 3],
        [1.5, None, math.nan],
        ["a", None, "b"],
        [True, False, True],
        pd.array([1, None, 2], dtype="Int64"),
        pd.Categorical(["a", "b", None]),
        pd.to_datetime(["2020-01-01", None, "2020-01-02T03:04:05.123456789"], format="ISO8601"),
        pd.to_datetime(["2020-01-01", "2020-06-01", "2020-01-02"]).tz_localize("Europe/Paris"),
        pd.to_timedelta([1, None, 2], unit="s"),
        pd.array(["a", None, "b"], dtype="string"),
        [{"deep": np.arange(2)}, None, {"deep": np.arange(2)}],
    ]
)
frames = st.builds(pd.DataFrame, st.dictionaries(st.sampled_from(["a", 1, (2, 3)]), cells, max_size=3))
series = cells.map(pd.Series)
values = st.recursive(
    scalars | arrays | frames | series,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=2), inner, max_size=3)
        | st.dictionaries(
            st.none() | st.booleans() | st.integers(-9, 9) | st.tuples(st.integers(0, 3)) | st.dates(),
            inner,
            max_size=3,
        )
        | st.tuples(inner, inner)
        | st.sets(st.integers(0, 5) | st.text(max_size=1), max_size=3)
        | st.builds(Flower, inner, st.just(Colour.RED))
        | st.builds(Point, st.floats(), st.text(max_size=1))
        | st.builds(Loose, raw=st.binary(max_size=3), array=arrays)
    ),
    max_leaves=8,
)


@quick
@given(values)
def test_every_answer_fits_the_schema_that_is_made_of_it(value):
    if isinstance(value, bytes):
        value = [value]
    schema = with_null(schema_of([encode_loosely(value)]))
    jsonschema.validate(answered(value), schema, jsonschema.Draft202012Validator)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"y": 0.5}, {"y": 0.5}),
        ("text", "text"),
        (None, None),
        ([math.nan, math.inf, -math.inf], [None, None, None]),
        (np.array([[1, 2]], "u1"), [[1, 2]]),
        (np.array([0.5, math.nan], "f2"), [0.5, None]),
        (np.array(5), 5),
        (np.float32(0.5), 0.5),
        (np.longdouble(0.5), 0.5),
        (np.array([0.5], np.longdouble), [0.5]),
        (np.str_("a"), "a"),
        (np.bool_(True), True),
        (np.array([1, "a", None, np.arange(2)], object), [1, "a", None, [0, 1]]),
        (np.ma.array([1, 2], mask=[0, 1]), [1, None]),
        (np.array(["2020-01-01", "NaT"], "M8[D]"), ["2020-01-01T00:00:00", None]),
        (np.array([(1, 0.5)], [("a", "i4"), ("b", "f8")]), [[1, 0.5]]),
        (np.timedelta64(5, "s"), "PT5S"),
        (pd.DataFrame({"a": [1, 2], "b": ["x", None]}, index=[7, 8]), [{"a": 1, "b": "x"}, {"a": 2, "b": None}]),
        (pd.DataFrame({"a": []}), []),
        (pd.DataFrame(index=[1, 2]), [{}, {}]),
        (pd.Series([1.5, None]), [1.5, None]),
        (pd.Index(["a"]), ["a"]),
        (pd.MultiIndex.from_tuples([(1, "a")]), [[1, "a"]]),
        (pd.Categorical(["a", None]), ["a", None]),
        (pd.Timestamp("2020-01-01", tz="UTC"), "2020-01-01T00:00:00+00:00"),
        (pd.NaT, None),
        (pd.NA, None),
        (pd.Timedelta("1s"), "PT1S"),
        (dt.datetime(2020, 1, 1, tzinfo=zoneinfo.ZoneInfo("Europe/Paris")), "2020-01-01T00:00:00+01:00"),
        (dt.date(2020, 1, 1), "2020-01-01"),
        (dt.timedelta(1, 2), "P1DT2S"),
        (decimal.Decimal("1.20"), "1.20"),
        (fractions.Fraction(1, 2), "1/2"),
        (uuid.UUID(int=5), "00000000-0000-0000-0000-000000000005"),
        ({"raw": b"\x00\xff"}, {"raw": "AP8="}),
        ({"s": {1}, "f": frozenset("a"), "t": (1, 2), "d": collections.deque([1])}, {"s": [1], "f": ["a"], "t": [1, 2], "d": [1]}),
        ([Colour.RED, Size.SMALL, Words("a")], ["r", 1, "a"]),
        (Flower(np.arange(2), Colour.RED), {"petal": [0, 1], "colour": "r"}),
        (Point(1.0, "a"), [1.0, "a"]),
        (Scored(label="a", score=math.nan), {"label": "a", "score": None}),
        ([Loose(raw=b"\xff", array=np.arange(1))], [{"raw": "/w==", "array": [0]}]),
        ({1: "a", None: "b", (1, 2): "d", np.int64(3): "e"}, {"1": "a", "null": "b", "(1, 2)": "d", "3": "e"}),
        ({True: 1, 0.5: 2, dt.date(2020, 1, 1): 3}, {"true": 1, "0.5": 2, "2020-01-01": 3}),
        ({np.str_("a"): {Colour.RED: 1}}, {"a": {"r": 1}}),
        ([1 + 2j, np.complex64(1)], ["(1+2j)", "(1+0j)"]),
        (2**70, 2**70),
        ({"a": "\ud800x", (1,): 2**70}, {"a": "\ufffdx", "(1,)": 2**70}),
        (range(3), [0, 1, 2]),
        (np.arange(1_000_000)[::500_000], [0, 500_000]),
    ],
)  # fmt: skip
def test_values_of_every_library_are_written_as_people_expect_them(value, expected):
    assert answered(value) == expected


@needs_torch
def test_tensors_of_any_kind_are_lists():
    weights = torch.ones(2, 2, dtype=torch.bfloat16, requires_grad=True)
    assert answered({"w": weights, "n": torch.tensor(3)}) == {"w": [[1.0, 1.0], [1.0, 1.0]], "n": 3}
    assert answered(torch.eye(2).to_sparse()) == [[1.0, 0.0], [0.0, 1.0]]
    assert answered(torch.tensor([math.nan, 1.0])) == [None, 1.0]
    assert answered(torch.nn.Parameter(torch.zeros(1))) == [0.0]


@pytest.mark.parametrize(
    ("start", "media_type"),
    [
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF89a", "image/gif"),
        (b"RIFF\x00\x00\x00\x00WEBP", "image/webp"),
        (b"%PDF-1.7", "application/pdf"),
        (b"RIFF", "application/octet-stream"),
        (b"", "application/octet-stream"),
    ],
)
@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_bytes_are_the_body_with_the_type_that_they_begin_with(start, media_type, kind):
    body, content_type = write(kind(start + b"\x00rest" * bool(start)))
    assert type(body) is bytes
    assert body.startswith(start)
    assert content_type == media_type


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "1", "P", "CMYK"])
def test_an_image_is_a_png_and_base64_where_it_is_a_part(mode):
    image = Image.new(mode, (3, 2))
    body, content_type = write(image)
    assert content_type == "image/png"
    assert Image.open(io.BytesIO(body)).size == (3, 2)
    assert base64.b64decode(answered({"image": image})["image"]) == body


@pytest.mark.parametrize(
    ("value", "path", "kind"),
    [
        ({"model": Thing()}, 'answer["model"]', "Thing"),
        ([1, {"a": [Thing]}], 'answer[1]["a"][0]', "type"),
        (Flower(Thing(), Colour.RED), "answer.petal", "Thing"),
        (Thing(), "answer", "Thing"),
        (np.array([Thing()], object), "answer[0]", "Thing"),
        ({"n": 10**5000}, 'answer["n"]', "integer"),
        ({"g": (x for x in "a")}, 'answer["g"]', "generator"),
        ({"i": Image.new("F", (1, 1))}, 'answer["i"]', "F"),
    ],
)
def test_what_cannot_be_written_is_named_with_the_way_to_it(value, path, kind):
    with pytest.raises(NotSendable) as caught:
        write(value)
    assert caught.value.path == path
    assert f"{path} is" in caught.value.what
    assert kind in caught.value.what
    assert caught.value.next_step
    assert isinstance(caught.value, VesslError)


def test_what_a_client_cannot_send_is_called_data_and_is_to_be_sent_otherwise():
    with pytest.raises(NotSendable) as caught:
        write_data({"x": [1, lambda: 0]})
    assert caught.value.what == 'data["x"][1] is a function, which has no form in JSON.'
    assert caught.value.next_step == "Send numbers, text, lists, dicts, arrays, frames or bytes."
    with pytest.raises(NotSendable, match="data is an image") as caught:
        write_data(Image.new("F", (1, 1)))
    assert caught.value.next_step.startswith("Send ")


def test_a_key_that_cannot_be_written_is_said_to_be_one():
    with pytest.raises(NotSendable) as caught:
        write({"a": {Thing(): 1}})
    assert caught.value.path == 'answer["a"].keys()'


def test_one_odd_key_does_not_make_a_large_answer_slow():
    plain, odd = [{key: [float(number) for number in range(300_000)]} for key in ("a", ("a",))]
    seconds = {}
    for _ in range(3):  # the least of some: others use this machine
        for name, answer in (("plain", plain), ("odd", odd)):
            begun = time.perf_counter()
            write(answer)
            took = time.perf_counter() - begun
            seconds[name] = min(took, seconds.get(name, took))
    assert seconds["odd"] < 10 * seconds["plain"] + 0.05


def test_an_answer_that_contains_itself_is_refused_not_followed_for_ever():
    cycle: list[Any] = []
    cycle.append({"again": cycle})
    with pytest.raises(NotSendable, match="contains itself"):
        write(cycle)


def test_an_image_of_a_mode_that_no_png_has_is_refused_with_what_to_do():
    with pytest.raises(NotSendable, match="RGB"):
        write(Image.new("F", (1, 1)))


class Typed(RunnerBase[Any, Scored]):
    pass


class TypedRows(RunnerBase[Any, list[float]]):
    pass


class TypedLoose(RunnerBase[Any, Loose]):
    pass


def test_an_answer_of_a_declared_type_is_validated_and_named_by_its_aliases():
    write_typed = make_writer(Typed)
    expected = (b'{"label":"a","Score":0.5}', "application/json")
    assert write_typed(Scored(label="a", score=0.5)) == expected
    assert write_typed({"label": "a", "Score": 0.5}) == expected
    assert write_typed({"label": "a", "Score": np.float64(0.5)}) == expected
    assert write_typed({"label": "a", "Score": math.nan})[0] == b'{"label":"a","Score":null}'


def test_an_answer_that_does_not_fit_what_is_declared_is_refused_with_the_field():
    with pytest.raises(NotSendable, match=r"answer\.Score does not fit Scored.*is missing") as caught:
        make_writer(Typed)({"label": "a"})
    assert "postprocess_data" in caught.value.next_step


def test_an_array_fits_where_a_list_is_declared():
    assert make_writer(TypedRows)(np.array([1.5, 2.5])) == (b"[1.5,2.5]", "application/json")


def test_fields_that_pydantic_does_not_write_are_written_as_everywhere_else():
    answer = Loose(raw=b"\xff\x00", array=np.arange(2))
    assert json.loads(make_writer(TypedLoose)(answer)[0]) == {"raw": "/wA=", "array": [0, 1]}


class Held(pydantic.BaseModel):
    raw: bytes
    home: pathlib.PurePosixPath = pathlib.PurePosixPath("a")


class HeldAny(pydantic.BaseModel):
    raw: bytes
    other: Any = None


class TypedHeld(RunnerBase[Any, Held]):
    pass


class TypedHeldAny(RunnerBase[Any, HeldAny]):
    pass


@given(st.binary(max_size=4))
@settings(deadline=None, derandomize=True)
def test_bytes_in_an_answer_of_a_declared_type_are_base64_whatever_is_in_them(content):
    text = base64.b64encode(content).decode()
    assert json.loads(make_writer(TypedHeld)(Held(raw=content))[0]) == {"raw": text, "home": "a"}
    assert json.loads(make_writer(TypedHeld)({"raw": content})[0]) == {"raw": text, "home": "a"}
    other = [content, math.nan, {"inside": content}]
    expected = {"raw": text, "other": [text, None, {"inside": text}]}
    assert json.loads(make_writer(TypedHeldAny)(HeldAny(raw=content, other=other))[0]) == expected


class Picky(pydantic.BaseModel):
    y: float

    @pydantic.field_validator("y")
    @classmethod
    def look_up(cls, value):
        return {}[value]


class TypedPicky(RunnerBase[Any, Picky]):
    pass


def test_an_answer_whose_validator_fails_is_not_sent_unvalidated():
    with pytest.raises(KeyError):
        make_writer(TypedPicky)({"y": 0.5})
