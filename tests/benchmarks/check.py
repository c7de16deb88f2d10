"""What proof costs: python tests/benchmarks/check.py

Registering with the check in a clean process, against the least that proof can cost: a bare ``python -c`` that imports the
same packages, loads the model from a pickle and runs the sample. Both take turns in one run; ratios of medians, after one
round that is not counted. And the inventory alone: names, local modules, requirements and signature of a runner with
twenty names, in processes that have just begun. Nothing is asserted: machines differ, and the table is to be read.
"""

from __future__ import annotations

import os
import pickle
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import vessl_nb as vessl

REPEATS = 7
ROW = [0.1, 0.2, 0.3, 0.4]


class ForestRunner(vessl.RunnerBase):
    """Of a scikit-learn model."""

    @staticmethod
    def predict(model, data):
        return model.predict_proba([data["x"]]).tolist()


class NothingRunner(vessl.RunnerBase):
    """Of a model that needs no package."""

    @staticmethod
    def predict(model, data):
        return model * data["x"][0]


def forest(folder: Path):
    """Make a forest of 20 trees; give what registers it, and the bare program."""
    import numpy as np
    from sklearn.ensemble import RandomForestClassifier

    features = np.random.default_rng(0).random((200, 4))
    model = RandomForestClassifier(20, random_state=0).fit(features, features[:, 0] > 0.5)
    (folder / "model").write_bytes(pickle.dumps(model))
    bare = (
        "import pickle, sklearn.ensemble\n"
        f"model = pickle.load(open({str(folder / 'model')!r}, 'rb'))\n"
        f"model.predict_proba([{ROW}]).tolist()"
    )
    return lambda **given: vessl.register_model("forest", None, ForestRunner, model, sample={"x": ROW}, **given), bare


def net(folder: Path):
    """Make a torch model of 8 MB; give what registers it, and the bare program."""
    import torch

    model = torch.nn.Sequential(*[torch.nn.Linear(512, 512) for _ in range(8)])
    torch.save(model, folder / "model")
    sample = [0.1] * 512
    bare = (
        "import torch\n"
        f"model = torch.load({str(folder / 'model')!r}, weights_only=False).eval()\n"
        f"model(torch.tensor([{sample}])).tolist()"
    )

    def register(**given):
        prepare, answer = _prepare, _answer
        return vessl.register_torch_model("net", None, model, prepare, answer, sample={"x": sample}, **given)

    return register, bare


def _prepare(data):
    import torch

    return torch.tensor([data["x"]])


def _answer(data):
    return data.tolist()


def nothing(folder: Path):
    """Make a model that is a number."""
    (folder / "model").write_bytes(pickle.dumps(2.0))
    bare = f"import pickle\nmodel = pickle.load(open({str(folder / 'model')!r}, 'rb'))\nmodel * 0.1"
    return lambda **given: vessl.register_model("nothing", None, NothingRunner, 2.0, sample={"x": ROW}, **given), bare


def compare(make) -> str:
    """Take turns between registering with the check, without it, and the bare program."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["VESSL_NB_REGISTRY"], os.environ["VESSL_NB_CACHE"] = f"{folder}/registry", f"{folder}/cache"
        register, bare = make(Path(folder))
        environment = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}

        def run_bare() -> None:
            subprocess.run([sys.executable, "-c", bare], env=environment, check=True)

        figures = {"bare": [], "checked": [], "unchecked": []}
        for _ in range(REPEATS + 1):
            figures["bare"].append(_seconds(run_bare))
            figures["checked"].append(_seconds(register))
            figures["unchecked"].append(_seconds(lambda: register(check=False)))
    found = {name: statistics.median(values[1:]) * 1e3 for name, values in figures.items()}
    return (
        f"{found['checked']:8,.0f} ms{found['bare']:8,.0f} ms{found['checked'] / found['bare']:8.2f} x"
        f"{found['unchecked']:8,.0f} ms"
    )


INVENTORY = """
import json, os, re, sys, time
import numpy as np
import yaml
import vessl_nb as vessl
from collections import OrderedDict
A, B, C, D, E = 1, "b", [3], {"d": 4}, (5,)
TABLE = np.arange(1000.0)
WORDS = OrderedDict(a=1)
PATTERN = re.compile("x+")
def f1(x): return x + A
def f2(x): return f1(x) + len(B) + len(C)
def f3(x): return f2(x) + len(D) + len(E)
def f4(x): return np.sqrt(TABLE[:3]).sum() + len(WORDS)
def f5(x): return yaml.safe_dump(x)
def f6(x): return json.dumps(x)
class Helper:
    def go(self, x): return f3(x) + f4(x)
class Runner(vessl.RunnerBase):
    @staticmethod
    def preprocess_data(data): return Helper().go(data["x"])
    @staticmethod
    def predict(model, data): return PATTERN.sub("", f5(data) + f6(str(data)))
    @staticmethod
    def postprocess_data(data): return {"y": data}
from vessl_nb.capture.inventory import inventory_of
from vessl_nb.capture.signature import infer_signature
start = time.perf_counter()
found = inventory_of(Runner)
infer_signature(Runner, [{"input": {"x": 1}, "output": {"y": "a"}}])
print(time.perf_counter() - start, len(found.names.names), len(found.requirements))
"""


def inventory_milliseconds() -> tuple[float, int, int]:
    """Measure the inventory in fresh processes; give its names and requirements as well."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder, "train.py")
        script.write_text(INVENTORY)
        for _ in range(REPEATS):
            said = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True).stdout.split()
            found.append(float(said[0]) * 1e3)
    return statistics.median(found), int(said[1]), int(said[2])


def _seconds(work) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main() -> None:
    print(f"{'registering with a sample':<34}{'checked':>11}{'bare':>11}{'ratio':>10}{'unchecked':>11}   aim: 1.15 x")
    for name, make in (("scikit-learn, 20 trees", forest), ("torch, 8 MB", net), ("a number, no package", nothing)):
        print(f"{name:<34}{compare(make)}")
    milliseconds, names, requirements = inventory_milliseconds()
    print(f"\n{f'inventory: {names} names, {requirements} requirements':<34}{milliseconds:8.0f} ms   aim: under 50 ms")


if __name__ == "__main__":
    main()
