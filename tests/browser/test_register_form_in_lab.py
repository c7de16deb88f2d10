"""The register form in a real JupyterLab: filled in, corrected, cancelled, by keyboard, narrow and wide."""

from __future__ import annotations

import pytest
from readme_picture import make_narrow, take_picture

SETUP = """
import os, time
os.environ["VESSL_NB_REGISTRY"] = os.environ["VESSL_NB_REGISTRY"] + "_form"
import vessl_nb as vessl
%load_ext vessl_nb

TABLE = list(range(40_000))

class Scale:
    def __init__(self, factor): self.factor = factor
    def predict(self, data): return [self.factor * value for value in data]

clf = Scale(2)
"""
RUNNER = """%%vessl_runner --model clf --sample '{"x": [1, 2]}'
class Iris(vessl.RunnerBase):
    @staticmethod
    def preprocess_data(data):
        for _ in range(data.get("pauses", 0)):
            time.sleep(0.05)
        return [value + TABLE[0] for value in data["x"]]
    @staticmethod
    def predict(model, data):
        return model.predict(data)
"""
SHOW = "form = %vessl_register --form\nform"
FIELDS = [
    "Repository", "Number", "Runner", "Model", "Samples", "Tags", "Aliases", "Description", "Add an artifact",
    "Requirements", "Environment", "Try the samples in a clean process first", "Keep the samples as examples",
    "As a line", "Preview", "Register",
]  # fmt: skip
NAME_OF_FOCUSED = """() => {
    const focused = document.activeElement;
    return (focused.labels?.[0]?.innerText || focused.innerText || focused.title).trim();
}"""


class Form:
    """The form, as one finds it on the page."""

    def __init__(self, opened):
        self.opened = opened
        self.page = opened.page
        self.root = opened.page.locator(".jp-OutputArea .vnb-form").first
        self.said = self.root.locator(".vnb-form-said")

    def field(self, title):
        return self.root.get_by_label(title, exact=True)

    def button(self, title):
        return self.root.get_by_role("button", name=title, exact=True)

    def fill(self, title, text):
        self.field(title).fill(text)
        self.field(title).press("Tab")

    def says(self, text, seconds=20):
        self.said.get_by_text(text).wait_for(timeout=seconds * 1000)


@pytest.fixture(scope="module")
def opened(open_notebook):
    opened = open_notebook("register_form", (SETUP, RUNNER, SHOW))
    opened.requests = []
    opened.page.on("request", lambda request: opened.requests.append(request.url))
    opened.run_all()
    return opened


@pytest.fixture
def form(opened):
    form = Form(opened)
    form.button("Register").wait_for()
    return form


def test_while_it_is_live_its_static_face_is_out_of_sight(form):
    standing = form.page.locator(".jp-OutputArea-child", has=form.page.locator(".vnb-stands")).last
    assert form.root.is_visible()
    assert not standing.is_visible()


def test_it_is_filled_in_and_registered_by_keyboard_alone(form):
    keyboard = form.page.keyboard
    form.field("Repository").focus()
    typed = {"Repository": "iris", "Tags": "accuracy=0.97", "Aliases": "champion"}
    reached = []
    for _ in range(len(FIELDS)):
        name = form.page.evaluate(NAME_OF_FOCUSED)
        reached.append(name)
        if name in typed:
            keyboard.type(typed[name])
        if name != "Register":
            keyboard.press("Tab")
    assert reached == FIELDS
    form.page.wait_for_function(
        "text => [...document.querySelectorAll('.vnb-form-line textarea')][0].value === text",
        arg="%vessl_register iris --tag accuracy=0.97 --alias champion",
    )
    keyboard.press("Enter")
    form.says("Registered as iris:1.")
    assert form.root.locator(".vnb-facts").last.get_by_text("passed").is_visible()
    assert form.opened.in_kernel("form.version.reference") == "'iris:1'"
    assert form.opened.in_kernel("vessl.load('iris:champion').run({'x': [3]})") == "[6]"


def test_a_failed_registration_is_corrected_in_place(form):
    form.fill("Aliases", "champion 3")
    words = form.root.get_by_text("'3' cannot be an alias")
    words.wait_for()
    form.button("Register").click()
    form.says("Nothing was registered: 1 thing needs another look.")
    form.fill("Aliases", "champion")
    words.wait_for(state="hidden")
    form.root.get_by_text("champion points at iris:1 now, and will move.").wait_for()
    form.fill("Samples", '{"y": [1, 2]}')
    form.button("Register").click()
    form.says("preprocess_data raised KeyError: 'x'")
    form.fill("Samples", '{"x": [1, 2]}')
    form.button("Register").click()
    form.says("Registered as iris:2.")


def test_it_is_cancelled_while_the_kernel_does_something_else(form):
    form.fill("Samples", '{"x": [1], "pauses": 400}')
    form.button("Register").click()
    form.says("Registering in iris ...")
    assert form.button("Register").is_disabled()
    assert form.button("Preview").is_disabled()
    assert form.opened.in_kernel("6 * 7") == "42"
    form.button("Cancel").click()
    form.says("Cancelled. Nothing was registered.")
    assert form.button("Register").is_enabled()
    assert form.opened.in_kernel("len(vessl.versions('iris'))") == "2"
    form.fill("Samples", '{"x": [1, 2]}')


def test_a_preview_stands_below_it(form):
    form.button("Preview").click()
    form.says("1 sample came through all three stages.")
    assert form.root.locator(".vnb-strip").is_visible()


