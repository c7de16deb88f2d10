"""What the scripts of all tools share: the models, the clock, memory, and how a child tells its figures.

Each script runs under its tool's own interpreter: ``python mlflow_peer.py WORK FOLDER TURN`` does one work in a scratch
folder and prints its figures as one line of JSON, or why there are none. Nothing here needs more than the tool's
environment has: torch and scikit-learn are imported where a model is made.
"""

from __future__ import annotations

import contextlib
import gc
import json
import multiprocessing
import os
import shutil
import statistics
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

Figures = dict[str, list[float]]
"""Figures by name: seconds or bytes. ``load: mmap`` is a second way to the same as ``load``."""

PROCESSES = 4
"""How many processes load a model at once."""

STEADY = 20
"""How many registrations around the 1st and the 1,000th are compared."""

PATIENCE = 300
"""Who takes longer than these seconds to make 1,000 versions is left out of the listing."""


def answer(works: dict[str, Callable[[Path], Figures]]) -> None:
    """Do the work that the command line names, and print its figures, or ``{"error": why there are none}``."""
    name, folder, _ = sys.argv[1:]
    out = sys.stdout
    with contextlib.redirect_stdout(sys.stderr):  # some tools print as they register
        try:
            told = works[name](Path(folder)) if name in works else {"error": "no such thing"}
        except Exception as error:  # noqa: BLE001  # a tool may fail in any way; the others are measured all the same
            told = {"error": first_line(error)}
    print(json.dumps(told), file=out)


