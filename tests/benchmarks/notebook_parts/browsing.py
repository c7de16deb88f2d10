"""What a user waits for in a real JupyterLab, measured by the browser itself: from a click to the row being there."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

TESTS = Path(__file__).parents[2]
sys.path[:0] = [str(TESTS / "browser"), str(TESTS)]

from lab import CHROMIUM, open_notebooks, start_browser, start_lab  # noqa: E402  # its folder is known only now

REPEATS = 9
COUNT = 10_000
SETUP = f"""
import sys
sys.path.insert(0, {str(TESTS)!r})
from many_versions import write_versions
import vessl_nb as vessl
write_versions("iris", {COUNT})
"""
SHOW = "table = vessl.versions_table('iris')\ntable"

# From the click to the first row being another one; and to the frame after it.
CLICK = """button => new Promise((resolve, reject) => {
    const root = document.querySelector(".vessl-versions");
    const first = () => root.querySelector("tbody tr")?.dataset.key;
    const before = first();
    const began = performance.now();
    setTimeout(() => reject(new Error("no other row within 10 seconds")), 10000);
    new MutationObserver((_, observer) => {
        if (first() === before || first() === undefined) return;
        const there = performance.now() - began;
        observer.disconnect();
        requestAnimationFrame(() => setTimeout(() => resolve([there, performance.now() - began])));
    }).observe(root, { childList: true, subtree: true, attributes: true });
    button.click();
})"""
SHOWN = """() => new Promise((resolve, reject) => {
    const began = performance.now();
    setTimeout(() => reject(new Error("no table within 10 seconds")), 10000);
    new MutationObserver((_, observer) => {
        if (!document.querySelector(".vessl-versions tbody tr")) return;
        observer.disconnect();
        resolve(performance.now() - began);
    }).observe(document.body, { childList: true, subtree: true });
    window.jupyterapp.commands.execute("notebook:run-cell");
})"""


def measure_browsing() -> dict[str, list[float]]:
    """Measure pages, sorts and the first showing; empty where there is no Chromium."""
    if not CHROMIUM.exists():
        return {}
    with (
        tempfile.TemporaryDirectory(prefix="vessl_nb-notebook-", ignore_cleanup_errors=True) as folder,
        start_lab(Path(folder)) as lab,
        start_browser(CHROMIUM) as browser,
        open_notebooks(lab, browser) as open_notebook,
    ):
        opened = open_notebook("versions", (SETUP, SHOW))
        opened.run_all()
        return _click_through(opened.page)


def _click_through(page) -> dict[str, list[float]]:
    table = page.locator(".vessl-versions").first
    table.locator("tbody tr").first.wait_for()
    grid = table.get_by_role("grid", name="iris")
    figures: dict[str, list[float]] = {"page": [], "page_painted": [], "sort": [], "sort_painted": [], "shown": []}
    for _ in range(REPEATS):
        button = table.get_by_role("button", name="Next page").element_handle()
        for name, value in zip(("page", "page_painted"), page.evaluate(CLICK, button), strict=True):
            figures[name].append(value / 1e3)
    for _ in range(REPEATS):
        # The same again and again, which turns the order: another column may have the same row first.
        button = grid.locator('th [data-sort="tags.accuracy"]').element_handle()
        for name, value in zip(("sort", "sort_painted"), page.evaluate(CLICK, button), strict=True):
            figures[name].append(value / 1e3)
    page.evaluate("window.jupyterapp.shell.currentWidget.content.activeCellIndex = 1")
    for _ in range(REPEATS):
        page.evaluate("window.jupyterapp.commands.execute('notebook:clear-cell-output')")
        table.wait_for(state="detached")
        figures["shown"].append(page.evaluate(SHOWN) / 1e3)
    return figures
