"""The magics on a real shell: each gathers arguments, calls one function, and gives back what it returns."""

from __future__ import annotations

import atexit
import re
import sys
from dataclasses import dataclass
from typing import Any

import pytest
from IPython.core.completer import provisionalcompleter
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from traitlets.config import Config

import vessl_nb as vessl
from vessl_nb.belongings import Captures, RunnerPreview
from vessl_nb.errors import CheckFailed, InvalidArgument, InvalidReference, InvalidRunner, NotFound, StageError
from vessl_nb.loading import LoadedModel
from vessl_nb.notebook.magics import CellFailed, PreviewFailed, VesslMagics
from vessl_nb.registry.listing import VersionsTable
from vessl_nb.registry.version import CheckReport, Version

MAGICS = {
    "vessl_runner", "vessl_preview", "vessl_captures", "vessl_register", "vessl_check", "vessl_versions", "vessl_load",
    "vessl_alias",
}  # fmt: skip

REGISTER_OPTIONS = [
    "--runner", "--model", "--sample", "--tag", "--alias", "--requirement", "--artifacts", "--env", "--description",
    "--no-check", "--no-examples", "--form",
]  # fmt: skip

MODEL = """
class Scale:
    def __init__(self, factor): self.factor = factor
    def predict(self, data): return [self.factor * x for x in data]
clf = Scale(2)
"""

RUNNER = """
class Iris(vessl.RunnerBase):
    @staticmethod
    def preprocess_data(data): return data["x"]
    @staticmethod
    def predict(model, data): return model.predict(data)
"""


@dataclass
class Ran:
    """What came of a cell."""

    value: Any
    error: BaseException | None
    text: str
    shown: list[str]


class Notebook:
    """A shell, and its cells run one by one."""

    def __init__(self, shell: InteractiveShell) -> None:
        self.shell = shell
        self.variables = shell.user_ns

    def run(self, cell: str) -> Ran:
        with capture_output() as captured:
            result = self.shell.run_cell(cell, store_history=True)
        error = result.error_before_exec or result.error_in_exec
        # A cell that a magic runs takes the result's value away; Out has it in any case.
        value = self.variables["Out"].get(result.execution_count)
        shown = [output.data["text/plain"] for output in captured.outputs]
        return Ran(value, error, captured.stdout + captured.stderr, shown)

    def __call__(self, cell: str) -> Any:
        """Run a cell that works, and give its value."""
        ran = self.run(cell)
        assert ran.error is None, ran.text
        return ran.value

    def fails(self, cell: str, kind: type[BaseException], *lines: str) -> Ran:
        """Run a cell that fails, and hold against these lines all that is shown of it."""
        ran = self.run(cell)
        assert type(ran.error) is kind, ran.error
        assert ran.text.strip().splitlines() == [f"{kind.__name__}: {lines[0]}", *lines[1:]]
        return ran

    def faces(self, value: Any) -> dict[str, str]:
        """Give what the shell would show of a value, by kind."""
        return self.shell.display_formatter.format(value)[0]

    def complete(self, text: str) -> list[str]:
        """Press Tab at the end of a text; gives the whole texts that one could choose."""
        with provisionalcompleter():
            offered = list(self.shell.Completer.completions(text, len(text)))
        return [text[: completion.start] + completion.text for completion in offered]

    def completions(self, text: str) -> list[str]:
        """Press Tab; gives the last words alone, of ours."""
        return [whole.rpartition(" ")[2].rpartition("=")[2] for whole in self.complete(text)]


