"""Whatever numpy, pandas, scikit-learn and plain Python hold comes back as it was, and large data is stored once.

The kinds of data are registered here, and loaded by a second process that compares them with what cloudpickle alone
makes of them.
"""

from __future__ import annotations

import array
import collections
import dataclasses
import datetime as dt
import decimal
import enum
import functools
import json
import pathlib
import pickle
import random
import re
import subprocess
import sys
import tempfile
import types

import cloudpickle
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

import vessl_nb as vessl
from vessl_nb.errors import VesslError

SIZES = {"a few bytes": 6, "100 KB": 12_500, "over 1 MiB": 150_000}
"""Elements of float64: small data stays in the pickle, medium data shares a blob, large data has one of its own."""

MEGABYTES = 5_000_000

sizes = pytest.mark.parametrize("length", SIZES.values(), ids=SIZES)


def make_comparer():  # noqa: C901  # many small functions, which travel together
    """Make a runner that travels by value, and says where its model differs from what it is given."""

    def same_arrays(model, expected):
        assert (model.dtype.str, model.dtype.descr) == (expected.dtype.str, expected.dtype.descr)
        assert (model.shape, model.strides) == (expected.shape, expected.strides)
        assert model.flags.writeable or not expected.flags.writeable
        if model.dtype.hasobject or model.dtype.names:
            same(model.tolist(), expected.tolist())
        else:
            assert model.tobytes() == expected.tobytes()

    def same_masked(model, expected):
        assert repr(model.fill_value) == repr(expected.fill_value)
        same_arrays(model.data, expected.data)
        same_arrays(np.ma.getmaskarray(model), np.ma.getmaskarray(expected))

    def same_frames(model, expected):
        assert model.attrs == expected.attrs
        assert list(map(repr, model.dtypes)) == list(map(repr, expected.dtypes))
        pd.testing.assert_frame_equal(model, expected, check_exact=True, check_index_type="exact", check_freq=True)

    def same_series(model, expected):
        same_frames(model.to_frame(), expected.to_frame())

    def same_indexes(model, expected):
        pd.testing.assert_index_equal(model, expected, exact=True)

    def same_matrices(model, expected):
        assert (model.format, model.dtype, model.shape) == (expected.format, expected.dtype, expected.shape)
        places = [(*matrix.tocoo().coords, matrix.tocoo().data) for matrix in (model, expected)]
        same_items(*places)

    def same_items(model, expected):
        assert len(model) == len(expected)
        for item in zip(model, expected, strict=True):
            same(*item)
        assert getattr(model, "maxlen", None) == getattr(expected, "maxlen", None)

    def same_dictionaries(model, expected):
        same_items(list(model.items()), list(expected.items()))

    def same_enums(model, expected):
        assert (model.name, model.value) == (expected.name, expected.value)

    def same_objects(model, expected):
        if dataclasses.is_dataclass(model):
            same(dataclasses.asdict(model), dataclasses.asdict(expected))
        elif hasattr(model, "predict"):
            same(model.predict(model.sample), expected.predict(expected.sample))
        else:
            assert model == expected or repr(model) == repr(expected)  # NaN is not equal to itself

    comparisons = {
        np.ma.MaskedArray: same_masked,
        np.ndarray: same_arrays,
        pd.DataFrame: same_frames,
        pd.Series: same_series,
        pd.Index: same_indexes,
        dict: same_dictionaries,
        (list, tuple, collections.deque): same_items,
        enum.Enum: same_enums,
    }

    def same(model, expected):
        assert type(model).__name__ == type(expected).__name__
        if type(model).__module__.startswith("scipy.sparse"):
            same_matrices(model, expected)
        else:
            found = (compare for kinds, compare in comparisons.items() if isinstance(model, kinds))
            next(found, same_objects)(model, expected)

    class Comparer(vessl.RunnerBase):
        @staticmethod
        def predict(model, data):
            same(model, data)
            return "the same"

    return Comparer


def make_runner():
    """Make a runner that travels by value, for models that are looked at as they are."""

    class Runner(vessl.RunnerBase):
        @staticmethod
        def predict(model, data):
            return model

    return Runner


def register(model):
    return vessl.register_model("weights", None, make_runner(), model)


def reload(model):
    return vessl.load(register(model).reference).model


def of_dtype(dtype):
    return np.arange(24).astype("S4" if dtype == "V4" else dtype).astype(dtype)


def table(length):
    """Make a large array out of few different numbers."""
    return np.arange(length) % 100


