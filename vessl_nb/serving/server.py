"""A server's process: it listens, starts the front, says where it is, and ends when it is told to."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import signal
import socket
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import uvicorn

from vessl_nb.errors import CannotServe, VesslError
from vessl_nb.serving.access import Access, is_local, make_token
from vessl_nb.serving.front import Front
from vessl_nb.serving.hot_path import PredictProtocol
from vessl_nb.serving.limits import raise_open_files
from vessl_nb.serving.log import wait_for_log, write_log_aside
from vessl_nb.serving.options import Listening, Options
from vessl_nb.serving.orphans import adopt_orphans, reap_orphans
from vessl_nb.serving.routes import make_app
from vessl_nb.serving.stem_process import StemProcess

if TYPE_CHECKING:
    from collections.abc import Callable

_GRACE = 5.0
"""How much longer than a request may take the end of a server may take, in seconds."""

_LONGEST_LOG, _KEPT_OF_LOG = 32 << 20, 1 << 20
_SWEEP = 0.1
_OTHER_PORT = "Take another port; port 0 lets the system choose one."
_OTHER_HOST = "Take an address of this machine, such as 127.0.0.1, or 0.0.0.0 for all of them."

log = logging.getLogger("vessl_nb.serving")


def serve_until_told(options: Options, announce: Callable[[Listening], None], parent: int | None = None) -> None:
    """Serve, in this process and its children, until SIGINT, SIGTERM, or the end of the parent.

    The process is the server's own from then on: the end of each of its children is asked for here.

    Parameters
    ----------
    options
        How.
    announce
        Is called once it answers.
    parent
        A descriptor that is at its end when the parent is no more; None where nobody is to be waited for.

    Raises
    ------
    VesslError
        It did not start; says why.
    """
    adopt_orphans()
    token = options.token
    if token is None:
        token = "" if is_local(options.host) else make_token()
    if not token and not is_local(options.host):
        raise CannotServe(
            f"On {options.host} others than this machine can ask, and there is no token.",
            "Leave the token out, and one is made; or listen on 127.0.0.1.",
        )
    front = Front(options, Access(token), raise_open_files())
    listener = _listen(options)
    with listener:
        config = uvicorn.Config(
            make_app(front),
            http=type("_Protocol", (PredictProtocol,), {"front": front}),
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            proxy_headers=False,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=int(options.timeout + _GRACE),
            backlog=2048,
        )
        server = _Server(config, front, announce, parent, _url_of(listener), token)
        with contextlib.suppress(KeyboardInterrupt):  # uvicorn raises it again once all is done
            server.run([listener])
    if server.failure is not None:
        raise server.failure


class _Server(uvicorn.Server):
    """uvicorn's server, around the life of a front."""

    def __init__(
        self,
        config: uvicorn.Config,
        front: Front,
        announce: Callable[[Listening], None],
        parent: int | None,
        url: str,
        token: str,
    ) -> None:
        super().__init__(config)
        self.failure: Exception | None = None
        self._front = front
        self._following: asyncio.Future[None] | None = None
        self._announce = announce
        self._parent = parent
        self._url = url
        self._token = token

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the workers, and only then listen."""
        starting = asyncio.ensure_future(self._front.start())
        self._watch_parent()
        if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
            if _has_terminal():  # which was closed: this is not to outlive it
                asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self.handle_exit, signal.SIGHUP, None)
            else:  # who looks after services asks so for a new look at settings, of which there are none
                signal.signal(signal.SIGHUP, signal.SIG_IGN)
        while not starting.done() and not self.should_exit:
            await asyncio.wait([starting], timeout=0.1)
        if not starting.done():
            starting.cancel()
        try:
            await starting
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001  # it is raised where the server was started
            self.failure = error if isinstance(error, Exception) else None
            self.should_exit = True
            return
        try:
            await super().startup(sockets)
        except OSError as error:  # another server took the port while the version was loading
            self.failure = CannotServe(f"Cannot listen on {self._url}: {error.strerror}.", _OTHER_PORT)
            self.should_exit = True
            await self._front.stop()
            return
        front = self._front
        if front.following is not None:
            self._following = asyncio.ensure_future(front.following.follow())
        self._announce(
            Listening(url=self._url, reference=front.version.reference, token=self._token, remark=front.tried.problem)
        )

    async def on_tick(self, counter: int) -> bool:
        """Look after connections, and after the time in the answers' headers: once a second."""
        if counter % 10 == 0:
            self._front.renew_headers()
            self.server_state.default_headers = [(b"date", self._front.date_header[len("date: ") :].strip())]
            self._sweep()
            reap_orphans(StemProcess.is_awaited)
            if self._parent is not None:  # else the log is not this server's own
                _cut_log()
        return self.should_exit

    def _sweep(self) -> None:
        now = time.monotonic()
        for connection in list(self.server_state.connections):
            connection.sweep(now)  # type: ignore[union-attr]  # all are of our own protocol

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer what was accepted, then end the workers; at once where Ctrl-C is pressed again."""
        self._front.is_ending = True
        if self._following is not None:
            self._following.cancel()
            await asyncio.wait([self._following])  # a version that it was starting is ended
        ending = asyncio.ensure_future(super().shutdown(sockets))
        while not ending.done():
            self._sweep()
            await asyncio.wait([ending], timeout=_SWEEP)
        ending.result()
        for connection in list(self.server_state.connections):  # told so once more: nobody gets an answer
            connection.transport.abort()
        stopping = asyncio.ensure_future(self._front.stop())
        while not stopping.done() and not self.force_exit:
            await asyncio.wait([stopping], timeout=_SWEEP)
        if not stopping.done():
            stopping.cancel()
            await self._front.crew.end()
        wait_for_log()  # now: uvicorn raises the signal again, and this process ends by it

    def _watch_parent(self) -> None:
        if self._parent is None:
            return
        loop, parent = asyncio.get_running_loop(), self._parent

        def hear() -> None:
            if not os.read(parent, 1):
                loop.remove_reader(parent)
                self.should_exit = True

        os.set_blocking(parent, False)
        loop.add_reader(parent, hear)


def _has_terminal() -> bool:
    return any(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr))


def _cut_log() -> None:
    """Keep only the end of a log that has become long: a runner may print at each request, for weeks."""
    size = os.fstat(sys.stderr.fileno()).st_size
    if size > _LONGEST_LOG:
        end = os.pread(sys.stderr.fileno(), _KEPT_OF_LOG, size - _KEPT_OF_LOG)
        os.ftruncate(sys.stderr.fileno(), 0)
        os.write(sys.stderr.fileno(), end.partition(b"\n")[2])


def _listen(options: Options) -> socket.socket:
    try:
        family, kind, proto, _, address = socket.getaddrinfo(options.host, options.port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, proto)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
        except OSError:
            listener.close()
            raise
    except OSError as error:
        is_port = error.errno in {errno.EADDRINUSE, errno.EACCES}
        raise CannotServe(
            f"Cannot listen on {options.host}:{options.port}: {error.strerror}.",
            _OTHER_PORT if is_port else _OTHER_HOST,
        ) from error
    return listener


def _url_of(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104  # it is only said
    return f"http://{host}:{port}"


def main(said: int, parent: int, log_file: str) -> None:
    """Serve as a child process: say how it went into one descriptor, and end with another.

    `Options` are read from standard input, as JSON: on the command line everybody here could read the token.

    Parameters
    ----------
    said
        Where to write `Listening`, as JSON.
    parent
        As `serve_until_told` takes it.
    log_file
        Where standard error goes; removed where the parent has ended, for nobody else knows of it.
    """
    caller = os.getppid()
    write_log_aside()
    for descriptor in (said, parent):
        os.set_inheritable(descriptor, False)

    def announce(listening: Listening) -> None:
        with contextlib.suppress(BrokenPipeError), os.fdopen(said, "wb") as pipe:
            pipe.write(msgspec.json.encode(listening))

    try:
        serve_until_told(msgspec.json.decode(sys.stdin.buffer.read(), type=Options), announce, parent)
    except VesslError as error:
        kind = getattr(error, "kind", "") or type(error).__name__
        announce(Listening(kind=kind, what=error.what, next_step=error.next_step))
    finally:
        wait_for_log()
        if os.getppid() != caller:
            Path(log_file).unlink(missing_ok=True)
