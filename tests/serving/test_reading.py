"""What a body becomes: what the runner was tried with, or a problem that says where and why it does not fit."""

from __future__ import annotations

import base64
import dataclasses
import datetime as dt
import decimal
import fractions
import io
import json
import time
import uuid
from typing import Any

import hypothesis.extra.numpy as hnp
import jsonschema
import numpy as np
import pandas as pd
import pydantic
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from vessl_nb.capture.signature import infer_signature
from vessl_nb.errors import NotSendable
from vessl_nb.manifest import Signature
from vessl_nb.runner import RunnerBase
from vessl_nb.serving.answering import make_writer
from vessl_nb.serving.problems import Problem
from vessl_nb.serving.reading import accepts, make_reader
from vessl_nb.values.encoding import encode_loosely

try:
    import torch
except ImportError:
    torch = None

needs_torch = pytest.mark.skipif(torch is None, reason="torch is not installed")
quick = settings(max_examples=100, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])

JSON = "application/json"


class Plain(RunnerBase):
    pass


class Flowers(pydantic.BaseModel):
    x: list[float]
    name: str = "iris"
    kind: int | list[str] = 0


class Typed(RunnerBase[Flowers, Any]):
    pass


class OfBytes(RunnerBase[bytes, Any]):
    pass


class OfImages(RunnerBase[Image.Image, Any]):
    pass


class OfArrays(RunnerBase[np.ndarray, Any]):
    pass


class OfRows(RunnerBase[list[tuple[int, dt.date]], Any]):
    pass


@dataclasses.dataclass
class Opaque:
    inside: Any


write = make_writer(Plain)


def reader_of(*samples: Any, runner: type = Plain):
    examples = [{"input": encode_loosely(sample), "output": None} for sample in samples]
    signature = infer_signature(runner, examples)
    return make_reader(runner, signature, [example["input"] for example in examples])


def problem_of(read: Any, body: bytes, content_type: str = JSON) -> dict[str, Any]:
    with pytest.raises(Problem) as caught:
        read(content_type, body)
    document = json.loads(caught.value.document())
    assert document["type"] == "about:blank"
    assert document["status"] == caught.value.status
    assert document["title"]
    assert "\n" not in document["detail"]
    assert document["detail"].rstrip("'").endswith((".", "?", "...")) or "curl" in document["detail"]
    return document


def outcome_of(read: Any, body: bytes | memoryview) -> tuple[int, bytes]:
    try:
        read(JSON, body)
    except Problem as problem:
        return problem.status, problem.document()
    return 200, b""


def pointers_of(read: Any, body: bytes) -> list[str]:
    document = problem_of(read, body)
    assert document["status"] == 422
    return [error["pointer"] for error in document["errors"]]


# Round trips --------------------------------------------------------------------------------------------------------


def same(one: Any, other: Any) -> bool:  # noqa: PLR0911  # one for each kind of value
    """Tell whether two values are of one type and equal."""
    if type(one) is not type(other):
        return False
    if isinstance(one, np.ndarray):
        kinds = one.dtype == other.dtype or one.dtype.kind in "US"  # as long as they need to be
        parts = one.dtype != object or all(map(same, one.ravel(), other.ravel()))
        return kinds and parts and one.shape == other.shape and (one.dtype == object or np.array_equal(one, other))
    if torch is not None and isinstance(one, torch.Tensor):
        return one.dtype == other.dtype and one.shape == other.shape and torch.equal(one, other)
    if isinstance(one, pd.DataFrame):
        pd.testing.assert_frame_equal(one, other)
        return True
    if isinstance(one, pd.Series):
        pd.testing.assert_series_equal(one, other)
        return True
    if isinstance(one, pd.Index):
        pd.testing.assert_index_equal(one, other)
        return True
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


