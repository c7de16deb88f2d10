"""The demo notebooks in a real JupyterLab: what a user sees after Run All.

``pytest tests/browser --screenshots DIR`` keeps pictures of each, light and dark, and the README's own, preview.png.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
SCREEN = {"width": 1400, "height": 900}
STAGES = ("input", "preprocess_data", "predict", "postprocess_data")
TABLE = ".vessl-versions table"
# What is to be seen where a notebook comes to its point: the cell, the part of what it shows, the words in it.
SEEN = {
    "quickstart": ("%vessl_versions", TABLE, ["digits:1", "digits:2", "challenger", "champion"]),
    "torch_model": ("%vessl_versions", TABLE, ["digit_net:1", "digit_net:2", "champion"]),
    "artifacts_and_props": ("%vessl_versions", TABLE, ["petals:1@2"]),
    "serving": ("server = %vessl_serve", ".vessl-serve", ["wine:champion", "Stopped", "Call it"]),
    "what_ships": ("%vessl_check", ".vnb-report", ["furnished_rents:1", "passed in a clean process, 1 sample"]),
}
RAISED = {"quickstart": ["PreviewFailed"], "what_ships": ["UndefinedName", "CheckFailed"]}
HEIGHT = """() => {
    const cells = document.querySelectorAll(".jp-Notebook .jp-Cell");
    return Math.ceil(cells[cells.length - 1].getBoundingClientRect().bottom - cells[0].getBoundingClientRect().top);
}"""


@pytest.fixture(scope="module", params=SEEN)
def notebook(request, open_notebook):
    opened = open_notebook(request.param)
    opened.run_all()
    return opened


def test_every_notebook_of_the_project_is_opened_here():
    assert {path.stem for path in NOTEBOOKS.glob("*.ipynb")} == SEEN.keys()


def test_it_runs_and_raises_only_what_it_means_to(notebook):
    outputs = [output for cell in notebook.outputs() for output in cell]
    assert [output["ename"] for output in outputs if output["output_type"] == "error"] == RAISED.get(notebook.name, [])
    assert [output["text"] for output in outputs if output.get("name") == "stderr"] == []


def test_the_preview_stands_side_by_side(notebook):
    if notebook.name == "torch_model":
        return  # it has no runner of its own to preview
    strip = notebook.cell("%%vessl_runner").locator(".vessl-nb .vnb-strip")
    heads = [strip.get_by_role("rowheader", name=stage) for stage in STAGES]
    boxes = [head.bounding_box() for head in heads if head.is_visible()]
    assert len(boxes) == len(STAGES)
    assert len({box["y"] for box in boxes}) == 1
    assert all(left["x"] + left["width"] < right["x"] for left, right in pairwise(boxes))


def test_what_it_is_about_can_be_seen(notebook):
    cell, part, words = SEEN[notebook.name]
    from playwright.sync_api import expect

    shown = notebook.cell(cell).locator(part).first
    for word in words:
        expect(shown).to_contain_text(word)


def test_a_failed_stage_is_red_and_holds_its_error(notebook):
    if notebook.name != "quickstart":
        return
    failed = notebook.cell("%vessl_preview").locator(".vnb-failed .vnb-error .vnb-bad")
    assert "X has 784 features" in failed.inner_text()
    colour = failed.evaluate("element => getComputedStyle(element).color.match(/[0-9]+/g).map(Number)")
    assert colour[0] > 2 * max(colour[1:3])


def test_pictures_are_taken_where_they_are_wanted(notebook, screenshots):
    if screenshots is None:
        return
    screenshots.mkdir(parents=True, exist_ok=True)
    page = notebook.page
    for theme in ("Light", "Dark"):
        notebook.put_on(theme)
        page.set_viewport_size({"width": SCREEN["width"], "height": 200 + page.evaluate(HEIGHT)})
        page.evaluate("document.querySelector('.jp-WindowedPanel-outer').scrollTop = 0")
        page.locator(".jp-Notebook").screenshot(path=screenshots / f"{notebook.name}-{theme.lower()}.png")
        page.set_viewport_size(SCREEN)
    if notebook.name == "quickstart":
        _take_preview(notebook, screenshots / "preview.png")


def _take_preview(notebook, path):
    """Take the README's picture: the runner's cell and what it shows, narrow enough to be read at a page's width."""
    from PIL import Image

    notebook.put_on("Light")
    notebook.page.evaluate("jupyterapp.commands.execute('application:toggle-left-area')")
    notebook.page.set_viewport_size({"width": 1080, "height": 1200})
    notebook.cell("%%vessl_runner").screenshot(path=path)
    Image.open(path).convert("RGB").quantize(128).save(path, optimize=True)


def test_the_browser_has_nothing_to_complain_of_and_asks_nobody_else(notebook, lab):
    assert notebook.errors == []
    assert [url for url in notebook.requests if not url.startswith((lab.url, "data:", "blob:"))] == []
