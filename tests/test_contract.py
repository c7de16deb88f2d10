"""The contract of VESSL's Model Serving API, row by row.

Classes are defined inside the tests, so that they travel by value as those of a notebook do; the flows that matter most
run as scripts, and are loaded by a second process that never saw the first one's code.
"""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import numpy as np
import pydantic
import pytest
import torch

import vessl_nb as vessl
from vessl_nb.errors import InvalidArgument, InvalidRunner, NotFound, StageError


@pytest.fixture(autouse=True)
def work(tmp_path, monkeypatch):
    """Give the test a working directory of its own, and a folder for temporary files."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


def make_echo():
    """Make a runner that travels by value, as one from a notebook does."""

    class Echo(vessl.RunnerBase):
        @staticmethod
        def predict(model, data):
            return [model, data]

    return Echo


def make_file_reader():
    """Make a runner that loads its model in its own way: it says what it was given and what it finds."""

    class FileReader(vessl.RunnerBase):
        @staticmethod
        def load_model(props, artifacts):
            here = Path.cwd()
            files = {p.relative_to(here).as_posix(): p.read_text() for p in here.rglob("*") if p.is_file()}
            return {"props": props, "artifacts": artifacts, "directory": str(here), "files": files}

        @staticmethod
        def predict(model, data):
            return model[data]

    return FileReader


def files_in(reference):
    """Give the files of a version's volume, as its `load_model` finds them."""
    return vessl.load(reference).run("files")


class TestNumberAndInstance:
    """The four rows of model_number and model_instance."""

    def test_neither_is_refused(self, registry_root):
        with pytest.raises(InvalidArgument, match="model_instance is missing, and a new model needs one"):
            vessl.register_model("iris", None, make_echo())
        assert not registry_root.exists()

    def test_an_instance_alone_is_a_new_model_with_the_next_number(self):
        versions = [vessl.register_model("iris", None, make_echo(), f"model {n}") for n in (1, 2)]
        assert [version.number for version in versions] == [1, 2]
        assert [vessl.load(version.reference).run(0) for version in versions] == [["model 1", 0], ["model 2", 0]]

    def test_a_number_alone_makes_an_existing_model_servable_with_the_files_it_has(self, work):
        (work / "w.txt").write_text("weights")
        model = vessl.create_model("iris", paths=["w.txt"])
        with pytest.raises(NotFound, match="no runner was registered"):
            vessl.load(f"iris:{model.number}")
        version = vessl.register_model("iris", model.number, make_file_reader())
        assert (version.number, version.revision) == (1, 1)
        assert files_in("iris:1") == {"w.txt": "weights"}

    def test_both_overwrite_an_existing_model_and_keep_the_old_revision(self):
        vessl.register_model("iris", None, make_echo(), "old", aliases=["before"])
        version = vessl.register_model("iris", 1, make_echo(), "new")
        assert (version.number, version.revision, version.reference) == (1, 2, "iris:1@2")
        loaded = {name: vessl.load(name).model for name in ("iris", "iris:1", "iris:1@1", "iris:1@2", "iris:before")}
        assert loaded == {"iris": "new", "iris:1": "new", "iris:1@1": "old", "iris:1@2": "new", "iris:before": "old"}
        assert list(vessl.versions("iris")["reference"]) == ["iris:1", "iris:1@1"]

    @pytest.mark.parametrize("model", [0, "", [], False, np.array([])], ids=repr)
    def test_an_instance_that_is_false_is_an_instance(self, model):
        vessl.register_model("iris", None, make_echo(), model)
        assert type(vessl.load("iris").model) is type(model)


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (
            vessl.register_model,
            {
                "repository_name": inspect.Parameter.empty,
                "model_number": inspect.Parameter.empty,
                "runner_cls": inspect.Parameter.empty,
                "model_instance": None,
                "requirements": None,
                "artifacts": None,
            },
        ),
        (
            vessl.register_torch_model,
            {
                "repository_name": inspect.Parameter.empty,
                "model_number": inspect.Parameter.empty,
                "model_instance": inspect.Parameter.empty,
                "preprocess_data": None,
                "postprocess_data": None,
                "requirements": None,
            },
        ),
    ],
)
def test_the_parameters_are_the_sdks_in_its_order_and_all_others_by_keyword_only(function, expected):
    parameters = inspect.signature(function).parameters.values()
    positional = {p.name: p.default for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD}
    assert list(positional.items()) == list(expected.items())
    further = [p for p in parameters if p.kind is not p.POSITIONAL_OR_KEYWORD]
    assert [p.name for p in further] == [
        "sample",
        "tags",
        "aliases",
        "description",
        "env",
        "check",
        "store_examples",
        "kwargs",
    ]
    assert all(p.kind is p.KEYWORD_ONLY and p.default is not p.empty for p in further[:-1])
    assert further[-1].kind is inspect.Parameter.VAR_KEYWORD


