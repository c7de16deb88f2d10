"""The faces of what came of a form's work, with secrets masked: they are saved with the notebook."""

from __future__ import annotations

import re
from html import unescape

from vessl_nb.faces.html import escape, page
from vessl_nb.faces.words import bounded_lines
from vessl_nb.values.secrets import mask_secrets

_TAG = re.compile(r"(<[^>]*>)")
_LINES = 200
_WIDTH = 400


def masked_faces(html: str, text: str) -> tuple[str, str]:
    """Mask what looks like a secret in two faces of one thing.

    Parameters
    ----------
    html, text
        The faces.

    Returns
    -------
    html, text : str
        The same, masked. Where there is a secret in the text, the HTML is that text: what is drawn may have a name in
        one cell and its value in another, where nothing says that it is one.
    """
    masked = mask_secrets(text)
    if masked != text:
        lines = "\n".join(bounded_lines(masked, lines=_LINES, width=_WIDTH))
        return page(f'<pre class="vnb-pre" tabindex="0">{escape(lines)}</pre>'), masked
    return "".join(map(_mask_piece, _TAG.split(html))), text


def _mask_piece(piece: str) -> str:
    plain = piece if piece.startswith("<") else unescape(piece)
    masked = mask_secrets(plain)
    if masked == plain:
        return piece
    return masked if piece.startswith("<") else escape(masked)
