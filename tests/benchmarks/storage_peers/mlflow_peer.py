"""MLflow, with a SQLite database: its store of plain files is given up."""

from __future__ import annotations

import logging
import os
import shutil
from typing import TYPE_CHECKING

import measuring
import mlflow

if TYPE_CHECKING:
    from pathlib import Path

    from measuring import Figures

TORCH = ["torch==2.13.0"]
SKLEARN = ["scikit-learn==1.9.1"]
"""Requirements that are given are not inferred, which takes seconds."""

FORMATS = {
    "skops": {"serialization_format": "skops", "skops_trusted_types": ["sklearn.tree._tree.Tree"]},
    "cloudpickle": {"serialization_format": "cloudpickle"},
}
"""The first is what MLflow does unless told otherwise, but for the trees, which it has to be told to trust."""

logging.getLogger("mlflow").setLevel(logging.ERROR)


def big(folder: Path) -> Figures:
    net = measuring.big_net()
    artifacts = _use(folder, "big")
    _log_torch(measuring.tiny_net(), "warm")
    figures: Figures = {name: [] for name in ("big", "again", "again_bytes")}
    for _ in range(2):
        shutil.rmtree(artifacts)
        figures["big"].append(measuring.seconds(lambda: _log_torch(net, "net")))
        measuring.change_head(net)
        before = measuring.bytes_in(artifacts.parent)
        figures["again"].append(measuring.seconds(lambda: _log_torch(net, "net")))
        figures["again_bytes"].append(measuring.bytes_in(artifacts.parent) - before)
    return figures


def memory(folder: Path) -> Figures:
    net = measuring.big_net()
    _use(folder, "memory")
    _log_torch(measuring.tiny_net(), "warm")
    return {"memory": [measuring.peak_memory(lambda: _log_torch(net, "net"))]}


def load_big(folder: Path) -> Figures:
    _use(folder, "warm")
    _log_torch(measuring.tiny_net(), "warm")
    mlflow.pytorch.load_model("models:/warm/1")
    _use(folder, "big", is_new=False)
    return measuring.load_and_weigh("load_big", lambda: mlflow.pytorch.load_model(_newest("net")))


def fork(folder: Path) -> Figures:
    import mlflow.pytorch
    import torch

    _new_database(folder)

    def warm_up() -> None:
        _use(folder, f"warm{os.getpid()}")
        _log_torch(measuring.tiny_net(), "warm")
        mlflow.pytorch.load_model("models:/warm/1")(torch.ones(1, 8))
        _use(folder, "big", is_new=False)

    def load_and_run() -> object:
        net = mlflow.pytorch.load_model(_newest("net"))
        with torch.no_grad():
            net(torch.ones(1, 2048))
        return net

    return {"fork": measuring.forked(warm_up, load_and_run)}


def tensors(folder: Path) -> Figures:
    net = measuring.many_tensors()
    _use(folder, "tensors")
    _log_torch(measuring.tiny_net(), "warm")
    return {"tensors": [measuring.seconds(lambda: _log_torch(net, "net")) for _ in range(3)]}


def load_tensors(folder: Path) -> Figures:
    _use(folder, "warm")
    _log_torch(measuring.tiny_net(), "warm")
    mlflow.pytorch.load_model("models:/warm/1")
    _use(folder, "tensors", is_new=False)
    return measuring.first_loads({"load_tensors": lambda: mlflow.pytorch.load_model(_newest("net"))})


def forest(folder: Path) -> Figures:
    model = measuring.forest()
    _use(folder, "forest")
    figures: Figures = {}
    for way, how in FORMATS.items():
        _log_sklearn(measuring.iris_models(1)[0], "warm", **how)
        register = lambda way=way, how=how: _log_sklearn(model, way, **how)  # noqa: E731
        figures[f"forest: {way}"] = [measuring.seconds(register) for _ in range(3)]
    return figures


def load_forest(folder: Path) -> Figures:
    import sklearn.ensemble  # noqa: F401  # imports are not timed

    _use(folder, "warm")
    for way, how in FORMATS.items():
        _log_sklearn(measuring.iris_models(1)[0], way, **how)
        mlflow.sklearn.load_model(_newest(way))
    _use(folder, "forest", is_new=False)
    return measuring.first_loads(
        {f"load_forest: {way}": lambda way=way: mlflow.sklearn.load_model(_newest(way)) for way in FORMATS}
    )


def small(folder: Path) -> Figures:
    models = measuring.iris_models(25)
    _use(folder, "small")
    for given in (None, SKLEARN):
        _log_sklearn(models.pop(), "iris", pip_requirements=given)
    return {
        "small": measuring.repeated(2, lambda: _log_sklearn(models.pop(), "iris", pip_requirements=None)),
        "small: requirements given": measuring.repeated(20, lambda: _log_sklearn(models.pop(), "iris")),
    }


def many(folder: Path) -> Figures:
    """Make 1,000 versions, all of one model: the cheapest way that there is."""
    _use(folder, "many")
    source = _log_sklearn(measuring.iris_models(1)[0], "warm").model_uri
    client = mlflow.MlflowClient()
    client.create_registered_model("iris")
    for number in measuring.patiently(range(1000)):
        client.create_model_version("iris", source, tags={"accuracy": str(number / 10_000)})
    client.set_registered_model_alias("iris", "champion", "500")
    return {}


def versions_1000(folder: Path) -> Figures:
    import pandas as pd

    def list_all(count: int) -> None:
        frame = pd.DataFrame([dict(version) for version in mlflow.search_model_versions(filter_string="name='iris'")])
        if len(frame) != count:
            raise AssertionError(f"{len(frame)} versions instead of {count}")

    _use(folder, "empty")
    list_all(0)
    _use(folder, "many", is_new=False)
    return {"versions_1000": [measuring.seconds(lambda: list_all(1000))]}


def resolve(folder: Path) -> Figures:
    _use(folder, "many", is_new=False)
    client = mlflow.MlflowClient()
    asked = {
        "alias_1000": lambda: client.get_model_version_by_alias("iris", "champion"),
        "newest_1000": lambda: client.search_model_versions(
            "name='iris'", max_results=1, order_by=["version_number DESC"]
        ),
        "number_1000": lambda: client.get_model_version("iris", "500"),
    }
    return {name: measuring.median_of(200, ask) for name, ask in asked.items()}


def _use(folder: Path, name: str, *, is_new: bool = True) -> Path:
    """Turn to a database of its own, new or as it was left; gives the folder of its artifacts."""
    store = folder / name
    if is_new:
        measuring.fresh(store)
        shutil.copy(_new_database(folder), store / "mlflow.db")
    mlflow.set_tracking_uri(f"sqlite:///{store}/mlflow.db")
    if is_new:
        mlflow.create_experiment(name, artifact_location=(store / "artifacts").as_uri())
    mlflow.set_experiment(name)
    return store / "artifacts"


def _new_database(folder: Path) -> Path:
    """Give a database with tables and nothing in them, made once: it takes seconds."""
    template = folder / "template.db"
    if not template.exists():
        mlflow.set_tracking_uri(f"sqlite:///{template}")
        mlflow.search_experiments()
    return template


def _log_torch(net, name: str) -> None:
    mlflow.pytorch.log_model(
        net, name="model", registered_model_name=name, pip_requirements=TORCH, serialization_format="pickle"
    )


def _log_sklearn(model, name: str, pip_requirements=SKLEARN, **how):
    return mlflow.sklearn.log_model(
        model, name="model", registered_model_name=name, pip_requirements=pip_requirements, **how
    )


def _newest(name: str) -> str:
    return f"models:/{name}/latest"


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
