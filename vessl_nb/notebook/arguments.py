"""What is typed after a magic, taken apart."""

from __future__ import annotations

import json
import math
import re
import shlex
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError

from vessl_nb.errors import InvalidArgument, nearest
from vessl_nb.notebook.braces import LONE, WORD, fill, plain, unquote
from vessl_nb.notebook.expressions import QUOTE_IT
from vessl_nb.registry.names import parse_reference

if TYPE_CHECKING:
    from argparse import Action, Namespace
    from collections.abc import Mapping, Sequence

    from IPython.core.magic_arguments import MagicArgumentParser

    from vessl_nb.registry.names import Reference

_EXPRESSIONS = {"artifacts", "model", "runner", "sample"}
"""Arguments that are evaluated in the notebook: what stands in their braces is Python's matter."""

_SIGNED_EXPONENT = re.compile(r".+[eE][+-]\d+")


def parse_line(parser: MagicArgumentParser, line: str, variables: dict[str, Any]) -> Namespace:
    """Split a magic's line as a POSIX shell does, fill in its variables, and hold it against the magic's options.

    Errors show the line as it was typed: what is filled in may be a secret.

    Parameters
    ----------
    parser
        The magic's.
    line
        What was typed.
    variables
        The notebook's.

    Raises
    ------
    InvalidArgument
        A quote is not closed, an option is not known, something is missing or too much, or cannot be filled in.
    """
    try:
        shlex.split(line)
    except ValueError as error:
        step = "Close the quote." if "quotation" in str(error) else "Take the backslash at its end away."
        raise InvalidArgument(f"{error} in: {line}", step) from None
    words, typed = _filled_words(parser, line, variables)
    arguments: Namespace
    try:
        arguments, unknown = parser.parse_known_args(words)
    except UsageError as error:
        what = str(error)
        for value, shown in typed.items():
            what = what.replace(repr(value), repr(shown))
        raise InvalidArgument(f"%{parser.prog}: {what}", f"%{parser.prog}? shows what it takes.") from None
    if unknown:
        raise _unknown(parser, [typed.get(word, word) for word in unknown])
    return arguments


def _filled_words(
    parser: MagicArgumentParser, line: str, variables: dict[str, Any]
) -> tuple[list[str], dict[str, str]]:
    """Split a line, and fill in each word; gives the words, and how those that were filled in had been typed."""
    words: list[str] = []
    typed: dict[str, str] = {}
    awaiting: Action | None = None
    for raw in WORD.findall(line):
        text = unquote(raw)
        option, value = (awaiting, text) if awaiting and not text.startswith("-") else _option_in(parser, text)
        if option is not None and value is not None:
            is_expression = option.dest in _EXPRESSIONS and not LONE.fullmatch(value)
            filled = plain(value) if is_expression else fill(value, plain(text), variables)
            typed[filled] = plain(value)
            if option is awaiting:
                words.pop()
            # In one word with its option, a value may begin with a dash.
            words.append(f"{option.option_strings[0]}={filled}")
            awaiting = None
            continue
        awaiting = option
        if text.startswith("-"):
            words.append(plain(text))
            continue
        filled = fill(text, plain(text), variables)
        if LONE.fullmatch(raw) and filled.startswith("-"):
            words += shlex.split(filled)  # a variable that holds options, several words
        else:
            typed[filled] = plain(text)
            words.append(filled)
    return words, typed


def _option_in(parser: MagicArgumentParser, word: str) -> tuple[Action | None, str | None]:
    """Find the option that a word names, where it is one that takes a value, and the value that it brings along."""
    takers = [action for action in parser._actions if action.option_strings and action.nargs != 0]  # noqa: SLF001  # argparse has no public way
    names = {name: action for action in takers for name in action.option_strings}
    if word.startswith("--"):
        begun, equals, value = word.partition("=")
        known = [begun] if begun in names else [name for name in names if name.startswith(begun) and begun != "--"]
        return (names[known[0]], value if equals else None) if len(known) == 1 else (None, None)
    short = names.get(word[:2]) if word.startswith("-") else None
    return short, word[2:].removeprefix("=") or None


def _unknown(parser: MagicArgumentParser, words: Sequence[str]) -> InvalidArgument:
    """Say which word of the line is one too many, and what was probably meant."""
    option = next((word.partition("=")[0] for word in words if word.startswith("-")), "")
    if option:
        known = [name for action in parser._actions for name in action.option_strings if name.startswith("--")]  # noqa: SLF001  # no public way
        return InvalidArgument(
            f"%{parser.prog} has no option {option!r}.",
            nearest(option, known) or f"It has: {', '.join(known) or 'none'}.",
        )
    is_expression = any(mark in word for word in words for mark in "{}[]():,=")
    step = QUOTE_IT if is_expression else f"%{parser.prog}? shows what it takes."
    return InvalidArgument(f"%{parser.prog} does not take {' '.join(words)!r}.", step)


def parse_tags(pairs: Sequence[str] | None) -> dict[str, Any]:
    """Read tags such as ``accuracy=0.97``: a JSON scalar where the value is one, else text.

    A number is one that Python would write just so, or with a sign before its exponent: ``0.97``, ``1e-3``. A version
    such as ``1.10`` and a commit such as ``12e3`` would be another one as numbers.

    Raises
    ------
    InvalidArgument
        There is no ``=``.
    """
    tags: dict[str, Any] = {}
    for pair in pairs or ():
        name, equals, text = pair.partition("=")
        if not equals:
            raise InvalidArgument(f"--tag {pair} has no value.", f"Write it as --tag {pair}=VALUE.")
        tags[name] = _scalar(text)
    return tags


def _scalar(text: str) -> str | int | float | bool | None:
    try:
        value: Any = json.loads(text)
    except ValueError:
        return text
    if isinstance(value, dict | list):
        return text
    if isinstance(value, bool | str | None):
        return value
    is_scientific = math.isfinite(value) and _SIGNED_EXPONENT.fullmatch(text)
    number: int | float = value
    return number if repr(number) == text or is_scientific else text


def parse_target(text: str) -> Reference:
    """Read where a new version goes: ``iris``, ``iris:3``, ``org/iris``.

    Raises
    ------
    InvalidReference
        It cannot be read.
    InvalidArgument
        It names a version that exists, by an alias or a revision.
    """
    target = parse_reference(text)
    if target.alias is not None or target.revision is not None:
        raise InvalidArgument(
            f"{text!r} names a version that exists.",
            f"Register a new one in {target.repository!r}, or overwrite a number: '{target.repository}:3'.",
        )
    return target


def choose(what: str, option: str, named: str | None, candidates: Mapping[str, Any], none_step: str) -> str:
    """Choose a variable of the notebook: the one that was named, or the only candidate.

    Parameters
    ----------
    what
        What is wanted, such as ``runner``.
    option
        How it is named on the line, such as ``--runner``.
    named
        What was named; None where nothing was.
    candidates
        The variables that would do, by name.
    none_step
        What to do where there is none.

    Raises
    ------
    InvalidArgument
        There is no candidate, or there are several: they are listed.
    """
    if named is not None:
        return named
    if not candidates:
        raise InvalidArgument(f"This notebook has no {what}.", none_step)
    if len(candidates) > 1:
        raise InvalidArgument(
            f"This notebook has several candidates for the {what}: {', '.join(candidates)}.",
            f"Say which: {option} {next(iter(candidates))}",
        )
    return next(iter(candidates))
