"""The versions table in a real JupyterLab: what a user does with it, by mouse and by keyboard."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from readme_picture import make_narrow, take_picture

TESTS = Path(__file__).parents[1]
COUNT = 10_000
SETUP = f"""
import os, sys
os.environ["VESSL_NB_REGISTRY"] = os.environ["VESSL_NB_REGISTRY"] + "_table"
sys.path.insert(0, {str(TESTS)!r})
from many_versions import write_versions
import vessl_nb as vessl
%load_ext vessl_nb

class Scale(vessl.RunnerBase):
    # Gives back what it was given, times the model.
    @staticmethod
    def predict(model, data):
        return [round(value * model["factor"], 3) for value in data]

write_versions("iris", {COUNT}, Scale, {{"factor": 1.5}}, [[1, 2.5]])
vessl.set_alias("iris:{COUNT}", "champion")
"""
ANOTHER = """
FACTOR = 2

class Scale(vessl.RunnerBase):
    @staticmethod
    def predict(model, data):
        return [value * model["factor"] * FACTOR for value in data]

vessl.register_model("iris", None, Scale, {"factor": 1.5}, sample=[[1, 2.5]], aliases=["canary", "latest"],
    tags={"accuracy": 1.01, "stage": "odd", "loss": 0.5, "epochs": 10, "note": "a longer text", "by": "ada", "gpu": True},
    description="Twice as much.")
