"""A server's panel in a real JupyterLab: what a user does with it, by mouse and by keyboard."""

from __future__ import annotations

import json
import re

import pytest
from axe import audit
from playwright.sync_api import expect
from readme_picture import HEIGHT, WIDTH, make_narrow, take_picture

SETUP = """
import os
os.environ["VESSL_NB_REGISTRY"] = os.environ["VESSL_NB_REGISTRY"] + "_serve"
import numpy as np
from PIL import Image
import vessl_nb as vessl
%load_ext vessl_nb

class Iris(vessl.RunnerBase):
    @staticmethod
    def preprocess_data(data):
        return np.array(data["x"], dtype=float)

    @staticmethod
    def predict(model, data):
        if data.sum() > 1000:
            raise OverflowError("too large")
        return data @ model

    @staticmethod
    def postprocess_data(data):
        return {"y": round(float(data), 3)}

class Turn(vessl.RunnerBase):
    @staticmethod
    def predict(model, data):
        return data.rotate(model)

sample = {"x": [5.1, 3.5, 1.4, 0.2]}
vessl.register_model("iris", None, Iris, np.arange(4.0), sample=[sample, {"x": [1.0, 2.0, 3.0, 4.0]}], aliases=["champion"])
vessl.register_model("turn", None, Turn, 90, ["pillow"], sample=Image.new("RGB", (40, 20), "teal"))
"""
SERVE = "server = %vessl_serve iris:champion --port 0\nserver"
SECRET = "server-of-turn-0123456789"
TURN = f"os.environ['JUPYTERHUB_SERVICE_PREFIX'] = '/user/ada/'\nturner = vessl.serve('turn', token={SECRET!r})\nturner"
ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+/predict")


class Panel:
    """A panel, as one finds it on the page."""

    def __init__(self, opened, reference):
        self.opened = opened
        self.page = opened.page
        self.root = opened.page.get_by_role("region", name=reference).locator("visible=true")
        self.state = self.root.locator(".vs-state")
        self.form = self.root.get_by_role("form", name="Try it")
        self.answer = self.form.locator(".vs-answer")
        self.said = self.root.locator(".vs-said")

    def button(self, name):
        return self.root.get_by_role("button", name=name, exact=True)

    def send(self, text):
        self.form.get_by_label("JSON to send").fill(text)
        self.button("Send").click()

    def clipboard(self):
        return self.page.evaluate("navigator.clipboard.readText()")


@pytest.fixture(scope="module")
def opened(open_notebook):
    opened = open_notebook("serve_panel", (SETUP, SERVE, TURN))
    opened.run_all()
    opened.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    return opened


@pytest.fixture
def panel(opened):
    panel = Panel(opened, "iris:champion")
    panel.root.wait_for()
    return panel


@pytest.fixture
def turner(opened):
    panel = Panel(opened, "turn")
    panel.root.wait_for()
    return panel


def test_it_says_what_is_served_and_where(panel):
    expect(panel.state).to_have_text("Answers, with iris:1")
    address = panel.opened.in_kernel("server.url").strip("'") + "/predict"
    assert panel.root.get_by_text(address, exact=True).is_visible()
    panel.button("Copy the address").click()
    expect(panel.said).to_have_text("Copied: the address.")
    assert panel.clipboard() == address
    assert not panel.opened.cell("server =").locator(".vnb-stands").is_visible()


def test_its_first_example_can_be_sent_at_once_and_the_second_chosen(panel):
    entry = panel.form.get_by_label("JSON to send")
    assert json.loads(entry.input_value()) == {"x": [5.1, 3.5, 1.4, 0.2]}
    panel.button("Send").click()
    expect(panel.answer).to_contain_text('{"y": 6.9}')
    expect(panel.answer).to_contain_text(re.compile(r"200 OK, [\d.]+ (µs|ms), from iris:1"))
    panel.form.get_by_label("Example to fill in").select_option("Example 2")
    assert json.loads(entry.input_value()) == {"x": [1.0, 2.0, 3.0, 4.0]}


def test_a_problem_is_told_in_words_with_its_fields(panel):
    panel.send('{"x": [1.0, "two", 3.0, 4.0]}')
    expect(panel.answer).to_contain_text("422 Unprocessable")
    expect(panel.answer.locator("li")).to_have_text(['/x/1: must be a number; it is "two"'])
    panel.send("{x: 1}")
    expect(panel.answer).to_contain_text("400 Bad Request")


