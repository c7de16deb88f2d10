"""What a schema says of arrays, of numpy and torch, and of images."""

from __future__ import annotations

import base64
import math
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from vessl_nb.values.encoding import decode
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


@dataclass(slots=True)
class _Lengths:
    """Lengths that are null where the samples differ."""

    known: list[int | None] | None = None

    def add(self, lengths: Iterable[int]) -> None:
        lengths = list(lengths)
        known = self.known or lengths
        self.known = [one if one == other else None for one, other in zip(known, lengths, strict=True)]


@dataclass(slots=True)
class _Array:
    """Arrays of one library, dtype and number of dimensions."""

    elements: Seen
    said: dict[str, Any]
    shape: _Lengths = field(default_factory=_Lengths)

    def add(self, data: Any, depth: int) -> None:
        self.shape.add(data["shape"])
        if "items" in data:
            self.elements.add_all(data["items"], depth + 1)
        else:
            look_at_leaf(element_schema(data["dtype"]))(self.elements, data, depth)

    def schema(self, budget: Budget) -> dict[str, Any]:
        schema = self.elements.schema(budget)
        shape = self.shape.known or []
        for _ in shape:
            schema = {"type": "array", "items": schema} if schema else {"type": "array"}
        return schema | self.said | {"x-shape": shape}


def _look_at_array(seen: Seen, data: Any, depth: int) -> None:
    said = {"x-type": data["$type"], "x-dtype": data["dtype"]}
    kind = f"{data['$type']} of {len(data['shape'])} dimensions of {data['dtype']}"
    seen.inside(kind, lambda: _Array(seen.another(), said)).add(data, depth)


def _look_at_scalar(seen: Seen, data: Any, depth: int) -> None:
    schema = element_schema(data["dtype"])
    if schema == {"type": "number"} and not math.isfinite(decode(data)):
        look_at_not_finite(seen)
    else:
        look_at_leaf(schema)(seen, data, depth)


_BY_LETTER: dict[str, dict[str, Any]] = {
    "i": {"type": "integer"},
    "u": {"type": "integer"},
    "f": {"type": "number"},
    "b": {"type": "boolean"},
    "U": {"type": "string"},
    **dict.fromkeys("SV", BASE64),
    "M": DATE_TIME,
    "m": DURATION,
    "c": COMPLEX,
}


def element_schema(dtype: Any) -> dict[str, Any]:
    """Describe an element of a dtype of numpy's or torch's."""
    if isinstance(dtype, str):
        # numpy writes "<f4", "|b1" or, for one text, "U"; torch "float32", "bfloat16", "bool".
        letter = dtype.lstrip("<>|=").replace("bfloat", "float")[:1]
        return dict(_BY_LETTER.get(letter, {"x-type": dtype}))
    if "fields" in dtype:
        return {"type": "array", "prefixItems": [element_schema(inner) for _, inner, *_ in dtype["fields"]]}
    schema = element_schema(dtype["base"])
    for _ in dtype["shape"]:
        schema = {"type": "array", "items": schema}
    return schema


_PNG_SIZE = slice(16, 24)


@dataclass(slots=True)
class _Image:
    """Images of one mode."""

    said: dict[str, Any]
    size: _Lengths = field(default_factory=_Lengths)

    def add(self, data: Any, _depth: int) -> None:
        self.size.add(
            # The header of a PNG file, so that it is not unpacked.
            struct.unpack(">II", base64.b64decode(data["png"][:32])[_PNG_SIZE]) if "png" in data else data["size"]
        )

    def schema(self, _budget: Budget) -> dict[str, Any]:
        return BASE64 | self.said | {"x-size": self.size.known}


def _look_at_image(seen: Seen, data: Any, depth: int) -> None:
    media_type = {"contentMediaType": "image/png"} if "png" in data else {}
    seen.inside(f"image of {data['mode']}", lambda: _Image(media_type | {"x-mode": data["mode"]})).add(data, depth)


LOOKS: Looks = {
    **dict.fromkeys(("numpy.ndarray", "torch.Tensor"), _look_at_array),
    "numpy.generic": _look_at_scalar,
    "PIL.Image": _look_at_image,
}
