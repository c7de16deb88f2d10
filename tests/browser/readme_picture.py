"""The README's pictures: narrow enough to be read at a page's width, light, and small."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PIL import Image

if TYPE_CHECKING:
    from pathlib import Path

    from lab import OpenNotebook
    from playwright.sync_api import Locator

WIDTH, HEIGHT = 1080, 1600


def make_narrow(opened: OpenNotebook) -> None:
    """Make the notebook's page as wide as a README's."""
    opened.page.evaluate("jupyterapp.commands.execute('apputils:change-theme', {theme: 'JupyterLab Light'})")
    opened.page.evaluate("jupyterapp.commands.execute('application:toggle-left-area')")
    opened.page.set_viewport_size({"width": WIDTH, "height": HEIGHT})


def take_picture(shown: Locator, path: Path) -> None:
    """Take a picture of what is shown, in few colours."""
    path.parent.mkdir(parents=True, exist_ok=True)
    shown.screenshot(path=path, animations="disabled")
    Image.open(path).convert("RGB").quantize(128).save(path, optimize=True)