SAMPLES = [
    {"x": [5.1, 3.5], "n": 1, "t": "text", "b": True, "none": None, "deep": [{"a": [[]]}]},
    np.arange(6, dtype="f4").reshape(2, 3),
    np.array([[1, 2], [3, 4]], "u1"),
    np.array([True, False]),
    np.array(["a", "longer"]),
    np.array([b"a\x01", b"longer"]),
    np.array([1 + 2j, 3j], "c8"),
    np.array(["2020-01-01T01:02:03", "2021-01-01"], "M8[s]"),
    np.array(["2020-01-01T01:02:03.123456789"], "M8[ns]"),
    np.array([1, 2], "m8[s]"),
    np.array(5.0),
    np.zeros((0, 3)),
    np.array([[1, "a"], [None, 2.5]], object),
    {"rows": [{"image": np.zeros((2, 2, 3), "u1")}, {"image": np.zeros((2, 2, 3), "u1")}]},
    pd.DataFrame({"a": [1, 2], "b": ["x", "y"], "c": [0.5, None]}),
    pd.DataFrame({0: [1.5], 1: [2]}),
    pd.DataFrame({"a": pd.Series([1, 2], dtype="i2"), "b": pd.Categorical(["u", "v"], categories=["u", "v", "w"])}),
    pd.DataFrame({"t": pd.to_datetime(["2020-01-01", None]), "z": pd.to_datetime(["2020-01-01", "2020-07-01"]).tz_localize("Europe/Paris")}),
    pd.DataFrame({"d": pd.to_timedelta([1, 2], unit="s"), "i": pd.array([1, None], dtype="Int64"), "s": pd.array(["a", None], dtype="string")}),
    pd.DataFrame({"raw": [b"\xff", b""]}),
    pd.DataFrame({"a": pd.Series([], dtype="f8"), "b": pd.Series([], dtype="i8")}),
    pd.Series([1, 2], dtype="i4", name="y"),
    pd.Series(pd.to_datetime(["2020-01-01"])),
    pd.Index(["a", "b"], name="i"),
    pd.MultiIndex.from_tuples([(1, "a"), (2, "b")], names=["n", "l"]),
    {"frame": pd.DataFrame({"a": [1]}), "series": [pd.Series([1.5])]},
    {"raw": b"\x00\xff", "list": [b"a", b""]},
    (1, "a", (2.5,)),
    {"point": (1.5, b"a"), "set": {1, 2}, "frozen": frozenset("ab"), "pairs": [(1, 2), (3, 4)]},
    {1: "a", 2: "b"},
    {"scores": {0.5: np.arange(2)}},
    dt.datetime(2020, 1, 2, 3, 4, 5, 6),  # noqa: DTZ001  # without a zone on purpose
    dt.datetime(2020, 1, 2, tzinfo=dt.UTC),
    [dt.date(2020, 1, 1), dt.date(2020, 1, 2)],
    {"time": dt.time(1, 2), "span": dt.timedelta(1, 2, 3), "stamp": pd.Timestamp("2020-01-01T00:00:00.123456789")},
    {"d": decimal.Decimal("1.20"), "f": fractions.Fraction(1, 3), "u": uuid.UUID(int=7), "c": 1 + 2j},
]  # fmt: skip


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: type(sample).__name__)
def test_a_sample_that_is_sent_as_json_reaches_the_runner_as_it_was(sample):
    body, content_type = write(sample)
    assert same(reader_of(sample)(content_type, body), sample)


@needs_torch
def test_a_tensor_reaches_the_runner_as_a_tensor_of_its_dtype():
    for dtype in (torch.float32, torch.bfloat16, torch.float16, torch.int64, torch.uint8, torch.bool, torch.complex64):
        sample = {"x": torch.tensor([[1, 0], [1, 1]], dtype=dtype)}
        assert same(reader_of(sample)(JSON, write(sample)[0]), sample)


@quick
@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(max_size=4)
        | st.binary(max_size=4)
        | st.dates()
        | st.uuids()
        | hnp.arrays(st.sampled_from(["f4", "i8", "u1", "?"]), hnp.array_shapes(max_dims=2, max_side=3), elements=st.just(1)),
        lambda inner: (
            st.dictionaries(st.text(max_size=3), inner, max_size=3)
            | st.tuples(inner, inner)
            | st.lists(st.tuples(st.integers(), st.binary(max_size=2)), max_size=3)
        ),
        max_leaves=8,
    )
)  # fmt: skip
def test_whatever_a_sample_is_made_of_comes_back(sample):
    if isinstance(sample, bytes):
        sample = [sample]
    assert same(reader_of(sample)(JSON, write(sample)[0]), sample)


