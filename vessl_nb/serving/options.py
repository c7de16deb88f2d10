"""How a server is started, and what it says then."""

from __future__ import annotations

import math
from typing import Any

import msgspec

from vessl_nb.errors import InvalidArgument
from vessl_nb.serving.wire import Slots


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How a server is started.

    Attributes
    ----------
    reference
        What it serves: a version; an alias is followed.
    host, port
        Where it listens; port 0 lets the system choose.
    workers
        How many processes answer.
    token
        What clients must know; None makes one where others than this machine can ask; empty asks nobody.
    queue
        How many requests may wait while all workers are busy.
    timeout
        How long a request may take, waiting included, in seconds.
    """

    reference: str
    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 1
    token: str | None = None
    queue: int = 256
    timeout: float = 30.0


class Listening(msgspec.Struct, frozen=True, kw_only=True):
    """What a server says once it answers, or instead of it.

    Attributes
    ----------
    url
        Where it is, without a slash at the end.
    reference
        The version that answers.
    token
        What clients must know; empty where they need not.
    remark
        What is wrong with the answers to its stored examples; empty where nothing is.
    kind, what, next_step
        The error, where it does not answer.
    """

    url: str = ""
    reference: str = ""
    token: str = ""
    remark: str = ""
    kind: str = ""
    what: str = ""
    next_step: str = ""


def check_options(options: Options) -> Options:
    """Refuse what cannot be meant; InvalidArgument names the value."""
    limits = {"port": (0, 65535), "workers": (1, Slots.COUNT), "queue": (0, 100_000)}
    for name, (least, most) in limits.items():
        value = getattr(options, name)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise InvalidArgument(f"{name} is {value!r}.", f"Give a whole number from {least} to {most:,}.")
    timeout: Any = options.timeout
    if not isinstance(timeout, int | float) or not 0 < timeout < math.inf:
        raise InvalidArgument(
            f"timeout is {options.timeout!r}.", "Give the seconds that a request may take, such as 30."
        )
    token = options.token
    if token is not None and not (token.isascii() and token.isprintable()):
        raise InvalidArgument("The token has characters that no header can hold.", "Use letters, digits and signs.")
    if token is not None and token != token.strip():
        raise InvalidArgument("The token begins or ends with a space, which no header keeps.", "Leave the space out.")
    return options
