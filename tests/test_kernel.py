"""A real kernel, spoken to as JupyterLab does: replies, outputs, completion, and what another process loads."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.kernelspec import KernelSpecManager
from real_kernel import ADDRESS_OR_TIME, Kernel
from usual_cells import RUNNER

SCRIPTS = Path(sys.executable).parent


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
