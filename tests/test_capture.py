"""What a runner takes along is pickled as code and data apart, and is the same after loading."""

from __future__ import annotations

import io
import marshal
import sqlite3
import subprocess
import sys
import threading

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import vessl_nb as vessl
from vessl_nb.capture.names import find_names
from vessl_nb.capture.pickles import NO_MODEL, capture
from vessl_nb.capture.source import write_source
from vessl_nb.definitions import minor_version
from vessl_nb.errors import CannotPickle
from vessl_nb.loading import load_manifest
from vessl_nb.manifest import Code, Manifest, Pickles
from vessl_nb.storage.blobs import Blobs
from vessl_nb.storage.folder import Folder


def run_cells(*cells):
    """Run source as cells of a notebook do: in a namespace of its own, which no process can import."""
    import linecache

    namespace = {"__name__": "__main__", "vessl": vessl}
    for index, cell in enumerate(cells):
        filename = f"<ipython-input-{index}-{hash(cell)}>"
        linecache.cache[filename] = (len(cell), None, cell.splitlines(keepends=True), filename)
        exec(compile(cell, filename, "exec", dont_inherit=True), namespace)
    return namespace


@pytest.fixture
def through(tmp_path):
    """Give a function that sends a runner and a model through the registry's bytes."""

    def send(runner, model=NO_MODEL):
        captured = capture(runner, model)
        folder = Folder(tmp_path / "root")
        blobs = Blobs(folder)
        with folder.pins() as pins:
            pieces, _ = blobs.store(captured.pieces, pins)
            [code, *buffers], _ = blobs.store([marshal.dumps(captured.code, 2), *captured.buffers], pins)
        manifest = Manifest(
            runner="Runner",
            pickles=Pickles(
                pieces=pieces, objects=["runner"] if model is NO_MODEL else ["runner", "model"], buffers=buffers
            ),
            code=Code(place=code, python=minor_version()),
            python="3",
        )
        loaded_runner, loaded_model = load_manifest(manifest, blobs)
        return loaded_runner, loaded_model, captured

    return send


def source_of(cls):
    return write_source(cls, capture(cls), find_names([cls])).text


RUNNER = """
class Runner(vessl.RunnerBase):
    @staticmethod
    def predict(model, data):
        return {body}
"""


def runner(body, *cells):
    return run_cells(*cells, RUNNER.format(body=body))["Runner"]


def test_the_loaded_class_is_another_and_the_live_one_is_left_alone(through):
    namespace = run_cells("def helper(): return 'old'", RUNNER.format(body="helper()"))
    live = namespace["Runner"]
    loaded, _, _ = through(live)
    exec("def helper(): return 'new'", namespace)
    assert loaded is not live
    assert (loaded.predict(None, None), live.predict(None, None)) == ("old", "new")


def test_helpers_constants_and_modules_come_along(through):
    cls = runner("outer(data) * FACTOR", "import math", "FACTOR = 3", "def inner(x): return math.floor(x)",
                 "def outer(x): return inner(x) + 1")  # fmt: skip
    loaded, _, captured = through(cls)
    assert loaded.predict(None, 2.5) == 9
    assert captured.values == {"FACTOR": 3}  # noqa: PD011  # no frame


def test_captures_are_listed_with_what_they_add(through):
    cls = runner("TABLE[data] + len(WORDS)", "import numpy as np", "TABLE = np.arange(100_000.0)", "WORDS = ['a']")
    loaded, _, captured = through(cls)
    assert loaded.predict(None, 7) == 8.0
    assert {name.name: name.size > 800_000 for name in find_names([cls]).names} == {"TABLE": True, "WORDS": False}
    assert sum(map(len, captured.pieces)) < 10_000


def test_no_pickle_holds_code(through):
    namespace = run_cells(
        "class Net:\n    def __init__(self): self.f = lambda x: x + self.b; self.b = 1\n    def run(self, x): return self.f(x)",
        RUNNER.format(body="model.run(data)"),
    )
    model = namespace["Net"]()
    loaded, loaded_model, captured = through(namespace["Runner"], model)
    assert loaded.predict(loaded_model, 1) == 2
    opcodes = pickle_globals(b"".join(captured.pieces))
    assert "vessl_nb.storage.restore.code" in opcodes
    assert not [name for name in opcodes if "CodeType" in name or name.endswith("_make_code")]
    assert {"Runner.predict", "Net.__init__", "Net.__init__.<locals>.<lambda>"} < set(captured.code)