def test_artifacts_are_rows_whose_rule_is_held_as_one_types(form):
    form.button("Add an artifact").click()
    form.fill("Local path 1", "checkpoints/*")
    form.fill("Volume path 1", "checkpoints")
    form.root.get_by_text("has a '*' (or a trailing '/') on one side only").wait_for()
    form.fill("Volume path 1", "checkpoints/*")
    form.root.get_by_text("on one side only").wait_for(state="hidden")
    form.button("Remove").click()
    form.field("Local path 1").wait_for(state="hidden")


def test_an_open_form_knows_what_a_cell_defined_since(form):
    form.page.evaluate(
        """async () => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.requestExecute(
            {code: "class Later(Iris): pass", store_history: false}).done"""
    )
    form.field("Runner").locator("option", has_text="Later").wait_for(state="attached")


@pytest.mark.parametrize("width", [380, 1400])
def test_it_fits_in_whatever_width_there_is(form, screenshots, width):
    page = form.page
    page.evaluate("document.querySelector('.vnb-form').scrollIntoView()")
    set_width(form, width)
    overflow = form.root.evaluate(
        """form => [...form.querySelectorAll("*")].filter(part => !part.closest(".vnb-strip, pre, datalist")
            && part.getBoundingClientRect().right > form.getBoundingClientRect().right + 1).length"""
    )
    assert overflow == 0
    if screenshots is not None:
        screenshots.mkdir(parents=True, exist_ok=True)
        form.fill("Aliases", "champion 3")
        form.root.get_by_text("'3' cannot be an alias").wait_for()
        for theme, is_light in (("Light", "true"), ("Dark", "false")):
            page.evaluate(f"jupyterapp.commands.execute('apputils:change-theme', {{theme: 'JupyterLab {theme}'}})")
            page.wait_for_function("light => document.body.dataset.jpThemeLight === light", arg=is_light)
            page.wait_for_timeout(300)
            form.root.screenshot(path=screenshots / f"register_form-{theme.lower()}-{width}.png")
        page.evaluate("jupyterapp.commands.execute('apputils:change-theme', {theme: 'JupyterLab Light'})")
        form.fill("Aliases", "champion")
    set_width(form, None)


def set_width(form, width):
    """Make the form as wide as that."""
    form.root.evaluate("(form, width) => { form.style.width = width ? `${width}px` : ''; }", width)
    form.page.set_viewport_size({"width": 1900, "height": 2200} if width else {"width": 1400, "height": 900})
    form.page.wait_for_timeout(200)


def test_the_browser_has_nothing_to_complain_of_and_asks_nobody_else(form):
    assert form.opened.errors == []
    assert (
        form.opened.in_kernel("{type(error).__name__ for error in form.errors}") == "{'InvalidArgument', 'StageError'}"
    )
    assert [
        url for url in form.opened.requests if not url.startswith(("http://127.0.0.1", "ws://127.0.0.1", "data:"))
    ] == []


def test_its_static_face_stands_when_the_kernel_is_started_anew_and_in_the_saved_notebook(form, open_notebook):
    form.button("Register").click()
    form.says("Registered as iris:3.")
    form.page.locator(".vnb-stands").last.get_by_text("Registered as iris:3.").wait_for(state="attached")
    form.page.evaluate("window.jupyterapp.commands.execute('docmanager:save')")
    form.page.wait_for_function("() => !window.jupyterapp.shell.currentWidget.context.model.dirty")
    html = "".join("".join(output["data"].get("text/html", "")) for output in form.opened.outputs()[-1])
    assert "Registered as iris:3." in html
    assert len(html) < 60_000
    form.page.evaluate("window.jupyterapp.shell.currentWidget.sessionContext.restartKernel()")
    form.page.locator(".vnb-stands").last.get_by_text("Registered as iris:3.").wait_for()
    form.root.wait_for(state="hidden")
    form.page.evaluate("window.jupyterapp.shell.currentWidget.sessionContext.shutdown()")
    again = open_notebook("register_form", as_saved=True)
    again.page.locator(".vnb-stands").last.get_by_text("Registered as iris:3.").wait_for()
    assert not again.page.get_by_text("model not found").is_visible()


TRAINING = """
import os
os.environ["VESSL_NB_REGISTRY"] = os.environ["VESSL_NB_REGISTRY"] + "_picture"
%load_ext vessl_nb
import numpy as np
import vessl_nb as vessl
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

iris = load_iris()
names = iris.target_names.tolist()
clf = LogisticRegression(max_iter=1000).fit(iris.data, iris.target)
"""
IRIS = """%%vessl_runner --model clf --sample '{"x": [5.1, 3.5, 1.4, 0.2]}'
class IrisRunner(vessl.RunnerBase):
    @staticmethod
    def preprocess_data(data):
        return np.array([data["x"]])

    @staticmethod
    def predict(model, data):
        return model.predict(data)

    @staticmethod
    def postprocess_data(data):
        return {"species": names[data[0]]}
"""


def test_the_readmes_picture_is_taken_where_it_is_wanted(open_notebook, screenshots):
    if screenshots is None:
        return
    opened = open_notebook("form", (TRAINING, IRIS, SHOW))
    opened.run_all()
    form = Form(opened)
    make_narrow(opened)
    form.fill("Repository", "iris")
    form.fill("Tags", "accuracy=0.97")
    form.fill("Aliases", "champion")
    form.button("Register").click()
    form.says("Registered as iris:1.", seconds=60)
    form.button("Register").blur()
    opened.page.wait_for_timeout(500)
    take_picture(form.root, screenshots / "form.png")
