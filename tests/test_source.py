"""``runner.py``: of many kinds of runners it gives the same answers as the byte code, or says what it has not."""

from __future__ import annotations

import gc
import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

import vessl_nb
from vessl_nb.capture.generated import own_members

RUNNERS = {
    "a function and a constant": (
        ["FACTOR = 3", "def scale(x): return x * FACTOR"],
        "scale(data)",
    ),
    "a closure": (
        ["def make(k):\n    def add(x): return x + k\n    return add", "add = make(3)"],
        "add(data)",
    ),
    "a decorator": (
        [
            "import functools",
            "def twice(f):\n    @functools.wraps(f)\n    def inner(x): return f(f(x))\n    return inner",
            "@twice\ndef bump(x): return x + 1",
        ],
        "bump(data)",
    ),
    "a decorator with arguments, cached": (
        ["import functools", "@functools.lru_cache(maxsize=8)\ndef square(x): return x * x"],
        "square(data)",
    ),
    "a context manager": (
        [
            "import contextlib",
            "@contextlib.contextmanager\ndef doubled(x): yield x * 2",
            "def use(x):\n    with doubled(x) as y: return y",
        ],
        "use(data)",
    ),
    "a dataclass": (
        [
            "from dataclasses import dataclass, field",
            "@dataclass(order=True)\nclass Point:\n    x: float\n    tags: list = field(default_factory=list)\n    def norm(self): return abs(self.x) + len(self.tags)",
        ],
        "Point(data, ['a']).norm() + (Point(1) < Point(2))",
    ),
    "a frozen dataclass with slots": (
        ["import dataclasses", "@dataclasses.dataclass(frozen=True, slots=True)\nclass P:\n    x: int = 4"],
        "hash(P(data)) == hash(P(data)) and dataclasses.replace(P(), x=data).x",
    ),
    "a named tuple": (
        [
            "from typing import NamedTuple",
            "class Pair(NamedTuple):\n    a: int\n    b: int = 7\n    def total(self): return self.a + self.b",
        ],
        "Pair(data)._replace(b=2).total()",
    ),
    "an enum": (
        [
            "import enum",
            "class Color(enum.Enum):\n    RED = 1\n    BLUE = 2\n    def next(self): return Color(3 - self.value)",
        ],
        "Color(data % 2 + 1).next().name",
    ),
    "a nested class": (
        [
            "class Outer:\n    class Inner:\n        def value(self, x): return x + 5\n    def run(self, x): return self.Inner().value(x)"
        ],
        "Outer().run(data)",
    ),
    "inheritance over cells": (
        [
            "class Base:\n    rate = 2\n    def go(self, x): return x * self.rate",
            "class Child(Base):\n    rate = 5\n    def go(self, x): return super().go(x) + 1",
        ],
        "Child().go(data)",
    ),
    "an abstract base and a property": (
        [
            "import abc",
            "class Shape(abc.ABC):\n    @abc.abstractmethod\n    def area(self): ...",
            "class Square(Shape):\n    def __init__(self, s): self.s = s\n    @property\n    def side(self): return self.s\n    def area(self): return self.side ** 2",
        ],
        "Square(data).area()",
    ),
    "an async helper": (
        [
            "import asyncio",
            "async def fetch(x):\n    await asyncio.sleep(0)\n    return x + 1",
            "def run(x):\n    loop = asyncio.new_event_loop()\n    try: return loop.run_until_complete(fetch(x))\n    finally: loop.close()",
        ],
        "run(data)",
    ),
    "a generator": (["def count(n):\n    for i in range(n): yield i * i"], "sum(count(data))"),
    "lambdas": (
        ["double, triple = (lambda x: 2 * x), (lambda x: 3 * x)", "fs = [lambda x: x + 1, lambda x: x - 1]"],
        "double(data) + triple(data) + fs[0](data) * fs[1](data)",
    ),
    "a partial": (
        ["import functools", "def power(b, e): return b ** e", "cube = functools.partial(power, e=3)"],
        "cube(data)",
    ),
    "a type alias and annotations": (
        [
            "from typing import Optional",
            "Vector = list[float]",
            "def norm(v: Vector, p: Optional[int] = 2) -> float: return sum(x ** p for x in v)",
        ],
        "norm([data, 1])",
    ),
    "a star import": (["from math import *"], "floor(sqrt(data * 10)) + round(pi)"),
    "imports under other names": (
        ["import os.path as osp, json as j", "from collections import OrderedDict as OD"],
        "j.dumps(OD(a=osp.basename('/x/y'), b=data))",
    ),
    "an import that may fail": (
        [
            "try:\n    import no_such_module_at_all as fast\nexcept ImportError:\n    fast = None",
            "def go(x): return x if fast is None else fast.go(x)",
        ],
        "go(data)",
    ),
    "a function under if": (
        [
            "import sys",
            "if sys.version_info >= (3, 0):\n    def pick(x):\n        return 'new', x\nelse:\n    def pick(x):\n        return 'old', x",
        ],
        "list(pick(data))",
    ),
    "constants computed over cells": (
        [
            "LABELS = ['a', 'b', 'c']",
            "SIZES = {label: len(LABELS) * i for i, label in enumerate(LABELS)}",
            "TOTAL = sum(SIZES.values())",
        ],
        "[LABELS[data % 3], SIZES['b'], TOTAL]",
    ),
    "%%time and !pip cells": (
        [
            "%%time\ndef timed(x):\n    return x + 10",
            "!echo pip install nothing\nOFFSET = 4",
            "%matplotlib --list\ndef shift(x): return timed(x) + OFFSET",
        ],
        "shift(data)",
    ),
    "a class that was redefined": (
        ["class Tool:\n    def go(self, x): return 'old'", "class Tool:\n    def go(self, x): return x + 100"],
        "Tool().go(data)",
    ),
    "a function that was redefined": (
        ["def f(x): return 'old'", "def g(x): return f(x)", "def f(x): return x + 1000"],
        "g(data)",
    ),
    "recursion, and functions that call each other": (
        [
            "def even(n): return n == 0 or odd(n - 1)",
            "def odd(n): return n != 0 and even(n - 1)",
            "def fact(n): return 1 if n < 2 else n * fact(n - 1)",
        ],
        "[even(data), fact(data)]",
    ),
    "a comprehension with a lambda in it": (
        ["def build(n): return [(lambda x, i=i: x + i) for i in range(n)]", "steps = build(3)"],
        "[s(data) for s in steps]",
    ),
    "default values and keywords": (
        ["WORDS = {'a': 1}", "def look(x, *, words=WORDS, default=-1): return words.get(x, default)"],
        "[look('a'), look(data)]",
    ),
    "global state": (
        ["calls = 0", "def counted(x):\n    global calls\n    calls = 1\n    return x + calls"],
        "counted(data)",
    ),
    "numbers from an array": (
        [
            "import numpy as np",
            "WEIGHTS = np.arange(6.0).reshape(2, 3)",
            "def dot(x): return (WEIGHTS @ np.full(3, x)).tolist()",
        ],
        "dot(data)",
    ),
    "a fitted scaler": (
        [
            "import numpy as np\nfrom sklearn.preprocessing import StandardScaler",
            "scaler = StandardScaler().fit(np.arange(10.0).reshape(-1, 1))",
        ],
        "scaler.transform([[data]]).round(6).tolist()",
    ),
    "future annotations": (
        ["from __future__ import annotations", "def late(x: Undefined) -> AlsoUndefined: return x * 4"],
        "late(data)",
    ),
    "a new type and a type variable": (
        [
            "from typing import Generic, NewType, TypeVar",
            "T = TypeVar('T')\nUserId = NewType('UserId', int)",
            "class Box(Generic[T]):\n    def __init__(self, v: T): self.v = v",
        ],
        "Box(UserId(data)).v",
    ),
    "a singledispatch": (
        [
            "import functools",
            "@functools.singledispatch\ndef show(x): return 'other'",
            "@show.register\ndef _(x: int): return f'int {x}'",
            "@show.register\ndef _(x: list): return [show(y) for y in x]",
        ],
        "[show(data), show([data]), show('x')]",
    ),
    "a function made by exec": (["exec('def hidden(x): return x + 1')"], "hidden(data)"),
    "a value of the class body": (
        [
            "import numpy as np\nBIG = np.arange(5.0)",
            "class Sized:\n    total = float(BIG.sum())\n    def get(self, x): return self.total + x",
        ],
        "Sized().get(data)",
    ),
    "a base class that was redefined after it": (
        [
            "class Base:\n    def go(self, x): return x + 1",
            "class Child(Base): pass",
            "class Base:\n    def go(self, x): return x + 100",
        ],
        "[Child().go(data), Base().go(data)]",
    ),
    "a decorator that was redefined, and what it used": (
        [
            "K = 2\ndef deco(f):\n    k = K\n    def w(x): return f(x) + k\n    return w",
            "@deco\ndef f(x): return x",
            "K = 50\ndef deco(f): return lambda x: 'new'",
        ],
        "[f(data), K]",
    ),
    "a function kept under another name, and redefined": (
        ["def f(x): return x + 1", "old = f", "def f(x): return old(x) * 2"],
        "f(data)",
    ),
    "names bound anew after they were used": (
        [
            "import functools, pathlib, re\nK, folder, text = 2, '/a', 'a'",
            "def f(x, k=K): return x * k\nclass A:\n    k = K * 3\ntimes = functools.partial(f, k=K)",
            "where = pathlib.Path(folder) / 'x'\npattern = re.compile(text)\npick = f if K == 2 else None",
            "K, folder, text = 50, '/b', 'b'",
        ],
        "[f(data), A.k, times(data), str(where), pattern.pattern, pick(data), K]",
    ),
    "a time that was taken": (
        ["import datetime", "START = datetime.datetime.now()"],
        "str(START)",
    ),
    "lambdas in a comprehension": (
        ["adders = [lambda x, k=k: x + k for k in range(3)]"],
        "[add(data) for add in adders]",
    ),
    "a global that a function assigns itself": (
        ["_w = None", "def g(x):\n    global _w\n    if _w is None: _w = [2]\n    return x * _w[0]"],
        "g(data)",
    ),
    "a dictionary that answers for attributes": (
        ["class Config(dict):\n    __getattr__ = dict.__getitem__", "config = Config(a=2)"],
        "config.a * data",
    ),
    "a class that notes its subclasses": (
        [
            "class Base:\n    known = {}\n    def __init_subclass__(cls, key): Base.known[key] = cls; cls.key = key",
            "class A(Base, key='a'):\n    def go(self, x): return x + 1",
        ],
        "Base.known['a']().go(data)",
    ),
    "what was loaded, registered again": (
        [
            "import functools\nK = 3\ndef deco(f): return f\n@deco\ndef f(x): return x * K",
            "class First(vessl.RunnerBase):\n    @staticmethod\n    def predict(model, data): return f(data)",
            "vessl.register_model('before', None, First, 1, check=False)",
            "Loaded = vessl.load('before').runner",
        ],
        "Loaded.predict(model, data)",
    ),
    "a class attribute that was set afterwards": (
        ["class A:\n    k = 1\n    def go(self): return self.k", "A.k = 5\nA.new = 6"],
        "A().go() + A.new",
    ),
    "a method that was put in place of another": (
        [
            "class A:\n    def go(self): return 1\n    def stay(self): return 2",
            "def other(self): return 5\nA.go = other",
        ],
        "A().go() + A().stay()",
    ),
    "a function's attribute": (["def f(x): return f.k * x", "f.k = 4"], "f(data)"),
    "a closure that counts": (
        [
            "def make():\n    n = 0\n    def inc():\n        nonlocal n\n        n += 1\n        return n > 2\n    return inc",
            "inc = make()\ninc(), inc()",
        ],
        "inc()",
    ),
    "an array as a default, bound anew": (
        ["import random\nR = random.random()\ndef f(x, r=R): return x * r", "R = 7"],
        "[f(data), R]",
    ),
    "a class made by attrs": (
        ["import attrs", "@attrs.define\nclass P:\n    a: int\n    def go(self): return self.a + 1"],
        "P(data).go()",
    ),
}
"""Cells, and what predict returns; data is 3."""

