"""``%config VesslMagics`` on a real shell: what is set once holds for every magic, and is listed with its help."""

from __future__ import annotations

import logging

import pytest
from usual_cells import RUNNER

import vessl_nb as vessl
from vessl_nb.belongings import RunnerPreview
from vessl_nb.errors import InvalidArgument

SETTINGS = ("check", "live", "preview_again", "store_examples")
SAMPLE = "--sample 'dict(x=[1])'"


def test_they_are_listed_with_their_help_and_what_they_are_now(notebook):
    notebook("%config VesslMagics.check = False")
    title, _, *listed = notebook.run("%config VesslMagics").text.splitlines()
    assert title.startswith("VesslMagics")
    assert [line for line in listed if not line.startswith(" ")] == [f"VesslMagics.{name}=<Bool>" for name in SETTINGS]
    assert [line.strip() for line in listed if "Current" in line] == ["Current: False", *["Current: True"] * 3]


def test_a_registration_is_not_checked_where_that_is_switched_off_unless_its_line_says_so(notebook):
    notebook("%config VesslMagics.check = False")
    assert notebook(f"%vessl_register iris {SAMPLE}").check is None
    assert notebook(f"%vessl_register iris {SAMPLE} --check").check.passed
    notebook("%config VesslMagics.check = True")
    assert notebook(f"%vessl_register iris {SAMPLE}").check.passed
    assert notebook(f"%vessl_register iris {SAMPLE} --no-check").check is None


def test_examples_are_not_kept_where_that_is_switched_off_unless_the_line_says_so(notebook):
    notebook("%config VesslMagics.store_examples = False\n%config VesslMagics.check = False")
    assert notebook(f"%vessl_register iris {SAMPLE}").examples == []
    assert len(notebook(f"%vessl_register iris {SAMPLE} --examples").examples) == 1


def test_the_python_functions_keep_their_own_defaults(notebook):
    notebook("%config VesslMagics.check = False\n%config VesslMagics.store_examples = False")
    version = vessl.register_model(
        "iris", None, notebook.variables["Iris"], notebook.variables["clf"], sample={"x": [1]}
    )
    assert version.check.passed
    assert len(version.examples) == 1


def test_the_form_begins_with_what_is_set(notebook):
    notebook("%config VesslMagics.check = False")
    form = notebook("%vessl_register --form")
    assert (form.values.check, form.values.store_examples) == (False, True)
    assert notebook("%vessl_register --form --check").values.check


def test_a_cell_that_is_run_again_only_marks_where_previews_are_switched_off(notebook):
    notebook(f"%%vessl_runner {SAMPLE}" + RUNNER)
    notebook("%config VesslMagics.preview_again = False")
    assert notebook("%%vessl_runner" + RUNNER) is notebook.variables["Iris"]
    assert isinstance(notebook(f"%%vessl_runner {SAMPLE}" + RUNNER), RunnerPreview), "a sample on the line is shown"
    assert notebook("%vessl_preview").output == [2]


def test_a_form_is_refused_where_widgets_are_switched_off(notebook):
    notebook("%config VesslMagics.live = False")
    error = notebook.run("%vessl_register iris --form").error
    assert isinstance(error, InvalidArgument)
    assert "%config VesslMagics.live = True" in error.next_step


@pytest.mark.parametrize("value", ["'maybe'", "3", "None", "[]"])
def test_a_wrong_value_is_said_in_one_line_and_changes_nothing(notebook, caplog, value):
    with caplog.at_level(logging.ERROR):
        notebook(f"%config VesslMagics.live = {value}")
    assert [record.getMessage() for record in caplog.records] == [f"VesslMagics.live is True or False, not {value}."]
    assert notebook("%config VesslMagics.live") is True


def test_a_setting_that_does_not_exist_gets_the_nearest_that_does(notebook):
    with pytest.warns(UserWarning, match=r"`lvie` not recognized by `VesslMagics`.  Did you mean `live`\?"):
        notebook("%config VesslMagics.lvie = False")


def test_ipython_config_sets_them_before_the_extension_is_loaded(bare):
    bare.shell.config.VesslMagics.check = False
    bare("%load_ext vessl_nb")
    assert bare("%config VesslMagics.check") is False


def test_a_wrong_value_in_ipython_config_is_said_when_the_extension_is_loaded(bare):
    bare.shell.config.VesslMagics.check = "sometimes"
    ran = bare.run("%load_ext vessl_nb")
    assert ran.text.strip() == "InvalidSetting: VesslMagics.check is True or False, not 'sometimes'."