def pickle_globals(data):
    """List the globals that pickles name, without reading them."""
    import pickletools

    file, memo, pushed, found = io.BytesIO(data), [], [], []
    while file.tell() < len(data):
        for opcode, argument, _ in pickletools.genops(file):
            if opcode.name == "MEMOIZE":
                memo.append(pushed[-1])
                continue
            if opcode.name == "STACK_GLOBAL":
                found.append(".".join(pushed[-2:]))
            pushed.append(memo[argument] if "BINGET" in opcode.name else argument)
    return found


def test_a_closure_over_its_own_model_stays_one_with_it(through):
    namespace = run_cells(
        "class Net:\n    def __init__(self): self.b = 1; self.f = lambda x: x + self.b",
        RUNNER.format(body="model.f(data)"),
    )
    loaded, model, _ = through(namespace["Runner"], namespace["Net"]())
    model.b = 10
    assert loaded.predict(model, 1) == 11


def test_what_captures_and_model_share_is_shared_after_loading(through):
    namespace = run_cells("shared = {'n': 1}", RUNNER.format(body="(shared is model['shared'], shared['n'])"))
    loaded, model, _ = through(namespace["Runner"], {"shared": namespace["shared"]})
    assert loaded.predict(model, None) == (True, 1)


IDENTITIES = [
    ("a sentinel as a default", "MISSING = object()\ndef f(x, by=MISSING): return by is MISSING", "f(1)", "None"),
    ("a singleton in a class attribute", "class Reg:\n    one = []", "model is Reg.one", "Reg.one"),
    (
        "a default that is a global",
        "CFG = []\nclass Net:\n    def __init__(self, c=CFG): self.c = c",
        "Net().c is CFG",
        "None",
    ),
    (
        "a class attribute in the model",
        "class Net:\n    shared = [1]\nnet = Net()\nnet.w = Net.shared",
        "model.w is Net.shared",
        "net",
    ),
    (
        "a decorated function as model",
        "def deco(f):\n    def g(x): return f(x)\n    return g\n@deco\ndef g(x): return x",
        "model is g",
        "g",
    ),
    (
        "a class made in a function",
        "def make():\n    w = []\n    class C:\n        def __init__(self): self.w = w\n        def same(self): return self.w is w\n    return C()\nc = make()",
        "model.same()",
        "c",
    ),
]


@pytest.mark.parametrize(
    ("cell", "body", "model"), [case[1:] for case in IDENTITIES], ids=[case[0] for case in IDENTITIES]
)
def test_one_object_stays_one_wherever_it_is_held(through, cell, body, model):
    namespace = run_cells(cell, RUNNER.format(body=body))
    loaded, loaded_model, _ = through(namespace["Runner"], eval(model, namespace))
    assert loaded.predict(loaded_model, None) is True


def test_equal_code_in_two_namespaces_stays_two(through):
    cell = "def make(w):\n    def f(x): return x * w * G\n    return f\nf = make(2)"
    one, ten = run_cells("G = 1", cell), run_cells("G = 10", cell)
    loaded, model, _ = through(runner("[f(1) for f in model]"), [one["f"], ten["f"]])
    assert loaded.predict(model, None) == [2, 20]


@pytest.mark.parametrize(
    "cell",
    [
        "REGISTRY = {}\nclass Base:\n    def __init_subclass__(cls): REGISTRY[cls.__name__] = 1\nclass A(Base): pass\nm = A()\nok = lambda m: REGISTRY == {'A': 1}",
        "K = 3\nclass Meta(type):\n    def __new__(mcs, n, b, d): d['k'] = K; return super().__new__(mcs, n, b, d)\nclass A(metaclass=Meta): pass\nm = A()\nok = lambda m: m.k == 3",
        "EPS = 2\nclass T:\n    def __setstate__(self, s): self.e = EPS\n    def __getstate__(self): return {'x': 1}\nm = [T()]\nok = lambda m: m[0].e == 2",
    ],
    ids=["init_subclass", "metaclass", "setstate"],
)  # fmt: skip
def test_code_that_runs_while_unpickling_finds_its_names(through, cell):
    namespace = run_cells(cell, RUNNER.format(body="ok(model)"))
    loaded, model, _ = through(namespace["Runner"], namespace["m"])
    assert loaded.predict(model, None) is True


