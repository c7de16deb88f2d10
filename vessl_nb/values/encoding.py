"""A value as JSON: the documented encoding in which samples and their outputs are stored.

The encoding is permanent. A form that is listed here keeps its meaning for ever; a new type gets a new form; and a form
that a reader does not know was written by a newer vessl_nb, which `decode` says. To change what a listed form means,
give it another ``$type`` and go on reading the old one.

``null``, ``true``, ``false``, integers of 64 bits (signed), finite floats (always with ``.`` or ``e``), text, arrays
and objects are ``None``, ``bool``, ``int``, ``float``, ``str``, ``list`` and ``dict``. A name in an object that begins
with ``$`` is none of the user's: everything else is an object with a ``$type``. Below, *value* stands for an encoded
value, ``base64`` for a string of standard base64 with padding, ``class`` for ``module.Qualname``.

Python's own types:

=============  =============================================  ==========================================================
``$type``      further names                                  what it is
=============  =============================================  ==========================================================
``int``        ``hex``                                        an integer of more than 64 bits: ``"-0x1f"``
``float``      ``value``                                      ``"nan"``, ``"inf"`` or ``"-inf"``
``complex``    ``real``, ``imag``: values                     a complex number
``str``        ``base64``                                     text with lone surrogates, as UTF-8 with three bytes each
``bytes``      ``base64``                                     and ``bytearray``
``tuple``      ``items``: array of values                     and ``set`` and ``frozenset``, sorted by their JSON
``dict``       ``items``: array of [value, value]             a dict with other keys than text, or with ``$`` before one
``datetime``   ``value``; ``zone``, ``fold``: where needed    ISO 8601 without offset; ``+01:00`` or ``Europe/Paris``; 1
``time``       ``value``; ``zone``, ``fold``: where needed    as ``datetime``
``date``       ``value``                                      ISO 8601
``timedelta``  ``days``, ``seconds``, ``microseconds``        as Python normalises them
``decimal``    ``value``                                      as Python writes it: ``"1.20"``, ``"NaN"``
``fraction``   ``numerator``, ``denominator``: values         a fraction
``uuid``       ``value``                                      with hyphens
=============  =============================================  ==========================================================

Objects of other classes. Decoding imports and runs no code of the user's, so that it gives what they held:

==============  ============================================  ==========================================================
``$type``       further names                                 decoded to
==============  ============================================  ==========================================================
``object``      ``class``, ``fields``: value                  a dataclass or pydantic model: the dict of its fields
``namedtuple``  ``class``, ``names``, ``items``               the tuple of its items
``enum``        ``class``, ``name``, ``value``: value         the member's value
``subclass``    ``class``, ``value``: value                   of ``str``, ``int``, ``list``, ``dict`` ...: the plain one
``opaque``      ``class``                                     an `Opaque`: there was no encoding (`encode_loosely` only)
==============  ============================================  ==========================================================

Arrays and images. A ``dtype`` is numpy's ``dtype.str``, byte order included, or, where it is structured,
``{"fields": [[name, dtype, offset], ...], "itemsize": n}``, or, inside such, ``{"base": dtype, "shape": [...]}``:

==================  ========================================  ==========================================================
``$type``           further names                             what it is
==================  ========================================  ==========================================================
``numpy.ndarray``   ``dtype``, ``shape``, ``base64``          the elements' bytes, in C order
``numpy.ndarray``   ``dtype``: ``"|O"``, ``shape``, ``items``  Python objects: array of values, flat, in C order
``numpy.generic``   ``dtype``, ``base64``                     a numpy scalar
``numpy.generic``   ``dtype``: ``"U"`` or ``"S"``, ``value``  ``numpy.str_``, ``numpy.bytes_``
``torch.Tensor``    ``dtype``, ``shape``, ``base64``          on the CPU, in C order, little-endian; ``dtype`` without
                                                              ``torch.``; gradients are not kept, nor is ``Parameter``
``PIL.Image``       ``mode``, ``png``                         base64 of a PNG file, which keeps every pixel; of the file
                                                              the image came from (format, EXIF, frames) nothing is kept
``PIL.Image``       ``mode``, ``size``, ``base64``            the bare pixels (``F``, ``CMYK`` ...); [width, height]
==================  ========================================  ==========================================================

pandas. What is not said (``attrs``, flags) is not kept:

========================  ===========================================  =================================================
``$type``                 further names                                what it is
========================  ===========================================  =================================================
``pandas.DataFrame``      ``columns``, ``index``, ``values``           indexes; an array of arrays, one a column
``pandas.Series``         ``name``, ``index``, ``values``              a value, an index, an array
``pandas.Index``          ``name``, ``values``; ``freq``: where set    of every kind but the two below
``pandas.RangeIndex``     ``start``, ``stop``, ``step``, ``name``
``pandas.MultiIndex``     ``levels``, ``codes``, ``names``             array of indexes; of integer arrays; of values
``pandas.Timestamp``      ``value``, ``unit``; ``zone``: where needed  ``unit`` since 1970, in UTC if there is a zone
``pandas.Timedelta``      ``value``, ``unit``                          ``unit`` is ``s``, ``ms``, ``us`` or ``ns``
``pandas.NaT``            nothing                                      and ``pandas.NA``
``pandas.Categorical``    ``codes``, ``categories``, ``ordered``       an integer array, -1 for missing; an index
``pandas.DatetimeArray``  ``zone``, ``utc``                            a datetime64 array, in UTC
``pandas.MaskedArray``    ``dtype``, ``values``, ``mask``              ``Int64``, ``boolean`` ...; mask is true: missing
``pandas.StringArray``    ``storage``, ``missing``, ``values``         ``python`` or ``pyarrow``; ``nan`` or ``NA``;
                                                                       strings, null for missing
========================  ===========================================  =================================================

Refused, with the reason: paths (the file would not travel), cycles, more than 100 levels, sparse and quantized tensors,
long doubles (another number on another machine), periods, intervals, Arrow's own dtypes in pandas, subclasses of arrays
and frames, objects of any other class, and keys that would not be hashable or not be distinct once decoded.
"""

