"""Everything that cannot be meant is refused in words, and leaves the registry as it was, byte for byte."""

from __future__ import annotations

import importlib.metadata
import itertools
import os
import sqlite3
import string
import subprocess
import sys
import tempfile
import threading
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import vessl_nb as vessl
from vessl_nb import staging
from vessl_nb.errors import (
    CannotPickle,
    Damaged,
    FormatTooNew,
    InvalidArgument,
    InvalidReference,
    InvalidRunner,
    MissingRequirement,
    NotFound,
    RegistryError,
    StageError,
    WrongPython,
)
from vessl_nb.registry.names import check_name, parse_reference
from vessl_nb.values.encoding import NotEncodable
from vessl_nb.volume_paths import RESERVED, check_volume_path

LOCK = threading.Lock()


def make_runner(**methods):
    """Make a runner that travels by value, with some methods of its own."""

    class Runner(vessl.RunnerBase):
        @staticmethod
        def predict(model, data):
            return [model, data]

    for name, function in methods.items():
        setattr(Runner, name, staticmethod(function) if callable(function) else function)
    return Runner


def load_anything(props, artifacts):
    return "loaded"


def register(repository_name="iris", model_number=None, runner_cls=None, model_instance="m", **said):
    return vessl.register_model(repository_name, model_number, runner_cls or make_runner(), model_instance, **said)


@pytest.fixture(autouse=True)
def work(tmp_path, monkeypatch):
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


@pytest.fixture
def refuses(snapshot, work, tmp_path, monkeypatch):
    """Give a context in which something must be refused.

    The registry has a version already, and an alias. Afterwards it is byte-identical, no number was spent, and neither
    the user's directory nor the one for temporary files was littered.
    """
    register(aliases=["champion"])
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))

    @contextmanager
    def expect(kind, *words):
        before, files = snapshot(), sorted(work.rglob("*"))
        with pytest.raises(kind) as caught:
            yield caught
        assert type(caught.value) is kind
        for word in words:
            assert word in str(caught.value)
        assert caught.value.what
        assert caught.value.next_step
        assert len(str(caught.value).splitlines()) == 2
        assert snapshot() == before
        assert sorted(work.rglob("*")) == files
        assert list((tmp_path / "temporary").iterdir()) == []
        assert Path.cwd() == work
        assert register().number == 2
        assert vessl.load("iris:champion").version.number == 1

    return expect


def test_a_refusal_makes_no_registry_where_there_is_none(registry_root):
    with pytest.raises(StageError):
        register(runner_cls=make_runner(predict=lambda model, data: 1 / 0), sample=1)
    assert not registry_root.exists()


class TestRunner:
    """Classes that do not keep the contract."""

    def test_predict_is_missing(self, refuses):
        class Runner(vessl.RunnerBase):
            @staticmethod
            def predicts(model, data):
                return data

        with refuses(InvalidRunner, "Runner has no predict", "def predict(model, data)"):
            register(runner_cls=Runner)

    def test_the_base_itself(self, refuses):
        with refuses(InvalidRunner, "RunnerBase has no predict"):
            register(runner_cls=vessl.RunnerBase)

    @pytest.mark.parametrize(
        ("method", "function", "words"),
        [
            ("predict", lambda data: data, ["Runner.predict(data)", "cannot be called as predict(model, data)"]),
            ("predict", lambda model, data, *, threshold: data, ["predict(model, data, *, threshold)"]),
            ("preprocess_data", lambda: None, ["preprocess_data()", "def preprocess_data(data)"]),
            ("postprocess_data", lambda data, other: None, ["postprocess_data(data, other)"]),
            ("load_model", lambda props: None, ["load_model(props)", "def load_model(props, artifacts)"]),
            ("predict", "text", ["Runner.predict is no function but 'text'", "predict(model, data)"]),
        ],
    )
    def test_a_method_that_cannot_be_called_so(self, refuses, method, function, words):
        with refuses(InvalidRunner, *words):
            register(runner_cls=make_runner(**{method: function}))

    def test_a_method_with_self(self, refuses):
        class Runner(vessl.RunnerBase):
            def predict(self, model, data):
                return data

        with refuses(InvalidRunner, "Runner.predict(self, model, data)", "@staticmethod def predict(model, data)"):
            register(runner_cls=Runner)

    def test_save_model_without_load_model(self, refuses):
        with refuses(InvalidRunner, "overrides save_model but not load_model", "def load_model(props, artifacts)"):
            register(runner_cls=make_runner(save_model=lambda model: {}))

    def test_an_instance(self, refuses):
        with refuses(InvalidRunner, "this Runner is an instance", "runner_cls=Runner"):
            register(runner_cls=make_runner()())

    @pytest.mark.parametrize("runner", ["Runner", print, None, 5], ids=str)
    def test_no_class_at_all(self, refuses, runner):
        with refuses(InvalidRunner, "runner_cls must be a class", type(runner).__name__, "RunnerBase"):
            vessl.register_model("iris", None, runner, "m")

    def test_a_class_that_is_no_runner(self, refuses):
        class Model:
            pass

        with refuses(InvalidRunner, "Model does not derive from vessl_nb.RunnerBase", "class Model(vessl_nb.Runner"):
            register(runner_cls=Model)

    def test_torch_functions_that_cannot_be_called_so(self, refuses):
        with refuses(InvalidRunner, "postprocess_data(a, b) cannot be called as postprocess_data(data)"):
            vessl.register_torch_model("iris", None, torch.nn.Identity(), postprocess_data=lambda a, b: a)
        with pytest.raises(InvalidRunner, match="preprocess_data is no function but 5"):
            vessl.register_torch_model("iris", None, torch.nn.Identity(), preprocess_data=5)

    @pytest.mark.parametrize("model", ["text", None, torch.nn.Linear], ids=["text", "None", "a class"])
    def test_no_torch_module(self, refuses, model):
        with refuses(InvalidArgument, "must be a torch.nn.Module, not", type(model).__name__, "register_model"):
            vessl.register_torch_model("iris", None, model)


