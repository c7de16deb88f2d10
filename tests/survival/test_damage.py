"""Files that are damaged or lost: found and named, with what they touch, and the rest stays usable."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import blake3
import numpy as np
import pytest

import vessl_nb as vessl
from vessl_nb import cli
from vessl_nb.errors import Damaged, RegistryError
from vessl_nb.registry import registry
from vessl_nb.registry.fsck import check_registry
from vessl_nb.registry.garbage import collect_garbage
from vessl_nb.registry.registry import open_registry
from vessl_nb.storage.blobs import blob_key

DAMAGES = ["flip", "cut", "empty", "remove"]
EVERY = {"iris:1", "iris:2", "iris:3", "iris:4", "other:1"}
IRIS = "journal/default/iris"
LAST = 5
"""The number of the last document in the journal of iris; the checkpoint goes up to the one before."""


def make_echo():
    class Echo(vessl.RunnerBase):
        @staticmethod
        def predict(model, data):
            return data

    return Echo


Echo = make_echo()


def register(name, seed):
    """Register a model with a large buffer, one in a pack, an example and a file."""
    model = {"large": np.arange(150_000.0) + seed, "small": np.arange(600.0) + seed, "seed": seed}
    Path("words.txt").write_text(f"words {seed}")
    files = {"words.txt": "words.txt"}
    return vessl.register_model(
        name, None, Echo, model, sample=seed, artifacts=files, tags={"n": seed, "words": "right"}
    )


@pytest.fixture(scope="module")
def pristine(tmp_path_factory):
    """Make a registry of two repositories, with something for gc, and a checkpoint of one of them."""
    folder = tmp_path_factory.mktemp("pristine")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VESSL_NB_REGISTRY", str(folder / "registry"))
        patch.setenv("VESSL_NB_CACHE", str(folder / "cache"))
        patch.setattr(registry, "INTERVAL", LAST - 1)
        patch.chdir(folder)
        for seed in (1, 2, 3):
            register("iris", seed)
        vessl.set_alias("iris:2", "champion")
        register("iris", 4)
        register("other", 6)
        register("other", 7)
        vessl.delete_model("other", 2)
    assert (folder / "registry/checkpoints/default/iris.msgpack").exists()
    return folder / "registry"


@pytest.fixture(params=[True, False], ids=["with a checkpoint", "without one"])
def has_checkpoint(request):
    return request.param


@pytest.fixture
def root(pristine, registry_root, tmp_path, monkeypatch):
    """Give the test a copy of it, and a notebook's folder to work in."""
    shutil.copytree(pristine, registry_root, ignore=shutil.ignore_patterns("writers"))
    (tmp_path / "notebook").mkdir()
    monkeypatch.chdir(tmp_path / "notebook")
    monkeypatch.setattr(registry, "INTERVAL", LAST - 1)
    return registry_root