def first_line(error: Exception) -> str:
    """Say an error in one line."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def turn() -> int:
    """Tell which turn this is, from 0 on: what is compared within one process takes turns at being first."""
    return int(sys.argv[3])


def seconds(work: Callable[[], object]) -> float:
    """Time a work, with nothing left to be collected or written by what came before it."""
    _settle()
    return _seconds(work)


def repeated(times: int, work: Callable[[], object]) -> list[float]:
    """Time something short again and again, as a loop does it: collecting before each would cool the caches."""
    _settle()
    return [_seconds(work) for _ in range(times)]


def _settle() -> None:
    gc.collect()
    os.sync()


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    result = work()
    took = time.perf_counter() - start
    del result  # after the clock has stopped: freeing 400 MB takes its time
    return took


def first_loads(works: dict[str, Callable[[], object]]) -> Figures:
    """Time loads, each the first of its kind in this process; what was loaded stays, so that none gets used memory."""
    kept: list[object] = []
    names = sorted(works, reverse=bool(turn() % 2))
    return {name: [seconds(lambda name=name: kept.append(works[name]()))] for name in names}


def load_and_weigh(name: str, load: Callable[[], object]) -> Figures:
    """Time a load, and measure the memory that it takes, before the model runs."""
    kept: list[object] = []
    before = resident()
    took = seconds(lambda: kept.append(load()))
    return {name: [took], f"{name}_memory": [resident() - before]}


def peak_memory(work: Callable[[], object]) -> float:
    """Measure the memory that a work takes at its peak, in bytes above what the process has before it.

    The high-water mark is set back first. ``ru_maxrss`` would not do: a child inherits it from its parent.
    """
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")
    before = _proc("status", "VmRSS")
    work()
    return _proc("status", "VmHWM") - before


def resident() -> float:
    """Count the bytes of this process that are in memory, shared ones included."""
    return _proc("smaps_rollup", "Private_Clean", "Private_Dirty", "Shared_Clean", "Shared_Dirty")


def private() -> float:
    """Count the bytes in memory that this process has for itself."""
    return _proc("smaps_rollup", "Private_Clean", "Private_Dirty")


def _proc(file: str, *names: str) -> float:
    lines = (line.partition(":") for line in Path(f"/proc/self/{file}").read_text().splitlines())
    return sum(1024.0 * int(rest.split()[0]) for name, _, rest in lines if name in names)


def forked(warm_up: Callable[[], object], load_and_run: Callable[[], object]) -> list[float]:
    """Fork processes that each load a model and run it once; measure what each gets for itself, in bytes.

    Each warms up after the fork, because threads that the parent started would not be there. All have run the model
    before the first one counts: a page that only one process has mapped so far would count as its own.
    """
    context = multiprocessing.get_context("fork")
    barrier, answers = context.Barrier(PROCESSES), context.Queue()

    def child() -> None:
        try:
            warm_up()
            before = private()
            kept = load_and_run()
            barrier.wait(120)
            after = private()
            answers.put(after - before)
            barrier.wait(120)  # all stay until all have counted
            del kept
        except Exception as error:  # noqa: BLE001  # the parent says it
            barrier.abort()
            answers.put(first_line(error))

    processes = [context.Process(target=child) for _ in range(PROCESSES)]
    for process in processes:
        process.start()
    told = [answers.get(timeout=300) for _ in processes]
    for process in processes:
        process.join()
    if errors := [text for text in told if isinstance(text, str)]:
        raise RuntimeError(next((text for text in errors if not text.startswith("BrokenBarrierError")), errors[0]))
    return told


def steady(register: Callable[[str, int], object], count: int = 1000) -> Figures:
    """Time the first registrations and those around the 1,000th, in turns.

    Parameters
    ----------
    register
        Registers something; takes where to, ``"full"`` or ``"new"``, and a number that makes it unlike the others.
    count
        Around which registration.
    """
    for number in patiently(range(count - STEADY // 2)):
        register("full", number)
    figures: Figures = {"new": [], "full": []}
    _settle()
    for number in range(count, count + STEADY):
        for where, took in figures.items():
            took.append(_seconds(lambda where=where, number=number: register(where, number)))
    return figures


def median_of(calls: int, work: Callable[[], object]) -> list[float]:
    """Time many calls of something fast, once warm, and give their median."""
    work()
    return [statistics.median(repeated(calls, work))]


def patiently(numbers: Iterable[int]) -> Iterator[int]:
    """Count on until patience ends."""
    start = time.monotonic()
    for number in numbers:
        if time.monotonic() - start > PATIENCE:
            raise TimeoutError(f"making 1,000 versions takes over {PATIENCE // 60} minutes")
        yield number


def fresh(folder: Path) -> Path:
    """Empty a folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def bytes_in(folder: Path) -> int:
    """Count the bytes of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def sync(path: Path) -> None:
    """Put a file that was just written on disk, with its name."""
    for each in (path, path.parent):
        descriptor = os.open(each, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def write_plainly(path: Path, buffers: Sequence[memoryview]) -> None:
    """Write buffers into one file, and put it on disk: the least that storing them can take."""
    path.unlink(missing_ok=True)
    with path.open("wb", buffering=0) as file:
        for buffer in buffers:
            written = 0
            while written < len(buffer):
                written += file.write(buffer[written:])
        os.fsync(file.fileno())


def buffers_of(net) -> list[memoryview]:
    """Look at a torch model's weights as bytes."""
    return [memoryview(tensor.detach().numpy()).cast("B") for tensor in net.state_dict().values()]


def big_net():
    """Make a torch model of 403 MB: 24 equal layers and a small head."""
    from torch import nn

    return nn.Sequential(*(nn.Linear(2048, 2048) for _ in range(24)), nn.Linear(2048, 10))


def change_head(net) -> None:
    """Train the head alone, say."""
    import torch

    with torch.no_grad():
        net[-1].weight.add_(1)


def many_tensors():
    """Make a torch model of 1,000 tensors of 100 KiB."""
    from torch import nn

    return nn.Sequential(*(nn.Linear(160, 160, bias=False) for _ in range(1000)))


def tiny_net():
    """Make a torch model to warm up with."""
    from torch import nn

    return nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 2))


def forest():
    """Fit a forest of 500 trees."""
    from sklearn.datasets import make_classification
    from sklearn.ensemble import RandomForestClassifier

    features, target = make_classification(5000, 20, random_state=0)
    model = RandomForestClassifier(500, n_jobs=-1, random_state=0).fit(features, target)
    return model.set_params(n_jobs=None)


def iris_models(count: int) -> list:
    """Fit small scikit-learn models, no two of them equal."""
    from sklearn.datasets import load_iris
    from sklearn.linear_model import LogisticRegression

    features, target = load_iris(return_X_y=True)
    return [LogisticRegression(C=c + 1, max_iter=1000).fit(features, target) for c in range(count)]
