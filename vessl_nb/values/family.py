"""What each family of types brings to the encoding, and the few things the families share."""

from __future__ import annotations

import base64
import importlib
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from vessl_nb.errors import MissingRequirement


class Walk(Protocol):
    """The way through a value, as an encoder sees it: it hands on what is inside."""

    def __call__(self, value: Any, step: str) -> Any:
        """Encode a value found inside the present one.

        Parameters
        ----------
        value
            What was found.
        step
            The way to it, as a user would write it: ``["x"]``, ``[3]`` or ``.index``.
        """

    def part(self, value: Any, step: str) -> Any:
        """Encode what the present value cannot be made without: an `Opaque` in its place is no help.

        Parameters
        ----------
        value, step
            As above.
        """

    def keys(self, values: Iterable[Any], step: str) -> list[Any]:
        """Encode values that must be hashable, and stay distinct, when they are decoded.

        Parameters
        ----------
        values
            The keys of a dict, the elements of a set, the names of an index.
        step
            The way to one of them, with ``{}`` in place of its number.
        """


Encoder = Callable[[Any, Walk], Any]
"""Makes data of one value."""

Decode = Callable[[Any], Any]
"""The way back, as a decoder sees it."""

Decoder = Callable[[dict[str, Any], Decode], Any]
"""Makes a value of a tagged form, given with its ``$type``."""


class NoEncoding(Exception):
    """A value that has no encoding; the walk adds where in the whole value it was found.

    Parameters
    ----------
    why
        What goes on after the path: ``is a sparse tensor, which has no encoding``.
    next_step
        What the reader can do about it.
    """

    def __init__(self, why: str, next_step: str) -> None:
        super().__init__(why, next_step)
        self.why = why
        self.next_step = next_step


def class_name(kind: type) -> str:
    """Name a class in full, as ``module.Qualname``."""
    return f"{kind.__module__}.{kind.__qualname__}"


def library(name: str) -> Any:
    """Import a library only now that a value needs it."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        package = {"PIL.Image": "pillow"}.get(name, name)
        raise MissingRequirement(
            f"a stored value needs {package}, which cannot be imported here: {error}",
            f"Install it: pip install {package}",
            missing=[package],
        ) from error


def to_base64(content: bytes | bytearray) -> str:
    """Write bytes as base64 text."""
    return base64.b64encode(content).decode("ascii")


def from_base64(text: str) -> bytearray:
    """Read base64 text into bytes that can be written to, so that an array may lie on them."""
    return bytearray(base64.b64decode(text, validate=True))