def test_an_error_of_the_runner_names_its_stage_and_the_log_has_the_rest(panel):
    panel.send('{"x": [1000.0, 2.0, 3.0, 4.0]}')
    expect(panel.answer).to_contain_text("500 Internal Server Error")
    expect(panel.answer).to_contain_text("failed in predict")
    panel.root.get_by_text("Log", exact=True).click()
    expect(panel.root.get_by_label("The last lines of the log")).to_contain_text("OverflowError: too large")


def test_the_last_minute_is_counted_and_timed_by_stage(panel):
    rows = panel.root.get_by_role("table", name="The last minute").get_by_role("row")
    expect(rows).to_have_count(5, timeout=10_000)
    expect(rows.nth(0)).to_contain_text("1 failed")
    expect(rows.nth(3)).to_contain_text(re.compile(r"predict.*median [\d.]+ (µs|ms)"))
    line = rows.nth(3).get_by_role("img")
    assert re.match(
        r"Median of predict in each second of the last minute: [\d.]+ (µs|ms)", line.get_attribute("aria-label")
    )


def test_the_kernel_is_free_while_a_request_is_answered(panel):
    assert panel.opened.in_kernel("server.is_running") == "True"
    panel.send('{"x": [1.0, 2.0, 3.0, 4.0]}')
    assert panel.opened.in_kernel("1 + 1") == "2"
    expect(panel.answer).to_contain_text("200 OK")


def test_a_panel_out_of_sight_has_its_server_asked_for_nothing(panel, turner):
    looking = "sum(thread.name == 'vessl_nb versions' for thread in __import__('threading').enumerate())"

    def is_looked_for_by(number):
        for _ in range(50):
            if panel.opened.in_kernel(looking) == str(number):
                return True
            panel.page.wait_for_timeout(100)
        return False

    for each in (panel, turner):
        each.root.evaluate("root => { window.hiddenPanel = [...(window.hiddenPanel ?? []), root.parentElement]; }")
    panel.page.evaluate("for (const each of hiddenPanel) each.style.display = 'none'")
    assert is_looked_for_by(0)
    panel.page.evaluate("for (const each of hiddenPanel) each.style.display = ''")
    panel.button("Stop").scroll_into_view_if_needed()
    assert is_looked_for_by(1) or is_looked_for_by(2)


def test_curl_and_python_are_copied_with_the_example(panel):
    panel.button("Copy curl").click()
    expect(panel.said).to_have_text("Copied: curl.")
    copied = panel.clipboard()
    assert ADDRESS.search(copied)
    assert """-d '{"x": [5.1, 3.5, 1.4, 0.2]}'""" in copied
    panel.button("Copy Python").click()
    expect(panel.said).to_have_text("Copied: Python.")
    assert panel.clipboard().startswith("import httpx")


def test_on_a_hub_the_address_that_leads_there_is_shown_as_well(turner, lab):
    port = turner.opened.in_kernel("turner.url").strip("'").rpartition(":")[2]
    address = f"{lab.url}/user/ada/proxy/{port}/predict"
    assert turner.root.get_by_text(address, exact=True).is_visible()
    turner.button("Copy the address on the hub").click()
    expect(turner.said).to_have_text("Copied: the address on the hub.")
    assert turner.clipboard() == address


def test_a_token_is_masked_until_it_is_asked_for_and_copied_all_the_same(turner):
    assert SECRET not in turner.root.inner_text()
    turner.button("Copy curl").click()
    expect(turner.said).to_have_text("Copied: curl, with the token.")
    assert f"authorization: Bearer {SECRET}" in turner.clipboard()
    turner.button("Show the token").click()
    expect(turner.root.get_by_label("Call it with curl")).to_contain_text(SECRET)
    turner.button("Hide the token").click()
    expect(turner.root.get_by_label("Call it with curl")).not_to_contain_text(SECRET)