def test_a_closure_keeps_its_annotations(through):
    import typing

    cell = "def make(w):\n    def f(x: int) -> str: return w\n    return f\nf = make('w')"
    namespace = run_cells(cell, RUNNER.format(body="None"))
    _, model, _ = through(namespace["Runner"], namespace["f"])
    assert typing.get_type_hints(model) == {"x": int, "return": str}


def test_cached_functions_and_new_types_load_elsewhere(through):
    cell = "import functools, typing\n@functools.lru_cache(maxsize=7)\ndef fib(n): return n if n < 2 else fib(n - 1) + fib(n - 2)\nUserId = typing.NewType('UserId', int)"
    namespace = run_cells(cell, RUNNER.format(body="(fib(20), fib.cache_parameters()['maxsize'], UserId(3))"))
    loaded, _, captured = through(namespace["Runner"])
    assert loaded.predict(None, None) == (6765, 7, 3)
    assert not [name for name in pickle_globals(b"".join(captured.pieces)) if name.startswith("__main__")]


def test_a_class_whose_unpickling_uses_other_captures_finds_them(through):
    namespace = run_cells(
        "class Vocabulary:\n    def __setstate__(self, state): self.size = SIZE",
        "vocabulary = Vocabulary()\nvocabulary.x = 1\nSIZE = 5",
        RUNNER.format(body="vocabulary.size + SIZE"),
    )
    assert through(namespace["Runner"])[0].predict(None, None) == 10


def test_two_definitions_of_one_name_stay_two(through):
    namespace = run_cells(
        "class Part:\n    def value(self): return 'old'",
        "part = Part()",
        "class Part:\n    def value(self): return 'new'",
        RUNNER.format(body="(part.value(), Part().value())"),
    )
    assert through(namespace["Runner"])[0].predict(None, None) == ("old", "new")


@pytest.mark.parametrize(
    ("cell", "body", "expected"),
    [
        ("import enum\nclass Color(enum.Enum):\n    RED = 1\ncolor = Color.RED", "(color is Color.RED, color.value)", (True, 1)),
        ("from dataclasses import dataclass\n@dataclass\nclass P:\n    x: int = 3\np = P(4)", "(p == P(4), p.x)", (True, 4)),
        ("from collections import namedtuple\nP = namedtuple('P', 'a b')\np = P(1, 2)", "(p == P(1, 2), p.a)", (True, 1)),
        ("import functools\ndef f(a, b): return a - b\ng = functools.partial(f, 10)", "g(3)", 7),
        ("def make(n):\n    def add(x): return x + n\n    return add\nadd = make(4)", "add(1)", 5),
        (("import functools\ndef twice(f):\n    @functools.wraps(f)\n    def g(x): return f(f(x))\n    return g\n"
         "@twice\ndef inc(x): return x + 1"), "inc(1)", 3),
        ("class A:\n    def hi(self): return 'a'\nclass B(A):\n    def hi(self): return super().hi() + 'b'\nb = B()", "b.hi()", "ab"),
        ("class A:\n    def hi(self): return super().__class__.__name__\nhi = A().hi", "hi()", "super"),
        ("def fact(n): return 1 if n < 2 else n * fact(n - 1)", "fact(5)", 120),
        ("class Node:\n    pass\nn = Node()\nn.me = n", "n.me is n", True),
        ("def f(x, *, k=[1, 2]): return x + sum(k)", "f(1)", 4),
        ("fs = [lambda x, i=i: x + i for i in range(3)]", "[f(1) for f in fs]", [1, 2, 3]),
        ("import numpy as np\nclass M:\n    table = np.arange(5000.0)", "float(M.table.sum())", 12497500.0),
        ("x = None\ny = ...\nz = NotImplemented\nt = (type(None), int)", "(x, y is ..., z is NotImplemented, t)",
         (None, True, True, (type(None), int))),
    ],
)  # fmt: skip
def test_python_of_many_kinds_is_the_same_after_loading(through, cell, body, expected):
    loaded, _, _ = through(runner(body, cell))
    assert loaded.predict(None, None) == expected


