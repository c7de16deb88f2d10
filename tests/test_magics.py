"""The magics on a real shell: each gathers arguments, calls one function, and gives back what it returns."""

from __future__ import annotations

import re

import pytest
from usual_cells import RUNNER

import vessl_nb as vessl
from vessl_nb.belongings import RunnerPreview
from vessl_nb.errors import CheckFailed, InvalidArgument, InvalidReference, NotFound, StageError
from vessl_nb.loading import LoadedModel
from vessl_nb.notebook.runner_magics import PreviewFailed
from vessl_nb.registry.listing import VersionsTable
from vessl_nb.registry.version import Version


class TestPreview:
    def test_it_is_what_the_function_gives(self, notebook):
        notebook("sample = {'x': [3]}")
        shown = notebook("%vessl_preview --runner Iris --model clf --sample sample")
        expected = vessl.preview(notebook.variables["Iris"], {"x": [3]}, notebook.variables["clf"])
        assert (type(shown), shown.output) == (RunnerPreview, expected.output)
        assert repr(shown).startswith(f"{expected!r}\nTakes along: ")

    def test_the_last_sample_is_evaluated_anew(self, notebook):
        notebook("factor = 1")
        assert notebook("%vessl_preview --sample 'dict(x=[factor])'").output == [2]
        notebook("factor = 5")
        assert notebook("%vessl_preview").output == [10]
        version = notebook("%vessl_register iris")
        assert version.examples == [{"input": {"x": [5]}, "output": [10]}]

    def test_the_last_model_is_evaluated_anew(self, notebook):
        notebook("%%vessl_runner --model clf" + RUNNER)
        notebook("clf = Scale(7); spare = Scale(1)")
        assert notebook("""%vessl_preview --sample '{"x": [1]}'""").output == [7]

    def test_a_model_that_was_deleted_is_named(self, notebook):
        notebook("%%vessl_runner --model clf" + RUNNER)
        notebook("best = clf; del clf")
        what = "The remembered --model clf: there is no variable 'clf'."
        notebook.fails("%vessl_register iris", InvalidArgument, what, "Define it in a cell first.")
        assert notebook("%vessl_register iris --model best").number == 1

    def test_what_failed_is_not_remembered(self, notebook):
        notebook("""%vessl_preview --sample '{"x": [1]}'""")
        for line in ("--sample nothing", "--sample '1 +'", "--sample 1/0", "--model nothing"):
            assert isinstance(notebook.run(f"%vessl_preview {line}").error, InvalidArgument)
        assert notebook("%vessl_preview").output == [2]
        assert notebook("%vessl_register iris").number == 1

    def test_each_runner_has_a_sample_of_its_own(self, notebook):
        notebook("class Echo(vessl.RunnerBase):\n    @staticmethod\n    def predict(model, data): return data")
        notebook("""%vessl_preview --runner Iris --sample '{"x": [1]}'""")
        notebook("%vessl_preview --runner Echo --sample '[1, 2]'")
        assert notebook("%vessl_register iris --runner Iris").examples[0]["input"] == {"x": [1]}
        assert notebook("%vessl_register echo --runner Echo").examples[0]["input"] == [1, 2]

    def test_no_sample(self, notebook):
        step = "Give one: --sample '{\"x\": [1, 2]}'"
        notebook.fails("%vessl_preview", InvalidArgument, "There is no sample to preview.", step)

    def test_several_models_are_listed(self, notebook):
        notebook("other = Scale(3)")
        what = "This notebook has several candidates for the model: clf, other."
        for line in ("""%vessl_preview --sample '{"x": [1]}'""", "%vessl_register iris"):
            notebook.fails(line, InvalidArgument, what, "Say which: --model clf")

    def test_a_runner_that_needs_no_model_is_previewed_without_one(self, notebook):
        notebook(
            "del clf, Iris\nclass Echo(vessl.RunnerBase):\n    @staticmethod\n    def predict(model, data): return data"
        )
        assert notebook("%vessl_preview --sample '[1]'").output == [1]

    @pytest.mark.filterwarnings("ignore:check was redefined")
    def test_the_last_sample_that_passed_becomes_the_example(self, notebook):
        cell = RUNNER + "    @staticmethod\n    def preprocess_data(data): return check(data)\n"
        notebook.run("def check(data): raise KeyError('gone')")
        assert notebook.run("%%vessl_runner --model clf --sample '{\"x\": [1]}'" + cell).error
        assert type(notebook.run("%vessl_register iris").error) is StageError  # none passed yet
        notebook.run("def check(data): return data['x']")
        assert notebook.run("%vessl_preview").value.ok
        assert notebook.run("%vessl_preview --sample '{\"y\": 1}'").error
        assert [e["input"] for e in notebook.run("%vessl_register iris").value.examples] == [{"x": [1]}]

    def test_the_cell_that_is_run_again_previews_again(self, notebook):
        notebook("%%vessl_runner --model clf --sample '{\"x\": [1]}'" + RUNNER)
        again = notebook("%%vessl_runner" + RUNNER)
        assert (type(again), again.output) == (RunnerPreview, [2])
        assert notebook("%vessl_runner Iris") is notebook.variables["Iris"], "a line only marks"

    def test_several_samples_become_the_examples(self, notebook):
        assert len(notebook("%vessl_preview --sample '{\"x\": [1]}' -s '{\"x\": [2]}'")) == 2
        version = notebook("%vessl_register iris --no-check")
        assert [example["output"] for example in version.examples] == [[2], [4]]

    @pytest.mark.parametrize("stage", ["preprocess_data", "predict", "postprocess_data"])
    def test_a_stage_that_fails_is_shown_where_it_broke_and_then_in_one_line(self, notebook, stage):
        arguments = "model, data" if stage == "predict" else "data"
        cell = (
            RUNNER.replace("Iris", "Broken")
            + f"    @staticmethod\n    def {stage}({arguments}): raise KeyError('gone')\n"
        )
        for line in ("%%vessl_runner --model clf --sample '{\"x\": [1]}'" + cell, "%vessl_preview"):
            ran = notebook.fails(line, PreviewFailed, f"Broken.{stage} raised KeyError: 'gone'")
            [shown] = ran.shown
            assert shown.startswith(f"Broken failed in {stage}\n")
            assert f"in {stage}" in shown
            assert "KeyError: 'gone'" in shown

    def test_a_silenced_preview_that_fails_is_shown_all_the_same(self, notebook):
        assert notebook.run("%vessl_preview --sample '[]';").shown