class TestNumberAndInstance:
    """model_number and model_instance that do not go together."""

    def test_neither(self, refuses):
        with refuses(InvalidArgument, "model_instance is missing", "a new model needs one", "Pass the model"):
            register(model_instance=None)

    def test_neither_though_load_model_is_overridden(self, refuses):
        with refuses(InvalidArgument, "model_instance is missing", "number of an existing model"):
            register(runner_cls=make_runner(load_model=load_anything), model_instance=None)

    def test_no_instance_and_no_load_model(self, refuses):
        with refuses(InvalidArgument, "Runner does not override load_model", "load_model(props, artifacts)"):
            register(model_number=1, model_instance=None)

    def test_a_number_may_be_numpys_own(self):
        register()
        number = vessl.read_model("iris", np.int64(1)).number
        assert (number, type(number)) == (1, int)

    def test_a_number_that_does_not_exist(self, refuses):
        with refuses(NotFound, "iris has no model 99", "The newest is 1"):
            register(model_number=99)

    def test_a_repository_that_does_not_exist(self, refuses):
        with refuses(NotFound, "no model repository 'irsi'", "Did you mean 'iris'?"):
            register("irsi", model_number=1)

    @pytest.mark.parametrize("number", [0, -1, True, "1", 1.0, np.float64(1), np.True_], ids=repr)
    def test_a_number_that_is_none(self, refuses, number):
        with refuses(
            InvalidArgument, f"model_number is {number!r}", "number of an existing model", "None makes a new one"
        ):
            register(model_number=number)

    @pytest.mark.parametrize("number", [0, -1, True, "1", 1.0, np.float64(1), np.True_, None], ids=repr)
    def test_a_number_that_is_none_where_models_are_read_or_filled(self, refuses, work, number):
        (work / "a.txt").write_text("a")
        with refuses(InvalidArgument, f"model_number is {number!r}", "Give the number of an existing model"):
            vessl.upload_model_volume_file("iris", number, "a.txt", "a.txt")
        with pytest.raises(InvalidArgument, match="model_number is"):
            vessl.read_model("iris", number)

    def test_a_number_that_does_not_exist_where_models_are_read_or_filled(self, refuses, work):
        (work / "a.txt").write_text("a")
        with refuses(NotFound, "iris has no model 7", "The newest is 1"):
            vessl.upload_model_volume_file("iris", 7, "a.txt", "a.txt")
        with pytest.raises(NotFound, match="iris has no model 7"):
            vessl.read_model("iris", 7)


class TestProps:
    """What save_model returns."""

    @pytest.mark.parametrize("props", [{"epochs": 3}, {1: "a"}, "model.pt", ["a"], {"path": Path("a")}], ids=repr)
    def test_not_text_to_text(self, refuses, props):
        runner = make_runner(save_model=lambda model: props, load_model=load_anything)
        with refuses(InvalidArgument, "Runner.save_model returned", repr(props), 'Return something like {"path"'):
            register(runner_cls=runner)

    def test_an_absolute_path_into_the_folder_that_will_be_gone(self, refuses):
        def save_model(model):
            Path("deep").mkdir()
            Path("deep/m.txt").write_text(model)
            return {"path": str(Path("deep/m.txt").resolve())}

        with refuses(InvalidArgument, "save_model returned path=", "will be gone", "directory: 'deep/m.txt'"):
            register(runner_cls=make_runner(save_model=save_model, load_model=load_anything))

    def test_text_that_no_document_can_hold(self, refuses):
        runner = make_runner(save_model=lambda model: {"path": "\udc80"}, load_model=load_anything)
        with refuses(InvalidArgument, "save_model", "'path'", "UTF-8"):
            register(runner_cls=runner)

    @pytest.mark.parametrize("name", sorted(RESERVED))
    def test_a_file_of_a_reserved_name(self, refuses, name):
        def save_model(model):
            Path(name).write_text(model)
            return {}

        with refuses(InvalidArgument, repr(name), "reserved", "another name"):
            register(runner_cls=make_runner(save_model=save_model, load_model=load_anything))


class TestKeywords:
    """Keywords that a function does not know."""

    @pytest.mark.parametrize(
        ("call", "words"),
        [
            (register, ["register_model()", "organization_name"]),
            (
                lambda **k: vessl.register_torch_model("iris", None, torch.nn.Identity(), **k),
                ["register_torch_model()", "organization_name"],
            ),
            (lambda **k: vessl.create_model("iris", **k), ["create_model()", "organization_name"]),
            (lambda **k: vessl.read_model("iris", 1, **k), ["read_model()", "organization_name"]),
            (lambda **k: vessl.list_models("iris", **k), ["list_models()", "organization_name"]),
            (
                lambda **k: vessl.upload_model_volume_file("iris", 1, __file__, "a", **k),
                ["upload_model_volume_file()", "organization_name"],
            ),
        ],
        ids=lambda value: value[0] if isinstance(value, list) else "",
    )
    def test_one_that_is_nearly_right(self, refuses, call, words):
        with refuses(InvalidArgument, "has no parameter 'organisation_name'", "Did you mean", *words):
            call(organisation_name="lab")

    @pytest.mark.parametrize(
        ("keyword", "meant"), [("tag", "tags"), ("sampel", "sample"), ("alias", "aliases"), ("artifact", "artifacts")]
    )
    def test_a_parameter_of_the_function_itself_is_suggested(self, refuses, keyword, meant):
        with refuses(InvalidArgument, f"no parameter {keyword!r}", f"Did you mean {meant!r}?"):
            register(**{keyword: None})

    def test_one_that_is_near_nothing_gets_the_list(self, refuses):
        with refuses(InvalidArgument, "no parameter 'xyz'", "It has: repository_name, model_number", "tags"):
            register(xyz=1)


BAD_NAMES = [
    "", " ", ".", "..", "../iris", "/iris", "iris/", "a/b", "a\\b", "iris:1", "iris@1", "-iris", ".iris", "_iris",
    "ir is", "iris\n", "iris\0", "iris\x1b[0m", "x" * 129, "x" * 300, "ïris", "虹膜", "iris٣", None, 5, b"iris",
]  # fmt: skip


