"""The lower part of a register form: its buttons, how far the work is, and what came of it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import ipywidgets as widgets  # type: ignore[import-untyped]  # it ships no types

from vessl_nb.faces.html import bad, escape
from vessl_nb.faces.words import size_words
from vessl_nb.notebook.form_shown import Shown

if TYPE_CHECKING:
    from collections.abc import Callable

_OFTEN = 0.2
"""How often the bar moves, in seconds: each time is a message."""


class OutcomeBox(widgets.VBox):  # type: ignore[misc]  # as above
    """Buttons, a bar, words, and what came of it.

    Parameters
    ----------
    preview, register, cancel
        Are called when the buttons are pressed.

    Attributes
    ----------
    said
        The last thing said, in words.
    is_busy
        Whether there is work that did not end.
    """

    def __init__(self, preview: Callable[[], None], register: Callable[[], None], cancel: Callable[[], None]) -> None:
        self.said = ""
        self.is_busy = False
        self.preview = widgets.Button(description="Preview", tooltip="Send the samples through the three stages")
        self.register = widgets.Button(description="Register", button_style="primary")
        self.cancel = widgets.Button(description="Cancel", disabled=True)
        self.preview.on_click(lambda _: preview())
        self.register.on_click(lambda _: register())
        self.cancel.on_click(lambda _: cancel())
        self.bar = widgets.FloatProgress(layout=widgets.Layout(display="none", width="auto"))
        self.words = widgets.HTML()
        self.words.add_class("vnb-form-said")
        self.shown = Shown()
        self._begun = self._drawn = 0.0
        self._title = ""
        buttons = widgets.HBox([self.preview, self.register, self.cancel])
        buttons.add_class("vnb-form-buttons")
        super().__init__([buttons, self.bar, self.words, self.shown])
        self.add_class("vnb-form-outcome")

    def begin(self, words: str) -> None:
        """Say that work began: its buttons rest until it ends."""
        self.is_busy = self.preview.disabled = self.register.disabled = True
        self.cancel.disabled = False
        self._title = ""
        self.shown.value = ""
        self.say(words)

    def show_progress(self, title: str, done: int, total: int) -> None:
        """Show how many bytes are done, and how many a second; from the thread that does them."""
        now = time.monotonic()
        if title != self._title or total != self.bar.max:
            self._title, self._begun, self._drawn = title, now, 0.0
            self.bar.max = max(total, 1)
        if now - self._drawn < _OFTEN and done < total:
            return
        self._drawn = now
        self.bar.value, self.bar.layout.display = done, None
        seconds = now - self._begun
        rate = f", {size_words(int(done / seconds))} a second" if seconds > _OFTEN else ""
        self.say(f"{title}: {size_words(done)} of {size_words(total)}{rate}")

    def end(self, words: str, html: str = "", text: str = "") -> None:
        """Say how the work ended, and show what came of it: its HTML, or its text where that is too large."""
        self.bar.layout.display = "none"
        self.bar.value = 0
        self.say(words)
        self.shown.show(html, text)
        self.cancel.disabled = True
        self.is_busy = self.preview.disabled = self.register.disabled = False

    def say(self, words: str, *, failed: bool = False) -> None:
        """Say something, in words that a screen reader reads out."""
        self.said = words
        lines = [bad(line) if failed and not place else escape(line) for place, line in enumerate(words.splitlines())]
        self.words.value = f'<div role="status" aria-live="polite">{"<br>".join(lines)}</div>'
