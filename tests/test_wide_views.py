"""Views that keep much more alive than they show are pointed out, and no others."""

from __future__ import annotations

import pytest

import vessl_nb as vessl

torch = pytest.importorskip("torch")


def register(model, **names):
    class Runner(vessl.RunnerBase):
        @staticmethod
        def predict(model, data):
            return model

    return vessl.register_model("views", None, Runner, model)


class Net(torch.nn.Module):
    def __init__(self, weight):
        super().__init__()
        self.head = torch.nn.Linear(2, 2)
        self.head.weight = torch.nn.Parameter(weight)


BIG = torch.arange(4_000_000.0)


def test_a_view_that_keeps_a_large_storage_alive_is_named_with_the_way_out():
    expected = r"model\.head\.weight keeps a storage of 16\.0 MB alive, of which 16 B are used.* model\.head\.weight\.clone\(\)"
    with pytest.warns(UserWarning, match=expected):
        version = register(Net(BIG[:4].view(2, 2)))
    assert version.added > 16_000_000


@pytest.mark.parametrize(
    ("model", "name"),
    [([{"rows": BIG[10:20]}], r"model\[0\]\['rows'\]"), (BIG.view(2000, 2000)[:5], "model")],
)
def test_it_is_named_wherever_it_is(model, name):
    with pytest.warns(UserWarning, match=f"^{name} keeps"):
        register(model)


def test_one_that_the_runner_takes_along_is_named_by_its_name(monkeypatch):
    namespace = {"vessl": vessl, "__name__": "__main__", "TABLE": BIG[:3]}
    exec("class R(vessl.RunnerBase):\n    @staticmethod\n    def predict(model, data): return TABLE[data]", namespace)
    with pytest.warns(UserWarning, match="^TABLE keeps"):
        vessl.register_model("views", None, namespace["R"], 1)


@pytest.mark.parametrize(
    "model",
    [
        [BIG, BIG[:3]],
        [BIG[start : start + 1_000_000] for start in range(0, 4_000_000, 1_000_000)],
        BIG[:3].clone(),
        BIG[:3_000_000],
        torch.zeros(1).expand(5_000_000),
        torch.arange(100_000.0)[:2],
        torch.eye(3).to_sparse(),
        torch.zeros(0),
    ],
    ids=["with its base", "all of a flat storage", "a clone", "most of it", "expanded", "small", "sparse", "empty"],
)
def test_what_is_used_or_small_is_not_mentioned(model):
    register(model)  # a warning would be an error
