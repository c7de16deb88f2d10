"""A sample's way through the three stages, watched in a real shell: what is shown, where it broke, and what changed."""

from __future__ import annotations

import dataclasses
import math
import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from IPython.utils.capture import capture_output
from PIL import Image

import vessl_nb as vessl
from vessl_nb.belongings import RunnerPreview, RunnerPreviews
from vessl_nb.errors import InvalidArgument
from vessl_nb.faces.words import kind_words
from vessl_nb.notebook.runner_magics import PreviewFailed
from vessl_nb.values.changes import Outcome, RunMemory
from vessl_nb.values.excerpt import excerpt_of
from vessl_nb.values.summary import summarize

torch = pytest.importorskip("torch")


FIRST = """
%load_ext vessl_nb
import vessl_nb as vessl
class Weights:
    def predict(self, data): return data
clf = Weights()
"""

SCALING = """
class Scaling(vessl.RunnerBase):
    @staticmethod
    def preprocess_data(data):
        numbers = data["x"]
        return [FACTOR * number for number in numbers]

    @staticmethod
    def predict(model, data):
        return {"sum": sum(data), "label": "LABEL"}

    @staticmethod
    def postprocess_data(answer):
        BODY
        return answer
"""


@pytest.fixture
def shell(plain_shell):
    """Give a shell with the magics loaded."""
    plain_shell.run_cell(FIRST, store_history=True).raise_error()
    return plain_shell


def scaling(factor="2", label="a", body="pass"):
    return SCALING.replace("FACTOR", factor).replace("LABEL", label).replace("BODY", body)


def shown(shell, cell):
    """Run a cell; give its value, or where it failed the text of what it showed, and its error."""
    with capture_output() as captured:
        result = shell.run_cell(cell, store_history=True)
    error = result.error_before_exec or result.error_in_exec
    if error is not None:
        return "\n".join(output.data["text/plain"] for output in captured.outputs), error
    return shell.user_ns["Out"].get(result.execution_count)


def below(preview, name):
    """Give what is said under a stage's line."""
    lines = repr(preview).splitlines()
    start = next(place for place, line in enumerate(lines) if line.startswith(f"  {name} "))
    rest = lines[start + 1 :]
    return [line.strip() for line in rest[: next(i for i, line in enumerate(rest) if not line.startswith("      "))]]


# What changed ----------------------------------------------------------------------------------------------------


def test_a_cell_that_is_run_again_shows_the_sample_again_and_what_changed(shell):
    first = shown(shell, """%%vessl_runner --sample '{"x": [1, 2]}'""" + scaling())
    assert [stage.change for stage in first.stages] == ["", "", ""]
    again = shown(shell, "%%vessl_runner" + scaling())
    assert type(again) is RunnerPreview
    assert [stage.change for stage in again.stages] == ["unchanged since the last run"] * 3
    assert repr(again) == repr(first).replace("Scaling\n", "Scaling, unchanged since the last run\n")
    assert again._repr_html_().count("unchanged since the last run") == 3
    edited = shown(shell, "%%vessl_runner" + scaling(factor="3", label="b"))
    assert below(edited, "preprocess_data") == ["([0] was 2)"]
    assert below(edited, "predict") == ["(.sum was 6)"]
    assert "[0] was 2" in edited._repr_html_()


def test_a_cell_that_is_run_without_a_sample_ever_given_only_marks(shell):
    assert shown(shell, "%%vessl_runner" + scaling()) is shell.user_ns["Scaling"]


def test_another_sample_is_held_against_its_own_last_run(shell):
    shown(shell, """%%vessl_runner --sample '{"x": [1]}'""" + scaling())
    other = shown(shell, """%vessl_preview --sample '{"x": [5]}'""")
    assert other.stages[1].change == ""
    assert shown(shell, """%vessl_preview --sample '{"x": [1]}'""").stages[1].change == "unchanged since the last run"


def test_a_stage_that_failed_before_says_so_and_so_does_one_that_fails_now(shell):
    shown(shell, """%%vessl_runner --sample '{"x": [1]}'""" + scaling())
    text, _ = shown(shell, "%%vessl_runner" + scaling(body="answer['gone']"))
    assert "(did not fail in the last run)" in text
    text, _ = shown(shell, "%%vessl_runner" + scaling(body="answer['gone']"))
    assert "(failed in the same way in the last run)" in text
    text, _ = shown(shell, "%%vessl_runner" + scaling(body="answer['lost']"))
    assert "(was KeyError: 'gone')" in text
    assert shown(shell, "%%vessl_runner" + scaling()).stages[2].change == "failed in the last run"


def change(before, now):
    """Say what is different when a stage's value is first one thing and then another."""
    memory, sample = RunMemory(), excerpt_of(1)
    for value in (before, now):
        face = summarize(value)
        [words] = memory.changes(sample, [Outcome(excerpt_of(value), kind_words(face))])
    return words


@dataclasses.dataclass
class Answer:
    label: str
    scores: object


