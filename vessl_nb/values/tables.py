"""Frames, series and indexes as text and as a table: a corner of them, whatever the options of pandas say."""

from __future__ import annotations

import itertools
import sys
from typing import Any

from vessl_nb.values.abridged import WIDTH, fits

_TEXT_SIZES = ((8, 12), (8, 6), (5, 4))  # rows and columns, until it fits
_HTML_SIZE = (10, 12)


def pandas_text(value: Any) -> str | None:
    """Write a corner of a frame, series or index; None for any other value."""
    pd = sys.modules.get("pandas")
    if pd is None or not issubclass(type(value), pd.DataFrame | pd.Series | pd.Index):
        return None
    text = ""
    # Twelve columns of a wide one hardly ever fit, and each try takes pandas a while.
    for rows, columns in _TEXT_SIZES[1 if _is_wide(pd, value) else 0 :]:
        with _options(pd, rows, columns):
            cut = _cut(pd, value, rows)
            text = repr(value) if cut is None else f"{cut!r}\n\n[{len(value)} rows x {value.shape[1]} columns]"
        if fits(text):
            break
    return text


def frame_html(value: Any) -> str:
    """Draw a corner of a frame as a table, all text in it escaped."""
    pd = sys.modules["pandas"]
    with _options(pd, *_HTML_SIZE):
        cut = _cut(pd, value, _HTML_SIZE[0])
        html: str = pd.DataFrame._repr_html_(value if cut is None else cut)
    if cut is None:
        return html
    return f"{html.removesuffix('</div>')}<p>{len(value)} rows × {value.shape[1]} columns</p>\n</div>"


def _is_wide(pd: Any, value: Any) -> bool:
    return isinstance(value, pd.DataFrame) and value.shape[1] > _TEXT_SIZES[0][1]


def _cut(pd: Any, value: Any, rows: int) -> Any:
    """Take the first and last rows of a long frame, a few more than are shown; None for what needs no cut.

    Of one that is wide as well, pandas would copy all rows of the columns that it shows. What it says of the size of
    what was cut would be wrong, so it is not to say it.
    """
    half = rows // 2 + 1
    if not isinstance(value, pd.DataFrame) or len(value) <= 2 * half or value.shape[1] == 0:
        return None
    pd.set_option("display.show_dimensions", False)  # until the options come back
    return value.iloc[[*range(half), *range(len(value) - half, len(value))]]


def _options(pd: Any, rows: int, columns: int) -> Any:
    """Have pandas show no more than so many rows and columns, whatever the user's options, which come back after."""
    options = {
        "display.max_rows": rows,
        "display.min_rows": rows,
        "display.max_columns": columns,
        "display.max_colwidth": 50,
        "display.max_seq_items": 10,
        "display.width": WIDTH,
        "display.large_repr": "truncate",
        "display.show_dimensions": "truncate",
    }
    return pd.option_context(*itertools.chain.from_iterable(options.items()))