def test_a_picture_is_sent_from_a_file_and_its_answer_shown(turner, tmp_path):
    from PIL import Image

    Image.new("RGB", (60, 30), "orange").save(tmp_path / "orange.png")
    turner.form.get_by_label("File to send").set_input_files(tmp_path / "orange.png")
    turner.button("Send").click()
    picture = turner.answer.get_by_role("img", name="The answer, a picture")
    picture.wait_for()
    expect(turner.answer).to_contain_text("200 OK")
    assert picture.evaluate("image => image.decode().then(() => [image.naturalWidth, image.naturalHeight])") == [60, 30]
    assert turner.answer.get_by_role("link", name="Save the answer").get_attribute("download") == "answer.png"


def test_every_control_is_reached_by_tab_in_the_order_it_is_read(panel):
    panel.button("Stop").focus()
    reached = []
    for _ in range(13):
        reached.append(
            panel.page.evaluate(
                "document.activeElement.ariaLabel ?? document.activeElement.labels?.[0]?.innerText ?? document.activeElement.innerText"
            )
        )
        panel.page.keyboard.press("Tab")
    assert reached[:3] == ["Stop", "Copy the address", "docs"]
    place = reached.index("Example to fill in")
    assert reached[place + 1 : place + 3] == ["JSON to send", "Send"]
    assert {"Copy curl", "Copy Python"} <= set(reached)


def test_keys_typed_in_the_form_are_no_commands_of_the_notebook(panel):
    cells = "window.jupyterapp.shell.currentWidget.content.model.cells.length"
    before = panel.page.evaluate(cells)
    panel.form.get_by_label("JSON to send").focus()
    panel.page.keyboard.press("Escape")
    panel.page.keyboard.type("ddb")
    assert panel.page.evaluate(cells) == before


def test_it_follows_the_alias_and_says_so(panel):
    panel.opened.in_kernel(
        "vessl.set_alias(vessl.register_model('iris', None, Iris, np.ones(4), sample=sample).reference, 'champion')"
    )
    expect(panel.state).to_have_text("Answers, with iris:2", timeout=20_000)
    expect(panel.root).to_contain_text(re.compile(r"iris:champion; it switched at 20\d\d-"))


@pytest.mark.parametrize("theme", ["Light", "Dark"])
@pytest.mark.parametrize("width", [1400, 380])
def test_it_stands_in_nobodys_way(panel, turner, theme, width, screenshots):
    panel.opened.put_on(theme)
    panel.page.set_viewport_size({"width": width + 150, "height": 3000})
    panel.page.evaluate("const shell = jupyterapp.shell; if (!shell.leftCollapsed) shell.collapseLeft()")
    panel.send('{"x": [1.0, "two", 3.0, 4.0]}')
    expect(panel.answer).to_contain_text("422")
    panel.page.wait_for_timeout(300)  # colours take their time
    if screenshots is not None:
        screenshots.mkdir(parents=True, exist_ok=True)
        for name, each in (("json", panel), ("file", turner)):
            each.root.screenshot(path=screenshots / f"serve-{name}-{theme.lower()}-{width}.png")
    widths = panel.root.evaluate("root => [root.scrollWidth, root.clientWidth]")
    assert widths[0] <= widths[1]
    found, readable = audit(panel.page, ".vessl-serve")
    assert found == []
    assert readable > 40
    panel.opened.put_on("Light")
    panel.page.set_viewport_size({"width": 1400, "height": 900})


def test_it_is_stopped_and_started_again_at_the_same_address(panel):
    before = panel.opened.in_kernel("server.url")
    panel.button("Stop").click()
    expect(panel.state).to_have_text("Stopped")
    expect(panel.said).to_contain_text("iris:champion is stopped.")
    assert panel.opened.in_kernel("server.is_running") == "False"
    assert not panel.form.is_visible()
    panel.button("Start again").click()
    expect(panel.state).to_have_text("Answers, with iris:2", timeout=20_000)
    assert panel.opened.in_kernel("server.url") == before
    panel.send('{"x": [1.0, 2.0, 3.0, 4.0]}')
    expect(panel.answer).to_contain_text("200 OK")


def test_a_server_that_ends_by_itself_is_seen_to(panel):
    panel.opened.in_kernel("server._process.kill()")
    expect(panel.state).to_have_text("Stopped")
    panel.button("Start again").click()
    expect(panel.state).to_have_text("Answers, with iris:2", timeout=20_000)


def test_the_browser_has_nothing_to_complain_of_and_asks_nobody_else(panel, lab):
    assert panel.opened.errors == []
    assert [url for url in panel.opened.requests if not url.startswith((lab.url, "data:", "blob:"))] == []


