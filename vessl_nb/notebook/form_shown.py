"""A face inside of a form: as HTML, without the style, which stands once in the form's head."""

from __future__ import annotations

import json

import ipywidgets as widgets  # type: ignore[import-untyped]  # it ships no types

from vessl_nb.faces.html import STYLE, dim, escape
from vessl_nb.faces.words import bounded_lines

_MOST_BYTES = 39_000  # a widget's state stays under 40,000
_LINES = 80
_WIDTH = 160


class Shown(widgets.HTML):  # type: ignore[misc]  # as above
    """What a form shows of a version, of a preview, or of what travels."""

    def show(self, html: str, text: str = "") -> None:
        """Show a face; its text where its HTML is too large for a form.

        Parameters
        ----------
        html, text
            Two faces of one thing.
        """
        drawn = html.replace(f"<style>{STYLE}</style>", "")
        if len(json.dumps(drawn)) > _MOST_BYTES:
            lines = "\n".join(bounded_lines(text, lines=_LINES, width=_WIDTH))
            aside = dim("It is too large to be drawn in a form. In words:")
            drawn = f'<div class="vessl-nb">{aside}<pre class="vnb-pre" tabindex="0">{escape(lines)}</pre></div>'
        self.value = drawn
