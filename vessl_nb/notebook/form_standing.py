"""The static face of a form that is shown: an output of its own, which says what is filled in and what came of it."""

from __future__ import annotations

import contextvars
import functools
import threading
from typing import TYPE_CHECKING, Any

from IPython.core.getipython import get_ipython

from vessl_nb.faces.form import form_html, form_text
from vessl_nb.notebook.live import show_live

if TYPE_CHECKING:
    from collections.abc import Callable

    from vessl_nb.faces.form import FormFace

_HERE = "<!-- vessl_nb: the form -->"
_PAUSE = 0.6
"""How long nobody types before it is brought up to date, in seconds: each time is a message."""


class Standing:
    """The static face of a form, from when it is first shown.

    Parameters
    ----------
    live
        The form.
    face
        Gives what is shown of it.
    """

    def __init__(self, live: Any, face: Callable[[], FormFace]) -> None:
        self._live = live
        self._face = face
        self._frame = ""
        self._shown = ""
        self._soon: threading.Timer | None = None

    def show(self) -> None:
        """Show the live form, and below it the static face."""
        # Not as a cell's result: that cannot be brought up to date, and a saved notebook is to say what came of it.
        # What stands around the HTML is the same each time; where the HTML goes, a mark stands.
        self._frame = show_live(self._live, "", _HERE)["text/html"]
        self._publish(self._face(), update=False)

    def refresh(self) -> None:
        """Bring the static face up to date, where it is shown."""
        self.stop()
        if self._frame:
            self._publish(self._face(), update=True)

    def refresh_soon(self) -> None:
        """Bring it up to date as soon as nobody types: what was filled in is in the notebook when it is saved."""
        self.stop()
        if self._frame:
            # The face is made here, since the notebook's variables belong to this thread. The context goes along:
            # ipykernel notes in it whose output is written.
            publish = functools.partial(self._publish, self._face(), update=True)
            self._soon = threading.Timer(_PAUSE, contextvars.copy_context().run, [publish])
            self._soon.daemon = True
            self._soon.start()

    def stop(self) -> None:
        """Let what was to be done soon be."""
        if self._soon is not None:
            self._soon.cancel()

    def _publish(self, face: FormFace, *, update: bool) -> None:
        shell, html = get_ipython(), form_html(face)
        if shell is not None and not (update and html == self._shown):
            self._shown = html
            data = {"text/plain": form_text(face), "text/html": self._frame.replace(_HERE, html)}
            transient = {"display_id": f"vessl_nb-{self._live.model_id}"}
            shell.display_pub.publish(data, transient=transient, update=update)
