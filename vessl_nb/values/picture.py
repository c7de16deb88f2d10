"""An array or an image as a small picture in static HTML."""

from __future__ import annotations

import base64
import html
import io
import sys
from typing import Any

from vessl_nb.faces.png import encode_png
from vessl_nb.values.family import library

LARGEST_FILE = 8_000
"""How many bytes a picture may have: a strip of four stays small."""

_SLOWEST = 1_000_000  # pixels: of a larger image some are left out before the rest is made smaller
_MOST_COLOURS = 4096  # of a picture that PNG makes small
_LONGEST_SIDE = 128
_LONGEST_SIDE_OF_FILE = 32  # each pixel may cost a page of a slow disk
_SHORTEST_SIDE = 8  # what is smaller is a table, not an image
_STEEPEST = 4  # how many times longer one side may be than the other
_SHOWN_AT_LEAST = 96  # CSS pixels: an 8 × 8 digit is drawn larger than it is

_GREY, _COLOUR = 2, 3  # dimensions of an array of pixels
_RGB = 3
_COLOUR_CHANNELS = (_RGB, 4)


def array_picture(value: Any, caption: str) -> str | None:
    """Draw a numpy array or a CPU tensor; None where it does not look like an image."""
    pixels = _pixels(value)
    while pixels is not None:
        height, width, channels = (*pixels.shape, 1)[:_COLOUR]
        # Where the library for it is in use already.
        pil_image = sys.modules.get("PIL.Image") if channels == _RGB else None
        image = None if pil_image is None else pil_image.fromarray(pixels)
        if image is None or not _is_photograph(image):
            content = encode_png(height, width, channels, pixels.tobytes())
            if len(content) <= LARGEST_FILE:
                return img(content, "image/png", caption, size=(width, height))
        content = b"" if image is None else _as_file(image, "JPEG")
        if content:
            return img(content, "image/jpeg", caption, size=(width, height))
        pixels = pixels[::2, ::2]
    return None


def _is_photograph(image: Any) -> bool:
    """Say whether it has so many colours that PNG, which takes long to find that out, would not make it small."""
    return image.getcolors(_MOST_COLOURS) is None


def _as_file(image: Any, kind: str) -> bytes:
    """Write an image as a file of that kind; nothing where it is too large a file."""
    file = io.BytesIO()
    image.save(file, kind)
    return file.getvalue() if file.tell() <= LARGEST_FILE else b""


