"""The demo notebooks as files, and ``vessl-nb demo`` as a command. What the notebooks compute is compared by nbval."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from functools import partial
from pathlib import Path

import jupytext
import nbformat
import pytest

CHECKOUT = Path(__file__).parent.parent
NOTEBOOKS = sorted((CHECKOUT / "notebooks").glob("*.ipynb"))
COMMAND = Path(sys.executable).parent / "vessl-nb"
LARGEST = 200_000  # bytes: GitHub shows larger ones late, or not at all
MACHINE_PATH = re.compile(
    r"(?<![\w.])/(?:home|Users|root|tmp|var|work|private|opt|usr)/|ipykernel_\d|\.ipython|site-packages"
)


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def path(request):
    return request.param


@pytest.fixture
def notebook(path):
    return nbformat.read(path, as_version=4)


@pytest.fixture
def outputs(notebook):
    return [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]


def test_there_are_five():
    names = ["artifacts_and_props", "quickstart", "serving", "torch_model", "what_ships"]
    assert [path.stem for path in NOTEBOOKS] == names


def test_the_text_and_the_notebook_agree(path, notebook):
    text = jupytext.read(path.with_suffix(".py"))

    def cells(notebook):
        return [(cell.cell_type, cell.source, cell.metadata.get("tags", [])) for cell in notebook.cells]

    assert cells(text) == cells(notebook), f"python notebooks/refresh.py {path.stem}"


def test_the_text_is_python(path):
    compile(path.with_suffix(".py").read_text(), path.with_suffix(".py"), "exec")


def test_every_cell_ran_in_order(notebook):
    counts = [cell.execution_count for cell in notebook.cells if cell.cell_type == "code"]
    assert counts == list(range(1, len(counts) + 1))


def test_outputs_are_kept_as_text_and_as_html(outputs):
    shown = [output.data for output in outputs if output.output_type in {"execute_result", "display_data"}]
    # A live widget has its other faces in the output that follows.
    assert all("text/plain" in data for data in shown if "application/vnd.jupyter.widget-view+json" not in data)
    assert sum("text/html" in data for data in shown) >= 2


def test_only_a_tagged_cell_raises(notebook):
    for cell in notebook.cells:
        raised = any(output.output_type == "error" for output in cell.get("outputs", []))
        assert raised == ("raises-exception" in cell.metadata.get("tags", []))


def test_nothing_is_kept_of_the_machine_or_of_the_run(path, notebook, outputs):
    assert MACHINE_PATH.search(path.read_text()) is None
    assert [output.text for output in outputs if output.get("name") == "stderr"] == []
    assert set(notebook.metadata) == {"jupytext", "kernelspec", "language_info"}
    assert notebook.metadata.kernelspec == {
        "display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"
    }  # fmt: skip
    assert notebook.metadata.language_info == {"name": "python"}
    assert {key for cell in notebook.cells for key in cell.metadata} <= {"tags"}


def test_it_is_no_larger_than_github_likes(path):
    assert path.stat().st_size <= LARGEST


# vessl-nb demo ----------------------------------------------------------------------------------------------------


PROMPT = "\N{HEAVY RIGHT-POINTING ANGLE QUOTATION MARK ORNAMENT}"


@pytest.fixture
def run(tmp_path):
    """Give a function that runs a command as a user does, in a folder of its own."""

    def run_it(*command, **environment):
        return subprocess.run(
            command,
            cwd=tmp_path,
            env={**os.environ, "IPYTHONDIR": str(tmp_path / "ipython"), **environment},
            check=False,
            capture_output=True,
            text=True,
            timeout=300,
        )

    return run_it


@pytest.fixture
def demo(run):
    return partial(run, COMMAND, "demo")


def without(tmp_path, *modules):
    """Make an environment in which modules cannot be imported."""
    folder = tmp_path / "without"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(f"import sys\nsys.modules.update(dict.fromkeys({modules!r}))\n")
    return {"PYTHONPATH": str(folder)}


def put_quickstart(folder, change):
    """Put a changed quickstart where the demo runs."""
    notebook = nbformat.read(CHECKOUT / "notebooks" / "quickstart.ipynb", as_version=4)
    change(notebook)
    folder.mkdir()
    nbformat.write(notebook, folder / "quickstart.ipynb")


def test_the_demo_shows_what_a_user_sees_and_runs_again(demo, run, tmp_path):
    first = demo()
    assert first.returncode == 0, first.stderr
    for line in (
        "Write the runner, and watch a sample pass",
        f"{PROMPT} %%vessl_runner --model clf --sample images_test[36]",
        "  postprocess_data   dict, 2 items             {'digit': 3, 'probability': 0.7}",
        "digits:1 (champion)",
        "  digits:2   challenger, champion   DigitRunner   passed       0.98     100",
        "{'digit': 3, 'probability': 0.88}",
        "DigitRunner failed in predict",
    ):
        assert line in first.stdout.splitlines()
    assert "\x1b" not in first.stdout
    assert "jupyter lab vessl_nb_demo/quickstart.ipynb" in first.stdout.splitlines()[-3]
    assert "quickstart: 100%" in first.stderr
    assert "WARNING" not in first.stderr

    # The notebook is whole, with outputs, and so are its versions: the other commands see them.
    left = nbformat.read(tmp_path / "vessl_nb_demo" / "quickstart.ipynb", as_version=4)
    nbformat.validate(left)
    assert sum(bool(cell.get("outputs")) for cell in left.cells) > 5
    assert "digits:2   challenger, champion" in run(COMMAND, "list", "digits").stdout

    again = demo()
    assert again.returncode == 0, again.stderr
    assert "digits:3 (champion)" in again.stdout
    as_page = "nbconvert", "--to", "html", "--stdout", "vessl_nb_demo/quickstart.ipynb"
    opened = run(sys.executable, "-m", "jupyter", *as_page)
    assert "vnb-strip" in opened.stdout


@pytest.mark.parametrize(
    ("modules", "packages"), [(("sklearn",), "scikit-learn"), (("nbclient", "sklearn"), "nbclient scikit-learn")]
)
def test_the_demo_says_what_is_missing(demo, tmp_path, modules, packages):
    done = demo(**without(tmp_path, *modules))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines() == [
        f"vessl-nb: The demo needs what is not installed here: {packages}.", f"pip install {packages}"
    ]  # fmt: skip
    assert not (tmp_path / "vessl_nb_demo").exists()


def test_the_demo_shows_a_cell_that_fails_and_keeps_the_notebook(demo, tmp_path):
    def break_it(notebook):
        notebook.cells[1].source = "clf = untrained"

    put_quickstart(tmp_path / "mine", break_it)
    before = (tmp_path / "mine" / "quickstart.ipynb").read_bytes()
    done = demo("--folder", "mine")
    assert done.returncode == 1
    assert f"{PROMPT} clf = untrained" in done.stdout
    assert "NameError: name 'untrained' is not defined" in done.stdout
    assert "\x1b" not in done.stdout
    assert done.stderr.splitlines()[-2:] == [
        "vessl-nb: A cell of mine/quickstart.ipynb failed: NameError: name 'untrained' is not defined",
        "The lines above show it. Delete the notebook to begin with a fresh one.",
    ]
    assert (tmp_path / "mine" / "quickstart.ipynb").read_bytes() == before


def test_the_demo_says_so_when_its_kernel_dies(demo, tmp_path):
    def break_it(notebook):
        notebook.cells[1].source = "import os\nos._exit(1)"

    put_quickstart(tmp_path / "mine", break_it)
    done = demo("--folder", "mine")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-2:] == [
        "vessl-nb: The kernel that ran mine/quickstart.ipynb died.", "Run the demo again."
    ]  # fmt: skip


def test_the_demo_refuses_a_folder_that_cannot_be_and_a_file_that_is_no_notebook(demo, tmp_path):
    (tmp_path / "file").write_text("")
    done = demo("--folder", "file")
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "vessl-nb: The demo's notebook cannot be put into file: File exists.", "Name another: --folder DIR"
    ]  # fmt: skip

    for content in ("no JSON", '{"cells": 3}'):
        (tmp_path / "mine").mkdir(exist_ok=True)
        (tmp_path / "mine" / "quickstart.ipynb").write_text(content)
        done = demo("--folder", "mine")
        assert done.returncode == 1
        assert done.stderr.splitlines() == [
            "vessl-nb: mine/quickstart.ipynb is no notebook.", "Delete it, and run the demo again."
        ]  # fmt: skip
