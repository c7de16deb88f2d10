"""The stop button while a magic works: said in one line, and never that nothing was done where something was."""

from __future__ import annotations

import traceback
from contextlib import contextmanager
from typing import TYPE_CHECKING

from vessl_nb.errors import OTHERS, ShownShort, own_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vessl_nb.registry.version import Version


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
    """A registration that is about to begin, to be looked at once it was stopped.

    Parameters
    ----------
    organization, repository
        Where it registers.
    """

    def __init__(self, organization: str, repository: str) -> None:
        self._stream = f"{organization}/{repository}"
        from vessl_nb.storage.journal import last_begun  # noqa: PLC0415  # 25 ms that %load_ext does not take

        self._before = last_begun()

    def find(self) -> Version | None:
        """Find the version that this thread has registered since; None where it has registered none.

        The stop button may come when it is in the journal already, beside what others registered meanwhile.
        """
        import msgspec  # noqa: PLC0415  # as above

        from vessl_nb.registry.documents import KIND_OF, Registered  # noqa: PLC0415  # as above
        from vessl_nb.registry.registry import open_registry  # noqa: PLC0415  # as above
        from vessl_nb.registry.version import Version  # noqa: PLC0415  # as above
        from vessl_nb.storage.journal import Journal, last_begun  # noqa: PLC0415  # as above

        own = last_begun()
        if own == self._before:
            return None
        registry = open_registry()
        for document in Journal(registry.folder, self._stream).read_on():
            if document.id == own and document.kind == KIND_OF[Registered]:
                body = msgspec.json.decode(document.body, type=Registered)
                state = registry.repository(*self._stream.split("/"))
                return Version.of(registry, state, state.models[body.number].revisions[body.revision - 1])
        return None

    def look(self) -> str:
        """Say what was registered, if anything was."""
        version = self.find()
        return f"{version.reference} was registered before that." if version else "Nothing was registered."