def read_only(values):
    values.flags.writeable = False
    return values


def make_structured():
    inner = np.dtype([("x", "<f4"), ("y", ">i2")])
    fields = np.dtype([("name", "U5"), ("place", inner), ("grid", "u1", (2, 2)), ("when", "M8[s]")], align=True)
    values = np.zeros(3, fields)
    values["name"], values["place"]["y"] = ["a", "bc", "ünïcö"], [1, 2, 3]
    return values


def make_objects():
    values = np.empty(4, object)
    values[:] = ["text", None, {"deep": [table(5000)]}, np.arange(3)]
    return values


def make_mapped():
    with tempfile.TemporaryFile() as file:
        mapped = np.memmap(file, "i4", "w+", shape=(2000, 3))
    mapped[:] = table(6000).reshape(2000, 3)
    return mapped


DTYPES = [
    "?", "i1", "u2", "<i4", ">i4", "u8", "f2", ">f2", "f4", "f8", ">f8", "g", "F", "D", ">D", "M8[ns]", ">M8[D]", "m8[ms]",
    "S5", "U3", ">U3", "V4",
]  # fmt: skip

ARRAYS = {
    **{f"of dtype {dtype}": functools.partial(of_dtype, dtype) for dtype in DTYPES},
    "in C order": lambda: np.arange(24.0).reshape(2, 3, 4),
    "in Fortran order": lambda: np.asfortranarray(np.arange(24.0).reshape(2, 3, 4)),
    "in neither order": lambda: np.arange(24.0).reshape(2, 3, 4).transpose(1, 2, 0),
    "every third": lambda: np.arange(24.0)[1::3],
    "reversed": lambda: np.arange(24.0)[::-1],
    "broadcast": lambda: np.broadcast_to(np.arange(3.0), (4, 3)),
    "structured": make_structured,
    "a column of records": lambda: make_structured()["place"],
    "records": lambda: np.rec.array([(1, 2.5, "x"), (2, 3.5, "y")], names="a, b, c"),
    "of objects": make_objects,
    "of objects, no dimension": lambda: np.array({"a": 1}, object),
    "of Python strings": lambda: np.array(["a", "ünïcödé", "x" * 9000], np.dtypes.StringDType()),
    "masked": lambda: np.ma.masked_array(np.arange(5.0), [0, 1, 0, 1, 0], fill_value=-1),
    "masked, large": lambda: np.ma.masked_greater(table(150_000), 50),
    "masked records": lambda: np.ma.masked_array(make_structured(), mask=False),
    "of no dimension": lambda: np.array(3.5),
    "empty": lambda: np.array([]),
    "of length zero in the middle": lambda: np.empty((2, 0, 3), "f4"),
    "mapped": make_mapped,
    "read-only": lambda: read_only(np.arange(24.0)),
    "read-only, medium": lambda: read_only(table(5000)),
    "read-only, large": lambda: read_only(table(150_000)),
    "scalars": lambda: [np.float32(1.5), np.datetime64("2020-01-01"), np.bool_(1), np.str_("x"), np.void(b"abc")],
    "dtypes": lambda: [np.dtype("f4"), make_structured().dtype, np.float16],
    "random numbers": lambda: [np.random.default_rng(3).bit_generator.state, np.random.RandomState(3).get_state()],
    "large": lambda: [table(150_000), table(150_000).reshape(2, -1).T, table(300_000).astype(">i4")[::2]],
}  # fmt: skip


def frame(**columns):
    return pd.DataFrame(columns, index=pd.Index(["a", "b", "c"], name="key"))


def make_usual():
    result = frame(i=[1, 2, 3], f=[1.5, np.nan, 3], b=[True, False, True], s=["x", None, "z"], o=[1, "x", [2]])
    result["when"] = pd.to_datetime(["2020-01-01", "2021-01-01", None])
    result["lasts"] = pd.to_timedelta([1, 2, 3], unit="s")
    result["f2"], result["f4"] = np.float16([1, 2, 3]), np.float32([1, 2, 3])
    result.attrs["source"] = "somewhere"
    return result


def make_arrow_strings():
    pytest.importorskip("pyarrow")
    texts = ["x", None, "ünïcödé"] * 3000
    return pd.DataFrame({"strings": pd.array(texts, pd.StringDtype("pyarrow")), "more": pd.array(texts, "str")})


def make_arrow_columns():
    pa = pytest.importorskip("pyarrow")
    lists = pd.array([[1], None, [2, 3]], pd.ArrowDtype(pa.list_(pa.int64())))
    return frame(lists=lists, numbers=pd.array([1, None, 3], pd.ArrowDtype(pa.int32())))