class TestRegister:
    def test_it_is_what_the_function_gives(self, notebook):
        iris, clf = notebook.variables["Iris"], notebook.variables["clf"]
        expected = vessl.register_model(
            "twin", None, iris, clf, ["numpy"], sample=[{"x": [1]}, {"x": [2]}],
            tags={"accuracy": 0.97, "note": "first try", "epochs": 3}, aliases=["champion", "first"],
            description="the best", env=["HOME"],
        )  # fmt: skip
        version = notebook(
            """%vessl_register iris --runner Iris --model clf --sample '{"x": [1]}' -s '{"x": [2]}' --tag accuracy=0.97 """
            """-t "note=first try" --tag epochs=3 --alias champion -a first --requirement numpy -d "the best" --env HOME"""
        )
        assert type(version) is type(expected) is Version
        said = ("number", "revision", "runner", "aliases", "tags", "description", "requirements", "examples", "source")
        assert {name: getattr(version, name) for name in said} == {name: getattr(expected, name) for name in said}
        assert version.manifest.env == expected.manifest.env == ["HOME"]
        assert version.reference == "iris:1"
        assert vessl.load("iris").run({"x": [5]}) == vessl.load("twin").run({"x": [5]}) == [10]

    def test_one_runner_and_one_model_need_no_names(self, notebook):
        version = notebook("%vessl_register iris")
        assert (version.reference, version.runner, version.examples) == ("iris:1", "Iris", [])

    def test_an_organization_and_a_number_to_overwrite(self, notebook):
        assert notebook("%vessl_register lab/iris").reference == "lab/iris:1"
        notebook("clf = Scale(3)")
        assert notebook("%vessl_register lab/iris:1").reference == "lab/iris:1@2"
        assert vessl.load("lab/iris:1").run({"x": [1]}) == [3]
        assert vessl.load("lab/iris:1@1").run({"x": [1]}) == [2]

    def test_overwriting_saves_the_model_again(self, notebook):
        notebook("""
class Files(vessl.RunnerBase):
    @staticmethod
    def save_model(model):
        with open("factor", "w") as file: file.write(str(model.factor))
        return {"path": "factor"}
    @staticmethod
    def load_model(props, artifacts):
        with open(props["path"]) as file: return Scale(int(file.read()))
    @staticmethod
    def predict(model, data): return model.predict(data)
""")
        notebook("%vessl_register files --runner Files")
        notebook("clf = Scale(9)")
        notebook("%vessl_register files:1 --runner Files")
        assert vessl.load("files:1").run([1]) == [9]

    def test_a_model_that_has_its_files_needs_none_from_the_notebook(self, notebook, tmp_path):
        notebook("""
class Files(vessl.RunnerBase):
    @staticmethod
    def load_model(props, artifacts):
        with open("factor") as file: return int(file.read())
    @staticmethod
    def predict(model, data): return model * data
""")
        (tmp_path / "local").write_text("4")
        vessl.create_model("files")
        notebook("files = {'local': 'factor'}\nsecond = Scale(1)")
        version = notebook("%vessl_register files:1 --runner Files --artifacts files --sample 5")
        assert version.examples == [{"input": 5, "output": 20}]
        assert vessl.load("files").run(2) == 8

    def test_a_stage_that_fails_shows_the_users_own_lines(self, notebook, snapshot):
        before = snapshot()
        ran = notebook.run("%vessl_register iris --sample '{}'")
        assert isinstance(ran.error, StageError)
        lines = ran.text.strip().splitlines()
        assert lines[0].startswith("cell, line ")
        assert lines[0].endswith(", in preprocess_data")
        assert lines[1:3] == [
            '    def preprocess_data(data): return data["x"]',
            "StageError: Iris.preprocess_data raised KeyError: 'x'",
        ]
        assert lines[3:] == ["Nothing was registered; %vessl_preview shows what each stage was given."]
        assert snapshot() == before

    def test_a_version_is_no_place_to_register(self, notebook):
        for reference in ("iris:champion", "iris:1@1"):
            notebook.fails(
                f"%vessl_register {reference}",
                InvalidArgument,
                f"'{reference}' names a version that exists.",
                "Register a new one in 'iris', or overwrite a number: 'iris:3'.",
            )

    @pytest.mark.parametrize("reference", ["iris:", ":3", "a/b/c", "iris:3@", "iris:3@x", ".iris", "iris:0", "i!ris"])
    @pytest.mark.parametrize("magic", ["register", "load", "versions"])
    def test_malformed_references(self, notebook, reference, magic):
        ran = notebook.run(f"%vessl_{magic} {reference}")
        assert isinstance(ran.error, InvalidReference | InvalidArgument)
        assert reference in str(ran.error)
        assert len(ran.text.strip().splitlines()) == 2

    def test_a_wrong_tag_alias_or_requirement_changes_nothing(self, notebook, snapshot):
        before = snapshot()
        for line in ("--tag accuracy", "--tag =1", "--alias 3", "--alias 'a b'", "--env A=1", "--requirement '?'"):
            ran = notebook.run(f"%vessl_register iris {line}")
            assert isinstance(ran.error, InvalidArgument), line
            assert len(ran.text.strip().splitlines()) == 2, ran.text
        assert snapshot() == before

    def test_tags_are_json_scalars_or_text(self, notebook):
        line = "--tag a=1 --tag b=true --tag c=null --tag 'd=[1]' --tag e=x=y --tag f= --tag g=0.5 --tag 'h=\"1\"'"
        assert notebook(f"%vessl_register iris {line}").tags == {
            "a": 1, "b": True, "c": None, "d": "[1]", "e": "x=y", "f": "", "g": 0.5, "h": "1",
        }  # fmt: skip


