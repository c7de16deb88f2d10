"""What gc, purge, delete and the archive do to versions, and which writers count."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

import vessl_nb as vessl
from vessl_nb.errors import InvalidArgument, NotFound, RegistryError
from vessl_nb.registry.documents import Deleted
from vessl_nb.registry.fsck import check_registry
from vessl_nb.registry.garbage import collect_garbage
from vessl_nb.registry.registry import Registry, open_registry
from vessl_nb.storage.writers import LEASE, find_writers


@pytest.fixture(scope="module")
def dead():
    """Give the number of a process that is no more."""
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


def delete(registry, number):
    registry.commit("default", "iris", lambda _: Deleted(number=number))


# Leases


@pytest.fixture
def card_of(registry_root):
    """Give a function that makes a writer's folder, with its card changed, and tells whether gc counts it."""
    open_registry().make()
    writer = open_registry().folder.writer
    card = json.loads((writer.folder / "writer.json").read_text())

    def counts(age=0.0, **changes):
        folder = registry_root / "writers" / "other"
        folder.mkdir(exist_ok=True)
        (folder / "writer.json").write_text(json.dumps(card | changes))
        os.utime(folder / "writer.json", (time.time() - age,) * 2)
        (folder / "1.tmp").write_bytes(b"half written")
        return next(found.counts for found in find_writers(registry_root, writer.now()) if found.id == "other")

    return counts


def test_a_living_process_of_this_machine_counts_however_long_it_says_nothing(card_of):
    assert card_of(age=LEASE * 100)


def test_a_dead_one_does_not_nor_one_whose_number_another_process_has_now(card_of, dead):
    assert not card_of(pid=dead)
    assert not card_of(started="1")


def test_one_of_another_machine_counts_as_long_as_its_lease(card_of):
    assert card_of(machine="another", age=LEASE * 0.9)
    assert not card_of(machine="another", age=LEASE * 1.1)


def test_a_folder_that_is_just_being_made_counts(card_of, registry_root):
    card_of()
    (registry_root / "writers/other/writer.json").unlink()
    found = find_writers(registry_root, open_registry().folder.writer.now())
    assert {writer.counts for writer in found} == {True}


def test_gc_takes_away_what_killed_writers_were_writing(card_of, registry_root, dead):
    card_of(pid=dead)
    assert collect_garbage(dry_run=True).leftovers == len(b"half written")
    assert (registry_root / "writers/other").exists()
    assert collect_garbage().leftovers == len(b"half written")
    assert not (registry_root / "writers/other").exists()


# What gc, purge and delete do to versions


def make_echo():
    class Echo(vessl.RunnerBase):
        @staticmethod
        def predict(model, data):
            return data

    return Echo


Echo = make_echo()


def register(content, **said):
    return vessl.register_model("iris", said.pop("number", None), Echo, content, **said)


def test_a_dry_run_says_what_would_be_freed_and_frees_nothing(snapshot):
    register(bytes(3_000_000))
    register(b"x" * 2_000_000)
    vessl.delete_model("iris", 2)
    before = snapshot()
    freed = collect_garbage(dry_run=True)
    assert freed.size > 2_000_000
    assert snapshot() == before
    assert collect_garbage() == freed
    assert collect_garbage().blobs == 0
    assert vessl.load("iris").model == bytes(3_000_000)


def test_gc_frees_nothing_where_it_cannot_know_what_is_needed(registry_root, monkeypatch):
    register(b"a" * 2_000_000)
    register(b"b" * 2_000_000)
    vessl.delete_model("iris", 2)
    (registry_root / "journal/default/iris/00000002.json").unlink()
    with pytest.raises(RegistryError, match=r"gc freed nothing: .*00000002\.json is missing"):
        collect_garbage()
    assert sum(path.stat().st_size > 1_000_000 for path in registry_root.glob("blobs/*/*")) == 2
    assert not list(registry_root.glob("trash/*/*"))