def test_create_model_has_the_sdks_parameters():
    assert list(inspect.signature(vessl.create_model).parameters) == [
        "repository_name", "repository_description", "experiment_id", "model_name", "paths", "kwargs",
    ]  # fmt: skip
    assert list(inspect.signature(vessl.upload_model_volume_file).parameters) == [
        "repository_name", "model_number", "source_path", "dest_path", "kwargs",
    ]  # fmt: skip


class TestRunner:
    """What a runner may look like."""

    def test_static_methods(self):
        class Runner(vessl.RunnerBase):
            @staticmethod
            def save_model(model):
                Path("m").write_text(model)
                return {"path": "m"}

            @staticmethod
            def load_model(props, artifacts):
                return Path(props["path"]).read_text()

            @staticmethod
            def preprocess_data(data):
                return data + 1

            @staticmethod
            def predict(model, data):
                return f"{model} {data}"

            @staticmethod
            def postprocess_data(data):
                return {"answer": data}

        vessl.register_model("kinds", None, Runner, "m", sample=1)
        assert vessl.load("kinds").run(1) == {"answer": "m 2"}

    def test_plain_functions(self):
        class Runner(vessl.RunnerBase):
            def save_model(model):
                Path("m").write_text(model)
                return {"path": "m"}

            def load_model(props, artifacts):
                return Path(props["path"]).read_text()

            def preprocess_data(data):
                return data + 1

            def predict(model, data):
                return f"{model} {data}"

            def postprocess_data(data):
                return {"answer": data}

        vessl.register_model("kinds", None, Runner, "m", sample=1)
        assert vessl.load("kinds").run(1) == {"answer": "m 2"}

    def test_class_methods_which_see_the_loaded_class(self):
        class Runner(vessl.RunnerBase):
            step = 1

            @classmethod
            def save_model(cls, model):
                Path("m").write_text(model)
                return {"path": "m"}

            @classmethod
            def load_model(cls, props, artifacts):
                return Path(props["path"]).read_text()

            @classmethod
            def preprocess_data(cls, data):
                return data + cls.step

            @classmethod
            def predict(cls, model, data):
                return f"{model} {data}"

            @classmethod
            def postprocess_data(cls, data):
                return {cls.__name__: data}

        vessl.register_model("kinds", None, Runner, "m", sample=1)
        Runner.step = 100
        assert vessl.load("kinds").run(1) == {"Runner": "m 2"}
        assert Runner.step == 100

    def test_methods_that_a_base_of_the_notebook_has(self):
        class Base(vessl.RunnerBase):
            @staticmethod
            def preprocess_data(data):
                return data * 2

            @staticmethod
            def predict(model, data):
                return model + data

        class Runner(Base):
            @staticmethod
            def postprocess_data(data):
                return -data

        vessl.register_model("kinds", None, Runner, 1)
        assert vessl.load("kinds").run(3) == -7

    def test_further_parameters_with_defaults(self):
        class Runner(vessl.RunnerBase):
            @staticmethod
            def predict(model, data, threshold=0.5, **options):
                return data > threshold

        vessl.register_model("kinds", None, Runner, "m")
        assert vessl.load("kinds").run(0.7) is True

    def test_a_generic_one_with_pydantic_models(self):
        class Flower(pydantic.BaseModel):
            petals: list[float]

        class Answer(pydantic.BaseModel):
            species: str
            score: float = pydantic.Field(ge=0)

        class Runner(vessl.RunnerBase[Flower, Answer]):
            @staticmethod
            def preprocess_data(data):
                return Flower.model_validate(data).petals

            @staticmethod
            def predict(model, data):
                return sum(data) * model

            @staticmethod
            def postprocess_data(data):
                return Answer(species="setosa", score=data)

        vessl.register_model("kinds", None, Runner, 2, sample={"petals": [1, 2]})
        loaded = vessl.load("kinds")
        assert loaded.run({"petals": [1, 2]}).model_dump() == {"species": "setosa", "score": 6.0}
        with pytest.raises(StageError, match="preprocess_data raised") as caught:
            loaded.run({"petals": "none"})
        assert isinstance(caught.value.__cause__, pydantic.ValidationError)

    def test_preprocess_and_postprocess_are_the_identity_where_not_overridden(self):
        data = {"any": object()}

        class Runner(vessl.RunnerBase):
            @staticmethod
            def predict(model, data):
                return data

        vessl.register_model("kinds", None, Runner, "m")
        assert vessl.load("kinds").run(data) is data
        assert vessl.RunnerBase.preprocess_data(data) is data
        assert vessl.RunnerBase.postprocess_data(data) is data

    def test_the_base_is_abstract_in_predict_alone(self):
        assert vessl.RunnerBase.__abstractmethods__ == {"predict"}