ODD = [
    *(None, True, -1, 1.5, 1e300, 10**30, 10**400, "", "a", "YQ==", "2020-01-01", "9999-12-31T23:59:59-23:59", "P1D"),
    *("P99999999999999D", "1/0", "1e999999999", "NaN", "\U0001f600", [], [1], [[1], [2, 3]], [None], {}, {"a": 1}),
]


def places_in(data: Any, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [way, *(place for step, item in items for place in places_in(item, (*way, step)))]


def with_other(data: Any, way: tuple[Any, ...], other: Any) -> Any:
    if not way:
        return other
    changed = dict(data) if isinstance(data, dict) else list(data)
    changed[way[0]] = with_other(data[way[0]], way[1:], other)
    return changed


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: type(sample).__name__)
def test_whatever_stands_in_place_of_a_part_is_read_or_is_422(sample):
    read, data = reader_of(sample), json.loads(write(sample)[0])
    for way in places_in(data):
        for other in ODD:
            status, _ = outcome_of(read, json.dumps(with_other(data, way, other)).encode())
            assert status in {200, 422}


def test_other_requests_than_the_sample_are_brought_to_its_types_too():
    read = reader_of({"x": np.zeros((1, 4), "f4")})
    assert same(read(JSON, b'{"x": [[1,2,3,4],[5,6,7,8]]}'), {"x": np.arange(1, 9, dtype="f4").reshape(2, 4)})
    assert same(read(JSON, b'{"x": []}'), {"x": np.zeros((0, 4), "f4")})
    read = reader_of(pd.DataFrame({"b": [1], "a": [2.5]}))
    expected = pd.DataFrame({"b": [3, 5], "a": [4.0, 6.5]})
    assert same(read(JSON, b'[{"a": 4, "b": 3, "more": 1}, {"b": 5, "a": 6.5}]'), expected)
    read = reader_of({"when": dt.date(2020, 1, 1)}, {"when": "never"})
    assert read(JSON, b'{"when": "2021-02-03"}') == {"when": dt.date(2021, 2, 3)}
    assert read(JSON, b'{"when": "soon"}') == {"when": "soon"}


def test_a_column_that_one_sample_lacked_may_be_left_out():
    read = reader_of(pd.DataFrame({"a": [1], "b": [0.5]}), pd.DataFrame({"a": [1]}))
    assert list(read(JSON, b'[{"a": 1}]').columns) == ["a"]
    assert same(read(JSON, b'[{"a": 1, "b": 0.5}]'), pd.DataFrame({"a": [1], "b": [0.5]}))


# Malformed ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b"{", "ends, after 1 byte"),
        (rb'["\ud800"]', "half of one character"),
        (b'{"x": [1,\n 2,]}', "line 2, column 4"),
        (b"{'x': 1}", "line 1, column 2"),
        (b'{"x": [1]} more', "trailing characters"),
        (b'{"x": [NaN]}', "NaN or Infinity"),
        (b'{"x": [-Infinity]}', "NaN or Infinity"),
        (b'{"x": [1e999]}', "too large"),
        (b"9" * 5000, "too many digits"),
        (b'{"x": "\xff"}', "byte 0xff, at line 1, column 8"),
        ('{"é": "'.encode() + b'\xed\xa0\x80"}', "byte 0xed, at line 1, column 8"),
        (b'"\\ud800', "ends"),
        (b"\xef\xbb\xbf{}", "invalid character"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a":' * 100_000, "nested too deeply"),
        (b"[" * 100_000 + b"]" * 100_000, "nested too deeply"),
    ],
)
@pytest.mark.parametrize("read", [reader_of({"x": [1.5]}), reader_of({"x": [1.5]}, runner=Typed), reader_of()], ids=["described", "typed", "unknown"])  # fmt: skip
def test_a_body_that_is_no_json_is_400_and_the_place_is_said(read, body, said):
    document = problem_of(read, body)
    assert document["status"] == 400
    assert said in document["detail"]


