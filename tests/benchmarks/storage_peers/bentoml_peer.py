"""BentoML's model store, through its functions for frameworks: deprecated since 1.4, but what it has."""

from __future__ import annotations

import logging
import os
import shutil
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

warnings.simplefilter("ignore")
logging.disable(logging.WARNING)

import bentoml  # noqa: E402  # it warns as it is imported
import measuring  # noqa: E402

if TYPE_CHECKING:
    from measuring import Figures


def big(_: Path) -> Figures:
    net = measuring.big_net()
    bentoml.pytorch.save_model("tiny", measuring.tiny_net())
    figures: Figures = {name: [] for name in ("big", "again", "again_bytes")}
    for _ in range(2):
        _forget("net")
        figures["big"].append(measuring.seconds(lambda: bentoml.pytorch.save_model("net", net)))
        measuring.change_head(net)
        before = measuring.bytes_in(_store())
        figures["again"].append(measuring.seconds(lambda: bentoml.pytorch.save_model("net", net)))
        figures["again_bytes"].append(measuring.bytes_in(_store()) - before)
    return figures


def memory(_: Path) -> Figures:
    net = measuring.big_net()
    bentoml.pytorch.save_model("tiny", measuring.tiny_net())
    figures = {"memory": [measuring.peak_memory(lambda: bentoml.pytorch.save_model("memory", net))]}
    _forget("memory")
    return figures


def load_big(_: Path) -> Figures:
    bentoml.pytorch.save_model("tiny", measuring.tiny_net())
    _load("tiny")
    return measuring.load_and_weigh("load_big", lambda: _load("net"))


def fork(_: Path) -> Figures:
    import torch

    bentoml.pytorch.save_model("tiny", measuring.tiny_net())

    def warm_up() -> None:
        _load("tiny")(torch.ones(1, 8))

    def load_and_run() -> object:
        net = _load("net")
        with torch.no_grad():
            net(torch.ones(1, 2048))
        return net

    return {"fork": measuring.forked(warm_up, load_and_run)}


def tensors(_: Path) -> Figures:
    net = measuring.many_tensors()
    bentoml.pytorch.save_model("tiny", measuring.tiny_net())
    return {"tensors": [measuring.seconds(lambda: bentoml.pytorch.save_model("tensors", net)) for _ in range(3)]}


def load_tensors(_: Path) -> Figures:
    bentoml.pytorch.save_model("tiny", measuring.tiny_net())
    _load("tiny")
    return measuring.first_loads({"load_tensors": lambda: _load("tensors")})


def forest(_: Path) -> Figures:
    model = measuring.forest()
    bentoml.sklearn.save_model("warm", measuring.iris_models(1)[0])
    return {"forest": [measuring.seconds(lambda: bentoml.sklearn.save_model("forest", model)) for _ in range(3)]}


def load_forest(_: Path) -> Figures:
    import sklearn.ensemble  # noqa: F401  # imports are not timed

    bentoml.sklearn.save_model("warm", measuring.iris_models(1)[0])
    bentoml.sklearn.load_model("warm:latest")
    return measuring.first_loads({"load_forest": lambda: bentoml.sklearn.load_model("forest:latest")})


def small(_: Path) -> Figures:
    models = measuring.iris_models(21)
    bentoml.sklearn.save_model("small", models.pop())
    return {"small": measuring.repeated(20, lambda: bentoml.sklearn.save_model("small", models.pop()))}


def many(_: Path) -> Figures:
    """Make 1,000 versions without files: the cheapest way that there is."""
    for number in measuring.patiently(range(1000)):
        with bentoml.models.create("iris", labels={"accuracy": f"{number / 10_000}"}):
            pass
    return {}


def versions_1000(_: Path) -> Figures:
    import pandas as pd

    def list_all(name: str, count: int) -> None:
        models = bentoml.models.list(name)
        frame = pd.DataFrame(
            [(str(each.tag), each.info.module, each.creation_time, each.info.labels) for each in models],
            columns=["tag", "module", "created", "labels"],
        )
        if len(frame) != count:
            raise AssertionError(f"{len(frame)} versions instead of {count}")

    with bentoml.models.create(f"other{os.getpid()}"):
        pass
    list_all(f"other{os.getpid()}", 1)
    return {"versions_1000": [measuring.seconds(lambda: list_all("iris", 1000))]}


def resolve(_: Path) -> Figures:
    some = str(bentoml.models.list("iris")[500].tag)
    return {
        "newest_1000": measuring.median_of(200, lambda: bentoml.models.get("iris:latest")),
        "number_1000": measuring.median_of(200, lambda: bentoml.models.get(some)),
    }


def _load(name: str):
    # torch refuses whole modules since 2.6 unless it is told that they are trusted.
    return bentoml.pytorch.load_model(f"{name}:latest", weights_only=False)


def _store() -> Path:
    return Path(os.environ["BENTOML_HOME"]) / "models"


def _forget(name: str) -> None:
    shutil.rmtree(_store() / name, ignore_errors=True)


if __name__ == "__main__":
    measuring.answer(
        {
            work.__name__: work
            for work in (
                big, memory, load_big, fork, forest, load_forest, tensors, load_tensors, small, many, versions_1000,
                resolve,
            )
        }
    )  # fmt: skip
