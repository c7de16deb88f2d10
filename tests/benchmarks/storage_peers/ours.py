"""vessl_nb, and the floors that its goals compare with, in the same process."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import measuring

import vessl_nb as vessl

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from measuring import Figures


class Runner(vessl.RunnerBase):
    """A runner as notebooks have them; it stands in the script, so it travels by value."""

    @staticmethod
    def preprocess_data(data):
        return data["x"]

    @staticmethod
    def predict(model, data):
        return model.predict([data])

    @staticmethod
    def postprocess_data(data):
        return {"species": int(data[0])}


def big(folder: Path) -> Figures:
    """Register the 403 MB, then again with another head; both against their floors."""
    import blake3

    net = measuring.big_net()
    buffers = measuring.buffers_of(net)
    _warm_up_torch(folder)
    plain = folder / "plain"
    figures: Figures = {name: [] for name in ("write", "big", "hash", "again", "again_bytes")}

    def write() -> None:
        measuring.write_plainly(plain, buffers)

    def register() -> None:
        vessl.register_torch_model("net", None, net)

    def hash_all() -> None:
        for buffer in buffers:
            blake3.blake3(buffer, max_threads=blake3.blake3.AUTO).digest()

    for warm_up in (write, write, hash_all):  # memory never touched before costs a virtual machine dearly
        warm_up()
    for _ in range(3):
        figures["write"].append(measuring.seconds(write))
        plain.unlink()
        registry = _use(measuring.fresh(folder / "big"))
        figures["big"].append(measuring.seconds(register))
        measuring.change_head(net)
        before = measuring.bytes_in(registry)
        figures["hash"].append(measuring.seconds(hash_all))
        figures["again"].append(measuring.seconds(register))
        figures["again_bytes"].append(measuring.bytes_in(registry) - before)
    return figures


def memory(folder: Path) -> Figures:
    net = measuring.big_net()
    _warm_up_torch(folder)
    _use(measuring.fresh(folder / "memory"))
    return {"memory": [measuring.peak_memory(lambda: vessl.register_torch_model("net", None, net))]}


def load_big(folder: Path) -> Figures:
    _warm_up_torch(folder)
    _use(folder / "big")
    return measuring.load_and_weigh("load_big", lambda: vessl.load("net"))


def fork(folder: Path) -> Figures:
    import torch

    def load_and_run() -> object:
        _use(folder / "big")
        loaded = vessl.load("net")
        loaded.run(torch.ones(1, 2048))
        return loaded

    def warm_up() -> None:
        _warm_up_torch(folder / f"{os.getpid()}").run(torch.ones(1, 8))

    _ = vessl.load, vessl.register_torch_model  # imported before the fork
    return {"fork": measuring.forked(warm_up, load_and_run)}


def tensors(folder: Path) -> Figures:
    import torch

    net, path = measuring.many_tensors(), folder / "tensors.pt"
    _warm_up_torch(folder)

    def save() -> None:
        torch.save(net, path)
        measuring.sync(path)

    return _register_against(folder / "tensors", save, lambda: vessl.register_torch_model("net", None, net))


def load_tensors(folder: Path) -> Figures:
    import torch

    _warm_up_torch(folder)
    torch.save(measuring.tiny_net(), folder / "tiny.pt")
    torch.load(folder / "tiny.pt", weights_only=False)
    _use(folder / "tensors")
    floor = folder / "tensors.pt"
    return measuring.first_loads(
        {"load_tensors": lambda: vessl.load("net"), "load_tensors_floor": lambda: torch.load(floor, weights_only=False)}
    )


def forest(folder: Path) -> Figures:
    import joblib

    model, path = measuring.forest(), folder / "forest.joblib"
    _warm_up_sklearn(folder)

    def dump() -> None:
        joblib.dump(model, path)
        measuring.sync(path)

    return _register_against(folder / "forest", dump, lambda: vessl.register_model("forest", None, Runner, model))


def load_forest(folder: Path) -> Figures:
    import joblib
    import sklearn.ensemble  # noqa: F401  # imports are not timed

    _warm_up_sklearn(folder)
    joblib.dump(measuring.iris_models(1), folder / "iris.joblib")
    joblib.load(folder / "iris.joblib")
    _use(folder / "forest")
    return measuring.first_loads(
        {
            "load_forest": lambda: vessl.load("forest"),
            "load_forest_floor": lambda: joblib.load(folder / "forest.joblib"),
        }
    )


def small(folder: Path) -> Figures:
    models = measuring.iris_models(21)
    _warm_up_sklearn(folder)
    _use(measuring.fresh(folder / "small"))
    _register_iris(models.pop())  # which makes the registry
    return {"small": measuring.repeated(20, lambda: _register_iris(models.pop()))}


def many(folder: Path) -> Figures:
    """Make the registries of 1,000 and of 10,000 versions."""
    for count in (1_000, 10_000):
        _use(measuring.fresh(folder / f"many_{count}"))
        for number in range(1, count + 1):
            _register_number(number)
        vessl.set_alias(f"iris:{count // 2}", "champion")
    return {}


def versions_1000(folder: Path) -> Figures:
    return {"versions_1000": [_list_cold(folder, 1_000)]}


def versions_10000(folder: Path) -> Figures:
    return {"versions_10000": [_list_cold(folder, 10_000)]}


def resolve(folder: Path) -> Figures:
    from vessl_nb.registry.names import parse_reference
    from vessl_nb.registry.registry import open_registry

    figures: Figures = {}
    for count in (1_000, 10_000):
        _use(folder / f"many_{count}")
        asked = {"alias": "iris:champion", "newest": "iris", "number": f"iris:{count // 2}"}
        for name, reference in asked.items():
            figures[f"{name}_{count}"] = measuring.median_of(
                200, lambda reference=reference: open_registry().resolve(parse_reference(reference))
            )
    return figures


def steady(folder: Path) -> Figures:
    for where in ("full", "new", "warm"):
        measuring.fresh(folder / where)

    def register(where: str, number: int) -> None:
        _use(folder / where)
        _register_number(number)

    register("warm", 0)
    return measuring.steady(register)


def _use(registry: Path) -> Path:
    os.environ["VESSL_NB_REGISTRY"] = str(registry)
    return registry


def _warm_up_torch(folder: Path) -> vessl.LoadedModel:
    """Register and load something else elsewhere, so that what is imported at the first use is not timed."""
    _use(measuring.fresh(folder / "warm"))
    vessl.register_torch_model("tiny", None, measuring.tiny_net())
    return vessl.load("tiny")


def _warm_up_sklearn(folder: Path) -> None:
    _use(measuring.fresh(folder / "warm"))
    _register_iris(measuring.iris_models(1)[0])
    vessl.load("iris")


def _register_iris(model) -> None:
    vessl.register_model("iris", None, Runner, model, ["scikit-learn"], tags={"accuracy": 0.97})


def _register_number(number: int) -> None:
    vessl.register_model("iris", None, Runner, number, ["numpy"], tags={"accuracy": number / 10_000})


def _register_against(registry: Path, floor: Callable[[], None], register: Callable[[], object]) -> Figures:
    """Time registrations, each the first of its registry, and their floor, in turns; both once before."""
    floors, took = [], []
    for _ in range(4):
        floors.append(measuring.seconds(floor))
        _use(measuring.fresh(registry))
        took.append(measuring.seconds(register))
    return {registry.name: took[1:], f"{registry.name}_floor": floors[1:]}


def _list_cold(folder: Path, count: int) -> float:
    _use(measuring.fresh(folder / "warm"))
    vessl.versions()  # imports pandas, and what else a first use imports
    _use(folder / f"many_{count}")

    def list_all() -> None:
        frame = vessl.versions("iris")
        if len(frame) != count:
            raise AssertionError(f"{len(frame)} versions instead of {count}")

    return measuring.seconds(list_all)


if __name__ == "__main__":
    measuring.answer(
        {
            work.__name__: work
            for work in (
                big, memory, load_big, fork, forest, load_forest, tensors, load_tensors, small, many, versions_1000,
                versions_10000, resolve, steady,
            )
        }
    )  # fmt: skip
