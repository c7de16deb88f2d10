"""The register form: real widgets on a real shell, typed in and clicked as a front end does."""

from __future__ import annotations

import html
import json
import re
import signal
import subprocess
import sys
import threading
import time

import ipywidgets
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from IPython.utils.capture import capture_output
from usual_cells import MODEL, RUNNER

import vessl_nb as vessl
from vessl_nb.errors import InvalidArgument, VesslError
from vessl_nb.notebook import form_tasks, running_cells
from vessl_nb.notebook.arguments import parse_line, parse_tags
from vessl_nb.notebook.form_line import magic_line, write_samples
from vessl_nb.notebook.form_values import FormValues, read_expressions
from vessl_nb.notebook.form_work import Work
from vessl_nb.notebook.magics import VesslMagics
from vessl_nb.progress import progress, shown_by
from vessl_nb.spelling import FORM, spoken_in

SETUP = f"%load_ext vessl_nb\nimport time\nimport vessl_nb as vessl\n{MODEL}"
SLOW = """
class Slow(vessl.RunnerBase):
    @staticmethod
    def predict(model, data):
        begun.append(1)
        while True: time.sleep(0.01)
begun = []
"""
SAMPLE = '{"x": [1, 2]}'
FILES = """
import os
begun, may_go_on = [], []
class Files(vessl.RunnerBase):
    @staticmethod
    def save_model(model):
        begun.append(1)
        while not may_go_on: time.sleep(0.01)
        return {}
    @staticmethod
    def load_model(props, artifacts): return Scale(2)
    @staticmethod
    def predict(model, data): return data
"""
TOKEN = "ghp_abcdefghijklmnopqrstuvwxyz0123456789"


class Page:
    """A form, used as a front end uses it."""

    def __init__(self, form):
        self.form = form

    def controls(self):
        """Give every control of the form by its title."""
        found, waiting = {}, [self.form]
        while waiting:
            part = waiting.pop(0)
            waiting += getattr(part, "children", ())
            title = getattr(part, "description", "")
            if title:
                found[title] = part
        return found

    def type(self, title, text):
        """Type into a field: the front end sends the field's state after each letter."""
        for end in range(len(text) + 1):
            self.controls()[title].set_state({"value": text[:end]})

    def choose(self, title, value):
        dropdown = self.controls()[title]
        dropdown.set_state({"index": dropdown.options.index(value)})

    def click(self, title):
        self.controls()[title]._handle_custom_msg({"event": "click"}, [])

    def wait(self):
        self.form._work.join(30)
        assert not self.controls()["Register"].disabled
        return self.form

    def register(self):
        self.click("Register")
        return self.wait()

    def words_of(self, title):
        """Read what stands below a field."""
        field = next(field for field in self.form._entries.fields.values() if field.title == title)
        return html.unescape(re.sub(r"<[^>]+>", "", field._words.value))


@pytest.fixture
def shell(plain_shell):
    shell = plain_shell
    run(shell, SETUP)
    run(shell, RUNNER)
    return shell


def run(shell, cell):
    with capture_output() as captured:
        result = shell.run_cell(cell, store_history=True)
    result.raise_error()
    return result.result, captured


@pytest.fixture
def page(shell):
    run(shell, "form = vessl.register_form();")
    yield Page(shell.user_ns["form"])
    shell.user_ns["form"].close()


def filled(page, **typed):
    for title, text in {"Repository": "iris", "Samples": SAMPLE, **typed}.items():
        page.type(title, text)
    return page


