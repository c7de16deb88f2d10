"""The page that a person reads at /docs: what a version takes and answers, how to call it, and a form to try it.

It is one file that asks nothing of the network but what its form sends. All of it is written here out of the OpenAPI
document, and escaped; its script only fills in the address, and sends.
"""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

from vessl_nb.faces.html import escape
from vessl_nb.faces.words import one_line, tag_list
from vessl_nb.serving.docs_calling import draw_calls, draw_entries, draw_examples
from vessl_nb.serving.docs_fields import list_fields
from vessl_nb.serving.media_types import is_json

if TYPE_CHECKING:
    from collections.abc import Iterable

_STATIC = Path(__file__).parent / "static"
_PAGE = Template((_STATIC / "docs.html").read_text(encoding="utf-8"))
_STYLE = (_STATIC / "docs.css").read_text(encoding="utf-8")
_SCRIPT = (_STATIC / "docs.js").read_text(encoding="utf-8")
_LONGEST_NAME = 120


def docs_page(openapi: dict[str, Any]) -> bytes:
    """Write the page.

    Parameters
    ----------
    openapi
        The version's OpenAPI document, as `openapi_of` writes it.

    Returns
    -------
    bytes
        HTML in UTF-8; to be sent with `docs_headers`.
    """
    predict = openapi["paths"]["/predict"]["post"]
    schemas = openapi["components"]["schemas"]
    taken = predict["requestBody"]["content"]
    given = predict["responses"]["200"]["content"]
    has_token = "security" in predict
    return _PAGE.substitute(
        title=escape(one_line(openapi["info"]["title"], _LONGEST_NAME)),
        style=_STYLE,
        script=_SCRIPT,
        about=_draw_about(openapi["info"]),
        takes=_draw_body("Input", schemas, taken, with_required=True),
        answers=_draw_body("Output", schemas, given, with_required="x-inferred" not in schemas["Output"]),
        examples=draw_examples(taken, given),
        entries=draw_entries(taken, has_token=has_token),
        calls=draw_calls(taken, given, has_token=has_token),
        refusals=_draw_refusals(predict["responses"]),
        others=_draw_others(openapi["paths"]),
    ).encode()


def docs_headers() -> dict[str, str]:
    """Give the headers to send the page with: a browser then runs its script and no other, wherever it came from."""
    script, style = (base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (_SCRIPT, _STYLE))
    policy = {
        "default-src": "'none'",
        "script-src": f"'sha256-{script}'",
        "style-src": f"'sha256-{style}'",
        "img-src": "data: blob:",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'self'",
    }
    return {
        "content-security-policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "cache-control": "no-store",
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
    }


def _draw_about(info: dict[str, Any]) -> str:
    description = f'<p class="description">{escape(info["description"])}</p>' if "description" in info else ""
    tags = " ".join(f'<span class="chip">{escape(tag)}</span>' for tag in tag_list(info["x-tags"]))
    runner = escape(one_line(info["x-runner"], _LONGEST_NAME))
    alias = escape(one_line(info.get("x-follows", ""), _LONGEST_NAME))
    follows = f"; the server follows {alias}, and answers with another version when that moves" if alias else ""
    return f'{description}<p>{tags} <span class="dim">answered by {runner}{follows}</span></p>'


def _draw_body(name: str, schemas: dict[str, Any], content: dict[str, Any], *, with_required: bool) -> str:
    types = ", ".join(f"<code>{escape(media_type)}</code>" for media_type in content)
    description = schemas[name].get("description", "") if schemas[name].get("x-inferred") else ""
    words = f'<p class="dim">As {types}. {escape(description)}</p>'
    if not any(map(is_json, content)):
        return words
    fields, has_more = list_fields(name, schemas)
    head = ("Name", "Type", *(["Required"] if with_required else []))
    rows = []
    for field in fields:
        # What is said of the whole schema stands above the table already.
        note = f"<small>{escape(field.note)}</small>" if field.note and field.note != description else ""
        named = f"<code>{escape(one_line(field.name, _LONGEST_NAME))}</code>" if field.name else "the body"
        cells = [f"{escape(field.type)}{note}", *(["yes" if field.is_required else "no"] if with_required else [])]
        rows.append((named, cells))
    more = '<p class="dim">… and more: <a class="address" href="openapi.json">openapi.json</a></p>' if has_more else ""
    return words + _draw_table(head, rows, "fields") + more


def _draw_table(head: Iterable[str], rows: Iterable[tuple[str, Iterable[str]]], kind: str) -> str:
    titles = "".join(f'<th scope="col">{title}</th>' for title in head)
    lines = "".join(
        f'<tr><th scope="row">{first}</th>{"".join(f"<td>{cell}</td>" for cell in rest)}</tr>' for first, rest in rows
    )
    return f'<table class="{kind}"><thead><tr>{titles}</tr></thead><tbody>{lines}</tbody></table>'


def _draw_refusals(responses: dict[str, Any]) -> str:
    rows = [
        (status, [_with_code(response["description"])]) for status, response in responses.items() if status != "200"
    ]
    return _draw_table(("Status", "Why"), rows, "short")


def _draw_others(paths: dict[str, Any]) -> str:
    rows = [
        (
            f'<a class="address" href="{escape(path.lstrip("/"))}">{escape(path)}</a>',
            [escape(methods["get"]["summary"])],
        )
        for path, methods in paths.items()
        if "get" in methods and path != "/docs"
    ]
    return _draw_table(("GET", "What it gives"), rows, "short")


def _with_code(text: str) -> str:
    """Draw words between backticks as code."""
    return "".join(f"<code>{part}</code>" if place % 2 else part for place, part in enumerate(escape(text).split("`")))
