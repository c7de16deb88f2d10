"""The stop button while a magic works: said in one line, and never that nothing was done where something was."""

from __future__ import annotations

import traceback
from contextlib import contextmanager
from typing import TYPE_CHECKING

from vessl_nb.errors import OTHERS, ShownShort, own_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vessl_nb.registry.names import Reference


class Interrupted(ShownShort, KeyboardInterrupt):
    """A magic was stopped; a notebook shows the user's own lines that it was at, and not those of vessl_nb."""

    def shown_lines(self) -> list[str]:
        """Give what a notebook shows."""
        cause = self.__cause__
        frames = traceback.extract_tb(cause.__traceback__) if cause else []
        is_in_own = any(not frame.filename.startswith(OTHERS) for frame in frames)
        return [*(own_lines(cause) if cause and is_in_own else []), f"KeyboardInterrupt: {self}"]


@contextmanager
def interruptible(magic: str, look: Callable[[], str] | None = None) -> Iterator[None]:
    """Let a KeyboardInterrupt in the block be said in one line.

    Parameters
    ----------
    magic
        The magic, such as ``%vessl_check``.
    look
        Says what became of its work: it may have been done already.

    Raises
    ------
    Interrupted
        It was stopped.
    """
    try:
        yield
    except Interrupted:
        raise
    except KeyboardInterrupt as interrupt:
        raise Interrupted(" ".join([f"{magic} was stopped.", *([look()] if look else [])])) from interrupt


class Registering:
    """A registration, looked at before it begins and after it was stopped.

    Parameters
    ----------
    target
        Where it registers.
    """

    def __init__(self, target: Reference) -> None:
        self._target = target
        self._before = self._references()

    def look(self) -> str:
        """Say what is new in its repository: the stop button may come when the version is in the journal already."""
        new = sorted(self._references() - self._before)
        return f"{', '.join(new)} was registered before that." if new else "Nothing was registered."

    def _references(self) -> set[str]:
        from vessl_nb.registry.registry import open_registry  # noqa: PLC0415  # 25 ms that %load_ext does not take

        state = open_registry().find(self._target.organization, self._target.repository)
        if state is None:
            return set()
        return {
            f"{state.qualified}:{number}" + (f"@{revision}" if revision > 1 else "")
            for number, model in state.models.items()
            for revision, _ in enumerate(model.revisions, 1)
        }
