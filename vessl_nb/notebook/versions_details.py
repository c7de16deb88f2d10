"""What a versions table opens below itself: one version in full, or two of them compared."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec

from vessl_nb.faces.html import code, dim, escape, extended, facts_table, page
from vessl_nb.faces.version import version_html
from vessl_nb.faces.words import counted, minute_words, one_line, size_words, tag_words
from vessl_nb.notebook.versions_source import difference_html, source_html
from vessl_nb.values.secrets import mask_secrets

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from vessl_nb.faces.version import VersionFace
    from vessl_nb.notebook.versions_history import Event
    from vessl_nb.registry.version import Version

_PACKAGE = re.compile(r"[\w.-]+")
_MOST_EVENTS = 30
_MOST_EXAMPLES = 3
_MOST_CHARACTERS = 1_500
_MOST_CHANGES = 40


def details_html(version: Version, events: Sequence[Event]) -> str:
    """Draw a version in full: its report, its source, its examples and its history.

    Parameters
    ----------
    version
        The version.
    events
        What happened to it, newest first.

    Returns
    -------
    str
        HTML with its style; no secret is in it, and no script.
    """
    face = version.face()
    lines = len(face.source.rstrip().splitlines())
    parts = [
        _folded(f"runner.py, {counted(lines, 'line')}", source_html(face.source)) if face.source.strip() else "",
        _folded(counted(face.examples, "example"), _examples_html(version.examples)) if face.examples else "",
        _folded(f"History, {counted(len(events), 'event')}", _events_html(events)),
    ]
    return extended(version_html(replace(face, source="")), "".join(parts))


def comparison_html(one: Version, two: Version) -> str:
    """Draw what differs between two versions: tags, requirements, captures, sizes, and `runner.py` line by line.

    Parameters
    ----------
    one, two
        The versions; the older one first reads best.

    Returns
    -------
    str
        HTML with its style; what is the same is said in one line.
    """
    a, b = one.face(), two.face()
    source = difference_html(a.source, b.source, (a.reference, b.reference))
    facts = [*_facts(a, b), ("runner.py", "line by line, below" if source else "")]
    same = ", ".join(title for title, html in facts if not html)
    caption = f"<strong>{escape(a.reference)}</strong> {dim('compared with')} <strong>{escape(b.reference)}</strong>"
    table = facts_table(caption, facts)  # which leaves out those that are the same
    alike = f'<p class="vnb-more">{dim(f"The same in both: {same}.")}</p>' if same else ""
    return page(f"{table}{source}{alike}")


def _facts(a: VersionFace, b: VersionFace) -> list[tuple[str, str]]:
    """Write each fact that differs as HTML; empty where it is the same."""
    return [
        ("Runner", _change(a.runner, b.runner)),
        ("Model", _change(a.model, b.model)),
        ("Size", _change(size_words(a.size), size_words(b.size))),
        ("Tags", _changes(a.tags, b.tags)),
        ("Requirements", _changes(_packages(a), _packages(b))),
        ("Captures", _changes(_captures(a), _captures(b))),
        ("Files", _changes(_sizes(a.artifacts), _sizes(b.artifacts))),
        ("Modules", _changes(_sizes(a.modules), _sizes(b.modules))),
        ("Signature", _changes(dict(a.signature), dict(b.signature))),
        ("Environment", _changes(dict.fromkeys(a.env, "needed"), dict.fromkeys(b.env, "needed"))),
        ("Python", _change(a.python, b.python)),
        ("Check", _change(_check(a), _check(b))),
        ("Description", _change(one_line(a.description, 400), one_line(b.description, 400))),
    ]


def _check(face: VersionFace) -> str:
    return "not checked" if face.check is None else "passed" if face.check.passed else "failed"


def _packages(face: VersionFace) -> dict[str, str]:
    """Take requirements apart into a package's name and what is asked of it."""
    named = ((line, _PACKAGE.match(line)) for line, _ in face.requirements)
    return {name[0] if name else line: (name and line[name.end() :]) or "any version" for line, name in named}


def _captures(face: VersionFace) -> dict[str, str]:
    return {
        capture.name: f"{capture.type.rpartition('.')[2]}, {size_words(capture.size)}" if capture.size else capture.type
        for capture in face.captures
    }


def _sizes(files: Iterable[tuple[str, int]]) -> dict[str, str]:
    return {path: size_words(size) for path, size in files}


def _change(before: str, after: str) -> str:
    if before == after:
        return ""
    return " → ".join(code(one_line(text, 200)) if text else dim("none") for text in (before, after))


def _changes(before: Mapping[str, object], after: Mapping[str, object]) -> str:
    """Write a line for each name whose value differs, was added, or is there no more."""
    lines = []
    for name in dict.fromkeys([*before, *after]):
        title = escape(one_line(name, 80))
        if name not in after:
            lines.append(f"{title}: {dim('only in the first:')} {_value(before[name])}")
        elif name not in before:
            lines.append(f"{title}: {dim('only in the second:')} {_value(after[name])}")
        elif before[name] != after[name]:
            moved = _moved(before[name], after[name])
            lines.append(f"{title}: {_value(before[name])} → {_value(after[name])}{moved}")
    more = [dim(f"… and {len(lines) - _MOST_CHANGES:,} more")] if len(lines) > _MOST_CHANGES else []
    return "<br>".join([*lines[:_MOST_CHANGES], *more])


def _moved(before: object, after: object) -> str:
    numbers = [value for value in (before, after) if isinstance(value, int | float) and not isinstance(value, bool)]
    if len(numbers) < 2:  # noqa: PLR2004  # of both
        return ""
    return " " + dim(
        f"({'up' if numbers[1] > numbers[0] else 'down'} by {tag_words(abs(float(numbers[1] - numbers[0])))})"
    )


def _value(value: object) -> str:
    return code(tag_words(value) if not isinstance(value, str) else one_line(value, 120))


def _examples_html(examples: Sequence[dict[str, Any]]) -> str:
    shown = [
        f'<p class="vnb-given">{side} of example {place}</p>'
        f'<pre class="vnb-pre vnb-fold" tabindex="0">{_json(example[side])}</pre>'
        for place, example in enumerate(examples[:_MOST_EXAMPLES], 1)
        for side in ("input", "output")
    ]
    rest = len(examples) - _MOST_EXAMPLES
    return "".join(shown) + (dim(f"… and {counted(rest, 'more example')}") if rest > 0 else "")


def _json(value: object) -> str:
    text = mask_secrets(msgspec.json.encode(value).decode())
    return escape(text if len(text) <= _MOST_CHARACTERS else f"{text[:_MOST_CHARACTERS]}…")


def _events_html(events: Sequence[Event]) -> str:
    lines = [
        f"<li><span>{minute_words(event.time)} UTC</span><span>{escape(one_line(event.words, 160))}</span>"
        f"<span>{dim(one_line(event.user, 40))}</span></li>"
        for event in events[:_MOST_EVENTS]
    ]
    rest = len(events) - _MOST_EVENTS
    return f'<ul class="vnb-history">{"".join(lines)}</ul>' + (dim(f"… and {rest:,} older") if rest > 0 else "")


def _folded(summary: str, body: str) -> str:
    return f'<details class="vnb-source"><summary>{escape(summary)}</summary>{body}</details>'
