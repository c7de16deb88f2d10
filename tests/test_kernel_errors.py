"""What a real kernel shows when something fails: a line or two, the whole traceback for who asks, and nothing after it."""

from __future__ import annotations

import re
import time

import pytest
from real_kernel import ADDRESS_OR_TIME
from usual_cells import RUNNER


@pytest.mark.parametrize(
    ("cell", "ename", "first"),
    [
        ("%vessl_register iris:", "InvalidReference", "'iris:' is no reference."),
        ("%vessl_load iris", "NotFound", "There is no model repository 'iris' in "),
        ("%vessl_register iris --smaple 1", "InvalidArgument", "%vessl_register has no option '--smaple'."),
        ("%vessl_register 'iris", "InvalidArgument", "No closing quotation in: 'iris"),
        ("%vessl_runner Nobody", "InvalidArgument", "%vessl_runner Nobody: there is no variable 'Nobody'."),
        ("%vessl_preview --runner Iris --sample 1/0", "ExpressionFailed", "--sample 1/0 raised ZeroDivisionError"),
        ("%%vessl_runner\nx = 1", "InvalidRunner", "The cell defines no runner."),
        ("%%vessl_runner" + RUNNER + "class Two(Iris): pass", "InvalidRunner", "The cell defines 2 runners: Iris, Two."),
        (
            "%%vessl_runner" + RUNNER + "import asyncio\nawait asyncio.sleep(0)",
            "InvalidArgument",
            "The cell awaits something outside of its functions",
        ),
    ],
)  # fmt: skip
def test_an_error_is_two_plain_lines_and_an_error_reply(kernel, cell, ename, first):
    kernel(RUNNER)
    ran = kernel.run(cell)
    assert (ran.reply["status"], ran.reply["ename"]) == ("error", ename)
    [lines] = ran.errors
    assert lines[0].startswith(f"{ename}: {first}")
    assert 1 <= len(lines) <= 2
    assert "\x1b" not in "".join(lines)
    assert "vessl_nb/" not in "".join(lines)
    assert ran.reply["evalue"].splitlines() == [lines[0].removeprefix(f"{ename}: "), *lines[1:]]


@pytest.mark.parametrize("last_line", ["1 / 0", "class (", "undefined_name", "%vessl_load nothing"])
def test_a_cell_that_fails_under_the_magic_shows_one_traceback(kernel, last_line):
    ran = kernel.run("%%vessl_runner" + RUNNER + last_line)
    assert (ran.reply["status"], ran.reply["ename"]) == ("error", "CellFailed")
    assert ran.reply["evalue"].startswith("The cell failed: ")
    [lines] = ran.errors
    assert "vessl_nb/" not in "".join(lines)
    plain = kernel.run(RUNNER + last_line)
    assert plain.reply["ename"] in ran.reply["evalue"]


@pytest.mark.parametrize("stage", ["preprocess_data", "predict", "postprocess_data"])
def test_a_stage_that_fails_is_shown_and_then_said_in_one_line(kernel, stage):
    arguments = "model, data" if stage == "predict" else "data"
    cell = f"{RUNNER}    @staticmethod\n    def {stage}({arguments}): raise KeyError('gone')\n"
    ran = kernel.run("%%vessl_runner --model clf --sample '{\"x\": [1]}'" + cell)
    assert (ran.reply["status"], ran.reply["ename"]) == ("error", "PreviewFailed")
    [shown] = ran.of("display_data")
    assert {"text/plain", "text/html"} <= shown["data"].keys()
    assert shown["data"]["text/plain"].startswith(f"Iris failed in {stage}")
    assert not ADDRESS_OR_TIME.search(shown["data"]["text/plain"])
    assert ran.errors == [[f"PreviewFailed: Iris.{stage} raised KeyError: 'gone'"]]
    registered = kernel.run("%vessl_register iris")
    assert registered.reply["ename"] == "StageError"
    [lines] = registered.errors
    assert len(lines) <= 4
    assert "vessl_nb/" not in "".join(lines)


