"""A server as it is shown where nothing is live: what it serves, where it is, and how it is called."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vessl_nb.faces.html import bad, code, escape, facts_table, page
from vessl_nb.faces.words import fact_lines, one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

_WIDTH = 240
_LONGEST_CALL = 4000
_WRONG = {"Refused", "Remark"}


@dataclass(frozen=True, slots=True)
class ServerFace:
    """A server.

    Attributes
    ----------
    reference
        What it was asked to serve, such as ``iris:champion``.
    version
        The version that answers, or answered last.
    url
        Its address; empty where it is stopped.
    proxied
        Its address behind the notebook's own server; empty where there is none.
    follows
        The alias that it follows; empty where it follows none.
    refused
        Why another version did not take over; empty where none was refused.
    remark
        What is wrong with its answers to the stored examples; empty where nothing is.
    takes
        What a client sends, in words; empty where nothing is known of it.
    has_token
        Whether a client must know a token; which one is said nowhere.
    calls
        How it is called: a title, such as ``curl``, and the code.
    """

    reference: str
    version: str
    url: str = ""
    proxied: str = ""
    follows: str = ""
    refused: str = ""
    remark: str = ""
    takes: str = ""
    has_token: bool = False
    calls: tuple[tuple[str, str], ...] = ()


def server_text(face: ServerFace) -> str:
    """Write the server as text: the same on every run, but for the port."""
    facts: list[tuple[str, Sequence[str]]] = [
        (title, [words]) for title, words in [("Address", _predict(face.url)), *_facts(face)] if words
    ]
    return "\n  ".join([_headline(face), *fact_lines(facts)])


def server_html(face: ServerFace) -> str:
    """Draw the server as HTML. It can be read when the server is long gone, and says so."""
    facts = [("Address", code(_predict(face.url)) if face.url else "")]
    facts += [(title, bad(words) if words and title in _WRONG else escape(words)) for title, words in _facts(face)]
    facts += [(title, f'<pre class="vnb-pre" tabindex="0">{_call(call)}</pre>') for title, call in face.calls]
    facts += [("Ends", escape("With its kernel, or by %vessl_stop; a saved page cannot tell whether it is there."))]
    return page(facts_table(f"<strong>{escape(_headline(face))}</strong>", facts))


def _headline(face: ServerFace) -> str:
    answers = f"answered by {face.version}" if face.url else "stopped"
    return f"{one_line(face.reference, _WIDTH)} {'served' if face.url else 'was served'}, {answers}"


def _predict(url: str) -> str:
    return f"{url}/predict" if url else ""


def _facts(face: ServerFace) -> list[tuple[str, str]]:
    return [
        ("On the hub", face.proxied and f"{face.proxied}predict"),
        ("Takes", one_line(face.takes, _WIDTH)),
        ("Token", "needed, as the header Authorization: Bearer TOKEN; .token has it" if face.has_token else ""),
        ("Follows", face.follows and f"the alias: when {one_line(face.follows, _WIDTH)} moves, so does the server"),
        ("Refused", one_line(face.refused, 2 * _WIDTH)),
        ("Remark", one_line(face.remark, 2 * _WIDTH)),
    ]


def _call(call: str) -> str:
    return escape(call if len(call) <= _LONGEST_CALL else call[: _LONGEST_CALL - 1] + "…")