@pytest.fixture
def bare(tmp_path, monkeypatch):
    """Give a shell with nothing loaded."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.chdir(tmp_path)
    main = sys.modules["__main__"]
    config = Config()
    config.HistoryManager.enabled = False  # its sqlite file would stay open
    config.InteractiveShell.colors = "nocolor"
    InteractiveShell.clear_instance()
    shell = InteractiveShell.instance(config=config)
    yield Notebook(shell)
    atexit.unregister(shell.atexit_operations)  # a third of a second each
    InteractiveShell.clear_instance()
    sys.modules["__main__"] = main


@pytest.fixture
def notebook(bare):
    """Give a shell with the magics, a model and a runner that nobody has marked."""
    bare("%load_ext vessl_nb\nimport vessl_nb as vessl")
    bare(MODEL)
    bare(RUNNER)
    return bare


def loaded_parts(shell: InteractiveShell) -> list[int]:
    kinds = shell.magics_manager.magics
    return [
        len({*kinds["line"], *kinds["cell"]} & MAGICS),
        sum(getattr(m, "matcher_identifier", "") == "vessl_nb" for m in shell.Completer.custom_matchers),
        sum(isinstance(part, VesslMagics) for part in shell.configurables),
        sum("VesslMagics" in name for name in shell.magics_manager.registry),
    ]


class TestExtension:
    def test_loading_twice_is_harmless_and_unloading_takes_everything_away(self, bare):
        assert loaded_parts(bare.shell) == [0, 0, 0, 0]
        for _ in range(3):
            vessl.load_ipython_extension(bare.shell)
        bare("%load_ext vessl_nb\n%load_ext vessl_nb")
        assert loaded_parts(bare.shell) == [len(MAGICS), 1, 1, 1]
        bare("%unload_ext vessl_nb")
        assert loaded_parts(bare.shell) == [0, 0, 0, 0]
        assert "not found" in bare.run("%vessl_versions").text
        assert not any("iris" in text or "--" in text[2:] for text in bare.complete("%vessl_register --mo"))

    def test_unloading_what_is_not_loaded_is_harmless(self, bare):
        vessl.unload_ipython_extension(bare.shell)
        assert loaded_parts(bare.shell) == [0, 0, 0, 0]

    def test_loading_again_gives_the_magics_back(self, bare):
        bare("%load_ext vessl_nb\n%unload_ext vessl_nb\n%load_ext vessl_nb\n%reload_ext vessl_nb")
        assert loaded_parts(bare.shell) == [len(MAGICS), 1, 1, 1]
        assert isinstance(bare("%vessl_versions"), VersionsTable)

    def test_it_leaves_the_notebooks_variables_alone(self, bare):
        before = set(bare.variables)
        vessl.load_ipython_extension(bare.shell)
        assert set(bare.variables) == before

    @pytest.mark.parametrize("magic", sorted(MAGICS))
    def test_help_shows_what_it_does_its_options_and_an_example(self, notebook, magic):
        text = notebook.run(f"%{magic}?").text
        usage, _, more = text.partition("\n\n  ")[2].partition("\n\n")
        assert usage.startswith(f"%{magic}")
        assert more.splitlines()[0].endswith(".")
        assert f"    %{magic}" in more or f"= %{magic}" in more or f"%%{magic}" in more
        for action in notebook.shell.find_line_magic(magic).parser._actions:
            assert f"  {[*action.option_strings, action.dest][0]} " in more
            assert action.help


class TestRunner:
    def test_a_cell_is_run_and_its_class_marked(self, notebook):
        runner = notebook("%%vessl_runner" + RUNNER + "answer = 42")
        assert runner is notebook.variables["Iris"]
        assert notebook.variables["answer"] == 42
        assert notebook.run("%vessl_register iris").value.runner == "Iris"

    def test_with_model_and_sample_the_preview_is_shown_at_once(self, notebook):
        shown = notebook("""%%vessl_runner --model clf --sample '{"x": [1, 2]}'""" + RUNNER)
        assert isinstance(shown, RunnerPreview)
        expected = vessl.preview(notebook.variables["Iris"], {"x": [1, 2]}, notebook.variables["clf"])
        assert shown.output == expected.output == [2, 4]
        assert repr(shown).startswith(f"{expected!r}\nTakes along: ")

    def test_a_class_that_exists_is_marked_by_name(self, notebook):
        notebook("class Other(Iris): pass")
        assert notebook("%vessl_runner Other") is notebook.variables["Other"]
        assert notebook("%vessl_register iris").runner == "Other"

    def test_the_only_class_needs_no_name(self, notebook):
        assert notebook("%vessl_runner") is notebook.variables["Iris"]

    def test_several_classes_are_listed(self, notebook):
        notebook("class Other(Iris): pass")
        what = "This notebook has several candidates for the runner: Iris, Other."
        notebook.fails("%vessl_runner", InvalidArgument, what, "Say which: %vessl_runner Iris")
        notebook.fails("%vessl_register iris", InvalidArgument, what, "Say which: --runner Iris")

    def test_running_the_cell_again_after_editing_marks_the_new_class(self, notebook):
        old = notebook("%%vessl_runner" + RUNNER)
        new = notebook("""%%vessl_runner --sample '{"x": [1]}'""" + RUNNER.replace('data["x"]', '[*data["x"], 10]'))
        assert new.output == [2, 20]
        assert notebook.variables["Iris"] is not old
        version = notebook("%vessl_register iris")
        assert vessl.load(version.reference).run({"x": [1]}) == [2, 20]

    def test_running_the_same_cell_again_marks_it_again(self, notebook):
        cell = "%%vessl_runner" + RUNNER
        assert notebook(cell) is not notebook(cell)

    def test_a_trailing_expression_is_shown_as_in_any_cell(self, notebook):
        ran = notebook.run("%%vessl_runner" + RUNNER + "6 * 7")
        assert ran.value is notebook.variables["Iris"]
        assert re.search(r"Out\[\d+\]: 42$", ran.text, re.MULTILINE)

    def test_a_cell_may_await(self, notebook):
        assert isinstance(notebook("%%vessl_runner" + RUNNER + "import asyncio\nawait asyncio.sleep(0)"), type)

    def test_magics_inside_the_cell_work(self, notebook):
        notebook("%%vessl_runner" + RUNNER + "here = %pwd")
        assert notebook.variables["here"]

    def test_an_abstract_base_beside_it_is_no_candidate(self, notebook):
        base = "class Base(vessl.RunnerBase):\n    pass\n"
        concrete = "class Concrete(Base):\n    @staticmethod\n    def predict(model, data): return data\n"
        assert notebook(f"%%vessl_runner\n{base}{concrete}").__name__ == "Concrete"

    def test_an_imported_base_beside_it_is_no_candidate(self, notebook, tmp_path, monkeypatch):
        (tmp_path / "lab_runners.py").write_text(f"import vessl_nb as vessl{RUNNER}")
        monkeypatch.syspath_prepend(tmp_path)
        cell = "%%vessl_runner\nfrom lab_runners import Iris as Base\nclass Mine(Base): pass"
        assert notebook(cell).__name__ == "Mine"
        assert notebook("%%vessl_runner\nfrom lab_runners import Iris as Theirs").__module__ == "lab_runners"

    def test_a_second_name_for_the_class_is_no_second_class(self, notebook):
        assert notebook("%%vessl_runner" + RUNNER + "Same = Iris").__name__ == "Iris"
        assert notebook("%vessl_register iris").runner == "Iris"

    def test_a_cell_with_two_runners_lists_both(self, notebook):
        notebook.fails(
            "%%vessl_runner" + RUNNER + "class Other(Iris): pass",
            InvalidRunner,
            "The cell defines 2 runners: Iris, Other.",
            "Mark one of them: %vessl_runner Iris",
        )

    def test_a_cell_without_a_runner(self, notebook):
        step = "It needs a class with a predict: class MyRunner(vessl_nb.RunnerBase): ..."
        notebook.fails("%%vessl_runner\nx = 1", InvalidRunner, "The cell defines no runner.", step)
        cell = "%%vessl_runner\nclass NoPredict(vessl.RunnerBase): pass"
        notebook.fails(cell, InvalidRunner, "The cell defines no runner.", step)

    def test_a_cell_takes_no_name(self, notebook):
        ran = notebook.fails(
            "%%vessl_runner Iris\nx = 1",
            InvalidArgument,
            "%%vessl_runner marks the class that its cell defines, and takes no name: Iris",
            "Take the name away; %vessl_runner Iris marks a class that exists.",
        )
        assert ran.error
        assert "x" not in notebook.variables

    @pytest.mark.parametrize(
        ("last_line", "shown"),
        [("1 / 0", "ZeroDivisionError: division by zero"), ("class (", "SyntaxError: invalid syntax")],
    )
    def test_a_cell_that_fails_shows_one_traceback_and_is_an_error(self, notebook, last_line, shown):
        notebook("class Other(Iris): pass")
        ran = notebook.run("%%vessl_runner" + RUNNER + last_line)
        assert isinstance(ran.error, CellFailed)
        assert shown.partition(":")[0] in str(ran.error)
        assert ran.text.count(shown) == 1
        assert ran.text.count("Traceback") <= 1
        assert "vessl_nb" not in ran.text.replace("vessl_runner", "")
        assert notebook.run("%vessl_preview").error.what.startswith("This notebook has several candidates")

    def test_a_wrong_line_does_not_run_the_cell(self, notebook):
        notebook.fails(
            "%%vessl_runner --smaple 1\nx = 1",
            InvalidArgument,
            "%vessl_runner has no option '--smaple'.",
            "Did you mean '--sample'?",
        )
        assert "x" not in notebook.variables

    def test_a_name_that_is_no_runner(self, notebook):
        notebook.fails(
            "%vessl_runner Irsi",
            InvalidArgument,
            "%vessl_runner Irsi: there is no variable 'Irsi'.",
            "Did you mean 'Iris'?",
        )
        for name in ("clf", "Scale"):
            assert isinstance(notebook.run(f"%vessl_runner {name}").error, InvalidRunner)

    def test_a_name_is_never_taken_for_one_of_ipythons_own(self, notebook):
        ran = notebook.run("%vessl_runner Opne")
        assert ran.error.next_step == "Define it in a cell first."

    def test_a_runner_that_breaks_the_contract_is_refused(self, notebook):
        cell = "%%vessl_runner\nclass Odd(vessl.RunnerBase):\n    @staticmethod\n    def predict(data): return data"
        ran = notebook.run(cell)
        assert isinstance(ran.error, InvalidRunner)
        assert len(ran.text.strip().splitlines()) == 2
        assert notebook.run("%vessl_register iris --model clf").error.what.endswith("Iris, Odd.")

    def test_a_marked_class_that_was_deleted_gives_way_to_the_only_one_left(self, notebook):
        notebook("%%vessl_runner\nclass Other(Iris): pass")
        notebook("del Other")
        assert notebook("%vessl_register iris").runner == "Iris"

    def test_no_runner_at_all(self, notebook):
        notebook("del Iris")
        step = "Mark one: put %%vessl_runner on top of the cell of its class."
        notebook.fails("%vessl_register iris", InvalidArgument, "This notebook has no runner.", step)


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
        assert len(lines) <= 4
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
        assert "not checked: check=False" in notebook.faces(version)["text/plain"]
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
        step = "Register it with a sample: sample=..."
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


class TestLine:
    def test_every_magic_gives_back_its_object(self, notebook):
        notebook("a = %vessl_runner Iris")
        notebook("b = %vessl_preview --sample 'dict(x=[1])'")
        notebook("c = %vessl_register iris")
        notebook("d = %vessl_versions iris")
        notebook("e = %vessl_load iris")
        notebook("f = %vessl_alias iris:1 champion")
        notebook("g = %vessl_captures")
        notebook("h = %vessl_check iris")
        kinds = [type(notebook.variables[name]) for name in "bcdefgh"]
        assert kinds == [RunnerPreview, Version, VersionsTable, LoadedModel, Version, Captures, CheckReport]
        assert notebook.variables["a"] is notebook.variables["Iris"]

    @pytest.mark.parametrize(
        "line",
        [
            "%vessl_runner Iris;",
            "%vessl_preview --sample 'dict(x=[1])' ;",
            "%vessl_register iris;",
            "%vessl_register iris --description (draft;",
            "%vessl_versions ;",
            "%%vessl_runner --sample 'dict(x=[1])';" + RUNNER,
            "%%vessl_runner --sample 'dict(x=[1])'" + RUNNER + "None;",
        ],
    )
    def test_a_semicolon_silences(self, notebook, line):
        ran = notebook.run(line)
        assert (ran.error, ran.value, ran.text, ran.shown) == (None, None, "", [])

    def test_a_line_that_is_no_python_is_registered_once_and_well(self, notebook):
        version = notebook("%vessl_register iris --description (draft --tag id=007 --tag note=it\\'s")
        assert (version.description, version.tags) == ("(draft", {"id": "007", "note": "it's"})

    @pytest.mark.parametrize(
        "sample",
        ["""'{"x": [1, 2]}'""", '"{\'x\': [1, 2]}"', "{'x':[1,2]}", "sample", "'sample'", "dict(x=numbers)", "' sample'",
         "make()", """'{"x":[1,2]}'""", "=sample", "samples[0]", "{name}", "$name"],
    )  # fmt: skip
    def test_samples_are_names_or_expressions_with_or_without_quotes(self, notebook, sample):
        notebook(
            "numbers = [1, 2]; sample = {'x': numbers}; samples = [sample]; name = 'sample'\ndef make(): return sample"
        )
        option = "--sample" + ("" if sample.startswith("=") else " ") + sample
        if sample == "{'x':[1,2]}":  # a POSIX shell takes these quotes away, and so do we
            notebook("x = 'x'")
        assert notebook(f"%vessl_preview {option}").sample == {"x": [1, 2]}

    def test_negative_numbers_and_falsy_values_are_samples(self, notebook):
        notebook("class Echo(vessl.RunnerBase):\n    @staticmethod\n    def predict(model, data): return data")
        for sample in ("-1", "0", "None", "''", "'\"\"'", "[]", "{}"):
            ran = notebook.run(f"%vessl_preview --runner Echo --sample {sample}")
            if sample == "''":
                assert isinstance(ran.error, InvalidArgument)  # an empty expression
            else:
                assert ran.value.output == eval(sample.strip("'") or "''")

    def test_names_and_braces_expand(self, notebook):
        notebook("name = 'iris'; score = 0.5; tags = '--tag a=1 --tag b=2'\nclass box: pass\nbox.text = 'in a box'")
        version = notebook("%vessl_register {name} --tag score={score / 2} --tag text='{box.text}' {tags}")
        assert (version.reference, version.tags) == ("iris:1", {"score": 0.25, "text": "in a box", "a": 1, "b": 2})
        assert notebook("%vessl_load $name").version == version
        assert notebook("%vessl_alias $name:1 best").aliases == ("best",)

    def test_braces_expand_beside_a_dictionary(self, notebook):
        notebook("name = 'iris'; score = 0.5")
        line = """%vessl_register $name --sample '{"x": [1, 2]}' --tag score={score} --tag as-it-is='$score'"""
        version = notebook(line)
        assert version.tags == {"score": 0.5, "as-it-is": "$score"}
        assert version.examples[0]["input"] == {"x": [1, 2]}

    def test_braces_expand_a_functions_own_variables(self, notebook):
        notebook(
            "def register(which):\n    return get_ipython().run_line_magic('vessl_register', '{which} --tag a={which}')"
        )
        assert notebook("register('local')").tags == {"a": "local"}

    def test_a_loop_registers_each(self, notebook):
        notebook("for factor in (1, 2):\n    clf = Scale(factor)\n    %vessl_register iris --tag factor={factor}")
        assert list(vessl.versions("iris")["tags.factor"]) == [2, 1]

    @pytest.mark.parametrize(
        ("line", "what", "step"),
        [
            ("--smaple 1", "%vessl_register has no option '--smaple'.", "Did you mean '--sample'?"),
            ("--desciption=x", "%vessl_register has no option '--desciption'.", "Did you mean '--description'?"),
            (
                "--qqqqqqqq",
                "%vessl_register has no option '--qqqqqqqq'.",
                f"It has: {', '.join(REGISTER_OPTIONS)}.",
            ),
            (
                """--sample {"x": [1, 2]}""",
                "%vessl_register does not take '[1, 2]}'.",
                "Put the whole of it in single quotes: --sample '{\"x\": [1, 2]}'",
            ),
            ("""--sample '{"x": [1]}""", """No closing quotation in: iris --sample '{"x": [1]}""", "Close the quote."),
            ("--tag a=b\\", "No escaped character in: iris --tag a=b\\", "Take the backslash at its end away."),
            (
                "--tag",
                "%vessl_register: argument --tag/-t: expected one argument",
                "%vessl_register? shows what it takes.",
            ),
            (
                "--sample 'a b'",
                "--sample a b is no Python expression: invalid syntax.",
                "Put the whole of it in single quotes: --sample '{\"x\": [1, 2]}'",
            ),
            (
                "--sample {'x':[1]}",
                "--sample {x:[1]}: there is no variable 'x'.",
                "Put the whole of it in single quotes: --sample '{\"x\": [1, 2]}'",
            ),
            ("more", "%vessl_register does not take 'more'.", "%vessl_register? shows what it takes."),
            ("--model cfl", "--model cfl: there is no variable 'cfl'.", "Did you mean 'clf'?"),
            ("--model zzz", "--model zzz: there is no variable 'zzz'.", "Define it in a cell first."),
            (
                "--sample 1/0",
                "--sample 1/0 raised ZeroDivisionError: division by zero",
                "Try the expression in a cell of its own.",
            ),
            (
                "--sample several_lines()",
                "--sample several_lines() raised ValueError: one",
                "Try the expression in a cell of its own.",
            ),
            ("--tag x", "--tag x has no value.", "Write it as --tag x=VALUE."),
        ],
    )
    def test_a_wrong_line_says_what_happened_and_what_to_do_next(self, notebook, snapshot, line, what, step):
        notebook("def several_lines(): raise ValueError('one\\ntwo')")
        before = snapshot()
        notebook.fails(f"%vessl_register iris {line}", InvalidArgument, what, step)
        assert snapshot() == before

    def test_a_magic_without_options(self, notebook):
        what = "%vessl_versions has no option '--frob'."
        notebook.fails("%vessl_versions --frob", InvalidArgument, what, "It has: none.")

    def test_what_is_missing_is_said(self, notebook):
        for magic, missing in [("register", "repository"), ("load", "reference"), ("alias", "reference, alias")]:
            notebook.fails(
                f"%vessl_{magic}",
                InvalidArgument,
                f"%vessl_{magic}: the following arguments are required: {missing}",
                f"%vessl_{magic}? shows what it takes.",
            )

    def test_a_failing_magic_stops_its_cell(self, notebook):
        notebook.run("%vessl_load nothing\nafter = 1")
        assert "after" not in notebook.variables


class TestCandidates:
    def test_what_ipython_keeps_is_no_candidate(self, notebook):
        notebook("Scale(3)")
        notebook("Iris")
        notebook("_mine = Scale(4)")
        assert notebook("%vessl_register iris").runner == "Iris"
        assert vessl.load("iris").run({"x": [1]}) == [2]

    def test_what_came_from_the_registry_is_no_candidate(self, notebook):
        notebook("v = %vessl_register iris")
        notebook("loaded = %vessl_load iris")
        notebook("table = %vessl_versions")
        assert notebook("%vessl_register iris").number == 2

    def test_two_names_for_one_model_count_once(self, notebook):
        notebook("best = clf")
        assert notebook("%vessl_register iris").number == 1

    def test_classes_modules_and_a_runners_instance_are_no_models(self, notebook):
        notebook(
            "import types; predicting = types.ModuleType('predicting'); predicting.predict = print; runner = Iris()"
        )
        assert notebook("%vessl_register iris").number == 1

    def test_torch_modules_are_models_and_losses_are_none(self, notebook):
        pytest.importorskip("torch")
        notebook("import torch; loss = torch.nn.CrossEntropyLoss()")
        assert notebook("%vessl_register iris").number == 1
        notebook("net = torch.nn.Linear(2, 2)")
        assert notebook.run("%vessl_register iris").error.what.endswith("model: clf, net.")

    def test_no_model(self, notebook):
        notebook("del clf")
        step = "Train one first, or say which variable it is: --model NAME"
        notebook.fails("%vessl_register iris", InvalidArgument, "This notebook has no model.", step)


REFERENCES = ["iris", "iris:1", "iris:2", "iris:challenger", "iris:champion", "lab/other", "lab/other:1"]


class TestCompletion:
    @pytest.fixture
    def filled(self, notebook):
        notebook("sample = {'x': [1]}; files = {'a': 'b'}")
        notebook("%vessl_register iris --alias champion;\n%vessl_register iris --alias challenger;")
        notebook("%vessl_register lab/other;")
        return notebook

    @pytest.mark.parametrize(
        ("text", "offered"),
        [
            ("%vessl_register --", sorted(REGISTER_OPTIONS)),
            ("%vessl_register iris ", sorted(REGISTER_OPTIONS)),
            ("%vessl_register iris --a", ["--alias", "--artifacts"]),
            ("%vessl_register iris --no", ["--no-check", "--no-examples"]),
            ("%vessl_register --no-check i", ["iris"]),
            ("%vessl_captures ", ["--model", "--runner"]),
            ("%vessl_captures --runner ", ["Iris"]),
            ("%vessl_check iris:ch", ["iris:challenger", "iris:champion"]),
            ("%vessl_check --record lab/other:", ["lab/other:1"]),
            ("%vessl_check iris --", ["--record"]),
            ("v = %vessl_register iris --ru", ["--runner"]),
            ("%%vessl_runner --", ["--model", "--sample"]),
            ("%%vessl_runner ", ["--model", "--sample"]),
            ("%vessl_runner ", ["Iris"]),
            ("%vessl_runner Iris ", ["--model", "--sample"]),
            ("%vessl_register iris --runner I", ["Iris"]),
            ("%vessl_register iris -r ", ["Iris"]),
            ("%vessl_register iris --model ", ["clf"]),
            ("%vessl_register iris --model=c", ["clf"]),
            ("%%vessl_runner --model c", ["clf"]),
            ("%%vessl_runner --model clf --sample sa", ["sample"]),
            ("%vessl_preview -s sam", ["sample"]),
            ("%vessl_register iris --artifacts fi", ["files"]),
            ("%vessl_register ", ["iris", "lab/other"]),
            ("%vessl_register i", ["iris"]),
            ("%vessl_register --tag a=1 i", ["iris"]),
            ("%vessl_register --sample '[1, 2]' i", ["iris"]),
            ("%vessl_versions l", ["lab/other"]),
            ("%vessl_load ", REFERENCES),
            ("%vessl_load iris:", ["iris:1", "iris:2", "iris:challenger", "iris:champion"]),
            ("%vessl_load iris:ch", ["iris:challenger", "iris:champion"]),
            ("%vessl_load iris:cham", ["iris:champion"]),
            ("%vessl_load lab/o", ["lab/other", "lab/other:1"]),
            ("%vessl_load lab/other:", ["lab/other:1"]),
            ("%vessl_alias iris:1 ch", ["challenger", "champion"]),
            ("m = %vessl_load iris:ch", ["iris:challenger", "iris:champion"]),
            ("m['a'] = %vessl_load iris:cham", ["iris:champion"]),
            ("box.m = %vessl_load iris:cham", ["iris:champion"]),
            ("a, b = %vessl_load iris:cham", ["iris:champion"]),
            ("x = 1\n  %vessl_load iris:cham", ["iris:champion"]),
            ("%vessl_pre", ["%vessl_preview"]),
            ("%%vessl_", ["%%vessl_runner"]),
        ],
    )
    def test_tab_offers(self, filled, text, offered):
        assert filled.completions(text) == offered
        assert all(whole.startswith(text.rpartition("=")[0]) for whole in filled.complete(text))

    def test_inside_an_expression_pythons_own_names_are_offered(self, filled):
        assert "%vessl_preview --sample sample.items" in filled.complete("%vessl_preview --sample sample.it")

    def test_elsewhere_tab_works_as_ever(self, filled, bare):
        texts = ("samp", "import js", "x = sample.it", "%vessl_nothing samp", "sample['", "clf.fac", "print(samp")
        filled.complete("%vessl_load iris:ch")
        ours = [filled.complete(text) for text in texts]
        filled.complete("%vessl_load iris:ch")
        filled("%unload_ext vessl_nb")
        assert ours == [filled.complete(text) for text in texts]
        assert ours[0] == ["sample"]

    def test_a_broken_registry_offers_nothing_and_says_nothing(self, filled, tmp_path, monkeypatch):
        (tmp_path / "broken").mkdir()
        (tmp_path / "broken" / "format.json").write_text('{"format": 999}')
        monkeypatch.setenv("VESSL_NB_REGISTRY", str(tmp_path / "broken"))
        assert filled.run("%vessl_load iris").error
        assert "iris" not in filled.completions("%vessl_load ir")
