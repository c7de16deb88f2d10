"""What is typed after a magic, taken apart."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError

from vessl_nb.errors import InvalidArgument, nearest

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Mapping, Sequence

    from IPython.core.magic_arguments import MagicArgumentParser


def parse_line(parser: MagicArgumentParser, line: str) -> Namespace:
    """Split a magic's line as a POSIX shell does, and hold it against the magic's options.

    Raises
    ------
    InvalidArgument
        A quote is not closed, or an option is not known.
    """
    usage = parser.format_usage().removeprefix("usage: ").strip().replace("::\n", "")
    try:
        arguments: Namespace = parser.parse_args(shlex.split(line))
    except ValueError as error:
        raise InvalidArgument(f"{error} in: {line}", "Close the quote.") from None
    except UsageError as error:
        unknown = [word for word in line.split() if word.startswith("--") and word not in usage]
        known = [option for action in parser._actions for option in action.option_strings]  # noqa: SLF001  # no public way
        hint = nearest(unknown[0], known) if unknown else ""
        quotes = "Put an expression that has spaces in quotes: --sample '{\"x\": [1, 2]}'"
        raise InvalidArgument(str(error), hint or (quotes if "unrecognized" in str(error) else usage)) from None
    return arguments


def evaluate(expression: str, option: str, variables: dict[str, Any]) -> Any:
    """Give the value of a name or a Python expression in the notebook's variables.

    Raises
    ------
    InvalidArgument
        It is no expression, or raises; a name that does not exist gets the nearest that does.
    """
    try:
        return eval(compile(expression, f"<{option}>", "eval"), variables)  # noqa: S307  # the user's own code, in their kernel
    except SyntaxError:
        raise InvalidArgument(
            f"{option} {expression} is no Python expression.", "Put it in quotes: --sample '{\"x\": [1, 2]}'"
        ) from None
    except NameError as error:
        near = nearest(error.name or "", (name for name in variables if not name.startswith("_")))
        raise InvalidArgument(
            f"{option} {expression}: there is no variable {error.name!r}.", near or "Define it in a cell first."
        ) from None
    except Exception as error:
        raise InvalidArgument(f"{option} {expression} raised {type(error).__name__}: {error}") from error


def parse_tags(pairs: Sequence[str] | None) -> dict[str, Any]:
    """Read tags such as ``accuracy=0.97``: a JSON scalar where the value is one, else text.

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
        try:
            value = json.loads(text)
        except ValueError:
            value = text
        tags[name] = text if isinstance(value, dict | list) else value
    return tags


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