class TestSavingAndLoading:
    """save_model, load_model, and the working directory."""

    def test_load_model_alone_gets_no_props_and_nothing_is_pickled(self):
        version = vessl.register_model("iris", None, make_file_reader(), threading.Lock())
        assert vessl.load("iris").run("props") is None
        assert (version.manifest.model, version.manifest.pickles.objects) == ("", ["runner"])

    def test_props_reach_load_model_and_what_was_written_is_in_the_volume(self, work):
        (work / "mine.txt").write_text("mine")

        class Runner(vessl.RunnerBase):
            @staticmethod
            def save_model(model):
                Path("parts").mkdir()
                Path("parts/a.txt").write_text(model)
                return {"path": "parts/a.txt", "ü": ""}

            @staticmethod
            def load_model(props, artifacts):
                return [props, Path(props["path"]).read_text(), [str(path) for path in Path().iterdir()]]

            @staticmethod
            def predict(model, data):
                return model

        version = vessl.register_model("iris", None, Runner, "weights")
        assert list(version.manifest.files) == ["parts/a.txt"]
        assert vessl.load("iris").run(None) == [{"path": "parts/a.txt", "ü": ""}, "weights", ["parts"]]
        assert list(work.iterdir()) == [work / "mine.txt"]
        assert Path.cwd() == work

    def test_save_model_may_return_nothing(self):
        class Runner(vessl.RunnerBase):
            @staticmethod
            def save_model(model):
                Path("m.txt").write_text(model)

            @staticmethod
            def load_model(props, artifacts):
                return [props, Path("m.txt").read_text()]

            @staticmethod
            def predict(model, data):
                return model

        vessl.register_model("iris", None, Runner, "weights")
        assert vessl.load("iris").run(None) == [None, "weights"]

    @pytest.mark.parametrize("stage", ["save_model", "load_model"])
    def test_the_users_directory_is_theirs_again_after_it_raised(self, work, tmp_path, stage):
        class Runner(vessl.RunnerBase):
            @staticmethod
            def save_model(model):
                Path("half.txt").write_text("half")
                Path("deeper").mkdir()
                os.chdir("deeper")
                if stage == "save_model":
                    raise OSError("disk on fire")
                return {}

            @staticmethod
            def load_model(props, artifacts):
                os.chdir("/")
                raise OSError("disk on fire")

            @staticmethod
            def predict(model, data):
                return model

        def go():
            vessl.register_model("iris", None, Runner, "m")
            vessl.load("iris")

        with pytest.raises(StageError, match=f"Runner.{stage} raised OSError: disk on fire"):
            go()
        assert Path.cwd() == work
        assert list(work.iterdir()) == []
        assert list((tmp_path / "temporary").iterdir()) == []

    def test_no_temporary_folder_stays_behind(self, tmp_path):
        vessl.register_model("iris", None, make_echo(), "m")
        assert list((tmp_path / "temporary").iterdir()) == []

    def test_the_working_directory_of_load_model_is_the_volume_and_not_the_registry(self, work, registry_root):
        (work / "w.txt").write_text("weights")
        vessl.register_model("iris", None, make_file_reader(), "m", artifacts={"w.txt": "w.txt"})
        directory = Path(vessl.load("iris").run("directory"))
        assert (directory / "w.txt").read_text() == "weights"
        assert directory not in (work, registry_root)
        assert registry_root not in directory.parents
        assert Path.cwd() == work

    def test_what_load_model_does_to_its_arguments_stays_there(self, work):
        class Runner(vessl.RunnerBase):
            @staticmethod
            def load_model(props, artifacts):
                return artifacts.pop("w.txt")

            @staticmethod
            def predict(model, data):
                return model

        (work / "w.txt").write_text("weights")
        given = {"w.txt": "deep/w.txt"}
        vessl.create_model("iris")
        version = vessl.register_model("iris", 1, Runner, artifacts=given, sample="x")
        assert given == version.manifest.artifacts == {"w.txt": "deep/w.txt"}
        assert [vessl.load("iris").run(None) for _ in range(2)] == ["deep/w.txt", "deep/w.txt"]


