"""Texts of JSON as the Python values that they stand for: bytes, times, decimals ..., and images."""

from __future__ import annotations

import base64
import datetime as dt
import decimal
import fractions
import io
import math
import uuid
import warnings
from collections.abc import Callable
from typing import Any

import msgspec

from vessl_nb.faces.words import one_line
from vessl_nb.serving.misfits import Misfit
from vessl_nb.serving.problems import short
from vessl_nb.values.encoding import decode
from vessl_nb.values.family import library
from vessl_nb.values.schema_arrays import element_schema

Reviver = Callable[[Any], Any]
"""Makes of plain data what a sample had in its place; it raises `Misfit`."""

_TIME = 'a date and time, such as "2026-07-30T12:00:00"'

# Those that PIL reads with nothing but a decoder: of others some start programs.
_FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF", "PPM")


def is_not_finite(example: Any) -> bool:
    """Tell whether an encoded value is a NaN or an infinite number, as which a client sends null."""
    tag = example.get("$type") if isinstance(example, dict) else None
    if tag == "numpy.generic":
        return element_schema(example["dtype"]) == {"type": "number"} and not math.isfinite(decode(example))
    return tag == "float"


def make_leaf(convert: Callable[[Any], Any], wanted: str) -> Reviver:
    """Make what revives one value, or says what it must be.

    Parameters
    ----------
    convert
        Makes the value, or raises whatever it likes.
    wanted
        What the text must be, such as ``base64``.
    """

    def revive(data: Any) -> Any:
        try:
            return convert(data)
        except Exception as error:
            raise Misfit(f"must be {wanted}; it is {short(data)}") from error

    return revive


def _bytes_of(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def _fraction_of(text: str) -> fractions.Fraction:
    above, _, below = text.partition("/")
    return fractions.Fraction(int(above), int(below or 1))  # not "1e999999999", which takes hours


def _complex_of(data: Any) -> complex:
    return complex(data if isinstance(data, str) else float(data))


def _timestamp_of(text: str) -> Any:
    return library("pandas").Timestamp(text)


def _instant_of(text: str) -> Any:
    time = dt.datetime.fromisoformat(text)
    # numpy keeps nanoseconds, and knows no zones.
    return time.astimezone(dt.UTC).replace(tzinfo=None) if time.tzinfo else library("numpy").datetime64(text)


def _duration_of(text: str) -> dt.timedelta:
    return msgspec.convert(text, dt.timedelta)


revive_bytes = make_leaf(_bytes_of, "base64")
revive_complex = make_leaf(_complex_of, 'a complex number, such as "1+2j"')
revive_timestamp = make_leaf(_timestamp_of, _TIME)
revive_instant = make_leaf(_instant_of, _TIME)

FORMATS: dict[str, Reviver] = {
    "date-time": make_leaf(dt.datetime.fromisoformat, _TIME),
    "date": make_leaf(dt.date.fromisoformat, 'a date, such as "2026-07-30"'),
    "time": make_leaf(dt.time.fromisoformat, 'a time, such as "12:00:00"'),
    "duration": make_leaf(_duration_of, 'a time span, such as "P1DT2S"'),
    "decimal": make_leaf(decimal.Decimal, 'a decimal number as text, such as "1.20"'),
    "fraction": make_leaf(_fraction_of, 'a fraction, such as "1/2"'),
    "uuid": make_leaf(uuid.UUID, "a UUID"),
}
"""By the ``format`` of a schema."""


def make_image_reader(mode: str) -> Callable[[bytes], Any]:
    """Make what reads an image file, in the mode of the sample.

    Parameters
    ----------
    mode
        As PIL names it; empty for whatever the file has.

    Returns
    -------
    callable
        Takes the content of a file and gives a ``PIL.Image``; `Misfit` where it is none, or one that is larger than PIL
        takes without a warning: a small file may hold a picture that fills the memory.
    """
    pil_image = library("PIL.Image")
    pil_image.init()
    formats = [name for name in _FORMATS if name in pil_image.OPEN]

    def read(content: bytes) -> Any:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", pil_image.DecompressionBombWarning)
                image = pil_image.open(io.BytesIO(content), formats=formats)
                image.load()
            return image.convert(mode) if mode and image.mode != mode else image
        except (pil_image.DecompressionBombWarning, pil_image.DecompressionBombError) as error:
            raise Misfit(f"must be an image of at most {pil_image.MAX_IMAGE_PIXELS:,} pixels") from error
        except pil_image.UnidentifiedImageError as error:
            raise Misfit(f"must be an image ({', '.join(formats)}); {len(content):,} bytes are none") from error
        except Exception as error:  # decoders raise what they like at a damaged file
            raise Misfit(f"must be an image that can be read: {one_line(str(error), 100)}") from error

    return read


def make_image_leaf(mode: str) -> Reviver:
    """Make what reads an image from the base64 text of its file."""
    read = make_image_reader(mode)
    return lambda text: read(revive_bytes(text))
