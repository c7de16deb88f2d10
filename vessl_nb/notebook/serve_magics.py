"""The magics of servers: one starts a server, one stops it."""

from __future__ import annotations

import contextlib
import socket
import sys
import urllib.parse
from typing import TYPE_CHECKING, Any

from IPython.core.magic import line_magic, magics_class
from IPython.core.magic_arguments import argument, magic_arguments

from vessl_nb.errors import InvalidArgument, VesslError, nearest
from vessl_nb.notebook.notebook_magics import NotebookMagics
from vessl_nb.notebook.typed import typed
from vessl_nb.registry.names import parse_reference

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator

    from vessl_nb.serving.launch import Server

_PORT = 8000
"""Where a server is looked for first."""


def running_servers() -> list[Server]:
    """List the servers that run; where none was ever started nothing is imported for it."""
    launch = sys.modules.get("vessl_nb.serving.launch")
    return launch.running_servers() if launch else []


def stop_servers() -> None:
    """Stop every server that this process started."""
    if launch := sys.modules.get("vessl_nb.serving.launch"):
        launch.stop_all()


@magics_class
class ServeMagics(NotebookMagics):
    """The magics of servers."""

    @magic_arguments()
    @argument("reference", help="The version: iris (the newest), iris:3, iris:champion, iris:3@1, org/iris:3.")
    @argument("--host", metavar="HOST", default="127.0.0.1", help="Where it listens; only this machine, if left out.")
    @argument("--port", metavar="NUMBER", type=int, help="The port; 8000, or another where that is taken; 0 for any.")
    @argument("--workers", metavar="NUMBER", type=int, default=1, help="How many processes answer.")
    @argument("--token", metavar="TEXT", help="What clients must know; made where it is needed, if left out.")
    @argument("--queue", metavar="NUMBER", type=int, default=256, help="How many requests may wait for a worker.")
    @argument("--timeout", metavar="SECONDS", type=float, default=30.0, help="How long a request may take.")
    @typed
    @line_magic
    def vessl_serve(self, arguments: Namespace) -> Server:
        """Serve a version over HTTP, from this machine.

            %vessl_serve iris:champion
            server = %vessl_serve iris:champion --port 0 --workers 2
            %vessl_serve iris:3 --host 0.0.0.0 --token {token}

        It runs in processes of its own, which load the version from the registry
        and let it answer its examples first. It answers POST /predict; /docs says
        what it takes. The panel shows how to call it, has a form to try it, and
        how fast each stage is. A server of an alias follows it when it moves.

        Only this machine can ask it. On any other --host a token is needed. What
        is on the line is saved with the notebook: put a token into a variable.

        A server of the same reference that runs is stopped first, and its port
        taken again. Servers end with their kernel, or by %vessl_stop.

        Returns the server, with .url, .predict(data), .logs() and .stop().
        Next: %vessl_stop, or %vessl_alias iris:4 champion while it runs.
        """
        from vessl_nb.registry.version import find_version  # noqa: PLC0415  # 25 ms that %load_ext does not take
        from vessl_nb.serving.launch import serve  # noqa: PLC0415  # as above
        from vessl_nb.serving.options import Options, check_options  # noqa: PLC0415  # as above

        options: dict[str, Any] = {**vars(arguments), "port": arguments.port or 0}
        check_options(Options(**options))
        find_version(arguments.reference)  # before another server is stopped for it
        former = [server for server in running_servers() if _is_of(server, arguments.reference)]
        ports = [urllib.parse.urlsplit(server.url).port or 0 for server in former]
        if not _is_free(arguments.host, 0 if options["port"] in ports else options["port"]):
            return serve(**options)  # which says why it cannot listen there, and the former one runs on
        with _replacing(former):
            if arguments.port is not None:
                return serve(**options)
            wanted = ports or [_PORT]
            free = [port for port in wanted if _is_free(arguments.host, port)]
            options["port"] = free[0] if free else 0
            server = serve(**options)
        if not free:
            _say(f"Port {wanted[0]} is taken: the server is at {server.url}.")
        return server

    @magic_arguments()
    @argument("server", nargs="?", help="What it serves, as it was started; all servers, if left out.")
    @typed
    @line_magic
    def vessl_stop(self, arguments: Namespace) -> None:
        """Stop a server, or all of them.

            %vessl_stop
            %vessl_stop iris:champion

        What a server has accepted is answered first. Those that were started by
        vessl_nb.serve in this notebook are stopped as well.

        Returns nothing; it says what was stopped.
        """
        running = running_servers()
        wanted = [server for server in running if arguments.server is None or _is_of(server, arguments.server)]
        if arguments.server is not None and not wanted:
            known = [server.reference for server in running]
            step = nearest(arguments.server, known) or (f"There is: {', '.join(known)}." if known else "None runs.")
            raise InvalidArgument(f"There is no server of {arguments.server!r} here.", step)
        for server in wanted:
            server.stop()
        for server in wanted:
            _say(f"Stopped the server of {server.reference}, which was at {server.url}.")
        if not wanted:
            _say("No server runs.")


@contextlib.contextmanager
def _replacing(former: list[Server]) -> Iterator[None]:
    """Stop servers, and start them again where what is to take their place does not start."""
    for server in former:
        server.stop()
        _say(f"Stopped the former server of {server.reference}.")
    try:
        yield
    except BaseException:  # an interrupt, too
        for server in former:
            try:
                server.start()
                _say(f"Started the former server of {server.reference} again: the new one did not start.")
            except VesslError as error:
                had = f"The former one had {server.version}, and did not start again"
                _say(f"{had}: {error.what}")
        raise


def _is_of(server: Server, reference: str) -> bool:
    with contextlib.suppress(VesslError):  # what it was started with may be no reference any more
        return parse_reference(server.reference) == parse_reference(reference)
    return False


def _is_free(host: str, port: int) -> bool:
    """Tell whether one can listen there."""
    try:
        family, kind, proto, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, proto) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen()
    except OSError:
        return False
    return True


def _say(words: str) -> None:
    print(words)  # noqa: T201  # it is said where the cell's output is, silenced or not
