"""The encoding of PIL images: PNG where that keeps every pixel, else the bare pixels."""

from __future__ import annotations

import io
from typing import Any

from vessl_nb.values.family import Decode, Decoder, Encoder, NoEncoding, Walk, from_base64, library, to_base64


def encoder_of(pil_image: Any, value: Any) -> Encoder | None:
    """Find the encoder for a value of PIL's."""
    return _encode_image if issubclass(type(value), pil_image.Image) else None


def _encode_image(value: Any, _walk: Walk) -> Any:
    value.load()
    png = _as_png(value)
    if png is not None:
        return {"$type": "PIL.Image", "mode": value.mode, "png": to_base64(png)}
    if value.palette is not None:
        raise NoEncoding(
            f"is an image with a palette ({value.mode}) that PNG does not keep",
            'Convert it: image.convert("RGBA").',
        )
    return {"$type": "PIL.Image", "mode": value.mode, "size": list(value.size), "base64": to_base64(value.tobytes())}


def _as_png(value: Any) -> bytes | None:
    """Write a PNG; None where it does not read back as the same image."""
    file = io.BytesIO()
    try:
        # A plain copy, so that nothing but the pixels, the palette and its transparency is written.
        plain = value.copy()
        transparency = value.info.get("transparency") if value.mode == "P" else None
        plain.info = {} if transparency is None else {"transparency": transparency}
        plain.save(file, "PNG")
        again = _read_png(file.getvalue())
    except (OSError, SystemError, ValueError):
        return None
    return file.getvalue() if _pixels(again) == _pixels(value) else None


def _pixels(image: Any) -> tuple[Any, ...]:
    # A palette is compared by the colours it gives, for PNG may shorten it.
    colours = None if image.palette is None else image.convert("RGBA").tobytes()
    return image.mode, image.size, image.tobytes(), colours


def _read_png(content: bytes | bytearray) -> Any:
    pil_image = library("PIL.Image")
    with pil_image.open(io.BytesIO(content), formats=["PNG"]) as image:
        return image.copy()


def _decode_image(data: dict[str, Any], _decode: Decode) -> Any:
    if "png" in data:
        return _read_png(from_base64(data["png"]))
    return library("PIL.Image").frombytes(data["mode"], tuple(data["size"]), bytes(from_base64(data["base64"])))


DECODERS: dict[str, Decoder] = {"PIL.Image": _decode_image}
