"""Notebook 7, which is made of the same parts as JupyterLab: what is live there is live here."""

from __future__ import annotations

import pytest

FORM = (
    """
import os
os.environ["VESSL_NB_REGISTRY"] = os.environ["VESSL_NB_REGISTRY"] + "_notebook_7"
import vessl_nb as vessl
%load_ext vessl_nb

clf = {"factor": 2}
""",
    """%%vessl_runner --model clf --sample '[1, 2]'
class Scale(vessl.RunnerBase):
    @staticmethod
    def predict(model, data):
        return [model["factor"] * value for value in data]
""",
    "form = %vessl_register --form\nform",
)


@pytest.fixture(scope="module")
def usual(open_notebook):
    """Give what the console says of a notebook with nothing of ours in it."""
    opened = open_notebook("nothing", ("1 + 1",), in_notebook_7=True)
    opened.run_all()
    return set(opened.errors)


@pytest.fixture(scope="module")
def quickstart(open_notebook, screenshots):
    opened = open_notebook("quickstart", in_notebook_7=True)
    opened.run_all()
    if screenshots is not None:
        opened.page.set_viewport_size({"width": 1400, "height": 6000})
        opened.page.screenshot(path=screenshots / "notebook_7.png")
    return opened


def test_the_quickstart_runs_and_raises_only_what_it_means_to(quickstart):
    assert quickstart.page.title().startswith("quickstart")
    assert quickstart.page.evaluate("window.jupyterapp.name") == "Jupyter Notebook"
    outputs = [output for cell in quickstart.outputs() for output in cell]
    assert [output["ename"] for output in outputs if output["output_type"] == "error"] == ["PreviewFailed"]
    assert quickstart.cell("%%vessl_runner").locator(".vnb-strip").is_visible()


def test_a_click_sorts_the_table(quickstart):
    table = quickstart.cell("%vessl_versions").locator(".vessl-versions").first
    table.wait_for()
    assert not quickstart.cell("%vessl_versions").locator(".vnb-stands").is_visible()
    first = table.locator("tbody tr:first-child")
    assert first.get_attribute("data-key") != "digits:1"  # other tests may have registered more
    table.locator("[data-sort=version]").click()
    table.locator("tbody tr:first-child[data-key='digits:1']").wait_for()


def test_the_form_registers(open_notebook, usual):
    opened = open_notebook("form_in_notebook_7", FORM, in_notebook_7=True)
    opened.run_all()
    form = opened.page.locator(".jp-OutputArea .vnb-form")
    form.get_by_label("Repository", exact=True).fill("scales")
    form.get_by_label("Repository", exact=True).press("Tab")
    form.get_by_role("button", name="Register", exact=True).click()
    form.locator(".vnb-form-said").get_by_text("Registered as scales:1.").wait_for()
    assert opened.in_kernel("vessl.load('scales').run([3])") == "[6]"
    assert set(opened.errors) <= usual


def test_the_browser_has_nothing_to_complain_of_and_asks_nobody_else(quickstart, usual, lab):
    assert set(quickstart.errors) <= usual
    assert [url for url in quickstart.requests if not url.startswith((lab.url, "data:", "blob:"))] == []