class TestVersionsLoadAndAlias:
    def test_versions_gives_the_table(self, notebook):
        notebook("%vessl_register iris --alias champion;\n%vessl_register lab/other;")
        table = notebook("%vessl_versions iris")
        assert isinstance(table, VersionsTable)
        assert table.frame.equals(vessl.versions("iris"))
        assert repr(table) == repr(VersionsTable("iris"))
        assert len(notebook("%vessl_versions")) == len(vessl.versions()) == 2
        assert len(notebook("%vessl_versions lab/other")) == 1

    def test_versions_of_what_does_not_exist(self, notebook, registry_root):
        notebook("%vessl_register iris;")
        notebook.fails(
            "%vessl_versions irsi",
            NotFound,
            f"There is no model repository 'irsi' in {registry_root}.",
            "Did you mean 'iris'?",
        )

    def test_an_empty_registry_is_an_empty_table(self, notebook):
        assert len(notebook("%vessl_versions")) == 0

    def test_load_gives_a_model_that_answers(self, notebook):
        notebook("%vessl_register iris --alias champion;")
        loaded = notebook("%vessl_load iris:champion")
        assert isinstance(loaded, LoadedModel)
        assert loaded.run({"x": [1]}) == vessl.load("iris:champion").run({"x": [1]}) == [2]

    def test_load_leaves_the_live_class_alone(self, notebook):
        notebook("%vessl_register iris;")
        live = dict(vars(notebook.variables["Iris"]))
        loaded = notebook("%vessl_load iris")
        assert loaded.runner is not notebook.variables["Iris"]
        assert type(loaded.model) is not notebook.variables["Scale"]
        assert dict(vars(notebook.variables["Iris"])) == live

    def test_load_of_what_does_not_exist(self, notebook):
        notebook("%vessl_register iris --alias champion;")
        for reference in ("iris:9", "iris:champoin", "irsi", "iris:1@4"):
            ran = notebook.run(f"%vessl_load {reference}")
            assert isinstance(ran.error, NotFound)
            assert len(ran.text.strip().splitlines()) == 2

    def test_alias_gives_the_version_that_it_points_at_now(self, notebook):
        notebook("%vessl_register iris --alias champion;\n%vessl_register iris;")
        version = notebook("%vessl_alias iris:2 champion")
        assert version == vessl.set_alias("iris:2", "champion")
        assert (version.reference, version.aliases) == ("iris:2", ("champion",))
        assert notebook("%vessl_load iris:champion").version.number == 2