@quick
@given(st.binary(max_size=30) | st.text(alphabet='{}[]",:0123456789.eE+-truefalsn\\ \n', max_size=30).map(str.encode))
def test_whatever_is_sent_is_read_or_is_a_problem(body):
    for read in (reader_of({"x": [1.5]}), reader_of({"x": [1.5]}, runner=Typed), reader_of()):
        status, document = outcome_of(read, memoryview(body))
        assert status in {200, 400, 422}
        json.loads(document if status != 200 else body)


@pytest.mark.parametrize("levels", [150, 300, 800])
def test_deep_json_that_the_parser_takes_is_read_or_refused(levels):
    body = b'{"x": [1], "more": ' + b"[" * levels + b"]" * levels + b"}"
    for read in (reader_of({"x": [1.5]}), reader_of({"x": [1.5]}, runner=Typed), reader_of({"x": [1.5], "more": []})):
        status, document = outcome_of(read, body)
        assert status == 200 or (status == 400 and b"nested too deeply" in document)


def test_huge_integers_are_pythons_own_and_cost_no_time():
    digits = b"9" * 4000
    begun = time.process_time()
    assert reader_of({"n": 1})(JSON, b'{"n": ' + digits + b"}") == {"n": int(digits)}
    assert pointers_of(reader_of(np.zeros(1)), b"[" + digits + b"]") == [""]
    assert pointers_of(reader_of(np.zeros(1, "i8")), b"[9223372036854775808]") == [""]
    assert pointers_of(reader_of({"n": "a"}), b'{"n": ' + digits + b"}") == ["/n"]
    assert time.process_time() - begun < 2


# Content types ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content_type", ["", JSON, "application/json; charset=utf-8", "Application/JSON", "application/vnd.api+json;v=1"]
)
def test_json_is_taken_under_each_of_its_names_and_under_none(content_type):
    assert reader_of({"x": [1.5]})(content_type, memoryview(b'{"x": [2]}')) == {"x": [2]}


@pytest.mark.parametrize(
    "content_type", ["application/x-www-form-urlencoded", "text/plain", "application/jsonx", "json"]
)
def test_other_content_types_are_415_with_what_to_tell_curl(content_type):
    for read in (reader_of({"x": [1.5]}), reader_of({"x": [1.5]}, runner=Typed)):
        document = problem_of(read, b'{"x": [1.5]}', content_type)
        assert document["status"] == 415
        assert "-H 'content-type: application/json'" in document["detail"]
        assert content_type in document["detail"]


@pytest.mark.parametrize("read", [reader_of(b"\x00sample"), reader_of(runner=OfBytes)])
def test_a_runner_of_bytes_gets_the_body_as_it_is_or_from_base64(read):
    for content_type in ("", "application/octet-stream", "image/png", "text/plain; charset=x"):
        data = read(content_type, memoryview(b"\x00\xff{"))
        assert type(data) is bytes
        assert data == b"\x00\xff{"
    assert read(JSON, b'"AP8="') == b"\x00\xff"
    assert read("application/octet-stream", b"") == b""


def test_a_runner_of_bytes_or_text_gets_text_from_json():
    read = reader_of(b"\x00\xff", "text")
    assert read("", b"\x00\xff") == b"\x00\xff"
    assert read(JSON, b'"AP8="') == "AP8="


def test_what_is_no_base64_is_422():
    document = problem_of(reader_of(b"sample"), b'"%%"')
    assert document["errors"] == [{"pointer": "", "detail": 'must be base64; it is "%%"'}]
    assert pointers_of(reader_of({"a": [b"x"]}), '{"a": ["YQ==", "ü"]}'.encode()) == ["/a/1"]


def png(mode: str, size: tuple[int, int] = (4, 3)) -> bytes:
    file = io.BytesIO()
    Image.new(mode, size).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize("read", [reader_of(Image.new("RGB", (2, 2))), reader_of(runner=OfImages)])