NOT_WRITTEN = {
    "a function made by exec": "The source of hidden was not found",
    "a value of the class body": "BIG (numpy.ndarray (5,)) was used only while its cell ran",
    "a class attribute that was set afterwards": "A.new was set after the class was made",
    "a method that was put in place of another": "A.go was set after the class was made",
    "a function's attribute": "f.k was set after the function was made",
    "a closure that counts": "inc keeps something between its calls",
    "an array as a default, bound anew": "R was bound anew after f was made with it",
    "a class made by attrs": "Methods of P are made by attrs",
}
"""Those of which runner.py says that it has not everything, and what it says."""

REGISTER = """
class Runner(vessl.RunnerBase):
    @staticmethod
    def predict(model, data):
        return {body}
"""


@pytest.fixture(scope="module")
def registered(tmp_path_factory):
    """Register every runner in a real shell of its own, in two processes; give what each shell said."""
    folder = tmp_path_factory.mktemp("source")
    environment = os.environ | {
        "VESSL_NB_REGISTRY": str(folder / "registry"),
        "VESSL_NB_CACHE": str(folder / "cache"),
        "IPYTHONDIR": str(folder / "ipython"),
    }
    cells = [
        [name, ["import vessl_nb as vessl", *cells, REGISTER.format(body=body)], "sample=3"]
        for name, (cells, body) in RUNNERS.items()
    ]
    script = Path(__file__).parent / "register_in_shells.py"
    command = [sys.executable, script]
    with ThreadPoolExecutor(2) as side_by_side:
        halves = list(
            side_by_side.map(
                lambda half: subprocess.run(
                    command,
                    input=json.dumps(half),
                    env=environment,
                    cwd=folder,
                    text=True,
                    check=False,
                    capture_output=True,
                ),
                [cells[::2], cells[1::2]],
            )
        )
    said = {}
    for ran in halves:
        assert ran.returncode == 0, ran.stdout[-2000:] + ran.stderr[-4000:]
        said |= json.loads(ran.stdout.splitlines()[-1])
    return environment, said


