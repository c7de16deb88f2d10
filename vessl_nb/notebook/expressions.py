"""Python expressions on a magic's line or in a field of a form: run in the notebook, and what they raise in words."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Any

from vessl_nb.errors import OTHERS, InvalidArgument, nearest, own_lines
from vessl_nb.notebook.candidates import own_variables

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType

QUOTE_IT = "Put the whole of it in single quotes: --sample '{\"x\": [1, 2]}'"


class ExpressionFailed(InvalidArgument):
    """An expression that raised, in itself or in what it calls; what it raised is ``__cause__``.

    Attributes
    ----------
    place
        The name that the expression has in tracebacks.
    """

    def __init__(self, what: str, next_step: str = "", *, place: str = "") -> None:
        super().__init__(what, next_step)
        self.place = place

    def shown_lines(self) -> list[str]:
        """Give what a notebook shows of it: the user's own lines that it was raised in, if there are any, and why."""
        lines: list[str] = []
        if self.__cause__ is not None:
            frames = traceback.extract_tb(self.__cause__.__traceback__)
            own = [frame for frame in frames if not frame.filename.startswith(OTHERS)]
            entries = own_lines(self.__cause__)
            # The expression itself stands in the error's own words already.
            lines = [entry for frame, entry in zip(own, entries, strict=False) if frame.filename != self.place]
        return [*lines, f"{type(self).__name__}: {self}"]


def evaluate(expression: str, option: str, variables: dict[str, Any]) -> Any:
    """Give the value of a name or a Python expression in the notebook's variables.

    Parameters
    ----------
    expression
        What was typed.
    option
        Where it was typed, such as ``--sample``.
    variables
        The notebook's.

    Raises
    ------
    InvalidArgument
        It is no expression, or names a variable that does not exist: it gets the nearest that does.
    ExpressionFailed
        It raised.
    """
    try:
        code = compile(expression.strip(), f"<{option}>", "eval")
    except (SyntaxError, ValueError) as error:  # a null byte is a ValueError
        problem = getattr(error, "msg", str(error))
        raise InvalidArgument(f"{option} {expression} is no Python expression: {problem}.", QUOTE_IT) from None

    def define(_: str) -> str:
        # Where braces or brackets came without quotes around them, the shell's rules took those inside.
        return QUOTE_IT if any(bracket in expression for bracket in "{[(") else "Define it in a cell first."

    return run_expression(code, f"{option} {expression}", variables, define)


def run_expression(code: CodeType, said: str, variables: dict[str, Any], define: Callable[[str], str]) -> Any:
    """Run an expression that was compiled.

    Parameters
    ----------
    code
        The expression.
    said
        How it was typed.
    variables
        The notebook's.
    define
        Says what to do where there is no variable of a name, and none that is near.

    Raises
    ------
    InvalidArgument
        There is no such variable.
    ExpressionFailed
        It raised.
    """
    try:
        return eval(code, variables)  # noqa: S307  # the user's own code, in their kernel
    except Exception as error:
        innermost = traceback.extract_tb(error.__traceback__)[-1]
        # Only a name of the expression itself is one that was mistyped; within what it calls, it is the user's bug.
        if isinstance(error, NameError) and innermost.filename == code.co_filename:
            name = error.name or ""
            step = nearest(name, dict(own_variables(variables))) or define(name)
            raise InvalidArgument(f"{said}: there is no variable {name!r}.", step) from None
        first_line = str(error).partition("\n")[0]
        raise ExpressionFailed(
            f"{said} raised {type(error).__name__}: {first_line}",
            "Try the expression in a cell of its own.",
            place=code.co_filename,
        ) from error
