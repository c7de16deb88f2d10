"""What every live widget of ours shares: a static face of its own output, and callbacks whose errors are seen.

A saved notebook has no live widget: JupyterLab says "model not found" in its place, even where HTML stands in the same
output, and GitHub shows nothing. So the static face is an output by itself. While the live one answers, a rule in the
static face's style hides it; where the kernel is gone, the page was saved, or no widget can be drawn, it stands.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from IPython.core.getipython import get_ipython

from vessl_nb.errors import InvalidArgument, VesslError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import NoReturn

LIVE = "vnb-live"
"""The class of a live widget's element, as long as its kernel answers."""

_OUTPUT = ".jp-OutputArea-child"
# No script: this also holds where scripts do not run. A live element in JupyterLab has children; what says that it is
# loading, or not found, has none. One whose kernel was started anew, or that nbconvert's page draws (whose body has a
# class that JupyterLab's has not), would look as if it could be used.
_STYLE = (
    f"body.jp-Notebook .{LIVE},"
    f"body:not(.jp-Notebook) {_OUTPUT}:has(.{LIVE}:not(.jupyter-widgets-disconnected)) + {_OUTPUT}:has(.vnb-stands),"
    f"{_OUTPUT}:has(+ {_OUTPUT} .vnb-stands):has(.{LIVE}.jupyter-widgets-disconnected),"
    f"{_OUTPUT}:has(+ {_OUTPUT} .vnb-stands) > .jp-OutputArea-output:not(:has(*)) {{ display: none; }}"
)


def show_live(live: Any, text: str, html: str) -> dict[str, str]:
    """Show a live widget as an output of its own, and give its static face, to be the output that follows.

    Parameters
    ----------
    live
        The widget. Its element has the class `LIVE` while it answers.
    text, html
        Its other two faces.

    Returns
    -------
    dict of str
        What its ``_repr_mimebundle_`` returns; this is to be called there.
    """
    shell = get_ipython()
    if shell is not None and live.comm is not None:
        view = {"version_major": 2, "version_minor": 0, "model_id": live.model_id}
        # Without text: where no widget can be drawn, the static face has said it all.
        shell.display_pub.publish({"application/vnd.jupyter.widget-view+json": view})
    return {"text/plain": text, "text/html": f'<div class="vnb-stands"><style>{_STYLE}</style>{html}</div>'}


def refuse_live(what: str) -> NoReturn:
    """Say that something is of no use where live widgets are switched off.

    Parameters
    ----------
    what
        What was asked for, such as ``%vessl_register --form``.

    Raises
    ------
    InvalidArgument
        Always.
    """
    raise InvalidArgument(
        f"{what} is a live widget, and those are switched off.",
        "Switch them on: %config VesslMagics.live = True; or register by the line, without --form.",
    )


def error_words(error: Exception) -> str:
    """Say in words what went wrong: an error of ours speaks for itself, any other one is named."""
    if isinstance(error, VesslError):
        return str(error)
    return f"{type(error).__name__}: {error}\nThis should not happen. The widget's .errors[-1] has the traceback."


class Attempts:
    """Callbacks of a widget, whose errors would show nowhere: they are said in the widget, and kept.

    Parameters
    ----------
    say
        Shows an error's words in the widget.

    Attributes
    ----------
    errors
        What was raised, oldest first; the last 20 of them.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self.errors: list[Exception] = []
        self._say = say

    @contextlib.contextmanager
    def attempt(self) -> Iterator[None]:
        """Run the block; an error in it is said and kept, and goes no further."""
        try:
            yield
        except Exception as error:  # noqa: BLE001  # whatever it is, nobody else would show it
            self.errors[:] = [*self.errors[-19:], error]
            self._say(error_words(error))
