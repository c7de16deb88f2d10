"""What a panel shows of a server, as plain data: its state in words, facts, calls, and what its form asks for."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from vessl_nb.faces.words import minute_words, one_line
from vessl_nb.notebook.serve_sketch import sketch_of
from vessl_nb.serving.docs_examples import write_json
from vessl_nb.serving.media_types import is_json
from vessl_nb.serving.proxied import proxied_path
from vessl_nb.serving.shown import write_calls

if TYPE_CHECKING:
    from vessl_nb.serving.launch import Server
    from vessl_nb.serving.shown import Calling

MASK = "••••••••"
"""What stands for the token."""

_MOST_EXAMPLES = 8_000  # characters of all together: a widget's state travels with a saved notebook
_LONGEST_FACT = 500
_STATES = {"stopping": "Stopping: what it has accepted is answered first", "starting": "Starting"}


def describe_server(
    server: Server, metadata: dict[str, Any] | None, calling: Calling | None, doing: str
) -> dict[str, Any]:
    """Describe a server for its panel.

    Parameters
    ----------
    server
        The server.
    metadata
        What it says of itself; None where it is not asked.
    calling
        How it was called last; None where it never answered.
    doing
        ``stopping`` or ``starting``, where it is neither here nor there.

    Returns
    -------
    dict
        Without the token: ``state`` with its ``words``, ``reference``, ``version``, ``url``, ``proxied``, ``facts``
        (a title, words, whether something is wrong), ``calls``, whether there is a ``token``, and the ``form``, which
        is None where nothing answers.
    """
    shown: dict[str, Any] = {"reference": server.reference, "version": server.version, "token": bool(server.token)}
    if metadata is None or calling is None:
        words = _STATES.get(doing, "Stopped")
        state = {"state": doing or "stopped", "words": words, "url": "", "proxied": "", "facts": []}
        return shown | state | {"calls": {}, "form": None}
    version = metadata["version"]["reference"]
    answers = f"Answers, with {version}" if version != server.reference else "Answers"
    return shown | {
        "state": "answers",
        "words": answers,
        "version": version,
        "url": server.url,
        "proxied": proxied_path(server.url),
        "facts": _facts(metadata),
        "calls": write_calls(calling, MASK),
        "form": _form(calling),
    }


def _facts(metadata: dict[str, Any]) -> list[tuple[str, str, bool]]:
    following = metadata["following"]
    facts = []
    if following:
        words = f"{following['reference']}: when the alias moves, so does the server"
        if following["switched"]:
            words = f"{following['reference']}; it switched at {_moment(following['switched'])}"
        if problem := following["problem"]:
            words = f"{following['reference']} cannot be followed at the moment. {one_line(problem, _LONGEST_FACT)}"
        facts.append(("Follows", words, bool(problem)))
        if refused := following["refused"]:
            why = f"{refused['reference']} did not take over at {_moment(refused['at'])}. {refused['why']}"
            facts.append(("Refused", one_line(why, _LONGEST_FACT), True))
    if remark := metadata["server"]["remark"]:
        facts.append(("Remark", one_line(remark, _LONGEST_FACT), True))
    if restarts := metadata["server"]["restarts"]:
        facts.append(("Restarts", f"{restarts:,} of its workers ended and were replaced; the log says why", True))
    return facts


def _moment(text: str) -> str:
    return f"{minute_words(dt.datetime.fromisoformat(text))} UTC"


def _form(calling: Calling) -> dict[str, Any]:
    examples: list[str] = []
    room = _MOST_EXAMPLES
    for example in calling.examples:
        text = write_json(example)
        if len(text) <= room:
            room -= len(text)
            examples.append(text)
    left_out = calling.left_out + len(calling.examples) - len(examples)
    if not examples and (sketch := sketch_of(calling.input_schema)) is not None:
        text = write_json(sketch)
        examples = [text] if len(text) <= room else []
    return {
        "takes": calling.takes,
        "examples": examples,
        "leftOut": left_out,
        "json": any(map(is_json, calling.media_types)),
        "raw": [media_type for media_type in calling.media_types if not is_json(media_type)],
    }
