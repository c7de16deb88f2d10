"""One real JupyterLab and one real Chromium, for the tests of this folder and for the benchmark of the notebook.

Nothing of the user's is touched: every folder that Jupyter, IPython and vessl_nb write to is a scratch one.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

CHROMIUM = Path("/usr/bin/chromium")
SCREEN = {"width": 1400, "height": 900}
NOTEBOOKS = Path(__file__).parents[2] / "notebooks"

# Ready to run, then idle again: the status bar says idle before there is a kernel.
IS_IDLE = """() => {
    const context = window.jupyterapp?.shell.currentWidget?.sessionContext;
    return !!context && context.isReady && context.session?.kernel?.connectionStatus === "connected"
        && context.session.kernel.status === "idle";
}"""


@dataclass
class Lab:
    """A running JupyterLab, and the environment that its kernels have."""

    url: str
    folder: Path
    environment: dict[str, str]


@dataclass
class OpenNotebook:
    """A notebook in a tab of JupyterLab, all that the browser's console said, and all that it asked for."""

    page: Page
    name: str
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list, repr=False)

    def run_all(self) -> None:
        """Run every cell, and wait until the last one is done."""
        self.page.evaluate("window.jupyterapp.commands.execute('notebook:run-all-cells')")
        self.page.wait_for_function(
            """() => {
                const cells = window.jupyterapp.shell.currentWidget.content.model.cells;
                const code = [...cells].filter(cell => cell.type === "code");
                return code.length > 0 && code.every(cell => cell.executionCount !== null);
            }""",
            timeout=60_000,
        )
        self.page.wait_for_function(IS_IDLE, timeout=60_000)

    def outputs(self) -> list[list[dict]]:
        """Read the outputs of each code cell, as the notebook would save them."""
        return self.page.evaluate(
            """() => [...window.jupyterapp.shell.currentWidget.content.model.cells]
                .filter(cell => cell.type === "code").map(cell => cell.outputs.toJSON())"""
        )

    def in_kernel(self, expression: str) -> str:
        """Give what an expression is in the notebook's kernel."""
        return self.page.evaluate(
            """async code => {
                const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
                const reply = await kernel.requestExecute({code: "", user_expressions: {x: code}, silent: true}).done;
                return reply.content.user_expressions.x.data["text/plain"];
            }""",
            expression,
        )

    def save(self) -> None:
        """Save it, and wait until it is on disk."""
        self.page.evaluate("window.jupyterapp.commands.execute('docmanager:save')")
        self.page.wait_for_function("() => !window.jupyterapp.shell.currentWidget.context.model.dirty")

    def put_on(self, theme: str) -> None:
        """Put the theme ``Light`` or ``Dark`` on JupyterLab, and wait until it is there."""
        command = f"window.jupyterapp.commands.execute('apputils:change-theme', {{theme: 'JupyterLab {theme}'}})"
        self.page.evaluate(command)
        is_light = "true" if theme == "Light" else "false"
        self.page.wait_for_function("light => document.body.dataset.jpThemeLight === light", arg=is_light)

    def cell(self, start: str) -> Locator:
        """Find the cell whose source begins so."""
        number = self.page.evaluate(
            """start => [...window.jupyterapp.shell.currentWidget.content.model.cells]
                .findIndex(cell => cell.sharedModel.getSource().startsWith(start))""",
            start,
        )
        assert number >= 0, f"{self.name} has no cell that begins with {start!r}"
        self.page.evaluate("number => window.jupyterapp.shell.currentWidget.content.scrollToItem(number)", number)
        return self.page.locator(f'.jp-NotebookPanel:visible .jp-Cell[data-windowed-list-index="{number}"]')


