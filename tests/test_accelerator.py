"""Weights that are not in the machine's own memory. There is no accelerator here: the CPU's are taken for one's."""

from __future__ import annotations

import pytest

import vessl_nb as vessl
from vessl_nb.storage import pickling

torch = pytest.importorskip("torch")


@pytest.fixture
def elsewhere(monkeypatch):
    """Take every storage for one of an accelerator, and note which are brought into memory, and how often."""
    fetched = []
    bytes_of = pickling._bytes_of

    def noting(untyped):
        fetched.append(untyped.nbytes())
        return bytes_of(untyped)

    monkeypatch.setattr(pickling, "is_in_memory", lambda _: False)
    monkeypatch.setattr(pickling, "_bytes_of", noting)
    return fetched


def test_they_are_brought_into_memory_one_after_the_other_and_come_back_equal(elsewhere):
    net = torch.nn.Sequential(torch.nn.Linear(1024, 1024), torch.nn.Linear(1024, 64), torch.nn.Linear(8, 8))
    net[1].tied = net[0].weight
    pickler = pickling.BufferPickler()
    pickler.dump(net)
    assert sum(elsewhere) < 10_000  # only what stays in the pickle

    vessl.register_torch_model("net", None, net)
    loaded = vessl.load("net").model
    assert loaded[1].tied is loaded[0].weight
    for name, tensor in net.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor), name


def test_what_is_stored_already_is_only_read_once(elsewhere):
    net = torch.nn.Linear(1024, 1024)
    vessl.register_torch_model("net", None, net)
    elsewhere.clear()
    assert vessl.register_torch_model("net", None, net).added < 10_000
    assert elsewhere.count(1024 * 1024 * 4) == 1


def test_where_a_device_is_wanted_that_is_not_here_torch_says_so():
    vessl.register_torch_model("net", None, torch.nn.Linear(2, 2))
    assert vessl.load("net", device="cpu").model.weight.device.type == "cpu"
    with pytest.raises(vessl.VesslError, match="CUDA"):
        vessl.load("net", device="cuda:7")
