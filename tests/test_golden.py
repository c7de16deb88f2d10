"""The disk format, held in place: what was written once is read for ever, and nothing moves by accident."""

from __future__ import annotations

import inspect
import json
import shutil
import sys
from pathlib import Path

import msgspec
import pytest

import vessl_nb as vessl
from vessl_nb import manifest, runner
from vessl_nb.errors import NotFound
from vessl_nb.registry import documents
from vessl_nb.registry.format import FORMAT
from vessl_nb.registry.fsck import check_registry
from vessl_nb.registry.registry import open_registry
from vessl_nb.storage import blobs, journal, restore

GOLDEN = Path(__file__).parent / "golden"
SAME_PYTHON = pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="the golden byte code is Python 3.11's")


# Loading says that what it was written with is not what is installed.
pytestmark = pytest.mark.filterwarnings("ignore:.* was registered with other packages")


@pytest.fixture(autouse=True)
def golden(tmp_path, monkeypatch):
    shutil.copytree(GOLDEN / "format_1", tmp_path / "golden")
    monkeypatch.setenv("VESSL_NB_REGISTRY", str(tmp_path / "golden"))
    return tmp_path / "golden"


def test_the_listing_of_format_1():
    frame = vessl.versions().set_index("reference")
    assert list(frame.index) == [
        "Tables:2", "Tables:2@1", "Tables:1", "words:4", "words:3", "words:2", "lab/nets:2", "lab/nets:1",
    ]  # fmt: skip
    assert list(frame["runner"]) == [
        "FileRunner", "FileRunner", "TableRunner", "WordRunner", "WordRunner", "", "", "TorchRunner",
    ]  # fmt: skip
    assert list(frame.index[frame["archived"]]) == ["words:4"]
    assert frame.loc["Tables:1", "aliases"] == ("champion",)
    assert frame.loc["Tables:1", "description"] == "The first."
    assert frame.loc["Tables:1", ["tags.accuracy", "tags.note", "tags.ok"]].tolist() == [0.5, "ü", True]
    assert str(frame.loc["Tables:1", "created"].date()) == "2026-11-26"
    assert vessl.read_model("nets", 2, organization_name="lab").name == "files only"


@SAME_PYTHON
def test_the_versions_of_format_1_load_and_run():
    loaded = vessl.load("Tables:champion")
    assert loaded.run({"index": 3}) == {"value": 0.509, "unit": "m", "kind": "text of 3"}
    assert loaded.version.check.passed
    assert [example["input"] for example in loaded.version.examples] == [{"index": 3}, {"index": 999}]
    assert [loaded.run(example["input"]) == example["output"] for example in loaded.version.examples] == [True, True]
    assert "class Table:" in loaded.version.source
    assert vessl.load("Tables:2").run(None) == "weights, again and labels"


@SAME_PYTHON
def test_archived_purged_and_deleted_versions_of_format_1():
    loaded = vessl.load("words")
    assert (loaded.version.reference, len(loaded.version.examples)) == ("words:3", 1)
    assert loaded.run(1) == ["WÖRTER", 1, 1]
    assert len(loaded.version.manifest.pickles.pieces) > 2
    assert vessl.load("words:4").run(0) == ["WÖRTER", 0, 1]
    with pytest.raises(NotFound, match="purged"):
        vessl.load("words:2")
    with pytest.raises(NotFound, match="deleted"):
        vessl.load("words:1")


def test_every_file_of_format_1_is_as_it_was_written():
    report = check_registry(open_registry())
    assert (report.problems, report.unreferenced) == ([], 0)


@SAME_PYTHON
def test_an_old_revision_of_format_1_loads_by_its_alias(monkeypatch):
    monkeypatch.setenv("HOME", "/")
    assert vessl.load("Tables:previous").run(None) == "weights and labels"


@SAME_PYTHON
def test_the_torch_model_of_format_1_loads_tied():
    loaded = vessl.load("lab/nets:1")
    assert loaded.model.linear.weight is loaded.model.tied.weight
    assert tuple(loaded.run([0.0] * 64)) == (64,)


