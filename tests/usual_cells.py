"""The cells that many tests begin with: a model, and a runner for it."""

from __future__ import annotations

MODEL = """
class Scale:
    def __init__(self, factor): self.factor = factor
    def predict(self, data): return [self.factor * x for x in data]
clf = Scale(2)
"""

RUNNER = """
class Iris(vessl.RunnerBase):
    @staticmethod
    def preprocess_data(data): return data["x"]
    @staticmethod
    def predict(model, data): return model.predict(data)
"""
