"""What is left of everything that vessl_nb shows without its kernel: started anew, saved and opened again, exported."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from axe import audit
from every_face import cells_for

# What each static face says, by the part of the page that it is.
STANDING = {
    ".vessl-nb:has(.vnb-strip)": ["preprocess_data", "ndarray, 8 × 8 float64", "triangle:", "Takes along"],
    ".vessl-nb:has(.vnb-failed)": ["failed", "preprocess_data", "numpy.strings.multiply"],
    ".vessl-nb:has(.vnb-samples)": ["Sample", "postprocess_data", "not run"],
    ".vessl-nb:has(.vnb-facts)": ["Names", "Requirements", "API_KEY", "Remarks"],
    ".vessl-nb:has(.vnb-report)": ["shapes:24", "passed in a clean process, 1 sample"],
    ".vnb-stands .vessl-nb:has(.vnb-list)": ["shapes:24", "champion", "october", "… and 4 more"],
    ".vnb-stands .vessl-nb:has(.vnb-facts)": ["Register a model", "not registered", "As a line"],
}
EXPORTING = "import sys; from nbconvert.nbconvertapp import main; main(sys.argv[1:])"


def assert_that_it_stands(page):
    """Hold that every static face can be read, and nothing stands where a widget was."""
    for part, words in STANDING.items():
        text = "\n".join(page.locator(f"{part}:visible").all_inner_texts())
        assert [word for word in words if word not in text] == [], part
    said = page.locator("body").inner_text().lower()
    assert [words for words in ("model not found", "error displaying widget", "loading widget") if words in said] == []
    assert page.locator(":is(.vessl-versions, .vnb-form):visible").count() == 0


@pytest.fixture(scope="module")
def opened(open_notebook):
    opened = open_notebook("saved", cells_for("saved"))
    opened.run_all()
    opened.page.locator(".vessl-versions").wait_for()
    return opened


def test_a_page_that_is_loaded_anew_is_live_again(opened):
    opened.save()
    opened.page.reload()
    opened.page.locator(".vessl-versions [role=grid]").wait_for()
    opened.page.locator(".vnb-form").get_by_role("button", name="Register", exact=True).wait_for()
    assert not opened.page.locator(".vnb-stands").first.is_visible()


def test_the_static_faces_stand_once_the_kernel_is_started_anew(opened):
    opened.page.evaluate("window.jupyterapp.shell.currentWidget.sessionContext.restartKernel()")
    opened.page.locator(".vnb-stands").first.wait_for()
    opened.page.locator(".vnb-stands").last.wait_for()
    assert_that_it_stands(opened.page)


def test_they_stand_in_a_saved_notebook_whose_kernel_is_shut_down(opened, open_notebook, screenshots):
    opened.save()
    opened.page.evaluate("window.jupyterapp.shell.currentWidget.sessionContext.shutdown()")
    again = open_notebook("saved", as_saved=True)
    again.page.locator(".vnb-stands").last.wait_for()
    # By then JupyterLab has looked for the widgets, and would say so if it had not found them.
    again.page.wait_for_timeout(1_000)
    again.page.get_by_text("Loading widget").last.wait_for(state="hidden")
    assert_that_it_stands(again.page)
    again.page.set_viewport_size({"width": 1400, "height": 7000})
    for theme in ("Light", "Dark"):
        again.put_on(theme)
        again.page.wait_for_timeout(300)
        if screenshots is not None:
            again.page.screenshot(path=screenshots / f"saved-{theme.lower()}.png")
        found, readable = audit(again.page, ".jp-OutputArea-output .vessl-nb")
        assert found == []
        assert readable > 200


@pytest.fixture(scope="module", params=["as it was saved", "run by nbconvert"])
def exported(request, opened, lab, browser, tmp_path_factory):
    """Give the exported notebook's page, opened from its file in a browser without a network; and what it asked for."""
    opened.save()
    name = request.param.replace(" ", "_")
    run = ["--execute"] if request.param == "run by nbconvert" else []
    folder = tmp_path_factory.mktemp("exported")
    page, asked = read_exported(browser, export(lab, lab.folder / "saved.ipynb", folder / f"{name}.html", *run))
    page.exported_as = request.param
    yield page, asked
    page.context.close()


def export(lab, notebook, target, *options):
    """Export a notebook as HTML."""
    command = [sys.executable, "-W", "ignore", "-c", EXPORTING, "--to", "html", "--log-level=ERROR", *options]
    command += [str(notebook), "--output", str(target)]
    environment = {**lab.environment, "VESSL_NB_REGISTRY": lab.environment["VESSL_NB_REGISTRY"] + "_exported"}
    subprocess.run(command, env=environment, check=True, timeout=120)
    return target


def read_exported(browser, file):
    """Open a file, and note what it asks others for; none of them answers."""
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    asked = []
    context.route(
        lambda url: not url.startswith("file:"), lambda route: (asked.append(route.request.url), route.abort())
    )
    page = context.new_page()
    page.goto(file.as_uri())
    page.wait_for_load_state()
    page.wait_for_timeout(500)
    return page, asked


def test_they_stand_in_an_exported_page_without_a_network(exported, screenshots):
    page, _ = exported
    if screenshots is not None:
        page.screenshot(path=screenshots / f"{page.exported_as.replace(' ', '_')}.png", full_page=True)
    assert_that_it_stands(page)


def test_an_exported_page_has_no_gap_where_a_widget_was(exported):
    page, _ = exported
    heights = page.locator(".jp-OutputArea-child").evaluate_all(
        "outputs => outputs.map(output => [output.getBoundingClientRect().height, output.innerText.trim().length])"
    )
    assert [height for height, letters in heights if letters == 0 and height > 30] == []


def test_an_exported_page_asks_for_no_more_than_one_with_nothing_of_ours(exported, lab, browser, tmp_path):
    _, asked = exported
    empty = json.loads((lab.folder / "saved.ipynb").read_text())
    for cell in empty["cells"]:
        cell["outputs"] = []
    (tmp_path / "empty.ipynb").write_text(json.dumps(empty))
    page, usual = read_exported(browser, export(lab, tmp_path / "empty.ipynb", tmp_path / "empty.html"))
    page.context.close()
    # For any widget nbconvert itself adds the script that would draw it, from wherever that is.
    assert [url for url in asked if url not in usual and "/@jupyter-widgets/html-manager@" not in url] == []
