"""How a next step is written where the user types: in Python, on a magic's line, or in the shell.

Most errors and remarks are made deep inside, by code that knows arguments by the names they have in Python. Whoever was
called by a person says in which skin that was, with `spoken_in`, and what is said meanwhile is spelled for it.
"""

from __future__ import annotations

import json
import shlex
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

FORM = "the form"
"""The skin of the register form."""

_SHELL = "vessl-nb"
_REGISTERS = "%vessl_register"
_SKIN: ContextVar[str] = ContextVar("vessl_nb_skin", default="")

_OPTIONS = {
    "artifacts": ("--artifacts", "EXPR", "{...}"),
    "check": ("--no-check", "", ""),
    "env": ("--env", "NAME", "[...]"),
    "requirements": ("--requirement", "LINE", "[...]"),
    "sample": ("--sample", "EXPR", "..."),
}
"""The arguments of `register_model` that next steps speak of: the option, what it takes, and what stands for that."""

_FIELDS = {
    "artifacts": "Artifacts",
    "check": 'no tick at "Try the samples in a clean process first"',
    "env": "Environment",
    "requirements": "Requirements",
    "sample": "Samples",
}
"""What they are called in the form."""


@contextmanager
def spoken_in(skin: str) -> Iterator[None]:
    """Say in which skin the user is, for as long as the block lasts.

    Parameters
    ----------
    skin
        A magic, such as ``%vessl_register``; ``vessl-nb`` for the shell; `FORM`; nothing for Python.
    """
    token = _SKIN.set(skin)
    try:
        yield
    finally:
        _SKIN.reset(token)


def spell(argument: str, value: Any = ...) -> str:
    """Write an argument of `register_model` as the user would type it.

    Parameters
    ----------
    argument
        Its name in Python, such as ``env``.
    value
        Its value: a list is given again and again on a line. Left out where it is for the user to say.

    Returns
    -------
    str
        In Python ``env=["API_KEY"]``, on the line of `%vessl_register` ``--env API_KEY``, in the form
        ``API_KEY in Environment``. Other magics and the shell cannot take it: there it is ``%vessl_register --env
        API_KEY``.
    """
    skin = _SKIN.get()
    option, metavar, left_out = _OPTIONS[argument]
    if not skin:
        return f"{argument}={left_out if value is ... else _in_python(value)}"
    if skin == FORM:
        return _in_form(argument, value)
    if not metavar:
        words = [option]
    elif value is ...:
        words = [f"{option} {metavar}"]
    else:
        texts = value if isinstance(value, list) else [json.dumps(value)]
        words = [f"{option} {shlex.quote(text)}" for text in texts]
    return " ".join(words if skin == _REGISTERS else [_REGISTERS, *words])


def choose_by_skin(python: str, magic: str, shell: str | None = None) -> str:
    """Choose what is to be said, where more than an argument is another in each skin.

    Parameters
    ----------
    python, magic
        What is said in each of them.
    shell
        What is said in the shell; what a magic says, if left out.
    """
    skin = _SKIN.get()
    if skin == _SHELL and shell is not None:
        return shell
    return magic if skin else python


def _in_form(argument: str, value: Any) -> str:
    field = _FIELDS[argument]
    if argument == "check" or value is ...:
        return field
    if isinstance(value, dict):
        return ", ".join(f"{source} as {target} in {field}" for source, target in value.items())
    return f"{', '.join(value)} in {field}"


def _in_python(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else repr(value)
