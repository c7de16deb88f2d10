"""A real kernel, spoken to as JupyterLab does: replies, outputs, completion, and what another process loads."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import KernelManager

SCRIPTS = Path(sys.executable).parent

SETUP = """
import vessl_nb as vessl
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

ADDRESS_OR_TIME = re.compile(r"0x[0-9a-f]{5,}|\d\d:\d\d|\d ?(µs|ms|s)\b")


@dataclass
class Ran:
    """What came back over the wire for one cell."""

    reply: dict[str, Any]
    outputs: list[dict[str, Any]] = field(default_factory=list)

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [output["content"] for output in self.outputs if output["msg_type"] == kind]

    @property
    def text(self) -> str:
        """What is shown as text: streams, and the text of what is displayed."""
        return "".join(
            output["content"].get("text", "") + output["content"].get("data", {}).get("text/plain", "")
            for output in self.outputs
        )

    @property
    def errors(self) -> list[list[str]]:
        """The lines of each error that is shown."""
        tracebacks = [error["traceback"] for error in self.of("error")]
        return ["\n".join(lines).strip().splitlines() for lines in tracebacks if lines]


class Kernel:
    """A running kernel and a client of it."""

    def __init__(self, name: str, folder: Path) -> None:
        self.manager = KernelManager(kernel_name=name)
        environment = os.environ | {"IPYTHONDIR": str(folder / "ipython")}
        self.manager.start_kernel(env=environment, cwd=str(folder))
        self.client = self.manager.blocking_client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)

    def stop(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)
        self.manager.context.destroy(linger=0)

    def run(self, cell: str) -> Ran:
        outputs: list[dict[str, Any]] = []
        reply = self.client.execute_interactive(cell, timeout=60, output_hook=outputs.append, allow_stdin=False)
        return Ran(reply["content"], outputs)

    def __call__(self, cell: str) -> Ran:
        """Run a cell that works."""
        ran = self.run(cell)
        assert ran.reply["status"] == "ok", ran.reply
        return ran

    def value(self, expression: str) -> Any:
        """Give a value of the kernel's, by way of its repr."""
        return eval(self(expression).of("execute_result")[0]["data"]["text/plain"])

    def complete(self, text: str) -> list[str]:
        content = self.client.complete(text, len(text), reply=True, timeout=60)["content"]
        assert content["status"] == "ok"
        assert content["cursor_end"] == len(text)
        return [text[: content["cursor_start"]] + match for match in content["matches"]]


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    kernel = Kernel("vessl_nb", tmp_path_factory.mktemp("kernel"))
    kernel.at_start = kernel.run("%vessl_versions?").reply
    yield kernel
    kernel.stop()


@pytest.fixture
def kernel(running, tmp_path):
    """Give the kernel as new, in this test's folder and with its registry."""
    running("%reset -f")
    running("%reload_ext vessl_nb")
    running(f"import os; os.chdir({str(tmp_path)!r})")
    for name in ("VESSL_NB_REGISTRY", "VESSL_NB_CACHE"):
        running(f"os.environ[{name!r}] = {os.environ[name]!r}")
    running(SETUP)
    return running


def elsewhere(code: str, folder: Path) -> Any:
    """Run code in a process that never saw the notebook, and read the JSON that it prints."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", f"import json, vessl_nb\n{code}"],
        cwd=folder, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_kernelspec_is_installed_and_says_what_it_is():
    listed = subprocess.run(
        [SCRIPTS / "jupyter", "kernelspec", "list", "--json"], capture_output=True, text=True, check=True, timeout=60
    )
    spec = json.loads(listed.stdout)["kernelspecs"]["vessl_nb"]["spec"]
    assert spec["display_name"] == "Python (vessl_nb)"
    assert spec["language"] == "python"
    assert "--ext=vessl_nb" in spec["argv"]
    assert KernelSpecManager().get_kernel_spec("vessl_nb").display_name == "Python (vessl_nb)"


def test_its_magics_are_there_without_load_ext(running):
    [page] = running.at_start["payload"]
    assert "%vessl_versions iris" in page["data"]["text/plain"]


def test_the_magics_come_to_a_plain_kernel_by_load_ext_and_go_again(tmp_path):
    plain = Kernel("python3", tmp_path)
    try:
        assert plain.run("%vessl_versions").reply["status"] == "error"
        plain("%load_ext vessl_nb")
        plain("%load_ext vessl_nb")
        heavy = "[name for name in ('torch', 'ipywidgets', 'anywidget') if name in __import__('sys').modules]"
        assert plain.value(heavy) == []
        plain("%vessl_versions")
        assert plain.complete("%vessl_register --ali") == ["%vessl_register --alias"]
        plain("%unload_ext vessl_nb")
        assert plain.run("%vessl_versions").reply["status"] == "error"
        assert "%vessl_register --alias" not in plain.complete("%vessl_register --ali")
    finally:
        plain.stop()


def test_a_model_whose_class_was_written_in_a_cell_runs_in_another_process(kernel, tmp_path):
    kernel("%%vessl_runner --model clf --sample '{\"x\": [1, 2]}'" + RUNNER)
    kernel("v = %vessl_register iris --tag accuracy=0.97 --alias champion")
    here = kernel.value("vessl.load('iris').run({'x': [1, 2.5]})")
    code = "m = vessl_nb.load('iris:champion'); print(json.dumps([m.run({'x': [1, 2.5]}), m.version.source]))"
    there, source = elsewhere(code, tmp_path)
    assert there == here == [2, 5.0]
    assert "class Iris(vessl.RunnerBase)" in source
    assert "class Scale" in source


def test_a_torch_module_written_in_a_cell_runs_in_another_process(kernel, tmp_path):
    pytest.importorskip("torch")
    kernel("""