class TestArtifacts:
    """Local paths to paths in the volume."""

    def test_they_are_looked_up_in_the_volume_first_then_in_the_users_directory(self, work):
        class Runner(make_file_reader()):
            @staticmethod
            def save_model(model):
                Path("both.txt").write_text("from save_model")
                return {}

        (work / "both.txt").write_text("from the notebook")
        (work / "vocabulary.txt").write_text("words")
        artifacts = {"both.txt": "copy.txt", "vocabulary.txt": "data/vocabulary.txt"}
        vessl.register_model("iris", None, Runner, "m", artifacts=artifacts)
        assert files_in("iris") == {
            "both.txt": "from save_model",
            "copy.txt": "from save_model",
            "data/vocabulary.txt": "words",
        }

    def test_a_star_and_a_trailing_slash_take_the_whole_tree(self, work):
        for path in ("checkpoints/a.pt", "checkpoints/deep/er/b.pt", "checkpoints/.hidden", "model.pt"):
            (work / path).parent.mkdir(parents=True, exist_ok=True)
            (work / path).write_text(path)
        star = {"model.pt": "model.pt", "checkpoints/*": "checkpoints/*"}
        slash = {"model.pt": "model.pt", "checkpoints/": "checkpoints/"}
        versions = [
            vessl.register_model("iris", None, make_file_reader(), "m", artifacts=given) for given in (star, slash)
        ]
        expected = ["checkpoints/.hidden", "checkpoints/a.pt", "checkpoints/deep/er/b.pt", "model.pt"]
        assert [sorted(files_in(version.reference)) for version in versions] == [expected, expected]
        assert [vessl.load(version.reference).run("artifacts") for version in versions] == [star, slash]

    @pytest.mark.parametrize(
        ("artifacts", "expected"),
        [
            ({"*": "*"}, ["a.txt", "deep/b.txt"]),
            ({"./*": "./*"}, ["a.txt", "deep/b.txt"]),
            ({"*": "all/*"}, ["all/a.txt", "all/deep/b.txt"]),
            ({"deep/*": "*"}, ["b.txt"]),
            ({"deep/": "else/where/"}, ["else/where/b.txt"]),
            ({"./a.txt": "./x//a.txt"}, ["x/a.txt"]),
        ],
    )
    def test_folders_may_go_anywhere_in_the_volume(self, work, artifacts, expected):
        (work / "deep").mkdir()
        (work / "a.txt").write_text("a")
        (work / "deep/b.txt").write_text("b")
        vessl.register_model("iris", None, make_file_reader(), "m", artifacts=artifacts)
        assert sorted(files_in("iris")) == expected
        assert vessl.load("iris").run("artifacts") == artifacts

    def test_an_absolute_path_and_one_with_a_tilde_are_found(self, work, tmp_path, monkeypatch):
        monkeypatch.setenv("HOME", str(tmp_path))
        (tmp_path / "a.txt").write_text("a")
        artifacts = {str(tmp_path / "a.txt"): "one", "~/a.txt": "two", f"{tmp_path}/work/*": "three/*"}
        (work / "b.txt").write_text("b")
        vessl.register_model("iris", None, make_file_reader(), "m", artifacts=artifacts)
        assert files_in("iris") == {"one": "a", "two": "a", "three/b.txt": "b"}

    def test_a_runner_opens_them_by_either_name(self, work):
        class Runner(vessl.RunnerBase):
            @staticmethod
            def load_model(props, artifacts):
                return [Path("model.pt").read_text(), Path(artifacts["model.pt"]).read_text()]

            @staticmethod
            def predict(model, data):
                return model

        (work / "model.pt").write_text("weights")
        vessl.register_model("iris", None, Runner, "m", artifacts={"model.pt": "model.pt"})
        (work / "model.pt").write_text("others")
        assert vessl.load("iris").run(None) == ["weights", "weights"]

    def test_overwriting_leaves_files_that_are_not_written_again_and_old_revisions_theirs(self, work):
        def register(number, **files):
            for name, text in files.items():
                (work / name).write_text(text)
            artifacts = {name: name for name in files}
            return vessl.register_model("iris", number, make_file_reader(), "m", artifacts=artifacts)

        register(None, a="a1", b="b1")
        register(1, b="b2", c="c2")
        vessl.upload_model_volume_file("iris", 1, "a", "d")
        register(1, a="a3")
        assert files_in("iris:1@1") == {"a": "a1", "b": "b1"}
        assert files_in("iris:1@2") == {"a": "a1", "b": "b2", "c": "c2"}
        assert files_in("iris:1@3") == files_in("iris:1") == {"a": "a3", "b": "b2", "c": "c2", "d": "a1"}
        assert vessl.load("iris:1").run("artifacts") == {"a": "a"}


