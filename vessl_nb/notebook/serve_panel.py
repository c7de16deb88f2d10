"""The panel of a server: what it serves and how it is doing, how it is called, and a form to try it.

The front end draws, and asks; the server is asked from here. It sends ``{"do": "send", ...}``, ``stop``, ``start``,
``copy``, ``reveal`` or ``log``, and, with the name of its view, ``hello`` again and again, and ``bye``. What it shows
comes as two traits, `shown` and `said`; answers, numbers, the log and the token as messages, since a widget's state
travels with a saved notebook.
"""

from __future__ import annotations

import contextlib
import contextvars
import threading
import time
import weakref
from typing import TYPE_CHECKING, Any

import anywidget
import msgspec
import traitlets

from vessl_nb.errors import RequestFailed
from vessl_nb.faces.server import server_html, server_text
from vessl_nb.notebook.live import Attempts, show_live
from vessl_nb.notebook.serve_answer import describe_answer
from vessl_nb.notebook.serve_numbers import numbers_of
from vessl_nb.notebook.serve_state import describe_server
from vessl_nb.notebook.static_files import read_static
from vessl_nb.notebook.versions_watch import Views, Watch
from vessl_nb.serving.shown import face_of, read_calling, write_calls

if TYPE_CHECKING:
    from collections.abc import Callable

    from vessl_nb.serving.launch import Server
    from vessl_nb.serving.shown import Calling

_EVERY = 2.0
"""How often a server is asked for its numbers, in seconds, while its panel is looked at."""

_LINES = 100
_PANELS: weakref.WeakKeyDictionary[Server, weakref.ref[ServePanel]] = weakref.WeakKeyDictionary()


def panel_of(server: Server) -> ServePanel:
    """Give the panel of a server: the one that it has, or a new one.

    Parameters
    ----------
    server
        It may be stopped.
    """
    reference = _PANELS.get(server)
    panel = reference() if reference is not None else None
    if panel is None or panel.comm is None:
        panel = ServePanel(server)
        _PANELS[server] = weakref.ref(panel)
    return panel