def test_a_runner_of_images_gets_an_image_of_its_samples_mode(read):
    for content_type, body in (
        ("image/png", png("RGB")),
        ("", png("RGB")),
        (JSON, b'"' + base64.b64encode(png("RGB")) + b'"'),
    ):
        image = read(content_type, body)
        assert isinstance(image, Image.Image)
        assert (image.mode, image.size) == ("RGB", (4, 3))
    assert problem_of(read, b"no image", "image/png")["status"] == 422
    noise = io.BytesIO()
    Image.effect_noise((90, 90), 50).save(noise, "PNG")
    assert problem_of(read, noise.getvalue()[:2000], "image/png")["status"] == 422
    assert problem_of(read, b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "image/png")["status"] == 422


def test_an_image_is_brought_to_the_mode_of_the_sample():
    read = reader_of({"image": Image.new("L", (2, 2))})
    body = json.dumps({"image": base64.b64encode(png("RGBA")).decode()}).encode()
    assert read(JSON, body)["image"].mode == "L"


def test_a_picture_that_would_fill_the_memory_is_refused():
    document = problem_of(reader_of(Image.new("L", (2, 2))), png("1", (20_000, 5_000)), "image/png")
    assert document["status"] == 422
    assert "pixels" in document["detail"]


def test_a_runner_of_which_nothing_is_known_gets_json_or_bytes():
    read = make_reader(Plain, None, [])
    assert read(JSON, b"[1]") == [1]
    assert read("", b"[1]") == [1]
    assert read("", b"\x00") == b"\x00"
    assert read("text/plain", memoryview(b"[1]")) == b"[1]"
    assert problem_of(read, b"")["status"] == 400
    assert problem_of(read, b"x", JSON)["status"] == 400


def test_an_array_that_is_declared_without_a_sample_is_one():
    read = make_reader(OfArrays, None, [])
    assert same(read(JSON, b"[[1.5], [2]]"), np.array([[1.5], [2]]))
    assert pointers_of(read, b"[[1.5], [2, 3]]") == [""]
    assert pointers_of(read, b"{}") == [""]


def test_the_media_types_that_are_taken_are_listed():
    def of(sample: Any) -> list[str]:
        return accepts(Plain, infer_signature(Plain, [{"input": encode_loosely(sample), "output": None}]))

    assert of({"x": 1}) == [JSON]
    assert of(np.zeros(2)) == [JSON]
    assert of(b"a") == ["application/octet-stream", JSON]
    assert of(Image.new("L", (1, 1)))[0] == "image/png"
    assert accepts(Plain, None) == [JSON, "application/octet-stream"]
    assert accepts(Typed, None) == [JSON]
    assert accepts(OfBytes, None) == ["application/octet-stream", JSON]


# What one sample says by chance, and what is missing -----------------------------------------------------------------


FLOATS = [
    np.array([1.0, 2.0]),
    np.array([[1.0], [2.0]], "f4"),
    np.array([1.0, 2.0], "f2"),
    np.array(1.0),
    pd.DataFrame({"a": [1.0, 2.0], "b": pd.Series([1.5, 2.5], dtype="f4")}),
    pd.Series([1.0, 2.0], name="s"),
    pd.Index([1.0, 2.0]),
    {"rows": [{"x": np.array([1.0, 2.0])}]},
]


def with_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: with_nan(item) for name, item in value.items()}
    if isinstance(value, list):
        return [with_nan(item) for item in value]
    if isinstance(value, np.ndarray):
        value = value.copy()
        value.flat[0] = np.nan
        return value
    return value.where(value > 1.5) if not isinstance(value, pd.Index) else pd.Index([np.nan, 2.0])


def is_alike(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other, equal_nan=True)
    if isinstance(one, dict):
        return all(is_alike(one[key], other[key]) for key in other)
    return all(map(is_alike, one, other)) if isinstance(one, list) else same(one, other)


@pytest.mark.parametrize("sample", FLOATS, ids=lambda sample: type(sample).__name__)
def test_nan_in_arrays_and_columns_comes_in_as_it_goes_out(sample):
    missing = with_nan(sample)
    body = write(missing)[0]
    assert b"null" in body
    for read in (reader_of(sample), reader_of(missing)):
        assert is_alike(read(JSON, body), missing)