class Odd:
    def __init__(self, words):
        self.words = words

    def __repr__(self):
        return self.words


@pytest.mark.parametrize(
    ("before", "now", "words"),
    [
        (0.83, 0.84, "was 0.83"),
        (0.83, 0.83 + 1e-12, "unchanged since the last run, but for rounding"),
        (1, 1.0, "was int"),
        ({"a": [1, {"b": "x"}]}, {"a": [1, {"b": "y"}]}, ".a[1].b was 'x'"),
        (np.arange(6).reshape(2, 3), np.arange(1, 7).reshape(2, 3), "[0, 0] was 0"),
        (np.zeros(3), np.zeros(4), "was ndarray, 3 float64"),
        (np.zeros(10**6), np.ones(10**6), "has changed elements, one was 0.0"),
        (np.zeros(10**6), np.zeros(10**6), "no change seen since the last run"),
        ({"w": torch.zeros(10**6)}, {"w": torch.ones(10**6)}, ".w has changed elements, one was 0.0"),
        (pd.DataFrame({"a": [1, 2]}), pd.DataFrame({"a": [1, 3]}), ".a[1] was 2"),
        (pd.DataFrame({"a": range(10**6)}), pd.DataFrame({"a": range(1, 10**6 + 1)}), "has changed elements, one was 0"),
        (list(range(1000)), list(range(1, 1001)), "[0] was 0"),
        (list(range(1000)), list(range(1000)), "no change seen since the last run"),
        (Answer("a", [1]), Answer("a", [2]), ".scores[0] was 1"),
        (Odd("round"), Odd("square"), "was 'round'"),
        (Odd("round"), Odd("round"), "no change seen since the last run"),
        ("x" * 5000, "x" * 5000, "no change seen since the last run"),
        (Answer("a", [math.nan]), Answer("a", [math.nan]), "unchanged since the last run"),
        (pd.DataFrame({"a": [1, 2]}, ["x", "y"]), pd.DataFrame({"a": [1, 2]}, ["x", "z"]), "changed"),
        (pd.Series([1, 2]), pd.Series([1, 3]), "[1] was 2"),
        (pd.Series(pd.to_datetime(["2026-01-01"])), pd.Series(pd.to_datetime(["2026-01-01"])), "unchanged since the last run"),
        (Image.new("L", (99, 99)), Image.new("L", (99, 99), 9), "has changed elements, one was 0"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)  # fmt: skip
def test_what_changed_is_said_in_words(before, now, words):
    assert change(before, now) == words


def test_a_value_that_a_later_stage_changes_in_place_is_remembered_as_it_was():
    class Runner(vessl.RunnerBase):
        @staticmethod
        def preprocess_data(data):
            return list(data)

        @staticmethod
        def predict(model, data):
            data.append(0)
            return 1

    from vessl_nb.stages import run_stages

    memory = RunMemory()
    changes = [[stage.change for stage in run_stages(Runner, [1], None, memory=memory).stages] for _ in range(2)]
    assert changes[1] == ["unchanged since the last run", "unchanged since the last run", ""]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.complex_numbers(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.text() | st.integers(), inner)
        | st.tuples(inner, inner)
        | st.sets(st.integers())
        | st.builds(Answer, st.text(), inner)
        | st.lists(st.floats()).map(np.array)
        | st.lists(st.floats(width=32)).map(torch.tensor)
        | st.lists(st.text()).map(lambda texts: pd.Series(texts, dtype=object))
    ),
    max_leaves=40,
)


@settings(max_examples=120, deadline=None, derandomize=True)
@given(VALUES)
def test_anything_is_unchanged_against_itself(value):
    assert change(value, value) in {"unchanged since the last run", "no change seen since the last run"}


def test_what_is_remembered_is_bounded():
    excerpt = excerpt_of([{"text": "x" * 10**6, "array": np.random.default_rng(0).random(10**6)}] * 1000)
    assert len(str(excerpt.data)) < 200_000
    assert len(str(excerpt_of(["x" * 10**6] * 1000).data)) < 100_000
    cells = pd.DataFrame({"a": [["x" * 10**6, np.zeros(10**6)]] * 1000})
    assert len(str(excerpt_of(cells).data)) < 200_000
    memory = RunMemory()
    for number in range(1000):
        memory.changes(excerpt_of(number), [Outcome(excerpt_of(number), "int")])
    assert memory.changes(excerpt_of(999), [Outcome(excerpt_of(999), "int")]) == ["unchanged since the last run"]
    assert memory.changes(excerpt_of(0), [Outcome(excerpt_of(0), "int")]) == [""], "the oldest was forgotten"


# Where it broke --------------------------------------------------------------------------------------------------


