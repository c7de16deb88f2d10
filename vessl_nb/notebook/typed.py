"""What every magic does with its line: it is expanded, taken apart, and what comes of it given back or silenced."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from IPython.core.magic import needs_local_scope, no_var_expand

from vessl_nb.notebook.arguments import parse_line
from vessl_nb.notebook.help_page import HelpPage
from vessl_nb.notebook.interrupted import interruptible
from vessl_nb.spelling import spoken_in

if TYPE_CHECKING:
    from collections.abc import Callable

    from vessl_nb.notebook.notebook_magics import NotebookMagics


def typed(magic: Callable[..., Any]) -> Callable[..., Any]:
    """Give a magic its line expanded and taken apart; a semicolon at the end silences what it returns.

    IPython's `output_can_be_silenced` leaves the semicolon in the line, and asks Python's tokenizer for it, after the
    magic has run: a line that is no Python, such as ``--description (draft``, would then fail.

    Parameters
    ----------
    magic
        A method that takes the arguments, parsed, and the cell where there is one.
    """
    name = f"%{magic.__name__}"

    @no_var_expand
    @needs_local_scope
    @functools.wraps(magic)
    def run(magics: NotebookMagics, line: str, *cell: str, local_ns: dict[str, Any] | None = None) -> Any:
        for text in cell:  # before anything can fail, a wrong line included
            magics.memory.await_mark(text)
        silent = any(text.rstrip().endswith(";") for text in (line, *cell))
        line = line.rstrip().removesuffix(";")
        variables = magics.variables
        if local_ns and local_ns is not variables:  # it stands in a function, whose own variables count as well
            variables = variables | local_ns
        parser = run.parser  # type: ignore[attr-defined]  # by magic_arguments
        arguments = parse_line(parser, line, variables)
        with spoken_in(name), interruptible(name), magics.within(variables):
            result = magic(magics, arguments, *cell)
        return None if silent else result

    run.argcmd_kwds = {"formatter_class": HelpPage}  # type: ignore[attr-defined]  # what magic_arguments looks for
    return run