TAKING = """
class Taking(vessl.RunnerBase):
    @staticmethod
    def predict(model, data): return BODY
"""


class TestCaptures:
    def test_a_preview_says_in_one_line_what_the_runner_takes_along(self, notebook):
        notebook("limit = 7\ndef clean(x): return min(x, limit)")
        shown = notebook("%%vessl_runner --sample 9" + TAKING.replace("BODY", "clean(data)"))
        assert repr(shown).splitlines()[-1] == "Takes along: limit (int), 1 helper"
        assert "limit (int), 1 helper" in shown._repr_html_()
        assert [name.name for name in shown.captures.names] == ["clean", "limit"]

    def test_a_runner_that_takes_nothing_along(self, notebook):
        shown = notebook("%%vessl_runner --sample 9" + TAKING.replace("BODY", "data"))
        assert repr(shown).splitlines()[-1] == "Takes along: nothing of the notebook"

    def test_a_name_that_exists_nowhere_is_said_though_the_sample_passed(self, notebook):
        notebook("limit = 7")
        shown = notebook("%%vessl_runner --sample 9" + TAKING.replace("BODY", "data if data > 0 else limt"))
        assert shown.ok
        assert re.search(
            r"\n  problem: Taking.predict uses 'limt', which exists nowhere, In\[\d+\], line 4. Did you mean 'limit'\?",
            repr(shown),
        )

    def test_large_names_and_secrets_stand_out_and_no_secret_is_shown(self, notebook):
        token = "hf_" + "aB3" * 8
        notebook(f"API_KEY = '{token}'; stats = list(range(200_000))")
        shown = notebook("%%vessl_runner --sample 9" + TAKING.replace("BODY", "len(stats), len(API_KEY)"))
        text = repr(shown)
        assert "\n  large: stats (list), In[" in text
        assert "\n  secret: API_KEY travels with the runner" in text
        assert token not in text + shown._repr_html_()

    def test_a_preview_that_fails_says_what_the_runner_takes_along_too(self, notebook):
        ran = notebook.run("%%vessl_runner --sample 9" + TAKING.replace("BODY", "limt"))
        assert isinstance(ran.error, PreviewFailed)
        assert "problem: Taking.predict uses 'limt', which exists nowhere" in ran.shown[0]

    def test_it_is_what_the_function_gives(self, notebook):
        notebook("factor = 3\n" + TAKING.replace("BODY", "data * factor"))
        shown = notebook("%vessl_captures --runner Taking --model clf")
        assert shown == vessl.captures(notebook.variables["Taking"], notebook.variables["clf"])
        assert [name.name for name in shown.names] == ["factor"]
        notebook("%vessl_runner Taking")
        assert notebook("%vessl_captures") == shown, "the marked runner, and the only model"

    def test_several_runners_are_listed(self, notebook):
        notebook("class Other(Iris): pass")
        what = "This notebook has several candidates for the runner: Iris, Other."
        notebook.fails("%vessl_captures", InvalidArgument, what, "Say which: --runner Iris")


