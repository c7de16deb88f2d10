"""What the README shows is run as it stands."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")


def blocks(language, title):
    """List the blocks of a language in the section of this title."""
    section = README.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    return re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL)


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """Run the cells of the first two sections in one kernel; give what each cell shows, and the registry's folder."""
    scratch = tmp_path_factory.mktemp("readme")
    cells = [*blocks("python", "Five minutes"), *blocks("python", "What ships, and the check")]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    client = NotebookClient(notebook, kernel_name="python3", extra_arguments=["--log-level=ERROR"])
    places = {place: str(scratch / place) for place in ("VESSL_NB_REGISTRY", "VESSL_NB_CACHE", "IPYTHONDIR")}
    client.execute(env={**os.environ, **places})
    texts = ["".join(o.get("data", {}).get("text/plain", "") for o in cell.outputs) for cell in notebook.cells]
    return texts, places


def run(commands, environment):
    there = {**os.environ, **environment, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    return subprocess.run(["bash", "-euc", commands], env=there, capture_output=True, text=True, check=True).stdout


def test_the_five_minutes_in_a_kernel_and_then_in_the_shell(shown):
    texts, places = shown
    assert texts[1].startswith("IrisRunner\n")
    assert texts[2].startswith("iris:1 (champion)\n")
    assert "iris:1    champion   IrisRunner   passed       0.97" in texts[3]
    assert texts[4] == re.search(r"# (\{.*\})", blocks("python", "Five minutes")[4])[1] == "{'species': 'setosa'}"

    [commands] = blocks("bash", "Five minutes")
    out = run(commands, places)
    assert out.startswith("iris, 1 version\n")
    assert out.endswith('{"species": "setosa"}\n')


def test_what_ships_is_what_the_readme_says(shown):
    texts, _ = shown
    [said] = blocks("text", "What ships, and the check")
    assert texts[5] == said.rstrip("\n")


def test_the_version_is_checked_in_the_shell_and_its_runner_is_a_program(shown, tmp_path):
    _, places = shown
    [commands] = blocks("bash", "What ships, and the check")
    checked, _, source = run(commands, places).partition("\n")
    assert checked.startswith("iris:1 passed in a clean process, 1 sample")
    (tmp_path / "runner.py").write_text(source)
    answer = "import runner; print(runner.IrisRunner.postprocess_data([0]))"
    assert run(f"cd {tmp_path}; python -c '{answer}'", places) == "{'species': 'setosa'}\n"


def test_from_source_gives_the_same_answer(shown):
    _, places = shown
    [call] = re.findall(r"`(load\(.*?, from_source=True\))`", README)
    answer = f"from vessl_nb import load; print({call}.run({{'x': [5.1, 3.5, 1.4, 0.2]}}))"
    assert run(f"python -c {shlex.quote(answer)}", places) == "{'species': 'setosa'}\n"


def test_every_file_that_the_readme_names_is_there():
    root = Path(__file__).parent.parent
    linked = re.findall(r"\]\((?!http)([^)#]+)\)", README) + re.findall(r"`(vessl_nb/[\w/]+\.py)`", README)
    assert len(linked) > 3
    assert [path for path in linked if not (root / path).exists()] == []