class TestModels:
    """The functions of the SDK that notebooks use beside registering."""

    def test_a_model_is_created_read_and_listed(self, work):
        (work / "data").mkdir()
        (work / "data/a.txt").write_text("a")
        (work / "b.txt").write_text("b")
        model = vessl.create_model("iris", "Flowers.", model_name="first", paths=["data", "b.txt"])
        assert (model.number, model.name, model.repository_name, model.revisions) == (1, "first", "iris", 0)
        assert vessl.read_model("iris", 1) == model
        vessl.register_model("iris", None, make_echo(), "m")
        vessl.register_model("iris", 1, make_file_reader())
        assert [(m.number, m.revisions) for m in vessl.list_models("iris")] == [(1, 1), (2, 1)]
        assert files_in("iris:1") == {"data/a.txt": "a", "b.txt": "b"}

    def test_uploaded_files_and_folders_are_in_what_is_registered_from_then_on(self, work):
        (work / "tree/deep").mkdir(parents=True)
        (work / "tree/deep/a.txt").write_text("a")
        vessl.create_model("iris")
        vessl.upload_model_volume_file("iris", 1, "tree/deep/a.txt", "model.txt")
        vessl.register_model("iris", 1, make_file_reader())
        vessl.upload_model_volume_file("iris", 1, str(work / "tree"), "all/")
        assert files_in("iris:1") == {"model.txt": "a"}
        vessl.register_model("iris", 1, make_file_reader())
        assert files_in("iris:1") == {"model.txt": "a", "all/deep/a.txt": "a"}

    def test_organizations_keep_their_repositories_apart(self, work):
        (work / "a.txt").write_text("a")
        for organization, model in (("lab", "lab's"), ("shop", "shop's")):
            version = vessl.register_model("iris", None, make_echo(), model, organization_name=organization)
            assert version.reference == f"{organization}/iris:1"
        vessl.register_model("iris", None, make_echo(), "default's", organization_name="default")
        assert {name: vessl.load(name).model for name in ("lab/iris", "shop/iris:1", "iris", "default/iris")} == {
            "lab/iris": "lab's", "shop/iris:1": "shop's", "iris": "default's", "default/iris": "default's",
        }  # fmt: skip
        created = vessl.create_model("iris", organization_name="lab")
        assert (created.number, created.organization_name) == (2, "lab")
        vessl.upload_model_volume_file("iris", 2, "a.txt", "a.txt", organization_name="lab")
        vessl.register_model("iris", 2, make_file_reader(), organization_name="lab")
        assert vessl.read_model("iris", 2, organization_name="lab").revisions == 1
        assert len(vessl.list_models("iris", organization_name="lab")) == 2
        assert len(vessl.list_models("iris")) == 1
        net = torch.nn.Linear(2, 2)
        assert vessl.register_torch_model("net", None, net, organization_name="lab").reference == "lab/net:1"
        assert vessl.set_alias("lab/iris:1", "champion").aliases == ("champion",)


