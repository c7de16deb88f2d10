"""One real JupyterLab and one real Chromium for all tests in this folder.

Both take seconds to start, so they are shared. Nothing of the user's is touched: every folder that Jupyter, IPython and
vessl_nb write to is a scratch one. Run with ``--screenshots DIR`` to keep pictures of what the tests saw.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from lab import CHROMIUM, open_notebooks, start_browser, start_lab


def pytest_addoption(parser):
    parser.addoption("--screenshots", metavar="DIR", type=Path, help="keep screenshots of the browser tests here")


@pytest.fixture(scope="session")
def chromium_path():
    if CHROMIUM.exists():
        return CHROMIUM
    if os.environ.get("CI"):
        pytest.fail(f"{CHROMIUM} is missing, and CI is to test in a real browser: apt-get install chromium")
    return pytest.skip(f"needs {CHROMIUM}: apt-get install chromium")


@pytest.fixture(scope="session")
def lab(chromium_path, tmp_path_factory):
    with start_lab(tmp_path_factory.mktemp("lab")) as lab:
        yield lab


# Not for the whole session: while Playwright runs, an event loop of its own runs in this thread, which tests outside
# this folder do not expect.
@pytest.fixture(scope="module")
def browser(chromium_path):
    with start_browser(chromium_path) as browser:
        yield browser


@pytest.fixture(scope="module")
def open_notebook(lab, browser):
    """Give the function that `open_notebooks` gives."""
    with open_notebooks(lab, browser) as open_notebook:
        yield open_notebook


@pytest.fixture(scope="session")
def screenshots(request):
    """Name the folder that pictures go to; None where none are wanted."""
    return request.config.getoption("--screenshots", default=None)