"""
NAME_OF_FOCUSED = """() => {
    const focused = document.activeElement;
    return focused.getAttribute("aria-label") ?? focused.dataset.key ?? focused.innerText.trim();
}"""
SHOW = "table = vessl.versions_table('iris')\ntable"
ELSEWHERE = """
import sys; sys.path.insert(0, {tests!r})
from many_versions import Runner
import vessl_nb as vessl
vessl.register_model("iris", None, Runner, "another")
"""


class Table:
    """The table, as one finds it on the page."""

    def __init__(self, opened):
        self.opened = opened
        self.page = opened.page
        self.root = opened.page.locator(".vessl-versions").first
        self.grid = self.root.get_by_role("grid", name="iris")
        self.said = self.root.locator(".vt-said")
        self.panel = self.root.locator(".vt-panel")

    def names(self):
        return self.grid.locator("tbody tr").evaluate_all("rows => rows.map(row => row.dataset.key)")

    def row(self, key):
        return self.grid.locator(f'tbody tr[data-key="{key}"]')

    def header(self, column):
        return self.grid.locator("th", has=self.page.locator(f'[data-sort="{column}"]'))

    def sort(self, column):
        before = self.header(column).get_attribute("aria-sort")
        self.header(column).get_by_role("button").click()
        self.grid.locator(f'th:not([aria-sort="{before}"]) [data-sort="{column}"]').wait_for()

    def wait_for_first(self, key):
        self.grid.locator(f'tbody tr:first-child[data-key="{key}"]').wait_for(timeout=5_000)

    def search(self, text):
        self.root.get_by_role("searchbox", name="Search versions").fill(text)

    def says(self, text):
        self.said.get_by_text(text).wait_for(timeout=5_000)


@pytest.fixture(scope="module")
def opened(open_notebook):
    opened = open_notebook("versions_table", (SETUP, ANOTHER, SHOW))
    opened.requests = []
    opened.page.on("request", lambda request: opened.requests.append(request.url))
    opened.run_all()
    return opened


@pytest.fixture
def table(opened):
    """Give the table with nothing searched, selected or sorted."""
    table = Table(opened)
    table.root.wait_for(timeout=10_000)
    if table.panel.is_visible():
        table.panel.get_by_role("button", name="Close details").click()
        table.panel.wait_for(state="hidden")
    table.search("")
    table.root.get_by_label("Which versions").select_option("current")
    if table.header("version").get_attribute("aria-sort") != "descending":
        table.sort("version")
    table.root.get_by_text("Page 1 of").wait_for()
    table.root.locator(".vt-counted", has_text=re.compile(r"^1 to 10 of")).wait_for()
    table.grid.locator('th[aria-sort="descending"] [data-sort=version]').wait_for()
    return table


def test_the_live_table_stands_in_place_of_the_static_one(table):
    assert table.page.locator(".vnb-stands").count() == 1
    assert not table.page.locator(".vnb-stands").is_visible()
    assert len(table.names()) == 10
    assert table.row(f"iris:{COUNT}").get_by_text("champion").is_visible()


def test_a_header_sorts_all_versions_and_says_so(table):
    table.sort("tags.accuracy")
    table.sort("tags.accuracy")
    table.wait_for_first("iris:1")
    assert table.header("tags.accuracy").get_attribute("aria-sort") == "ascending"
    assert table.names() == [f"iris:{number}" for number in range(1, 11)]


def test_pages_are_turned_both_ways(table):
    first = table.names()
    for page in (2, 3):
        table.root.get_by_role("button", name="Next page").click()
        table.root.get_by_text(f"Page {page} of").wait_for()
    assert not set(first) & set(table.names())
    for page in (2, 1):
        table.root.get_by_role("button", name="Previous page").click()
        table.root.get_by_text(f"Page {page} of").wait_for()
    assert table.names() == first
    assert table.root.get_by_role("button", name="Previous page").is_disabled()


def test_a_folded_tag_is_shown_and_sorted_by_when_it_is_chosen(table):
    table.root.get_by_label("2 more tags: choose one to show and sort by").select_option("gpu")
    table.wait_for_first(f"iris:{COUNT + 1}")
    assert table.header("tags.gpu").get_attribute("aria-sort") == "descending"
    assert table.row(f"iris:{COUNT + 1}").get_by_text("True", exact=True).is_visible()
    table.root.get_by_label("1 more tag: choose one to show and sort by").wait_for()


def test_what_a_version_is_said_to_be_stands_in_its_row(table):
    assert table.row(f"iris:{COUNT + 1}").get_by_text("Twice as much.").is_visible()


def test_a_search_finds_words_and_compares_tags(table):
    table.search("accuracy<=0.0003 stage=odd")
    table.wait_for_first("iris:3")
    assert table.names() == ["iris:3", "iris:1"]
    table.search("nothing like it")
    table.root.get_by_text("No version matches 'nothing like it'.").wait_for()


def test_a_version_is_opened_by_the_keyboard_alone(table):
    table.root.get_by_role("searchbox").focus()
    first, second = table.names()[:2]
    table.row(first).focus()
    table.page.keyboard.press("ArrowDown")
    assert table.row(second).evaluate("row => row === document.activeElement")
    table.page.keyboard.press("Enter")
    table.panel.get_by_role("button", name="Copy reference").wait_for()
    assert table.opened.in_kernel("table.selected") == f"('{second}',)"
    assert table.row(second).evaluate("row => row === document.activeElement")
    table.panel.get_by_text(re.compile(r"runner\.py, \d+ lines")).click()
    assert table.panel.get_by_text("class").first.is_visible()
    table.row(second).focus()
    table.page.keyboard.press("Escape")
    table.panel.wait_for(state="hidden")
    assert table.opened.in_kernel("table.selected") == "()"


def test_arrow_keys_go_on_to_the_next_page(table):
    last = table.names()[-1]
    table.row(last).focus()
    table.page.keyboard.press("ArrowDown")
    table.root.get_by_text("Page 2 of").wait_for()
    first = table.row(table.names()[0])
    table.page.wait_for_function("row => row === document.activeElement", arg=first.element_handle())


def test_what_is_selected_survives_sorting_paging_and_refreshing(table):
    table.search("iris:77")
    table.wait_for_first("iris:7799")
    table.row("iris:7799").click()
    table.panel.wait_for()
    table.sort("tags.accuracy")
    table.search("")
    table.opened.in_kernel("table.refresh()")
    assert table.opened.in_kernel("table.selected") == "('iris:7799',)"
    assert table.panel.get_attribute("aria-label") == "Details of iris:7799"


def test_two_are_compared(table):
    first, second = table.names()[:2]
    table.row(first).click()
    table.panel.get_by_role("button", name="Copy reference").wait_for()
    table.row(second).focus()
    table.page.keyboard.press("Space")
    table.panel.get_by_text("compared with").wait_for()
    assert "accuracy" in table.panel.inner_text()
    assert table.grid.locator('tr[aria-selected="true"]').count() == 2


def test_an_alias_is_set_and_a_wrong_one_is_refused_in_words(table):
    key = table.names()[2]
    table.row(key).click()
    table.panel.get_by_label(f"Alias to point at {key}").fill("7")
    table.page.keyboard.press("Enter")
    table.says("'7' cannot be an alias")
    assert table.opened.in_kernel("len(table.errors)") == "1"
    table.panel.get_by_label(f"Alias to point at {key}").fill("challenger")
    table.page.keyboard.press("Enter")
    table.says(f"challenger now points at {key}.")
    table.row(key).get_by_text("challenger").wait_for()


def test_archiving_can_be_undone(table):
    key = table.names()[3]
    table.row(key).click()
    table.panel.get_by_role("button", name="Archive").click()
    table.says(f"{key} is archived.")
    table.row(key).wait_for(state="detached")
    table.said.get_by_role("button", name="Undo").click()
    table.says(f"{key} is taken back from the archive.")
    table.row(key).wait_for()


def test_its_reference_is_copied(table):
    table.opened.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    key = table.names()[0]
    table.row(key).click()
    table.panel.get_by_role("button", name="Copy reference").click()
    table.says(f"Copied: {key}")
    assert table.page.evaluate("navigator.clipboard.readText()") == key


def test_a_cell_that_loads_a_version_is_inserted_below_the_table_and_runs(table):
    table.row(f"iris:{COUNT}").click()
    table.panel.get_by_role("button", name="Insert code that loads it").click()
    table.says("Inserted a cell below this one that loads it.")
    sources = "[...jupyterapp.shell.currentWidget.content.model.cells].map(cell => cell.sharedModel.getSource())"
    [*_, shown, inserted] = table.page.evaluate(sources)
    assert (shown, inserted) == (SHOW, f'model = vessl.load("iris:{COUNT}")')
    table.page.evaluate("jupyterapp.shell.currentWidget.content.activeCellIndex = 3")
    table.page.evaluate("jupyterapp.commands.execute('notebook:run-cell')")
    table.page.wait_for_function("jupyterapp.shell.currentWidget.content.model.cells.get(3).executionCount !== null")
    assert table.opened.in_kernel("model.run([2])") == "[3.0]"


def test_from_its_search_to_its_pages_every_control_is_reached_by_tab(table):
    table.root.get_by_role("searchbox").focus()
    reached = []
    for _ in range(18):
        reached.append(table.page.evaluate(NAME_OF_FOCUSED))
        table.page.keyboard.press("Tab")
    [row] = [place for place, name in enumerate(reached) if name in table.names()]  # the others by arrow keys
    assert reached[:4] == ["Search versions", "Which versions", "Version↓", "Aliases"]
    assert "2 more tags: choose one to show and sort by" in reached[:row]
    assert reached[row + 1 : row + 3] == ["Next page", "Rows on a page"]


def test_what_another_process_registers_appears_by_itself(table, lab):
    environment = {**lab.environment, "VESSL_NB_REGISTRY": lab.environment["VESSL_NB_REGISTRY"] + "_table"}
    code = ELSEWHERE.format(tests=str(TESTS))
    subprocess.run([sys.executable, "-c", code], env=environment, check=True, timeout=60)
    key = f"iris:{COUNT + 2}"
    table.row(key).wait_for(timeout=15_000)
    table.says(f"1 new version: {key}.")
    assert table.row(key).get_by_text("new", exact=True).is_visible()


def test_running_the_cell_again_leaves_one_table_that_looks_for_news(table):
    looking = "sum(thread.name == 'vessl_nb versions' for thread in __import__('threading').enumerate())"
    assert table.opened.in_kernel(looking) == "1"
    table.page.evaluate("window.jupyterapp.shell.currentWidget.content.activeCellIndex = 2")
    table.page.evaluate("window.jupyterapp.commands.execute('notebook:run-cell')")
    table.page.wait_for_timeout(1_500)
    table.root.wait_for()
    assert table.page.locator(".vessl-versions").count() == 1
    assert table.opened.in_kernel(looking) == "1"


def test_pictures_are_taken_where_they_are_wanted(table, screenshots):
    if screenshots is None:
        return
    screenshots.mkdir(parents=True, exist_ok=True)
    page = table.page
    page.evaluate("jupyterapp.commands.execute('application:toggle-left-area')")
    for theme, is_light in (("Light", "true"), ("Dark", "false")):
        page.evaluate(f"jupyterapp.commands.execute('apputils:change-theme', {{theme: 'JupyterLab {theme}'}})")
        page.wait_for_function("light => document.body.dataset.jpThemeLight === light", arg=is_light)
        for width in (1400, 380):
            page.set_viewport_size({"width": width + 150, "height": 2600})
            name = f"versions-{theme.lower()}-{width}"
            table.root.screenshot(path=screenshots / f"{name}.png")
            table.row(f"iris:{COUNT + 1}").click()
            table.panel.get_by_role("button", name="Copy reference").wait_for()
            for summary in table.panel.locator("summary").all():
                summary.click()
            table.root.screenshot(path=screenshots / f"{name}-details.png")
            table.row(f"iris:{COUNT}").focus()
            page.keyboard.press("Space")
            table.panel.get_by_text("compared with").wait_for()
            table.root.screenshot(path=screenshots / f"{name}-compared.png")
            page.keyboard.press("Escape")
            table.panel.wait_for(state="hidden")
    page.evaluate("jupyterapp.commands.execute('apputils:change-theme', {theme: 'JupyterLab Light'})")
    page.set_viewport_size({"width": 1400, "height": 900})


def test_the_browser_has_nothing_to_complain_of_and_asks_nobody_else(table, lab):
    assert table.opened.errors == []
    assert [url for url in table.opened.requests if not url.startswith((lab.url, "data:", "blob:"))] == []


def test_without_its_kernel_and_opened_again_the_static_table_stands(table, open_notebook):
    table.page.evaluate("window.jupyterapp.commands.execute('docmanager:save')")
    table.page.evaluate("window.jupyterapp.shell.currentWidget.sessionContext.restartKernel()")
    table.root.wait_for(state="hidden")
    table.page.locator(".vnb-stands").wait_for()
    table.page.evaluate("window.jupyterapp.shell.currentWidget.sessionContext.shutdown()")
    again = open_notebook("versions_table", as_saved=True)
    again.page.wait_for_timeout(1_000)
    static = again.page.locator(".vnb-stands")
    static.wait_for()
    assert f"iris:{COUNT}" in static.inner_text()
    assert not again.page.get_by_text("model not found").is_visible()


DIGITS = """
import datetime as dt, os, types
import numpy as np
os.environ["VESSL_NB_REGISTRY"] = os.environ["VESSL_NB_REGISTRY"] + "_digits"
import vessl_nb as vessl
from vessl_nb.storage import journal
%load_ext vessl_nb