def image_picture(image: Any, caption: str) -> str | None:
    """Draw a PIL image; None where it has no pixels or no visible colours."""
    if image.mode == "F" or image.mode.startswith("I"):  # not brightness from 0 to 255, but numbers, as in an array
        return array_picture(library("numpy").asarray(_thinned(image, 2 * _LONGEST_SIDE)), caption)
    if min(image.size) == 0:
        return None
    is_clear = image.mode.lower() in {"la", "pa", "rgba"} or "transparency" in image.info
    for side in (2 * _LONGEST_SIDE, _LONGEST_SIDE, _LONGEST_SIDE // 2, _LONGEST_SIDE // 4):
        image = _shrunk(image, side)
        small = image.convert("RGBA" if is_clear else "RGB")
        kinds = [*([] if _is_photograph(small) else ["PNG"]), *([] if is_clear else ["JPEG"])]
        for kind in kinds:
            if content := _as_file(small, kind):
                return img(content, f"image/{kind.lower()}", caption, size=small.size)
    return None


def img(content: bytes, media_type: str, caption: str, *, size: tuple[int, int] | None = None) -> str:
    """Write an ``<img>`` that holds its own content.

    Parameters
    ----------
    content, media_type
        The file, and what it is.
    caption
        What is said where the picture cannot be seen.
    size
        Width and height, where a small picture is to be enlarged so that its pixels can be seen.
    """
    data = base64.b64encode(content).decode("ascii")
    shown = ""
    if size is not None:
        times = -(-_SHOWN_AT_LEAST // max(size))
        shown = f' width="{times * size[0]}" height="{times * size[1]}" style="image-rendering: pixelated"'
    return f'<img alt="{html.escape(caption)}"{shown} src="data:{media_type};base64,{data}">'


def _shrunk(image: Any, side: int) -> Any:
    if image.width * image.height > _SLOWEST:
        image = _thinned(image, 4 * side)
    sides = _sides(image, side)
    return image if sides == image.size else image.resize(sides, reducing_gap=2.0)


def _thinned(image: Any, side: int) -> Any:
    """Leave out pixels, where there are more to a side, which reads no more of it than what stays."""
    sides = _sides(image, side)
    return image if sides == image.size else image.resize(sides, resample=0)  # 0 takes the nearest pixel


def _sides(image: Any, longest: int) -> tuple[int, ...]:
    scale = min(longest / max(image.size), 1)
    return tuple(max(1, round(length * scale)) for length in image.size)


def _pixels(value: Any) -> Any:
    """Take the pixels of an image-like array as uint8, few enough to show; None where it is not like an image."""
    shape = tuple(value.shape)
    singles = 0  # a batch of one
    while len(shape) - singles > _GREY and shape[singles] == 1:
        singles += 1
    inner = shape[singles:]
    channels_first = len(inner) == _COLOUR and inner[0] == _RGB and inner[-1] not in _COLOUR_CHANNELS
    sides = inner[1:] if channels_first else inner[:2]
    if not _look_like_sides(sides) or len(inner) > _COLOUR:
        return None
    if len(inner) == _COLOUR and not channels_first and inner[-1] not in (1, *_COLOUR_CHANNELS):
        return None
    # Strided before anything is computed or copied, so that a huge one costs no more than a small one.
    is_file = isinstance(value, library("numpy").memmap)
    stride = slice(None, None, -(-max(sides) // (_LONGEST_SIDE_OF_FILE if is_file else _LONGEST_SIDE)))
    window = (slice(None), stride, stride) if channels_first else (stride, stride)
    numbers = _as_numpy(value[(0,) * singles + window])
    if numbers is None or numbers.dtype.kind not in "buif":
        return None
    if channels_first:
        numbers = library("numpy").moveaxis(numbers, 0, -1)
    elif numbers.ndim == _COLOUR and numbers.shape[-1] == 1:
        numbers = numbers[:, :, 0]
    return _as_levels(numbers)


def _look_like_sides(sides: tuple[int, ...]) -> bool:
    return len(sides) == 2 and min(sides) >= _SHORTEST_SIDE and max(sides) <= _STEEPEST * min(sides)  # noqa: PLR2004


def _as_numpy(value: Any) -> Any:
    torch = sys.modules.get("torch")
    if torch is None or not isinstance(value, torch.Tensor):
        return library("numpy").asarray(value)
    if value.device.type != "cpu" or value.layout != torch.strided or value.is_quantized or value.is_complex():
        return None
    value = value.detach()
    try:
        # By numpy, whose one thread is sooner done than torch's, which have to be woken.
        return value.numpy()
    except (TypeError, RuntimeError):  # a kind of number that numpy has not, or a sign that is only noted
        return (value.double() if value.is_floating_point() else value.resolve_neg()).numpy()


def _as_levels(numbers: Any) -> Any:
    """Turn numbers into brightness from 0 to 255."""
    np = library("numpy")
    if numbers.dtype == np.uint8:
        return numbers
    numbers = numbers.astype(np.float64)
    finite = numbers[np.isfinite(numbers)]
    low, high = (finite.min(), finite.max()) if finite.size else (0.0, 1.0)
    if numbers.ndim == _COLOUR and low >= 0 and high <= 255:  # noqa: PLR2004  # colours as they are mostly written
        low, high = 0.0, 1.0 if high <= 1 else 255.0
    with np.errstate(all="ignore"):  # what is not finite, or farther apart than a float can say, is black or white
        levels = (numbers - low) / ((high - low) or 1.0) * 255
    return np.nan_to_num(np.clip(levels, 0, 255)).astype(np.uint8)
