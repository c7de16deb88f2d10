"""The HTML that the faces share; it reads well wherever it is opened.

A face is looked at in JupyterLab, in VS Code, on GitHub and in an exported page, light or dark. So it takes its text
colour from the page around it, draws lines and tints with a translucent grey that suits any background, and stays a
plain, readable table where its style is stripped (GitHub, notebooks that are not trusted). It runs no script and asks
nothing of the network.
"""

from __future__ import annotations

import html
import re
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from vessl_nb.faces.words import and_more, bounded_lines, clean, in_utc, minute_words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from vessl_nb.faces.value import ValueFace

_Item = TypeVar("_Item")

# Doubling the class outweighs JupyterLab's own rules for tables, which are (0,2,2). Every class is ours, so that what a
# user's value brings along keeps its look; only pandas' tables are made compact. A strip stands side by side where its
# own box is wide enough, whatever the window's width is. What is quieter is so by its colour, not by opacity:
# behind that axe-core cannot tell whether text can be read.
_STYLE = """
.vessl-nb.vessl-nb {
  --vnb-line: rgba(128, 128, 128, .28);
  --vnb-tint: rgba(128, 128, 128, .1);
  --vnb-quiet: color-mix(in srgb, currentColor 68%, transparent);
  --vnb-bad: var(--jp-error-color1, var(--vscode-errorForeground, light-dark(#c62828, #ff6b6b)));
  --vnb-lead: var(--jp-brand-color1, var(--vscode-progressBar-background, #2f7de0));
  --vnb-sans: var(--jp-ui-font-family, var(--vscode-font-family, system-ui, sans-serif));
  --vnb-mono: var(--jp-code-font-family, var(--vscode-editor-font-family, ui-monospace, Menlo, monospace));
  container-type: inline-size; margin: 4px 0 12px; font: 13px/1.5 var(--vnb-sans); text-align: left;
  .vnb-dim { color: var(--vnb-quiet); font-weight: normal; }
  .vnb-small { font-size: 12px; }
  .vnb-bad { color: var(--vnb-bad); font-weight: 600; }
  .vnb-code, .vnb-chip, .vnb-pre { font: 12px/1.5 var(--vnb-mono); color: inherit; background: none; padding: 0; }
  .vnb-chip { display: inline-block; padding: 0 7px; border: 1px solid var(--vnb-line); border-radius: 9px;
    background: var(--vnb-tint); font: 500 11px/16px var(--vnb-sans); white-space: nowrap; }
  .vnb-pre { margin: 0; white-space: pre; overflow: auto; max-height: 22em; padding-right: 1.5em;
    mask-image: linear-gradient(to left, transparent, #000 1.5em); }
  .vnb-fold { white-space: pre-wrap; word-break: normal; overflow-wrap: anywhere; }
  .vnb-rich { overflow: auto; max-height: 26em; }
  .vnb-rich img, .vnb-rich svg { max-width: 100%; height: auto; }
  .vnb-rich .dataframe { margin: 0; border: 0; border-collapse: collapse; font-size: 12px; }
  .vnb-rich .dataframe :is(th, td) { padding: 3px 8px; border: 0; text-align: right; }
  .vnb-scroll { overflow-x: auto; }
  .vnb-code { display: inline-block; max-width: 100%; overflow-wrap: anywhere; }
  summary { cursor: pointer; }
  .vnb-more { margin: 8px 0 0; }
  .vnb-table { border-collapse: collapse; margin: 0; font-size: inherit; table-layout: auto; color: inherit;
    > caption { caption-side: top; padding: 0 0 8px; text-align: left; color: inherit; font-size: 14px; }
    > thead { border: 0; }
    > thead > tr, > tbody > tr { background: none; }
    > * > tr > * { padding: 6px 20px 6px 0; border: 0; text-align: left; vertical-align: baseline; font-size: inherit;
      line-height: 1.5; }
    > tbody > tr > th { font-weight: 600; }
  }
  .vnb-list > * > tr > * { padding: 6px 12px; border-bottom: 1px solid var(--vnb-line); white-space: nowrap; }
  .vnb-list > thead > tr > th { font-size: 12px; font-weight: 500; vertical-align: bottom; }
  .vnb-list > * > tr > :first-child { padding-left: 0; }
  .vnb-list > * > tr > .vnb-number { text-align: right; font-variant-numeric: tabular-nums; }
  .vnb-list > tbody > tr > .vnb-prose { max-width: 34em; }
  .vnb-strip { width: 100%; display: block; position: relative;
    > caption { display: block; }
    > thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
    > tbody { display: grid; border: 1px solid var(--vnb-line); border-radius: 6px; overflow: auto; }
    > tbody > tr { display: grid; grid-template: "name time" auto "kind time" auto "value value" 1fr / 1fr 96px;
      padding: 10px 14px 12px; }
    > tbody > tr + tr { border-top: 1px solid var(--vnb-line); }
    > tbody > tr > * { display: block; min-width: 0; padding: 0; }
    > tbody > tr > th { grid-area: name; }
    > tbody > tr + tr > th::before { content: "↓ " / ""; opacity: .5; }
    > tbody > tr > .vnb-kind { grid-area: kind; font-size: 12px; color: var(--vnb-quiet); }
    > tbody > tr > .vnb-value { grid-area: value; padding-top: 8px; }
    > tbody > tr > .vnb-value:empty { display: none; }
    > tbody > tr > .vnb-time { grid-area: time; font-size: 12px; }
    > tbody > .vnb-failed { background: color-mix(in srgb, var(--vnb-bad) 5%, transparent); }
    > tbody > .vnb-quiet > th { color: var(--vnb-quiet); }
  }
  .vnb-strip .vnb-code { font-weight: 600; }
  .vnb-facts { display: block; max-width: 720px;
    > tbody, > tbody > tr, > tbody > tr > *, > caption { display: block; }
    > tbody > tr { padding: 6px 0; border-top: 1px solid var(--vnb-line); }
    > tbody > tr > * { padding: 0; overflow-wrap: anywhere; }
    > tbody > tr > th { font-size: 12px; font-weight: 500; color: var(--vnb-quiet); }
  }
  .vnb-items { list-style: none; margin: 0; padding: 0; }
  .vnb-items > li { display: flex; flex-wrap: wrap; gap: 0 16px; align-items: baseline; margin: 0; }
  .vnb-items > li > .vnb-size { margin-left: auto; font-variant-numeric: tabular-nums; }
  .vnb-items > li > div { flex-basis: 100%; }
  .vnb-items > li:has(> div) { padding-bottom: 4px; }
  .vnb-notes { list-style: none; margin: 2px 0 0; padding: 0; font-size: 12px; overflow-wrap: anywhere; }
  .vnb-notes > li { margin: 0; }
  .vnb-source { margin: 8px 0 0; }
  .vnb-source > .vnb-pre { margin: 8px 0 0; padding: 10px 14px; border: 1px solid var(--vnb-line); border-radius: 6px; }
  .vnb-bar { display: block; height: 3px; margin-top: 4px; border-radius: 2px; background: var(--vnb-line); }
  .vnb-bar > span { display: block; height: 3px; min-width: 1px; border-radius: 2px; background: var(--vnb-lead); }
  .vnb-facts-line, .vnb-change { font-size: 12px; overflow-wrap: anywhere; }
  .vnb-facts-line { margin-bottom: 4px; color: var(--vnb-quiet); }
  .vnb-rich + .vnb-facts-line { margin: 4px 0 0; }
  .vnb-change { font-style: italic; }
  .vnb-histogram { display: block; max-width: 100%; height: auto; margin: 0 0 4px; }
  .vnb-shares, .vnb-tree { list-style: none; margin: 0; padding: 0; font-size: 12px; overflow-wrap: anywhere; }
  .vnb-shares { display: grid; grid-template-columns: fit-content(50%) minmax(24px, 1fr) max-content; gap: 0 8px;
    align-items: center; }
  .vnb-shares > li { display: contents; }
  .vnb-shares > .vnb-rest { display: block; grid-column: 1 / -1; }
  .vnb-shares .vnb-bar { height: 6px; margin: 0; }
  .vnb-shares .vnb-bar > span { height: 6px; }
  .vnb-tree .vnb-tree { padding-left: 14px; border-left: 1px solid var(--vnb-line); }
  .vnb-tree li { margin: 0; }
  .vnb-rich p { margin: 4px 0 0; font-size: 12px; color: var(--vnb-quiet); }
  .vnb-samples { width: 100%; > * > tr > * { white-space: normal; vertical-align: top; }
    > tbody > tr > td { min-width: 9em; max-width: 22em; overflow-wrap: anywhere; }
    > thead .vnb-code { white-space: nowrap; }
    .vnb-rich img { width: auto; height: auto; min-height: 32px; max-height: 48px; }
    > tbody > tr > .vnb-number { min-width: 0; white-space: nowrap; }
  }
  .vnb-error { margin-bottom: 6px; overflow-wrap: anywhere; }
  .vnb-given { margin: 10px 0 2px; font-size: 12px; }
  @container (min-width: 480px) {
    .vnb-facts > tbody > tr { display: grid; grid-template-columns: 104px minmax(0, 1fr); align-items: baseline; }
    .vnb-items > li { display: grid; grid-template-columns: minmax(0, 16em) minmax(0, 1fr) 6em; }
    .vnb-items > li > .vnb-size { text-align: right; }
    .vnb-items > li > .vnb-wide { grid-column: 2 / -1; }
    .vnb-items > .vnb-plain > .vnb-code { grid-column: 1 / 3; }
    .vnb-items > li > div { grid-column: 1 / -1; }
  }
  @container (min-width: 800px) {
    .vnb-list > tbody > tr > .vnb-prose { min-width: 16em; white-space: normal; }
    .vnb-strip > tbody > tr + tr > th::before { content: "→ " / ""; }
    .vnb-strip > tbody { grid: auto auto 1fr auto / var(--vnb-columns); }
    .vnb-strip > tbody > tr { grid-row: span 4; grid-template: "name" "kind" "value" "time" / minmax(0, 1fr);
      grid-template-rows: subgrid; }
    .vnb-strip > tbody > tr + tr { border-top: 0; border-left: 1px solid var(--vnb-line); }
    .vnb-strip > tbody > tr > .vnb-time { padding-top: 12px; }
  }
}
"""
STYLE = re.sub(r"\s*\n\s*", " ", _STYLE).strip()

