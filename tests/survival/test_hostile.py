"""What is hostile: files that hold together by themselves, and say what they like. Words or nothing, and no code is run."""

from __future__ import annotations

import contextlib
import copy
import io
import json
import os
import pickle
import re
import shutil
import tempfile
import warnings
from pathlib import Path

import blake3
import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, reject, settings
from hypothesis import strategies as st

import vessl_nb as vessl
from vessl_nb import cli
from vessl_nb.errors import VesslError
from vessl_nb.registry import registry
from vessl_nb.registry.checkpoint import read_checkpoint
from vessl_nb.registry.format import check_format
from vessl_nb.registry.fsck import check_registry
from vessl_nb.registry.names import parse_reference
from vessl_nb.registry.purge import purge
from vessl_nb.registry.registry import open_registry
from vessl_nb.storage.blobs import blob_key

IRIS = "journal/default/iris"


def make_echo():
    class Echo(vessl.RunnerBase):
        @staticmethod
        def predict(model, data):
            return data

    return Echo


Echo = make_echo()


def register(name, number=None, **said):
    return vessl.register_model(
        name, number, Echo, {"buffer": np.arange(600.0), "name": name}, sample=[1, {"a": 2}], **said
    )


@pytest.fixture(scope="module")
def pristine(tmp_path_factory):
    """Make a registry of two repositories, with something for gc, and a checkpoint of one of them."""
    folder = tmp_path_factory.mktemp("pristine")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VESSL_NB_REGISTRY", str(folder / "registry"))
        patch.setenv("VESSL_NB_CACHE", str(folder / "cache"))
        patch.setattr(registry, "INTERVAL", 3)
        patch.chdir(folder)
        Path("words.txt").write_text("words")
        register("iris", tags={"n": 1, "x": 0.5}, aliases=["first"], requirements=["numpy"], description="d")
        register("iris", artifacts={"words.txt": "words.txt"}, env=["HOME"])
        vessl.set_alias("iris:2", "champion")
        register("iris", 2)
        register("other")
        register("other", description="to be deleted")
        vessl.delete_model("other", 2)
    return folder / "registry"


def seal(text):
    return text + b',"checksum":"' + blake3.blake3(text).hexdigest().encode() + b'"}\n'


def write_journal(root, bodies, stream="default/iris"):
    """Write a journal with right checksums and a right chain; each body is a kind and the text of its JSON."""
    shutil.rmtree(root / "journal" / stream, ignore_errors=True)
    (root / "journal" / stream).mkdir(parents=True)
    previous = None
    for number, (kind, body) in enumerate(bodies, 1):
        said = {"number": number, "id": "0" * 32, "stream": stream, "time": "2026-11-01T00:00:00Z", "kind": kind}
        said |= {"actor": {"user": "eve", "host": "lab"}, **({"previous": previous} if previous else {})}
        sealed = seal(json.dumps(said).encode()[:-1] + b',"body":' + body)
        previous = blake3.blake3(sealed).hexdigest()
        (root / "journal" / stream / f"{number:08d}.json").write_bytes(sealed)
    for note in ("heads", "checkpoints"):
        shutil.rmtree(root / note / "default", ignore_errors=True)


def put_blob(root, content):
    digest = blake3.blake3(content).hexdigest()
    (root / blob_key(digest)).parent.mkdir(exist_ok=True, parents=True)
    (root / blob_key(digest)).write_bytes(content)
    return {"digest": digest, "length": len(content)}


NUMBERS = [-1, 0, 1, 2, 3, 64, 2**31, 2**63 - 1, 2**63, 2**64, -(2**70), 10**400, 0.5, 1e308, True]
TEXTS = [
    "",
    "..",
    "../../../evil",
    "/tmp/evil",
    "a\0b",
    "x" * 300,
    "a/" * 3000 + "a",
    "\x1b[2J\u202e",
    "é",
    "iris:1",
    "0" * 64,
]
RAW = [b"9" * 5000, *(b"[" * levels + b"]" * levels for levels in (90, 900, 100_000))]
"""JSON that Python's own encoder would not write."""


