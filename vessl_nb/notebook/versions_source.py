"""A runner's source as HTML: its words told apart, and two of them line by line."""

from __future__ import annotations

import difflib
from itertools import islice

from vessl_nb.faces.html import dim, escape
from vessl_nb.faces.words import counted

_MOST_LINES = 300
_MOST_CHARACTERS = 20_000
_WIDTH = 200

# The classes are styled with the colours that JupyterLab gives to code in cells.
_CLASSES = {"Keyword": "key", "Comment": "comment", "Literal.String": "string", "Literal.Number": "number"}
_DEFINED = {"Name.Class", "Name.Function", "Name.Function.Magic", "Name.Decorator"}
_SIGNS = {"+": "added", "-": "removed", "@": "place"}


def source_html(source: str) -> str:
    """Draw a source, its keywords, texts, numbers and comments told apart.

    Parameters
    ----------
    source
        Python, secrets masked; cut to its first 300 lines.
    """
    # Only where a source is shown; IPython has it, and it ships no types.
    from pygments.lexers.python import PythonLexer  # type: ignore[import-untyped]  # noqa: PLC0415  # as above

    lines = source.rstrip().splitlines()
    text = "\n".join(line[:_WIDTH] for line in lines[:_MOST_LINES])[:_MOST_CHARACTERS]
    words = PythonLexer(stripnl=False, ensurenl=False).get_tokens(text)
    drawn = "".join(_word_html(str(kind).removeprefix("Token."), word) for kind, word in words)
    rest = len(lines) - _MOST_LINES
    return f'<pre class="vnb-pre" tabindex="0">{drawn}</pre>' + (
        dim(f"… and {counted(rest, 'more line')}") if rest > 0 else ""
    )


def difference_html(before: str, after: str, names: tuple[str, str]) -> str:
    """Draw a unified difference of two sources; a line that went begins with ``-``, one that came with ``+``.

    Parameters
    ----------
    before, after
        The sources, secrets masked.
    names
        What they are called.

    Returns
    -------
    str
        HTML; empty where they are the same.
    """
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), *names, lineterm="")
    shown = list(islice(lines, _MOST_LINES + 1))
    drawn = [
        f'<span class="vnb-{_SIGNS.get(line[:1], "same") if place > 1 else "place"}">{escape(line[:_WIDTH])}</span>'
        for place, line in enumerate(shown[:_MOST_LINES])  # the first two name the sources
    ]
    cut = dim("… and more lines that differ") if len(shown) > _MOST_LINES else ""
    return f'<pre class="vnb-pre vnb-diff" tabindex="0">{chr(10).join(drawn)}</pre>{cut}' if drawn else ""


def _word_html(kind: str, word: str) -> str:
    name = "defined" if kind in _DEFINED else next((c for k, c in _CLASSES.items() if kind.startswith(k)), "")
    text = escape(word)
    return f'<span class="vnb-{name}">{text}</span>' if name and word.strip() else text