_MOST_BYTES = 36_000  # the form holds a face in a widget, whose state stays under 40,000
_MOST_ITEMS = (100, 50, 25, 12, 4)
_FOLDED = 300  # characters on one line that fit the narrowest column, folded


def facts_table(caption: str, facts: Sequence[tuple[str, str]]) -> str:
    """Draw facts as a table, a row each, from HTML; one that is empty is left out."""
    rows = "".join(f'<tr><th scope="row">{title}</th><td>{fact}</td></tr>' for title, fact in facts if fact)
    return f'<table class="vnb-table vnb-facts"><caption>{caption}</caption><tbody>{rows}</tbody></table>'


def escape(text: str) -> str:
    """Make `text` safe to stand in HTML, between tags as in an attribute."""
    return html.escape(clean(text))


def page(body: str) -> str:
    """Wrap a face's HTML with the style it needs; each output of a notebook stands by itself."""
    return f'<div class="vessl-nb"><style>{STYLE}</style>{body}</div>'


def extended(face: str, body: str) -> str:
    """Add HTML at the end of a face that `page` made, so that its style is there once."""
    return f"{face.removesuffix('</div>')}{body}</div>"


def dim(text: str) -> str:
    """Write `text` as an aside."""
    return f'<span class="vnb-dim">{escape(text)}</span>'


