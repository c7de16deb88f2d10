"""safetensors: the weights alone in a file; the module is made by the code that loads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import measuring
import torch
from safetensors.torch import load_file, save_file

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from measuring import Figures


def big(folder: Path) -> Figures:
    net, path = measuring.big_net(), folder / "big.safetensors"
    _save(measuring.tiny_net(), folder / "warm.safetensors")
    return {"big": [measuring.seconds(lambda: _save(net, path)) for _ in range(3)]}


def memory(folder: Path) -> Figures:
    net = measuring.big_net()
    _save(measuring.tiny_net(), folder / "warm.safetensors")
    return {"memory": [measuring.peak_memory(lambda: _save(net, folder / "memory.safetensors"))]}


def load_big(folder: Path) -> Figures:
    _save(measuring.tiny_net(), folder / "warm.safetensors")
    _load(measuring.tiny_net, folder / "warm.safetensors")
    return measuring.load_and_weigh("load_big", lambda: _load(measuring.big_net, folder / "big.safetensors"))


def fork(folder: Path) -> Figures:
    _save(measuring.tiny_net(), folder / "warm.safetensors")

    def warm_up() -> None:
        _load(measuring.tiny_net, folder / "warm.safetensors")(torch.ones(1, 8))

    def load_and_run() -> object:
        net = _load(measuring.big_net, folder / "big.safetensors")
        with torch.no_grad():
            net(torch.ones(1, 2048))
        return net

    return {"fork": measuring.forked(warm_up, load_and_run)}


def tensors(folder: Path) -> Figures:
    net, path = measuring.many_tensors(), folder / "tensors.safetensors"
    _save(measuring.tiny_net(), folder / "warm.safetensors")
    return {"tensors": [measuring.seconds(lambda: _save(net, path)) for _ in range(3)]}


def load_tensors(folder: Path) -> Figures:
    _save(measuring.tiny_net(), folder / "warm.safetensors")
    _load(measuring.tiny_net, folder / "warm.safetensors")
    path = folder / "tensors.safetensors"
    return measuring.first_loads({"load_tensors": lambda: _load(measuring.many_tensors, path)})


def _save(net, path: Path) -> None:
    save_file(net.state_dict(), path)
    measuring.sync(path)


def _load(make: Callable[[], object], path: Path):
    with torch.device("meta"):  # no memory, and no random numbers, for weights that are replaced
        net = make()
    net.load_state_dict(load_file(path), assign=True)
    return net


if __name__ == "__main__":
    measuring.answer({work.__name__: work for work in (big, memory, load_big, fork, tensors, load_tensors)})
