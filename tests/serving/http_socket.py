"""A client that sends whatever bytes it is given, and reads answers as RFC 9112 has them: for what no library sends."""

from __future__ import annotations

import json
import socket
import threading
import urllib.parse
from typing import Any, NamedTuple, Self

from prometheus_client.parser import text_string_to_metric_families


class Reply(NamedTuple):
    """An answer: its status, its headers by their names in small letters, and its body."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Talk:
    """A connection."""

    def __init__(self, url: str, timeout: float = 8.0) -> None:
        place = urllib.parse.urlsplit(url)
        self.socket = socket.create_connection((place.hostname, place.port), timeout)
        self._rest = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def reply(self, *, is_head: bool = False) -> Reply:
        """Read one answer; EOFError where the connection ends instead."""
        head = self._until(b"\r\n\r\n").decode("latin-1")
        first, *lines = head.split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines if line)}
        status = int(first.split(" ")[1])
        if is_head or status in {100, 204, 304}:
            return Reply(status, headers, b"")
        if headers.get("transfer-encoding") == "chunked":
            return Reply(status, headers, self._chunks())
        return Reply(status, headers, self._exactly(int(headers["content-length"])))

    def is_closed(self) -> bool:
        """Wait for the other end to say that no more comes; tell whether nothing came before."""
        try:
            return not self._rest and not self.socket.recv(1)
        except ConnectionResetError:
            return True

    def _chunks(self) -> bytes:
        body = b""
        while length := int(self._until(b"\r\n"), 16):
            body += self._exactly(length)
            self._until(b"\r\n")
        self._until(b"\r\n")
        return body

    def _until(self, end: bytes) -> bytes:
        while end not in self._rest:
            self._more()
        found, _, self._rest = self._rest.partition(end)
        return found

    def _exactly(self, length: int) -> bytes:
        while len(self._rest) < length:
            self._more()
        found, self._rest = self._rest[:length], self._rest[length:]
        return found

    def _more(self) -> None:
        part = self.socket.recv(1 << 20)
        if not part:
            raise EOFError(self._rest)
        self._rest += part


def request(
    body: bytes = b"",
    *,
    method: str = "POST",
    path: str = "/predict",
    headers: dict[str, str] | None = None,
    version: str = "1.1",
) -> bytes:
    """Write a request."""
    lines = {"host": "localhost", "content-type": "application/json", "content-length": str(len(body))}
    lines |= headers or {}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"{method} {path} HTTP/{version}\r\n{head}\r\n".encode("latin-1") + body


def ask(url: str, data: bytes) -> Reply:
    """Send bytes over a connection of their own, and read the answer."""
    with Talk(url) as talk:
        talk.send(data)
        return talk.reply()


def post(url: str, data: Any, **how: Any) -> Reply:
    """Send data as JSON to be predicted."""
    return ask(url, request(json.dumps(data).encode(), **how))


def get(url: str, path: str, **headers: str) -> Reply:
    """Read an address."""
    return ask(url, request(method="GET", path=path, headers=headers))


def counted(url: str, **headers: str) -> dict[str, float]:
    """Read how many requests got each status, from the server's metrics."""
    return {
        sample.labels["status"]: sample.value
        for family in text_string_to_metric_families(get(url, "/metrics", **headers).body.decode())
        for sample in family.samples
        if sample.name.endswith("requests_total") and "status" in sample.labels
    }


def is_problem(reply: Reply, status: int) -> bool:
    """Tell whether an answer is a problem document, RFC 9457, of this status."""
    document = reply.json
    is_said = isinstance(document["title"], str) and isinstance(document["detail"], str) and document["detail"]
    is_one = reply.headers["content-type"] == "application/problem+json" and document["status"] == reply.status
    return bool(reply.status == status and is_said and is_one and document["type"] == "about:blank")


class Clients:
    """Clients that ask at the same time, each in a thread of its own, until they are told to stop."""

    def __init__(self, count):
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(count)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join()
