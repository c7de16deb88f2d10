"""Arrays and tensors as text: a corner of them, whatever the options of their libraries say.

These libraries shorten what they print, but as the user's options have it, which may be not at all, and not where there
are many short dimensions.
"""

from __future__ import annotations

import itertools
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST_LINES = 12
MOST_CHARACTERS = 1000
WIDTH = 79

_MOST_ELEMENTS = 100  # of an array shown in full
_MOST_CORNER = 1000  # elements that a shortened array may still show
_MOST_OF_FIRST = 6  # of one that shows only how it begins


def abridged(value: Any) -> str | None:
    """Write a corner of an array or tensor; None for any other value."""
    kind = type(value)
    for name, base, write in (
        ("numpy", "ndarray", _array_text),
        ("torch", "Tensor", _tensor_text),
    ):
        module = sys.modules.get(name)
        if module is not None and issubclass(kind, getattr(module, base)):
            if getattr(value, "is_nested", False):
                return _nested_text(module, value)
            return write(module, value) if value.shape != () else None
    return None


def _edges(dimensions: int) -> int:
    return 3 if dimensions <= 2 else 1  # noqa: PLR2004  # of a stack of tables only the corners fit in 12 lines


def _corner_size(shape: Iterable[int]) -> int:
    """Count the elements that are left of an array when its middle is left out."""
    dimensions = tuple(shape)
    size = 1
    for length in dimensions:
        size *= min(length, 2 * _edges(len(dimensions)) + 1)
    return size


def _array_text(np: Any, value: Any) -> str:
    if _corner_size(value.shape) > _MOST_CORNER:
        return _flat_text("array", value.flat, value.shape, str(value.dtype))
    text = ""
    for edge in range(_edges(value.ndim), 0, -1):
        with np.printoptions(threshold=_MOST_ELEMENTS, edgeitems=edge, linewidth=WIDTH):
            text = repr(value)
        if fits(text):
            break
    return text


def fits(text: str) -> bool:
    """Say whether a text is short enough to be shown in full."""
    return len(text) <= MOST_CHARACTERS and text.count("\n") < MOST_LINES


def _tensor_text(torch: Any, value: Any) -> str | None:
    if value.numel() <= _MOST_ELEMENTS or value.layout != torch.strided or value.is_meta:
        return None
    shape = tuple(value.shape)
    dtype = str(value.dtype)
    # torch would make floats of all of a quantized one to write its first six.
    if _corner_size(shape) > _MOST_CORNER or value.is_quantized:
        # No more than is shown: torch makes a tensor of each element before it gives the first.
        first = value.detach()[(0,) * (len(shape) - 1)][:_MOST_OF_FIRST]
        return _flat_text("tensor", (first.dequantize() if value.is_quantized else first).tolist(), shape, dtype)
    # A tensor prints as much as torch's options say, for all tensors at once; so what is to be seen is cut out, with
    # one element more on each side that is too long, for which numpy then writes "...".
    edge = _edges(len(shape))
    places = []
    for dimension, length in enumerate(shape):
        kept = [*range(edge + 1), *range(length - edge, length)] if length > 2 * edge else [*range(length)]
        # Spread along its own dimension, so that all are selected at once, and nothing large is made on the way.
        along = [-1 if other == dimension else 1 for other in range(len(shape))]
        places.append(torch.tensor(kept, device=value.device).reshape(along))
    # As integers, because not every kind of number can be selected from: float8, for one.
    integers = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
    # What is conjugated or negated only in name, torch would copy as a whole before it selects.
    plain = value.detach()
    is_conjugate, is_negative = value.is_conj(), value.is_neg()
    plain = plain.conj() if is_conjugate else plain
    plain = torch._neg_view(plain) if is_negative else plain  # noqa: SLF001  # its public ways copy
    whole = plain if value.is_complex() else plain.view(integers[value.element_size()])
    corner = whole[tuple(places)]
    corner = corner.cpu().view(value.dtype)
    numbers = (corner.double() if corner.is_floating_point() else corner.resolve_conj()).numpy()
    numbers = numbers.conj() if is_conjugate else numbers
    numbers = -numbers if is_negative else numbers
    numpy = sys.modules["numpy"]
    text = numpy.array2string(
        numbers, max_line_width=WIDTH, precision=4, separator=", ", prefix="tensor(", threshold=0, edgeitems=edge
    )
    return f"tensor({text}, shape={shape}, dtype={dtype})"


def _nested_text(torch: Any, value: Any) -> str | None:
    """Write the first of the tensors in a nested one, which has no shape to ask for; None where torch writes little."""
    if value.layout != torch.strided or value.numel() <= _MOST_ELEMENTS:
        return None
    first = value.detach()[0]
    return f"nested_tensor([{abridged(first) or first!r}, ...], tensors={value.size(0)}, dtype={value.dtype})"


def _flat_text(name: str, numbers: Iterable[Any], shape: tuple[int, ...], dtype: str) -> str:
    shown = itertools.islice(numbers, _MOST_OF_FIRST)
    first = ", ".join(f"{number:.6g}" if isinstance(number, float) else str(number) for number in shown)
    return f"{name}([{first}, ...], shape={shape}, dtype={dtype})"
