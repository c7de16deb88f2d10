"""The signature: what a client sends and gets, as the samples and the declared types say it."""

from __future__ import annotations

import datetime as dt
import decimal
import subprocess
import sys
import textwrap
import time
import typing
from typing import Any, Generic, NamedTuple, TypeVar

import hypothesis.extra.numpy as hnp
import jsonschema
import msgspec
import numpy as np
import pandas as pd
import pydantic
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from vessl_nb.capture.signature import infer_signature
from vessl_nb.errors import InvalidArgument
from vessl_nb.manifest import Signature
from vessl_nb.runner import RunnerBase
from vessl_nb.values.encoding import encode_loosely
from vessl_nb.values.schema import schema_of
from vessl_nb.values.schema_words import describe_signature

try:
    import torch
except ImportError:
    torch = None

needs_torch = pytest.mark.skipif(torch is None, reason="torch is not installed")
quick = settings(max_examples=80, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])

NUMBER, INTEGER, STRING, BOOLEAN = ({"type": kind} for kind in ("number", "integer", "string", "boolean"))
INTEGER_OR_NULL = {"type": ["integer", "null"]}


class Plain(RunnerBase):
    pass


class Thing:
    pass


class Point(NamedTuple):
    x: float
    y: str


def described(*values: Any) -> dict[str, Any]:
    """The schema of values, as it is read back from a manifest."""
    schema = schema_of([encode_loosely(value) for value in values])
    assert msgspec.json.decode(msgspec.json.encode(schema)) == schema
    jsonschema.Draft202012Validator.check_schema(schema)
    return schema


def examples(*pairs: tuple[Any, Any]) -> list[dict[str, Any]]:
    return [{"input": encode_loosely(given), "output": encode_loosely(answer)} for given, answer in pairs]


def as_json(value: Any) -> Any:
    """The value as a client would send or get it."""
    if isinstance(value, dict):
        return {str(key): as_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set):
        return [as_json(item) for item in value]
    if isinstance(value, pd.DataFrame):
        rows = value.astype(object).where(value.notna(), None)
        return [as_json(row) for row in rows.to_dict("records")]
    if hasattr(value, "tolist"):
        return as_json(value.tolist())
    return value if isinstance(value, str | int | float | bool | type(None)) else str(value)


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | st.dates()
arrays = hnp.arrays(
    st.one_of(
        hnp.floating_dtypes(), hnp.integer_dtypes(), hnp.boolean_dtypes(), hnp.unicode_string_dtypes(max_len=3)
    ).filter(lambda dtype: dtype.itemsize < 12 or dtype.kind == "U"),
    hnp.array_shapes(min_dims=0, min_side=0, max_side=3),
)
frames = st.builds(
    lambda columns, rows: pd.DataFrame({name: (values * 3)[:rows] for name, values in columns.items()}),
    st.dictionaries(
        st.sampled_from("abc"),
        st.lists(st.integers(-9, 9) | st.none(), min_size=1, max_size=3)
        | st.lists(st.floats(), min_size=1, max_size=3)
        | st.lists(st.booleans(), min_size=1, max_size=3)
        | st.lists(st.text(max_size=2) | st.none(), min_size=1, max_size=3),
        max_size=3,
    ),
    st.integers(0, 3),
)
values = st.recursive(
    scalars | arrays | frames,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=2), inner, max_size=4)
        | st.dictionaries(st.integers(0, 5), inner, max_size=3)
        | st.tuples(inner, inner)
        | st.tuples(inner)
    ),
    max_leaves=10,
)


@quick
@given(st.lists(values, min_size=1, max_size=3))
def test_every_sample_fits_the_schema_that_was_made_of_all(samples):
    schema = described(*samples)
    for sample in samples:
        jsonschema.validate(as_json(sample), schema, jsonschema.Draft202012Validator)


@quick
@given(st.lists(values, min_size=2, max_size=4), st.randoms())
def test_samples_merge_in_any_order(samples, random):
    shuffled = list(samples)
    random.shuffle(shuffled)
    assert described(*samples) == described(*shuffled)