def test_loading_the_extension_brings_no_widgets():
    script = """
import sys
from IPython.core.interactiveshell import InteractiveShell
InteractiveShell.instance().run_cell("%load_ext vessl_nb")
print(sorted({name.partition(".")[0] for name in sys.modules} & {"ipywidgets", "anywidget"}))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


class TestFilling:
    def test_what_is_typed_is_what_is_registered(self, page, tmp_path, monkeypatch):
        monkeypatch.setenv("API_KEY", "here")
        (tmp_path / "labels.txt").write_text("a b")
        filled(page, Tags="accuracy=0.97 note='two words'", Aliases="champion, canary", Description="(draft")
        page.click("Add an artifact")
        page.type("Local path 1", "labels.txt")
        page.type("Volume path 1", "texts/labels.txt")
        page.type("Requirements", "packaging")
        page.type("Environment", "API_KEY")
        page.controls()["Try the samples in a clean process first"].set_state({"value": False})
        version = page.register().version
        assert page.form.said == "Registered as iris:1."
        assert version.tags == {"accuracy": 0.97, "note": "two words"}
        assert set(version.aliases) == {"champion", "canary"}
        assert version.description == "(draft"
        assert list(version.files) == ["texts/labels.txt"]
        assert version.manifest.env == ["API_KEY"]
        assert version.requirements[0] == "packaging"
        assert version.check is None
        assert len(version.examples) == 1
        assert vessl.load("iris:champion").run({"x": [3]}) == [6]

    def test_the_line_registers_the_same(self, page, shell):
        filled(page, Tags="accuracy=0.97 odd='{x} $y'", Aliases="champion", Description="it's {clf}; really?")
        line = page.form.line
        first = page.register().version
        again, _ = run(shell, line)
        assert again.reference == "iris:2"
        assert (again.tags, again.aliases, again.description) == (first.tags, ("champion",), first.description)
        assert again.examples == first.examples

    def test_the_line_says_only_what_the_magic_would_not_know(self, page, shell):
        filled(page, Samples=SAMPLE)
        assert page.form.line == f"%vessl_register iris --sample '{SAMPLE}'"
        run(shell, f"%vessl_preview --sample '{SAMPLE}'")
        assert page.form.line == "%vessl_register iris"
        run(shell, "other = Scale(3)")
        page.type("Model", "other")
        assert page.form.line == "%vessl_register iris --model other"
        assert page.controls()["As a line"].value == page.form.line

    def test_the_line_says_where_the_form_differs_from_the_settings(self, page, shell):
        run(shell, "%config VesslMagics.check = False")
        run(shell, "form = %vessl_register iris --form\nform;")
        form = Page(shell.user_ns["form"])
        assert form.form.line == "%vessl_register iris"
        form.controls()["Try the samples in a clean process first"].set_state({"value": True})
        assert form.form.line == "%vessl_register iris --check"
        form.form.close()

    def test_the_runner_of_before_is_not_taken_where_its_cell_failed_since(self, page, shell):
        with pytest.raises(VesslError, match="The cell failed"):
            run(shell, f"%%vessl_runner\n{RUNNER}\n1 / 0")
        run(shell, "form = vessl.register_form('iris');")
        form = Page(shell.user_ns["form"])
        form.click("Register")
        assert "failed when it was last run" in form.words_of("Runner")
        form.choose("Runner", "Iris")
        assert form.words_of("Runner") == ""
        form.form.close()

    def test_the_line_cannot_be_typed_away(self, page):
        filled(page)
        page.type("As a line", "rm -rf")
        assert page.controls()["As a line"].value == page.form.line

    def test_what_the_notebook_has_stands_there_at_first(self, shell):
        run(shell, "%vessl_runner Iris --model clf --sample '{\"x\": [7]}'")
        form = vessl.register_form("iris")
        assert (form.values.runner, form.values.model, form.values.samples) == ("Iris", "clf", ('{"x": [7]}',))
        assert form.line == "%vessl_register iris"
        form.close()

    def test_the_rest_of_the_magics_line_stands_in_the_form(self, shell):
        run(shell, "form = %vessl_register iris --tag a=1 --tag b='\"2\"' --alias x --no-check --form\nform;")
        form = shell.user_ns["form"]
        assert form.values == FormValues(
            "iris", None, "Iris", "clf", (), {}, (), (), {"a": 1, "b": "2"}, ("x",), check=False
        )
        form.close()

    def test_without_form_the_repository_is_still_needed(self, shell):
        with pytest.raises(InvalidArgument, match="the following arguments are required: repository"):
            run(shell, "%vessl_register --tag a=1")

    def test_a_number_overwrites_and_the_form_says_so(self, page):
        filled(page).register()
        page.type("Number", "1")
        assert page.words_of("Number") == (
            "Overwrites number 1, as revision 2. The old one stays readable as iris:1@1."
        )
        assert page.register().version.reference == "iris:1@2"
        page.type("Number", "7")
        assert page.words_of("Number").startswith("Not yet: ")
        assert "7" in page.words_of("Number")

    def test_existing_repositories_and_numbers_are_offered(self, page):
        filled(page).register()
        page.type("Repository", "")
        assert list(page.controls()["Repository"].options) == ["iris"]
        page.type("Repository", "iris")
        assert list(page.controls()["Number"].options) == ["1"]
        assert page.words_of("Repository") == "It has 1 model; a new one gets number 2."

    def test_an_alias_that_will_move_is_told(self, page):
        filled(page, Aliases="champion").register()
        assert page.words_of("Aliases") == "champion points at iris:1 now, and will move."

    def test_what_a_cell_defines_is_offered_at_once(self, page, shell):
        run(shell, "class Other(Iris): pass\nbetter = Scale(5)")
        assert "Other" in page.controls()["Runner"].options
        assert "better" in page.controls()["Model"].options
        assert page.form.values.runner == "Iris"

    def test_a_runner_that_is_defined_anew_is_the_one_that_is_registered(self, page, shell):
        filled(page)
        run(shell, RUNNER.replace('data["x"]', '[*data["x"], 10]'))
        page.register()
        assert vessl.load("iris").run({"x": [1]}) == [2, 20]

    def test_typing_runs_nothing(self, page, shell):
        run(shell, "ran = []\ndef boom(): ran.append(1)")
        page.type("Samples", "boom()")
        page.type("Model", "[boom() for _ in range(3)]")
        page.type("Tags", "a={boom()}")
        page.type("Description", "{boom()} $boom")
        assert "boom" in page.form.line
        assert shell.user_ns["ran"] == []


class TestWords:
    @pytest.mark.parametrize(
        ("title", "text", "refused"),
        [
            ("Repository", "no spaces", {"repository_name": "no spaces"}),
            ("Aliases", "3", {"aliases": ["3"]}),
            ("Tags", "x=99999999999999999999999", {"tags": {"x": 99999999999999999999999}}),
            ("Requirements", "numpy >>> 2", {"requirements": ["numpy >>> 2"]}),
            ("Environment", "API_KEY=secret", {"env": ["API_KEY=secret"]}),
        ],
    )
    def test_a_field_says_what_the_function_would_raise(self, page, shell, title, text, refused):
        filled(page)
        page.type(title, text)
        arguments = {"repository_name": "iris", **refused}
        with spoken_in(FORM), pytest.raises(VesslError) as caught:
            vessl.register_model(model_number=None, runner_cls=shell.user_ns["Iris"], model_instance=1, **arguments)
        assert page.words_of(title) == f"Not yet: {caught.value.what} {caught.value.next_step}"
        assert page.form.problems == {title: str(caught.value)}

    @pytest.mark.parametrize(
        ("title", "text", "words"),
        [
            ("Model", "clff", "there is no variable 'clff'. Did you mean 'clf'?"),
            ("Samples", "{'x': ", "is no Python expression"),
            ("Samples", "undefined_name + 1", "there is no variable 'undefined_name'"),
            ("Tags", "accuracy", "has no value"),
            ("Tags", "note='two", "Close the quote."),
            ("Number", "three", "model_number is 'three'"),
            ("Repository", "iris:3", "names a version"),
        ],
    )
    def test_a_mistake_is_told_while_one_types(self, page, title, text, words):
        filled(page)
        page.type(title, text)
        assert page.words_of(title).startswith("Not yet: ")
        assert words in page.words_of(title)

    def test_a_missing_model_is_told_in_the_words_of_the_form(self, page):
        filled(page, Model="")
        assert page.words_of("Model").startswith("Not yet: The model is None, and a new model needs one.")

    def test_a_variable_that_is_not_set_is_told_in_the_words_of_the_form(self, page):
        filled(page, Environment="NOT_SET_HERE")
        page.register()
        assert 'no tick at "Try the samples in a clean process first"' in page.form.said
        assert "check=False" not in page.form.said

    def test_an_empty_field_is_no_mistake_before_one_tries(self, page):
        assert page.words_of("Repository") == ""
        page.click("Register")
        assert page.words_of("Repository").startswith("Not yet: The repository has no name yet.")
        assert page.form.said == "Nothing was registered: 1 thing needs another look.\nRepository"
        assert not page.controls()["Register"].disabled

    def test_a_mistake_that_is_mended_is_told_no_more(self, page):
        filled(page, Aliases="3")
        page.type("Aliases", "v3")
        assert page.words_of("Aliases") == ""
        assert page.form.problems == {}

    def test_a_star_on_one_side_of_an_artifact_is_told_as_one_types(self, page):
        filled(page)
        page.click("Add an artifact")
        page.type("Local path 1", "checkpoints/*")
        page.type("Volume path 1", "checkpoints")
        assert "has a '*' (or a trailing '/') on one side only" in page.words_of("Artifacts")
        page.type("Volume path 1", "checkpoints/*")
        assert page.words_of("Artifacts") == ""
        assert page.form.values.artifacts == {"checkpoints/*": "checkpoints/*"}

    def test_rows_of_artifacts_come_and_go(self, page):
        filled(page)
        for number in (1, 2):
            page.click("Add an artifact")
            page.type(f"Local path {number}", f"{number}.txt")
            page.type(f"Volume path {number}", f"{number}.txt")
        page.click("Remove")
        assert len(page.form.values.artifacts) == 1
        assert "Local path 2" not in page.controls()

    def test_two_rows_for_one_local_path_are_not_merged_in_silence(self, page):
        for number in (1, 2):
            page.click("Add an artifact")
            page.type(f"Local path {number}", "a.txt")
            page.type(f"Volume path {number}", f"{number}.txt")
        assert "stands in two rows" in page.words_of("Artifacts")

    def test_markup_that_is_typed_is_shown_as_text(self, page):
        page.type("Repository", "<img src=x onerror=alert(1)>")
        assert "<img" not in page.form._entries.fields["repository"]._words.value
        page.type("Repository", "iris")
        page.type("Description", "<script>alert(1)</script>")
        assert "<script>" not in page.form._repr_html_()

    def test_what_will_not_be_tried_is_told(self, page):
        page.type("Samples", "")
        assert page.words_of("Samples") == "None: nothing will be tried before it is registered."


class TestTravels:
    def shown(self, page):
        return re.sub(r"<style>.*?</style>|<[^>]+>", " ", page.form._travels._shown.value)

    def test_names_with_their_sizes_and_secrets_stand_beside_the_fields(self, page, shell):
        run(shell, "API_TOKEN = 'sk-proj-abcdefghijklmnopqrstuvwx'\nBIG = bytes(3_000_000)")
        run(shell, RUNNER.replace('data["x"]', 'data["x"] if API_TOKEN and BIG else 1'))
        assert "3.0 MB" in self.shown(page)
        assert "secret" in self.shown(page)
        assert "large" in self.shown(page)
        assert "sk-proj" not in self.shown(page)

    def test_what_is_declared_wins_over_what_is_inferred(self, page, shell):
        run(shell, RUNNER.replace('return data["x"]', 'import packaging; return data["x"]'))
        assert "packaging==" in self.shown(page)
        page.type("Requirements", "packaging>=20")
        assert "packaging==" not in self.shown(page)
        assert "declared" in self.shown(page)

    def test_a_variable_that_is_declared_is_no_remark_any_more(self, page, shell):
        run(shell, RUNNER.replace('return data["x"]', 'import os; os.environ["HUB"]; return data["x"]'))
        assert "which is not declared: HUB in Environment." in self.shown(page)
        page.type("Environment", "HUB")
        assert "which is not declared" not in self.shown(page)

    def test_what_cannot_travel_stops_it_before_anything_runs(self, page, shell, snapshot):
        run(shell, "import threading\nLOCK = threading.Lock()")
        run(shell, RUNNER.replace('return data["x"]', "return LOCK and data['x']"))
        before = snapshot()
        filled(page).click("Register")
        assert page.form.said.endswith("What travels")
        assert "LOCK" in self.shown(page)
        assert snapshot() == before


class TestWork:
    def test_a_failed_registration_is_told_and_corrected_in_place(self, page, snapshot):
        filled(page, Samples='{"y": [1]}')
        before = snapshot()
        page.register()
        assert page.form.said.startswith("Iris.preprocess_data raised KeyError: 'x'")
        assert [type(error).__name__ for error in page.form.errors] == ["StageError"]
        assert 'return data["x"]' in page.form._outcome.shown.value.replace("&quot;", '"')
        assert page.form.version is None
        assert snapshot() == before
        page.type("Samples", SAMPLE)
        assert page.register().version.reference == "iris:1"

    def test_while_it_works_the_buttons_rest_and_the_caller_goes_on(self, page, shell):
        run(shell, SLOW)
        filled(page)
        page.choose("Runner", "Slow")
        page.click("Register")  # which would never return: its runner never ends
        controls = page.controls()
        assert [controls[name].disabled for name in ("Preview", "Register", "Cancel")] == [True, True, False]
        page.click("Cancel")
        page.wait()
        assert [controls[name].disabled for name in ("Preview", "Register", "Cancel")] == [False, False, True]

    def test_cancelled_while_a_sample_runs_nothing_is_left(self, page, shell, snapshot):
        filled(page).register()
        before = snapshot()
        run(shell, SLOW)
        page.choose("Runner", "Slow")
        page.click("Register")
        wait_until(lambda: shell.user_ns["begun"])
        page.click("Cancel")
        page.wait()
        assert page.form.said == "Cancelled. Nothing was registered."
        assert snapshot() == before
        assert page.form.errors == []
        page.choose("Runner", "Iris")
        assert page.register().version.reference == "iris:2"

    def test_cancelled_while_weights_are_stored_nothing_is_left(self, page, shell, snapshot, monkeypatch):
        filled(page).register()
        before = snapshot()
        run(shell, "import numpy as np\nclf = Scale(np.arange(8_000_000.))")
        show = page.form._outcome.show_progress
        shown = []

        def cancel_soon(title, done, total):
            show(title, done, total)
            shown.append((title, total))
            page.click("Cancel")

        monkeypatch.setattr(page.form._outcome, "show_progress", cancel_soon)
        page.type("Samples", "")
        page.click("Register")
        page.wait()
        assert shown[0][0] == "Storing"
        assert shown[0][1] >= 64_000_000
        assert page.form.said == "Cancelled. Nothing was registered."
        kept = {path: text for path, text in snapshot().items() if not path.startswith(("pins", "writers"))}
        assert [path for path in kept if path.startswith(("journal", "heads"))] == [
            path for path in before if path.startswith(("journal", "heads"))
        ]

    def test_cancelled_when_it_was_in_the_journal_already_it_is_told_as_registered(self, page, monkeypatch):
        real = form_tasks.register_model

        def register_and_stop(*arguments, **keywords):
            real(*arguments, **keywords)
            raise KeyboardInterrupt

        monkeypatch.setattr(form_tasks, "register_model", register_and_stop)
        filled(page, Tags="a=1").register()
        assert page.form.said == "Registered as iris:1."
        assert page.form.version.tags == {"a": 1}

    def test_bytes_and_rate_are_told_while_weights_are_stored(self, page, shell):
        run(shell, "import numpy as np\nclf = Scale(np.arange(4_000_000.))")
        said = []
        page.form._outcome.words.observe(lambda change: said.append(change["new"]), "value")
        page.type("Repository", "iris")
        page.register()
        assert any(re.search(r"Storing: .* of 64\.0 MB", words) for words in said)
        page.form._outcome.begin("")
        page.form._outcome.show_progress("Storing", 0, 100_000_000)
        page.form._outcome._begun -= 2
        page.form._outcome.show_progress("Storing", 50_000_000, 100_000_000)
        page.form._outcome._drawn = 0
        page.form._outcome.show_progress("Storing", 50_000_000, 100_000_000)
        assert re.search(r"Storing: 50\.0 MB of 100 MB, 2\d\.\d MB a second", page.form.said)
        assert page.form._outcome.bar.value / page.form._outcome.bar.max == 0.5

    def test_a_preview_is_shown_and_the_magics_know_of_it(self, page, shell):
        filled(page, Samples=f'{SAMPLE}\n{{"x": [5]}}')
        page.click("Preview")
        page.wait()
        assert page.form.said == "2 samples came through all three stages."
        assert "preprocess_data" in page.form._outcome.shown.value
        version, _ = run(shell, "%vessl_register iris")
        assert [example["input"] for example in version.examples] == [{"x": [1, 2]}, {"x": [5]}]

    def test_a_preview_says_what_is_different_from_the_last_one_under_a_magic_or_in_the_form(self, page, shell):
        run(shell, f"%vessl_preview --sample '{SAMPLE}'")
        run(shell, "clf = Scale(3)")
        page.click("Preview")
        assert "[0] was 2" in html.unescape(page.wait()._outcome.shown.value)
        page.click("Preview")
        assert "unchanged since the last run" in page.wait()._outcome.shown.value

    def test_a_preview_that_fails_says_where(self, page):
        filled(page, Samples='{"y": 1}')
        page.click("Preview")
        page.wait()
        assert page.form.said == "Iris.preprocess_data raised KeyError: 'x'"

    def test_a_preview_without_a_sample_says_what_to_do(self, page):
        page.type("Samples", "")
        page.click("Preview")
        assert page.form.said.startswith("There is no sample to preview.")

    def test_a_callback_that_fails_is_told_and_kept(self, page, monkeypatch):
        monkeypatch.setattr(page.form._travels, "show", lambda *_, **__: 1 / 0)
        page.type("Description", "x")
        assert page.form.said.startswith("ZeroDivisionError: division by zero")
        assert isinstance(page.form.errors[-1], ZeroDivisionError)

    def test_closing_it_lets_the_notebook_be(self, page, shell):
        page.form.close()
        assert page.form._look_again not in shell.events.callbacks["post_run_cell"]

    def test_only_the_newest_form_looks_after_each_cell(self, shell):
        forms = [vessl.register_form() for _ in range(3)]
        listening = [look.__self__ for look in shell.events.callbacks["post_run_cell"] if hasattr(look, "__self__")]
        assert [form for form in forms if form in listening] == [forms[-1]]
        forms[-1].close()


class TestBesideCells:
    """What a runner does in a folder of its own, and what cells do in theirs."""

    @pytest.fixture
    def files(self, page, shell):
        run(shell, FILES)
        page.type("Repository", "iris")
        page.choose("Runner", "Files")
        shell.user_ns["page"] = page
        yield page
        shell.user_ns["may_go_on"].append(1)

    def test_a_cell_that_runs_keeps_its_folder_and_the_form_waits_for_it(self, files, shell, tmp_path):
        cell = "page.click('Register'); time.sleep(0.5); open('mine.txt', 'w').close(); seen = [*begun, page.form.said]"
        run(shell, cell)
        [said] = shell.user_ns["seen"]
        assert said.startswith("Waiting until the cell that runs is done")
        assert (tmp_path / "mine.txt").exists()
        shell.user_ns["may_go_on"].append(1)
        assert list(files.wait().version.files) == []

    def test_a_cell_that_comes_waits_and_has_its_folder(self, files, shell, tmp_path):
        files.click("Register")
        wait_until(lambda: shell.user_ns["begun"])
        threading.Timer(0.3, shell.user_ns["may_go_on"].append, [1]).start()
        where, _ = run(shell, "os.getcwd()")
        assert where == str(tmp_path)
        assert files.wait().said == "Registered as iris:1."

    def test_a_cell_that_waits_long_says_what_for(self, files, shell, monkeypatch):
        monkeypatch.setattr(running_cells, "_PATIENCE", 0.0)
        files.click("Register")
        wait_until(lambda: shell.user_ns["begun"])
        threading.Timer(0.5, shell.user_ns["may_go_on"].append, [1]).start()
        _, shown = run(shell, "1")
        assert shown.stdout.count("Waiting for a register form") == 1

    def test_the_stop_button_of_a_cell_that_waits_cancels_the_form(self, files, shell, tmp_path):
        files.click("Register")
        wait_until(lambda: shell.user_ns["begun"])
        threading.Timer(0.5, signal.pthread_kill, [threading.main_thread().ident, signal.SIGINT]).start()
        where, _ = run(shell, "os.getcwd()")
        assert where == str(tmp_path)
        assert files.wait().said == "Cancelled. Nothing was registered."

    def test_it_is_cancelled_while_it_waits_for_a_cell(self, files, shell):
        run(shell, "page.click('Register'); time.sleep(0.3); page.click('Cancel'); page.form._work.join(10)")
        assert files.form.said == "Cancelled. Nothing was registered."
        assert shell.user_ns["begun"] == []

    def test_a_thread_of_the_users_may_load_while_a_cell_waits_for_it(self, files, shell):
        shell.user_ns["may_go_on"].append(1)
        files.register()
        load = "from concurrent.futures import ThreadPoolExecutor\n"
        load += "with ThreadPoolExecutor() as pool: loaded = pool.submit(vessl.load, 'iris').result(20)"
        run(shell, load)
        assert shell.user_ns["loaded"].run(3) == 3


class TestClosing:
    def test_nothing_of_it_is_left(self, shell):
        before = len(instances())
        form = vessl.register_form("iris", artifacts={"a": "a"})
        Page(form).click("Remove")
        form.close()
        assert len(instances()) == before

    def test_a_cell_that_is_run_again_closes_the_forms_it_made(self, shell):
        cell = "forms = [vessl.register_form(), vessl.register_form()]"
        shell.run_cell(cell, cell_id="a")
        former = shell.user_ns["forms"]
        shell.run_cell("other = vessl.register_form()", cell_id="b")
        assert all(form.comm is not None for form in former)
        shell.run_cell(cell, cell_id="a")
        assert [form.comm for form in former] == [None, None]
        left = [*shell.user_ns["forms"], shell.user_ns["other"]]
        assert all(form.comm is not None for form in left)
        for form in left:
            form.close()

    def test_a_form_at_work_ends_its_work_though_its_cell_is_run_again(self, shell):
        run(shell, FILES)
        cell = "form = vessl.register_form('iris', runner='Files')"
        shell.run_cell(cell, cell_id="a")
        former = Page(shell.user_ns["form"])
        run(shell, SLOW)
        former.type("Samples", "1")
        former.choose("Runner", "Slow")
        former.click("Preview")
        shell.run_cell(cell, cell_id="a")
        assert former.form.is_busy
        assert former.form.comm is not None
        former.form.close()
        shell.user_ns["form"].close()


def instances():
    return list(ipywidgets.widgets.widget._instances)


class TestFaces:
    def test_it_is_shown_as_two_outputs(self, page, shell):
        _, shown = run(shell, "form")
        live, static = shown.outputs
        assert list(live.data) == ["application/vnd.jupyter.widget-view+json"]
        assert sorted(static.data) == ["text/html", "text/plain"]
        assert "vnb-stands" in static.data["text/html"]

    def test_the_static_face_is_brought_up_to_date(self, page, shell, monkeypatch):
        run(shell, "form")
        published = []
        monkeypatch.setattr(shell.display_pub, "publish", lambda data, **more: published.append((data, more)))
        filled(page, Tags="accuracy=0.97").register()
        data, more = published[-1]
        assert more["update"]
        assert "Registered as iris:1." in data["text/html"]
        assert "vnb-stands" in data["text/html"]
        assert len(data["text/html"]) < 60_000

    def test_what_was_typed_is_in_the_notebook_though_nothing_was_registered(self, page, shell, monkeypatch):
        run(shell, "form")
        published = []
        monkeypatch.setattr(shell.display_pub, "publish", lambda data, **more: published.append(data["text/html"]))
        filled(page, Description="A word or two")
        wait_until(lambda: published and "A word or two" in published[-1])
        assert len(published) < len("A word or two")
        page.form._look(anew=True)
        time.sleep(1)
        assert len(published) == 1

    def test_its_text_says_what_was_filled_in_and_what_came_of_it(self, page):
        filled(page, Tags="accuracy=0.97", Aliases="3")
        assert repr(page.form).splitlines() == [
            "Register a model",
            "  Repository   iris",
            "  Runner       Iris",
            "  Model        clf",
            '  Samples      {"x": [1, 2]}',
            "  Tags         accuracy=0.97",
            "  Aliases      Not yet: '3' cannot be an alias: it would read as a version's number.",
            f"  As a line    {page.form.line}",
            "  Outcome      not registered",
        ]
        page.type("Aliases", "champion")
        page.register()
        text = repr(page.form)
        assert "Outcome      Registered as iris:1." in text
        assert 'Load it     vessl_nb.load("iris:1")' in text
        assert " at 0x" not in text

    def test_secrets_are_masked_where_they_would_be_saved(self, page):
        filled(page, Samples="{'x': [1], 'token': 'sk-proj-abcdefghijklmnopqrstuvwx'}")
        assert "sk-proj" in page.form.line
        assert "sk-proj" not in repr(page.form) + page.form._repr_html_()

    @pytest.mark.parametrize(
        "typed",
        [
            {"Requirements": f"mine @ git+https://{TOKEN}@github.com/a/mine.git"},
            {"Tags": f"key={TOKEN}"},
            {"Description": TOKEN},
            {"Model": f"dict(k='{TOKEN}')"},
            {"Environment": f"{TOKEN}-"},
        ],
        ids=lambda typed: next(iter(typed)),
    )
    def test_a_token_in_any_field_is_masked_where_it_would_be_saved(self, page, typed):
        filled(page, **typed)
        faces = repr(page.form) + page.form._repr_html_()
        assert TOKEN not in faces
        assert "***" in faces

    def test_a_token_among_the_artifacts_is_masked_where_it_would_be_saved(self, shell):
        form = vessl.register_form("iris", artifacts={f"{TOKEN}.txt": "a.txt"})
        assert TOKEN not in repr(form) + form._repr_html_()
        form.close()

    @pytest.mark.parametrize(
        "sample", [f"{{'x': [1], 'k': '{TOKEN}'}}", "{'x': [1], 'password': 'hunter2 is not it'}"], ids=["form", "name"]
    )
    def test_a_token_that_a_preview_shows_is_masked_where_it_would_be_saved(self, page, sample):
        filled(page, Samples=sample).click("Preview")
        faces = repr(page.wait()) + page.form._repr_html_() + page.form._outcome.shown.value
        assert page.form.said == "1 sample came through all three stages."
        assert TOKEN not in faces
        assert "hunter2" not in faces
        assert "preprocess_data" in faces

    def test_no_widget_of_it_has_a_large_state_whatever_it_shows(self, page, shell):
        names = "\n".join(f"a_long_name_of_a_thing_that_travels_{place} = {place}" for place in range(300))
        run(shell, f"import numpy as np\n{names}")
        used = " + ".join(f"a_long_name_of_a_thing_that_travels_{place}" for place in range(300))
        run(
            shell,
            "class Iris(vessl.RunnerBase):\n    @staticmethod\n"
            "    def preprocess_data(data): return np.random.default_rng(1).integers(0, 255, (400, 400, 3), 'uint8')\n"
            "    @staticmethod\n    def predict(model, data): return data.astype('float32')\n    @staticmethod\n"
            f"    def postprocess_data(data): return [{used}, *map(str, data.ravel()[:40].tolist())]",
        )
        filled(page).click("Preview")
        assert page.wait().said == "1 sample came through all three stages."
        assert "preprocess_data" in page.form._outcome.shown.value
        assert "a_long_name_of_a_thing_that_travels_0" in page.form._travels._shown.value
        assert largest_state(page.form) < 40_000
        page.register()
        assert "iris:1" in page.form._outcome.shown.value
        assert largest_state(page.form) < 40_000
        assert len(page.form._repr_html_()) < 60_000


def largest_state(form):
    """Measure the largest of the widgets that a form is made of."""
    sizes, waiting = [], [form]
    while waiting:
        part = waiting.pop()
        waiting += getattr(part, "children", ())
        sizes.append(len(json.dumps(part.get_state(), default=lambda part: part.model_id)))
    return max(sizes)


texts = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Zl", "Zp")), max_size=12)
words = st.from_regex(r"[A-Za-z][A-Za-z0-9._-]{0,8}", fullmatch=True)
tags = st.dictionaries(
    words, st.one_of(texts, st.integers(-9, 9), st.booleans(), st.none(), st.floats(-1, 1)), max_size=3
)
samples = st.recursive(
    st.one_of(st.integers(-9, 9), texts),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(texts, inner, max_size=2),
)


@settings(max_examples=150, deadline=None)
@given(
    tags=tags,
    aliases=st.lists(words, max_size=2),
    description=texts,
    samples=st.lists(samples.map(repr), max_size=2),
    artifacts=st.dictionaries(texts.filter(bool), texts, max_size=2),
    env=st.lists(words, max_size=2),
    flags=st.tuples(st.booleans(), st.booleans()),
)
def test_whatever_is_filled_in_the_line_reads_back_as_that(tags, aliases, description, samples, artifacts, env, flags):
    values = FormValues(
        "iris", 3, "Iris", "clf", tuple(samples), artifacts, ("numpy>=2,<3",), tuple(env), tags, tuple(aliases),
        description, *flags,
    )  # fmt: skip
    line = magic_line(values, FormValues())
    assert len(line.splitlines()) == 1
    magic, _, rest = line.partition(" ")
    assert magic == "%vessl_register"
    variables = {"x": "EXPANDED", "iris": "EXPANDED"}
    read = parse_line(VesslMagics.vessl_register.parser, rest.rstrip().removesuffix(";"), variables)
    assert (read.repository, read.runner, read.model) == ("iris:3", "Iris", "clf")
    assert tuple(read.sample or ()) == tuple(sample.strip() or sample for sample in samples)
    assert parse_tags(read.tag) == tags
    assert tuple(read.alias or ()) == tuple(aliases)
    assert (read.description or "") == description
    assert (eval(read.artifacts) if read.artifacts else {}) == artifacts
    assert (read.check is not False, read.examples is not False) == flags
    assert tuple(read.env or ()) == tuple(env)


@pytest.mark.parametrize(
    ("text", "expressions"),
    [
        ("a\nb", ["a", "b"]),
        ('{"x":\n  [1,\n   2]}', ['{"x":\n  [1,\n   2]}']),
        ('{"x": 1}\n\n{"x": 2}', ['{"x": 1}', '{"x": 2}']),
        ("  a  ", ["a"]),
    ],
)
def test_samples_are_one_a_line_or_one_over_several(text, expressions):
    assert read_expressions(text) == expressions


def test_several_samples_over_several_lines_stay_several():
    samples = ('{"x":\n  [1]}', "[\n2]", "a")
    assert read_expressions(write_samples(samples)) == ["{'x': [1]}", "[2]", "a"]


def test_a_sample_over_several_lines_stands_on_one_in_the_line():
    values = FormValues("iris", samples=('{"x":\n  [1,\n   2]}',))
    assert magic_line(values, FormValues()) == """%vessl_register iris --sample '{'"'"'x'"'"': [1, 2]}'"""


class TestCancelling:
    def test_an_interrupt_never_reaches_what_comes_after_the_task(self):
        """Cancel at random moments: the outcome is handed over once, whole, each time."""
        for pause in range(60):
            work, ended = Work(), []
            work.start(lambda: sum(range(2_000)), lambda *outcome, ended=ended: ended.append(outcome))
            for _ in range(pause * 20):
                pass
            work.cancel()
            work.cancel()
            work.join(5)
            [(result, error)] = ended
            assert (result == sum(range(2_000)) and error is None) or isinstance(error, KeyboardInterrupt)

    def test_what_a_task_raises_is_handed_on(self):
        ended = []
        work = Work()
        work.start(lambda: 1 / 0, lambda result, error: ended.append((result, error)))
        work.join(5)
        assert ended[0][0] is None
        assert isinstance(ended[0][1], ZeroDivisionError)

    def test_cancelling_what_has_ended_does_nothing(self):
        ended = []
        work = Work()
        work.cancel()
        work.start(lambda: "done", lambda *outcome: ended.append(outcome))
        work.join(5)
        work.cancel()
        assert ended == [("done", None)]


def test_progress_goes_to_whoever_asked_in_this_thread_alone():
    shown, others = [], []

    def elsewhere():
        with progress("Other", 10) as other:
            other.count(5)
            other.draw()
            others.append(other._show)

    with shown_by(lambda *told: shown.append(told)), progress("Storing", 10) as ours:
        ours.count(4)
        ours.draw()
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
    assert shown == [("Storing", 4, 10)]
    assert others == [None]


def wait_until(is_so, seconds=20):
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)