@contextlib.contextmanager
def start_lab(scratch: Path):
    """Start a JupyterLab that keeps all it writes in a scratch folder; gives it as a `Lab`."""
    folder = scratch / "work"
    folder.mkdir()
    settings = scratch / "settings" / "@jupyterlab"
    for extension, values in {
        "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False, "doNotDisturbMode": True},
        # All cells are in the page, so that a picture can be taken of each.
        "notebook-extension/tracker": {"windowingMode": "none"},
    }.items():
        file = settings / f"{extension}.jupyterlab-settings"
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps(values))
    places = ("CONFIG_DIR", "DATA_DIR", "RUNTIME_DIR")
    environment = {
        **os.environ,
        **{f"JUPYTER_{place}": str(scratch / place) for place in places},
        "JUPYTERLAB_SETTINGS_DIR": str(scratch / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(scratch / "workspaces"),
        "IPYTHONDIR": str(scratch / "ipython"),
        "VESSL_NB_REGISTRY": str(scratch / "registry"),
        "VESSL_NB_CACHE": str(scratch / "cache"),
        "TMPDIR": str(scratch),
    }
    port = _free_port()
    command = [sys.executable, "-m", "jupyter", "lab", "--no-browser", f"--ServerApp.port={port}"]
    command += ["--ServerApp.port_retries=0", "--ServerApp.ip=127.0.0.1", f"--ServerApp.root_dir={folder}"]
    command += ["--IdentityProvider.token=", "--ServerApp.password=", "--LabApp.expose_app_in_browser=True"]
    command += ["--JupyterNotebookApp.expose_app_in_browser=True"]  # Notebook 7, which the same server answers for
    command += ["--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]
    command += ["--LabApp.extension_manager=readonly", *(["--allow-root"] if os.geteuid() == 0 else [])]
    with (scratch / "lab.log").open("w") as log, subprocess.Popen(command, env=environment, stderr=log) as process:
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_for(f"{url}/api/status", process, scratch / "lab.log")
            yield Lab(url, folder, environment)
        finally:
            process.terminate()


@contextlib.contextmanager
def start_browser(chromium: Path):
    """Start a Chromium that asks nobody for anything of its own."""
    from playwright.sync_api import sync_playwright

    arguments = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
    arguments += ["--disable-background-networking", "--disable-component-update"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(chromium), args=arguments)
        yield browser
        browser.close()


@contextlib.contextmanager
def open_notebooks(lab: Lab, browser):
    """Give a function that opens a clean copy of a notebook, without outputs, in a tab of its own.

    With cells, a notebook of just these; with ``as_saved``, the one that is in the lab's folder, as it is; with
    ``in_notebook_7``, in a page of that instead of JupyterLab.
    """
    contexts = []

    def open_it(
        name: str, cells: tuple[str, ...] = (), *, as_saved: bool = False, in_notebook_7: bool = False
    ) -> OpenNotebook:
        if cells:
            (lab.folder / f"{name}.ipynb").write_text(_notebook_of(cells))
        elif not as_saved:
            shutil.copy(NOTEBOOKS / f"{name}.ipynb", lab.folder)
        context = browser.new_context(viewport=SCREEN, device_scale_factor=2)
        contexts.append(context)
        page = context.new_page()
        opened = OpenNotebook(page, name)
        page.on("console", lambda said: opened.errors.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: opened.errors.append(str(error)))
        page.on("request", lambda request: opened.requests.append(request.url))
        place = "notebooks" if in_notebook_7 else f"lab/workspaces/{name}/tree"
        page.goto(f"{lab.url}/{place}/{name}.ipynb")
        page.wait_for_function(IS_IDLE, timeout=60_000)
        if not as_saved:
            page.evaluate("window.jupyterapp.commands.execute('notebook:clear-all-cell-outputs')")
        return opened

    yield open_it
    for context in contexts:
        context.close()


def _notebook_of(cells: tuple[str, ...]) -> str:
    code = [
        {
            "cell_type": "code",
            "id": f"cell-{place}",
            "metadata": {},
            "execution_count": None,
            "outputs": [],
            "source": cell,
        }
        for place, cell in enumerate(cells)
    ]
    kernel = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
    return json.dumps({"cells": code, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5})


def _free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _wait_for(url: str, process: subprocess.Popen, log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(f"JupyterLab did not start:\n{log.read_text()[-3000:]}")