def damage(path, how, at=0.5):
    content = bytearray(path.read_bytes())
    path.chmod(0o600)
    if how == "remove":
        path.unlink()
        return
    if how == "flip":
        content[int(len(content) * at)] ^= 1
    path.write_bytes({"flip": content, "cut": content[: len(content) // 2], "empty": b""}[how])


def blobs_of(reference):
    """Name the files that a version needs, by what they hold."""
    version = vessl.load(reference).version
    said = version._revision.registered
    homes = [place.home for place in version.manifest.places()]
    large = max(version.manifest.places(), key=lambda place: place.length)
    pack = version.files["words.txt"].home
    named = {"manifest": said.manifest.home, "examples": said.examples.home, "pack": pack, "large": large.home}
    return {kind: blob_key(home) for kind, home in named.items()}, {
        blob_key(home) for home in (*homes, said.manifest.home, said.examples.home)
    }


def sizes(root):
    return {path: path.stat().st_size for path in (root / "blobs").rglob("*") if path.is_file()}


def check_loads(references):
    for reference in references:
        loaded = vessl.load(reference)
        seed = int(reference[-1]) + 5 * reference.startswith("other")
        assert (loaded.model["large"][-1], loaded.model["small"][0]) == (seed + 149_999, seed)
        assert loaded.version.examples == [{"input": seed, "output": seed}]
        assert loaded.version.tags == {"n": seed, "words": "right"}


def check_fsck(path, versions, capsys):
    """Look that fsck names a file, and the versions that it touches, and nothing else."""
    problems = check_registry(open_registry()).problems
    assert [(problem.file, set(problem.versions)) for problem in problems] == [(path, set(versions))]
    assert cli.main(["fsck"]) == 1
    said = capsys.readouterr()
    assert str(path) in said.out
    assert all(version in said.out for version in versions)
    assert "is damaged" in said.err


def check_gc_refuses(root, named):
    before = sizes(root)
    for dry_run in (True, False):
        with pytest.raises(RegistryError, match=named):
            collect_garbage(dry_run=dry_run)
    assert sizes(root) == before


# Blobs


@pytest.mark.parametrize("how", DAMAGES)
@pytest.mark.parametrize(
    ("kind", "owner"),
    [("manifest", "iris:2"), ("examples", "iris:2"), ("pack", "iris:2"), ("large", "iris:2"), ("pack", "iris:1")],
)
def test_a_damaged_blob_is_named_and_all_that_does_not_need_it_is_usable(root, kind, owner, how, anew, capsys):
    key = blobs_of(owner)[0][kind]
    touched = {reference for reference in EVERY if key in blobs_of(reference)[1]}
    assert touched == {owner}
    damage(root / key, how)
    anew()

    check_fsck(root / key, touched, capsys)
    assert len(vessl.versions()) == len(EVERY)
    for reference in touched:
        if kind == "examples":
            assert vessl.load(reference).run(7) == 7  # which needs no examples
        else:
            with pytest.raises(Damaged, match=Path(key).name) as caught:
                vessl.load(reference)
            assert caught.value.file == root / key
        is_shown = kind in {"pack", "large"}  # what is shown lies elsewhere
        assert cli.main(["show", reference]) == (0 if is_shown else 1)
        assert is_shown or str(root / key) in capsys.readouterr().err
    check_loads(EVERY - touched)

    if kind == "manifest":
        check_gc_refuses(root, Path(key).name)
    else:
        before = sizes(root)
        assert collect_garbage().blobs == 5  # of the deleted version
        assert len(sizes(root)) == len(before) - 5
    assert register("iris", 5).number == 5
    check_loads(["iris:5", *(EVERY - touched)])


@pytest.mark.parametrize("kind", ["manifest", "examples", "pack", "large"])
def test_a_blob_that_is_a_folder_or_cannot_be_read_is_an_error_in_words(root, kind, anew, capsys):
    key = blobs_of("iris:2")[0][kind]
    damage(root / key, "remove")
    (root / key).mkdir()
    anew()
    check_fsck(root / key, {"iris:2"}, capsys)
    if kind != "examples":
        with pytest.raises(RegistryError, match=Path(key).name):
            vessl.load("iris:2")
    check_loads(EVERY - {"iris:2"})


# The journal


@pytest.mark.parametrize("how", DAMAGES)
@pytest.mark.parametrize("number", [1, 3, LAST])
def test_a_damaged_document_is_named_and_no_hole_is_filled(root, number, how, has_checkpoint, anew, capsys, snapshot):
    if not has_checkpoint:
        shutil.rmtree(root / "checkpoints")
    path = root / IRIS / f"{number:08d}.json"
    damage(path, how)
    before = {name: text for name, text in snapshot().items() if name.startswith(IRIS)}
    anew()

    check_fsck(path, ["every version of default/iris"], capsys)
    check_gc_refuses(root, path.name)
    check_loads(["other:1"])
    assert register("other", 8).number == 3
    # What a checkpoint covers is not read at every beginning; that it is there is looked for.
    is_covered = has_checkpoint and number < LAST - 1 and how != "remove"
    if is_covered:
        check_loads(EVERY)
        return
    for call in (lambda: vessl.load("iris:2"), lambda: vessl.versions("iris"), lambda: register("iris", 5)):
        with pytest.raises(Damaged, match=path.name) as caught:
            call()
        assert caught.value.file == path
    with pytest.warns(UserWarning, match="default/iris is left out"):
        assert set(vessl.versions()["reference"]) == {"other:1", "other:3"}
    assert {name: text for name, text in snapshot().items() if name.startswith(IRIS)} == before


def recomputed(document):
    """Give a document with the checksum that it should have."""
    text = document.rpartition(b',"checksum":')[0]
    return text + b',"checksum":"' + blake3.blake3(text).hexdigest().encode() + b'"}\n'


@pytest.mark.parametrize("number", [1, LAST])
@pytest.mark.parametrize("is_recomputed", [False, True], ids=["checksum left alone", "checksum recomputed"])
def test_a_tag_that_was_changed_by_hand_is_found(root, number, is_recomputed, has_checkpoint, anew):
    if not has_checkpoint:
        shutil.rmtree(root / "checkpoints")
    path = root / IRIS / f"{number:08d}.json"
    text = path.read_bytes()
    changed = text.replace(b'"words":"right"', b'"words":"wrong"')
    assert changed != text
    path.chmod(0o600)
    path.write_bytes(recomputed(changed) if is_recomputed else changed)
    anew()
    [problem] = check_registry(open_registry()).problems
    assert problem.versions == ("every version of default/iris",)
    # One that holds together by itself is shown by the next, which names what was there; the last one, by the head note.
    shown_by = 2 if is_recomputed and number == 1 else number
    assert problem.file == root / IRIS / f"{shown_by:08d}.json"
    check_gc_refuses(root, problem.file.name)
    if has_checkpoint and number == 1:
        assert vessl.load("iris:1").version.tags == {"n": 1, "words": "right"}
    else:
        with pytest.raises(Damaged, match=problem.file.name):
            vessl.load("iris:1")


def test_a_journal_folder_that_holds_other_things_is_read_all_the_same(root, anew):
    for place in ("journal", "journal/default", IRIS, "blobs", "heads", "heads/default"):
        (root / place / "Thumbs.db").write_bytes(b"what a file browser left")
    anew()
    check_loads(EVERY)
    assert set(vessl.versions()["reference"]) == EVERY
    assert not check_registry(open_registry()).problems
    assert collect_garbage().blobs == 5
    assert register("iris", 5).number == 5


def test_a_document_that_is_a_folder_is_named_by_fsck_beside_all_else(root, anew):
    path = root / IRIS / "00000003.json"
    damage(path, "remove")
    path.mkdir()
    large = root / blobs_of("other:1")[0]["large"]
    damage(large, "flip")
    anew()
    assert {problem.file for problem in check_registry(open_registry()).problems} == {path, large}
    check_gc_refuses(root, "00000003.json")


# Notes


@pytest.mark.parametrize("how", [*DAMAGES, "no UTF-8", "deep"])
@pytest.mark.parametrize("note", ["heads/default/iris.json", "checkpoints/default/iris.msgpack"])
def test_a_damaged_note_harms_nothing(root, note, how, anew):
    if how in DAMAGES:
        damage(root / note, how)
    else:
        (root / note).chmod(0o600)
        (root / note).write_bytes(b'{"number":5,"digest":"\xff"}' if how == "no UTF-8" else b'{"x":' + b"[" * 100_000)
    anew()
    assert not check_registry(open_registry()).problems
    check_loads(EVERY)
    assert collect_garbage().blobs == 5
    assert register("iris", 5).number == 5
    anew()
    check_loads([*EVERY, "iris:5"])
    damage(root / IRIS / f"{LAST + 1:08d}.json", "remove")  # which the new head note knows of
    anew()
    if note.startswith("heads"):
        with pytest.raises(Damaged, match=f"{LAST + 1:08d}.json is missing"):
            vessl.load("iris:1")


@pytest.mark.parametrize("bit", [1, 0x80])
def test_no_flipped_byte_of_a_head_note_harms(root, bit, anew):
    note = root / "heads/default/iris.json"
    content = note.read_bytes()
    note.chmod(0o600)
    for place in range(len(content)):
        note.write_bytes(content[:place] + bytes([content[place] ^ bit]) + content[place + 1 :])
        anew()
        assert len(vessl.versions("iris")) == 4


@pytest.mark.parametrize("text", [b"\xff\xfe", b"0123", b"x" * 64], ids=["no UTF-8", "cut", "no digest"])
def test_a_pin_that_is_garbled_keeps_gc_from_deleting(root, text):
    with open_registry().pins() as pins:
        pins.add(["0" * 64])
        [pin] = root.glob("writers/*/*.pin")
        pin.write_bytes(text)
        check_gc_refuses(root, "what it pins cannot be known")
    assert collect_garbage().blobs == 5


@pytest.mark.parametrize("text", [b"\xff\xfe", b"", b"[" * 100_000], ids=["no UTF-8", "empty", "deep"])
def test_a_writer_whose_card_is_garbled_counts_until_its_lease_ran_out(root, text):
    (root / "writers/somebody").mkdir(parents=True)
    (root / "writers/somebody/writer.json").write_bytes(text)
    (root / "writers/somebody/1.tmp").write_bytes(b"unfinished")
    assert collect_garbage().leftovers == 0
    for path in (root / "writers/somebody", root / "writers/somebody/writer.json"):
        os.utime(path, (0, 0))
    assert collect_garbage().leftovers == len(b"unfinished")


# format.json


@pytest.mark.parametrize("how", ["cut", "empty", "remove"])
def test_a_damaged_format_is_named_and_nothing_is_touched(root, how, anew, capsys, snapshot):
    damage(root / "format.json", how)
    before = snapshot()
    anew()
    check_fsck(root / "format.json", ["every version"], capsys)
    for call in (vessl.versions, lambda: vessl.load("iris"), lambda: register("iris", 5), collect_garbage):
        with pytest.raises(Damaged, match=r"format\.json"):
            call()
    assert snapshot() == before


@pytest.mark.parametrize("bit", [1, 0x80])
def test_each_flipped_byte_of_the_format_is_named_or_harmless(root, bit, anew):
    path = root / "format.json"
    content = path.read_bytes()
    path.chmod(0o600)
    for place in range(len(content)):
        path.write_bytes(content[:place] + bytes([content[place] ^ bit]) + content[place + 1 :])
        anew()
        found, problem = EVERY, "format"
        try:
            found = set(vessl.versions()["reference"])
        except RegistryError as error:
            problem = str(error)
        assert found == EVERY
        assert "format" in problem
