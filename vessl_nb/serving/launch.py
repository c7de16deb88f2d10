"""A server started from Python: a process of its own, which ends with this one."""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.parse
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import msgspec

from vessl_nb.errors import CannotServe, RequestFailed
from vessl_nb.faces.server import server_html
from vessl_nb.registry.names import parse_reference
from vessl_nb.registry.registry import open_registry
from vessl_nb.serving.asking import Answered, ask_server, write_data
from vessl_nb.serving.options import Listening, Options, check_options
from vessl_nb.temporary_folder import making_temporary

if TYPE_CHECKING:
    from types import TracebackType

_START_LIMIT = 660.0
_STOP_LIMIT = 10.0

_running: set[Server] = set()  # those that nobody holds any more run on, too


class Server:
    """A running server of a version.

    Attributes
    ----------
    url
        Where it is, such as ``http://127.0.0.1:8000``; ``POST /predict`` below it answers.
    reference
        What it was asked to serve; an alias is followed.
    version
        The version that answered when it started.
    token
        What clients must know; empty where they need not.
    remark
        What is wrong with the answers to its stored examples; empty where nothing is.
    """

    def __init__(
        self, options: Options, process: subprocess.Popen[bytes], log: Path, said: Listening, pipe: int
    ) -> None:
        self.url = said.url
        self.reference = options.reference
        self.version = said.reference
        self.token = said.token
        self.remark = said.remark
        self.owner = os.getpid()
        self._options = options
        self._process = process
        self._log = log
        self._pipe: int | None = pipe
        _running.add(self)

    def predict(self, data: Any) -> Any:
        """Send one request, and give what the server answers.

        Parameters
        ----------
        data
            What a client sends: what JSON holds, arrays, tensors and frames as lists; or bytes, or an image, as they
            are.

        Returns
        -------
        object
            JSON, read; or bytes, where the answer is something else.

        Raises
        ------
        RequestFailed
            The server answered with a problem, or not at all.
        """
        body, kind = write_data(data)
        return self.ask("POST", "/predict", body, {"content-type": kind}).value()

    def ask(self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> Answered:
        """Send a request of any kind, with the token, and give the answer whatever it is.

        Parameters
        ----------
        method, path
            Such as ``GET`` and ``/metrics``.
        body, headers
            What is sent.

        Raises
        ------
        RequestFailed
            There was no answer.
        """
        try:
            return ask_server(self.url, self.token, self._options.timeout + 5, method, path, body, headers)
        except RequestFailed:
            if self.is_running:
                raise
            raise RequestFailed(f"The server of {self.reference} is stopped.", "Start it again.") from None

    def metadata(self) -> dict[str, Any]:
        """Read what the server says of itself: its version, and what it follows.

        Raises
        ------
        RequestFailed
            It does not answer.
        """
        told: dict[str, Any] = self.ask("GET", "/metadata").value()
        return told

    def start(self) -> None:
        """Start it again, where it was and as it was started; one that runs goes on.

        Raises
        ------
        CannotServe
            It cannot be served any more, or the address is taken; says why.
        """
        if self.is_running:
            return
        self.stop()  # one that ended by itself leaves its log and its pipe
        port = urllib.parse.urlsplit(self.url).port or 0
        again = _start(msgspec.structs.replace(self._options, port=port, token=self.token))
        _running.discard(again)
        vars(self).update(vars(again))
        _running.add(self)

    def logs(self, lines: int = 100) -> str:
        """Read the last lines of what the server, and the runner's own code, have written.

        Parameters
        ----------
        lines
            How many there are to be at most.
        """
        with contextlib.suppress(OSError), self._log.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - 200 * lines))
            return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])
        return ""

    @property
    def is_running(self) -> bool:
        """Whether its process is there."""
        return self._process.poll() is None

    def stop(self) -> None:
        """End the server, after it has answered what it had accepted; one that is ended stays so."""
        if self._pipe is not None:
            os.close(self._pipe)
            self._pipe = None
            with contextlib.suppress(ProcessLookupError):
                self._process.terminate()  # a process that was forked here may hold the pipe open
        try:
            self._process.wait(self._options.timeout + _STOP_LIMIT)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._log.unlink(missing_ok=True)
        _running.discard(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<Server {self.reference} at {self.url}{'' if self.is_running else ', stopped'}>"

    def _repr_html_(self) -> str:
        from vessl_nb.serving.shown import face_of  # noqa: PLC0415  # only a notebook shows it

        return server_html(face_of(self))


def serve(
    reference: str,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    workers: int = 1,
    token: str | None = None,
    queue: int = 256,
    timeout: float = 30.0,
) -> Server:
    """Serve a version over HTTP, in processes of its own that end with this one.

    Parameters
    ----------
    reference
        ``iris`` (the newest at the time), ``iris:3``, ``iris:champion``, ``iris:3@1``, ``org/iris:3``. A server of an
        alias follows it.
    host, port
        Where it listens; port 0 lets the system choose one.
    workers
        How many processes answer; they share the weights' memory.
    token
        What clients must know. Left out, there is none on this machine's own address, and one is made for any other.
    queue
        How many requests may wait while all workers are busy; who comes then is told to try again.
    timeout
        How long a request may take, waiting included, in seconds.

    Returns
    -------
    Server
        It answers already. Use it as a context manager, or call its ``stop``.

    Raises
    ------
    InvalidArgument
        An argument cannot be meant.
    InvalidReference, NotFound
        The reference cannot be read, or means nothing that is there.
    CannotServe
        The version cannot be served here, or the address is taken; says why.
    """
    options = check_options(
        Options(reference=reference, host=host, port=port, workers=workers, token=token, queue=queue, timeout=timeout)
    )
    open_registry().resolve(parse_reference(reference))
    return _start(options)


def _start(options: Options) -> Server:
    """Start the process, and wait until it answers."""
    with making_temporary(CannotServe):
        descriptor, name = tempfile.mkstemp(prefix="vessl_nb-serve-", suffix=".log")
    said, saying = os.pipe()
    ending, pipe = os.pipe()
    fcntl.fcntl(descriptor, fcntl.F_SETFL, os.O_APPEND)  # so that it can be cut while others write
    log = Path(name)
    script = f"from vessl_nb.serving.server import main; main({saying}, {ending}, {name!r})"
    try:
        process = subprocess.Popen(  # noqa: S603  # this very interpreter
            [sys.executable, "-P", "-c", script],
            stdin=subprocess.PIPE,
            stdout=descriptor,
            stderr=descriptor,
            pass_fds=[saying, ending],
            start_new_session=True,  # the notebook's stop button is not for it
        )
    except OSError as error:
        os.close(said)
        os.close(pipe)
        raise CannotServe(f"Cannot start a process: {error.strerror}.") from error
    finally:
        for theirs in (saying, ending, descriptor):
            os.close(theirs)
    try:
        assert process.stdin is not None  # noqa: S101  # it was asked for
        with contextlib.suppress(BrokenPipeError), process.stdin:  # where it ended at once, its log says why
            process.stdin.write(msgspec.json.encode(options))
        listening = _wait_for(said, process, log, options)
    except BaseException:  # an interrupt, too
        os.close(pipe)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_LIMIT)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        log.unlink(missing_ok=True)
        raise
    finally:
        os.close(said)
    return Server(options, process, log, listening, pipe)


def _wait_for(said: int, process: subprocess.Popen[bytes], log: Path, options: Options) -> Listening:
    os.set_blocking(said, False)
    message, deadline = b"", time.monotonic() + _START_LIMIT
    while time.monotonic() < deadline:
        try:
            part = os.read(said, 1 << 16)
        except BlockingIOError:
            time.sleep(0.005)
            continue
        if not part:
            break
        message += part
    if not message:
        status = process.poll()
        lines = log.read_text(errors="replace").strip().splitlines()[-1:]
        how = f"ended with status {status}" if status is not None else f"did not answer within {_START_LIMIT:.0f} s"
        raise CannotServe(f"The server of {options.reference} {how}. {' '.join(lines)}".rstrip())
    listening = msgspec.json.decode(message, type=Listening)
    if listening.what:
        raise CannotServe(listening.what, listening.next_step, kind=listening.kind)
    return listening


@atexit.register
def stop_all() -> None:
    """Stop every server that this process started."""
    for server in list(_running):
        if server.owner == os.getpid():  # a fork of it has the list, too
            server.stop()


def running_servers() -> list[Server]:
    """List the servers that this process started and that still run."""
    return [server for server in list(_running) if server.is_running]