class TestNames:
    """Names of repositories and organizations."""

    @pytest.mark.parametrize("name", BAD_NAMES, ids=lambda name: ascii(name)[:20])
    def test_a_repository(self, refuses, name):
        with refuses(InvalidArgument, repr(name)[:12], "cannot be the name of a model repository", "127 letters"):
            register(name)
        for call in (vessl.create_model, vessl.list_models, lambda name: vessl.read_model(name, 1)):
            with pytest.raises(InvalidArgument, match="cannot be the name of a model repository"):
                call(name)

    @pytest.mark.parametrize("name", [name for name in BAD_NAMES if name is not None], ids=lambda n: ascii(n)[:20])
    def test_an_organization(self, refuses, name):
        with refuses(InvalidArgument, repr(name)[:12], "cannot be the name of an organization", "127 letters"):
            register(organization_name=name)

    def test_the_message_stays_short(self, refuses):
        with refuses(InvalidArgument, "xxx...'") as caught:
            register("x" * 300)
        assert len(caught.value.what) < 120

    def test_a_repository_that_differs_only_by_case(self, refuses):
        with refuses(InvalidArgument, "'Iris' differs only by case from 'iris'", "Use 'iris'"):
            register("Iris")
        with pytest.raises(InvalidArgument, match="'IRIS' differs only by case"):
            vessl.create_model("IRIS")
        with pytest.raises(NotFound, match="Did you mean 'iris'"):
            register("IRIS", model_number=1)

    @pytest.mark.parametrize("name", ["iris", "other"])
    def test_an_organization_that_differs_only_by_case(self, refuses, name):
        with refuses(InvalidArgument, "organization 'Default' differs only by case from 'default'", "Use 'default'"):
            register(name, organization_name="Default")

    def test_an_organization_in_the_environment(self, refuses, monkeypatch):
        with (
            refuses(InvalidArgument, "VESSL_NB_ORGANIZATION is 'a/b'", "letter or digit"),
            monkeypatch.context() as patch,
        ):
            patch.setenv("VESSL_NB_ORGANIZATION", "a/b")
            register()

    def test_a_damaged_neighbour_is_no_reason_to_refuse_a_new_name(self, registry_root, anew):
        register("iris")
        (registry_root / "journal/default/iris/00000001.json").write_text("{}")
        anew()
        assert register("other").reference == "other:1"


