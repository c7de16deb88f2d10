"""The stop button in a real kernel: it ends a magic soon, in a line, with nothing half done and the next cell working."""

from __future__ import annotations

import contextlib
import gc
import os
import re
import tempfile
import threading
import time
from typing import TYPE_CHECKING

import psutil
import pytest
from small_runners import Adds
from usual_cells import RUNNER

import vessl_nb as vessl
from vessl_nb.notebook.form_work import Work

if TYPE_CHECKING:
    from pathlib import Path

MOMENTS = 60
"""How many moments of a registration it is cancelled at, evenly spread."""

SLOW = RUNNER.replace("return model.predict(data)", "print('started', flush=True); __import__('time').sleep(60)")

# In the notebook it answers at once, and in a clean process, which has none of the notebook's variables, never.
HANGS_ELSEWHERE = """
class Iris(vessl.RunnerBase):
    @staticmethod
    def predict(model, data):
        import os, pathlib, time
        if "JPY_PARENT_PID" not in os.environ:
            pathlib.Path(data).write_text(str(os.getpid()))
            time.sleep(60)
        return "well"
"""

# After the real thing was done, so that what is on disk then is on disk. Its own lines are shown, as the user's.
STUCK_AFTER = """
def stuck(function):
    import functools, time
    @functools.wraps(function)
    def run(*arguments, **named):
        result = function(*arguments, **named)
        print('started', flush=True)
        time.sleep(60)
        return result
    return run
"""


def stopped(kernel, cell, flag: Path | None = None) -> list[str]:
    """Run a cell, press the stop button once it says that it started, or a file is there; gives the lines it shows."""
    sent = kernel.client.execute(cell)
    shown = []
    if flag is not None:
        while not (flag.exists() and flag.read_text()):
            time.sleep(0.01)
    while flag is None:
        message = kernel.client.get_iopub_msg(timeout=30)
        if message["msg_type"] == "stream" and "started" in message["content"]["text"]:
            time.sleep(0.2)  # it is told so before the call that tells it has returned
            break
        assert message["msg_type"] != "error", message["content"]
    kernel.manager.interrupt_kernel()
    while (reply := kernel.client.get_shell_msg(timeout=30))["parent_header"]["msg_id"] != sent:
        pass
    assert reply["content"]["status"] == "error", reply["content"]
    while True:
        message = kernel.client.get_iopub_msg(timeout=30)
        if message["parent_header"].get("msg_id") != sent:
            continue
        if message["msg_type"] == "error":
            shown += re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(message["content"]["traceback"])).splitlines()
        if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
            return shown


