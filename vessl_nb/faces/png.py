"""Pixels as a PNG file, for small pictures in static HTML, where no image library may be assumed."""

from __future__ import annotations

import struct
import zlib

from vessl_nb.errors import InvalidArgument

_COLOUR_TYPES = {1: 0, 3: 2, 4: 6}  # channels: grey, RGB, RGBA, as numbered in https://www.w3.org/TR/png-3/#11IHDR
_BITS = 8


def encode_png(height: int, width: int, channels: int, pixels: bytes) -> bytes:
    """Write 8-bit pixels as a PNG file.

    Parameters
    ----------
    height, width
        The picture's sides in pixels, at least 1 each.
    channels
        1 for grey, 3 for RGB, 4 for RGBA.
    pixels
        The rows from top to bottom, each from left to right, a byte a channel.
    """
    stride = width * channels
    if channels not in _COLOUR_TYPES or height < 1 or width < 1 or len(pixels) != height * stride:
        raise InvalidArgument(
            f"{len(pixels)} bytes are not a picture of {height} × {width} pixels with {channels} channels",
            "Give 1, 3 or 4 channels, and height × width × channels bytes.",
        )
    # Each row is led by the number of its filter; 0 is none.
    rows = b"".join(b"\0" + pixels[start : start + stride] for start in range(0, len(pixels), stride))
    header = struct.pack(">IIBBBBB", width, height, _BITS, _COLOUR_TYPES[channels], 0, 0, 0)
    chunks = _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(rows)) + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