@pytest.mark.parametrize(
    "model",
    [
        np.asfortranarray(np.arange(6000.0).reshape(60, 100)),
        np.arange(12000.0).reshape(100, 120)[::2, ::3],
        np.zeros((0, 3)),
        np.array(3.5),
        np.array(["a", "ü"] * 3000),
        pd.DataFrame({"a": np.arange(3000), "b": ["x", None, "z"] * 1000}),
        pd.Series(pd.date_range("2026", periods=3000, tz="UTC")),
        b"x" * 100_000,
        "ü" * 100_000,
    ],
    ids=lambda model: type(model).__name__,
)
def test_large_data_comes_back_equal_and_writable(through, model):
    _, loaded, _ = through(runner("None"), model)
    if isinstance(model, pd.DataFrame | pd.Series):
        (pd.testing.assert_frame_equal if isinstance(model, pd.DataFrame) else pd.testing.assert_series_equal)(
            model, loaded
        )
    elif isinstance(model, np.ndarray):
        np.testing.assert_array_equal(model, loaded, strict=True)
        assert loaded.flags.writeable
        assert loaded.flags.f_contiguous == model.flags.f_contiguous
    else:
        assert loaded == model


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
        max_leaves=20,
    )
)
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_plain_data_is_the_same_after_loading(through, data):
    class Runner(vessl.RunnerBase):
        @staticmethod
        def predict(model, data):
            return model

    assert through(Runner, data)[1] == data


class TestTorch:
    """Tensors leave the pickles by their storages, and come back as they were tied."""

    def test_tied_weights_stay_tied_and_equal_ones_stay_separate(self, through):
        a = torch.nn.Linear(64, 64)
        b = torch.nn.Linear(64, 64)
        c = torch.nn.Linear(64, 64)
        b.weight = a.weight
        with torch.no_grad():
            c.weight.copy_(a.weight)
        _, model, captured = through(runner("None"), torch.nn.ModuleList([a, b, c]))
        with torch.no_grad():
            model[0].weight.fill_(7)
        assert bool((model[1].weight == 7).all())
        assert torch.equal(model[2].weight, c.weight)
        assert len(captured.buffers) == 2

    def test_views_follow_their_base_after_loading(self, through):
        base = torch.arange(5000.0)
        _, model, _ = through(runner("None"), {"base": base, "view": base[10:20], "reshaped": base.view(50, 100)})
        model["base"][:100] = -1
        assert bool((model["view"] == -1).all())
        assert bool((model["reshaped"][0] == -1).all())

    @pytest.mark.parametrize(
        "tensor",
        [
            torch.arange(4000, dtype=torch.bfloat16),
            torch.arange(4000).to(torch.float8_e4m3fn),
            torch.randn(100, 100, dtype=torch.complex64),
            torch.randn(100, 100).T,
            torch.randn(100, 100)[::2, 1:],
            torch.zeros(0, 5),
            torch.tensor(3),
            torch.randn(100, 100) > 0,
            torch.randn(100, 100).to_sparse(),
            torch.randn(10, 10, requires_grad=True),
        ],
        ids=lambda t: f"{t.dtype} {tuple(t.shape)} {t.layout}",
    )
    def test_tensors_of_every_kind_come_back_equal(self, through, tensor):
        _, loaded, _ = through(runner("None"), tensor)
        assert (loaded.dtype, loaded.shape, loaded.requires_grad) == (tensor.dtype, tensor.shape, tensor.requires_grad)
        assert loaded.stride() == tensor.stride() if tensor.layout == torch.strided else True

        def plain(t):
            return t.detach().float() if t.dtype == torch.float8_e4m3fn else t.detach().to_dense()

        assert torch.equal(plain(loaded), plain(tensor))

    def test_writing_to_the_loaded_model_does_not_reach_the_next(self, through):
        tensor = torch.ones(5000)
        _, loaded, _ = through(runner("None"), tensor)
        loaded.zero_()
        assert bool((through(runner("None"), tensor)[1] == 1).all())