def test_a_version_is_added_to_a_registry_of_format_1():
    class Runner(vessl.RunnerBase):
        @staticmethod
        def predict(model, data):
            return model

    assert vessl.register_model("Tables", None, Runner, "new").number == 3
    assert vessl.load("Tables").run(None) == "new"


def test_what_the_files_of_format_1_look_like(golden):
    assert json.loads((golden / "format.json").read_text()).keys() == {"format", "id", "created"}
    first = json.loads((golden / "journal/default/tables/00000001.json").read_text())
    assert first["stream"] == "default/Tables"
    assert list(first["body"]) == [
        "number", "revision", "manifest", "examples", "runner", "size", "added", "requirements", "tags", "aliases",
        "description", "check",
    ]  # fmt: skip
    digest = first["body"]["manifest"]["digest"]
    described = json.loads((golden / "blobs" / digest[:2] / digest).read_text())
    assert list(described) == [
        "runner", "model", "pickles", "code", "captures", "source", "requirements", "signature", "python", "packages",
        "origin",
    ]  # fmt: skip


def test_the_fields_of_format_1():
    """To change one is to change the format: see `vessl_nb.registry.format` for what may be done, and how."""
    assert FORMAT == 1
    structs = [
        journal.Document,
        blobs.Place,
        manifest.Manifest,
        manifest.Pickles,
        manifest.Code,
        manifest.Capture,
        manifest.Source,
        manifest.Written,
        manifest.Signature,
        documents.Check,
        *documents.KIND_OF,
    ]
    fields = {struct.__name__: " ".join(field.name for field in msgspec.structs.fields(struct)) for struct in structs}
    assert fields == {
        "Document": "number id stream previous time actor kind body",
        "Place": "digest length blob offset",
        "Manifest": "runner model pickles code captures source modules props artifacts files requirements env reads signature python packages origin",
        "Pickles": "pieces objects buffers",
        "Code": "place python",
        "Capture": "name kind type size place users secret",
        "Source": "place written unwritten",
        "Written": "name place module",
        "Signature": "input output",
        "Check": "passed samples remarks seconds python",
        "Checked": "number revision check",
        "RepositoryCreated": "description",
        "ModelCreated": "number name files",
        "FilesAdded": "number files",
        "Registered": (
            "number revision manifest examples runner size added requirements tags aliases description check unchecked"
        ),
        "AliasMoved": "alias number revision",
        "Archived": "number undone",
        "Deleted": "number",
        "Purged": "number revision examples whole",
    }
    assert list(documents.KINDS) == [
        "repository created", "model created", "files added", "registered", "alias moved", "checked", "archived", "deleted",
        "purged",
    ]  # fmt: skip


def test_what_pickles_of_format_1_name():
    functions = {
        name: list(inspect.signature(member).parameters)
        for name, member in vars(restore).items()
        if inspect.isfunction(member) and member.__module__ == restore.__name__ and name[0] != "_"
    }
    assert functions == {
        "code": ["key"],
        "cached": ["function", "parameters"],
        "dataclass_state": ["cls", "state"],
        "named_tuple": ["name", "fields", "defaults"],
        "single_dispatch": [],
        "single_dispatch_state": ["function", "implementations"],
        "cached_property": ["function", "name"],
        "type_alias": ["name", "value", "parameters"],
        "new_type": ["name", "supertype"],
        "torch_storage": ["buffer", "device"],
        "torch_typed_storage": ["storage", "dtype"],
        "torch_tensor": ["storage", "dtype", "offset", "size", "stride", "requires_grad"],
        "torch_parameter": ["storage", "dtype", "offset", "size", "stride", "requires_grad"],
    }
    assert (runner.RunnerBase.__module__, runner.TorchRunner.__module__) == ("vessl_nb.runner", "vessl_nb.runner")
