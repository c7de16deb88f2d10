"""The way of ``POST /predict`` through the front: on uvicorn's parser and connections, without a task for each request.

What is unusual about a request (a body that is announced first, a second one before the first is answered) goes the
long way, by `routes`, to the same answer.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from vessl_nb.serving import limits
from vessl_nb.serving.connection import STATUS_LINES, TRY_AGAIN, Connection
from vessl_nb.serving.problems import CLIENT_CLOSED, PROBLEM_TYPE, Problem, body_too_large, client_closed

if TYPE_CHECKING:
    from vessl_nb.serving.crew import Crew
    from vessl_nb.serving.wire import Answer

_JSON = b"application/json"


class _NoEvent:
    """Nobody waits for a hot request's body: what uvicorn tells is told to nobody."""

    def set(self) -> None:
        """Do nothing."""


class _Hot:
    """A request on the short way; what uvicorn's own code asks of a request that is not done yet."""

    __slots__ = (
        "began",
        "body",
        "content_type",
        "crew",
        "disconnected",
        "keep_alive",
        "number",
        "response_complete",
        "version_header",
    )

    message_event = _NoEvent()

    def __init__(self, content_type: bytes, version_header: bytes, *, keep_alive: bool) -> None:
        self.content_type = content_type
        self.version_header = version_header  # of the version that is asked: another may take over before it answers
        self.keep_alive = keep_alive
        self.body: bytes | bytearray = b""
        self.response_complete = False
        self.disconnected = False
        self.began = 0.0
        self.crew: Crew | None = None  # whom it was handed to, and under which number
        self.number = 0


class PredictProtocol(Connection):
    """A connection whose requests to be predicted go the short way."""

    hot: _Hot | None = None
    """The last of them."""

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget a client that went away; what a worker still answers goes nowhere."""
        hot = self.hot
        if hot is not None:
            hot.disconnected = True
            if hot.crew is not None and not hot.response_complete:
                self.front.abandoned(hot.crew, hot.number, time.monotonic() - hot.began)
        super().connection_lost(exc)

    def on_headers_complete(self) -> None:
        """Choose the request's way."""
        if self.parser.should_upgrade():
            if self.parser.get_method() == b"CONNECT":
                self.refuse(Problem(400, "Malformed request", "This is no proxy: it does not take CONNECT."))
            return
        if self.is_refused:
            return
        headers = dict(self.headers)
        if int(headers.get(b"content-length", 0)) > self.front.most_body_bytes:
            self.refuse(body_too_large(self.front.most_body_bytes))
            return
        if self._is_usual() and b"content-encoding" not in headers and self._may_ask(headers):
            parser, front = self.parser, self.front
            keep_alive = parser.get_http_version() != "1.0" and parser.should_keep_alive() and not front.is_ending
            self.hot = _Hot(headers.get(b"content-type", b""), front.version_header, keep_alive=keep_alive)
            self.cycle = self.hot  # type: ignore[assignment]  # it stands for one of uvicorn's
        else:
            self.go_the_long_way()
        self.is_heading = False
        self.in_flight += 1

    def _is_usual(self) -> bool:
        is_predict = self.url == b"/predict" and self.parser.get_method() == b"POST"
        is_first = not self.in_flight and not self.flow.write_paused  # nor are there answers that nobody reads
        return is_predict and is_first and not self.expect_100_continue

    def _may_ask(self, headers: dict[bytes, bytes]) -> bool:
        access = self.front.access
        if access.needs_token and not access.knows_token(headers.get(b"authorization", b"")):
            return False
        host = headers.get(b"host", b"")
        if not access.takes_host(host):
            return False
        origin = headers.get(b"origin")
        return not (origin and access.is_foreign(origin, host, headers.get(b"authorization", b"")))

    def on_body(self, body: bytes) -> None:
        """Take in a part of the body."""
        hot = self.cycle
        if self.is_refused:
            return
        self.kept = 0
        self.arrived += len(body)
        if self.arrived >= limits.LARGE and not hot.response_complete:  # else it is thrown away
            self.hold(len(body))
        if not isinstance(hot, _Hot):
            super().on_body(body)
            return
        if not hot.body:
            hot.body = body
        elif isinstance(hot.body, bytes):
            hot.body = bytearray(hot.body) + body
        else:
            hot.body += body
        if len(hot.body) > self.front.most_body_bytes:
            self.refuse(body_too_large(self.front.most_body_bytes))
        if self.is_refused:
            hot.body = b""

    def on_message_complete(self) -> None:
        """Hand the request on."""
        if self.is_refused or self.is_heading:  # as it is where another protocol is offered
            return
        self.is_reading = False
        self.since = time.monotonic()
        hot = self.cycle
        if not isinstance(hot, _Hot):
            super().on_message_complete()
            return
        hot.began = self.since
        body, hot.body = hot.body, b""
        crew = self.front.crew
        hot.number = crew.pending.ask(hot.content_type, body, self._answer)
        if self.held:
            self.let_go()
        if hot.number:
            hot.crew = crew
        else:
            self._write(503, PROBLEM_TYPE, self.front.turn_away(), TRY_AGAIN)

    def _answer(self, answer: Answer) -> None:
        hot = self.hot
        assert hot is not None  # noqa: S101  # it is what was asked
        self.front.metrics_of(answer, time.monotonic() - hot.began)
        more = TRY_AGAIN if answer.status == 503 else b""  # noqa: PLR2004  # its worker died
        self._write(answer.status, answer.content_type or _JSON, answer.body, more)

    def _write(self, status: int, content_type: bytes, body: bytes, more: bytes = b"") -> None:
        hot = self.hot
        assert hot is not None  # noqa: S101  # as above
        hot.response_complete = True
        if hot.disconnected or self.transport.is_closing():
            return
        self.transport.write(
            b"%b%b%bcontent-type: %b\r\ncontent-length: %d\r\n%b%b\r\n%b"
            % (
                STATUS_LINES[status],
                self.front.date_header,
                hot.version_header,
                content_type,
                len(body),
                more,
                b"" if hot.keep_alive else b"connection: close\r\n",
                body,
            )
        )
        self.since = time.monotonic()
        if not hot.keep_alive:
            self.in_flight = 0
            self.transport.close()
        elif self.pipeline or self.is_refused:
            self.on_response_complete()
        else:
            self.in_flight = 0

    def give_up(self) -> None:
        """Answer a request that no worker has come to yet, and withdraw it."""
        hot = self.hot
        if hot is None or hot.crew is None or hot.response_complete:
            return
        if hot.crew.pending.is_waiting(hot.number):
            self.front.abandoned(hot.crew, hot.number, time.monotonic() - hot.began)
            self._write(CLIENT_CLOSED, PROBLEM_TYPE, client_closed().document())
