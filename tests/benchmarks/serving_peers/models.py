"""What every server serves: a dot product, one that takes its time, and 403 MB of torch."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

WEIGHTS = [0.1, 0.2, 0.3, 0.4]
"""The model of the dot product."""

SLEEP = 0.01
"""How many seconds the slow model takes."""

WIDTH = 2048
"""How many numbers the net takes."""


def dot(weights: Sequence[float], x: Sequence[float]) -> float:
    """Multiply."""
    return sum(weight * value for weight, value in zip(weights, x, strict=True))


def slow_dot(weights: Sequence[float], x: Sequence[float]) -> float:
    """Multiply, after a while."""
    time.sleep(SLEEP)
    return dot(weights, x)


def make_net(layers: int = 24) -> Any:
    """Make a torch model, of 403 MB where nothing else is said."""
    import torch

    torch.manual_seed(0)
    return torch.nn.Sequential(*(torch.nn.Linear(WIDTH, WIDTH) for _ in range(layers)))


def run_net(net: Any, x: Sequence[float]) -> float:
    """Let the net answer."""
    import torch

    with torch.no_grad():
        return float(net(torch.tensor(x, dtype=torch.float32)).sum())


def save_net(home: Path) -> Path:
    """Save the net with torch, for those who keep no models."""
    import torch

    path = home / "net.pt"
    if not path.exists():
        torch.save(make_net(), path)
    return path


def load(model: str, home: Path) -> Callable[[Sequence[float]], dict[str, Any]]:
    """Load one of the models, and make what answers with it, as a server's author writes it by hand.

    Parameters
    ----------
    model
        ``dot``, ``slow`` or ``net``.
    home
        Where `save_net` has saved.

    Returns
    -------
    callable
        Takes the numbers, and gives the answer; that of the net tells which process gave it.
    """
    if model == "net":
        import torch

        net = torch.load(home / "net.pt", weights_only=False)
        return lambda x: {"y": run_net(net, x), "pid": os.getpid()}
    run = dot if model == "dot" else slow_dot
    return lambda x: {"y": run(WEIGHTS, x)}


def said() -> tuple[str, Path, int, int]:
    """Give what the script was told: the model, its folder, the port and the number of workers."""
    model, home, port, workers = sys.argv[2:6]
    return model, Path(home), int(port), int(workers)


def has_to_prepare() -> bool:
    """Tell whether the script is to prepare a model, ``prepare MODEL HOME``; else it serves one."""
    return sys.argv[1] == "prepare"