def bad(text: str) -> str:
    """Write `text` as what went wrong; it has to say so in words as well."""
    return f'<strong class="vnb-bad">{escape(text)}</strong>'


def code(text: str, kind: str = "vnb-code") -> str:
    """Write `text` as code."""
    return f'<code class="{kind}">{escape(text)}</code>'


def chips(names: Iterable[str]) -> str:
    """Write aliases as chips; GitHub, which strips the style, draws code as chips of its own."""
    return " ".join(code(name, "vnb-chip") for name in names)


def time_html(moment: datetime) -> str:
    """Write a moment to the minute for people, and exactly for programs."""
    exact = in_utc(moment).strftime("%Y-%m-%dT%H:%M:%SZ")
    return f'<time datetime="{exact}">{minute_words(moment)}</time>'


def value_html(value: ValueFace) -> str:
    """Draw a value as IPython would: its own HTML where it has some, its text otherwise; and what its numbers are."""
    facts = f'<div class="vnb-facts-line">{escape(value.facts)}</div>' if value.facts else ""
    if value.html is not None:
        # What may be wider than its column can be scrolled by keyboard.
        reach = ' tabindex="0"' if "<table" in value.html else ""
        return f'<div class="vnb-rich"{reach}>{value.html}</div>{facts}'
    lines = bounded_lines(value.text, lines=40, width=2000)
    text = escape("\n".join(lines)[:4000])
    # One long line may be folded anywhere; folding lines that stand under one another would tear an array apart.
    if len(lines) == 1:
        # Where it may fill more lines than are shown, it can be scrolled by keyboard, as those below.
        reach = ' tabindex="0"' if len(text) > _FOLDED else ""
        return f'{value.chart}{facts}<pre class="vnb-pre vnb-fold"{reach}>{text}</pre>'
    return f'{value.chart}{facts}<pre class="vnb-pre" tabindex="0">{text}</pre>'


