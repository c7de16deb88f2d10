"""A schema of encoded values: JSON Schema (draft 2020-12) of what a client sends or gets, as plain JSON.

Several samples merge, in any order: a key that one of them lacks is not required, a number and an integer are a number,
a null makes nullable, and a NaN, which JSON has as null, types that differ are alternatives. What JSON has no type for
is said in names of our own, which validators ignore:

===============  ======================================================================================================
``x-type``       the class, such as ``numpy.ndarray`` or ``pandas.DataFrame``; of an object without encoding, its own
``x-dtype``      of arrays: as numpy (``<f4``) or torch (``float32``) writes it
``x-shape``      of arrays: the length of each dimension, null where the samples differ
``x-columns``    of a frame: its columns in order
``x-mode``       of an image: ``RGB``, ``L`` ...
``x-size``       of an image: width and height, null where the samples differ
``x-abridged``   true: there is more here than the schema says
===============  ======================================================================================================
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vessl_nb.values import schema_arrays, schema_containers, schema_frames
from vessl_nb.values.schema_seen import (
    BASE64,
    COMPLEX,
    DATE_TIME,
    DURATION,
    Budget,
    Looks,
    Seen,
    look_at_leaf,
    look_at_not_finite,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

_LEAVES: Looks = {
    "int": look_at_leaf({"type": "integer"}),
    "float": look_at_not_finite,
    "complex": look_at_leaf(COMPLEX),
    "str": look_at_leaf({"type": "string"}),
    **dict.fromkeys(("bytes", "bytearray"), look_at_leaf(BASE64)),
    **dict.fromkeys(("datetime", "pandas.Timestamp"), look_at_leaf(DATE_TIME)),
    **dict.fromkeys(("timedelta", "pandas.Timedelta"), look_at_leaf(DURATION)),
    **{
        name: look_at_leaf({"type": "string", "format": name})
        for name in ("date", "time", "decimal", "fraction", "uuid")
    },
    **dict.fromkeys(("pandas.NaT", "pandas.NA"), look_at_leaf({"type": "null"})),
}
_LOOKS: Looks = {**_LEAVES, **schema_containers.LOOKS, **schema_arrays.LOOKS, **schema_frames.LOOKS}


def schema_of(values: Iterable[Any]) -> dict[str, Any]:
    """Describe encoded values by one JSON Schema, which all of them fit.

    Parameters
    ----------
    values
        Values as `encode_loosely` gives them, in any order.

    Returns
    -------
    dict
        Empty where there is no value.
    """
    seen = Seen(_LOOKS)
    for value in values:
        seen.add(value, 0)
    return seen.schema(Budget())