@needs_torch
def test_nan_in_a_tensor_comes_in_as_it_goes_out():
    for dtype in (torch.float32, torch.float16, torch.bfloat16, torch.float64):
        read = reader_of({"x": torch.tensor([[1.0, 2.0]], dtype=dtype)})
        made = read(JSON, b'{"x": [[null, 2]]}')["x"]
        assert made.dtype == dtype
        assert torch.equal(made.isnan(), torch.tensor([[True, False]]))


@pytest.mark.parametrize(
    ("sample", "body"),
    [
        ({"x": float("nan"), "y": 1.0}, b'{"x": null, "y": 2}'),
        ({"x": float("inf"), "y": 1.0}, b'{"x": null, "y": 2}'),
        ({"x": np.float32("nan"), "y": 1.0}, b'{"x": null, "y": 2}'),
        ({"x": np.float64("-inf"), "y": 1.0}, b'{"x": null, "y": 2}'),
    ],
)
def test_a_float_that_was_no_number_in_the_sample_may_be_null_and_is_nan(sample, body):
    read = reader_of(sample)
    data = read(JSON, body)
    assert (np.isnan(data["x"]), data["y"]) == (True, 2)
    assert type(data["x"]) is float
    assert pointers_of(read, b'{"x": null, "y": null}') == ["/y"]
    assert pointers_of(read, b'{"x": "NaN", "y": 1}') == ["/x"]


def test_null_is_nan_only_where_no_sample_had_none():
    assert np.isnan(reader_of([1.0, float("nan")])(JSON, b"[1, null]")[1])
    assert np.isnan(reader_of({"v": "text"}, {"v": float("nan")})(JSON, b'{"v": null}')["v"])
    assert np.isnan(reader_of(np.array([1.0, float("nan"), "a"], object))(JSON, b'[null, "a"]')[0])
    assert reader_of({"v": 1.0}, {"v": None})(JSON, b'{"v": null}') == {"v": None}
    assert reader_of([float("nan"), None])(JSON, b"[null]") == [None]


def test_an_integer_that_only_samples_say_may_be_any_number():
    assert reader_of({"proline": 1050})(JSON, b'{"proline": 1050.5}') == {"proline": 1050.5}
    read = reader_of([5, 3, 1, 0])
    assert read(JSON, b"[5.1, 3.5, 1.4, 0.2]") == [5.1, 3.5, 1.4, 0.2]
    assert [type(item) for item in read(JSON, b"[5]")] == [int]
    assert pointers_of(read, b'[1, "2", true, null]') == ["/1", "/2", "/3"]
    assert reader_of((1, "a"))(JSON, b'[1.5, "a"]') == (1.5, "a")


class OfDicts(RunnerBase[dict, Any]):
    pass


class OfIntegers(RunnerBase[int, Any]):
    pass


class OfLists(RunnerBase[list[int], Any]):
    pass


def test_an_integer_that_is_declared_or_has_a_dtype_is_one():
    assert reader_of({"a": 1}, runner=OfDicts)(JSON, b'{"a": 1.5}') == {"a": 1.5}
    assert pointers_of(reader_of(5, runner=OfIntegers), b"1.5") == [""]
    assert pointers_of(reader_of([5], runner=OfLists), b"[1.5]") == ["/0"]
    assert pointers_of(reader_of(np.array([1, 2])), b"[1.5]") == ["/0"]
    assert pointers_of(reader_of(pd.DataFrame({"a": [1]})), b'[{"a": 1.5}]') == ["/0/a"]


def test_a_category_that_the_sample_did_not_have_is_refused_with_its_place():
    read = reader_of(pd.DataFrame({"c": pd.Categorical(["a", "b"]), "n": [1.0, 2.0]}))
    document = problem_of(read, b'[{"c": "a", "n": 1}, {"c": "zzz", "n": 2}]')
    assert (document["status"], document["errors"][0]["pointer"]) == (422, "/1/c")
    assert '(a, b); it is "zzz"' in document["errors"][0]["detail"]
    assert pointers_of(reader_of(pd.Series(pd.Categorical(["a"]))), b'["a", "b"]') == ["/1"]
    read = reader_of(pd.DataFrame({"c": pd.Categorical(["a", None])}))
    assert read(JSON, b'[{"c": null}]')["c"].isna().all()