class TestArtifacts:
    """Artifacts that cannot be found, or cannot go where they should."""

    @pytest.fixture(autouse=True)
    def files(self, work):
        for path in ("a.txt", "b.txt", "d/x", "d/y", "vessl.model.pkl"):
            (work / path).parent.mkdir(exist_ok=True)
            (work / path).write_text(path)
        (work / "empty").mkdir()

    @pytest.mark.parametrize("source", ["c.txt", "d/z", "/no/such/file", "no/such/*", "a.txt/x"])
    def test_a_source_that_is_missing(self, refuses, work, source):
        target = "c/*" if source.endswith("*") else "c"
        with refuses(NotFound, repr(source), "does not exist", str(work), "Check the path"):
            register(artifacts={source: target})

    @pytest.mark.parametrize("source", ["empty/*", "empty/", "a.txt/*"])
    def test_a_folder_that_is_none_or_has_no_files(self, refuses, source):
        with refuses(NotFound, repr(source), "Check the path"):
            register(artifacts={source: "c/*"})

    def test_a_folder_without_a_star(self, refuses):
        with refuses(InvalidArgument, "'d' is a folder", '{"d/*": "e/*"}'):
            register(artifacts={"d": "e"})

    @pytest.mark.parametrize("glob", ["d*/x", "d/*.pt", "**", "d/**", "d/*/x", "*/x", "d/x*", "d/*/"])
    def test_a_star_in_a_wrong_place(self, refuses, glob):
        with refuses(InvalidArgument, repr(glob), "'*' in a place where it cannot be", "'checkpoints/*'"):
            register(artifacts={glob: glob})

    @pytest.mark.parametrize(
        ("source", "target", "suggested"),
        [
            ("d/*", "d", '{"d/*": "d/*"}'),
            ("d", "d/*", '{"d/*": "d/*"}'),
            ("d/", "d", '{"d/*": "d/*"}'),
            ("a.txt", "d/", '{"a.txt/*": "d/*"}'),
            ("*", "d", '{"*": "d/*"}'),
        ],
    )
    def test_a_star_on_one_side_only(self, refuses, source, target, suggested):
        with refuses(InvalidArgument, repr(source), repr(target), "on one side only", suggested):
            register(artifacts={source: target})

    @pytest.mark.parametrize(
        ("target", "words"),
        [
            ("/a.txt", ["'/a.txt' is absolute", "Use 'a.txt'"]),
            ("//a.txt", ["is absolute", "Use 'a.txt'"]),
            ("../a.txt", ["'../a.txt' leaves the volume", "without '..'"]),
            ("d/../../a.txt", ["leaves the volume"]),
            ("d/..", ["leaves the volume"]),
            ("", ["'' is no path in a volume", "'model.pt'"]),
            (".", ["'.' is no path in a volume"]),
            ("..", ["is no path in a volume"]),
            ("a\0b", ["is no path in a volume"]),
            ("\udc80", ["UTF-8"]),
            ("vessl.manifest.yaml", ["'vessl.manifest.yaml' is reserved", "another name"]),
            ("vessl.runner.pkl", ["is reserved"]),
            ("./vessl.model.pkl", ["is reserved"]),
            ("vessl.model.pkl/x", ["is reserved"]),
        ],
    )
    def test_a_target_outside_the_volume_or_reserved(self, refuses, target, words):
        with refuses(InvalidArgument, *words):
            register(artifacts={"a.txt": target})
        with pytest.raises(InvalidArgument):
            vessl.upload_model_volume_file("iris", 1, "a.txt", target)

    @pytest.mark.parametrize("target", ["/*", "/d/*", "../*", "d/../../*", "vessl.model.pkl/*", "/"])
    def test_a_folders_target_outside_the_volume_or_reserved(self, refuses, target):
        with refuses(InvalidArgument, repr(target.rstrip("*").rstrip("/") or "/")[1:-1]):
            register(artifacts={"d/*": target})

    def test_a_tree_with_a_reserved_name_at_the_volumes_root(self, refuses):
        with refuses(InvalidArgument, "'vessl.model.pkl' is reserved"):
            register(artifacts={"*": "*"})

    @pytest.mark.parametrize(
        ("artifacts", "words"),
        [
            ({"a.txt": "x", "b.txt": "x"}, ["'a.txt' and 'b.txt' both claim 'x'"]),
            ({"a.txt": "x", "b.txt": "./x"}, ["'a.txt' and 'b.txt' both claim"]),
            ({"a.txt": "d/x", "d/*": "d/*"}, ["a.txt", "d/x' both claim 'd/x'"]),
            ({"d/*": "d/*", "empty/": "d/"}, ["'d/*' and 'empty/' both claim"]),
            ({"a.txt": "d", "d/*": "d/*"}, ["'a.txt' and 'd/*' both claim"]),
        ],
    )
    def test_a_target_that_is_claimed_twice(self, refuses, artifacts, words):
        with refuses(InvalidArgument, *words, "another target"):
            register(artifacts=artifacts)

    def test_a_target_that_save_model_wrote(self, refuses):
        def save_model(model):
            Path("m.txt").write_text(model)
            return {}

        with refuses(InvalidArgument, "save_model wrote 'm.txt'", "a.txt", "another target"):
            register(
                runner_cls=make_runner(save_model=save_model, load_model=load_anything), artifacts={"a.txt": "m.txt"}
            )

    @pytest.mark.parametrize("artifacts", [{"a.txt": "x", "b.txt": "x/y"}, {"a.txt": "e", "d/*": "e/f/*"}], ids=repr)
    def test_a_file_and_folder_at_once(self, refuses, artifacts):
        with refuses(InvalidArgument, "would be a file, and a folder with", "Rename one of the two"):
            register(artifacts=artifacts)

    def test_a_file_where_the_volume_has_a_folder_already(self, refuses):
        vessl.upload_model_volume_file("iris", 1, "a.txt", "old/x")
        with refuses(InvalidArgument, "'old' would be a file, and a folder with 'old/x' in it"):
            register(model_number=1, artifacts={"b.txt": "old"})
        with pytest.raises(InvalidArgument, match="'old/x' would be a file, and a folder with 'old/x/y'"):
            vessl.upload_model_volume_file("iris", 1, "b.txt", "old/x/y")

    @pytest.mark.parametrize("leads_to", ["../outside.txt", "..", "/etc/hostname"])
    def test_a_folder_with_a_link_that_leaves_it(self, refuses, work, tmp_path, leads_to):
        (tmp_path / "work/outside.txt").write_text("secret")
        (work / "d/link").symlink_to(leads_to)
        with refuses(InvalidArgument, "d/link", "is a link that leaves the folder", "Replace it by what it leads to"):
            register(artifacts={"d/*": "d/*"})
        with pytest.raises(InvalidArgument, match="link that leaves"):
            vessl.upload_model_volume_file("iris", 1, "d", "d")

    def test_a_folder_with_a_broken_link_or_one_to_a_folder(self, refuses, work):
        (work / "d/link").symlink_to("nothing")
        with refuses(InvalidArgument, "d/link", "no file that could be copied"):
            register(artifacts={"d/*": "d/*"})
        (work / "d/link").unlink()
        (work / "d/link").symlink_to(".")
        with pytest.raises(InvalidArgument, match="no file that could be copied"):
            register(artifacts={"d/*": "d/*"})

    @pytest.mark.parametrize("artifacts", [{"pipe": "pipe"}, {"*": "all/*"}], ids=repr)
    def test_a_pipe(self, refuses, work, artifacts):
        os.mkfifo(work / "pipe")
        with refuses(InvalidArgument, "pipe", "no file that could be copied"):
            register(artifacts=artifacts)

    @pytest.mark.parametrize("artifacts", ["a.txt", ["a.txt"], {"a.txt": None}, {Path("a.txt"): "a.txt"}], ids=repr)
    def test_no_dictionary_of_text(self, refuses, artifacts):
        with refuses(InvalidArgument, "artifacts must be a dictionary of paths to paths", repr(artifacts), "model.pt"):
            register(artifacts=artifacts)

    @pytest.mark.parametrize("source", ["", "\udc80"], ids=ascii)
    def test_a_source_that_is_no_path(self, refuses, source):
        with refuses(InvalidArgument, f"The artifact {source!r} is no path", "Name a file"):
            register(artifacts={source: "a.txt"})


class TestModels:
    """create_model and upload_model_volume_file."""

    @pytest.mark.parametrize(
        ("said", "words"),
        [
            ({"experiment_id": 3}, ["experiment_id is 3", "paths=[...]"]),
            ({"model_name": 3}, ["model_name must be text, not 3", "quotes"]),
            ({"repository_description": 3}, ["repository_description must be text, not 3"]),
            ({"model_name": "\udc80"}, ["model_name", "UTF-8"]),
            ({"paths": "a.txt"}, ["paths must be a list, not 'a.txt'", "['a.txt']"]),
            ({"paths": ["d/a.txt", "a.txt"]}, ["'d/a.txt'", "both be 'a.txt'", "another name"]),
        ],
        ids=repr,
    )
    def test_what_cannot_be_meant(self, refuses, work, said, words):
        (work / "d").mkdir()
        (work / "d/a.txt").write_text("1")
        (work / "a.txt").write_text("2")
        with refuses(InvalidArgument, *words):
            vessl.create_model("iris", **said)

    def test_paths_that_do_not_exist(self, refuses, work):
        with refuses(NotFound, "no file 'nothing'", str(work), "Check the path"):
            vessl.create_model("iris", paths=["nothing"])
        with pytest.raises(NotFound, match="no file 'nothing'"):
            vessl.upload_model_volume_file("iris", 1, "nothing", "x")

    def test_a_folder_without_files(self, refuses, work):
        (work / "empty").mkdir()
        with refuses(NotFound, "no files in 'empty'", "Check the path"):
            vessl.upload_model_volume_file("iris", 1, "empty", "x")

    def test_a_name_that_utf8_cannot_say(self, refuses, work):
        (work / "d").mkdir()
        (work / "d/a\udc80").write_text("1")
        with refuses(InvalidArgument, "UTF-8", "Rename the file"):
            vessl.upload_model_volume_file("iris", 1, "d", "x")

    def test_a_repository_is_not_even_begun(self, snapshot):
        register()
        before = snapshot()
        with pytest.raises(NotFound):
            vessl.create_model("other", "Described.", paths=["nothing"])
        assert snapshot() == before


