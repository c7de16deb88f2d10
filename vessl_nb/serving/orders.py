"""What the front and the process that loads a version say to each other, a packet of JSON each."""

from __future__ import annotations

import msgspec


class Loaded(msgspec.Struct, frozen=True, kw_only=True):
    """What a stem says once: that it has loaded its version, or why it could not.

    Attributes
    ----------
    accepts
        The media types of requests.
    input_is_declared, output_is_declared
        Whether the runner's own types say what it takes and gives.
    can_fork
        Whether workers can be forked from it.
    examples
        How many examples are stored with the version.
    kind, what, next_step
        The error, where there was one.
    """

    accepts: list[str] = []
    input_is_declared: bool = False
    output_is_declared: bool = False
    can_fork: bool = True
    examples: int = 0
    kind: str = ""
    what: str = ""
    next_step: str = ""


class Fork(msgspec.Struct, frozen=True):
    """What a stem is told again and again: make a worker. The two sockets and the slots' file come with it.

    Attributes
    ----------
    place
        Which of the slots is the worker's.
    """

    place: int


class Forked(msgspec.Struct, frozen=True):
    """What it says then: the worker's process id; 0 where there could be none, for the reason given."""

    pid: int
    why: str = ""


class Tried(msgspec.Struct, frozen=True, kw_only=True):
    """What workers say of the stored examples that they answered.

    Attributes
    ----------
    problem
        What is wrong with an answer, in words; empty where nothing is.
    examples
        The examples' inputs and outputs, as clients send and get them in JSON; those that it cannot hold are left out.
    """

    problem: str = ""
    examples: list[tuple[msgspec.Raw, msgspec.Raw]] = []