CATEGORIES = [
    pd.to_datetime(["2020-01-01", "2021-01-01"]),
    [1, 2],
    [0.5, 1.0],
    [True, False],
    pd.to_timedelta([1, 2], unit="s"),
]


@pytest.mark.parametrize("categories", CATEGORIES, ids=lambda categories: type(categories[0]).__name__)
def test_categories_that_are_no_texts_come_back_too(categories):
    sample = pd.DataFrame({"c": pd.Categorical(categories)})
    assert same(reader_of(sample)(JSON, write(sample)[0]), sample)
    for other in (b'"zzz"', b'["a"]', b"7"):
        assert outcome_of(reader_of(sample), b'[{"c": %b}]' % other)[0] == 422


def test_a_frame_with_two_columns_of_one_name_is_not_written_rather_than_halved():
    for columns in (["a", "b", "a"], ["a", 1, "1"]):
        frame = pd.DataFrame([[1, 2, 3]], columns=columns)
        with pytest.raises(NotSendable, match=f"{columns[2]!r}"):
            write(frame)
        with pytest.raises(NotSendable, match=f"{columns[2]!r}"):
            write({"in": [frame]})


def test_curl_without_a_content_type_sends_json_to_a_runner_of_which_nothing_is_known():
    form = "application/x-www-form-urlencoded"
    assert reader_of()(form, b'{"x":1}') == {"x": 1}
    assert reader_of()(form + "; charset=utf-8", b"[1]") == [1]
    assert reader_of()(form, b"x=1&y=2") == b"x=1&y=2"


class OfByteArrays(RunnerBase[bytearray, Any]):
    pass


def test_a_runner_of_bytearrays_gets_one():
    for read in (reader_of(runner=OfByteArrays), reader_of(bytearray(b"a"), runner=OfByteArrays)):
        for data in (read("application/octet-stream", b"\x00a"), read(JSON, b'"AGE="')):
            assert (type(data), data) == (bytearray, b"\x00a")


# What does not fit --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sample", "body", "errors"),
    [
        ({"x": [1.5]}, b'{"x": [1, "a", null]}', [("/x/1", 'must be a number; it is "a"'), ("/x/2", "must be a number; it is null")]),
        ({"x": [1.5], "y": 1}, b"{}", [("/x", "is missing"), ("/y", "is missing")]),
        ({"a/b": {"~": 1}}, b'{"a/b": {"~": true}}', [("/a~1b/~0", "must be a number; it is true")]),
        ({"x": 1}, b"[]", [("", "must be an object; it is an empty array")]),
        ((1, 2), b"[1]", [("", "must have 2 items at least; it has 1")]),
        ({1: "a"}, b'{"x": "a"}', [("/x", 'must be an integer; it is "x"')]),
        ({"d": dt.date(2020, 1, 1)}, b'{"d": "2020-13-01"}', [("/d", 'must be a date, such as "2026-07-30"; it is "2020-13-01"')]),
        ({"a": np.zeros(2, "u1")}, b'{"a": [1, 300]}', [("/a", "must be an array of uint8: Python integer 300 out of bounds for uint8")]),
        ([np.zeros((2, 2))], b"[[[1, 2], [3]]]", [("/0", "must be an array of float64: the lists in it are not equally long")]),
        (np.zeros(1, "f4"), b"[1e300]", [("", "must be an array of float32: overflow encountered in cast")]),
        ({"f": fractions.Fraction(1, 2)}, b'{"f": "1e999999999"}', [("/f", 'must be a fraction, such as "1/2"; it is "1e999999999"')]),
        ({"s": {(1, 2)}}, b'{"s": [[1, 2], [1, 2]]}', [("/s", "[[1,2],[1,2]] has non-unique elements")]),
    ],
)  # fmt: skip
def test_data_that_does_not_fit_is_422_and_each_place_is_said(sample, body, errors):
    document = problem_of(reader_of(sample), body)
    assert document["status"] == 422
    assert [(error["pointer"], error["detail"]) for error in document["errors"]] == errors


