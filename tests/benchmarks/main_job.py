"""How long the main job takes: python tests/benchmarks/main_job.py

Importing, loading the extension into a running kernel, registering a small model, and running a loaded one against calling
its three functions directly. Nothing here is compared with a limit: machines differ, and the table is to be read.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
import timeit
from pathlib import Path

from jupyter_client.manager import start_new_kernel

REPEATS = 20


def import_seconds() -> float:
    """Measure `import vessl_nb` in fresh interpreters, above one that imports nothing."""
    script = "import time; t = time.perf_counter(); import vessl_nb; print(time.perf_counter() - t)"
    return _median(lambda: float(subprocess.check_output([sys.executable, "-c", script])))


def load_ext_seconds() -> float:
    """Measure `%load_ext vessl_nb` in kernels that have just started."""
    script = "import time; t = time.perf_counter(); get_ipython().run_line_magic('load_ext', 'vessl_nb'); time.perf_counter() - t"
    return _median(lambda: _in_kernel(script), 5)


def _in_kernel(code: str) -> float:
    manager, client = start_new_kernel()
    try:
        found: list[float] = []

        def hear(message) -> None:
            if message["msg_type"] == "execute_result":
                found.append(float(message["content"]["data"]["text/plain"]))

        client.execute_interactive("1 + 1", timeout=60, output_hook=lambda _: None)
        client.execute_interactive(code, timeout=60, output_hook=hear)
        return found[0]
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def register_seconds() -> tuple[float, float, int]:
    """Measure registering a small scikit-learn model, without and with a sample; count the files synced for one."""
    import numpy as np
    from sklearn.datasets import load_iris
    from sklearn.linear_model import LogisticRegression

    import vessl_nb as vessl

    features, target = load_iris(return_X_y=True)
    models = [LogisticRegression(C=c + 1, max_iter=1000).fit(features, target) for c in range(2 * REPEATS + 2)]

    class IrisRunner(vessl.RunnerBase):
        @staticmethod
        def preprocess_data(data):
            return np.asarray(data["x"])[None]

        @staticmethod
        def predict(model, data):
            return model.predict(data)

        @staticmethod
        def postprocess_data(data):
            return {"species": int(data[0])}

    def register(sample) -> None:
        vessl.register_model("iris", None, IrisRunner, models.pop(), ["scikit-learn"], sample=sample, tags={"a": 0.97})

    sample = {"x": [5.1, 3.5, 1.4, 0.2]}
    register(sample)
    plain = _median(lambda: _seconds(lambda: register(None)))
    sampled = _median(lambda: _seconds(lambda: register(sample)))
    before = _count_files()
    register(sample)
    return plain, sampled, _count_files() - before


def run_overhead_seconds() -> tuple[float, float]:
    """Measure `run` and the three direct calls, taking turns, of a runner that does next to nothing."""
    import vessl_nb as vessl

    class Runner(vessl.RunnerBase):
        @staticmethod
        def preprocess_data(data):
            return data

        @staticmethod
        def predict(model, data):
            return model

        @staticmethod
        def postprocess_data(data):
            return data

    vessl.register_model("echo", None, Runner, 1)
    loaded = vessl.load("echo")
    runner, model = loaded.runner, loaded.model
    count = 100_000
    direct, through = [], []
    for _ in range(REPEATS):
        call = "runner.postprocess_data(runner.predict(model, runner.preprocess_data(None)))"
        direct.append(timeit.timeit(call, globals={"runner": runner, "model": model}, number=count) / count)
        through.append(timeit.timeit("run(None)", globals={"run": loaded.run}, number=count) / count)
    return min(through), min(direct)


def _count_files() -> int:
    return sum(path.is_file() for path in Path(os.environ["VESSL_NB_REGISTRY"]).rglob("*"))


def _seconds(work) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _median(measure, repeats: int = REPEATS) -> float:
    return statistics.median(measure() for _ in range(repeats))


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.environ["VESSL_NB_REGISTRY"] = f"{folder}/registry"
        plain, sampled, files = register_seconds()
        through, direct = run_overhead_seconds()
        rows = [
            ("import vessl_nb", f"{import_seconds() * 1e3:.1f} ms", ""),
            ("%load_ext vessl_nb, running kernel", f"{load_ext_seconds() * 1e3:.0f} ms", "aim: under 100 ms"),
            ("register a small model, synced", f"{plain * 1e3:.1f} ms", "aim: under 10 ms"),
            ("the same with a sample", f"{sampled * 1e3:.1f} ms", f"{files} files synced; aim: at most 4"),
            (
                "run(), above the direct calls",
                f"{(through - direct) * 1e6:.2f} us",
                f"{through / direct:.2f} x; aim: under 1 us",
            ),
        ]
        for name, value, remark in rows:
            print(f"{name:<38}{value:>10}   {remark}")


if __name__ == "__main__":
    main()
