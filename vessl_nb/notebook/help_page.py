"""The page that ``%vessl_register?`` shows: what a magic does first, then its options, in plain text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from IPython.core.magic_arguments import MagicHelpFormatter

if TYPE_CHECKING:
    from argparse import Action
    from collections.abc import Iterable

_WIDTH = 80
"""Of the page: a kernel knows no terminal, and front ends draw pages of any width."""

_TITLES = {"positional arguments": "Arguments", "options": "Options"}


class HelpPage(MagicHelpFormatter):
    """Format a magic's docstring and its options.

    IPython's own formatter begins with the usage, in the marks of reStructuredText, which no front end draws; the
    examples in a docstring say it better.
    """

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=26, width=_WIDTH)

    def add_usage(
        self, usage: str | None, actions: Iterable[Action], groups: Iterable[Any], prefix: str | None = None
    ) -> None:
        """Leave the usage out."""

    def start_section(self, heading: str | None) -> None:
        """Begin a section, under a title in plain English."""
        super().start_section(_TITLES.get(heading or "", heading))

    def _format_action_invocation(self, action: Action) -> str:
        """Write an option as ``-t, --tag NAME=VALUE``: the short form first, and what it takes only once."""
        if not action.option_strings:
            return str(action.metavar or action.dest.upper())
        names = ", ".join(sorted(action.option_strings, key=lambda name: name.startswith("--")))
        return names if action.nargs == 0 else f"{names} {action.metavar}"