def test_of_alternatives_the_one_that_was_meant_is_told():
    read = reader_of({"v": 1}, {"v": {"deep": [1]}})
    assert pointers_of(read, b'{"v": {"deep": ["a"]}}') == ["/v/deep/0"]
    document = problem_of(read, b'{"v": "a"}')
    assert document["errors"] == [{"pointer": "/v", "detail": 'must be a number or an object; it is "a"'}]


def test_a_million_misfits_are_told_as_twenty_and_at_once():
    body = b'{"x": [' + b",".join([b'"a"'] * 1_000_000) + b"]}"
    for read in (reader_of({"x": [1.5]}), reader_of(Flowers(x=[1]), runner=Typed)):
        begun = time.process_time()
        document = problem_of(read, body)
        assert time.process_time() - begun < 5
        assert 1 <= len(document["errors"]) <= 20
        assert len(json.dumps(document)) < 5000


def test_a_misfit_far_behind_is_still_named():
    body = b'{"x": [' + b"1," * 200_000 + b'"a"]}'
    assert pointers_of(reader_of({"x": [1.5]}), body) == ["/x/200000"]


def test_a_long_value_is_told_in_few_characters():
    document = problem_of(reader_of({"x": 1}), b'{"x": "' + b"long" * 100_000 + b'"}')
    assert len(json.dumps(document)) < 1000


# Declared types -----------------------------------------------------------------------------------------------------


def test_a_runner_that_was_tried_with_an_instance_gets_instances():
    data = reader_of(Flowers(x=[1]), runner=Typed)(JSON, b'{"x": ["2.5", 3]}')
    assert data == Flowers(x=[2.5, 3])
    assert make_reader(Typed, None, [])(JSON, b'{"x": []}') == Flowers(x=[])


def test_a_runner_that_was_tried_with_plain_data_gets_plain_data_that_was_validated():
    read = reader_of({"x": [1]}, runner=Typed)
    assert read(JSON, b'{"x": [2.5], "more": 1}') == {"x": [2.5], "more": 1}
    assert pointers_of(read, b'{"x": 1}') == ["/x"]


def test_a_declared_type_that_is_no_model_is_what_the_runner_gets():
    sample = [(1, dt.date(2020, 1, 1))]
    assert reader_of(sample, runner=OfRows)(JSON, b'[[2, "2021-01-01"]]') == [(2, dt.date(2021, 1, 1))]


def test_what_a_model_refuses_is_told_by_pointers_into_the_data():
    read = reader_of(Flowers(x=[1]), runner=Typed)
    assert pointers_of(read, b'{"x": [1, "a"], "name": 3}') == ["/x/1", "/name"]
    assert pointers_of(read, b'{"x": [], "kind": ["a", 5]}') == ["/kind", "/kind/1"]  # not /kind/int
    document = problem_of(read, b"{}")
    assert document["errors"] == [{"pointer": "/x", "detail": "is missing"}]


def test_a_signature_with_references_is_held_against_too():
    schema = Flowers.model_json_schema() | {"$defs": {"Row": {"type": "array", "items": {"type": "integer"}}}}
    schema["properties"]["row"] = {"$ref": "#/$defs/Row"}
    read = make_reader(Plain, Signature(input=schema), [])
    assert read(JSON, b'{"x": [1.5], "row": [1]}') == {"x": [1.5], "row": [1]}
    assert pointers_of(read, b'{"x": [1.5], "row": [1.5]}') == ["/row/0"]


def test_what_a_client_may_send_is_what_the_schema_says():
    signature = infer_signature(Plain, [{"input": encode_loosely({"x": [1.5], "o": Opaque(1)}), "output": None}])
    jsonschema.validate({"x": [1], "o": {"inside": 2}}, signature.input)
    assert make_reader(Plain, signature, [])(JSON, b'{"x": [1], "o": {"inside": 2}}')["o"] == {"inside": 2}


def test_a_problem_document_is_one_line_long_and_has_what_else_is_said():
    problem = Problem(500, "The runner failed", "first\nsecond " + "x" * 9000, stage="predict", id="a1")
    document = json.loads(problem.document())
    assert (document["status"], document["stage"], document["id"]) == (500, "predict", "a1")
    assert document["detail"].startswith("first second x")
    assert len(document["detail"]) <= 500
