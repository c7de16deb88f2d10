"""Arrays, tensors and frames as text: a corner of them, whatever the options of their libraries say.

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


def abridged(value: Any) -> str | None:
    """Write a corner of an array, tensor, frame, series or index; None for any other value."""
    kind = type(value)
    for name, base, write in (
        ("numpy", "ndarray", _array_text),
        ("torch", "Tensor", _tensor_text),
        ("pandas", "DataFrame", _frame_text),
        ("pandas", "Series", _frame_text),
        ("pandas", "Index", _frame_text),
    ):
        module = sys.modules.get(name)
        if module is not None and issubclass(kind, getattr(module, base)) and value.shape != ():
            return write(module, value)
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
        if _fits(text):
            break
    return text


def _fits(text: str) -> bool:
    return len(text) <= MOST_CHARACTERS and text.count("\n") < MOST_LINES


def _tensor_text(torch: Any, value: Any) -> str | None:
    if value.numel() <= _MOST_ELEMENTS or value.layout != torch.strided or value.is_quantized or value.is_meta:
        return None
    shape = tuple(value.shape)
    dtype = str(value.dtype)
    if _corner_size(shape) > _MOST_CORNER:
        first = value.detach()[(0,) * (len(shape) - 1)]
        return _flat_text("tensor", (number.item() for number in first), shape, dtype)
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
    whole = value.detach() if value.is_complex() else value.detach().view(integers[value.element_size()])
    corner = whole[tuple(places)]
    corner = corner.cpu().view(value.dtype)
    numbers = (corner.double() if corner.is_floating_point() else corner.resolve_conj()).numpy()
    numpy = sys.modules["numpy"]
    text = numpy.array2string(
        numbers, max_line_width=WIDTH, precision=4, separator=", ", prefix="tensor(", threshold=0, edgeitems=edge
    )
    return f"tensor({text}, shape={shape}, dtype={dtype})"


def _flat_text(name: str, numbers: Iterable[Any], shape: tuple[int, ...], dtype: str) -> str:
    first = ", ".join(
        f"{number:.6g}" if isinstance(number, float) else str(number) for number in itertools.islice(numbers, 6)
    )
    return f"{name}([{first}, ...], shape={shape}, dtype={dtype})"


_FRAME_SIZES = ((8, 12), (8, 6), (5, 4))  # rows and columns, until it fits


def _frame_text(pd: Any, value: Any) -> str:
    text = ""
    for rows, columns in _FRAME_SIZES:
        with frame_options(pd, rows, columns):
            text = repr(value)
        if _fits(text):
            break
    return text


def frame_options(pd: Any, rows: int, columns: int) -> Any:
    """Have pandas show no more than so many rows and columns, whatever the user's options, which come back after."""
    options = {
        "display.max_rows": rows,
        "display.min_rows": rows,
        "display.max_columns": columns,
        "display.max_colwidth": 50,
        "display.max_seq_items": 10,
        "display.width": WIDTH,
        "display.large_repr": "truncate",
        "display.show_dimensions": "truncate",
    }
    return pd.option_context(*itertools.chain.from_iterable(options.items()))
