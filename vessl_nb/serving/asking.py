"""Asking a server, as any client would."""

from __future__ import annotations

import contextlib
import http.client
import time
import urllib.parse
from typing import Any

import msgspec

from vessl_nb.errors import RequestFailed
from vessl_nb.serving.answering import JSON, make_plain_writer

_MOST_ERRORS = 5

write_data = make_plain_writer("data", "Send")
"""Makes a body, and its content type, of data."""


class Answered(msgspec.Struct, frozen=True):
    """What a server answered to one request.

    Attributes
    ----------
    status
        The HTTP status.
    content_type, body
        What came.
    version
        The version that the server had then; empty where it did not say so.
    seconds
        How long it took.
    """

    status: int
    content_type: str
    body: bytes
    version: str
    seconds: float

    def value(self) -> Any:
        """Give what was answered: JSON, read, or bytes; RequestFailed where it is a problem."""
        if self.status != http.client.OK:
            raise _failure_of(self)
        return msgspec.json.decode(self.body) if self.content_type == JSON else self.body


def ask_server(
    url: str,
    token: str,
    timeout: float,
    method: str,
    path: str,
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
) -> Answered:
    """Send a request, and give the answer whatever it is.

    Parameters
    ----------
    url, token
        Where the server is, and what it wants to be told; empty where nothing.
    timeout
        How long an answer is waited for, in seconds.
    method, path, body, headers
        What is sent.

    Raises
    ------
    RequestFailed
        There was no answer.
    """
    place = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=timeout)
    sent = dict(headers or {})
    if token:
        sent["authorization"] = f"Bearer {token}"
    began = time.perf_counter()
    with contextlib.closing(connection):
        try:
            connection.request(method, path, body, sent)
            response = connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise RequestFailed(f"{url} does not answer: {error}.", "Its logs() may say why.") from error
    return Answered(
        response.status,
        response.getheader("content-type", ""),
        content,
        response.getheader("vessl-version", ""),
        time.perf_counter() - began,
    )


def _where_more_is(problem: dict[str, Any]) -> str:
    return f"Its logs() say more, under the id {problem['id']}." if "id" in problem else "Its logs() may say more."


def _failure_of(answered: Answered) -> RequestFailed:
    status = answered.status
    try:
        problem = msgspec.json.decode(answered.body, type=dict[str, Any])
    except msgspec.DecodeError:
        return RequestFailed(f"The server answered {status}.", "Its logs() may say why.", status=status)
    errors = [
        f"{error['pointer'] or 'the data'}: {error['detail']}" for error in problem.get("errors", [])[:_MOST_ERRORS]
    ]
    return RequestFailed(
        f"The server answered {status}, {problem.get('title', '')}: {'; '.join(errors) or problem.get('detail', '')}",
        _where_more_is(problem) if status >= http.client.INTERNAL_SERVER_ERROR else "",
        status=status,
        problem=problem,
    )
