"""The server's log: one line for each thing that happened, on standard error, from all its processes."""

from __future__ import annotations

import logging
import sys


def write_log() -> None:
    """Write what is logged to standard error, in this process and those forked from it."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO, stream=sys.stderr)
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)  # it has a line for each request that is no HTTP