@pytest.fixture(scope="module")
def loaded(registered):
    """Load each version both ways in another process, and run its runner.py there; give the answers."""
    environment, said = registered
    script = """
import json, os, sys
import vessl_nb
from vessl_nb.registry.models import *
from vessl_nb.registry.registry import open_registry
answers = {}
for name in json.load(sys.stdin):
    by = {}
    for way in (False, True):
        try:
            by[str(way)] = vessl_nb.load(name, from_source=way).run(3)
        except vessl_nb.VesslError as error:
            by[str(way)] = f"{type(error).__name__}: {error}"
    version = vessl_nb.load(name).version
    os.environ["VESSL_NB_VERSION"] = name
    vessl_nb.loading._load_once.cache_clear()
    namespace = {"__name__": "runner"}
    try:
        exec(compile(version.source, "runner.py", "exec"), namespace)
        by["run"] = namespace["Runner"].predict(None, 3)
    except Exception as error:
        by["run"] = f"{type(error).__name__}: {error}"
    by["unwritten"] = version.manifest.source.unwritten
    by["source"] = version.source
    answers[name] = by
print(json.dumps(answers, default=str))
"""
    names = [entry["reference"] for entry in said.values() if "reference" in entry]
    ran = subprocess.run(
        [sys.executable, "-c", script],
        input=json.dumps(names),
        env=environment,
        text=True,
        check=False,
        capture_output=True,
    )
    assert ran.returncode == 0, ran.stderr[-4000:]
    by_reference = json.loads(ran.stdout.splitlines()[-1])
    return {name: by_reference.get(entry.get("reference")) for name, entry in said.items()}


