"""Media types: which of them are JSON, and where an answer goes that is not."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

JSON, BYTES = "application/json", "application/octet-stream"


@functools.lru_cache(maxsize=64)
def is_json(media_type: str) -> bool:
    """Tell whether a media type, with or without parameters, is one of JSON.

    Parameters
    ----------
    media_type
        As a header or a document has it: ``application/json``, or with ``+json`` at its end.
    """
    name = media_type.partition(";")[0].strip().lower()
    return name == JSON or name.endswith("+json")


def answer_file_of(given: Iterable[str]) -> str:
    """Name the file that a command writes an answer to; empty where it is JSON, which is shown.

    Parameters
    ----------
    given
        The media types that answers may have.
    """
    given = list(given)
    return "" if any(map(is_json, given)) else "answer.png" if "image/png" in given else "answer.bin"