leaves = st.sampled_from([*NUMBERS, *TEXTS, None, [], {}]) | st.integers() | st.text(max_size=8)
anything = st.recursive(leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3), max_leaves=6)  # fmt: skip


def parts_of(value, way=()):
    """Walk all that is in a value, each with the keys that lead to it."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in inner:
        yield (*way, key), part
        yield from parts_of(part, (*way, key))


def dump(value):
    return json.dumps(value).encode()


@st.composite
def twisted(draw, value, raw=RAW, keep=()):
    """Give the text of a JSON value of which a few parts are something else, mostly of the same kind."""
    value, marks = copy.deepcopy(value), {}
    for _ in range(draw(st.integers(1, 3))):
        (*way, last), part = draw(st.sampled_from([item for item in parts_of(value) if item[0][0] not in keep]))
        place = value
        for key in way:
            place = place[key]
        alike = [other for _, other in parts_of(value) if type(other) is type(part)]
        new = {int: st.sampled_from(NUMBERS), str: st.sampled_from(TEXTS)}.get(type(part), anything)
        match draw(st.sampled_from("aaaannnnork")):
            case "a":
                place[last] = copy.deepcopy(draw(st.sampled_from(alike)))
            case "n":
                place[last] = draw(new)
            case "o":
                place[last] = draw(anything)
            case "r":
                place[last] = mark = f"raw {len(marks)}"
                marks[mark] = draw(st.sampled_from(raw))
            case "k" if isinstance(place, dict):
                place[draw(st.sampled_from(TEXTS))] = place.pop(last)
    text = dump(value)
    for mark, said in marks.items():
        text = text.replace(f'"{mark}"'.encode(), said)
    return text


@pytest.fixture
def hostile(pristine, tmp_path, monkeypatch):
    """Give a function that makes one more registry, to be twisted."""

    def make():
        root = Path(tempfile.mkdtemp(dir=tmp_path)) / "registry"
        shutil.copytree(pristine, root, ignore=shutil.ignore_patterns("writers"), copy_function=os.link)
        monkeypatch.setenv("VESSL_NB_REGISTRY", str(root))
        monkeypatch.setenv("VESSL_NB_CACHE", str(root.parent / "cache"))
        return root

    monkeypatch.chdir(tmp_path)
    return make


def run(*arguments):
    chosen = cli._parser().parse_args(arguments)
    with contextlib.redirect_stdout(io.StringIO()) as said:
        chosen.command(chosen)
    return said.getvalue()


def check_only_words(root, *more):
    """Try all that can be done: errors in words or none, and nothing is written elsewhere."""
    calls = [
        lambda: run("list"), lambda: run("list", "iris"), lambda: run("show", "iris"), lambda: run("show", "iris:1"),
        lambda: run("show", "iris:evil"), lambda: run("fsck"), lambda: run("gc", "--dry-run"), vessl.versions,
        lambda: vessl.versions("iris"), lambda: repr(vessl.list_models("iris")),
        lambda: open_registry().resolve(parse_reference("iris:1")),
        *more,
        lambda: vessl.set_alias("iris:1", "best"), lambda: vessl.upload_model_volume_file("iris", 1, __file__, "x.py"),
        lambda: register("iris", 1), lambda: register("iris"), lambda: purge("iris:1", 0),
        lambda: purge("iris:1"), lambda: run("gc"),
    ]  # fmt: skip
    outside = {path for path in root.parent.parent.rglob("*") if root.parent not in path.parents}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*is left out", category=UserWarning)
        for call in calls:
            with contextlib.suppress(VesslError):
                call()
    assert {path for path in root.parent.parent.rglob("*") if root.parent not in path.parents} == outside
    assert {path.name for path in root.parent.iterdir()} <= {"registry", "cache"}
    assert vessl.load("other:1").model["name"] == "other"


SLOW = settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))


def bodies_of(root):
    """Give the documents of iris, each a kind and its body, and some of every other kind."""
    documents = [json.loads(path.read_bytes()) for path in sorted((root / IRIS).iterdir())]
    place = documents[0]["body"]["manifest"]
    return [
        ("repository created", {"description": "d"}),
        *((document["kind"], document["body"]) for document in documents),
        ("model created", {"number": 3, "name": "files", "files": {"a/b": place}}),
        ("files added", {"number": 1, "files": {"c": place}}),
        ("alias moved", {"alias": "evil", "number": 1, "revision": 1}),
        ("archived", {"number": 2}),
        ("deleted", {"number": 3}),
        ("purged", {"number": 2, "revision": 1, "whole": True}),
        ("purged", {"number": 2, "revision": 2, "examples": place}),
    ]


def test_what_is_twisted_below_is_right_to_begin_with(hostile):
    root = hostile()
    write_version(root, manifest=dump(manifest_of(root)), examples=dump([{"input": 1, "output": 2}]))
    assert vessl.load("iris:1").version.examples == [{"input": 1, "output": 2}]
    root = hostile()
    write_journal(root, [(kind, dump(body)) for kind, body in bodies_of(root)])
    assert list(vessl.versions("iris")["reference"]) == ["iris:2", "iris:1"]
    assert not check_registry(open_registry()).problems


@given(st.data())
@SLOW
def test_hostile_documents_are_refused_in_words_or_harmless(hostile, data):
    root = hostile()
    bodies = bodies_of(root)
    which = data.draw(st.integers(0, len(bodies) - 1))
    texts = [(kind, dump(body)) for kind, body in bodies]
    kind, body = bodies[which]
    texts[which] = (
        data.draw(st.just(kind) | st.sampled_from([*{kind for kind, _ in bodies}, "unknown"])),
        data.draw(twisted(body)),
    )
    if data.draw(st.booleans()):
        del texts[which + 1 :]
    write_journal(root, texts)
    check_only_words(root)


@pytest.mark.parametrize(
    "said",
    [b'"time":"2026-11-01T00:00:00"', b'"time":"0001-01-01T00:00:00+14:00"', b'"time":"9999-12-31T23:59:59-14:00"', b'"kind":"\xff"', b'"stream":"../../evil"', b'"number":1e400', b'"more":' + RAW[-1]],
    ids=["no zone", "too early", "too late", "no UTF-8", "another stream", "no number", "deep"],
)  # fmt: skip
def test_a_document_whose_envelope_is_hostile_is_named(hostile, said):
    root = hostile()
    write_journal(root, [("repository created", b"{}")])
    path = root / IRIS / "00000001.json"
    text = path.read_bytes().rpartition(b',"checksum":')[0]
    name = said.partition(b":")[0]
    changed = (
        re.sub(name + rb': ?("[^"]*"|[0-9]+)', lambda _: said, text, count=1) if name in text else text + b"," + said
    )
    path.write_bytes(seal(changed))
    check_only_words(root)
    assert path in {problem.file for problem in check_registry(open_registry()).problems} or name == b'"more"'


def write_version(root, manifest=None, examples=None, **said):
    """Write a journal of one version, whose manifest or examples are these texts."""
    body = json.loads((root / IRIS / "00000001.json").read_bytes())["body"] | said
    if manifest is not None:
        body["manifest"] = put_blob(root, manifest)
    if examples is not None:
        body["examples"] = put_blob(root, examples)
    write_journal(root, [("registered", json.dumps({**body, "aliases": ["evil"]}).encode())])


def manifest_of(root):
    place = json.loads((root / IRIS / "00000001.json").read_bytes())["body"]["manifest"]
    content = (root / blob_key(place.get("blob", place["digest"]))).read_bytes()
    return json.loads(content[place.get("offset", 0) :][: place["length"]])


@given(st.data())
@SLOW
def test_hostile_manifests_are_refused_in_words_or_harmless(hostile, data):
    root = hostile()
    # What is code may do as it likes once it is loaded; all else is only read.
    keep = data.draw(st.sampled_from([(), ("pickles", "code", "requirements")]))
    write_version(root, manifest=data.draw(twisted(manifest_of(root), keep=keep)))
    check_only_words(root, *([lambda: vessl.load("iris:1")] if keep else []))


@given(st.data())
@SLOW
def test_hostile_paths_in_a_volume_write_nothing_outside_of_it(hostile, data):
    class Loads(vessl.RunnerBase):
        @staticmethod
        def load_model(props, artifacts):
            return sorted(str(path) for path in Path.cwd().rglob("*"))

        @staticmethod
        def predict(model, data):
            return model

    root = hostile()
    Path("words.txt").write_text("words")
    version = vessl.register_model("loads", None, Loads, 1, artifacts={"words.txt": "words.txt"})
    said = msgspec.to_builtins(version.manifest)
    place = said["files"].pop("words.txt")
    digests = [path.name for path in sorted(root.glob("blobs/*/*"))] + ["0" * 64]
    names = st.sampled_from([*TEXTS, "a", "a/b", "./a", "a//b", "a/../b"]) | st.text(max_size=8)
    sizes = st.sampled_from([0, 1, 5, 2**20, 2**62])
    odd = st.fixed_dictionaries({}, optional={"length": sizes, "offset": sizes, "blob": st.sampled_from(digests)})
    files = data.draw(st.dictionaries(names, odd.map(lambda change: place | change), max_size=4))
    write_version(root, manifest=dump(said | {"files": files}))
    check_only_words(root, lambda: vessl.load("iris:1"))


@given(st.data())
@example(None)
@SLOW
def test_hostile_examples_are_refused_in_words_or_harmless(hostile, data):
    root = hostile()
    text = (
        data.draw(twisted([{"input": {"x": [1, "a"]}, "output": 2}, {"input": None, "output": None}]))
        if data
        else b'[{"input":"\xff"}]'
    )
    write_version(root, examples=text)
    check_only_words(root)


@given(st.data())
@SLOW
def test_hostile_checkpoints_are_passed_over_or_harmless(hostile, data):
    root = hostile()
    path = root / "checkpoints/default/iris.msgpack"
    value = msgspec.to_builtins(
        read_checkpoint(open_registry().folder, check_format(open_registry().folder), "default/iris")
    )
    value["state"] = json.loads(data.draw(twisted(json.loads(dump(value["state"])), raw=[b"[]"])))
    with contextlib.suppress(AttributeError):
        models = value["state"].get("models", {}).items()
        value["state"]["models"] = {int(key) if key.isdecimal() else key: model for key, model in models}
    try:
        text = msgspec.msgpack.encode(value)
    except OverflowError:  # msgpack has no such numbers
        reject()
    path.unlink()
    path.write_bytes(blake3.blake3(text).digest() + text)
    check_only_words(root)


class Evil:
    """Makes a file, once it is unpickled."""

    def __reduce__(self):
        return os.mkdir, ("ran",)


def test_only_loading_runs_what_a_pickle_says(hostile, tmp_path):
    root = hostile()
    place = put_blob(root, pickle.dumps(Evil()))
    manifest = manifest_of(root) | {"code": None, "pickles": {"pieces": [place], "objects": ["runner"]}}
    write_version(root, manifest=json.dumps(manifest).encode(), examples=pickle.dumps(Evil()))
    check_only_words(root)
    assert not (tmp_path / "ran").exists()

    root = hostile()
    put_blob(root, pickle.dumps(Evil()))
    write_version(root, manifest=json.dumps(manifest).encode())
    with contextlib.suppress(Exception):
        vessl.load("iris:1")
    assert (tmp_path / "ran").exists()  # so it would have been seen
