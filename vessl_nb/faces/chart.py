"""Small static drawings of numbers: a histogram, and bars; each says in words what it shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vessl_nb.faces.html import escape
from vessl_nb.faces.words import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

_WIDTH, _HEIGHT = 168, 32


def histogram_svg(bins: Sequence[int], low: str, high: str) -> str:
    """Draw a histogram.

    Parameters
    ----------
    bins
        How many elements there are in each part of the range.
    low, high
        The ends of the range, in words.
    """
    most, step = max(bins), _WIDTH / len(bins)
    path = ""
    for number, count in enumerate(bins):
        if count:
            # A bar that is not empty can always be seen.
            height = max(1.0, round(_HEIGHT * count / most, 1))
            path += f"M{number * step:g} {_HEIGHT}v-{height:g}h{step - 1:g}v{height:g}z"
    label = escape(f"histogram from {low} to {high}, the highest bar {most:,} of {sum(bins):,}")
    return (
        f'<svg class="vnb-histogram" role="img" aria-label="{label}" width="{_WIDTH}" height="{_HEIGHT}" '
        f'viewBox="0 0 {_WIDTH} {_HEIGHT}"><path d="{path}" fill="currentColor" fill-opacity="0.45"></path></svg>'
    )


def bars_html(shares: Sequence[tuple[str, float]], left_out: int = 0) -> str:
    """Draw shares of a whole as bars, the largest in bold.

    Parameters
    ----------
    shares
        The name of each, and the share, from 0 to 1.
    left_out
        How many more there are.
    """
    most = max(share for _, share in shares)
    items = ""
    for name, share in shares:
        number = f"<strong>{share:.3g}</strong>" if share == most else f"{share:.3g}"
        width = min(max(100 * share, 0), 100)
        bar = f'<span class="vnb-bar" aria-hidden="true"><span style="width: {width:.0f}%"></span></span>'
        items += f"<li><span>{escape(one_line(name, 40))}:</span> {bar} <span>{number}</span></li>"
    more = f'<li class="vnb-rest">… and {left_out:,} more</li>' if left_out else ""
    return f'<ul class="vnb-shares">{items}{more}</ul>'