@quick
@given(values)
def test_a_schema_in_words_is_one_short_line(value):
    words = describe_signature(described(value))
    assert 0 < len(words) <= 200
    assert "\n" not in words


@pytest.mark.parametrize(
    ("samples", "schema"),
    [
        ([1], INTEGER),
        ([1, 2.5], NUMBER),
        ([2**70], INTEGER),
        ([True, False], BOOLEAN),
        ([None], {"type": "null"}),
        ([1, None], INTEGER_OR_NULL),
        (["a", 1], {"anyOf": [INTEGER, STRING]}),
        (["a", True, None], {"anyOf": [BOOLEAN, STRING, {"type": "null"}]}),
        ([[]], {"type": "array"}),
        ([[1], [2.5, None]], {"type": "array", "items": {"type": ["number", "null"]}}),
        ([[[1], []]], {"type": "array", "items": {"type": "array", "items": INTEGER}}),
        ([(1, "a")], {"type": "array", "prefixItems": [INTEGER, STRING], "minItems": 2, "maxItems": 2}),
        ([Point(1.0, "a")], {"type": "array", "prefixItems": [NUMBER, STRING], "minItems": 2, "maxItems": 2}),
        (
            [(1,), (2, None)],
            {"type": "array", "prefixItems": [INTEGER, {"type": "null"}], "minItems": 1, "maxItems": 2},
        ),
        ([{1, 2}], {"type": "array", "uniqueItems": True, "items": INTEGER}),
        ([{1: 2.5}], {"type": "object", "additionalProperties": NUMBER}),
        ([b"x"], {"type": "string", "contentEncoding": "base64"}),
        ([dt.datetime(2020, 1, 1, tzinfo=dt.UTC)], {"type": "string", "format": "date-time"}),
        ([dt.date(2020, 1, 1), None], {"type": ["string", "null"], "format": "date"}),
        ([dt.time(1), "x"], {"anyOf": [STRING, {"type": "string", "format": "time"}]}),
        ([decimal.Decimal(1)], {"type": "string", "format": "decimal"}),
        ([np.float32(1), np.int64(2)], NUMBER),
        ([Thing()], {"x-type": f"{__name__}.Thing"}),
    ],
)
def test_plain_values_are_described_and_merged(samples, schema):
    assert described(*samples) == schema


def test_keys_that_one_sample_lacks_are_not_required():
    schema = described({"x": 1, "deep": {"a": "b"}}, {"x": None, "y": 2, "deep": {}})
    assert schema == {
        "type": "object",
        "properties": {"x": INTEGER_OR_NULL, "deep": {"type": "object", "properties": {"a": STRING}}, "y": INTEGER},
        "required": ["deep", "x"],
    }


@pytest.mark.parametrize(
    ("samples", "schema"),
    [
        ([np.zeros((2, 3), "f4")], {"type": "array", "items": {"type": "array", "items": NUMBER}, "x-type": "numpy.ndarray", "x-dtype": "<f4", "x-shape": [2, 3]}),
        ([np.zeros((2, 3), "i8"), np.zeros((5, 3), "i8")], {"type": "array", "items": {"type": "array", "items": INTEGER}, "x-type": "numpy.ndarray", "x-dtype": "<i8", "x-shape": [None, 3]}),
        ([np.array([True]), None], {"type": ["array", "null"], "items": BOOLEAN, "x-type": "numpy.ndarray", "x-dtype": "|b1", "x-shape": [1]}),
        ([np.array([1, None], object)], {"type": "array", "items": INTEGER_OR_NULL, "x-type": "numpy.ndarray", "x-dtype": "|O", "x-shape": [2]}),
        ([np.array(["2020"], "M8[s]")], {"type": "array", "items": {"type": "string", "format": "date-time"}, "x-type": "numpy.ndarray", "x-dtype": "<M8[s]", "x-shape": [1]}),
    ],
)  # fmt: skip
def test_arrays_are_described_with_dtype_and_shape(samples, schema):
    assert described(*samples) == schema


def test_arrays_of_other_dtypes_or_dimensions_are_alternatives():
    assert len(described(np.zeros(2), np.zeros((2, 2)), np.zeros(2, "f4"))["anyOf"]) == 3


