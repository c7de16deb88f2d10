"""Writes the golden registry of format 1: cd tests/golden && python write_format_1.py, with Python 3.11.

It was run once, and what it wrote is committed and read by the tests for ever. It is run again only to make a registry of
a new format, under a new name, beside the old ones.
"""

import dataclasses
import functools
import os
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path("format_1")
os.environ["VESSL_NB_REGISTRY"] = str(ROOT)
os.environ["VESSL_NB_ORGANIZATION"] = "default"

import numpy as np
import torch

import vessl_nb as vessl

# A module beside the script, which travels along.
Path("golden_words.py").write_text("def shout(text):\n    return text.upper()\n")
sys.path.insert(0, "")
import golden_words

SCALE = np.linspace(0.0, 1.0, 1000)


@dataclasses.dataclass(frozen=True)
class Rounding:
    digits: int = 3

    def apply(self, number):
        return round(float(number), self.digits)


class Answer(NamedTuple):
    value: float
    unit: str = "m"


@functools.singledispatch
def describe(value):
    return "something"


@describe.register
def _(value: str):
    return f"text of {len(value)}"


class Table:
    """A model whose class is written in the notebook."""

    def __init__(self) -> None:
        self.values = np.arange(1000.0)
        self.shift = lambda x: x + self.offset
        self.offset = 0.5

    def look_up(self, index):
        return self.shift(self.values[index] * SCALE[index])


class TableRunner(vessl.RunnerBase):
    @staticmethod
    def preprocess_data(data):
        return data["index"]

    @staticmethod
    def predict(model, data):
        return model.look_up(data)

    @staticmethod
    def postprocess_data(data):
        return Answer(Rounding().apply(data))._asdict() | {"kind": describe("abc")}


class FileRunner(vessl.RunnerBase):
    @staticmethod
    def save_model(model):
        Path("model.txt").write_text(model)
        return {"path": "model.txt"}

    @staticmethod
    def load_model(props, artifacts):
        return Path(props["path"]).read_text() + Path(artifacts["labels/*"].replace("*", "a.txt")).read_text()

    @staticmethod
    def predict(model, data):
        return model


class WordRunner(vessl.RunnerBase):
    @staticmethod
    def predict(model, data):
        return [golden_words.shout(model["text"][data * 7 : data * 7 + 6]), model["bytes"][data], model["step"]]


class Net(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(64, 64)
        self.tied = torch.nn.Linear(64, 64)
        self.tied.weight = self.linear.weight

    def forward(self, x):
        return self.tied(self.linear(x))


def main() -> None:
    if ROOT.exists():
        sys.exit(f"{ROOT} exists: golden registries are never written again.")
    samples = [{"index": 3}, {"index": 999}]
    vessl.register_model(
        "Tables", None, TableRunner, Table(), ["numpy"], sample=samples, tags={"accuracy": 0.5, "note": "ü", "ok": True},
        aliases=["champion"], description="The first.",
    )  # fmt: skip
    labels = Path("labels")
    labels.mkdir()
    (labels / "a.txt").write_text(" and labels")
    vessl.register_model("Tables", None, FileRunner, "weights", artifacts={"labels/*": "labels/*"}, env=["HOME"])
    vessl.register_model("Tables", 2, FileRunner, "weights, again", artifacts={"labels/*": "labels/*"})
    vessl.set_alias("Tables:2@1", "previous")
    (labels / "a.txt").unlink()
    labels.rmdir()
    torch.manual_seed(0)
    vessl.register_torch_model(
        "nets", None, Net(), preprocess_data=torch.tensor, postprocess_data=lambda y: y.shape, organization_name="lab"
    )
    vessl.create_model("nets", model_name="files only", repository_description="d", organization_name="lab")
    words = {"text": "wörter " * 50_000, "bytes": bytes(range(256)) * 2_000, "step": 1}
    for _ in range(4):
        vessl.register_model("words", None, WordRunner, words, sample=[0, 1])
    vessl.check("Tables:1", record=True)
    vessl.archive("words:4")
    vessl.purge("words:3", example=0)
    vessl.purge("words:2")
    vessl.delete_model("words", 1)
    Path("golden_words.py").unlink()


if __name__ == "__main__":
    main()