class ServePanel(anywidget.AnyWidget):
    """A server in a notebook.

    Parameters
    ----------
    server
        The server.

    Attributes
    ----------
    shown
        What the front end shows of it, without the token; see `describe_server`.
    said
        The last thing said below it, in words.
    """

    _esm = read_static("elements.js", "serve_panel.js")
    _css = read_static("serve_panel.css")

    shown = traitlets.Dict().tag(sync=True)
    said = traitlets.Dict().tag(sync=True)

    def __init__(self, server: Server) -> None:
        self._watch = Watch(self._look_if_seen)  # first: what could not be made is closed as well
        self.server = server
        self._doing = ""  # what a thread does with the server: it is neither here nor there
        self._calling: Calling | None = None
        self._calling_is_of: tuple[str, str] | None = None
        self._views = Views()
        self._logs_of: set[str] = set()
        self._log = ""
        self._asked_at = 0.0
        self._trouble = ""
        # The watch and each action have threads of their own, and ipykernel may run callbacks beside a cell.
        self._lock = threading.RLock()
        self._attempts = Attempts(lambda words: self._say(words, failed=True))
        super().__init__()
        self.shown = describe_server(server, None, None, "")
        with self._attempts.attempt():
            self._show()
        self.on_msg(self._on_message)

    @property
    def errors(self) -> list[Exception]:
        """What actions raised, oldest first."""
        return self._attempts.errors

    def __repr__(self) -> str:
        return server_text(face_of(self.server))

    def _repr_mimebundle_(self, **_: object) -> tuple[dict[str, str], dict[str, str]]:
        face = face_of(self.server)
        return show_live(self, server_text(face), server_html(face)), {}

    def close(self) -> None:
        """Take the panel away; its server goes on."""
        self._watch.stop()
        super().close()

    def _on_message(self, _: object, content: dict[str, Any], buffers: list[Any]) -> None:
        """Do what a front end asks for; what takes time is done in a thread, so that the kernel stays free."""
        actions: dict[str, Callable[[dict[str, Any], list[Any]], None]] = {
            "hello": self._greet,
            "bye": self._take_leave,
            "send": lambda content, buffers: self._begin(lambda: self._try(content, buffers)),
            "stop": lambda *_: self._begin(self._stop),
            "start": lambda *_: self._begin(self._start),
            "copy": self._copy,
            "reveal": self._reveal,
            "log": self._open_log,
        }
        with self._attempts.attempt(), self._lock:
            actions[content["do"]](content, buffers)
        self.send({"done": content.get("do")})

    def _greet(self, content: dict[str, Any], _: list[Any]) -> None:
        if self._views.greet(str(content["view"])):
            self._asked_at = 0.0
        self._watch.start()

    def _take_leave(self, content: dict[str, Any], _: list[Any]) -> None:
        self._views.leave(str(content["view"]))
        self._logs_of &= set(self._views)
        if not self._views:
            self._watch.stop()

    def _open_log(self, content: dict[str, Any], _: list[Any]) -> None:
        view = str(content["view"])
        self._logs_of = self._logs_of | {view} if content["open"] else self._logs_of - {view}
        if content["open"]:
            self._log = self.server.logs(_LINES) or self._log
            self.send({"log": self._log})

    def _copy(self, content: dict[str, Any], _: list[Any]) -> None:
        self.send({"copy": self._calls_with_token()[content["what"]], "what": content["what"]})

    def _reveal(self, *_: object) -> None:
        self.send({"revealed": self._calls_with_token()})

    def _calls_with_token(self) -> dict[str, str]:
        return write_calls(self._calling, self.server.token) if self._calling else {}

    def _begin(self, task: Callable[[], None]) -> None:
        def attempt() -> None:
            with self._attempts.attempt():
                task()

        # The context goes along: ipykernel notes in it whose output is written.
        context = contextvars.copy_context()
        # A daemon: a kernel that is shut down does not wait for it.
        threading.Thread(target=context.run, args=(attempt,), name="vessl_nb server", daemon=True).start()

    def _try(self, content: dict[str, Any], buffers: list[Any]) -> None:
        body = bytes(buffers[0]) if buffers else str(content["body"]).encode()
        answer: dict[str, Any] = {"status": "There was no answer.", "failed": True}
        files: list[bytes] = []
        try:
            answer, files = describe_answer(
                self.server.ask("POST", "/predict", body, {"content-type": str(content["kind"])})
            )
        except RequestFailed as error:
            answer |= {"problem": str(error)}
        finally:
            self.send({"answer": answer}, files)

    def _stop(self) -> None:
        with self._while("stopping"):
            self._log = self.server.logs(_LINES) or self._log
            self.server.stop()
        self._say(f"{self.server.reference} is stopped. What it had accepted was answered first.")

    def _start(self) -> None:
        with self._while("starting"):
            self.server.start()
        self._asked_at = 0.0
        self._say(f"{self.server.reference} answers again, at the same address.")

    @contextlib.contextmanager
    def _while(self, doing: str) -> Any:
        """Show what is being done with the server, as long as it is."""
        self._doing = doing
        self._show()
        try:
            yield
        finally:
            self._doing = ""
            self._show()

    def _look_if_seen(self) -> None:
        """Look how the server is doing, as long as anybody sees the panel; the watch calls this."""
        with self._lock:
            self._views.drop_silent()
            self._logs_of &= set(self._views)
            if not self._views:
                self._watch.stop()
                return
        self._look()

    def _look(self) -> None:
        """Look how the server is doing, and show it."""
        if time.monotonic() < self._asked_at + _EVERY and self.server.is_running == (self.shown["state"] == "answers"):
            return
        self._asked_at, before = time.monotonic(), self.shown["state"]
        try:
            self._show()
            if self.shown["state"] == "answers":
                self.send({"numbers": numbers_of(msgspec.json.decode(self.server.ask("GET", "/recent").body))})
            has_ended = before == "answers" and self.shown["state"] == "stopped"
            # One that was stopped has left no log.
            log = self.server.logs(_LINES) if self._logs_of or has_ended else ""
            if log and log != self._log:
                self._log = log
                self.send({"log": log})
            if log and has_ended:
                self._say("It ended by itself. Its log may say why.", failed=True)
            self._trouble = ""
        except Exception as error:  # whatever it is, it would end the watch unseen
            # It may last; it is said once.
            if self._trouble != (words := str(error)) and self.server.is_running:
                self._trouble = words
                with self._attempts.attempt():
                    raise

    def _show(self) -> None:
        """Show the server as it is."""
        server, doing = self.server, self._doing
        metadata = server.metadata() if not doing and server.is_running else None
        if metadata is not None:
            version = (server.url, metadata["version"]["reference"])
            if self._calling_is_of != version:
                self._calling, self._calling_is_of = read_calling(server, metadata), version
        shown = describe_server(server, metadata, self._calling, doing)
        with self._lock:
            if doing == self._doing:  # else it is older than what is shown already
                self.shown = shown

    def _say(self, text: str, *, failed: bool = False) -> None:
        with self._lock:
            # Counted, so that what is said a second time is said.
            self.said = {"count": self.said.get("count", 0) + 1, "text": text, "failed": failed}