from __future__ import annotations

import sys
import traceback
from typing import TYPE_CHECKING, Any

from vessl_nb.errors import Damaged, FormatTooNew, NotEncodable, VesslError
from vessl_nb.values import arrays, frames, images, objects, plain
from vessl_nb.values.family import Decoder, Encoder, NoEncoding, class_name
from vessl_nb.values.objects import Opaque

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["NotEncodable", "Opaque", "decode", "encode", "encode_loosely"]

_MOST_LEVELS = 100  # far more than any sample has, and far from Python's own limit
_NEXT_STEP = "Give plain data, arrays, frames, tensors or images."

# A value of these can only exist where its library was imported, so that it is looked for in sys.modules.
_LIBRARIES: dict[str, Callable[[Any, Any], Encoder | None]] = {
    "numpy": arrays.numpy_encoder_of,
    "pandas": frames.encoder_of,
    "torch": arrays.torch_encoder_of,
    "PIL.Image": images.encoder_of,
}

_DECODERS: dict[str, Decoder] = plain.DECODERS | objects.DECODERS | arrays.DECODERS | images.DECODERS | frames.DECODERS


def encode(value: Any, *, name: str = "sample") -> Any:
    """Encode a value as data that JSON holds.

    Parameters
    ----------
    value
        Any value of the types in this module's table; it is left as it is.
    name
        What the value is called where a part of it is refused.

    Raises
    ------
    NotEncodable
        The value, or something in it, has no encoding.
    """
    return _Walk(name, loosely=False)(value, "")


def encode_loosely(value: Any) -> Any:
    """Encode a value as data that JSON holds, with an `Opaque` for all that has no encoding."""
    return _Walk("", loosely=True)(value, "")