@pytest.mark.parametrize("name", RUNNERS)
def test_it_is_registered_and_its_check_passed(registered, name):
    _, said = registered
    assert said[name].get("error") is None, said[name]["error"]
    assert said[name]["passed"]


@pytest.mark.parametrize("name", sorted(RUNNERS.keys() - NOT_WRITTEN.keys()))
def test_byte_code_source_and_the_module_by_itself_answer_the_same(registered, loaded, name):
    _, said = registered
    found = loaded[name]
    expected = said[name]["answer"]
    assert [found["False"], found["True"], found["run"]] == [expected] * 3, found["source"]
    assert found["unwritten"] == []


@pytest.mark.parametrize("name", sorted(NOT_WRITTEN))
def test_what_could_not_be_written_is_said(registered, loaded, name):
    assert any(NOT_WRITTEN[name] in sentence for sentence in loaded[name]["unwritten"]), loaded[name]["unwritten"]
    assert loaded[name]["False"] == registered[1][name]["answer"]
    assert all(f"# Not in here: {sentence}" in loaded[name]["source"] for sentence in loaded[name]["unwritten"])


@pytest.fixture(scope="module")
def other_python(tmp_path_factory):
    """Give the interpreter of another Python version, with what loading needs, if there is one on this machine."""
    here = "{}.{}".format(*sys.version_info)
    others = [f"3.{minor}" for minor in range(11, 15) if f"3.{minor}" != here]
    found = [shutil.which(f"python{version}") for version in others]
    found += [str(path) for version in others for path in Path.home().glob(f".pyenv/versions/{version}.*/bin/python")]
    works = [path for path in found if path and subprocess.run([path, "-c", ""], check=False).returncode == 0]
    if not works:
        pytest.skip("no other Python here")
    folder = tmp_path_factory.mktemp("other")
    subprocess.run([works[-1], "-m", "venv", folder], check=True)
    needed = ["blake3", "cloudpickle>=3.1,<4", "msgspec", "packaging", "platformdirs", "tqdm"]
    installed = subprocess.run(
        [folder / "bin/pip", "install", "-q", *needed], check=False, capture_output=True, text=True
    )
    if installed.returncode:
        pytest.skip(f"nothing can be installed for it: {installed.stderr[-200:]}")
    return folder / "bin/python"


