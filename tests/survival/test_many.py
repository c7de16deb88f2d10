"""Many processes at once: writers, readers, gc; few descriptors; and one copy of the weights for all of them."""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
import traceback
from pathlib import Path

import numpy as np
import pytest

import vessl_nb as vessl
from vessl_nb.registry import registry as registry_module
from vessl_nb.registry.fsck import check_registry
from vessl_nb.registry.garbage import collect_garbage
from vessl_nb.registry.registry import open_registry

WRITERS, EACH = 8, 50


def make_runner():
    class Runner(vessl.RunnerBase):
        @staticmethod
        def predict(model, data):
            return model["seed"]

    return Runner


Runner = make_runner()
SHARED = np.arange(200_000.0)


def register(seed, name="iris"):
    model = {"shared": SHARED, "own": np.full(150_000, float(seed)), "seed": seed}
    return vessl.register_model(name, None, Runner, model, tags={"seed": seed}, sample=seed % 3)


def write(number):
    for index in range(EACH):
        register(number * 1000 + index)


def read():
    found = vessl.versions("iris")
    assert found["number"].is_unique
    loaded = vessl.load("iris")
    assert loaded.run(None) == loaded.model["seed"] == loaded.version.tags["seed"] == loaded.model["own"][77]
    assert np.array_equal(loaded.model["shared"], SHARED)


def read_by_alias():
    loaded = vessl.load("iris:champion")
    assert loaded.version.tags["seed"] == loaded.model["seed"] == loaded.model["own"][0]


def move_alias():
    newest = vessl.load("iris").version.number
    for number in (newest, 1):
        vessl.set_alias(f"iris:{number}", "champion")


def delete_others():
    version = register(7, name="others")
    vessl.delete_model("others", version.number)


def collect():
    collect_garbage()
    collect_garbage(dry_run=True)


def repeat(work, is_over, errors, counted):
    """Do something in a process, over and over, until the writers are done."""
    registry_module._OPEN.clear()
    try:
        while not is_over.is_set():
            work()
            with counted.get_lock():
                counted.value += 1
    except BaseException:  # noqa: BLE001  # the test shows it
        errors.put(traceback.format_exc())


def once(work, argument, errors):
    registry_module._OPEN.clear()
    try:
        work(argument)
    except BaseException:  # noqa: BLE001  # as above
        errors.put(traceback.format_exc())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked, so that they begin at once")
def test_8_processes_register_50_versions_each_beside_readers_an_alias_mover_and_gc(registry_root):
    register(0)
    vessl.set_alias("iris:1", "champion")
    context = multiprocessing.get_context("fork")
    errors, is_over = context.Queue(), context.Event()
    counted = {work: context.Value("i", 0) for work in (read, read_by_alias, move_alias, delete_others, collect)}
    beside = [context.Process(target=repeat, args=(work, is_over, errors, count)) for work, count in counted.items()]
    writers = [context.Process(target=once, args=(write, number, errors)) for number in range(1, WRITERS + 1)]
    for process in [*beside, *writers]:
        process.start()
    for process in writers:
        process.join(300)
    is_over.set()
    for process in beside:
        process.join(60)
    assert errors.empty(), errors.get()
    assert [process.exitcode for process in [*writers, *beside]] == [0] * (WRITERS + len(beside))
    assert all(count.value for count in counted.values())
    registry_module._OPEN.clear()
    frame = vessl.versions("iris")
    assert sorted(frame["number"]) == list(range(1, WRITERS * EACH + 2))
    assert sorted(frame["tags.seed"]) == sorted(
        [0, *(number * 1000 + index for number in range(1, WRITERS + 1) for index in range(EACH))]
    )
    for number in range(1, WRITERS * EACH + 2, 40):
        loaded = vessl.load(f"iris:{number}")
        assert loaded.model["own"][-1] == loaded.version.tags["seed"]
    collect_garbage()
    report = check_registry(open_registry())
    assert (report.problems, report.unreferenced) == ([], 0)
    left = [path for path in registry_root.rglob("*") if path.is_file() and path.suffix in {".tmp", ".pin"}]
    assert left == []


def test_a_forest_of_large_trees_loads_with_256_descriptors():
    trees = [np.full(140_000, float(number)) for number in range(600)]  # more than 1 MB each: a blob of its own
    vessl.register_model("forest", None, Runner, {"trees": trees, "seed": 1})
    script = """
import json, resource, vessl_nb as vessl
resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
trees = vessl.load("forest").model["trees"]
print(json.dumps([tree[-1] for tree in trees]))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == list(range(600))


@pytest.mark.skipif(sys.platform != "linux", reason="/proc says whose memory it is")
def test_processes_that_read_all_of_a_model_share_its_memory():
    size = 100_000_000
    vessl.register_model("big", None, Runner, {"weights": np.arange(size / 8), "seed": 1})
    script = """
import os, sys, vessl_nb as vessl, numpy as np
def private():
    lines = open("/proc/self/smaps_rollup").read().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_Dirty"))
vessl.versions()
before = private()
weights = vessl.load("big").model["weights"]
assert weights.sum() > 0
print("read", flush=True)
sys.stdin.readline()
print(private() - before)
"""
    children = [
        subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    for child in children:
        assert child.stdout.readline() == "read\n"
    kilobytes = [int(child.communicate("\n", timeout=60)[0]) for child in children]
    assert max(kilobytes) * 1000 < size / 10, kilobytes


@pytest.mark.skipif(sys.platform != "linux", reason="/proc says which maps there are")
def test_writing_to_a_loaded_model_is_seen_by_nobody_else():
    vessl.register_model("big", None, Runner, {"weights": np.arange(1e6), "seed": 1})
    first, second = (vessl.load("big").model["weights"] for _ in range(2))
    first[:] = 7
    assert second[-1] == 999_999
    assert vessl.load("big").model["weights"][-1] == 999_999
    assert Path("/proc/self/maps").read_text().count(str(open_registry().root)) >= 2
