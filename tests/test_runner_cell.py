"""``%%vessl_runner`` on a real shell: the cell is run, and its class marked, or it is said why not."""

from __future__ import annotations

import re

import pytest
from usual_cells import RUNNER

import vessl_nb as vessl
from vessl_nb.belongings import RunnerPreview
from vessl_nb.errors import InvalidArgument, InvalidRunner
from vessl_nb.notebook.runner_cell import CellFailed


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

    def test_a_class_in_a_module_is_marked_and_is_what_is_registered(self, notebook, tmp_path, monkeypatch):
        (tmp_path / "my_runners.py").write_text("import vessl_nb as vessl\n" + RUNNER)
        monkeypatch.syspath_prepend(str(tmp_path))
        notebook("import my_runners\nclass Other(Iris): pass")
        notebook("%vessl_runner my_runners.Iris")
        assert notebook("%vessl_preview --sample '{\"x\": [1]}'").output == [2]
        assert "my_runners" in repr(notebook("%vessl_captures"))

    def test_a_class_without_a_name_in_the_notebook_is_refused(self, notebook):
        notebook("def make(): return type('Made', (Iris,), {})")
        notebook.fails(
            "%vessl_runner make()",
            InvalidArgument,
            "make() is no name under which the notebook has its class, and by a name it is marked.",
            "Give it one in a cell: Made = make()",
        )

    def test_a_class_whose_name_begins_with_an_underscore_is_marked_where_it_is_the_only_new_one(self, notebook):
        assert notebook("%%vessl_runner" + RUNNER.replace("Iris", "_Mine")) is notebook.variables["_Mine"]
        assert notebook("%vessl_register iris").runner == "_Mine"
        notebook("%%vessl_runner" + RUNNER.replace("Iris", "_Base") + "class Derived(_Base): pass")
        assert notebook("%vessl_register iris").runner == "Derived"

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
        assert "cell of Odd failed" in notebook.run("%vessl_register iris --model clf").error.what

    def test_a_marked_class_that_was_deleted_gives_way_to_the_only_one_left(self, notebook):
        notebook("%%vessl_runner\nclass Other(Iris): pass")
        notebook("del Other")
        assert notebook("%vessl_register iris").runner == "Iris"

    def test_no_runner_at_all(self, notebook):
        notebook("del Iris")
        step = "Mark one: put %%vessl_runner on top of the cell of its class."
        notebook.fails("%vessl_register iris", InvalidArgument, "This notebook has no runner.", step)


class TestFailedCell:
    """A cell that fails leaves the class of before behind, which must not be registered in place of the new one."""

    @pytest.mark.parametrize(
        "cell",
        [
            "%%vessl_runner" + RUNNER + "1 / 0",
            "%%vessl_runner" + RUNNER + "class (",
            "%%vessl_runner --smaple 1" + RUNNER,
            "%%vessl_runner Iris" + RUNNER,
            "%%vessl_runner" + RUNNER + "raise KeyboardInterrupt",
        ],
        ids=["raises", "is no Python", "has a wrong line", "names a class", "is stopped"],
    )
    def test_the_earlier_runner_is_no_longer_taken(self, notebook, snapshot, cell):
        notebook("%%vessl_runner" + RUNNER)
        before = snapshot()
        notebook.run(cell)
        for line in ("%vessl_register iris", "%vessl_preview --sample 1", "%vessl_captures"):
            notebook.fails(
                line,
                InvalidArgument,
                "The cell of Iris failed when it was last run, and marked no runner.",
                "Run it again, or name a runner that is there: --runner Iris",
            )
        assert notebook.run("%vessl_runner").error.next_step.endswith(": %vessl_runner Iris")
        assert snapshot() == before

    def test_the_cell_run_again_a_name_or_a_mark_mend_it(self, notebook):
        notebook.run("%%vessl_runner" + RUNNER + "1 / 0")
        assert notebook("%vessl_register iris --runner Iris").number == 1
        assert notebook.run("%vessl_register iris").error, "a name on the line marks nothing"
        notebook("%vessl_runner Iris")
        assert notebook("%vessl_register iris").number == 2
        notebook.run("%%vessl_runner" + RUNNER + "1 / 0")
        notebook("%%vessl_runner" + RUNNER)
        assert notebook("%vessl_register iris").number == 3

    def test_a_cell_with_no_class_or_several_is_named_as_the_last_one(self, notebook):
        for cell in ("%%vessl_runner\n1 / 0", "%%vessl_runner" + RUNNER + "class Other(Iris): pass"):
            notebook.run(cell)
            error = notebook.run("%vessl_register iris").error
            assert error.what.startswith("The last %%vessl_runner cell failed when it was last run")

    def test_the_form_then_asks_which_runner_is_meant(self, notebook):
        notebook("class Other(Iris): pass")
        notebook("%%vessl_runner" + RUNNER)
        assert notebook("%vessl_register --form").values.runner == "Iris"
        notebook.run("%%vessl_runner" + RUNNER + "1 / 0")
        form = notebook("%vessl_register --form")
        assert form.values.runner == ""
        assert "Runner" in form.problems

    def test_a_stage_that_fails_leaves_the_mark_at_the_class_that_was_run(self, notebook):
        assert notebook.run("%%vessl_runner --sample 1" + RUNNER).error
        assert notebook("%vessl_register iris --sample 'dict(x=[1])'").runner == "Iris"