import torch
class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.drop, self.last = torch.nn.Linear(3, 8), torch.nn.Dropout(0.5), torch.nn.Linear(8, 2)
    def forward(self, x): return self.last(self.drop(torch.relu(self.first(x))))
torch.manual_seed(0)
net = Net().eval()
del clf
""")
    kernel("""%%vessl_runner --model net --sample '{"x": [[1.0, 2.0, 3.0]]}'
class NetRunner(vessl.RunnerBase):
    @staticmethod
    def preprocess_data(data): return torch.tensor(data["x"])
    @staticmethod
    def predict(model, data):
        with torch.no_grad(): return model(data)
    @staticmethod
    def postprocess_data(data): return data.tolist()
""")
    kernel("%vessl_register net;")
    here = kernel.value("NetRunner.predict(net, torch.tensor([[0.5, -1.0, 2.0]])).tolist()")
    code = "print(json.dumps(vessl_nb.load('net').run({'x': [[0.5, -1.0, 2.0]]})))"
    assert elsewhere(code, tmp_path) == here


def test_a_version_loaded_in_its_own_notebook_is_independent_of_the_live_class(kernel):
    kernel("def shift(x): return x + offset\noffset = 1")
    kernel("""%%vessl_runner --model clf --sample '[1]'
class Shift(vessl.RunnerBase):
    @staticmethod
    def predict(model, data): return [shift(x) for x in model.predict(data)]