def test_the_token_is_nowhere_in_the_saved_notebook(panel, lab):
    panel.opened.save()
    saved = json.loads((lab.folder / "serve_panel.ipynb").read_text())
    for cell in saved["cells"]:
        assert SECRET not in json.dumps(cell["outputs"])
    assert SECRET not in json.dumps(saved["metadata"])


def test_without_its_kernel_the_static_face_stands(panel):
    panel.page.evaluate("window.jupyterapp.shell.currentWidget.sessionContext.restartKernel()")
    panel.root.wait_for(state="hidden")
    static = panel.opened.cell("server =").locator(".vnb-stands")
    static.wait_for()
    assert "iris:champion served, answered by iris:1" in static.inner_text()
    assert "With its kernel, or by %vessl_stop" in static.inner_text()
    for theme in ("Dark", "Light"):
        panel.opened.put_on(theme)
        panel.page.wait_for_timeout(300)
        found, readable = audit(panel.page, ".vnb-stands")
        assert found == []
        assert readable > 10


def test_once_its_kernel_is_shut_down_the_static_face_stands(open_notebook):
    opened = open_notebook("serve_shut_down", (SETUP, "server = %vessl_serve iris:champion --port 0\nserver"))
    opened.run_all()
    panel = Panel(opened, "iris:champion")
    panel.root.wait_for()
    opened.page.evaluate("window.jupyterapp.shell.currentWidget.sessionContext.shutdown()")
    panel.root.wait_for(state="hidden", timeout=15_000)
    opened.cell("server =").locator(".vnb-stands").wait_for()


def test_the_readmes_pictures_are_taken_where_they_are_wanted(open_notebook, screenshots):
    if screenshots is None:
        return
    opened = open_notebook("serve", (README, "%vessl_serve iris:champion"))
    opened.run_all()
    make_narrow(opened)
    panel = Panel(opened, "iris:champion")
    panel.root.wait_for()
    opened.in_kernel("ask()")
    panel.button("Send").click()
    expect(panel.answer).to_contain_text("200 OK")
    expect(panel.root.get_by_role("table").get_by_role("row")).to_have_count(5, timeout=10_000)
    opened.page.wait_for_timeout(6_000)
    panel.button("Send").evaluate("button => button.blur()")
    opened.page.mouse.move(0, 0)
    take_picture(opened.cell("%vessl_serve"), screenshots / "serve.png")
    docs = opened.page.context.browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
    docs.goto(panel.root.get_by_role("link", name="docs").get_attribute("href"))
    docs.get_by_role("button", name="Send").click()
    expect(docs.get_by_role("status")).to_contain_text("200 OK")
    docs.evaluate("document.querySelectorAll('main > section').forEach(section => section.hidden = true)")
    take_picture(docs.locator("body"), screenshots / "docs.png")
    docs.close()


README = """
import os, threading, time
os.environ["VESSL_NB_REGISTRY"] = os.environ["VESSL_NB_REGISTRY"] + "_readme_serve"
import numpy as np
import vessl_nb as vessl
%load_ext vessl_nb

class IrisRunner(vessl.RunnerBase):
    @staticmethod
    def preprocess_data(data):
        return np.array(data["x"], dtype=float)

    @staticmethod
    def predict(model, data):
        return np.exp(model @ data) / np.exp(model @ data).sum()

    @staticmethod
    def postprocess_data(data):
        return {"species": ["setosa", "versicolor", "virginica"][int(data.argmax())], "confidence": round(float(data.max()), 3)}

weights = np.array([[0.4, 1.0, -2.3, -1.0], [0.4, -0.3, -0.2, -0.8], [-0.8, -0.7, 2.5, 1.8]])
vessl.register_model("iris", None, IrisRunner, weights, sample={"x": [5.1, 3.5, 1.4, 0.2]}, aliases=["champion"])

def ask():
    from vessl_nb.serving.launch import running_servers
    def work():
        random = np.random.default_rng(0)
        for count in random.poisson(12, 12):
            began = time.monotonic()
            for _ in range(count):
                running_servers()[0].predict({"x": random.uniform(0.1, 7, 4).round(1).tolist()})
            time.sleep(max(0, began + 1 - time.monotonic()))
    threading.Thread(target=work, daemon=True).start()
    time.sleep(8)
"""
