"""What a client is told when a request cannot be answered: a problem document, RFC 9457."""

from __future__ import annotations

from typing import Any

import msgspec

from vessl_nb.faces.words import counted, one_line

MEDIA_TYPE = "application/problem+json"
"""The content type of a problem document."""

PROBLEM_TYPE = MEDIA_TYPE.encode()
"""The same, as it travels."""

CLIENT_CLOSED = 499
"""The status of a request whose client is gone, as nginx has it."""

_MOST_CHARACTERS = 500
_MOST_OF_A_VALUE = 60


class Problem(Exception):
    """A request that cannot be answered, and why.

    Parameters
    ----------
    status
        The HTTP status.
    title
        What kind of problem it is, in a few words that are the same each time.
    detail
        What was wrong this time, with the value and the next step, in sentences; it is cut to one line.
    **members
        What else the document says: ``errors``, ``stage``, ``id`` ...
    """

    def __init__(self, status: int, title: str, detail: str, **members: Any) -> None:
        super().__init__(status, title, detail)
        self.status = status
        self.title = title
        self.detail = one_line(detail, _MOST_CHARACTERS)
        self.members = members

    def document(self) -> bytes:
        """Write it as JSON; its content type is `MEDIA_TYPE`."""
        said = {"type": "about:blank", "title": self.title, "status": self.status, "detail": self.detail}
        return msgspec.json.encode(said | self.members)


def not_ready() -> Problem:
    """Give what is said where nobody is there to answer."""
    return Problem(503, "Not ready", "No worker is there to answer at the moment.")


def client_closed() -> Problem:
    """Give what is said of a request whose client is gone; who only sends no more, reads it."""
    detail = "Its client closed the connection, or its half of it, while the request waited for a worker. Keep it open."
    return Problem(CLIENT_CLOSED, "Client closed request", detail)


def body_too_large(most: int) -> Problem:
    """Give what is said of a body that has more bytes than one may have."""
    return Problem(413, "Body too large", f"It may have {most:,} bytes.")


def short(value: Any) -> str:
    """Write a value of a request in a few characters, for the detail of a problem.

    Parameters
    ----------
    value
        What was decoded from JSON; of objects and arrays only the size is said, so that it takes no time.
    """
    if isinstance(value, dict):
        return f"an object of {counted(len(value), 'member')}" if value else "an empty object"
    if isinstance(value, list):
        return f"an array of {counted(len(value), 'item')}" if value else "an empty array"
    if isinstance(value, str):
        value = value[: _MOST_OF_A_VALUE * 2]
    return one_line(msgspec.json.encode(value).decode(), _MOST_OF_A_VALUE)
