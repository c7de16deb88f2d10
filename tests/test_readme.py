"""What the README shows is run as it stands."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
FIVE_MINUTES = README.partition("## Five minutes")[2].partition("## The API at a glance")[0]


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", FIVE_MINUTES, re.DOTALL)


def test_the_five_minutes_in_a_kernel_and_then_in_the_shell(tmp_path):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in blocks("python")])
    client = NotebookClient(notebook, kernel_name="python3", extra_arguments=["--log-level=ERROR"])
    client.execute(env={**os.environ, "IPYTHONDIR": str(tmp_path)})
    shown = ["".join(o.get("data", {}).get("text/plain", "") for o in cell.outputs) for cell in notebook.cells]
    assert shown[1].startswith("IrisRunner\n")
    assert shown[2].startswith("iris:1 (champion)\n")
    assert "iris:1    champion   IrisRunner       0.97" in shown[3]
    assert shown[4] == re.search(r"# (\{.*\})", blocks("python")[4])[1] == "{'species': 'setosa'}"

    [commands] = blocks("bash")
    there = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    out = subprocess.run(["bash", "-euc", commands], env=there, capture_output=True, text=True, check=True).stdout
    assert out.startswith("iris, 1 version\n")
    assert out.endswith('{"species": "setosa"}\n')


def test_every_file_that_the_readme_names_is_there():
    root = Path(__file__).parent.parent
    linked = re.findall(r"\]\((?!http)([^)#]+)\)", README) + re.findall(r"`(vessl_nb/[\w/]+\.py)`", README)
    assert len(linked) > 3
    assert [path for path in linked if not (root / path).exists()] == []