@needs_torch
@pytest.mark.parametrize(("dtype", "element"), [("bfloat16", NUMBER), ("uint8", INTEGER), ("bool", BOOLEAN)])
def test_tensors_are_described_with_dtype_and_shape(dtype, element):
    tensor = torch.zeros(2, dtype=getattr(torch, dtype))
    said = {"x-type": "torch.Tensor", "x-dtype": dtype, "x-shape": [None]}
    assert described(tensor, tensor[:1]) == {"type": "array", "items": element} | said


@pytest.mark.parametrize(
    ("columns", "element"),
    [
        ([[1, 2]], INTEGER),
        ([[1, 2], [3, None]], INTEGER_OR_NULL),
        ([[3, None], [1, 2]], INTEGER_OR_NULL),
        ([[1, 2], [None, None]], INTEGER_OR_NULL),
        ([[1, 2], [np.nan, np.nan]], INTEGER_OR_NULL),
        ([[1, 2], [3.5, None]], {"type": ["number", "null"]}),
        ([[1, None]], {"type": ["number", "null"]}),
        ([[1.0, 2.0], [3, 4]], NUMBER),
        ([pd.array([1, None], "Int64")], INTEGER_OR_NULL),
        ([pd.array([1, 2], "Int64")], INTEGER),
        ([pd.array([True, None], "boolean")], {"type": ["boolean", "null"]}),
        ([np.array([1, None], object)], INTEGER_OR_NULL),
        ([np.array([1, np.nan], object)], INTEGER_OR_NULL),
        ([["a", None]], {"type": ["string", "null"]}),
        ([pd.Categorical(["a", None])], {"type": ["string", "null"]}),
        ([pd.Categorical([1, 2])], INTEGER),
        ([pd.to_datetime(["2020-01-01", None])], {"type": ["string", "null"], "format": "date-time"}),
        ([pd.to_datetime(["2020-01-01"]).tz_localize("UTC")], {"type": "string", "format": "date-time"}),
    ],
)
def test_columns_are_described_by_what_they_hold_and_nullable_where_something_is_missing(columns, element):
    frame = described(*(pd.DataFrame({"a": column}) for column in columns))
    assert frame["items"]["properties"] == {"a": element}
    assert described(*(pd.Series(column) for column in columns))["items"] == element


def test_a_frame_is_an_array_of_rows_with_its_columns_in_order():
    frame = pd.DataFrame({"size": [1.5], "name": ["x"], 3: [True]})
    assert described(frame, frame[["size", "name"]]) == {
        "type": "array",
        "items": {
            "type": "object",
            "properties": {"size": NUMBER, "name": STRING, "3": BOOLEAN},
            "required": ["name", "size"],
        },
        "x-type": "pandas.DataFrame",
        "x-columns": ["size", "name", "3"],
    }


def test_images_are_described_with_mode_and_size():
    schema = described(Image.new("RGB", (4, 3)), Image.new("RGB", (4, 5)))
    said = {"contentEncoding": "base64", "contentMediaType": "image/png", "x-mode": "RGB", "x-size": [4, None]}
    assert schema == {"type": "string"} | said


def test_what_is_too_large_is_abridged_and_says_so():
    wide = described({f"k{number}": number for number in range(1000)})
    assert wide["x-abridged"] is True
    assert len(wide["properties"]) == 300
    deep: Any = 1
    for _ in range(60):
        deep = [deep]
    assert '"x-abridged":true' in msgspec.json.encode(described(deep)).decode()
    many = described({f"a{one}": {f"b{other}": 1 for other in range(50)} for one in range(50)})
    assert len(msgspec.json.encode(many)) < 20_000


def test_long_samples_take_little_time():
    sample = encode_loosely({"rows": [{"x": [1.0, 2.0], "name": "a"}] * 50, "image": np.zeros((224, 224, 3), "f4")})
    infer_signature(Plain, [{"input": sample, "output": [0.5, 0.5]}])
    times = []
    for _ in range(5):
        start = time.perf_counter()
        infer_signature(Plain, [{"input": sample, "output": [0.5, 0.5]}])
        times.append(time.perf_counter() - start)
    assert min(times) < 0.05  # measured 0.001
    start = time.perf_counter()
    assert described([0.5] * 1_000_000) == {"type": "array", "items": NUMBER}
    assert time.perf_counter() - start < 2


