"""What is set once for all magics: ``%config VesslMagics``, or ``c.VesslMagics`` in ipython_config.py.

A setting is what the magics do where their line does not say otherwise, and what the form they open begins with. The
Python functions keep their own defaults: a function that did something else in another notebook could not be trusted
in a script. For the same reason the registry and the organization are no settings: a magic that registered in a folder
in which ``vessl_nb.load`` then does not look would be a trap. They are set for all skins at once, with
``%env VESSL_NB_REGISTRY=...`` and ``%env VESSL_NB_ORGANIZATION=...``.
"""

from __future__ import annotations

from typing import Any, NoReturn

from IPython.core.magic import Magics
from traitlets import Bool as AnyBool
from traitlets import TraitError

from vessl_nb.errors import InvalidArgument


class InvalidSetting(InvalidArgument, TraitError):
    """A setting that cannot be what it was set to; it stays what it was."""


class Bool(AnyBool[bool, bool | int]):
    """A setting that is on or off, under the name that ``%config`` lists it with; its error is said as ours are."""

    def error(self, obj: Any, value: Any, error: Exception | None = None, info: str | None = None) -> NoReturn:  # noqa: ARG002  # traitlets hands these over
        """Say what the setting can be."""
        raise InvalidSetting(f"{type(obj).__name__}.{self.name} is True or False, not {value!r}.")


class Settings(Magics):
    """What is set once for all magics."""

    live = Bool(
        default_value=True,
        help="""Show tables as live widgets, which can be sorted, searched and opened. False shows them as static HTML,
        which every front end can draw, and %vessl_register --form then says that it is switched off.""",
    ).tag(config=True)
    preview_again = Bool(
        default_value=True,
        help="""Show the last samples' way again whenever a %%vessl_runner cell is run again without --sample.
        False only marks the class; %vessl_preview shows it.""",
    ).tag(config=True)
    check = Bool(
        default_value=True,
        help="""Before anything is registered, try the samples in a clean process. For one registration:
        --check or --no-check.""",
    ).tag(config=True)
    store_examples = Bool(
        default_value=True,
        help="""Keep the samples, with their outputs, as the version's examples. For one registration:
        --examples or --no-examples.""",
    ).tag(config=True)
