"""vessl_nb: the models registered, a version served, an alias moved."""

from __future__ import annotations

import sys
import time

import models

import vessl_nb as vessl


class Dot(vessl.RunnerBase):
    """A runner as notebooks have them; it stands in the script, so it travels by value."""

    @staticmethod
    def preprocess_data(data):
        return data["x"]

    @staticmethod
    def predict(model, data):
        return sum(weight * value for weight, value in zip(model, data, strict=True))

    @staticmethod
    def postprocess_data(data):
        return {"y": data}


class Slow(Dot):
    @staticmethod
    def predict(model, data):
        time.sleep(0.01)
        return sum(weight * value for weight, value in zip(model, data, strict=True))


class Net(Dot):
    @staticmethod
    def predict(model, data):
        import torch

        with torch.no_grad():
            return float(model(torch.tensor(data, dtype=torch.float32)).sum())

    @staticmethod
    def postprocess_data(data):
        import os

        return {"y": data, "pid": os.getpid()}


def prepare(model: str) -> None:
    """Register a model, with a sample: so there is a signature that requests are held against."""
    runner = {"dot": Dot, "slow": Slow, "net": Net}[model]
    if model == "net":
        vessl.register_model("net", None, runner, models.make_net(), sample={"x": [0.5] * models.WIDTH}, check=False)
        return
    for _ in range(2):  # to have where an alias can move to
        vessl.register_model(model, None, runner, models.WEIGHTS, sample={"x": [5.1, 3.5, 1.4, 0.2]})
    vessl.set_alias(f"{model}:1", "champion")


def move(number: int) -> None:
    """Move the alias, and tell when that was done."""
    vessl.set_alias(f"dot:{number}", "champion")
    print(time.monotonic())


def serve(model: str, port: int, workers: int) -> None:
    """Serve from the shell's own command."""
    from vessl_nb.cli import main

    reference = f"{model}:champion" if model != "net" else model
    main(["serve", reference, "--port", str(port), "--workers", str(workers)])


if __name__ == "__main__":
    if models.has_to_prepare():
        prepare(sys.argv[2])
    elif sys.argv[1] == "move":
        move(int(sys.argv[2]))
    else:
        model, _, port, workers = models.said()
        serve(model, port, workers)
