"""Checkpoints: quicker to begin with than the whole journal, never needed, never believed against it."""

from __future__ import annotations

import os
import shutil

import msgspec
import pytest

import vessl_nb as vessl
from vessl_nb.registry import checkpoint, registry, state
from vessl_nb.registry.registry import open_registry
from vessl_nb.storage.folder import Folder


@pytest.fixture(autouse=True)
def interval(monkeypatch):
    """Write checkpoints every four documents, so that a test needs but a few."""
    monkeypatch.setattr(registry, "INTERVAL", 4)


@pytest.fixture
def reads(monkeypatch):
    """List the journal documents that are read."""
    read = Folder.read
    keys = []

    def noting(self, key):
        content = read(self, key)
        keys.extend([key.rpartition("/")[2]] if key.startswith("journal/") else [])
        return content

    monkeypatch.setattr(Folder, "read", noting)
    return keys


def make_models(count, name="iris"):
    for _ in range(count):
        vessl.create_model(name)


CHECKPOINT = "checkpoints/default/iris.msgpack"


def test_a_process_that_begins_reads_only_what_came_since(registry_root, anew, reads):
    make_models(10)
    assert (registry_root / CHECKPOINT).exists()
    anew()
    reads.clear()
    assert len(vessl.list_models("iris")) == 10
    assert set(reads) == {"00000008.json", "00000009.json", "00000010.json"}  # the 8th to hold the checkpoint against


def test_the_fold_is_the_same_with_and_without_a_checkpoint(registry_root, anew, tmp_path):
    class Echo(vessl.RunnerBase):
        @staticmethod
        def predict(model, data):
            return data

    for number in range(6):
        vessl.register_model(
            "iris", None, Echo, number, sample=[1, 2], tags={"n": number, "ü": None}, aliases=[f"a{number}"]
        )
    vessl.register_model("iris", 2, Echo, 7)
    (tmp_path / "words.txt").write_text("words")
    vessl.upload_model_volume_file("iris", 3, str(tmp_path / "words.txt"), "words.txt")
    vessl.archive("iris:5")
    vessl.purge("iris:1", example=0)
    vessl.purge("iris:2@1")
    vessl.delete_model("iris", 4)
    vessl.set_alias("iris:6", "champion")
    make_models(4)
    anew()
    with_checkpoint = open_registry().repository("default", "iris")
    shutil.rmtree(registry_root / "checkpoints")
    anew()
    assert open_registry().repository("default", "iris") == with_checkpoint
    assert (registry_root / CHECKPOINT).exists()


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "remove", "garbage"])
def test_a_damaged_checkpoint_is_passed_over(registry_root, anew, damage):
    make_models(5)
    path = registry_root / CHECKPOINT
    content = path.read_bytes()
    if damage == "remove":
        path.unlink()
    else:
        changed = {"flip": content[:-1] + b"?", "cut": content[:40], "empty": b"", "garbage": os.urandom(99)}
        path.write_bytes(changed[damage])
    anew()
    assert len(vessl.list_models("iris")) == 5


def test_a_checkpoint_of_another_layout_or_registry_is_passed_over(registry_root, anew, monkeypatch, reads):
    make_models(4)
    monkeypatch.setattr(checkpoint, "LAYOUT", 99)
    anew()
    reads.clear()
    assert len(vessl.list_models("iris")) == 4
    assert "00000001.json" in reads

    monkeypatch.undo()
    monkeypatch.setenv("VESSL_NB_REGISTRY", str(registry_root.with_name("other")))
    vessl.create_model("iris", model_name="of the other")
    shutil.copytree(registry_root / "checkpoints", registry_root.with_name("other") / "checkpoints")
    anew()
    assert [model.name for model in vessl.list_models("iris")] == ["of the other"]


def test_a_checkpoint_of_a_journal_that_was_written_anew_is_passed_over(registry_root, anew):
    make_models(4)
    kept = (registry_root / CHECKPOINT).read_bytes()
    for place in ("journal", "heads", "checkpoints"):
        shutil.rmtree(registry_root / place)
    anew()
    vessl.create_model("iris", model_name="anew")
    (registry_root / CHECKPOINT).parent.mkdir(parents=True)
    (registry_root / CHECKPOINT).write_bytes(kept)
    anew()
    assert [model.name for model in vessl.list_models("iris")] == ["anew"]


def test_where_no_checkpoint_can_be_written_there_is_none(registry_root, anew, tmp_path):
    make_models(3)
    (registry_root / "checkpoints").write_text("a file")
    (tmp_path / "cache/registries").parent.mkdir(exist_ok=True)
    (tmp_path / "cache/registries").write_text("a file")
    make_models(5)
    anew()
    assert len(vessl.list_models("iris")) == 8


def test_what_a_checkpoint_holds():
    """To change this is to raise `checkpoint.LAYOUT`: an older one would be read wrongly."""
    fields = {
        struct.__name__: " ".join(field.name for field in msgspec.structs.fields(struct))
        for struct in (state.RepositoryState, state.ModelState, state.Revision)
    }
    assert (checkpoint.LAYOUT, fields) == (
        1,
        {
            "RepositoryState": "organization name description models aliases",
            "ModelState": "number created name added revisions archived deleted",
            "Revision": "registered created purged",
        },
    )