def decode(data: Any) -> Any:
    """Make the value again that `encode` was given; nothing of the user's is imported or run.

    Raises
    ------
    FormatTooNew
        There is a form that this vessl_nb does not know.
    Damaged
        There is a form that is not as `encode` writes it.
    MissingRequirement
        There is a value of a library that is not installed here.
    """
    try:
        return _decode(data)
    except RecursionError as error:
        raise Damaged(
            "a stored value has more levels than any that was written", "Restore the file it is in."
        ) from error


class _Walk:
    """One walk through one value; see `vessl_nb.values.family.Walk`."""

    def __init__(self, name: str, *, loosely: bool) -> None:
        self.steps = [name]
        self.loosely = loosely
        self.within: set[int] = set()  # the ids of the values that the present one is inside of

    def __call__(self, value: Any, step: str) -> Any:
        if plain.is_plain(value):
            return value
        self.steps.append(step)
        try:
            return self._encode(value)
        except NoEncoding as refusal:
            if self.loosely:
                return {"$type": "opaque", "class": class_name(type(value))}
            path = "".join(self.steps)
            raise NotEncodable(f"{path} {refusal.why}", refusal.next_step, path=path) from refusal
        finally:
            self.steps.pop()

    def part(self, value: Any, step: str) -> Any:
        data = self(value, step)
        if isinstance(data, dict) and data.get("$type") == "opaque":
            raise NoEncoding("has a part without an encoding", _NEXT_STEP)
        return data

    def keys(self, values: Iterable[Any], step: str) -> list[Any]:
        keys = [self(value, step.format(number)) for number, value in enumerate(values)]
        if all(map(plain.is_plain, keys)):
            return keys
        try:
            distinct = len({decode(key) for key in keys})
        except TypeError as error:
            raise NoEncoding("has keys or elements that would not be hashable once decoded", _NEXT_STEP) from error
        if distinct < len(keys):
            raise NoEncoding("has keys or elements that would be equal once decoded", _NEXT_STEP)
        return keys

    def _encode(self, value: Any) -> Any:
        if id(value) in self.within:
            raise NoEncoding("contains itself, and JSON has no way to say so", "Give it without the cycle.")
        if len(self.within) >= _MOST_LEVELS:
            raise NoEncoding(f"is more than {_MOST_LEVELS} levels deep", "Give it flatter.")
        encoder = plain.ENCODERS.get(type(value)) or _encoder_of(value)
        if encoder is None:
            raise NoEncoding(f"is of type {class_name(type(value))}, which has no encoding", _NEXT_STEP)
        self.within.add(id(value))
        try:
            return encoder(value, self)
        except (NoEncoding, VesslError):
            raise
        except Exception as error:
            # Objects run code of their own when they are read: properties, lazy images, tensors on a lost device.
            problem = traceback.format_exception_only(error)[-1].splitlines()[0]
            raise NoEncoding(f"is a {class_name(type(value))} that cannot be read: {problem}", _NEXT_STEP) from error
        finally:
            self.within.discard(id(value))


def _encoder_of(value: Any) -> Encoder | None:
    for name, encoder_of in _LIBRARIES.items():
        module = sys.modules.get(name)
        encoder = None if module is None else encoder_of(module, value)
        if encoder is not None:
            return encoder
    return objects.encoder_of(value)


def _decode(data: Any) -> Any:
    if isinstance(data, list):
        return [_decode(item) for item in data]
    if not isinstance(data, dict):
        return data
    if "$type" not in data:
        return {key: _decode(item) for key, item in data.items()}
    tag = data["$type"]
    decoder = _DECODERS.get(tag) if isinstance(tag, str) else None
    if decoder is None:
        raise FormatTooNew(f"a stored value has the unknown $type {tag!r}", "Update vessl_nb: pip install -U vessl_nb")
    try:
        return decoder(data, _decode)
    except (VesslError, RecursionError):
        raise
    except Exception as error:  # what a library raises at bytes that are not its own is not ours to list
        raise Damaged(
            f"a stored value of $type {tag!r} is not as it was written: {error!r}", "Restore the file."
        ) from error