def test_a_deleted_model_is_gone_with_its_aliases_and_its_number_is_not_used_again():
    register("one", aliases=["champion"])
    register("two")
    register("two again", number=2)
    vessl.delete_model("iris", 2)
    assert list(vessl.versions("iris")["reference"]) == ["iris:1"]
    for reference in ("iris:2", "iris:2@1"):
        with pytest.raises(NotFound, match="iris:2 was deleted"):
            vessl.load(reference)
    with pytest.raises(NotFound, match="was deleted"):
        register("three", number=2)
    with pytest.raises(NotFound, match="was deleted"):
        vessl.delete_model("iris", 2)
    assert register("three").number == 3
    vessl.delete_model("iris", 1)
    with pytest.raises(NotFound, match="no alias 'champion'"):
        vessl.load("iris:champion")


def test_an_archived_model_is_passed_over_and_still_found_by_number_and_alias():
    register("one")
    register("two", aliases=["champion"])
    assert vessl.archive("iris").reference == "iris:2"
    assert vessl.load("iris").model == "one"
    assert vessl.load("iris:2").model == vessl.load("iris:champion").model == "two"
    assert vessl.versions("iris").set_index("number")["archived"].to_dict() == {2: True, 1: False}
    vessl.archive("iris:1")
    with pytest.raises(NotFound, match="no version that can be served") as caught:
        vessl.load("iris")
    assert "unarchive('iris:2')" in caught.value.next_step
    vessl.unarchive("iris:2")
    assert vessl.load("iris").model == "two"


def test_archiving_twice_writes_once(registry_root):
    register("one")
    for _ in range(2):
        vessl.archive("iris:1")
    assert len(list((registry_root / "journal/default/iris").iterdir())) == 2


SECRET = b"the secret that should not have been there"


def is_anywhere(*folders):
    return any(SECRET in path.read_bytes() for folder in folders for path in folder.rglob("*") if path.is_file())


def test_a_purged_version_is_gone_for_good_volume_and_all(registry_root, tmp_path, monkeypatch):
    class Loads(vessl.RunnerBase):
        @staticmethod
        def load_model(props, artifacts):
            return Path("key.txt").read_bytes()

        @staticmethod
        def predict(model, data):
            return model

    monkeypatch.chdir(tmp_path)
    (tmp_path / "notebook").mkdir()
    (tmp_path / "notebook/key.txt").write_bytes(SECRET)
    vessl.create_model("iris", paths=[])
    version = vessl.register_model("iris", 1, Loads, artifacts={"notebook/key.txt": "key.txt"}, aliases=["champion"])
    register("kept")
    assert vessl.load("iris:1").model == SECRET
    assert is_anywhere(registry_root)
    assert is_anywhere(tmp_path / "cache")
    said = repr(vessl.purge(version.reference))
    assert "Purged iris:1" in said
    assert "Not reached: backups" in said
    assert not is_anywhere(registry_root, tmp_path / "cache")
    with pytest.raises(NotFound, match="iris:1 was purged"):
        vessl.load("iris:1")
    with pytest.raises(NotFound, match="champion"):
        vessl.load("iris:champion")
    assert vessl.load("iris").model == "kept"
    assert check_registry(open_registry()).problems == []


def test_of_a_purged_revision_the_one_before_is_the_newest():
    register("one")
    register("two", number=1)
    vessl.purge("iris:1")
    assert vessl.load("iris:1").model == "one"
    assert register("three", number=1).revision == 3
    assert vessl.load("iris").model == "three"


def test_one_example_is_purged_and_the_others_stay(registry_root):
    samples = [{"x": 1}, {"key": SECRET.decode()}, {"x": 3}]
    register("model", sample=samples)
    vessl.purge("iris:1", example=1)
    assert [example["input"] for example in vessl.load("iris:1").version.examples] == [{"x": 1}, {"x": 3}]
    assert not is_anywhere(registry_root)
    for example in (2, -1, 1.0, True):
        with pytest.raises(InvalidArgument, match="There is no example"):
            vessl.purge("iris:1", example=example)
    for _ in range(2):
        vessl.purge("iris:1", example=0)
    assert vessl.load("iris:1").version.examples == []