""")
    kernel("%vessl_register shift;")
    kernel("loaded = %vessl_load shift")
    assert kernel.value("loaded.runner is Shift, type(loaded.model) is Scale") == (False, False)
    assert kernel.value("loaded.run([1]), Shift.predict(clf, [1])") == ([3], [3])
    kernel("def shift(x): return x * 100")
    assert kernel.value("loaded.run([1]), Shift.predict(clf, [1])") == ([3], [200])
    kernel("offset = 50; Shift.predict = staticmethod(lambda model, data: 'live'); clf.factor = 9")
    assert kernel.value("loaded.run([1]), Shift.predict(clf, [1])") == ([3], "live")
    kernel("again = %vessl_load shift")
    assert kernel.value("again.run([1]), offset, clf.factor") == ([3], 50, 9)


def test_running_the_cell_again_registers_the_edited_class(kernel, tmp_path):
    kernel("%%vessl_runner" + RUNNER)
    kernel("%vessl_register iris;")
    kernel("%%vessl_runner" + RUNNER.replace("model.predict(data)", '"edited"'))
    kernel("%vessl_register iris;")
    code = "print(json.dumps([vessl_nb.load(f'iris:{n}').run({'x': [1]}) for n in (1, 2)]))"
    assert elsewhere(code, tmp_path) == [[2], "edited"]


@pytest.mark.parametrize(
    "cell",
    [
        "%%vessl_runner --model clf --sample '{\"x\": [1, 2]}'" + RUNNER,
        "%vessl_register iris --runner Iris --tag accuracy=0.9 --alias champion",
        "%vessl_versions",
        "%vessl_versions iris",
        "%vessl_alias iris:1 best",
    ],
)
def test_results_have_stable_text_and_static_html(kernel, cell):
    kernel(RUNNER)
    kernel("%vessl_register iris --runner Iris;")
    [result] = kernel(cell).of("execute_result")
    assert {"text/plain", "text/html"} <= result["data"].keys()
    text, html = result["data"]["text/plain"], result["data"]["text/html"]
    assert not ADDRESS_OR_TIME.search(text), text
    assert "<script" not in html
    assert "0x" not in re.sub(r"#[0-9a-f]{3,8}", "", html)
    for word in re.findall(r"\biris:\d", text):
        assert word in html


def test_the_same_cell_gives_the_same_text_again_but_for_what_changed_since(kernel):
    cell = "%%vessl_runner --model clf --sample '{\"x\": [1, 2]}'" + RUNNER
    first, *others = (kernel(cell).text for _ in range(3))
    assert others[0] == others[1] == first.replace("Iris\n", "Iris, unchanged since the last run\n", 1)


def test_a_loaded_model_is_shown_without_an_address(kernel):
    kernel(RUNNER)
    kernel("%vessl_register iris;")
    assert not ADDRESS_OR_TIME.search(kernel("%vessl_load iris").text)


def test_a_silenced_magic_sends_nothing(kernel):
    kernel(RUNNER)
    ran = kernel("%vessl_register iris;")
    assert not ran.of("execute_result")
    assert ran.text == ""


def test_help_is_paged(kernel):
    reply = kernel("%vessl_register?").reply
    [page] = reply["payload"]
    assert page["source"] == "page"
    text = re.sub(r"\x1b\[[0-9;]*m", "", page["data"]["text/plain"])
    assert "%vessl_register iris --tag accuracy=0.97 --alias champion" in text
    assert "--description TEXT" in text


@pytest.mark.parametrize(
    ("cell", "ename", "first"),
    [
        ("%vessl_register iris:", "InvalidReference", "'iris:' is no reference."),
        ("%vessl_load iris", "NotFound", "There is no model repository 'iris' in "),
        ("%vessl_register iris --smaple 1", "InvalidArgument", "%vessl_register has no option '--smaple'."),
        ("%vessl_register 'iris", "InvalidArgument", "No closing quotation in: 'iris"),
        ("%vessl_runner Nobody", "InvalidArgument", "%vessl_runner Nobody: there is no variable 'Nobody'."),
        ("%vessl_preview --runner Iris --sample 1/0", "InvalidArgument", "--sample 1/0 raised ZeroDivisionError"),
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


@pytest.mark.parametrize(
    "cell",
    [
        "%%vessl_runner" + RUNNER.replace("Iris", "Half") + "\nimport time; print('started', flush=True); time.sleep(60)",
        "%%vessl_runner --model clf --sample '{\"x\": [1]}'"
        + RUNNER.replace("model.predict(data)", "print('started', flush=True) or __import__('time').sleep(60)"),
    ],
    ids=["cell", "stage"],
)  # fmt: skip
def test_an_interrupted_cell_leaves_the_kernel_usable(kernel, cell):
    kernel("%%vessl_runner --model clf" + RUNNER)
    sent = kernel.client.execute(cell)
    while True:
        message = kernel.client.get_iopub_msg(timeout=30)
        if message["msg_type"] == "stream" and "started" in message["content"]["text"]:
            break
    begun = time.monotonic()
    kernel.manager.interrupt_kernel()
    while (reply := kernel.client.get_shell_msg(timeout=30))["parent_header"]["msg_id"] != sent:
        pass
    assert time.monotonic() - begun < 20
    assert reply["content"]["status"] == "error"
    # The mark is where it was, and no sample was taken.
    ran = kernel("%vessl_register iris")
    assert "Runner     Iris" in ran.text
    assert "Examples   0" in ran.text
    kernel("%%vessl_runner" + RUNNER)
    assert "Iris" in kernel("%vessl_preview --sample '{\"x\": [1]}'").text


def test_completion_over_the_wire(kernel):
    kernel(RUNNER)
    kernel("%vessl_register iris --alias champion;\n%vessl_register iris --alias challenger;")
    assert kernel.complete("%vessl_register iris --al") == ["%vessl_register iris --alias"]
    assert kernel.complete("%%vessl_runner --sam") == ["%%vessl_runner --sample"]
    assert kernel.complete("%vessl_runner I") == ["%vessl_runner Iris"]
    assert kernel.complete("%vessl_register iris --model c") == ["%vessl_register iris --model clf"]
    references = [f"v = %vessl_load iris:{word}" for word in ("1", "2", "challenger", "champion")]
    assert kernel.complete("v = %vessl_load iris:") == references
    assert kernel.complete("v = %vessl_load iris:ch") == references[2:]
    assert kernel.complete("x = 1\n%vessl_load iris:cham") == ["x = 1\n%vessl_load iris:champion"]
    assert "vessl.RunnerBase" in kernel.complete("vessl.Run")
    assert "clf.factor" in kernel.complete("clf.fac")


def test_a_notebook_shows_a_bar_while_a_large_model_is_stored(kernel):
    kernel("from vessl_nb import progress; progress.PATIENCE = 0; import numpy as np")
    kernel(RUNNER)
    try:
        ran = kernel("vessl.register_model('bars', None, Iris, [np.arange(4e6), np.arange(4e6) + 1])")
    finally:
        kernel("progress.PATIENCE = 1.0")
    shown = [
        content["data"] for content in ran.of("display_data") if "Storing" in content["data"].get("text/plain", "")
    ]
    assert shown
    assert "application/vnd.jupyter.widget-view+json" in shown[0]