def make_large_frame():
    result = pd.DataFrame({f"c{index}": table(60_000) + index for index in range(4)})
    result["words"] = pd.Categorical.from_codes(table(60_000) % 3, ["a", "b", "c"])
    result["late"] = table(60_000) / 7
    return result


FRAMES = {
    "usual columns": make_usual,
    "categories": lambda: frame(c=pd.Categorical(["x", "y", None], ["y", "x"], ordered=True), d=pd.Categorical([1, 2, 1])),
    "times with zones": lambda: frame(t=pd.date_range("2020-01-01", periods=3, tz="Europe/Berlin"), u=pd.Timestamp("2020", tz="UTC")),
    "periods and intervals": lambda: frame(p=pd.period_range("2020", periods=3, freq="M"), i=pd.interval_range(0, 3)),
    "nullable columns": lambda: frame(i=pd.array([1, None, 3], "Int64"), b=pd.array([True, None, False], "boolean"), f=pd.array([1.5, None, 2], "Float32")),
    "strings of Python": lambda: frame(s=pd.array(["x", None, "ünïcödé"], pd.StringDtype("python")), n=pd.array(["x", None, "z"], pd.StringDtype("python", na_value=np.nan))),
    "strings of Arrow": make_arrow_strings,
    "columns of Arrow": make_arrow_columns,
    "sparse columns": lambda: frame(s=pd.arrays.SparseArray([0, 0, 1]), f=pd.arrays.SparseArray([np.nan, 1.5, np.nan])),
    "many levels": lambda: pd.DataFrame(np.arange(12).reshape(6, 2), pd.MultiIndex.from_product([["a", "b"], [1, 2, 3]], names=["x", None]), pd.MultiIndex.from_tuples([("p", 1), ("q", 2)])),
    "a regular index of times": lambda: pd.DataFrame({"x": range(4)}, index=pd.date_range("2020-01-01", periods=4, freq="2h")),
    "columns of one name": lambda: pd.DataFrame(np.arange(6).reshape(3, 2), columns=["a", "a"]),
    "no rows": lambda: make_usual().iloc[:0],
    "nothing": pd.DataFrame,
    "a slice": lambda: make_large_frame().iloc[10:20_000:3, 1:5],
    "large frame": make_large_frame,
    "series": lambda: pd.Series(table(5000), name=("a", 1), dtype="Int16"),
    "indexes": lambda: [pd.RangeIndex(3, 9, 2), pd.Index([1.5, np.nan]), pd.CategoricalIndex(["a", "b"]), pd.Index([])],
}  # fmt: skip


def predicting(estimator):
    """Fit an estimator, and let it hold what it is asked when it is compared."""
    rng = np.random.default_rng(0)
    estimator.sample = rng.normal(size=(60, 4))
    return estimator.fit(estimator.sample, (estimator.sample[:, 0] > 0).astype(int))


def make_forest():
    from sklearn.ensemble import RandomForestClassifier

    return predicting(RandomForestClassifier(20, random_state=0))


def make_boosted():
    from sklearn.ensemble import HistGradientBoostingRegressor

    return predicting(HistGradientBoostingRegressor(max_iter=5, random_state=0))


def make_pipeline():
    from sklearn.compose import make_column_transformer
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, StandardScaler

    columns = make_column_transformer((StandardScaler(), [0, 1]), (FunctionTransformer(lambda x: x * 2), [2]))
    return predicting(make_pipeline(columns, KNeighborsClassifier(algorithm="kd_tree")))


def make_svm():
    from sklearn.svm import SVC

    return predicting(SVC(kernel=lambda a, b: a @ b.T))


def sparse(kind, length=20):
    scipy_sparse = pytest.importorskip("scipy.sparse")
    return getattr(scipy_sparse, kind)(np.eye(length, dtype="f4"))


KINDS = [f"{form}_{kind}" for form in ("csr", "csc", "coo", "bsr", "dia", "dok", "lil") for kind in ("matrix", "array")]

FITTED = {
    "forest": make_forest,
    "boosted trees": make_boosted,
    "pipeline with a lambda": make_pipeline,
    "support vectors with a lambda": make_svm,
    **{f"scipy.sparse {kind}": functools.partial(sparse, kind) for kind in KINDS},
    "scipy.sparse, large": functools.partial(sparse, "csr_array", 3000),
}


