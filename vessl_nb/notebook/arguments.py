"""What is typed after a magic, taken apart."""

from __future__ import annotations

import json
import re
import shlex
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError
from IPython.utils.text import DollarFormatter

from vessl_nb.errors import InvalidArgument, nearest
from vessl_nb.notebook.candidates import own_variables

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Mapping, Sequence

    from IPython.core.magic_arguments import MagicArgumentParser

_WORD = re.compile(r"""(?:\\.|'[^']*'|"(?:\\.|[^"\\])*"|[^\s'"\\])+""")  # as a POSIX shell sees it, its quotes included


_FORMATTER = DollarFormatter()

_FORMATTED = re.compile(r"\{\s*([^\W\d][\w.]*)\s*:[.,+\d][^{}\s]*\}")

_EXPRESSIONS = {"artifacts", "model", "runner", "sample"}
"""Arguments that are evaluated: what stands in their braces is Python's matter."""

_QUOTE_IT = "Put the whole of it in single quotes: --sample '{\"x\": [1, 2]}'"


def expand(line: str, variables: Mapping[str, Any]) -> str:
    """Put variables in place of ``{name}`` and ``$name``, as IPython does for every magic.

    At a brace that holds no expression, such as a dictionary's, IPython leaves the whole line as it is. Here each word
    then stands for itself, so that ``--sample '{"x": 1}' --tag accuracy={accuracy}`` tags with the number.
    """

    def expanded(text: str) -> str:
        try:
            return _FORMATTER.vformat(text, [], variables)
        except Exception:  # noqa: BLE001  # whatever the expression raises; IPython lets it go unexpanded too
            return text

    whole = expanded(line)
    return whole if whole != line else _WORD.sub(lambda word: expanded(word[0]), line)


def refuse_unfilled(line: str, arguments: Namespace, variables: Mapping[str, Any]) -> None:
    """Refuse ``{name}`` and ``$name`` that nothing was put in place of, in what is plain text: tags, references.

    IPython lets them stand, and a version would have the tag ``accuracy={acuracy}`` for good.

    Parameters
    ----------
    line
        What was typed, not expanded.
    arguments
        The same, parsed.
    variables
        The notebook's.

    Raises
    ------
    InvalidArgument
        There is no such variable, or it has a format after it, which IPython does not know there.
    """
    values = [value for name, value in vars(arguments).items() if name not in _EXPRESSIONS]
    texts = [text for value in values for text in (value if isinstance(value, list) else [value]) if text]
    for word in _WORD.findall(line):
        typed = "".join(shlex.split(word))
        if not any(isinstance(text, str) and typed.endswith(text) for text in texts):
            continue
        try:
            _FORMATTER.vformat(word, [], variables)
        except NameError as error:
            step = f"Define it in a cell first; to say it as it is, write {{{{{error.name}}}}} or '${error.name}'."
            near = nearest(error.name or "", dict(own_variables(variables)))
            raise InvalidArgument(f"{typed}: there is no variable {error.name!r}.", near or step) from None
        except Exception:  # noqa: BLE001  # whatever the expression raises
            if named := _FORMATTED.search(typed):
                raise InvalidArgument(
                    f"{typed}: braces take an expression, and no format after it.",
                    f"Write it as an expression: {{round({named[1]}, 3)}}, say.",
                ) from None


def parse_line(parser: MagicArgumentParser, line: str) -> Namespace:
    """Split a magic's line as a POSIX shell does, and hold it against the magic's options.

    Raises
    ------
    InvalidArgument
        A quote is not closed, an option is not known, or something is missing or too much.
    """
    try:
        words = shlex.split(line)
    except ValueError as error:
        step = "Close the quote." if "quotation" in str(error) else "Take the backslash at its end away."
        raise InvalidArgument(f"{error} in: {line}", step) from None
    arguments: Namespace
    try:
        arguments, unknown = parser.parse_known_args(words)
    except UsageError as error:
        raise InvalidArgument(f"%{parser.prog}: {error}", f"%{parser.prog}? shows what it takes.") from None
    if unknown:
        raise _unknown(parser, unknown)
    return arguments


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
    step = _QUOTE_IT if is_expression else f"%{parser.prog}? shows what it takes."
    return InvalidArgument(f"%{parser.prog} does not take {' '.join(words)!r}.", step)


def evaluate(expression: str, option: str, variables: dict[str, Any]) -> Any:
    """Give the value of a name or a Python expression in the notebook's variables.

    Raises
    ------
    InvalidArgument
        It is no expression, or raises; a name that does not exist gets the nearest that does.
    """
    try:
        code = compile(expression.strip(), f"<{option}>", "eval")
    except (SyntaxError, ValueError) as error:  # a null byte is a ValueError
        problem = getattr(error, "msg", str(error))
        raise InvalidArgument(f"{option} {expression} is no Python expression: {problem}.", _QUOTE_IT) from None
    try:
        return eval(code, variables)  # noqa: S307  # the user's own code, in their kernel
    except NameError as error:
        near = nearest(error.name or "", dict(own_variables(variables)))
        # Where braces or brackets came without quotes around them, the shell's rules took those inside.
        step = _QUOTE_IT if any(bracket in expression for bracket in "{[(") else "Define it in a cell first."
        raise InvalidArgument(f"{option} {expression}: there is no variable {error.name!r}.", near or step) from None
    except Exception as error:
        first_line = str(error).partition("\n")[0]
        raise InvalidArgument(
            f"{option} {expression} raised {type(error).__name__}: {first_line}",
            "Try the expression in a cell of its own.",
        ) from error


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
