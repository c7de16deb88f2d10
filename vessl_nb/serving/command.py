"""What ``vessl-nb serve`` does; by itself, because a server is to be small."""

from __future__ import annotations

import contextlib
import functools
from typing import TYPE_CHECKING

from vessl_nb.registry.names import parse_reference
from vessl_nb.serving.log import wait_for_log, write_log_aside
from vessl_nb.serving.options import Options, check_options
from vessl_nb.serving.server import serve_until_told

if TYPE_CHECKING:
    from argparse import Namespace

    from vessl_nb.serving.options import Listening


def serve_version(chosen: Namespace) -> None:
    """Answer requests over HTTP until told to stop."""
    options = check_options(
        Options(
            reference=chosen.reference,
            host=chosen.host,
            port=chosen.port,
            workers=chosen.workers,
            token=chosen.token,
            queue=chosen.queue,
            timeout=chosen.timeout,
        )
    )
    write_log_aside()
    try:
        serve_until_told(options, functools.partial(_say_where, options))
    finally:
        wait_for_log()  # before the error that it ends with is told


def _say_where(options: Options, listening: Listening) -> None:
    _print(f"{listening.reference} answers at {listening.url}/predict; {listening.url}/docs says how. Ctrl-C ends it.")
    if parse_reference(options.reference).alias is not None:
        _print(f"When {options.reference} moves, so does the server.")
    if listening.token:
        _print(f"Clients must send the header  Authorization: Bearer {listening.token}")


def _print(text: str) -> None:
    with contextlib.suppress(OSError):  # a disk that is full, or nobody who listens, is no reason not to serve
        print(text, flush=True)  # noqa: T201  # a command prints, into a pipe as well