class Digits(vessl.RunnerBase):
    @staticmethod
    def preprocess_data(data):
        return (np.array(data["pixels"]) / SCALE).tolist()

    @staticmethod
    def predict(model, data):
        return [round(value * weight, 3) for value, weight in zip(data, model["head"])]

    @staticmethod
    def postprocess_data(data):
        return {"digit": data.index(max(data))}

SCALE = 16
BASE = np.arange(40_000.0)
vessl.register_model("first", None, Digits, {}, check=False)  # documents are described before the clock is set
said = ["A first try, on 500 images", "All 1,797 images", "Lower learning rate", "Shifted images added", "Wider", "Wider, and dropout"]
runs = zip(said, [0.871, 0.928, 0.931, 0.958, 0.949, 0.972], [0.61, 0.34, 0.29, 0.17, 0.21, 0.11], [240, 97, 51, 46, 5, 1])
for place, (words, accuracy, loss, hours) in enumerate(runs):
    class Then(dt.datetime):
        @classmethod
        def now(cls, tz=None):
            return dt.datetime.now(tz) - dt.timedelta(hours=hours)
    journal.dt = types.SimpleNamespace(datetime=Then, UTC=dt.UTC)
    aliases = {3: ["champion"], 5: ["challenger"]}.get(place, [])
    vessl.register_model("digits", None, Digits, {"base": BASE, "head": [0.1 * place, 1.0, *range(900 * place)]},
        sample={"pixels": [1, 12, 3]}, tags={"accuracy": accuracy, "loss": loss},
        aliases=aliases, description=words, check=place != 0)
"""


def test_the_readmes_picture_is_taken_where_it_is_wanted(open_notebook, screenshots):
    if screenshots is None:
        return
    opened = open_notebook("digits", (DIGITS, "%vessl_versions digits"))
    opened.run_all()
    make_narrow(opened)
    row = opened.page.locator('.vessl-versions tbody tr[data-key="digits:6"]')
    row.click()
    opened.page.locator(".vt-panel .vnb-facts").wait_for()
    row.evaluate("row => row.blur()")
    opened.page.mouse.move(0, 0)
    take_picture(opened.cell("%vessl_versions"), screenshots / "versions.png")
