"""Secrets among what a runner takes along: by what they are called, and by the forms that providers give them."""

from __future__ import annotations

import functools
import json
import re
import types
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from vessl_nb.values.secret_signs import (
    FORMS,
    SIGNS,
    is_placeholder,
    known_form,
    looks_random,
    may_be_secret,
    secret_word,
    words_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_T = TypeVar("_T")

_MASK = "***"
_SIGN = re.compile("|".join(map(re.escape, SIGNS)))
_DEEPEST = 3
_MOST_ITEMS = 200
_LONGEST = 1 << 16
"""How much of a text is looked through for known forms: a vocabulary of megabytes holds none."""

_NO_HOLDERS = (type, types.ModuleType, types.FunctionType, types.BuiltinFunctionType, types.MethodType)


def secret_reason(name: str, value: Any) -> str:
    """Say why a captured name or its value looks like a secret.

    Parameters
    ----------
    name
        Its name.
    value
        Its value. Texts, bytes and what holds them are looked at, three levels deep; of other kinds only a number
        may be a secret, as a password.

    Returns
    -------
    str
        Such as ``its name says token``, ``its value looks like a GitHub token``, or, for what is inside of the
        value, ``config["api_key"]: its name says api key``; empty where nothing looks like one.
    """
    for path, own_name, leaf in _leaves(name, value):
        if reason := _reason(own_name, leaf):
            return reason if path == name else f"{path}: {reason}"
    said = secret_word(name)
    is_full = not isinstance(value, str | bytes | bytearray) and any(
        isinstance(leaf, str | bytes | bytearray) and not is_placeholder(_text_of(leaf))
        for _, _, leaf in _leaves(name, value)
    )
    return f"its name says {said}" if said and is_full else ""


def mask_secrets(text: str) -> str:
    """Replace by ``***`` what looks like a secret in a text, such as a source that is to be shown.

    Parameters
    ----------
    text
        Any text; where it is Python, texts that are given to suspicious names are masked as well.

    Returns
    -------
    str
        The text; masking it again changes nothing.
    """
    while _SIGN.search(text):
        masked = text
        for form in FORMS.values():
            masked = form.sub(_mask_form, masked)
        masked = _mask_assigned(masked)
        if masked == text:
            return masked
        text = masked
    return text


def mask_named(values: Mapping[str, _T]) -> dict[str, _T | str]:
    """Mask what looks like a secret among values that have names, such as tags: by itself, or by its name.

    Parameters
    ----------
    values
        Texts, numbers and the like, by name.

    Returns
    -------
    dict
        The same, with ``***`` in place of secrets.
    """
    return {
        # A number is none, unless its name says so: a table has thousands of them.
        _mask_name(name): value
        if isinstance(value, int | float) and not _is_suspicious(name)
        else _mask_value(name, value)
        for name, value in values.items()
    }


def _mask_value(name: str, value: _T) -> _T | str:
    if _is_suspicious(name) and secret_reason(name, value):
        return _MASK
    return mask_secrets(value) if isinstance(value, str) else value


_mask_name = functools.lru_cache(maxsize=1024)(mask_secrets)  # versions of a model have the same tags


@functools.lru_cache(maxsize=1024)
def _is_suspicious(name: str) -> bool:
    return bool(secret_word(name)) or may_be_secret(name)


def _leaves(name: str, value: Any) -> Iterator[tuple[str, str, Any]]:
    """Walk a value's texts and numbers: the way to each, its own name, and itself."""
    waiting = [(name, name, value, 0)]
    for _ in range(_MOST_ITEMS):
        if not waiting:
            return
        path, own_name, current, depth = waiting.pop(0)
        if current is None or isinstance(current, str | bytes | bytearray | int | float):
            yield path, own_name, current
        elif depth < _DEEPEST:
            waiting += [(path + step, inner, child, depth + 1) for step, inner, child in _children(own_name, current)]


def _children(name: str, value: Any) -> list[tuple[str, str, Any]]:
    """List what a container or a plain object holds: the step to each, its name, and itself; the first of many."""
    if isinstance(value, dict):
        items = islice(dict.items(value), _MOST_ITEMS)
        return [(f"[{_write(key)}]", key if isinstance(key, str) else name, child) for key, child in items]
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return [(f".{key}", str(key), child) for key, child in zip(value._fields, value, strict=False)]
    if isinstance(value, list | tuple | set | frozenset):
        # What is in a list has no name; a suspicious one of the list itself is seen to in the end.
        first = enumerate(islice(value, _MOST_ITEMS))
        return [(f"[{index}]" if isinstance(value, list | tuple) else "", "", child) for index, child in first]
    return [] if isinstance(value, _NO_HOLDERS) else [(f".{key}", key, child) for key, child in _attributes_of(value)]


def _attributes_of(value: Any) -> list[tuple[str, Any]]:
    try:
        attributes = object.__getattribute__(value, "__dict__")
    except Exception:  # noqa: BLE001  # a class may have a __dict__ of its own making
        return []
    items = islice(attributes.items(), _MOST_ITEMS) if isinstance(attributes, dict) else ()
    return [(key, child) for key, child in items if isinstance(key, str)]


def _write(key: Any) -> str:
    if isinstance(key, str):
        return mask_secrets(json.dumps(key[:60], ensure_ascii=False))
    return repr(key) if isinstance(key, int | float | bool | None) else type(key).__name__


def _reason(name: str, value: Any) -> str:
    said = secret_word(name)
    if isinstance(value, bool) or value is None:
        return ""
    if isinstance(value, int | float):
        is_number = {"password", "passwd", "pwd", "pin"} & set(words_of(name))
        return f"its name says {min(is_number)}" if is_number and words_of(name)[-1] in is_number else ""
    text = _text_of(value)
    if is_placeholder(text):
        return ""
    if kind := known_form(text):
        return f"its value looks like {kind}"
    if said:
        return f"its name says {said}"
    return "its value looks like a key" if may_be_secret(name) and looks_random(text) else ""


def _text_of(value: str | bytes | bytearray) -> str:
    return value[:_LONGEST] if isinstance(value, str) else bytes(value[:_LONGEST]).decode("latin-1")


def _mask_form(found: re.Match[str]) -> str:
    kept = found.groupdict()
    return (kept.get("url") or kept.get("bearer") or "") + _MASK


_ASSIGNED = re.compile(
    r"""\b(?P<name>[A-Za-z_]\w*)
    (?: (?: ["']\s*\] )? (?: \s*:\s* [^\n=:"'()]{1,80}? )? \s* = (?!=) | ["']\s*: )  # name =, x["name"] =, "name":
    \s* (?P<bracket>\()? \s*""",
    re.VERBOSE,
)
_LITERAL = re.compile(
    r"""(?P<open>[A-Za-z]{0,2}(?P<quote>\"\"\"|'''|"|'))(?P<inside>(?:\\.|(?!(?P=quote))[^\\])*?)(?P=quote)""",
    re.DOTALL,
)


_SPACE, _ANY_SPACE = re.compile(r"[ \t]*"), re.compile(r"\s*")


def _mask_assigned(text: str) -> str:
    """Mask the texts that are given to suspicious names, also where the source cannot be parsed."""
    pieces, done = [], 0
    for found in _ASSIGNED.finditer(text):
        if found.start() < done or not secret_word(found["name"]):
            continue
        end = found.end()
        while literal := _LITERAL.match(text, end):  # texts that follow each other are one
            if "\n" in literal["inside"] and len(literal["quote"]) == 1:
                break
            if not is_placeholder(literal["inside"]):
                pieces += [text[done : literal.start("inside")], _MASK]
                done = literal.end("inside")
            # In brackets the next line goes on; elsewhere it is a statement of its own.
            gap = (_ANY_SPACE if found["bracket"] else _SPACE).match(text, literal.end())
            end = gap.end() if gap else literal.end()
    return "".join([*pieces, text[done:]])