class TestWhatIsSaid:
    """Requirements, tags, aliases, the description, and names of environment variables."""

    @pytest.mark.parametrize(
        "line",
        ["", "scikit learn", "numpy=2", "==2", "-r requirements.txt", "numpy\n", "./here", "a;b", 5, None],
        ids=repr,
    )
    def test_a_requirement_that_is_none(self, refuses, line):
        if line == "numpy\n":
            line = "numpy\n--index-url=https://evil"
        with refuses(InvalidArgument, f"{line!r} is no requirement", "as pip takes it"):
            register(requirements=["numpy", line])

    @pytest.mark.parametrize("requirements", ["torch", {"torch": "2"}, 5], ids=repr)
    def test_requirements_that_are_no_list(self, refuses, requirements):
        with refuses(InvalidArgument, f"requirements must be a list, not {requirements!r}", "Write it as ["):
            register(requirements=requirements)
        with pytest.raises(InvalidArgument, match="requirements must be a list"):
            vessl.register_torch_model("iris", None, torch.nn.Identity(), requirements=requirements)

    @pytest.mark.parametrize(
        ("value", "words"),
        [
            (float("nan"), ["is nan", "JSON cannot say", "use None"]),
            (float("inf"), ["is inf", "JSON cannot say"]),
            (float("-inf"), ["is -inf", "JSON cannot say"]),
            (np.float64(0.5), ["np.float64(0.5), a numpy.float64", "no JSON scalar", "float(...)"]),
            (np.float32("nan"), ["nan", "numpy.float32", "no JSON scalar"]),
            (np.int64(3), ["np.int64(3), a numpy.int64", "no JSON scalar"]),
            (np.bool_(True), ["np.True_, a numpy.bool", "no JSON scalar"]),
            ([1, 2], ["[1, 2], a list", "no JSON scalar"]),
            ({"a": 1}, ["{'a': 1}, a dict", "no JSON scalar"]),
            (b"x", ["b'x', a bytes", "no JSON scalar"]),
            (1 << 63, ["an integer of 64 bits", "as text"]),
            (10**5000, ["an integer of 16610 bits", "as text"]),
            ("\udc80", ["UTF-8"]),
        ],
        ids=lambda value: ascii(value)[:20] if not isinstance(value, list | int) else "",
    )
    def test_a_tag_that_is_no_json_scalar(self, refuses, value, words):
        with refuses(InvalidArgument, "The tag 'accuracy'", *words):
            register(tags={"loss": 0.1, "accuracy": value})

    @pytest.mark.parametrize("name", ["", " ", "a\nb", "\x00", 5, None], ids=repr)
    def test_a_tag_without_a_name(self, refuses, name):
        with refuses(InvalidArgument, f"{name!r} cannot be the name of a tag", "printable text"):
            register(tags={name: 1})

    @pytest.mark.parametrize("tags", [["accuracy"], "accuracy=0.9", [("accuracy", 0.9)]], ids=repr)
    def test_tags_that_are_no_dictionary(self, refuses, tags):
        with refuses(InvalidArgument, f"tags must be a dictionary, not {tags!r}", "{'accuracy': 0.97}"):
            register(tags=tags)

    @pytest.mark.parametrize("alias", ["7", "007"])
    def test_an_alias_that_is_a_number(self, refuses, alias):
        with refuses(InvalidArgument, f"{alias!r} cannot be an alias", "version's number", f"'v{alias}'"):
            register(aliases=["good", alias])
        with pytest.raises(InvalidArgument, match="cannot be an alias"):
            vessl.set_alias("iris:1", alias)

    @pytest.mark.parametrize("alias", ["", "a:b", "a/b", "..", "ü", 7, None], ids=repr)
    def test_an_alias_that_is_no_name(self, refuses, alias):
        with refuses(InvalidArgument, f"{alias!r} cannot be the name of an alias", "letter or digit"):
            register(aliases=[alias])
        with pytest.raises(InvalidArgument, match="cannot be the name of an alias"):
            vessl.set_alias("iris:1", alias)

    @pytest.mark.parametrize("aliases", ["champion", 7, {"champion"}], ids=repr)
    def test_aliases_that_are_no_list(self, refuses, aliases):
        with refuses(InvalidArgument, f"aliases must be a list, not {aliases!r}", "Write it as ['champion']"):
            register(aliases=aliases)

    @pytest.mark.parametrize("name", ["", "1A", "A-B", "A B", "Ü", 7, None], ids=repr)
    def test_an_environment_variable_that_cannot_be(self, refuses, name):
        with refuses(InvalidArgument, f"{name!r} cannot be the name of an environment variable", "never values"):
            register(env=["HOME", name])

    @pytest.mark.parametrize("env", ["API_KEY=secret", {"API_KEY": "secret"}, ["API_KEY=secret"], 7], ids=repr)
    def test_env_that_is_no_list_of_names_is_refused_without_its_values(self, refuses, env):
        with refuses(InvalidArgument, 'never values: env=["API_KEY"]') as caught:
            register(env=env)
        assert "secret" not in str(caught.value)

    @pytest.mark.parametrize("description", [5, ["x"], b"x", "\udc80"], ids=ascii)
    def test_a_description_that_is_no_text(self, refuses, description):
        with refuses(InvalidArgument, "description", repr(description)):
            register(description=description)