# Declared types ---------------------------------------------------------------------------------------------------


class Flower(pydantic.BaseModel):
    petals: list[float]
    name: str = ""


class Answer(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid")
    species: str = pydantic.Field(alias="Species")
    score: float = pydantic.Field(default=0.0, ge=0)


class Worded(Answer):
    words: list[str]

    @pydantic.field_validator("words", mode="before")
    @classmethod
    def split(cls, text):
        return text.split(",")


class Tensorlike(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(arbitrary_types_allowed=True)
    x: np.ndarray


T = TypeVar("T")


def test_pydantic_models_give_the_schema_with_samples_or_without():
    class Runner(RunnerBase[Flower, Answer]):
        pass

    expected = Signature(input=Flower.model_json_schema(), output=Answer.model_json_schema(mode="serialization"))
    assert infer_signature(Runner, []) == expected
    answer = Answer(Species="setosa")
    assert infer_signature(Runner, examples(({"petals": [1, 2]}, answer), (Flower(petals=[1]), answer))) == expected
    assert describe_signature(expected.input) == '{"petals": [number, ...], "name"?: string}'


def test_declared_types_are_found_through_generic_bases_and_subclasses():
    class Middle(RunnerBase[T, list[T]], Generic[T]):
        pass

    class Runner(Middle[Flower]):
        pass

    class Derived(Runner):
        pass

    signature = infer_signature(Derived, [])
    assert signature.input == Flower.model_json_schema()
    assert signature.output["items"] == {"$ref": "#/$defs/Flower"}
    assert describe_signature(signature.output) == '[{"petals": [number, ...], "name"?: string}, ...]'


@pytest.mark.parametrize(
    ("pair", "expected"),
    [
        (({"petals": ["x"]}, {"Species": "a"}), r"^The sample does not fit Flower, which Runner declares as its input: petals\[0\]: .*number.* \(it is 'x'\)\.\nGive a sample that fits, or change Flower\."),
        (({}, {"Species": "a"}), "petals: Field required"),
        (({"petals": []}, {"Species": "a", "score": -1}), r"^The answer to the sample does not fit Answer, which Runner declares as its output: score: .*\(it is -1\)\.\nReturn what fits"),
        (({"petals": []}, {"Species": 1, "more": 2}), "and 1 more problem"),
        ((3, {"Species": "a"}), r"\(it is 3\)"),
    ],
)  # fmt: skip
def test_a_sample_that_contradicts_a_model_is_refused_with_the_field_and_the_reason(pair, expected):
    class Runner(RunnerBase[Flower, Answer]):
        pass

    with pytest.raises(InvalidArgument, match=expected) as caught:
        infer_signature(Runner, examples(pair))
    assert str(caught.value).count("\n") == 1


def test_the_sample_that_does_not_fit_is_named_among_several():
    class Runner(RunnerBase[Flower, Any]):
        pass

    with pytest.raises(InvalidArgument, match=r"^Sample 2 does not fit"):
        infer_signature(Runner, examples(({"petals": []}, 1), ({}, 2)))


def test_what_validators_raise_of_their_own_is_said_too():
    class Picky(pydantic.BaseModel):
        x: int

        @pydantic.field_validator("x")
        @classmethod
        def check(cls, value):
            raise KeyError("no table")

    class Runner(RunnerBase[Picky, Any]):
        pass

    with pytest.raises(InvalidArgument, match="validation raised KeyError: 'no table'"):
        infer_signature(Runner, examples(({"x": 1}, 1)))


@pytest.mark.parametrize(
    ("declared", "answer"),
    [
        (list[float], np.array([0.5])),
        (list[Flower], pd.DataFrame({"petals": [[1.0]]})),
        (dict[str, float], {"a": np.float32(0.5)}),
        (list[Answer], [Answer(Species="a")]),
        (Answer, Worded(Species="a", words="b,c")),
        (list[Worded], [Worded(Species="a", words="b,c")]),
        (float, np.float32(0.5)),
        (float, 1),
        (list, np.zeros(2)),
        (tuple, [1, 2]),
        (Flower | None, None),
        (Answer | None, Answer(Species="a")),
        (Tensorlike, {"x": np.zeros(2)}),
        (dict, Thing()),
        (list[Flower], [Thing()]),
        (np.ndarray, [1.0]),
        (Any, object()),
        ("Flower", 1),
    ],
)
def test_answers_that_a_client_gets_as_declared_fit(declared, answer):
    class Runner(RunnerBase[Any, declared]):
        pass

    assert infer_signature(Runner, examples((1, answer))).input == INTEGER


@pytest.mark.parametrize(
    ("declared", "answer"),
    [(dict, [1]), (float, "x"), (int, True), (bool, 1), (int, 0.5), (str, None), (list[float], ["x"]), (list, {})],
)
def test_answers_of_another_type_than_declared_are_refused(declared, answer):
    class Runner(RunnerBase[Any, declared]):
        pass

    with pytest.raises(InvalidArgument, match="The answer to the sample does not fit"):
        infer_signature(Runner, examples((1, answer)))


def test_an_instance_of_another_model_than_declared_is_refused():
    class Runner(RunnerBase[Any, Answer]):
        pass

    with pytest.raises(InvalidArgument, match="Species: Field required"):
        infer_signature(Runner, examples((1, Flower(petals=[]))))


def test_a_bare_builtin_leaves_the_schema_to_the_samples():
    class Runner(RunnerBase[dict, list]):
        pass

    assert infer_signature(Runner, []) == Signature(input={"type": "object"}, output={"type": "array"})
    assert infer_signature(Runner, examples(({}, [1]))).output == {"type": "array", "items": INTEGER}


def test_nothing_is_said_where_nothing_is_known():
    class Open(RunnerBase[T, Any], Generic[T]):
        pass

    for runner in (Plain, RunnerBase, Open):
        assert infer_signature(runner, []) is None


def test_nothing_heavy_is_imported_for_it():
    code = """
        import sys
        from vessl_nb.capture.signature import infer_signature
        from vessl_nb.runner import RunnerBase
        class Runner(RunnerBase[dict[str, int], float]): pass
        print(infer_signature(Runner, [{"input": {"a": [1, "x"]}, "output": 0.5}]).output["type"])
        print(*{"numpy", "pandas", "torch", "pydantic", "IPython"} & sys.modules.keys())
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["number"]


# In words ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"x": [1.5], "name": "a"}, '{"x": [number, ...], "name": string}'),
        (np.zeros((2, 4), "f4"), "numpy float32 (2, 4)"),
        (np.zeros(2, bool), "numpy bool (2,)"),
        (np.array(["a"]), "numpy text (1,)"),
        (pd.DataFrame({"a": [1], "b": ["x"]}), 'DataFrame {"a": integer, "b": string}'),
        (pd.Series([1.5, None]), "Series [number or null, ...]"),
        (Image.new("L", (4, 3)), "L image 4 × 3"),
        ([1, "a"], "[integer or string, ...]"),
        ((1, b"x"), "[integer, bytes]"),
        ({1: 0.5}, "{…: number}"),
        ([dt.date(2020, 1, 1)], "[date, ...]"),
        ({}, "object"),
        ([], "array"),
        (None, "null"),
        (Thing(), "Thing"),
    ],
)
def test_a_schema_reads_as_people_write_data(value, words):
    assert describe_signature(described(value)) == words


def test_dimensions_and_keys_that_differ_between_samples_are_marked():
    assert describe_signature(described(np.zeros((2, 4)), np.zeros((3, 4)))) == "numpy float64 (?, 4)"
    assert describe_signature(described({"a": "x"}, {"a": None}, {})) == '{"a"?: string or null}'
    assert describe_signature({}) == "anything"


def test_recursive_models_are_described_to_an_end():
    class Node(pydantic.BaseModel):
        children: list[Node] = []
        kind: typing.Literal["leaf", "branch"] = "leaf"

    class Runner(RunnerBase[Node, Any]):
        pass

    words = describe_signature(infer_signature(Runner, []).input)
    assert len(words) <= 200
    assert words.startswith('{"children"?: [{')