def is_gone(process: int) -> bool:
    """Tell whether a process has ended."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, 0)
        return False
    return True


def test_a_preview_says_where_in_the_users_own_code_it_was(kernel):
    kernel(SLOW)
    lines = stopped(kernel, "%vessl_preview --runner Iris --sample '{\"x\": [1]}'")
    assert lines[-1] == "KeyboardInterrupt: %vessl_preview was stopped."
    assert lines[0].endswith(", in predict")
    assert len(lines) == 3
    kernel(RUNNER)
    assert "Iris" in kernel("%vessl_preview --runner Iris --sample '{\"x\": [1]}'").text


def test_the_whole_traceback_is_there_for_tb(kernel):
    kernel(SLOW)
    stopped(kernel, "%vessl_preview --runner Iris --sample '{\"x\": [1]}'")
    [shown] = kernel.run("%tb").errors
    assert any("stages.py" in line for line in shown)


def test_a_registration_stopped_at_its_sample_registers_nothing(kernel, snapshot):
    kernel(SLOW)
    before = snapshot()
    lines = stopped(kernel, "%vessl_register iris --runner Iris --sample '{\"x\": [1]}'")
    assert lines[-1] == "KeyboardInterrupt: %vessl_register was stopped. Nothing was registered."
    assert snapshot() == before
    kernel(RUNNER)
    assert "iris:1" in kernel("%vessl_register iris --runner Iris --sample '{\"x\": [1]}'").text


def test_a_registration_stopped_while_it_stores_registers_nothing(kernel):
    kernel(RUNNER + "\n%vessl_register iris --runner Iris;")
    kernel(STUCK_AFTER + "from vessl_nb.storage.blobs import Blobs; store = Blobs.store; Blobs.store = stuck(store)")
    try:
        lines = stopped(kernel, "%vessl_register iris --runner Iris --alias champion")
    finally:
        kernel("Blobs.store = store")
    assert lines[-1] == "KeyboardInterrupt: %vessl_register was stopped. Nothing was registered."
    assert list(vessl.versions("iris")["aliases"]) == [()]
    assert "iris:2" in kernel("%vessl_register iris --runner Iris --alias champion").text


def test_a_registration_stopped_while_it_is_checked_leaves_nothing_behind(kernel, tmp_path, snapshot):
    kernel(HANGS_ELSEWHERE + "\n%vessl_register iris --runner Iris;")
    before, flag = snapshot(), tmp_path / "flag"
    lines = stopped(kernel, f"%vessl_register iris --runner Iris --sample '\"{flag}\"'", flag)
    assert lines == ["KeyboardInterrupt: %vessl_register was stopped. Nothing was registered."]
    assert snapshot() == before
    assert is_gone(int(flag.read_text()))
    assert "iris:2" in kernel("%vessl_register iris --runner Iris --no-check").text


def test_a_registration_stopped_when_it_was_done_says_what_was_registered(kernel):
    kernel(RUNNER)
    kernel(STUCK_AFTER + "from vessl_nb.registry.registry import Registry; commit = Registry.commit")
    kernel("Registry.commit = stuck(commit)")
    try:
        lines = stopped(kernel, "%vessl_register iris --runner Iris")
    finally:
        kernel("Registry.commit = commit")
    assert lines[-1] == "KeyboardInterrupt: %vessl_register was stopped. iris:1 was registered before that."
    assert list(vessl.versions("iris")["number"]) == [1]


def test_a_version_that_somebody_else_registers_meanwhile_is_not_taken_for_its_own(kernel):
    kernel(RUNNER)
    elsewhere = (
        "import threading, vessl_nb.staging as staging; stage = staging._stage\n"
        "def also(*arguments):\n"
        "    staging._stage = stage\n"
        "    other = threading.Thread(target=vessl.register_model, args=('iris', None, Iris, clf))\n"
        "    other.start(); other.join()\n"
        "    print('started', flush=True); __import__('time').sleep(60)\n"
        "staging._stage = also"
    )
    kernel(elsewhere)
    lines = stopped(kernel, "%vessl_register iris --runner Iris")
    assert lines[-1] == "KeyboardInterrupt: %vessl_register was stopped. Nothing was registered."
    assert list(vessl.versions("iris")["number"]) == [1]


def test_a_check_that_is_stopped_ends_its_process_and_records_nothing(kernel, tmp_path, snapshot):
    kernel(HANGS_ELSEWHERE)
    flag = tmp_path / "flag"
    kernel(f"%vessl_register iris --runner Iris --sample '\"{flag}\"' --no-check;")
    before = snapshot()
    lines = stopped(kernel, "%vessl_check iris --record", flag)
    assert lines == ["KeyboardInterrupt: %vessl_check was stopped."]
    assert snapshot() == before
    assert is_gone(int(flag.read_text()))
    assert "iris:1" in kernel("%vessl_versions iris").text


@pytest.mark.parametrize(
    "magic", ["%vessl_versions", "%vessl_versions iris", "%vessl_load iris", "%vessl_alias iris best"]
)
def test_reading_the_registry_can_be_stopped_and_begun_again(kernel, magic):
    kernel(RUNNER + "\n%vessl_register iris --runner Iris;")
    kernel(STUCK_AFTER + "from vessl_nb.registry import registry; opened = registry.Registry._read")
    kernel("registry.Registry._read = stuck(opened)")
    try:
        lines = stopped(kernel, magic)
    finally:
        kernel("registry.Registry._read = opened")
    assert lines[-1] == f"KeyboardInterrupt: {magic.split()[0]} was stopped."
    assert kernel(magic).of("execute_result")


def test_a_cell_that_is_stopped_marks_nothing(kernel):
    kernel("%%vessl_runner --model clf" + RUNNER)
    lines = stopped(
        kernel,
        "%%vessl_runner"
        + RUNNER.replace("Iris", "Half")
        + "print('started', flush=True)\n__import__('time').sleep(60)",
    )
    assert any("sleep(60)" in line for line in lines)
    [shown] = kernel.run("%vessl_register iris").errors
    assert shown[0] == "InvalidArgument: The cell of Half failed when it was last run, and marked no runner."
    assert "iris:1" in kernel("%vessl_register iris --runner Iris").text


def test_a_sample_that_was_stopped_is_not_remembered(kernel):
    stopped(kernel, "%%vessl_runner --model clf --sample '{\"x\": [1]}'" + SLOW)
    ran = kernel("%vessl_register iris")
    assert "Runner     Iris" in ran.text
    assert "Examples   0" in ran.text
    kernel("%%vessl_runner" + RUNNER)
    assert "Iris" in kernel("%vessl_preview --sample '{\"x\": [1]}'").text


# A file that was opened that very moment is closed by the garbage collector, which says so.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_wherever_a_registration_is_cancelled_it_leaves_no_folder_and_no_process(tmp_path, monkeypatch):
    places = tmp_path / "temporary"
    places.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(places))
    work, ended = Work(), []

    def register() -> None:
        vessl.register_model("iris", None, Adds, 1, sample=2)

    def done(_result: object, error: BaseException | None) -> None:
        ended.append(type(error))

    for _ in range(2):  # the first imports what it needs
        begun = time.monotonic()
        work.start(register, done)
        work.join(60)
        whole = time.monotonic() - begun
    before = set(psutil.Process().children())
    for moment in range(MOMENTS):
        work.start(register, done)
        time.sleep(whole * moment / MOMENTS)
        work.cancel()
        work.join(60)
        assert len(ended) == moment + 3, "the work did not end"
    assert set(ended) <= {type(None), KeyboardInterrupt}
    assert ended.count(KeyboardInterrupt) > MOMENTS / 6
    gc.collect()
    assert list(places.iterdir()) == []
    assert set(psutil.Process().children()) <= before


def test_a_cancel_while_a_thread_is_started_ends_the_work_and_not_the_new_thread():
    work, ended = Work(), []
    begun, is_over = threading.Event(), threading.Event()

    def start_many() -> None:
        begun.set()
        while not is_over.is_set():
            threading.Thread(target=int).start()

    for number in range(200):
        begun.clear()
        work.start(start_many, lambda _result, error: ended.append(type(error)))
        begun.wait(10)
        work.cancel()
        work.join(30)
        if len(ended) == number:
            is_over.set()
        assert len(ended) == number + 1, "the work did not end"
    assert set(ended) == {KeyboardInterrupt}