def test_a_stage_that_fails_shows_the_lines_of_its_cell_with_the_one_where_it_broke_marked(shell):
    shell.run_cell("def lookup(answer):\n    key = 'gone'\n    return answer[key]", store_history=True)
    text, error = shown(shell, """%%vessl_runner --sample '{"x": [1]}'""" + scaling(body="lookup(answer)"))
    assert type(error) is PreviewFailed
    assert text.splitlines()[-9:-1] == [
        "  postprocess_data   failed          KeyError: 'gone'",
        "      In[3], line 14, in postprocess_data",
        "        14  lookup(answer)",
        "      In[2], line 3, in lookup",
        "        1  def lookup(answer):",
        "        2      key = 'gone'",
        "      → 3      return answer[key]",
        "        given: dict, 2 items   {'sum': 2, 'label': 'a'}",
    ]


def test_the_stages_after_one_that_failed_are_not_run(shell):
    text, _ = shown(shell, """%%vessl_runner --sample '[]'""" + scaling())
    assert re.search(r"preprocess_data +failed +TypeError", text)
    assert re.search(r"predict +not run\n +postprocess_data +not run", text)
    assert '→ 5      numbers = data["x"]' in text


def test_lines_of_other_functions_are_no_part_of_what_is_shown(shell):
    shell.run_cell("SECRET = 'abc'\ndef first(x):\n    return x['no']\nAFTER = 'def'", store_history=True)
    text, _ = shown(shell, """%%vessl_runner --sample '{"x": [1]}'""" + scaling(body="first(answer)"))
    assert "return x['no']" in text
    assert "SECRET" not in text
    assert "AFTER" not in text


def test_an_error_deep_in_a_library_is_shown_where_the_users_code_called_it(shell):
    shell.run_cell("import json", store_history=True)
    text, _ = shown(shell, """%%vessl_runner --sample '{"x": [1]}'""" + scaling(body="json.loads('{')"))
    assert "→ 14      json.loads('{')" in text
    assert "decoder.py" not in text


def test_the_function_shows_the_same_lines_as_the_magic(shell):
    shell.run_cell(scaling(body="answer['gone']"), store_history=True)
    preview = shown(shell, "vessl.preview(Scaling, {'x': [1]})")
    assert not preview.ok
    assert "In[2], line 13, in postprocess_data" in repr(preview)


# Several samples -------------------------------------------------------------------------------------------------


def test_several_samples_are_a_row_each_and_all_are_remembered(shell):
    line = """--sample '{"x": [1]}' --sample '{"x": [2]}'"""
    previews = shown(shell, f"%%vessl_runner {line}" + scaling())
    assert type(previews) is RunnerPreviews
    assert previews.outputs == [{"sum": 2, "label": "a"}, {"sum": 4, "label": "a"}]
    assert (len(previews), previews[1].sample, previews.ok) == (2, {"x": [2]}, True)
    assert repr(previews).splitlines()[0] == "Scaling, 2 samples"
    assert repr(previews).splitlines()[-1] == "Takes along: nothing of the notebook"
    again = shown(shell, "%vessl_preview")
    assert repr(again).splitlines()[0] == "Scaling, 2 samples, unchanged since the last run"
    edited = shown(shell, "%%vessl_runner" + scaling(factor="3"))
    assert "(.sum was 2)" in repr(edited)
    version = shown(shell, "%vessl_register iris --no-check")
    assert [example["input"] for example in version.examples] == [{"x": [1]}, {"x": [2]}]


def test_of_several_samples_those_that_passed_become_the_examples(shell):
    line = """--sample '{"x": [1]}' --sample '{}' --sample '{"x": [3]}'"""
    text, error = shown(shell, f"%%vessl_runner {line}" + scaling())
    assert type(error) is PreviewFailed
    assert text.startswith("Scaling, 3 samples, 1 failed\n")
    assert "Sample 2 failed in preprocess_data:" in text
    version = shown(shell, "%vessl_register iris --no-check")
    assert [example["input"] for example in version.examples] == [{"x": [1]}, {"x": [3]}]


def test_samples_of_the_register_line_are_previewed_next(shell):
    shown(shell, "%%vessl_runner" + scaling())
    line = """--sample '{"x": [1]}' --sample '{"x": [2]}'"""
    shown(shell, f"%vessl_register iris --no-check {line}")
    assert shown(shell, "%vessl_preview").outputs[1] == {"sum": 4, "label": "a"}


def test_a_list_is_one_sample_and_samples_are_several():
    class Echo(vessl.RunnerBase):
        @staticmethod
        def predict(model, data):
            return data

    assert vessl.preview(Echo, [1, 2]).output == [1, 2]
    assert vessl.preview(Echo, samples=[1, 2]).outputs == [1, 2]
    assert vessl.preview(Echo, None).ok, "None is a sample"
    for arguments in ({}, {"sample": 1, "samples": [1]}):
        with pytest.raises(InvalidArgument, match="preview was given"):
            vessl.preview(Echo, **arguments)


# Imports ---------------------------------------------------------------------------------------------------------


def test_a_preview_alone_brings_nothing_of_what_registering_needs():
    code = """
import subprocess
import sys
import vessl_nb as vessl
class Echo(vessl.RunnerBase):
    @staticmethod
    def predict(model, data): return data
assert vessl.preview(Echo, 1)._repr_html_()
assert "vessl_nb.capture.inventory" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)