def fitting(values: Iterable[ValueFace | None], budget: int) -> list[ValueFace | None]:
    """Leave out the largest drawings, where all of them together have more bytes than the budget.

    Parameters
    ----------
    values
        The values of one face.
    budget
        How many bytes their drawings may have together.

    Returns
    -------
    list
        The same values; of some only the text is left.
    """
    fitted = list(values)
    sizes = [0 if value is None else len(((value.html or "") + value.chart).encode()) for value in fitted]
    for place in sorted(range(len(sizes)), key=lambda place: -sizes[place]):
        value = fitted[place]
        if sum(sizes) <= budget or value is None:
            break
        fitted[place], sizes[place] = replace(value, html=None, chart=""), 0
    return fitted


def folded(items: Sequence[_Item], limit: int, draw: Callable[[Sequence[_Item]], str], most: int) -> str:
    """Draw the first `limit` items, and the rest of them, up to `most` in all, behind a line that opens."""
    shown, rest = draw(items[:limit]), items[limit:most]
    unseen = "".join(f"<p>{dim(line)}</p>" for line in and_more(len(items) - max(limit, most)))
    if not rest:
        return shown + unseen
    return f"{shown}<details><summary>… and {len(items) - limit:,} more</summary>{draw(rest)}{unseen}</details>"


def drawn_within_bounds(draw: Callable[[int], str]) -> str:
    """Draw a face with all of its folded items, or with fewer, as a saved notebook has room for it.

    Parameters
    ----------
    draw
        Draws the face, with so many items in each of its lists.
    """
    for most in _MOST_ITEMS:
        face = draw(most)
        if len(face.encode()) <= _MOST_BYTES:
            break
    return face
