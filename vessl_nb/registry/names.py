"""What organizations, repositories, aliases and tags may be called, and how a version is referred to."""

from __future__ import annotations

import inspect
import math
import operator
import os
import re
from typing import TYPE_CHECKING, NamedTuple

from vessl_nb.errors import InvalidArgument, InvalidReference, nearest
from vessl_nb.volume_paths import is_utf8

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

DEFAULT_ORGANIZATION = "default"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_RULE = "A name is a letter or digit, then up to 127 letters, digits, '.', '_' or '-'."

Tag = str | int | float | bool | None
"""What a tag's value may be: a JSON scalar."""


class Reference(NamedTuple):
    """A reference as users type it, taken apart.

    ``iris``, ``iris:3``, ``iris:champion``, ``iris:3@1`` (revision 1), ``org/iris:3``. Without a number or an alias it
    means the highest number that can be served.
    """

    organization: str
    repository: str
    number: int | None = None
    alias: str | None = None
    revision: int | None = None

    def __str__(self) -> str:
        selector = self.alias if self.number is None else str(self.number)
        revision = "" if self.revision is None else f"@{self.revision}"
        return qualified(self.organization, self.repository) + (f":{selector}{revision}" if selector else "")


def default_organization() -> str:
    """Give the organization meant where none is named: VESSL_NB_ORGANIZATION, or ``default``."""
    named = os.environ.get("VESSL_NB_ORGANIZATION") or DEFAULT_ORGANIZATION
    if not _NAME.fullmatch(named):
        raise InvalidArgument(f"VESSL_NB_ORGANIZATION is {named!r}, which cannot be a name.", _RULE)
    return named


def qualified(organization: str, repository: str) -> str:
    """Name a repository, with its organization where that is not the default one."""
    return repository if organization == default_organization() else f"{organization}/{repository}"


def parse_reference(text: str) -> Reference:
    """Take a reference apart.

    Raises
    ------
    InvalidReference
        It is not one of the forms that `Reference` describes.
    """
    if not isinstance(text, str):
        raise InvalidReference(
            f"A reference is text, not {text!r}.", "Write it as 'iris', 'iris:3' or 'iris:champion'."
        )
    path, colon, selector = text.partition(":")
    organization, slash, repository = path.rpartition("/")
    selector, at, revision = selector.partition("@")
    number = int(selector) if _is_number(selector) else None
    readable = (
        _NAME.fullmatch(repository)
        and (_NAME.fullmatch(organization) if slash else True)
        and (number or (_NAME.fullmatch(selector) and not selector.isdecimal()) if colon else True)
        and (number and _is_number(revision) and int(revision) if at else True)
    )
    if not readable:
        raise InvalidReference(
            f"{text!r} is no reference.",
            "Write it as 'iris', 'iris:3', 'iris:champion', 'iris:3@1' (revision 1) or 'organization/iris:3'.",
        )
    return Reference(
        organization if slash else default_organization(),
        repository,
        number,
        selector if colon and number is None else None,
        int(revision) if at else None,
    )


def check_name(what: str, name: object) -> str:
    """Hold the name of an organization or a repository against the rule, and give it back.

    Raises
    ------
    InvalidArgument
        It breaks the rule.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        shown = repr(name) if len(repr(name)) <= 60 else repr(name)[:56] + "...'"  # noqa: PLR2004  # half a line
        raise InvalidArgument(f"{shown} cannot be the name of {_article(what)}.", _RULE)
    return name


def check_number(number: object) -> int:
    """Hold the number of a model against the rule, and give it back as Python's own.

    Raises
    ------
    InvalidArgument
        It is no integer from 1 up.
    """
    try:
        index = 0 if isinstance(number, bool) else operator.index(number)  # type: ignore[arg-type]  # it is what is found out
    except TypeError:  # 1.0, say
        index = 0
    if index < 1:
        raise InvalidArgument(
            f"model_number is {number!r}.",
            "Give the number of an existing model: 1, 2, 3 ... Where a model is registered, None makes a new one.",
        )
    return index


def check_text(what: str, text: object) -> str:
    """Hold free text, such as a description, against what a document can say, and give it back; empty for None.

    Raises
    ------
    InvalidArgument
        It is no text, or has characters that UTF-8 cannot say.
    """
    if text is None:
        return ""
    if not isinstance(text, str):
        raise InvalidArgument(f"{what} must be text, not {text!r}.", "Write it in quotes.")
    if not is_utf8(text):
        raise InvalidArgument(f"{what} is {text!r}, which UTF-8 cannot say.", "Take the lone surrogates out.")
    return text


def check_alias(alias: object) -> str:
    """Hold an alias against the rule, and give it back.

    Raises
    ------
    InvalidArgument
        It breaks the rule, or is a number.
    """
    name = check_name("alias", alias)
    if name.isdecimal():
        raise InvalidArgument(
            f"{name!r} cannot be an alias: it would read as a version's number.", f"Call it 'v{name}', say."
        )
    return name


def check_tags(tags: Mapping[str, Tag] | None) -> dict[str, Tag]:
    """Hold tags against what JSON can say, and give them back.

    Raises
    ------
    InvalidArgument
        They are no dictionary, a name is no text, or a value is no finite JSON scalar.
    """
    if tags is None:
        return {}
    if not isinstance(tags, dict):
        raise InvalidArgument(f"tags must be a dictionary, not {tags!r}.", "Write them as {'accuracy': 0.97}.")
    for name, value in tags.items():
        if not isinstance(name, str) or not name.strip() or not name.isprintable():
            raise InvalidArgument(f"{name!r} cannot be the name of a tag.", "A tag's name is printable text.")
        if isinstance(value, float) and not math.isfinite(value):
            raise InvalidArgument(f"The tag {name!r} is {value}, which JSON cannot say.", "Leave it out, or use None.")
        if type(value) is int and not -(1 << 63) <= value < 1 << 63:
            raise InvalidArgument(
                f"The tag {name!r} is an integer of {value.bit_length()} bits, more than 64 with the sign.",
                "Write it as text, or as a float.",
            )
        if type(value) is str:
            check_text(f"The tag {name!r}", value)
        if value is not None and type(value) not in (str, bool, int, float):
            raise InvalidArgument(
                f"The tag {name!r} is {_shown(value)}, no JSON scalar.",
                "A tag is text, a finite number, True, False or None; float(...) makes a number of numpy's.",
            )
    return dict(tags)


def check_keywords(function: Callable[..., object], given: Mapping[str, object], further: tuple[str, ...]) -> None:
    """Refuse keywords that a function does not know: none of its parameters, and none of the further ones.

    Raises
    ------
    InvalidArgument
        Names the first of them, and the nearest that is known.
    """
    for keyword in given:
        if keyword not in further:
            *named, _ = inspect.signature(function).parameters  # the last is **kwargs
            known = [*named, *further]
            raise InvalidArgument(
                f"{function.__name__}() has no parameter {keyword!r}.",
                nearest(keyword, known) or f"It has: {', '.join(known)}.",
            )


def _is_number(text: str) -> bool:
    return re.fullmatch(r"[0-9]{1,18}", text) is not None


def _article(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def _shown(value: object) -> str:
    kind = f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")
    return f"{_brief(value)}, {_article(kind)}"


def _brief(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else f"{shown[:56]}..."  # noqa: PLR2004  # half a line
