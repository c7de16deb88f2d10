"""Examples as a person copies them: JSON laid out to be read, and calls by curl and from Python."""

from __future__ import annotations

import json
import shlex
import textwrap
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

URL = "http://HOST:PORT/predict"
"""What stands for the address in a call; the page puts the one there that it was itself loaded from."""

_WIDTH = 60
_LONGEST = 1500  # of an example in a command
_FILES = {"image/png": "image.png", "image/jpeg": "image.jpg", "application/json": "input.json"}


def write_json(value: Any) -> str:
    """Lay out a value as JSON: on one line where it fits, numbers side by side."""
    return _lay_out(value, _json_line, 0)


def write_curl(media_type: str, example: Any, *, has_token: bool, answer_file: str = "") -> str:
    """Write a call with curl.

    Parameters
    ----------
    media_type
        What is sent; a range such as ``image/*`` stands for one of it.
    example
        What is sent where it is JSON and short; None otherwise, and it comes from a file.
    has_token
        Whether a token is needed; it is taken from the variable ``TOKEN``.
    answer_file
        Where the answer goes; empty where it is shown.
    """
    media_type = _one_of(media_type)
    short = "" if example is None else _json_line(example)
    is_short = 0 < len(short) <= _LONGEST
    lines = [f"curl '{URL}'", f"-H 'content-type: {media_type}'"]
    lines += ['-H "authorization: Bearer $TOKEN"'] if has_token else []
    lines += [f"-d {_quoted(short)}" if is_short else f"--data-binary @{_file_of(media_type)}"]
    lines += [f"-o {answer_file}"] if answer_file else []
    return " \\\n  ".join(lines)


def write_python(media_type: str, example: Any, *, has_token: bool, answer_file: str = "") -> str:
    """Write a call from Python, with httpx; the parameters are those of `write_curl`."""
    media_type = _one_of(media_type)
    is_short = example is not None and len(_json_line(example)) <= _LONGEST
    headers = [] if is_short else [f'"content-type": "{media_type}"']
    headers += ['"authorization": f"Bearer {os.environ[\'TOKEN\']}"'] if has_token else []
    arguments = [f'"{URL}"']
    arguments += (
        [f"json={_lay_out(example, repr, 4)}"] if is_short else [f'content=Path("{_file_of(media_type)}").read_bytes()']
    )
    arguments += [f"headers={{{', '.join(headers)}}}"] if headers else []
    arguments += ["timeout=60"]
    is_with_files = not is_short or answer_file
    imports = [*(["import os"] if has_token else []), *(["from pathlib import Path"] if is_with_files else [])]
    after = f'answer.raise_for_status()\nPath("{answer_file}").write_bytes(answer.content)'
    return "\n".join(
        [
            *imports,
            *([""] if imports else []),
            "import httpx",
            "",
            "answer = httpx.post(",
            *(f"    {argument}," for argument in arguments),
            ")",
            after if answer_file else "print(answer.status_code, answer.json())",
        ]
    )


def _lay_out(value: Any, write: Callable[[Any], str], margin: int) -> str:
    line = write(value)
    if len(line) + margin <= _WIDTH or not isinstance(value, dict | list) or not value:
        return line
    start, end = "\n" + " " * (margin + 2), "\n" + " " * margin
    if isinstance(value, dict):
        parts = [f"{write(key)}: {_lay_out(item, write, margin + 2)}" for key, item in value.items()]
        return f"{{{start}{f',{start}'.join(parts)}{end}}}"
    if any(isinstance(item, dict | list | str) for item in value):
        return f"[{start}{f',{start}'.join(_lay_out(item, write, margin + 2) for item in value)}{end}]"
    numbers = textwrap.wrap(", ".join(map(write, value)), max(_WIDTH - margin, 20), break_long_words=False)
    return f"[{start}{start.join(numbers)}{end}]"


def _json_line(value: Any) -> str:
    line = json.dumps(value, ensure_ascii=False)
    if line.isprintable():
        return line
    # What cannot be seen, or changes how what follows is read, is better written out.
    return "".join(one if one.isprintable() else json.dumps(one)[1:-1] for one in line)


def _quoted(text: str) -> str:
    quoted = shlex.quote(text)
    return quoted if quoted.startswith("'") else f"'{quoted}'"


def _one_of(media_type: str) -> str:
    return {"image/*": "image/png", "*/*": "application/octet-stream"}.get(media_type, media_type)


def _file_of(media_type: str) -> str:
    return _FILES.get(media_type, "input.bin")