class TestCannotTravel:
    """Models, captures and samples that cannot leave the process."""

    def test_a_model(self, refuses):
        class Part:
            pass

        model = Part()
        model.encoder = Part()
        model.encoder.cache = sqlite3.connect(":memory:")
        with refuses(CannotPickle, "model.encoder.cache", "sqlite3.Connection", "save_model and load_model") as caught:
            register(model_instance=model)
        assert caught.value.path == "model.encoder.cache"
        model.encoder.cache.close()

    def test_a_captured_lock(self, refuses):
        def predict(model, data):
            with LOCK:
                return data

        with refuses(CannotPickle, "LOCK", "_thread.lock", "Create it in load_model") as caught:
            register(runner_cls=make_runner(predict=predict))
        assert caught.value.path == "LOCK"

    def test_a_lock_in_what_is_captured(self, refuses, monkeypatch):
        monkeypatch.setitem(globals(), "LOCK", {"inner": [threading.RLock()]})

        def predict(model, data):
            return LOCK

        with refuses(CannotPickle, "LOCK['inner'][0]", "_thread.RLock"):
            register(runner_cls=make_runner(predict=predict))

    def test_a_lock_that_the_models_own_function_uses(self, refuses):
        class Model:
            pass

        model = Model()
        model.step = lambda: LOCK
        with refuses(CannotPickle, "LOCK, a _thread.lock") as caught:
            register(model_instance=model)
        assert caught.value.path == "LOCK"

    def test_the_way_leads_past_what_can_travel(self, refuses):
        def make(lock):
            later = None

            def step():
                return later, lock  # noqa: F821  # on purpose, below

            del later  # its cell is empty
            return step

        class Model:
            pass

        model = Model()
        model.fine, model.steps = make(None), (make(None), {"last": make(threading.Lock())})
        with refuses(CannotPickle, "model.steps[1]['last'] -> lock, a _thread.lock") as caught:
            register(model_instance=model)
        assert caught.value.path == "model.steps[1]['last'] -> lock"

    @pytest.mark.parametrize(
        ("sample", "path"),
        [(object(), "sample"), ({"x": [1, threading.Lock()]}, 'sample["x"][1]')],
        ids=["object", "lock"],
    )
    def test_a_sample_that_cannot_be_kept(self, refuses, sample, path):
        with refuses(NotEncodable, path, "Give plain data") as caught:
            register(sample=sample)
        assert caught.value.path == path

    def test_a_sample_that_only_names_a_file(self, refuses):
        with refuses(NotEncodable, "sample is a PosixPath", "Give what is in the file"):
            register(sample=Path("a.png"))


class TestStages:
    """Runners that raise."""

    @pytest.mark.parametrize("stage", ["preprocess_data", "predict", "postprocess_data"])
    def test_with_a_sample(self, refuses, stage):
        def fail(*arguments):
            return {}[arguments[-1]["x"]]

        runner = make_runner(predict=lambda model, data: data, **({stage: fail} if stage != "predict" else {}))
        runner = make_runner(**{stage: fail}) if stage == "predict" else runner
        with refuses(StageError, f"Runner.{stage} raised KeyError: 7", "Nothing was registered") as caught:
            register(runner_cls=runner, sample={"x": 7}, tags={"a": 1}, aliases=["champion"])
        assert (caught.value.stage, caught.value.problem) == (stage, "KeyError: 7")
        assert isinstance(caught.value.__cause__, KeyError)
        assert any("arguments[-1]" in line for line in caught.value.lines)

    def test_with_the_second_of_two_samples(self, refuses):
        with refuses(StageError, "predict raised ZeroDivisionError"):
            register(runner_cls=make_runner(predict=lambda model, data: 1 / data), sample=[1, 0])

    def test_in_save_model(self, refuses):
        def save_model(model):
            Path("half.txt").write_text("half")
            raise OSError("disk on fire")

        with refuses(StageError, "Runner.save_model raised OSError: disk on fire", "Nothing was registered") as caught:
            register(runner_cls=make_runner(save_model=save_model, load_model=load_anything))
        assert caught.value.stage == "save_model"

    def test_in_load_model(self, refuses):
        def load_model(props, artifacts):
            return Path("model.pt").read_text()

        vessl.create_model("other")
        with refuses(StageError, "Runner.load_model raised FileNotFoundError", "'model.pt'", "version's volume"):
            register("other", 1, make_runner(load_model=load_model), None, sample=1)

    def test_an_interrupt_leaves_nothing_either(self, snapshot, work):
        def save_model(model):
            raise KeyboardInterrupt

        register()
        before = snapshot()
        with pytest.raises(KeyboardInterrupt):
            register(runner_cls=make_runner(save_model=save_model, load_model=load_anything))
        assert snapshot() == before
        assert Path.cwd() == work


class TestReferences:
    """References that cannot be read, or name nothing."""

    @pytest.mark.parametrize(
        "reference",
        [
            "", ":", "iris:", "iris:@1", "iris:0", "iris:3@", "iris:3@x", "iris:3@0", "iris:-1", "iris:champion@1",
            "a/b/c", "/iris", "iris/", " iris", "iris ", "iris:1:2", "iris:1@1@1", "iris:1234567890123456789", "ïris",
            "iris:٣", "iris:1\n", "../iris", "iris:a b",
        ],
        ids=ascii,
    )  # fmt: skip
    def test_one_that_cannot_be_read(self, refuses, reference):
        with refuses(InvalidReference, f"{reference!r} is no reference", "'iris:champion'"):
            vessl.load(reference)
        with pytest.raises(InvalidReference):
            vessl.set_alias(reference, "champion")

    @pytest.mark.parametrize("reference", [None, 5, b"iris", ("iris", 1)], ids=repr)
    def test_one_that_is_no_text(self, refuses, reference):
        with refuses(InvalidReference, f"A reference is text, not {reference!r}", "'iris:3'"):
            vessl.load(reference)
        with pytest.raises(InvalidReference):
            vessl.set_alias(reference, "champion")

    @pytest.mark.parametrize(
        ("reference", "words"),
        [
            ("irsi", ["no model repository 'irsi'", "Did you mean 'iris'?"]),
            ("IRIS:1", ["no model repository 'IRIS'", "Did you mean 'iris'?"]),
            ("zzz", ["no model repository 'zzz'", "There are: iris"]),
            ("lab/iris", ["no model repository 'lab/iris'", "Did you mean 'iris'?"]),
            ("iris:7", ["iris has no model 7", "The newest is 1"]),
            ("iris:champoin", ["iris has no alias 'champoin'", "Did you mean 'champion'?"]),
            ("iris:zzz", ["iris has no alias 'zzz'", "It has: champion"]),
            ("iris:1@2", ["iris:1 has no revision 2", "iris:1@1"]),
        ],
    )
    def test_one_that_names_nothing(self, refuses, reference, words):
        with refuses(NotFound, *words):
            vessl.load(reference)
        with pytest.raises(NotFound):
            vessl.set_alias(reference, "champion")

    def test_a_model_that_holds_files_only(self, refuses):
        vessl.create_model("files")
        with refuses(NotFound, "files:1 holds files, but no runner was registered", "register_model('files', 1"):
            vessl.load("files:1")
        with pytest.raises(NotFound, match="files has no version that can be served"):
            vessl.load("files")


