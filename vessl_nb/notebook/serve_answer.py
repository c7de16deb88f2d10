"""What a server answered, for the form that asked it: in words, as text to read, or as a picture."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import msgspec

from vessl_nb.faces.words import clean, duration_words, one_line, size_words
from vessl_nb.serving.docs_examples import write_json

if TYPE_CHECKING:
    from vessl_nb.serving.asking import Answered

MOST_SHOWN = 20_000
"""Characters of an answer that are shown."""

_MOST_KEPT = 5_000_000  # bytes that go to the front end, for a picture or to be saved
_PICTURES = {"image/png", "image/jpeg", "image/gif", "image/webp"}
_PROBLEM = "application/problem+json"


def describe_answer(answered: Answered) -> tuple[dict[str, Any], list[bytes]]:
    """Describe an answer.

    Parameters
    ----------
    answered
        What came.

    Returns
    -------
    dict
        ``status`` in words with the time, ``failed``, and what there is of ``text``, ``problem`` with its ``fields``,
        a ``note`` on a file, its ``kind``, and whether that is a ``picture``.
    list of bytes
        The file, where there is one.
    """
    try:
        phrase = HTTPStatus(answered.status).phrase
    except ValueError:
        phrase = ""
    status = [f"{answered.status} {phrase}".strip(), duration_words(answered.seconds)]
    status += [f"from {answered.version}"] if answered.version else []
    said: dict[str, Any] = {"status": ", ".join(status), "failed": answered.status >= HTTPStatus.BAD_REQUEST}
    kind = answered.content_type.partition(";")[0].strip().lower()
    if kind == _PROBLEM and (problem := _read(answered.body, dict[str, Any])) is not None:
        return said | _describe_problem(problem), []
    if kind == "application/json" or kind.startswith("text/"):
        value = _read(answered.body, Any) if kind == "application/json" else None
        text = answered.body.decode(errors="replace")
        # What is not laid out is not worth the time.
        is_short = len(text) <= MOST_SHOWN
        return said | _cut(write_json(value) if is_short and value is not None else text), []
    size = size_words(len(answered.body))
    words = {"note": f"{size} of {one_line(kind or 'an unknown kind', 80)}", "kind": kind}
    if len(answered.body) > _MOST_KEPT:
        return said | words | {"note": f"{words['note']}: too large to be shown here"}, []
    return said | words | {"picture": kind in _PICTURES}, [answered.body]


def _describe_problem(problem: dict[str, Any]) -> dict[str, Any]:
    fields = [
        [str(error.get("pointer", "")) or "the whole", str(error.get("detail", ""))]
        for error in problem.get("errors", [])
    ]
    # Where the fields are listed, the detail only says the first of them once more.
    words = f"{problem.get('title', '')}{'' if fields else ': ' + str(problem.get('detail', ''))}"
    if problem.get("id"):
        words += f" Its id is {problem['id']}."
    return {"problem": one_line(words, 1000), "fields": fields, "stage": problem.get("stage", "")}


def _cut(text: str) -> dict[str, Any]:
    shown = clean(text[:MOST_SHOWN])
    return {"text": shown if len(text) <= MOST_SHOWN else f"{shown}… and {len(text) - MOST_SHOWN:,} more characters"}


def _read(body: bytes, kind: Any) -> Any:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