def text_of(letters, size=MEGABYTES):
    """Make a text that does not repeat itself."""
    picked = np.random.default_rng(0).integers(len(letters), size=size)
    return np.array(list(letters))[picked].tobytes().decode("utf-32")


def make_local_classes():
    class Color(enum.Enum):
        RED = "red"
        GREEN = ("green", 2)

    class Flags(enum.IntFlag):
        A = 1
        B = 2

    @dataclasses.dataclass
    class Point:
        x: int
        table: np.ndarray

    @dataclasses.dataclass(frozen=True, slots=True)
    class Frozen:
        name: str
        color: Color

    Pair = collections.namedtuple("Pair", "a b")  # noqa: PYI024  # as older notebooks write it
    colors = {Color.RED: 1, "flags": Flags.A | Flags.B}
    return [colors, Point(1, table(5000)), Frozen("x", Color.GREEN), Pair([1], table(3))]


PLAIN = {
    "bytes": lambda: {"deep": [{"blob": random.Random(0).randbytes(MEGABYTES)}]},
    "bytearray": lambda: {"deep": [{"blob": bytearray(random.Random(1).randbytes(MEGABYTES))}]},
    "ASCII": lambda: {"vocab": text_of("abc \n\r\0")},
    "Latin": lambda: {"vocab": text_of("abcé\x80ÿ\0")},
    "Chinese": lambda: {"vocab": text_of("abé中文\ufeff")},
    "emoji": lambda: {"vocab": text_of("a中😀\U0010ffff", MEGABYTES // 4)},
    "several equal ones": lambda: [text_of("ab"), text_of("ab"), bytes(MEGABYTES), bytes(MEGABYTES), bytearray(MEGABYTES)],
    "large keys": lambda: {text_of("ab", 2_000_000): 1, bytes(2_000_000): 2, frozenset([text_of("é", 5000)]): 3},
    "medium ones": lambda: [text_of("ab", 5000), text_of("é😀", 5000), bytes(5000), bytearray(b"x" * 5000), "", b"", bytearray()],
    "numbers": lambda: [0, -1, 2**70, 10**6000, -0.0, float("inf"), float("nan"), 1e-320, 3 + 4j, True, None, ...],
    "collections": lambda: [
        collections.deque([1, [2]], maxlen=5), {1, "x", frozenset([2])}, collections.Counter("hello"), range(3, 9, 2),
        collections.OrderedDict(b=1, a=2), collections.defaultdict(list, {"x": [1]}), types.SimpleNamespace(a=1),
        collections.deque(["x"] * 5000), slice(1, 2), collections.ChainMap({"a": 1}, {"b": 2}),
    ],
    "other things of Python": lambda: [
        decimal.Decimal("1.10"), dt.datetime(2020, 1, 1, tzinfo=dt.UTC), dt.timedelta(1), pathlib.PurePosixPath("a/b"),
        re.compile("a+", re.IGNORECASE), array.array("d", [1.5, 2.5]), array.array("i", range(20_000)), np.mean, len, int,
        functools.partial(int, base=2), type(None), random.Random(3).getstate(),
    ],
    "classes written here": make_local_classes,
}  # fmt: skip

CASES = ARRAYS | FRAMES | FITTED | PLAIN


COMPARE = """\
import json, pathlib, pickle, sys, warnings
import vessl_nb as vessl

warnings.simplefilter("error")
answers = {}
for case, (reference, expected) in json.load(sys.stdin).items():
    try:
        answers[case] = vessl.load(reference).run(pickle.loads(pathlib.Path(expected).read_bytes()))
    except Exception as error:
        answers[case] = f"{type(error).__name__}: {error}"
json.dump(answers, sys.stdout)
"""


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    """Give what a second process says of each case that it loaded: ``the same``, or what differs."""
    folder = tmp_path_factory.mktemp("compared")
    answers, registered = {}, {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VESSL_NB_REGISTRY", str(folder / "registry"))
        patch.setenv("VESSL_NB_CACHE", str(folder / "cache"))
        for index, (case, make) in enumerate(CASES.items()):
            expected = folder / f"{index}.pickle"
            try:
                model = make()
                expected.write_bytes(cloudpickle.dumps(model, protocol=5))
                registered[case] = [
                    vessl.register_model("weights", None, make_comparer(), model).reference,
                    str(expected),
                ]
            except (VesslError, pytest.skip.Exception) as error:
                answers[case] = error
        command = [sys.executable, "-c", COMPARE]
        done = subprocess.run(command, input=json.dumps(registered), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return answers | json.loads(done.stdout)


@pytest.mark.parametrize("case", CASES)
def test_in_another_process_it_is_as_it_was(compared, case):
    if isinstance(compared[case], pytest.skip.Exception):
        pytest.skip(str(compared[case]))
    assert compared[case] == "the same"


class TestSharing:
    """What is one object is one after loading, and what is only equal is not; seen by writing to it."""

    @sizes
    def test_one_array_at_two_places_is_one(self, length):
        values = np.zeros(length)
        loaded = reload({"a": values, "b": [values]})
        loaded["a"][:] = 1
        assert loaded["a"] is loaded["b"][0]

    @sizes
    def test_equal_arrays_stay_apart(self, length):
        loaded = reload([np.zeros(length), np.zeros(length), np.zeros((length, 1)), [np.zeros(length)]])
        loaded[0][:], loaded[1][:] = 1, 2
        assert [np.unique(values).tolist() for values in (*loaded[:3], *loaded[3])] == [[1.0], [2.0], [0.0], [0.0]]

    @sizes
    def test_equal_columns_of_frames_stay_apart(self, length):
        first, second = reload([pd.DataFrame({"x": np.zeros(length), "y": np.zeros(length)}) for _ in range(2)])
        first.loc[:, "x"] = 1.0
        assert (first["x"].sum(), first["y"].sum(), second["x"].sum()) == (length, 0, 0)

    @sizes
    def test_what_a_runner_holds_is_what_its_model_holds(self, length):
        values = np.zeros(length)

        class Runner(vessl.RunnerBase):
            @staticmethod
            def predict(model, data):
                model[:] = data
                return np.unique(values).tolist()

        vessl.register_model("weights", None, Runner, values)
        assert vessl.load("weights").run(4) == [4.0]
        assert np.unique(values).tolist() == [0.0]


@sizes
def test_writing_to_what_was_loaded_leaves_the_registry_alone(length, snapshot):
    model = {
        "array": np.arange(float(length)),
        "Fortran": np.asfortranarray(np.ones((length, 2))),
        "records": np.zeros(length, [("a", "f4"), ("b", "i4")]),
        "masked": np.ma.masked_array(np.ones(length), np.zeros(length, bool)),
        "data": bytearray(8 * length),
    }
    version = register(model)
    before = snapshot()
    for _ in range(2):
        loaded = vessl.load(version.reference).model
        assert loaded["array"].tolist() == model["array"].tolist()
        assert loaded["Fortran"].sum() == 2 * length
        assert loaded["records"]["a"].sum() == 0
        assert loaded["masked"].sum() == length
        assert loaded["data"] == model["data"]
        loaded["array"][:] = loaded["Fortran"][:] = 7
        loaded["records"]["a"] = 7
        loaded["masked"][:] = np.ma.masked
        loaded["data"][:] = b"x" * len(loaded["data"])
        loaded["data"] += b"more"
    assert snapshot() == before


def test_a_loaded_frame_and_a_loaded_forest_can_be_worked_on():
    frame, forest = reload([make_large_frame(), make_forest()])
    frame["c0"] += 1
    frame.loc[0, "late"] = 100.0
    frame = frame.sort_values("c1")
    assert frame["late"].max() == 100
    forest.set_params(warm_start=True, n_estimators=25).fit(forest.sample, forest.predict(forest.sample))
    assert len(forest.estimators_) == 25


@st.composite
def any_arrays(draw):
    """Draw an array of any dtype, shape and order: what it holds, some of it, or many of it."""
    dtypes = npst.scalar_dtypes() | npst.array_dtypes() | npst.nested_dtypes()
    values = draw(npst.arrays(draw(dtypes), npst.array_shapes(min_dims=0, min_side=0, max_side=4)))
    values = np.repeat(values[np.newaxis], draw(st.sampled_from([1, 1, 700])), axis=0)
    values = values.transpose(draw(st.permutations(range(values.ndim))))
    steps = [slice(None, None, draw(st.sampled_from([1, 1, 2, -1]))) for _ in values.shape]
    return draw(st.sampled_from([np.asarray, np.ascontiguousarray, np.asfortranarray]))(values[tuple(steps)])


def said_of(values):
    return [values.dtype, values.shape, values.strides, values.flags.writeable, repr(values.tolist())]


@given(st.lists(any_arrays(), max_size=3))
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_any_arrays_come_back_as_from_numpys_own_pickling(registry_root, model):
    plain = pickle.loads(pickle.dumps(model, protocol=5))
    assert list(map(said_of, reload(model))) == list(map(said_of, plain))