class TestRegistryFolder:
    """Folders that cannot be a registry, or not be written."""

    @pytest.fixture
    def refused(self, monkeypatch, anew):
        """Give a function that holds every verb against a folder that must stay as it is."""

        def check(root, kind, *words):
            monkeypatch.setenv("VESSL_NB_REGISTRY", str(root))
            for call in (register, vessl.versions, lambda: vessl.load("iris"), lambda: vessl.create_model("iris")):
                anew()
                with pytest.raises(kind) as caught:
                    call()
                assert type(caught.value) is kind
                assert all(word in str(caught.value) for word in (str(root), *words))
                assert caught.value.next_step

        return check

    def test_a_file(self, refused, tmp_path):
        (tmp_path / "file").write_text("precious")
        refused(tmp_path / "file", RegistryError, "VESSL_NB_REGISTRY")
        refused(tmp_path / "file" / "deeper", RegistryError, "VESSL_NB_REGISTRY")
        assert (tmp_path / "file").read_text() == "precious"

    def test_a_folder_of_something_else(self, refused, tmp_path):
        (tmp_path / "photos").mkdir()
        (tmp_path / "photos/cat.png").write_text("cat")
        refused(tmp_path / "photos", RegistryError, "is no registry", "not empty", "new or empty folder")
        assert [path.name for path in (tmp_path / "photos").iterdir()] == ["cat.png"]

    @pytest.mark.parametrize(
        "text", ["", "{", "null", "[]", '{"format": 0}', '{"format": "1"}', '{"id": "x"}', "\x00\xff"], ids=repr
    )
    def test_a_damaged_format(self, refused, registry_root, snapshot, text):
        register()
        (registry_root / "format.json").write_text(text)
        before = snapshot()
        refused(registry_root, Damaged, "format.json cannot be read", "backup")
        assert snapshot() == before

    @pytest.mark.parametrize("text", ['{"format": 2}', '{"format": 2, "id": 7, "created": "x"}'])
    def test_a_newer_format(self, refused, registry_root, snapshot, text):
        register()
        (registry_root / "format.json").write_text(text)
        before = snapshot()
        refused(registry_root, FormatTooNew, "has format 2", "up to format 1", "pip install --upgrade vessl_nb")
        assert snapshot() == before

    def test_one_that_breaks_while_it_is_open_is_not_written_to(self, registry_root, snapshot):
        register()
        (registry_root / "format.json").write_text("{")
        before = snapshot()
        with pytest.raises(Damaged, match=r"format\.json cannot be read"):
            register()
        assert snapshot() == before

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody who may not write")
    def test_one_that_may_only_be_read(self, monkeypatch):
        with tempfile.TemporaryDirectory() as folder:
            root, cache = Path(folder, "registry"), Path(folder, "cache")
            for path, mode in ((Path(folder), 0o755), (root, 0o755), (cache, 0o777)):
                path.mkdir(exist_ok=True)
                path.chmod(mode)
            monkeypatch.setenv("VESSL_NB_REGISTRY", str(root))
            register(aliases=["champion"])
            before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
            done = subprocess.run(
                [sys.executable, "-c", AS_NOBODY, f"{folder}/warm", root, cache],
                capture_output=True, text=True, check=False,
            )  # fmt: skip
            assert done.returncode == 0, done.stderr
            assert done.stdout.splitlines() == [
                "['m', 1]",
                "['iris:1']",
                *[f"RegistryError: Cannot write {root}: Permission denied."] * 5,
            ]
            assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == before
            assert register().number == 2


AS_NOBODY = """
import os, re, sys
import vessl_nb as vessl
from vessl_nb import staging

class Runner(vessl.RunnerBase):
    @staticmethod
    def predict(model, data):
        return [model, data]

warm, root, cache = sys.argv[1:]

def verbs():
    yield lambda: vessl.register_model("iris", None, Runner, "m", sample=1)
    yield lambda: vessl.register_model("other", None, Runner, "m")
    yield lambda: vessl.create_model("iris")
    yield lambda: vessl.set_alias("iris:1", "champion")
    yield lambda: vessl.upload_model_volume_file("iris", 1, "/etc/hostname", "x")

# The interpreter may be unreadable to nobody: all it needs is imported first, in a registry of its own.
os.environ["VESSL_NB_REGISTRY"] = warm
for verb in verbs():
    verb()
vessl.load("iris").run(1), vessl.versions()

os.environ["VESSL_NB_REGISTRY"], os.environ["VESSL_NB_CACHE"] = root, cache
os.setgroups([]), os.setgid(65534), os.setuid(65534)
os.chdir("/")
print(vessl.load("iris:champion").run(1))
print(list(vessl.versions()["reference"]))
for verb in verbs():
    try:
        verb()
        print("written")
    except vessl.VesslError as error:
        assert error.next_step
        print(f"{type(error).__name__}: {re.sub(f'{root}/[^:]*', root, error.what)}")
"""


