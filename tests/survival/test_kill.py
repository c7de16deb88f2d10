"""kill -9 at any moment: what was committed is whole, what was not is invisible, and gc leaves nothing of it."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time

import numpy as np
import pytest

import vessl_nb as vessl
from vessl_nb.registry import registry as registry_module
from vessl_nb.registry.fsck import check_registry
from vessl_nb.registry.garbage import collect_garbage
from vessl_nb.registry.references import referenced_blobs
from vessl_nb.registry.registry import open_registry
from vessl_nb.storage.blobs import blob_key

KILLS = 300
MEGABYTE = 1_000_000


def make_runner():
    class Runner(vessl.RunnerBase):
        @staticmethod
        def predict(model, data):
            return float(sum(part.sum() for part in model["large"]) + model["seed"])

    return Runner


Runner = make_runner()
BASE = [np.arange(MEGABYTE // 8 * 8.0) + number for number in range(5)]  # 8 MB each
SMALL = [np.arange(2_000.0) + number for number in range(60)]


def make_model(seed):
    """Make a model of 50 MB of which 17 MB, some large and some small, are in no other."""
    large = [*BASE[:3], *(part + seed / 7 for part in BASE[3:])]
    return {"large": large, "small": [*SMALL[:50], *(part + seed for part in SMALL[50:])], "seed": seed}


def register(seed):
    number = 1 if seed % 5 == 4 else None
    return vessl.register_model("iris", number, Runner, make_model(seed), tags={"seed": seed}, sample=seed)


def work(seed):
    """Do in a child what is to be killed: mostly registering, and now and then something else."""
    if seed % 11 == 10:
        collect_garbage()
    elif seed % 13 == 12:
        vessl.set_alias("iris", "champion")
    else:
        register(seed)


def run_in_child(seed, delay):
    """Let a child work, and kill it after a while; give the seconds it took where it was done before, None where not."""
    begun = time.monotonic()
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            registry_module._OPEN.clear()
            work(seed)
        os._exit(0)
    while time.monotonic() - begun < delay:
        if os.waitpid(child, os.WNOHANG)[0]:
            return time.monotonic() - begun
        time.sleep(0.001)
    os.kill(child, signal.SIGKILL)
    killed = os.waitpid(child, 0)[1] == signal.SIGKILL
    return None if killed else time.monotonic() - begun


def check_committed():
    """Load all versions, and look that they are what was registered; give the seeds of those that there are."""
    registry_module._OPEN.clear()
    seeds = set()
    state = open_registry().repository("default", "iris")
    for model in state.living():
        for revision in model.revisions:
            seed = revision.registered.tags["seed"]
            seeds.add(seed)
            name = f"iris:{model.number}@{revision.registered.revision}"
            loaded, expected = vessl.load(name).model, make_model(seed)
            assert loaded["seed"] == seed
            for kind in ("large", "small"):
                assert all(map(np.array_equal, loaded[kind], expected[kind])), (name, kind)
    return seeds


def check_nothing_is_left(root):
    collect_garbage()
    found = {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}
    wanted = {blob_key(digest) for digest in referenced_blobs(open_registry())} | {"format.json"}
    mine = f"writers/{open_registry().folder.writer.id}/writer.json"
    assert {file for file in found - wanted if not file.startswith(("journal/", "heads/", "checkpoints/"))} == {mine}
    assert wanted <= found


@pytest.mark.skipif(not hasattr(os, "fork"), reason="children are forked, so that they begin at once")
def test_300_kills_at_random_points_leave_every_committed_version_whole(registry_root):
    chance = random.Random(20_261_125)
    register(0)
    seconds = run_in_child(1, 60)
    kills = committed = 0
    for seed in range(2, 10 * KILLS):
        took = run_in_child(seed, chance.uniform(0, seconds))
        if took is not None:
            seconds += (took - seconds) / 4  # the machine is quicker and slower at times
            continue
        kills += 1
        if kills % 50 == 0:
            committed += len(check_committed())
            register(seed * 1000)  # the next one works
            check_nothing_is_left(registry_root)
            report = check_registry(open_registry())
            assert (report.problems, report.unreferenced) == ([], 0)
            for model in vessl.list_models("iris")[1:-1]:  # the disk stays small; number 1 goes on being overwritten
                vessl.delete_model("iris", model.number)
            check_nothing_is_left(registry_root)
        if kills == KILLS:
            break
    assert kills == KILLS
    assert committed > KILLS / 50  # some came through before they were killed
