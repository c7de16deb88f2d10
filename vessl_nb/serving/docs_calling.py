"""The parts of the page at /docs with which a version is called: its examples, a form, and commands to copy."""

from __future__ import annotations

import html
from typing import Any

from vessl_nb.faces.html import escape
from vessl_nb.serving.docs_examples import URL, write_curl, write_json, write_python
from vessl_nb.serving.media_types import answer_file_of, is_json


def draw_examples(taken: dict[str, Any], given: dict[str, Any]) -> str:
    """Draw the stored examples.

    Parameters
    ----------
    taken, given
        The contents of request and answer, by media type, as the OpenAPI document has them.
    """
    inputs, outputs = _examples_of(taken), _examples_of(given)
    drawn: list[str] = []
    for name in dict.fromkeys([*inputs, *outputs]):
        title = "Example " + name.removeprefix("example-")
        parts = [
            _draw_code(f"{name}-{side}", f"{title}, {words}", _escape_json(values[name]))
            for side, words, values in (("input", "sent", inputs), ("output", "answered", outputs))
            if name in values
        ]
        is_first = " open" if not drawn else ""
        drawn.append(f"<details{is_first}><summary>{title}</summary>{''.join(parts)}</details>")
    left_out = max((described.get("x-left-out", 0) for described in taken.values()), default=0)
    if left_out:
        drawn.append(f'<p class="dim">{left_out} more, too large to be shown.</p>')
    if not drawn:
        return ""
    return f'<section aria-labelledby="examples"><h3 id="examples">Examples</h3>{"".join(drawn)}</section>'


def draw_entries(taken: dict[str, Any], *, has_token: bool) -> str:
    """Draw what the form asks for: a token, a file or JSON, as the version needs them.

    Parameters
    ----------
    taken
        As of `draw_examples`.
    has_token
        Whether a client must know a token.
    """
    examples = list(_examples_of(taken).values())
    has_json = any(map(is_json, taken))
    raw = [media_type for media_type in taken if not is_json(media_type)]
    entries = []
    if has_token:
        entries.append(
            '<div class="entry"><label for="token">Token; not needed where the browser asked for it already</label>'
            '<input id="token" name="token" type="password" autocomplete="off"></div>'
        )
    if has_json and raw:
        entries.append(
            '<fieldset><legend>Send</legend><label><input type="radio" name="how" value="file" checked>a file</label>'
            '<label><input type="radio" name="how" value="json">JSON</label></fieldset>'
        )
    if raw:
        accept = "" if "*/*" in raw or "application/octet-stream" in raw else f' accept="{escape(",".join(raw))}"'
        entries.append(
            '<div class="entry" data-how="file"><label for="file">File</label>'
            f'<input id="file" name="file" type="file"{accept}></div>'
        )
    if has_json:
        options = "".join(
            f'<option value="{name}-input">Example {name.removeprefix("example-")}</option>'
            for name in _examples_of(taken)
        )
        if len(examples) > 1:
            entries.append(
                '<div class="entry" data-how="json"><label for="example">Fill in</label>'
                f'<select id="example" name="example">{options}</select></div>'
            )
        # A line break directly after the tag is not part of the text.
        first = _escape_json(examples[0]) if examples else ""
        rows = min(max(first.count("\n") + 2, 4), 14)
        entries.append(
            '<div class="entry" data-how="json"><label for="body">JSON</label>'
            f'<textarea id="body" name="body" rows="{rows}" spellcheck="false">\n{first}</textarea></div>'
        )
    return "".join(entries)


def draw_calls(taken: dict[str, Any], given: dict[str, Any], *, has_token: bool) -> str:
    """Draw how the version is called by curl and from Python; the parameters are those of the other two."""
    examples = list(_examples_of(taken).values())
    media_type = next(iter(taken))
    example = examples[0] if examples and is_json(media_type) else None
    answer_file = answer_file_of(given)
    calls = [
        (name, title, write(media_type, example, has_token=has_token, answer_file=answer_file))
        for name, title, write in (
            ("curl", "curl", write_curl),
            ("python", "Python, with httpx", write_python),
        )
    ]
    variable = '<p class="dim">The token is taken from the variable TOKEN.</p>' if has_token else ""
    return variable + "".join(
        _draw_code(name, title, html.escape(call, quote=False).replace(URL, f'<span class="url">{URL}</span>', 1))
        for name, title, call in calls
    )


def _examples_of(content: dict[str, Any]) -> dict[str, Any]:
    """Give the examples in JSON, by their names."""
    return {
        name: example["value"]
        for media_type, described in content.items()
        if is_json(media_type)
        for name, example in described.get("examples", {}).items()
    }


def _escape_json(value: Any) -> str:
    """Write a value as JSON that is safe between tags."""
    return html.escape(write_json(value))


def _draw_code(name: str, title: str, code: str) -> str:
    return (
        f'<div class="block"><p class="dim">{title}</p>'
        f'<button type="button" data-copies="{name}" aria-label="Copy: {title}" hidden>Copy</button>'
        f'<pre id="{name}" tabindex="0">{code}</pre></div>'
    )
