"""``{name}`` and ``$name`` in what is typed after a magic: filled in with the notebook's variables, as IPython does.

IPython fills in the whole line at once, before it is split: a value with a space would become two words, and one with a
quote would break the line. Here each word is filled in after the line was split, so that a value is never read again.
"""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Any

from vessl_nb.errors import InvalidArgument
from vessl_nb.notebook.expressions import run_expression

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType

_NAME = r"[^\W\d]\w*"

LONE = re.compile(rf"\{{\s*{_NAME}\s*\}}|\${_NAME}")
"""A word that is one variable in braces, or behind a dollar, and nothing else."""

# Braces outside of quotes that hold no dictionary: spaces and quotes inside belong to their expression.
_BRACES = r"""\{\s*[^\s{}'"\\](?:[^{}'"\\]|'[^'{}\\]*'|"[^"{}\\]*")*\}"""

WORD = re.compile(rf"""(?:{_BRACES}|\\.|'[^']*'|"(?:\\.|[^"\\])*"|[^\s'"\\])+""")
"""A word as a POSIX shell sees it, its quotes included; braces hold one together as well."""

_PIECE = re.compile(
    rf"""(?P<braces>{_BRACES})|\\(?P<escaped>.)|'(?P<single>[^']*)'|"(?P<double>(?:\\.|[^"\\])*)"|(?P<plain>[^'"\\])"""
)
_DOLLAR = re.compile(rf"\$(?:\$|(?P<name>{_NAME}(?:\.{_NAME})*))")
_CONVERTED = re.compile(r"(?P<expression>.+)!(?P<conversion>[rsa])", re.DOTALL)
_CONVERSIONS: dict[str, Callable[[Any], str]] = {"r": repr, "s": str, "a": ascii}
_FORMAT = re.compile(r"(?:.?[<>=^])?[-+]?#?0?\d*[,_]?(?:\.\d+)?[bcdeEfFgGnosxX%]?")


def unquote(word: str) -> str:
    """Take the quotes off a word; a dollar that they make plain, as single quotes do, is doubled in what remains."""
    pieces = []
    for match in _PIECE.finditer(word):
        kind = match.lastgroup or ""
        text = match[kind]
        if kind in {"escaped", "single"}:
            text = text.replace("$", "$$")
        elif kind == "double":
            text = re.sub(r'\\(["\\])', r"\1", text)
        pieces.append(text)
    return "".join(pieces)


def plain(text: str) -> str:
    """Give what `unquote` returned as it is, with nothing filled in."""
    return text.replace("$$", "$")


def fill(text: str, shown: str, variables: dict[str, Any]) -> str:
    """Fill in the variables and expressions of a text; doubled braces and dollars stand for single ones.

    Braces that hold no expression, such as those of JSON, stay as they are.

    Parameters
    ----------
    text
        What `unquote` returned.
    shown
        How errors show it.
    variables
        The notebook's.

    Raises
    ------
    InvalidArgument
        There is no such variable, the expression raised, or it has a format after it, which IPython does not know
        there: the text would be registered as it stands, for good.
    """
    parts, place = [], 0
    while place < len(text):
        if text.startswith(("{{", "}}"), place):
            parts.append(text[place])
            place += 2
        elif end := _closing(text, place):
            parts.append(_filled(plain(text[place:end]), shown, variables))
            place = end
        elif dollar := _DOLLAR.match(text, place):
            name = dollar["name"]
            parts.append(str(_value(name, name, shown, variables)) if name else "$")
            place = dollar.end()
        else:
            parts.append(text[place])
            place += 1
    return "".join(parts)


def _closing(text: str, place: int) -> int:
    """Give the place behind the brace that closes the one here; 0 where none opens here, or none closes it."""
    depth = 0
    for at in range(place, len(text)) if text[place] == "{" else ():
        depth += {"{": 1, "}": -1}.get(text[at], 0)
        if depth == 0:
            return at + 1
    return 0


def _filled(braces: str, shown: str, variables: dict[str, Any]) -> str:
    inside = braces[1:-1].strip()
    converted = _CONVERTED.fullmatch(inside)
    if _compiled(inside):
        return format(_value(inside, inside, shown, variables), "")
    if converted and _compiled(converted["expression"]):
        value = _value(converted["expression"], inside, shown, variables)
        return _CONVERSIONS[converted["conversion"]](value)
    if expression := _formatted(inside):
        raise InvalidArgument(
            f"{shown}: braces take an expression, and no format after it.",
            f"Write it as an expression: {{round({expression}, 3)}}, say.",
        )
    return braces


def _value(expression: str, inside: str, shown: str, variables: dict[str, Any]) -> Any:
    code = _compiled(expression)
    assert code is not None  # noqa: S101  # it was looked at
    return run_expression(
        code,
        shown,
        variables,
        lambda name: f"Define it in a cell first; to say it as it is, write {{{{{inside}}}}} or '${name}'.",
    )


def _compiled(expression: str) -> CodeType | None:
    try:
        return compile(expression.strip(), "<braces>", "eval")
    except (SyntaxError, ValueError):
        return None


def _formatted(inside: str) -> str:
    """Give the expression that a format follows; nothing where it is none: JSON has colons, too, behind its keys."""
    for colon in re.finditer(":", inside):
        expression, spec = inside[: colon.start()], inside[colon.end() :]
        if spec and _FORMAT.fullmatch(spec) and _compiled(expression):
            is_key = isinstance(ast.parse(expression.strip(), mode="eval").body, ast.Constant)
            return "" if is_key else expression
    return ""
