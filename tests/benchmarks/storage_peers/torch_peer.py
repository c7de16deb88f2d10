"""torch.save and torch.load of the whole module, and put on disk: files, no registry."""

from __future__ import annotations

from typing import TYPE_CHECKING

import measuring
import torch

if TYPE_CHECKING:
    from pathlib import Path

    from measuring import Figures


def big(folder: Path) -> Figures:
    net, path = measuring.big_net(), folder / "big.pt"
    _save(measuring.tiny_net(), folder / "warm.pt")
    return {"big": [measuring.seconds(lambda: _save(net, path)) for _ in range(3)]}


def memory(folder: Path) -> Figures:
    net = measuring.big_net()
    _save(measuring.tiny_net(), folder / "warm.pt")
    return {"memory": [measuring.peak_memory(lambda: _save(net, folder / "memory.pt"))]}


def load_big(folder: Path) -> Figures:
    _save(measuring.tiny_net(), folder / "warm.pt")
    way = {"load_big": False, "load_big: mmap=True": True}
    figures: Figures = {}
    for name in sorted(way, reverse=bool(measuring.turn() % 2)):
        _load(folder / "warm.pt", mmap=way[name])
        told = measuring.load_and_weigh("load_big", lambda name=name: _load(folder / "big.pt", mmap=way[name]))
        figures |= {key + name.removeprefix("load_big"): value for key, value in told.items()}
    return figures


def fork(folder: Path) -> Figures:
    _save(measuring.tiny_net(), folder / "warm.pt")

    def measure(*, mmap: bool) -> list[float]:
        def warm_up() -> None:
            _load(folder / "warm.pt", mmap=mmap)(torch.ones(1, 8))

        def load_and_run() -> object:
            net = _load(folder / "big.pt", mmap=mmap)
            with torch.no_grad():
                net(torch.ones(1, 2048))
            return net

        return measuring.forked(warm_up, load_and_run)

    return {"fork": measure(mmap=False), "fork: mmap=True": measure(mmap=True)}


def _save(net, path: Path) -> None:
    torch.save(net, path)
    measuring.sync(path)


def _load(path: Path, *, mmap: bool):
    return torch.load(path, weights_only=False, mmap=mmap)


if __name__ == "__main__":
    measuring.answer({work.__name__: work for work in (big, memory, load_big, fork)})
