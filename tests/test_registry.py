"""Repositories, numbers, revisions and aliases; many writers at once; and what a hand-made mess looks like."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import pandas as pd
import pytest

import vessl_nb as vessl
from vessl_nb.errors import Damaged, FormatTooNew, InvalidArgument, InvalidReference, NotFound, RegistryError
from vessl_nb.registry.listing import VersionsTable
from vessl_nb.registry.registry import open_registry


def make_echo():
    """Make a runner that travels by value, as one from a notebook does."""

    class Echo(vessl.RunnerBase):
        @staticmethod
        def predict(model, data):
            return [model, data]

    return Echo


Echo = make_echo()


def register(name="iris", model="m", **said):
    return vessl.register_model(name, said.pop("number", None), Echo, model, **said)


def test_numbers_count_up_and_a_version_says_what_it_is():
    assert [register().reference for _ in range(3)] == ["iris:1", "iris:2", "iris:3"]
    version = register(tags={"accuracy": 0.97}, aliases=["champion"], description="best")
    assert (version.repository_name, version.organization_name) == ("iris", "default")
    assert (version.number, version.revision, version.runner) == (4, 1, "Echo")
    assert (version.tags, version.aliases, version.description) == ({"accuracy": 0.97}, ("champion",), "best")
    assert version.size > 0


def test_every_form_of_reference_finds_its_version():
    register(model="one")
    register(model="two", aliases=["champion"])
    register(model="two again", number=2)
    vessl.register_model("iris", None, Echo, "elsewhere", organization_name="org")
    loaded = {
        reference: vessl.load(reference).model
        for reference in ("iris", "iris:1", "iris:2", "iris:2@1", "iris:2@2", "iris:champion", "org/iris:1")
    }
    assert loaded == {
        "iris": "two again",
        "iris:1": "one",
        "iris:2": "two again",
        "iris:2@1": "two",
        "iris:2@2": "two again",
        "iris:champion": "two",  # an alias stays at the revision it was set to
        "org/iris:1": "elsewhere",
    }


def test_an_alias_moves_and_is_one_of_many():
    register(aliases=["champion", "first"])
    register()
    assert vessl.set_alias("iris:2", "champion").aliases == ("champion",)
    assert vessl.load("iris:champion").version.number == 2
    assert vessl.load("iris:first").version.number == 1
    assert vessl.set_alias("iris:first", "champion").reference == "iris:1"


def test_the_default_organization_can_be_named_in_the_environment(monkeypatch):
    monkeypatch.setenv("VESSL_NB_ORGANIZATION", "lab")
    assert register().reference == "iris:1"
    monkeypatch.delenv("VESSL_NB_ORGANIZATION")
    assert vessl.load("lab/iris:1").version.reference == "lab/iris:1"
    with pytest.raises(NotFound, match="no model repository 'iris'"):
        vessl.load("iris")


def test_versions_is_a_dataframe_newest_first_with_a_column_for_each_tag():
    register(tags={"accuracy": 0.9})
    register(tags={"epochs": 3}, aliases=["champion"], requirements=["numpy"])
    vessl.create_model("iris")
    frame = vessl.versions("iris")
    assert list(frame["reference"]) == ["iris:3", "iris:2", "iris:1"]
    assert list(frame["runner"]) == ["", "Echo", "Echo"]
    assert list(frame["aliases"]) == [(), ("champion",), ()]
    assert frame["requirements"][1] == ("numpy",)
    assert frame["tags.epochs"].dropna().to_dict() == {1: 3.0}
    assert str(frame["created"].dtype).startswith("datetime64")
    assert frame["size"].dtype == "int64"
    assert len(VersionsTable("iris")) == 3


def test_versions_of_nothing_is_an_empty_dataframe_and_writes_nothing(registry_root):
    frame = vessl.versions()
    assert isinstance(frame, pd.DataFrame)
    assert len(frame) == 0
    assert "reference" in frame
    assert not registry_root.exists()


def test_versions_of_what_is_no_repository_says_so():
    register("iris")
    with pytest.raises(NotFound, match="Did you mean 'iris'"):
        vessl.versions("irsi")
    with pytest.raises(InvalidReference, match="Use 'iris'"):
        vessl.versions("iris:1")


def test_a_version_registered_by_another_process_is_seen_at_once():
    register()
    script = (
        "import vessl_nb as v\n"
        "class R(v.RunnerBase):\n    @staticmethod\n    def predict(model, data): return model\n"
        "print(v.register_model('iris', None, R, 'theirs').reference)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
    assert vessl.load("iris").run(None) == "theirs"
    assert register().number == 3


def test_many_processes_register_into_one_repository_without_gap_or_loss(registry_root):
    script = (
        "import sys, vessl_nb as v\n"
        "class R(v.RunnerBase):\n    @staticmethod\n    def predict(model, data): return model\n"
        "for i in range(15): print(v.register_model('iris', None, R, f'{sys.argv[1]}-{i}', aliases=['last']).number)"
    )
    writers = [subprocess.Popen([sys.executable, "-c", script, name], stdout=subprocess.PIPE) for name in "abcd"]
    while any(writer.poll() is None for writer in writers):
        vessl.versions()  # a reader beside them never sees an error
    numbers = [int(line) for writer in writers for line in writer.communicate()[0].split()]
    assert sorted(numbers) == list(range(1, 61))
    models = {vessl.load(f"iris:{number}").model for number in numbers}
    assert models == {f"{name}-{index}" for name in "abcd" for index in range(15)}
    assert vessl.load("iris:last").version.number in range(1, 61)


def test_an_equal_version_adds_but_its_documents():
    first = register(model=b"x" * 100_000)
    second = register(model=b"x" * 100_000)
    assert first.added > 100_000
    assert second.added < 1000
    assert second.number == 2


def test_the_registry_is_plain_files_that_can_be_copied(registry_root, tmp_path, monkeypatch):
    register(model="here")
    shutil.copytree(registry_root, tmp_path / "copy")
    shutil.rmtree(registry_root)
    monkeypatch.setenv("VESSL_NB_REGISTRY", str(tmp_path / "copy"))
    assert vessl.load("iris").model == "here"
    assert register().number == 2


def test_a_registry_that_was_deleted_under_a_live_notebook_begins_anew(registry_root):
    register()
    register()
    shutil.rmtree(registry_root)
    assert len(vessl.versions()) == 0
    assert register().number == 1
    assert (registry_root / "format.json").exists()


def test_one_that_was_put_in_its_place_is_read_as_it_is(registry_root, tmp_path, monkeypatch):
    register(model="mine")
    monkeypatch.setenv("VESSL_NB_REGISTRY", str(tmp_path / "other"))
    register(model="a")
    register(model="b")
    shutil.rmtree(registry_root)
    shutil.move(tmp_path / "other", registry_root)
    monkeypatch.setenv("VESSL_NB_REGISTRY", str(registry_root))
    assert [vessl.load(f"iris:{n}").model for n in (1, 2)] == ["a", "b"]


def test_a_damaged_repository_leaves_the_others_usable(registry_root, anew):
    register("iris")
    register("other")
    path = registry_root / "journal/default/iris/00000001.json"
    path.write_text(path.read_text().replace("Echo", "Evil"))
    anew()
    with pytest.raises(Damaged, match=r"00000001\.json was changed"):
        vessl.load("iris")
    assert vessl.load("other").model == "m"


def test_a_damaged_blob_is_named_and_the_other_versions_load(registry_root, anew):
    first = register(model=b"x" * 2_000_000)
    register(model="small")
    digest = max(first.manifest.places(), key=lambda place: place.length).digest
    path = registry_root / "blobs" / digest[:2] / digest
    path.chmod(0o600)
    path.write_bytes(b"y" + path.read_bytes()[1:])
    anew()
    with pytest.raises(Damaged, match=digest):
        vessl.load("iris:1")
    assert vessl.load("iris:2").model == "small"


def test_a_kind_of_document_from_the_future_is_refused_in_words(registry_root):
    from vessl_nb.registry.documents import RepositoryCreated
    from vessl_nb.storage.folder import Folder
    from vessl_nb.storage.journal import Journal

    register()
    journal = Journal(Folder(registry_root), "default/iris")
    journal.read_on()
    journal.append("moved to the moon", RepositoryCreated())
    with pytest.raises(FormatTooNew, match="moved to the moon"):
        vessl.load("iris")


def test_a_newer_format_is_refused_in_words(registry_root, anew):
    register()
    path = registry_root / "format.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 99}))
    anew()
    with pytest.raises(FormatTooNew, match="format 99; this vessl_nb reads up to format 1") as caught:
        vessl.versions()
    assert "pip install --upgrade" in caught.value.next_step


def test_a_url_is_refused_in_words(monkeypatch):
    monkeypatch.setenv("VESSL_NB_REGISTRY", "s3://bucket/registry")
    with pytest.raises(RegistryError, match="s3://bucket/registry"):
        vessl.versions()


def test_a_document_that_names_a_path_outside_the_volume_writes_nothing_there(registry_root, tmp_path):
    from vessl_nb.registry.documents import FilesAdded

    class Loads(vessl.RunnerBase):
        @staticmethod
        def load_model(props, artifacts):
            return "loaded"

        @staticmethod
        def predict(model, data):
            return model

    vessl.create_model("iris")
    with open_registry().pins() as pins:
        [place], _ = open_registry().blobs.store([b"evil"], pins)
        body = FilesAdded(number=1, files={"../../../evil": place})
        open_registry().commit("default", "iris", lambda _: body, pins)
    vessl.register_model("iris", 1, Loads)
    with pytest.raises(InvalidArgument, match="leaves the volume"):
        vessl.load("iris:1")
    assert not list(tmp_path.rglob("evil"))


@pytest.mark.parametrize("change", ["delete a file", "delete everything", "write into a file"])
def test_a_cache_that_was_changed_is_made_again(tmp_path, change):
    class Loads(vessl.RunnerBase):
        @staticmethod
        def save_model(model):
            import pathlib

            pathlib.Path("model.txt").write_text(model)
            return {}

        @staticmethod
        def load_model(props, artifacts):
            import pathlib

            return pathlib.Path("model.txt").read_text()

        @staticmethod
        def predict(model, data):
            return model

    vessl.register_model("iris", None, Loads, "weights")
    assert vessl.load("iris").model == "weights"
    file = next((tmp_path / "cache").rglob("model.txt"))
    if change == "delete everything":
        shutil.rmtree(tmp_path / "cache")
    else:
        file.chmod(0o600)
        file.unlink() if change == "delete a file" else file.write_text("changed")
    assert vessl.load("iris").model == "weights"


def test_a_version_whose_number_was_overwritten_is_referred_to_with_its_revision():
    register(model="old", aliases=["champion"])
    register(model="new", number=1)
    assert vessl.load("iris:champion").version.reference == "iris:1@1"
    assert vessl.load(vessl.load("iris:champion").version.reference).model == "old"
    frame = vessl.versions("iris")
    assert list(zip(frame["reference"], frame["aliases"], strict=True)) == [("iris:1", ()), ("iris:1@1", ("champion",))]


def test_what_an_earlier_version_lost_is_written_again(registry_root, anew):
    weights = b"w" * 2_000_000
    first = register(model=weights)
    for place in first.manifest.places():
        (registry_root / "blobs" / (place.blob or place.digest)[:2] / (place.blob or place.digest)).unlink(
            missing_ok=True
        )
    anew()
    assert register(model=weights).added > 2_000_000
    assert vessl.load("iris:2").model == weights


def test_a_lost_manifest_keeps_nobody_from_registering(registry_root, anew):
    digest = register()._revision.registered.manifest.digest
    (registry_root / "blobs" / digest[:2] / digest).unlink()
    anew()
    assert register(model="next").number == 2
    assert vessl.load("iris").model == "next"


def test_many_processes_make_a_registry_at_once(registry_root):
    script = "import vessl_nb; vessl_nb.create_model('iris'); vessl_nb.versions()"
    for _ in range(4):
        shutil.rmtree(registry_root, ignore_errors=True)
        makers = [subprocess.Popen([sys.executable, "-c", script]) for _ in range(6)]
        assert [maker.wait() for maker in makers] == [0] * 6
        assert len(vessl.versions("iris")) == 6


def test_threads_list_and_load_while_others_register():
    from concurrent.futures import ThreadPoolExecutor

    register()
    with ThreadPoolExecutor(6) as threads:
        work = [threads.submit(register) for _ in range(40)]
        work += [threads.submit(vessl.versions) for _ in range(40)] + [
            threads.submit(vessl.load, "iris") for _ in range(40)
        ]
        for done in work:
            done.result(60)
    assert len(vessl.versions("iris")) == 41


@pytest.mark.parametrize("size", [1000, 3_000_000])
def test_what_changes_while_it_is_registered_is_refused_and_not_stored(tmp_path, size):
    from vessl_nb.storage.blobs import Blobs
    from vessl_nb.storage.folder import Folder

    path = tmp_path / "checkpoint"
    path.write_bytes(b"a" * size)
    folder = Folder(tmp_path / "root")
    with folder.pins() as pins:
        add = pins.add
        pins.add = lambda digests: (add(digests), path.write_bytes(b"b" * size))
        with pytest.raises(InvalidArgument, match="changed while it was registered"):
            Blobs(folder).store([path], pins)
    assert {file.name for file in (tmp_path / "root").rglob("*") if file.is_file()} == {"writer.json"}


def test_a_damaged_repository_is_left_out_of_the_listing_with_a_warning(registry_root, anew):
    register("iris")
    register("other")
    (registry_root / "journal/default/iris/00000001.json").write_text("{}")
    anew()
    with pytest.warns(UserWarning, match="default/iris is left out"):
        assert list(vessl.versions()["reference"]) == ["other:1"]


def test_a_sample_is_answered_by_what_load_model_gives():
    class Runner(vessl.RunnerBase):
        @staticmethod
        def save_model(model):
            return {"factor": "10"}

        @staticmethod
        def load_model(props, artifacts):
            return int(props["factor"])

        @staticmethod
        def predict(model, data):
            return model * data

    version = vessl.register_model("iris", None, Runner, 1, sample=3)
    assert version.examples == [{"input": 3, "output": 30}]
    assert vessl.load("iris").run(3) == 30


def make_keeper(writes):
    class Keeper(vessl.RunnerBase):
        @staticmethod
        def load_model(props, artifacts):
            from pathlib import Path

            found = sorted(path.name for path in Path().iterdir())
            Path("kept.txt").write_text("kept") if writes else None
            return found

        @staticmethod
        def predict(model, data):
            return model

    return Keeper


def test_a_volume_is_its_versions_own_and_as_it_was_whatever_a_runner_wrote_there():
    vessl.create_model("a")
    vessl.create_model("b")
    vessl.register_model("a", 1, make_keeper(writes=True))
    vessl.register_model("b", 1, make_keeper(writes=False))
    assert vessl.load("a").model == []
    assert vessl.load("b").model == []
    assert vessl.load("a").model == []


def test_examples_are_answered_by_the_files_that_another_put_there_meanwhile(tmp_path, monkeypatch):
    from vessl_nb import staging

    class Reads(vessl.RunnerBase):
        @staticmethod
        def load_model(props, artifacts):
            from pathlib import Path

            return Path("words.txt").read_text()

        @staticmethod
        def predict(model, data):
            return model

    (tmp_path / "words.txt").write_text("one")
    (tmp_path / "later.txt").write_text("two")
    vessl.create_model("iris", paths=[str(tmp_path / "words.txt")])
    write_blobs = staging._write_blobs
    uploads = iter([str(tmp_path / "later.txt")])

    def overtaken(*arguments):
        for path in uploads:
            vessl.upload_model_volume_file("iris", 1, path, "words.txt")
        return write_blobs(*arguments)

    monkeypatch.setattr(staging, "_write_blobs", overtaken)
    version = vessl.register_model("iris", 1, Reads, sample=1)
    assert [example["output"] for example in version.examples] == ["two"]
    assert vessl.load("iris").run(1) == "two"


def test_a_description_that_comes_with_files_that_cannot_be_read_makes_no_repository(tmp_path, snapshot):
    (tmp_path / "folder").mkdir()
    with pytest.raises(NotFound):
        vessl.create_model("iris", repository_description="words", paths=[str(tmp_path / "folder")])
    assert snapshot() == {}


def test_a_file_that_vanishes_while_it_is_stored_is_named_and_not_the_registry(tmp_path, monkeypatch):
    from vessl_nb.storage.folder import Folder

    path = tmp_path / "weights.bin"
    path.write_bytes(b"x" * 3_000_000)
    folder = Folder(tmp_path / "root")
    from vessl_nb.storage.blobs import Blobs

    with folder.pins() as pins:
        add = pins.add
        pins.add = lambda digests: (add(digests), path.unlink())
        with pytest.raises(NotFound, match=r"Cannot read '.*weights\.bin': No such file"):
            Blobs(folder).store([path], pins)