def test_what_another_version_shares_stays_and_that_is_said(registry_root):
    shared = SECRET * 50_000
    register({"weights": shared, "step": 1})
    register({"weights": shared, "step": 2})
    report = vessl.purge("iris:1")
    assert {name for names in report.shared.values() for name in names} == {"iris:2"}
    assert "with iris:2" in repr(report)
    assert vessl.load("iris:2").model["weights"] == shared
    assert vessl.purge("iris:2").shared == {}
    assert not is_anywhere(registry_root)


def test_a_version_whose_manifest_is_lost_can_be_given_up(registry_root):
    version = register(b"a" * 2_000_000)
    register("kept")
    digest = version._revision.registered.manifest.digest
    (registry_root / "blobs" / digest[:2] / digest).unlink()
    with pytest.raises(RegistryError, match="vessl-nb purge"):
        collect_garbage()
    vessl.purge("iris:1")
    assert collect_garbage().size >= 2_000_000
    assert vessl.load("iris").model == "kept"


def test_a_purged_secret_is_gone_though_the_next_version_shares_all_else(registry_root):
    def runner(key):
        namespace = {"vessl": vessl, "__name__": "__main__", "KEY": key}
        code = "class R(vessl.RunnerBase):\n    @staticmethod\n    def predict(model, data): return len(KEY)"
        exec(code, namespace)
        return namespace["R"]

    weights = [bytes(2_000_000), "words " * 100_000]
    vessl.register_model("iris", None, runner(SECRET), weights)
    vessl.register_model("iris", None, runner(b"none"), weights)
    assert is_anywhere(registry_root)
    vessl.purge("iris:1")
    assert not is_anywhere(registry_root)
    assert vessl.load("iris:2").run(None) == 4


def test_purging_names_a_number_and_says_which_revisions_remain():
    register("one", aliases=["champion"])
    register("two", number=1)
    for reference in ("iris", "iris:champion"):
        with pytest.raises(InvalidArgument, match="may mean another version tomorrow"):
            vessl.purge(reference)
    report = vessl.purge("iris:1")
    assert (report.reference, report.revisions) == ("iris:1@2", ("iris:1@1",))
    assert "Still there of the same number: iris:1@1." in repr(report)


def test_what_a_registration_under_way_may_want_is_purged_by_the_next_gc(registry_root):
    register(SECRET * 50_000)
    with open_registry().pins() as pins:
        open_registry().blobs.store([SECRET * 50_000], pins)
        blobs = {path.name for path in registry_root.glob("blobs/*/*")}
        pins.add(blobs)
        assert "run vessl-nb gc when it is done" in repr(vessl.purge("iris:1"))
    collect_garbage()
    assert not is_anywhere(registry_root)


def test_a_purge_that_can_free_nothing_says_that_it_is_marked(registry_root):
    register(SECRET * 50_000)
    broken = register("broken")
    digest = broken._revision.registered.manifest.digest
    (registry_root / "blobs" / digest[:2] / digest).unlink()
    with pytest.raises(RegistryError, match="iris:1 is purged, but what it held is not freed yet") as caught:
        vessl.purge("iris:1")
    assert "vessl-nb gc" in caught.value.next_step
    vessl.purge("iris:2")
    collect_garbage()
    assert not is_anywhere(registry_root)


def test_an_alias_is_not_set_on_what_was_deleted_meanwhile():
    register("one")
    register("two")
    other = Registry(open_registry().root)
    other.repository("default", "iris")
    resolve = Registry.resolve

    def resolve_and_delete(self, reference):
        found = resolve(self, reference)
        delete(other, 2)
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Registry, "resolve", resolve_and_delete)
        with pytest.raises(NotFound, match="iris:2 was deleted"):
            vessl.set_alias("iris:2", "champion")
    assert vessl.load("iris").version.aliases == ()


def test_taking_back_from_the_archive_names_a_number():
    register("one")
    vessl.archive("iris:1")
    with pytest.raises(InvalidArgument, match="'iris' has no number"):
        vessl.unarchive("iris")
