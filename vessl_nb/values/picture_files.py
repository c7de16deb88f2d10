"""Bytes that are a PNG or JPEG file, as the picture that they are."""

from __future__ import annotations

import io
import struct

from vessl_nb.errors import MissingRequirement
from vessl_nb.values.family import library
from vessl_nb.values.picture import LARGEST_FILE, image_picture, img

_KINDS = {b"\x89PNG\r\n\x1a\n": "PNG", b"\xff\xd8\xff": "JPEG"}
# What takes longer to read than a preview may is not read. How long it will take, the file and its sides tell: so many
# nanoseconds a byte and a pixel, measured on an ordinary machine.
_LONGEST = 20_000_000
_COSTS = {"PNG": (20, 4.0), "JPEG": (7, 0.3), "progressive": (40, 0.3)}
_SIDES = slice(16, 24)  # where a PNG says its width and height


def kind_of_picture(content: bytes) -> str:
    """Name the kind of file that bytes are, ``PNG`` or ``JPEG``; empty for any other."""
    return next((kind for start, kind in _KINDS.items() if content[: len(start)] == start), "")


def file_picture(content: bytes, caption: str) -> str | None:
    """Draw the file, made smaller where it is large; None where that would take too long, or it is no picture."""
    kind = kind_of_picture(content)
    if not kind:
        return None
    try:
        pil_image = library("PIL.Image")
    except MissingRequirement:
        is_small = len(content) <= LARGEST_FILE and (kind == "JPEG" or _is_small_png(content))
        return img(bytes(content), f"image/{kind.lower()}", caption) if is_small else None
    with pil_image.open(io.BytesIO(content), formats=[kind]) as image:
        of_byte, of_pixel = _COSTS["progressive" if image.info.get("progressive") else kind]
        if len(content) * of_byte + image.width * image.height * of_pixel > _LONGEST:
            return None
        image.draft("RGB", (256, 256))  # a JPEG can be read at an eighth of its size, in much less time
        return image_picture(image, caption)


def _is_small_png(content: bytes) -> bool:
    sides = content[_SIDES]
    return len(sides) == struct.calcsize(">II") and max(struct.unpack(">II", sides)) <= 2048  # noqa: PLR2004  # a few bytes may unpack to a wall
