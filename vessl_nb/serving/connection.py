"""A connection to the front: uvicorn's own, with limits on what a client sends, and on how long it takes."""

from __future__ import annotations

import time
from http import HTTPStatus
from typing import TYPE_CHECKING, ClassVar

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from vessl_nb.serving import limits
from vessl_nb.serving.problems import CLIENT_CLOSED, PROBLEM_TYPE, Problem

if TYPE_CHECKING:
    import asyncio

    from vessl_nb.serving.front import Front

_PHRASES = {status.value: status.phrase for status in HTTPStatus} | {CLIENT_CLOSED: "Client Closed Request"}
STATUS_LINES = {status: f"HTTP/1.1 {status} {phrase}\r\n".encode() for status, phrase in _PHRASES.items()}
TRY_AGAIN = b"retry-after: 1\r\n"

_MOST_KEPT = limits.HEADERS + (1 << 18)
"""How much may arrive of a request without a part of its body: the headers, and what one reading brings beside."""


class Connection(HttpToolsProtocol):
    """A connection to the front, with a limit to everything that its client may do.

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
    held
        How many bytes of a larger body that is arriving are here.
    in_flight
        How many requests have their headers here, and no answer yet.
    has_ended
        Whether its client sends nothing more: it waits for its last answers, or is gone.
    is_refused
        Whether nothing more is heard of its client: it is only still open for it to read its last answers.
    """

    front: ClassVar[Front]

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """Take a connection in, unless there are too many."""
        super().connection_made(transport)
        self.has_begun = self.is_heading = False
        self.is_reading = True  # whoever connects is to ask soon
        self.is_refused = self.has_ended = False
        self.refusal: tuple[Problem, bytes] | None = None
        self.on_the_long_way: list[RequestResponseCycle] = []
        self.in_flight = self.held = 0
        self.url = b""
        self.header_size = self.kept = self.arrived = self.unread = 0
        self.since = time.monotonic()
        if len(self.connections) > self.front.most_connections:
            self.refuse(Problem(503, "Too many connections", "Try again in a moment."), TRY_AGAIN)
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell every request that has no answer yet: uvicorn tells the last one."""
        self.let_go()
        for cycle in self.on_the_long_way:
            cycle.disconnected = True
            cycle.message_event.set()
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
                self.refuse(_headers_too_large())

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
        self.has_ended = True
        if not self.is_refused and self.has_begun:
            if self.is_reading:
                self.refuse(Problem(400, "Malformed request", "It ended before all of it was there."))
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
            self.refuse(Problem(414, "Address too long", f"It may have {limits.HEADERS:,} bytes."))

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take in a header."""
        self.header_size += len(name) + len(value)
        if self.header_size > limits.HEADERS:
            self.refuse(_headers_too_large())
            return
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))

    def go_the_long_way(self) -> None:
        """Hand the request to the application, as uvicorn does: with what was left out when it began."""
        url, headers, expects = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expects
        self.headers += headers
        self.scope["vessl_nb.connection"] = self  # type: ignore[typeddict-unknown-key]  # for what answers it
        super().on_headers_complete()
        self.on_the_long_way = [cycle for cycle in self.on_the_long_way if not cycle.response_complete]
        self.on_the_long_way.append(self.cycle)
        if self.front.is_ending:
            self.cycle.keep_alive = False

    def hold(self, size: int) -> None:
        """Count bytes of a body that is larger than most, and refuse it where those of all clients are too many."""
        self.held += size
        self.front.arriving_bytes += size
        if self.front.has_too_many_bytes:
            self.refuse(Problem(503, "Too much at once", "Large bodies of others are arriving. Try again."), TRY_AGAIN)

    def let_go(self) -> None:
        """Count the bytes no more that were handed on, or forgotten."""
        self.front.arriving_bytes -= self.held
        self.held = 0

    def on_response_complete(self) -> None:
        """Go on with what came behind a request that has its answer now."""
        self.let_go()
        self.in_flight -= 1
        self.since = time.monotonic()
        super().on_response_complete()
        if self.is_refused and not self.in_flight:
            self._part()

    def refuse(self, problem: Problem, more: bytes = b"") -> None:
        """Give a last answer, once those before it are out, and hear no more of this connection."""
        if self.is_refused:
            return
        self.is_refused = True
        self.let_go()
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
                % (STATUS_LINES[problem.status], self.front.date_header, PROBLEM_TYPE, len(body), more, body)
            )
            if self.url == b"/predict":
                self.front.refused(problem.status)
            else:
                self.front.refused_connections += 1
        # Closed at once, what the client is still sending would take the answer away from it.
        self.transport.write_eof()

    def shutdown(self) -> None:
        """Accept no request after the present ones; who has none open may just be sending one, and is closed later."""
        if self.in_flight:
            self.cycle.keep_alive = False

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002  # uvicorn's signature
        """Refuse what is no HTTP."""
        self.refuse(Problem(400, "Malformed request", "This is not HTTP/1.1."))

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
        elif self.has_ended and age > limits.GIVEN_UP:
            self.give_up()
        elif not self.in_flight and not size and age > (limits.PARTING if self.front.is_ending else limits.IDLE):
            self.transport.close()

    def give_up(self) -> None:
        """Answer the request of a client that is gone, as it seems, where that is still possible."""

    def _hurry(self, age: float) -> None:
        longest = limits.LINGERING if self.front.is_ending else limits.READING
        if not self.has_begun:
            if age > (limits.PARTING if self.front.is_ending else limits.READING):
                self.transport.close()
        elif age > longest + self.arrived / limits.SLOWEST:
            self.refuse(Problem(408, "Request too slow", f"It has to arrive within {longest:g} s."))


def _headers_too_large() -> Problem:
    return Problem(431, "Headers too large", f"They may have {limits.HEADERS:,} bytes together.")
