"""The way of ``POST /predict`` through the front: on uvicorn's parser and connections, without a task for each request.

What is unusual about a request (a body that is announced first, a second one before the first is answered) goes the
long way, by `routes`, to the same answer.
"""

from __future__ import annotations

import time
from http import HTTPStatus
from typing import TYPE_CHECKING, ClassVar

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from vessl_nb.serving import limits
from vessl_nb.serving.problems import MEDIA_TYPE, Problem

if TYPE_CHECKING:
    import asyncio

    from vessl_nb.serving.front import Front
    from vessl_nb.serving.wire import Answer

_STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}
_JSON = b"application/json"
_PROBLEM = MEDIA_TYPE.encode()

_MOST_KEPT = limits.HEADERS + (1 << 18)
"""How much may arrive of a request without a part of its body: the headers, and what one reading brings beside."""


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
        "disconnected",
        "keep_alive",
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


class PredictProtocol(HttpToolsProtocol):
    """A connection to the front.

    Attributes
    ----------
    front
        The front that it belongs to; set by a subclass for each.
    since
        Since when it has been in its present state.
    has_begun, is_reading
        Whether a first request began to arrive; whether one has not arrived wholly.
    is_heading
        Whether a request's headers are arriving.
    in_flight
        How many requests have their headers here, and no answer yet.
    is_refused
        Whether nothing more is heard of its client: it is only still open for it to read its last answers.
    """

    front: ClassVar[Front]

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """Take a connection in, unless there are too many."""
        super().connection_made(transport)
        self.hot: _Hot | None = None
        self.has_begun = self.is_heading = False
        self.is_reading = True  # whoever connects is to ask soon
        self.is_refused = False
        self.refusal: tuple[Problem, bytes] | None = None
        self.in_flight = 0
        self.header_size = self.kept = self.arrived = self.unread = 0
        self.since = time.monotonic()
        if len(self.connections) > self.front.most_connections:
            self._refuse(Problem(503, "Too many connections", "Try again in a moment."), b"retry-after: 1\r\n")
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget a client that went away; what a worker still answers goes nowhere."""
        if self.hot is not None:
            self.hot.disconnected = True
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Let the parser have what arrived; nothing after what was refused."""
        if self.is_refused:
            return
        self._unset_keepalive_if_required()
        try:
            self._feed(data)
        except HttpParserError:
            self.send_400_response("")
        if self.is_reading:
            # The parser keeps a header without an end, and asks nobody.
            self.kept += len(data)
            if self.kept > _MOST_KEPT:
                self._refuse(_headers_too_large())

    def _feed(self, data: bytes) -> None:
        while True:
            try:
                self.parser.feed_data(data)
            except HttpParserUpgrade as offer:
                # What comes behind a client's offer of another protocol is that one's to the parser, a body as well
                # (Java's HttpClient makes the offer by itself). So it gets the request once more, without the offer.
                if self.is_refused:
                    return
                data = self._head_again() + data[offer.args[0] :]
                self.parser = HttpRequestParser(self)
                self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does
            else:
                return

    def _head_again(self) -> bytes:
        first = b"%b %b HTTP/%b\r\n" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())
        return first + b"".join(b"%b: %b\r\n" % header for header in self.headers if header[0] != b"upgrade") + b"\r\n"

    def eof_received(self) -> bool:  # type: ignore[override]  # uvicorn closes at once
        """Tell whether the connection stays open though its client sends nothing more: it may wait for answers."""
        if not self.is_refused and self.has_begun:
            if self.is_reading:
                self._refuse(Problem(400, "Malformed request", "It ended before all of it was there."))
            elif self.in_flight:
                self.cycle.keep_alive = False
        return self.in_flight > 0

    def on_message_begin(self) -> None:
        """Begin a request; what only the long way needs is made there."""
        self.url = b""
        self.expect_100_continue = False
        self.headers = []
        self.header_size = self.kept = self.arrived = 0
        self.has_begun = self.is_reading = self.is_heading = True
        self.since = time.monotonic()

    def on_url(self, url: bytes) -> None:
        """Take in a part of the address."""
        self.url += url
        if len(self.url) > limits.HEADERS:
            self._refuse(Problem(414, "Address too long", f"It may have {limits.HEADERS:,} bytes."))

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take in a header."""
        self.header_size += len(name) + len(value)
        if self.header_size > limits.HEADERS:
            self._refuse(_headers_too_large())
            return
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Choose the request's way."""
        if self.parser.should_upgrade():
            if self.parser.get_method() == b"CONNECT":
                self._refuse(Problem(400, "Malformed request", "This is no proxy: it does not take CONNECT."))
            return
        if self.is_refused:
            return
        headers = dict(self.headers)
        if int(headers.get(b"content-length", 0)) > limits.BODY:
            self._refuse(_too_large())
            return
        if self._is_usual() and self._may_ask(headers):
            parser, front = self.parser, self.front
            keep_alive = parser.get_http_version() != "1.0" and parser.should_keep_alive() and not front.is_ending
            self.hot = _Hot(headers.get(b"content-type", b""), front.version_header, keep_alive=keep_alive)
            self.cycle = self.hot  # type: ignore[assignment]  # it stands for one of uvicorn's
        else:
            self._go_the_long_way()
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
        return not (origin and access.is_foreign(origin, host))

    def _go_the_long_way(self) -> None:
        url, headers, expects = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expects
        self.headers += headers
        super().on_headers_complete()
        if self.front.is_ending:
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """Take in a part of the body."""
        hot = self.cycle
        if self.is_refused:
            return
        self.kept = 0
        self.arrived += len(body)
        if not isinstance(hot, _Hot):
            super().on_body(body)
            return
        if not hot.body:
            hot.body = body
        elif isinstance(hot.body, bytes):
            hot.body = bytearray(hot.body) + body
        else:
            hot.body += body
        if len(hot.body) > limits.BODY:
            self._refuse(_too_large())

    def on_message_complete(self) -> None:
        """Hand the request on."""
        if self.is_refused or self.is_heading:  # as it is where another protocol is offered
            return
        self.is_reading = False
        hot = self.cycle
        if not isinstance(hot, _Hot):
            super().on_message_complete()
            return
        hot.began = time.monotonic()
        body, hot.body = hot.body, b""
        if not self.front.ask(hot.content_type, body, self._answer):
            self._write(503, _PROBLEM, self.front.full(), b"retry-after: 1\r\n")

    def _answer(self, answer: Answer) -> None:
        hot = self.hot
        assert hot is not None  # noqa: S101  # it is what was asked
        self.front.metrics_of(answer, time.monotonic() - hot.began)
        self._write(answer.status, answer.content_type or _JSON, answer.body)

    def _write(self, status: int, content_type: bytes, body: bytes, more: bytes = b"") -> None:
        hot = self.hot
        assert hot is not None  # noqa: S101  # as above
        hot.response_complete = True
        if hot.disconnected or self.transport.is_closing():
            return
        self.transport.write(
            b"%b%b%bcontent-type: %b\r\ncontent-length: %d\r\n%b%b\r\n%b"
            % (
                _STATUS_LINES[status],
                self.front.date_header,
                hot.version_header,
                content_type,
                len(body),
                more,
                b"" if hot.keep_alive else b"connection: close\r\n",
                body,
            )
        )
        if not hot.keep_alive:
            self.in_flight = 0
            self.transport.close()
        elif self.pipeline or self.is_refused:
            self.on_response_complete()
        else:
            self.in_flight = 0
            self.since = time.monotonic()

    def on_response_complete(self) -> None:
        """Go on with what came behind a request that has its answer now."""
        self.in_flight -= 1
        self.since = time.monotonic()
        super().on_response_complete()
        if self.is_refused and not self.in_flight:
            self._part()

    def _refuse(self, problem: Problem, more: bytes = b"") -> None:
        """Give a last answer, once those before it are out, and hear no more of this connection."""
        if self.is_refused:
            return
        self.is_refused = True
        self.refusal = (problem, more)
        if self.has_begun and self.is_reading and not self.is_heading:  # it is on one of the ways already
            if self.cycle.response_complete:
                self.refusal = None  # it had its answer, although not all of it had arrived
            else:
                self.in_flight -= 1
                self.cycle.disconnected = True
                self.cycle.message_event.set()
        if not self.in_flight:
            self._part()

    def _part(self) -> None:
        """Write the last answer, where there is one, and say that it is the last."""
        self.since = time.monotonic()
        if self.transport.is_closing():
            return
        if self.refusal is not None:
            problem, more = self.refusal
            body = problem.document()
            self.transport.write(
                b"%b%bcontent-type: %b\r\ncontent-length: %d\r\n%bconnection: close\r\n\r\n%b"
                % (_STATUS_LINES[problem.status], self.front.date_header, _PROBLEM, len(body), more, body)
            )
            self.front.refused(problem.status)
        # Closed at once, what the client is still sending would take the answer away from it.
        self.transport.write_eof()

    def shutdown(self) -> None:
        """Accept no request after the present ones; who has none open may just be sending one, and is closed later."""
        if self.in_flight:
            self.cycle.keep_alive = False

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002  # uvicorn's signature
        """Refuse what is no HTTP."""
        self._refuse(Problem(400, "Malformed request", "This is not HTTP/1.1."))

    def sweep(self, now: float) -> None:
        """Close the connection where its client takes too long."""
        age = now - self.since
        size = self.transport.get_write_buffer_size()
        self.unread = max(self.unread, size) if size else 0
        if size and age > limits.WRITING + self.unread / limits.SLOWEST:
            self.transport.abort()
        elif self.is_refused:
            longest = limits.PARTING if self.front.is_ending else limits.LINGERING
            if not self.in_flight and age > longest + size / limits.SLOWEST:
                self.transport.abort()
        elif self.is_reading:
            self._hurry(age)
        elif not self.in_flight and not size and age > (limits.PARTING if self.front.is_ending else limits.IDLE):
            self.transport.close()

    def _hurry(self, age: float) -> None:
        longest = limits.LINGERING if self.front.is_ending else limits.READING
        if not self.has_begun:
            if age > (limits.PARTING if self.front.is_ending else limits.READING):
                self.transport.close()
        elif age > longest + self.arrived / limits.SLOWEST:
            self._refuse(Problem(408, "Request too slow", f"It has to arrive within {longest:g} s."))


def _too_large() -> Problem:
    return Problem(413, "Body too large", f"It may have {limits.BODY:,} bytes.")


def _headers_too_large() -> Problem:
    return Problem(431, "Headers too large", f"They may have {limits.HEADERS:,} bytes together.")