def test_cells_after_one_that_fails_are_aborted(kernel):
    client = kernel.client
    sent = [
        client.execute(cell, stop_on_error=True)
        for cell in ("import time; time.sleep(0.5)\n%vessl_load nothing", "after = 1")
    ]
    replies = {}
    while not replies.keys() >= set(sent):
        message = client.get_shell_msg(timeout=30)
        replies[message["parent_header"]["msg_id"]] = message["content"]["status"]
    assert [replies[message] for message in sent] == ["error", "aborted"]
    deadline = time.monotonic() + 10
    while "after" not in replies and time.monotonic() < deadline:  # the kernel aborts for a moment yet
        ran = kernel.run("'after' in dir()")
        if ran.reply["status"] == "ok":
            replies["after"] = ran.of("execute_result")[0]["data"]["text/plain"]
    assert replies["after"] == "False"


def whole_traceback(kernel) -> str:
    """Ask for the whole traceback, as a notebook shows it."""
    [lines] = kernel.run("%tb").errors
    return re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(lines))


def test_tb_shows_the_whole_traceback_of_an_error_of_ours(kernel):
    assert len(kernel.run("%vessl_load iris").errors[0]) <= 2
    shown = whole_traceback(kernel)
    assert "Traceback (most recent call last)" in shown
    assert "vessl_nb/loading.py" in shown
    assert "NotFound: There is no model repository 'iris' in " in shown


def test_tb_shows_the_users_own_failing_line_of_a_cell_under_the_magic(kernel):
    kernel.run("%%vessl_runner" + RUNNER + "wrong = 1 / 0")
    shown = whole_traceback(kernel)
    assert "----> 7 wrong = 1 / 0" in shown or "wrong = 1 / 0" in shown
    assert "ZeroDivisionError: division by zero" in shown
    assert "CellFailed: The cell failed: ZeroDivisionError: division by zero" in shown


@pytest.mark.parametrize(
    ("line", "caller"),
    [
        ("%vessl_preview --runner Iris --sample 1", "vessl_nb/stages.py"),
        ("%vessl_register iris --runner Iris --sample 1", "vessl_nb/runner.py"),
    ],
)
def test_tb_shows_where_a_stage_failed_and_who_called_it(kernel, line, caller):
    kernel(RUNNER)
    assert len(kernel.run(line).errors[0]) <= 4
    shown = whole_traceback(kernel)
    assert 'return data["x"]' in shown
    assert caller in shown
    assert "TypeError: 'int' object is not subscriptable" in shown


def test_tb_shows_other_errors_as_ever(kernel):
    kernel.run("1 / 0")
    assert "ZeroDivisionError" in whole_traceback(kernel)


READS = """
import os
class Reads(vessl.RunnerBase):
    @staticmethod
    def predict(model, data): return os.environ["FLAVOUR_OF_TEST"]
"""


def test_an_error_raised_through_a_magic_says_what_to_type_on_its_line(kernel):
    kernel("os.environ['FLAVOUR_OF_TEST'] = 'sweet'" + READS)
    [lines] = kernel.run("%vessl_register reads --runner Reads --sample 1").errors
    assert "is not declared: --env FLAVOUR_OF_TEST. Nothing was registered." in lines[1]
    [lines] = kernel.run("vessl.register_model('reads', None, Reads, clf, sample=1)").errors
    assert 'is not declared: env=["FLAVOUR_OF_TEST"]. Nothing was registered.' in lines[1]
    kernel("%vessl_register reads --runner Reads --sample 1 --no-check;")
    [lines] = kernel.run("%vessl_check reads").errors
    assert "is not declared: %vessl_register --env FLAVOUR_OF_TEST." in lines[-1]


def test_what_a_cell_under_the_magic_calls_in_python_is_answered_in_python(kernel):
    kernel("os.environ['FLAVOUR_OF_TEST'] = 'sweet'" + READS)
    ran = kernel.run("%%vessl_runner" + RUNNER + "vessl.register_model('reads', None, Reads, clf, sample=1)")
    assert 'env=["FLAVOUR_OF_TEST"]' in ran.reply["evalue"]