class TestCannotPickle:
    """The error names the way to what cannot leave the process."""

    def test_in_the_model(self):
        class Part:
            pass

        model = Part()
        model.encoder = Part()
        model.encoder.layers = [Part(), {"cache": sqlite3.connect(":memory:")}]
        with pytest.raises(
            CannotPickle, match=r"model\.encoder\.layers\[1\]\['cache'\], a sqlite3\.Connection"
        ) as caught:
            capture(runner("None"), model)
        assert caught.value.path == "model.encoder.layers[1]['cache']"
        assert "save_model" in caught.value.next_step

    def test_in_a_torch_module(self):
        model = torch.nn.Sequential(torch.nn.Linear(2, 2))
        model[0].lock = threading.Lock()
        with pytest.raises(CannotPickle, match=r"model\.0\.lock, a _thread\.lock"):
            capture(runner("None"), model)

    def test_in_a_captured_name(self):
        cls = runner("lock", "import threading\nlock = threading.Lock()")
        with pytest.raises(CannotPickle, match=r"Cannot pickle lock, a _thread\.lock") as caught:
            capture(cls)
        assert "load_model" in caught.value.next_step

    def test_in_the_runner_itself(self):
        class Runner(vessl.RunnerBase):
            lock = threading.Lock()

            @staticmethod
            def predict(model, data):
                return data

        with pytest.raises(CannotPickle, match=r"Runner\.lock, a _thread\.lock"):
            capture(Runner)

    def test_in_a_closure(self):
        lock = threading.Lock()

        class Part:
            pass

        model = Part()
        model.f = lambda: lock
        with pytest.raises(CannotPickle, match=r"model\.f -> lock"):
            capture(runner("None"), model)


def test_an_imported_runner_holds_no_byte_code():
    from vessl_nb.runner import TorchRunner

    captured = capture(TorchRunner)
    assert (captured.code, captured.values) == ({}, {})  # noqa: PD011  # no frame


def test_the_same_runner_gives_the_same_bytes_in_another_process():
    script = (
        "import hashlib, vessl_nb as vessl\n"
        "from vessl_nb.capture.pickles import capture\n"
        "class Runner(vessl.RunnerBase):\n"
        "    @staticmethod\n"
        "    def predict(model, data): return helper(data)\n"
        "def helper(x): return x\n"
        "import marshal\n"
        "captured = capture(Runner)\n"
        "print(hashlib.md5(b''.join(captured.pieces) + marshal.dumps(captured.code, 2)).hexdigest())\n"
    )
    outs = {subprocess.run([sys.executable, "-c", script], capture_output=True, check=True).stdout for _ in range(2)}
    assert len(outs) == 1


def test_runner_py_has_what_a_person_wants_to_read():
    namespace = run_cells(
        "import numpy as np\nfrom math import floor as down\nOFFSET = 3",
        "@staticmethod\ndef unused(): pass\ndef helper(x):\n    # why\n    return down(x) + OFFSET",
        "class Runner(vessl.RunnerBase):\n    '''Says what it does.'''\n\n    @staticmethod\n    def predict(model, data):\n"
        "        return np.array(helper(data))\n",
    )
    assert source_of(namespace["Runner"]) == (
        '"""Runner, as it was registered."""\n\n'
        "import numpy as np\nimport vessl_nb as vessl\nfrom math import floor as down\n\nOFFSET = 3\n\n\n"
        "def helper(x):\n    # why\n    return down(x) + OFFSET\n\n\n"
        "class Runner(vessl.RunnerBase):\n    '''Says what it does.'''\n\n    @staticmethod\n    def predict(model, data):\n"
        "        return np.array(helper(data))\n"
    )


def test_runner_py_finds_the_right_one_of_two_names():
    namespace = run_cells(
        "class First:\n    def helper(self): return 'wrong'\n\nif True:\n    def helper(x):\n        return x + 1",
        RUNNER.format(body="helper(data)"),
    )
    source = source_of(namespace["Runner"])
    assert source.partition("\n\n")[2].startswith(
        "import vessl_nb as vessl\n\n\ndef helper(x):\n    return x + 1\n\n\nclass Runner("
    )


def test_runner_py_of_a_class_with_text_at_the_margin():
    namespace = run_cells(
        "if True:\n    class Runner(vessl.RunnerBase):\n        TEXT = '''\nat the margin\n'''\n        @staticmethod\n"
        "        def predict(model, data): return data"
    )
    source = source_of(namespace["Runner"])
    assert "\nat the margin\n" in source
    assert source.splitlines()[5] == "class Runner(vessl.RunnerBase):"


def test_pickles_name_nothing_of_the_notebook(through):
    cls = runner("model", "x = 1")
    captured = through(cls, {"a": np.ones(5000)})[2]
    assert not [name for name in pickle_globals(b"".join(captured.pieces)) if name.startswith("__main__")]