class TestElsewhere:
    """Versions that do not run where they are loaded."""

    @contextmanager
    def cannot_load(self, kind, snapshot, *words):
        before = snapshot()
        with pytest.raises(kind) as caught:
            yield caught
        assert type(caught.value) is kind
        assert all(word in str(caught.value) for word in words)
        assert snapshot() == before
        assert list(vessl.versions("iris")["reference"]) == ["iris:1"]
        assert register().number == 2

    def test_another_python(self, monkeypatch, snapshot):
        with monkeypatch.context() as patched:
            patched.setattr(staging, "minor_version", lambda: "3.99")
            namespace = {"vessl": vessl, "__name__": "__main__"}
            exec("class R(vessl.RunnerBase):\n    @staticmethod\n    def predict(model, data): return data", namespace)
            vessl.register_model("iris", None, namespace["R"], "m", check=False)
        words = ["source of R.predict was not found", "that of Python 3.99", "register it"]
        with self.cannot_load(WrongPython, snapshot, *words):
            vessl.load("iris")

    def test_a_requirement_that_is_not_installed(self, snapshot):
        with pytest.warns(UserWarning, match="not-a-package-of-anyone>=1 is declared, but is not installed here"):
            register(requirements=["numpy", "not-a-package-of-anyone>=1"])
        words = ["iris:1", "not installed here: not-a-package-of-anyone>=1", "pip install 'not-a-package-of-anyone>=1'"]
        with self.cannot_load(MissingRequirement, snapshot, *words) as caught:
            vessl.load("iris")
        assert caught.value.missing == ["not-a-package-of-anyone>=1"]

    def test_a_requirement_that_is_installed_in_another_version(self, snapshot):
        with pytest.warns(UserWarning, match="numpy==0.1 is declared, but"):
            register(requirements=["numpy==0.1", "pandas"])
        there = importlib.metadata.version("numpy")
        words = ["iris:1", f"numpy==0.1 ({there} is installed)", "pip install 'numpy==0.1'"]
        with self.cannot_load(MissingRequirement, snapshot, *words) as caught:
            vessl.load("iris")
        assert len(caught.value.missing) == 1

    def test_a_requirement_that_is_meant_for_other_places(self):
        register(requirements=["not-a-package-of-anyone; sys_platform == 'win32'"])
        assert vessl.load("iris").model == "m"

    def test_an_environment_variable_that_is_not_set(self, snapshot, monkeypatch):
        register(env=["HOME", "VESSL_NB_TEST_KEY"])
        words = ["iris:1", "not set here: VESSL_NB_TEST_KEY", "Set them"]
        with self.cannot_load(MissingRequirement, snapshot, *words) as caught:
            vessl.load("iris:1")
        assert caught.value.missing == ["VESSL_NB_TEST_KEY"]
        monkeypatch.setenv("VESSL_NB_TEST_KEY", "secret")
        assert vessl.load("iris:1").model == "m"
        assert not any(b"secret" in content for content in snapshot().values())


# Texts that are nearly references or paths, and any others.
NEARLY = st.text(alphabet="ab19Z._-:/@ \0\né\ud800*", max_size=12) | st.text(max_size=8)
NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,9}", fullmatch=True)


@given(NEARLY)
def test_any_text_is_a_reference_or_an_invalid_one(text):
    try:
        reference = parse_reference(text)
    except InvalidReference:
        pass
    else:
        assert parse_reference(str(reference)) == reference


@given(
    st.sampled_from(["", "lab/", "default/"]),
    NAMES,
    st.just("")
    | st.integers(1, 10**17).flatmap(lambda n: st.sampled_from([f":{n}", f":{n}@1", f":{n}@23"]))
    | NAMES.filter(lambda name: not name.isdecimal()).map(lambda name: f":{name}"),
)
def test_every_reference_is_read_and_written_back(organization, repository, selector):
    reference = parse_reference(f"{organization}{repository}{selector}")
    assert str(reference) == f"{organization.removeprefix('default/')}{repository}{selector}"
    assert (reference.organization, reference.repository) == (organization.strip("/") or "default", repository)


@given(NEARLY)
def test_a_path_in_a_volume_never_leaves_it(text):
    try:
        path = check_volume_path(text)
    except InvalidArgument:
        pass
    else:
        assert os.path.normpath(f"/volume/{path}") == f"/volume/{path}"
        assert path.split("/")[0] not in RESERVED
        assert check_volume_path(path) == path
        path.encode()


@given(st.lists(st.text(alphabet="aé. -*\n", min_size=1, max_size=5).filter(lambda p: p.strip(".")), min_size=1))
def test_every_plain_path_may_be_in_a_volume(parts):
    assert check_volume_path("/".join(parts)) == "/".join(parts)
    assert check_volume_path("./" + "//".join(parts) + "/") == "/".join(parts)


@given(NEARLY | NAMES | st.sampled_from(["x" * 128, "x" * 129]))
def test_a_name_is_what_the_rule_says(text):
    letters = string.ascii_letters + string.digits
    is_name = 0 < len(text) <= 128 and text[0] in letters and set(text) <= {*letters, *"._-"}
    try:
        assert check_name("model repository", text) == text
    except InvalidArgument:
        assert not is_name
    else:
        assert is_name


def test_every_way_to_combine_numbers_instances_and_loading_is_decided():
    vessl.create_model("iris")
    outcomes = {}
    for number, instance, loads in itertools.product((None, 1, 9), (None, "m"), (False, True)):
        runner = make_runner(load_model=load_anything) if loads else make_runner()
        try:
            outcomes[number, instance, loads] = register("iris", number, runner, instance).number
        except (InvalidArgument, NotFound) as error:
            outcomes[number, instance, loads] = type(error)
    new = iter((2, 3))
    for (number, instance, loads), outcome in outcomes.items():
        if number == 9:
            assert outcome is NotFound
        elif instance is None and (number is None or not loads):
            assert outcome is InvalidArgument
        else:
            assert outcome == (number or next(new))