NEEDS_PACKAGES = {"numbers from an array", "a fitted scaler", "a class made by attrs"}


def test_under_another_python_each_answers_the_same_or_says_what_has_no_source(registered, other_python):
    environment, said = registered
    script = """
import json, sys
import vessl_nb
answers = {}
for name, reference in json.load(sys.stdin).items():
    try:
        answers[name] = vessl_nb.load(reference).run(3)
    except vessl_nb.VesslError as error:
        answers[name] = type(error).__name__
print(json.dumps(answers))
"""
    asked = {name: entry["reference"] for name, entry in said.items() if name not in NEEDS_PACKAGES}
    ran = subprocess.run(
        [other_python, "-W", "ignore", "-c", script],
        input=json.dumps(asked),
        env=environment | {"PYTHONPATH": str(Path(vessl_nb.__file__).parent.parent)},
        text=True,
        check=False,
        capture_output=True,
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    expected = {name: said[name]["answer"] for name in asked} | {"a function made by exec": "WrongPython"}
    assert json.loads(ran.stdout) == expected


class TestTorchRunner:
    def test_its_functions_are_in_it_by_name_and_what_was_written_in_the_call_by_itself(self, tmp_path):
        script = tmp_path / "train.py"
        script.write_text(
            "import torch, vessl_nb as vessl\n"
            "NAMES = ['a', 'b']\n"
            "def prepare(data): return torch.tensor(data)\n"
            "net = torch.nn.Linear(2, 2)\n"
            "version = vessl.register_torch_model(\n"
            "    'net', None, net, prepare, lambda y: dict(zip(NAMES, y.tolist())), sample=[[1.0, 2.0]]\n"
            ")\n"
            "print(version.source)\n"
        )
        ran = subprocess.run([sys.executable, script], check=True, capture_output=True, text=True)
        assert ran.stdout.strip() == (
            '"""TorchRunner, as it was registered."""\n\n'
            "import torch\nimport vessl_nb.runner\n\n"
            "NAMES = ['a', 'b']\n\n\n"
            "def prepare(data): return torch.tensor(data)\n\n\n"
            "lambda_5 = lambda y: dict(zip(NAMES, y.tolist()))\n\n\n"
            "class TorchRunner(vessl_nb.runner.TorchRunner):\n"
            "    preprocess_data = staticmethod(prepare)\n"
            "    postprocess_data = staticmethod(lambda_5)"
        )
        namespace = {}
        exec(ran.stdout, namespace)
        assert namespace["TorchRunner"].postprocess_data(torch.ones(2)) == {"a": 1.0, "b": 1.0}


def test_a_call_that_a_lambda_was_written_in_is_not_made_again(tmp_path):
    script = tmp_path / "train.py"
    script.write_text(
        "import vessl_nb as vessl\n"
        "class Holder:\n"
        "    def __init__(self, f): print('made'); self.f = f\n"
        "held = Holder(lambda x: x + 1)\n"
        "class Runner(vessl.RunnerBase):\n"
        "    @staticmethod\n"
        "    def predict(model, data): return held.f(data)\n"
        "print(vessl.register_model('r', None, Runner, 1, sample=1).source)\n"
    )
    ran = subprocess.run([sys.executable, script], check=True, capture_output=True, text=True)
    assert 'held = vessl_nb.captured("held")  # __main__.Holder' in ran.stdout
    assert "lambda_4 = lambda x: x + 1" in ran.stdout
    assert "Holder(lambda" not in ran.stdout


def run_script(folder, *lines, stdin=None, name="train.py"):
    """Run a script in a process of its own; give what it printed."""
    script = folder / name
    script.write_text("\n".join(["import vessl_nb as vessl", *lines]) + "\n")
    environment = os.environ | {"VESSL_NB_REGISTRY": str(folder / "registry"), "VESSL_NB_CACHE": str(folder / "cache")}
    command = [sys.executable, "-W", "ignore", "-"] if stdin else [sys.executable, script]
    given = script.read_text() if stdin else None
    ran = subprocess.run(command, input=given, env=environment, cwd=folder, check=False, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


PLAIN_RUNNER = "class Runner(vessl.RunnerBase):\n    @staticmethod\n    def predict(model, data): return {body}"


def test_a_loaded_runner_shows_its_lines_in_tracebacks_and_is_registered_again(tmp_path):
    helper = "import functools\ndef deco(f):\n    @functools.wraps(f)\n    def w(x): return f(x)\n    return w\n\n@deco\ndef invert(x):\n    return 6 / x"
    register = "vessl.register_model('first', None, Runner, 1, sample=3)"
    run_script(tmp_path, "# a line more than in runner.py", helper, PLAIN_RUNNER.format(body="invert(data)"), register)
    for way in ("False", "True"):
        said = run_script(
            tmp_path,
            "import traceback",
            f"loaded = vessl.load('first', from_source={way})",
            "try:",
            "    loaded.run(0)",
            "except vessl.VesslError as error:",
            "    print(''.join(traceback.format_exception(error.__cause__)))",
            "again = vessl.register_model('again', None, loaded.runner, 1, sample=3)",
            "print(again.manifest.source.unwritten)",
            "print(again.source)",
            "names = {}",
            "exec(again.source, names)",
            "print(names['Runner'].predict(None, 3))",
        )
        assert "in invert\n    return 6 / x\n" in said
        assert "\n[]\n" in said
        assert "import functools\nimport vessl_nb as vessl\n" in said
        assert said.endswith("\n2.0\n")


def test_a_partial_and_a_builtin_are_written_as_expressions_and_what_cannot_be_is_said(tmp_path):
    said = run_script(
        tmp_path,
        "import functools, torch",
        "def add(a, b): return a + b",
        "class Odd:\n    def __call__(self, x): return x",
        "net = torch.nn.Linear(1, 1)",
        "print(vessl.register_torch_model('a', None, net, functools.partial(add, b=2), str.upper).source)",
        "print(vessl.register_torch_model('b', None, net, Odd(), None).source)",
    )
    assert "preprocess_data = staticmethod(functools.partial(add, b=2))\n" in said
    assert "postprocess_data = staticmethod(str.upper)\n" in said
    assert "# Not in here: TorchRunner.preprocess_data (__main__.Odd) cannot be written down.\n" in said
    assert said.rstrip().endswith("class TorchRunner(vessl_nb.runner.TorchRunner):\n    pass")


def test_of_a_runner_from_standard_input_it_is_said_that_its_source_is_not_known(tmp_path):
    said = run_script(
        tmp_path,
        PLAIN_RUNNER.format(body="data"),
        "print(vessl.register_model('r', None, Runner, 1, sample=1).source)",
        stdin=True,
    )
    assert "# Not in here: The source of Runner is not known: only vessl_nb.load gives it.\n" in said
    assert "used only while its cell ran" not in said


def test_a_function_held_while_its_module_was_loaded_again_is_written_down(tmp_path):
    (tmp_path / "helper.py").write_text("RATE = 4\ndef go(x): return x * RATE\n")
    said = run_script(
        tmp_path,
        "import helper, importlib",
        "old = helper.go",
        "importlib.reload(helper)",
        PLAIN_RUNNER.format(body="old(data)"),
        "version = vessl.register_model('r', None, Runner, 1, sample=3)",
        "print(version.source, list(version.manifest.modules), version.manifest.source.unwritten)",
    )
    assert "RATE = 4\n\n\ndef go(x): return x * RATE\n\n\nold = go\n" in said
    assert said.rstrip().endswith("[] []")
    assert "import helper" not in said


def test_of_a_class_held_while_its_module_was_changed_and_loaded_again_it_is_said_that_its_source_is_gone(tmp_path):
    (tmp_path / "helper.py").write_text("class Tool:\n    def go(self): return 1\n")
    said = run_script(
        tmp_path,
        "import helper, importlib, pathlib",
        "from helper import Tool",
        "class Kept(Tool): pass",
        "def later(): return helper.Tool().go()",
        "pathlib.Path('helper.py').write_text('class Tool:\\n    def go(self): return 1000\\n')",
        "importlib.reload(helper)",
        PLAIN_RUNNER.format(body="later() + Kept().go()"),
        "version = vessl.register_model('r', None, Runner, 1, sample=3)",
        "print(version.examples[0]['output'], version.manifest.source.unwritten)",
    )
    assert said.startswith("1001 [")
    assert "The source of Tool.go was not found." in said


def test_what_a_named_tuple_was_given_by_hand_is_told_whenever_garbage_is_collected():
    from typing import NamedTuple

    class Pair(NamedTuple):
        a: int

        def total(self):
            return self.a

    threshold = gc.get_threshold()
    gc.set_threshold(1, 1, 1)
    try:
        found = [own_members(Pair).keys() for _ in range(300)]
    finally:
        gc.set_threshold(*threshold)
    assert all("total" in names and "_make" not in names for names in found)
