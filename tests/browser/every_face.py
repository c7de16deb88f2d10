"""A notebook in which everything that vessl_nb shows stands, one cell each."""

from __future__ import annotations

SETUP = """
import os
os.environ["VESSL_NB_REGISTRY"] = os.environ["VESSL_NB_REGISTRY"] + "_{registry}"
import numpy as np
import pandas as pd
import vessl_nb as vessl
%load_ext vessl_nb

WEIGHTS = np.linspace(0, 1, 64).reshape(8, 8)
API_KEY = "sk-proj-0123456789abcdefghijABCDEFGHIJ"
TABLE = np.zeros(50_000)
names = ["circle", "square", "triangle"]

class Scale:
    def __init__(self, factor): self.factor = factor

clf = Scale(2)
"""
RUNNER = """%%vessl_runner --model clf --sample '{"pixels": WEIGHTS.tolist(), "nested": {"a": [{"b": [1, 2]}] * 3}}'
class Shapes(vessl.RunnerBase):
    @staticmethod
    def preprocess_data(data):
        return np.array(data["pixels"]) * 16 + TABLE[0]

    @staticmethod
    def predict(model, data):
        shares = np.exp(data.mean(axis=0)[:3] * model.factor / 16)
        return dict(zip(names, (shares / shares.sum()).tolist()))

    @staticmethod
    def postprocess_data(shares):
        return pd.DataFrame({"shape": list(shares), "share": list(shares.values()), "seen": [bool(API_KEY)] * 3})
"""
FAILING = 'vessl.preview(Shapes, {"pixels": [["dark"]]}, clf)'
SEVERAL = (
    'vessl.preview(Shapes, samples=[{"pixels": WEIGHTS}, {"pixels": WEIGHTS.T}, {"pixels": [["dark"]]}], model=clf)'
)
CAPTURES = "%vessl_captures"
REGISTER = """
runner = type("Plain", (vessl.RunnerBase,), {"predict": staticmethod(lambda model, data: [model, data])})
for number in range(1, 24):
    vessl.register_model("shapes", None, runner, number, ["numpy"], check=False, tags={"accuracy": number / 30})
vessl.archive("shapes:3")
%vessl_register shapes --tag accuracy=0.97 --tag data=october --alias champion --description "No third site." --env HOME
"""
TABLE = "table = vessl.versions_table('shapes')\ntable"
FORM = "form = %vessl_register --form\nform"
CHECK = "%vessl_check shapes"
LOAD = "vessl.load('shapes:champion')"

STATIC = (RUNNER, FAILING, SEVERAL, CAPTURES, REGISTER, CHECK, LOAD)
LIVE = (TABLE, FORM)


def cells_for(registry: str) -> tuple[str, ...]:
    """Give the notebook's cells, that write to a registry of that name."""
    return (SETUP.replace("{registry}", registry), *STATIC, *LIVE)
