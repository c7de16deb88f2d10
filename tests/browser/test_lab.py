"""The demo notebooks in a real JupyterLab: what a user sees after Run All.

``pytest tests/browser --screenshots DIR`` keeps pictures of each, light and dark, and the README's own, preview.png.
"""

from __future__ import annotations

from itertools import pairwise

import pytest

SCREEN = {"width": 1400, "height": 900}
STAGES = ("input", "preprocess_data", "predict", "postprocess_data")
SEEN = {
    "quickstart": ["digits:1", "digits:2", "challenger", "champion"],
    "torch_model": ["digit_net:1", "digit_net:2", "champion"],
    "artifacts_and_props": ["petals:1@2"],
}
RAISED = {"quickstart": ["PreviewFailed"]}
HEIGHT = """() => {
    const cells = document.querySelectorAll(".jp-Notebook .jp-Cell");
    return Math.ceil(cells[cells.length - 1].getBoundingClientRect().bottom - cells[0].getBoundingClientRect().top);
}"""


@pytest.fixture(scope="module", params=SEEN)
def notebook(request, open_notebook):
    opened = open_notebook(request.param)
    opened.run_all()
    return opened


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


def test_the_versions_are_listed(notebook):
    table = notebook.cell("%vessl_versions").locator(".vessl-versions table").first
    assert table.is_visible()
    assert [word for word in SEEN[notebook.name] if word not in table.inner_text()] == []


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
    for theme, is_light in (("Light", "true"), ("Dark", "false")):
        page.evaluate(f"jupyterapp.commands.execute('apputils:change-theme', {{theme: 'JupyterLab {theme}'}})")
        page.wait_for_function("light => document.body.dataset.jpThemeLight === light", arg=is_light)
        page.set_viewport_size({"width": SCREEN["width"], "height": 200 + page.evaluate(HEIGHT)})
        page.evaluate("document.querySelector('.jp-WindowedPanel-outer').scrollTop = 0")
        page.locator(".jp-Notebook").screenshot(path=screenshots / f"{notebook.name}-{theme.lower()}.png")
        page.set_viewport_size(SCREEN)
    if notebook.name == "quickstart":
        _take_preview(notebook, screenshots / "preview.png")


def _take_preview(notebook, path):
    """Take the README's picture: the runner's cell and what it shows, narrow enough to be read at a page's width."""
    from PIL import Image

    notebook.page.evaluate("jupyterapp.commands.execute('apputils:change-theme', {theme: 'JupyterLab Light'})")
    notebook.page.evaluate("jupyterapp.commands.execute('application:toggle-left-area')")
    notebook.page.set_viewport_size({"width": 1080, "height": 1200})
    notebook.cell("%%vessl_runner").screenshot(path=path)
    Image.open(path).convert("RGB").quantize(128).save(path, optimize=True)


def test_the_browser_has_nothing_to_complain_of(notebook):
    assert notebook.errors == []