class TestCheck:
    def test_registering_checks_and_the_version_says_so(self, notebook):
        version = notebook("%vessl_register iris --sample 'dict(x=[1])'")
        assert (version.check.passed, version.check.samples) == (True, 1)
        assert re.search(r"Check +passed in a clean process, 1 sample\n", notebook.faces(version)["text/plain"])
        assert list(vessl.versions("iris")["check"]) == ["passed"]

    def test_registering_without_a_check_says_so_too(self, notebook):
        version = notebook("%vessl_register iris --sample 'dict(x=[1])' --no-check")
        assert version.check is None
        assert "not checked, as was asked" in notebook.faces(version)["text/plain"]
        assert list(vessl.versions("iris")["check"]) == [""]

    def test_examples_that_are_not_kept_are_tried_all_the_same(self, notebook):
        version = notebook("%vessl_register iris --sample 'dict(x=[1])' --no-examples")
        assert (version.check.passed, version.examples) == (True, [])

    def test_a_registered_version_is_checked_again_and_the_result_kept(self, notebook):
        notebook("%vessl_register iris --sample 'dict(x=[1])' --no-check --alias champion")
        shown = notebook("%vessl_check iris:champion")
        assert repr(shown) == "iris:1 passed in a clean process, 1 sample"
        assert "iris:1</strong> passed in a clean process, 1 sample" in shown._repr_html_()
        assert list(vessl.versions("iris")["check"]) == [""]
        assert notebook("%vessl_check iris --record").check.passed
        assert list(vessl.versions("iris")["check"]) == ["passed"]

    def test_a_version_that_answers_otherwise_fails_and_the_result_is_kept(self, notebook, monkeypatch):
        notebook("import os\n" + TAKING.replace("BODY", "os.environ.get('FLAVOUR_OF_TEST')"))
        monkeypatch.setenv("FLAVOUR_OF_TEST", "sweet")
        notebook("%vessl_register taking --runner Taking --sample 1 --env FLAVOUR_OF_TEST")
        monkeypatch.setenv("FLAVOUR_OF_TEST", "sour")
        ran = notebook.run("%vessl_check taking --record")
        assert isinstance(ran.error, CheckFailed)
        assert len(ran.text.strip().splitlines()) == 2
        version = notebook("v = %vessl_alias taking:1 kept\nv")
        shown = notebook.faces(version)
        assert re.search(r"Check +failed in a clean process, 1 sample\n", shown["text/plain"])
        assert '<strong class="vnb-bad">failed</strong>' in shown["text/html"]
        assert list(vessl.versions("taking")["check"]) == ["failed"]

    def test_a_version_without_examples_cannot_be_checked(self, notebook):
        notebook("%vessl_register iris")
        step = "Register it with a sample: %vessl_register --sample EXPR"
        notebook.fails("%vessl_check iris", InvalidArgument, "iris:1 has no examples to be checked with.", step)

    @pytest.mark.filterwarnings("ignore:.* travels with the runner")
    def test_the_report_has_what_the_version_takes_along(self, notebook):
        token = "hf_" + "aB3" * 8
        notebook(f"factor = 3\ndef times(x): return x * factor\nAPI_KEY = '{token}'")
        notebook("%%vessl_runner" + TAKING.replace("BODY", f"times(data), len(API_KEY), '{token}'"))
        with pytest.warns(UserWarning, match="API_KEY travels"):
            version = notebook("%vessl_register taking --sample 2 --no-check")
        faces = notebook.faces(version)
        text = faces["text/plain"]
        for line in (r"factor +int +In\[\d\], used by times", r"times +function +In\[\d\], used by Taking.predict"):
            assert re.search(line, text)
        assert "secret: its value looks like a Hugging Face token" in text
        assert re.search(r"Signature +input +integer", text)
        assert token in version.source, "in the file, which loads"
        assert token not in text + faces["text/html"]
        assert "&#x27;***&#x27;" in faces["text/html"]