class TestTorch:
    """register_torch_model."""

    def test_it_predicts_in_eval_mode_without_gradients(self):
        torch.manual_seed(0)
        net = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.BatchNorm1d(8), torch.nn.Dropout(0.5))
        net.train()
        version = vessl.register_torch_model("net", None, net, postprocess_data=lambda y: [y.requires_grad, y.tolist()])
        x = torch.ones(2, 3)
        answers = [vessl.load(version.reference).run(x) for _ in range(3)]
        with torch.no_grad():
            expected = torch.nn.Sequential(*net).eval()(x).tolist()
        assert answers == [[False, expected]] * 3
        assert not vessl.load("net").model.training

    @pytest.mark.parametrize("sample", [None, [torch.ones(2, 3), torch.zeros(2, 3)]], ids=["", "samples"])
    def test_the_users_module_is_exactly_as_it_was(self, sample):
        class Net(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.linear = torch.nn.Linear(3, 4)
                self.frozen = torch.nn.BatchNorm1d(4)
                self.norm = torch.nn.BatchNorm1d(4)

            def forward(self, x):
                return self.norm(self.frozen(self.linear(x)))

        net = Net().train()
        net.frozen.eval().requires_grad_(requires_grad=False)
        net.linear.weight.grad = torch.ones(4, 3)

        def state():
            return (
                {name: part.training for name, part in net.named_modules()},
                {name: p.requires_grad for name, p in net.named_parameters()},
                {name: value.tolist() for name, value in net.state_dict().items()},
                net.linear.weight.grad.tolist(),
            )

        before = state()
        vessl.register_torch_model("net", None, net, sample=sample)
        assert state() == before
        with pytest.raises(StageError):
            vessl.register_torch_model("net", None, net, sample="no tensor")
        assert state() == before
        assert before[0] == {"": True, "linear": True, "frozen": False, "norm": True}
        assert torch.is_grad_enabled()
        loaded = vessl.load("net").model
        assert {name: p.requires_grad for name, p in loaded.named_parameters()} == before[1]

    def test_torch_is_among_the_requirements_once(self):
        net = torch.nn.Linear(1, 1)
        assert vessl.register_torch_model("net", None, net).requirements[0].startswith("torch==")
        version = vessl.register_torch_model("net", None, net, requirements=["Torch>=2", "numpy"])
        assert version.requirements == ("Torch>=2", "numpy")

    def test_the_functions_may_be_of_any_kind(self):
        class Scale:
            def __init__(self, by):
                self.by = by

            def __call__(self, data):
                return torch.tensor(data) * self.by

        net = torch.nn.Identity()
        vessl.register_torch_model("net", None, net, Scale(2.0), torch.Tensor.tolist, sample=[[1.0]])
        assert vessl.load("net").run([1.0, 2.0]) == [2.0, 4.0]

    def test_a_number_overwrites(self):
        vessl.register_torch_model("net", None, torch.nn.Linear(1, 1))
        assert vessl.register_torch_model("net", 1, torch.nn.Linear(1, 2)).reference == "net:1@2"
        assert vessl.load("net").model.out_features == 2


class TestTheSeed:
    """The calls on VESSL's own page, after ``import vessl_nb as vessl``; the page shows their last lines only."""

    @pytest.fixture(autouse=True)
    def torchvision(self, tmp_path, monkeypatch):
        """Install a torchvision that is nothing but its metadata: the examples require it, and do not import it."""
        folder = tmp_path / "site" / "torchvision-0.20.0.dist-info"
        folder.mkdir(parents=True)
        (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: torchvision\nVersion: 0.20.0\n")
        monkeypatch.syspath_prepend(str(tmp_path / "site"))

    def test_register_model(self, work):
        (work / "checkpoints").mkdir()
        (work / "checkpoints/last.pt").write_bytes(b"last")
        model_instance = torch.nn.Linear(2, 1)
        torch.save(model_instance.state_dict(), "model.pt")

        class MyRunner(vessl.RunnerBase):
            @staticmethod
            def predict(model, data):
                return model(torch.tensor(data)).tolist()

        vessl.register_model(
            repository_name="my-model",
            model_number=None,
            runner_cls=MyRunner,
            model_instance=model_instance,
            requirements=["torch", "torchvision"],
            artifacts={"model.pt": "model.pt", "checkpoints/": "checkpoints/"},
        )
        loaded = vessl.load("my-model")
        assert loaded.run([1.0, 2.0]) == model_instance(torch.tensor([1.0, 2.0])).tolist()
        assert sorted(loaded.version.manifest.files) == ["checkpoints/last.pt", "model.pt"]

    def test_register_torch_model(self):
        model_instance = torch.nn.Identity()
        vessl.register_torch_model(
            repository_name="my-model",
            model_number=None,
            model_instance=model_instance,
            preprocess_data=lambda x: int(x),  # noqa: PLW0108  # as the page has it
            postprocess_data=lambda x: {"prediction": x},
            requirements=["torch", "torchvision"],
        )
        loaded = vessl.load("my-model")
        assert loaded.run("7") == {"prediction": 7}
        assert loaded.version.requirements == ("torch", "torchvision")


RUN = """\
import json, sys
import vessl_nb as vessl

loaded = vessl.load(sys.argv[1])
print(json.dumps([loaded.run(eval(data)) for data in sys.argv[2:]]))
"""


@pytest.fixture
def scripts(tmp_path):
    """Give a function that runs a script which registers, and then one elsewhere which loads and runs.

    The second process has another working directory, and never sees the first one's code or files.
    """

    def run(source, reference, *data):
        for name, text, arguments in [("there", source, ()), ("here", RUN, (reference, *data))]:
            folder = tmp_path / name
            folder.mkdir()
            (folder / "main.py").write_text(text)
            command = [sys.executable, "main.py", *arguments]
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
            folder.rename(tmp_path / f"no longer {name}")
        return json.loads(done.stdout)

    return run


class TestTwoProcesses:
    """What one process registers from its ``__main__``, another loads that has nothing of it."""

    def test_a_sklearn_runner_with_what_its_script_defines(self, scripts):
        source = """
import numpy as np
from sklearn.linear_model import LogisticRegression
import vessl_nb as vessl

names = np.array(["setosa", "versicolor"])

class Scaler:
    def __init__(self, mean):
        self.mean = mean
    def scale(self, x):
        return x - self.mean

scaler = Scaler(np.array([2.0, 0.0]))

def to_array(data):
    return np.array([data["x"]])

class IrisRunner(vessl.RunnerBase):
    @staticmethod
    def preprocess_data(data):
        return scaler.scale(to_array(data))
    @staticmethod
    def predict(model, data):
        return model.predict(data)
    @staticmethod
    def postprocess_data(data):
        return {"species": str(names[data[0]]), "isinstance": isinstance(scaler, Scaler)}

model = LogisticRegression().fit(scaler.scale(np.array([[0, 0], [1, 0], [3, 0], [4, 0]])), [0, 0, 1, 1])
vessl.register_model("iris", None, IrisRunner, model, ["scikit-learn", "numpy"], sample={"x": [0, 0]})
"""
        assert scripts(source, "iris", "{'x': [0.5, 0]}", "{'x': [3.5, 0]}") == [
            {"species": "setosa", "isinstance": True},
            {"species": "versicolor", "isinstance": True},
        ]

    def test_a_torch_net_defined_in_the_script(self, scripts):
        source = """
import torch
import vessl_nb as vessl

class Block(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(2, 2)
        torch.nn.init.eye_(self.linear.weight)
        torch.nn.init.zeros_(self.linear.bias)
        self.dropout = torch.nn.Dropout(0.9)
    def forward(self, x):
        return self.dropout(self.linear(x)) * factor

class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks = torch.nn.ModuleList([Block(), Block()])
    def forward(self, x):
        for block in self.blocks:
            x = block(x)
        return x

factor = 3.0
vessl.register_torch_model("net", None, Net(), lambda x: torch.tensor(x), lambda y: {"y": y.tolist()}, sample=[[1., 1.]])
"""
        assert scripts(source, "net", "[1., 2.]") == [{"y": [9.0, 18.0]}]

    def test_props_and_artifacts(self, scripts):
        source = """
import os, pathlib
import vessl_nb as vessl

pathlib.Path("vocabulary").mkdir()
pathlib.Path("vocabulary/words.txt").write_text("hello world")

class Runner(vessl.RunnerBase):
    @staticmethod
    def save_model(model):
        pathlib.Path("weights.txt").write_text(str(model))
        return {"weights": "weights.txt"}
    @staticmethod
    def load_model(props, artifacts):
        folder = artifacts["vocabulary/*"].rstrip("*")
        return float(open(props["weights"]).read()), open(folder + "words.txt").read().split()
    @staticmethod
    def predict(model, data):
        weight, words = model
        return weight * words.index(data)

vessl.register_model("words", None, Runner, 2.5, artifacts={"vocabulary/*": "words/*"}, sample=[], aliases=["champion"])
assert sorted(os.listdir()) == ["main.py", "vocabulary"]
"""
        assert scripts(source, "words:champion", "'hello'", "'world'") == [0.0, 2.5]

    def test_closures_over_self(self, scripts):
        source = """
import vessl_nb as vessl

class Pipeline:
    def __init__(self, bias):
        self.bias = bias
        self.steps = [lambda x: x + self.bias, self.double]
        self.run = self.compose(lambda x: -x)
    def double(self, x):
        return 2 * x
    def compose(self, last):
        def run(x):
            for step in [*self.steps, last]:
                x = step(x)
            return x
        return run

class Runner(vessl.RunnerBase):
    @staticmethod
    def predict(model, data):
        before = model.run(data)
        model.bias = 10
        return [before, model.run(data), isinstance(model, Pipeline)]

vessl.register_model("closures", None, Runner, Pipeline(1))
"""
        assert scripts(source, "closures", "3") == [[-8, -26, True]]

    def test_the_public_mnist_example(self, scripts):
        source = """
import io
import torch
from PIL import Image
import vessl_nb as vessl

class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(4, 10)
    def forward(self, x):
        return self.linear(x.flatten(1))

net = Net()
with torch.no_grad():
    net.linear.weight.zero_(); net.linear.bias.zero_(); net.linear.weight[7] = 1
torch.save(net.state_dict(), "model.pt")

model = vessl.create_model(repository_name="mnist", model_name="Vision")
vessl.upload_model_volume_file(
    repository_name="mnist", model_number=model.number, source_path="model.pt", dest_path="model.pt"
)

class MyRunner(vessl.RunnerBase):
    @staticmethod
    def load_model(props, artifacts):
        model = Net()
        model.load_state_dict(torch.load("model.pt", map_location=torch.device("cpu")))
        model.eval()
        return model
    @staticmethod
    def preprocess_data(data):
        image = Image.open(io.BytesIO(data)).convert("L")
        return torch.tensor(list(image.tobytes()), dtype=torch.float32).reshape(1, 1, 2, 2) / 255
    @staticmethod
    def predict(model, data):
        with torch.no_grad():
            return model(data).argmax(dim=-1)
    @staticmethod
    def postprocess_data(data):
        return {"result": data.item()}

png = io.BytesIO()
Image.new("L", (2, 2), 255).save(png, "PNG")
version = vessl.register_model(
    repository_name="mnist", model_number=model.number, runner_cls=MyRunner,
    requirements=["torch", "pillow"], sample=png.getvalue(),
)
assert version.number == model.number
"""
        png = "__import__('base64').b64decode('iVBORw0KGgoAAAANSUhEUgAAAAIAAAACCAAAAABX3VL4AAAADklEQVR4nGP8z8DEwAAABQ0BA7hKXG8AAAAASUVORK5CYII=')"
        assert scripts(source, "mnist:1", png) == [{"result": 7}]


def test_artifacts_and_props_reach_load_model_in_the_order_in_which_they_were_given(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in "zab":
        (tmp_path / name).write_text(name)

    class Runner(vessl.RunnerBase):
        @staticmethod
        def save_model(model):
            return {"z": "1", "a": "2"}

        @staticmethod
        def load_model(props, artifacts):
            return [*props, *artifacts]

        @staticmethod
        def predict(model, data):
            return model

    vessl.register_model("order", None, Runner, "m", artifacts={"z": "z", "a": "a", "b": "b"})
    assert vessl.load("order").model == ["z", "a", "z", "a", "b"]


def test_an_async_method_is_refused_since_it_would_answer_with_a_coroutine():
    class Runner(vessl.RunnerBase):
        @staticmethod
        async def predict(model, data):
            return data

    with pytest.raises(InvalidRunner, match=r"Runner\.predict is async"):
        vessl.register_model("async", None, Runner, "m")
