"""What the numbers of an array or tensor are, in bounded time: their range, mean and spread, and what is not finite.

A huge array is looked at in some places only, spread over the whole of it; what is said of it then says so.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from typing import Any

from vessl_nb.values.family import library

MOST_SEEN = 1 << 18
"""How many elements are looked at; of an array with no more than these, all."""

_SAMPLED = 1 << 16  # of a larger one
_BLOCKS = 32  # neighbours are read together: an array may lie in a file, where each place costs as much as its page
_MOST_GATHERED = 1 << 12  # where neighbours do not lie together
_MOST_GATHERED_FROM_FILE = 1 << 5
_BINS = 24


@dataclass(frozen=True, slots=True)
class Numbers:
    """What the numbers of an array are.

    Attributes
    ----------
    size, seen
        How many elements it has, and how many of them were looked at.
    low, high, mean
        Of those that are finite; None where none is. Integers stay integers.
    nans, infinities
        How many are not finite.
    bins
        How many are in each of so many equal parts of the range; empty where all are one number.
    is_truth
        Whether they are truth values; `mean` is then the share that is true.
    """

    size: int
    seen: int
    low: float | int | None
    high: float | int | None
    mean: float | None
    nans: int
    infinities: int
    bins: tuple[int, ...]
    is_truth: bool


def numbers_of(value: Any) -> Numbers | None:
    """Look at an array or tensor of real numbers; None for anything else, and for an empty one."""
    elements = elements_of(value, MOST_SEEN)
    if elements is None or not elements.size or elements.dtype.kind not in "buif":
        return None
    np = library("numpy")
    size = int(value.size) if isinstance(value, np.ndarray) else int(value.numel())
    with np.errstate(all="ignore"):  # what overflows is not finite, and is said as that
        return _described(np, elements, size)


def numbers_words(numbers: Numbers) -> str:
    """Write in words what the numbers are: ``0 to 16, mean 4.88, 2 NaN``."""
    if numbers.low is None or numbers.high is None or numbers.mean is None:
        parts = ["no finite number"]
    elif numbers.is_truth:
        parts = [f"{_percent(numbers.mean, is_all=bool(numbers.low))}% true"]
    elif numbers.low == numbers.high:
        parts = [f"all {_short(numbers.low)}"]
    else:
        parts = [f"{_short(numbers.low)} to {_short(numbers.high)}", f"mean {_short(numbers.mean)}"]
    parts += [f"{count:,} {word}" for count, word in ((numbers.nans, "NaN"), (numbers.infinities, "inf")) if count]
    if numbers.seen < numbers.size:
        parts[-1] += f" ({numbers.seen:,} of {numbers.size:,} elements looked at)"
    return ", ".join(parts)


def elements_of(value: Any, most: int) -> Any:
    """Take at most so many elements, spread over the whole, flat and in order, as a numpy array.

    Parameters
    ----------
    value
        A numpy array or a torch tensor; it is neither copied as a whole nor read as a whole.
    most
        How many. An array with no more than these is given whole, of a larger one fewer.

    Returns
    -------
    numpy.ndarray or None
        None for anything else: for an array with a mask, for a sparse or quantized tensor and for one without data.
    """
    np = sys.modules.get("numpy")
    if np is None:
        return None
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(value, torch.Tensor):
        return _of_tensor(np, torch, value.detach(), most)
    if not isinstance(value, np.ndarray) or isinstance(value, np.ma.MaskedArray):
        return None
    gathered = _MOST_GATHERED_FROM_FILE if isinstance(value, np.memmap) else _MOST_GATHERED
    return _of_array(np, np.asarray(value), most, gathered)


def _of_array(np: Any, array: Any, most: int, gathered: int) -> Any:
    if array.size <= most:
        return array.reshape(-1)
    laid_out = array.transpose(_order(array.strides))
    if laid_out.flags.c_contiguous:
        flat = laid_out.reshape(-1)
        return np.concatenate([flat[block] for block in _blocks(flat.size, most)])
    return array[_places(np, array.shape, min(most, gathered))]


def _order(strides: tuple[int, ...]) -> list[int]:
    """Order the dimensions as they lie in memory."""
    return sorted(range(len(strides)), key=lambda dimension: -strides[dimension])


def _of_tensor(np: Any, torch: Any, tensor: Any, most: int) -> Any:
    if tensor.layout != torch.strided or tensor.is_quantized or tensor.is_complex() or tensor.is_meta:
        return None
    if tensor.device.type == "cpu" and not tensor.is_neg():
        return _of_cpu_tensor(np, torch, tensor, most)
    size = tensor.numel()
    # numpy has no bfloat16, and neither library can join or select what is float8.
    wide = torch.float64 if tensor.is_floating_point() else tensor.dtype
    laid_out = tensor.permute(_order(tensor.stride()))
    if size <= most:
        parts = [tensor.reshape(-1)]
    elif laid_out.is_contiguous():
        flat = laid_out.view(-1)
        parts = [flat[block] for block in _blocks(size, most)]
    else:
        places = _places(np, tuple(tensor.shape), min(most, _MOST_GATHERED))
        parts = [tensor[tuple(torch.as_tensor(place, device=tensor.device) for place in places)]]
    return torch.cat([part.to(wide) for part in parts]).cpu().numpy()


def _of_cpu_tensor(np: Any, torch: Any, tensor: Any, most: int) -> Any:
    # By numpy: torch would wake its threads, which on a busy machine takes longer than all the rest.
    try:
        elements = _of_array(np, tensor.numpy(), most, _MOST_GATHERED)
    except TypeError:  # a kind of number that numpy has not, whose bits it can take all the same
        bits = tensor.view({1: torch.uint8, 2: torch.int16}[tensor.element_size()]).numpy()
        seen = torch.from_numpy(_of_array(np, bits, most, _MOST_GATHERED).copy())
        elements = seen.view(tensor.dtype).double().numpy()
    return elements.astype(np.float64) if tensor.is_floating_point() else elements


def _blocks(size: int, most: int) -> list[slice]:
    length = max(min(most, _SAMPLED) // _BLOCKS, 1)
    count = min(most, _BLOCKS)
    starts = [(size - length) * number // max(count - 1, 1) for number in range(count)]
    return [slice(start, start + length) for start in starts]


def _places(np: Any, shape: tuple[int, ...], count: int) -> Any:
    return np.unravel_index(np.linspace(0, math.prod(shape) - 1, count).astype(np.int64), shape)


def _described(np: Any, elements: Any, size: int) -> Numbers:
    is_truth = elements.dtype.kind == "b"
    if elements.dtype.kind != "f":
        finite, nans, infinities = elements, 0, 0
    else:
        elements = elements.astype(np.float64, copy=False)
        nans = int(np.isnan(elements).sum())
        finite = elements[np.isfinite(elements)]
        infinities = elements.size - finite.size - nans
    if not finite.size:
        return Numbers(size, elements.size, None, None, None, nans, infinities, (), is_truth)
    low, high = finite.min().item(), finite.max().item()
    # Halves, because the distance between the largest floats is none.
    halves = finite.astype(np.float64) / 2
    mean = 2 * float((halves / halves.size).sum()) if halves.size else 0.0
    bins: tuple[int, ...] = ()
    if low < high and not is_truth:
        span = high / 2 - low / 2
        places = ((halves - low / 2) / span * _BINS).astype(np.int64).clip(0, _BINS - 1) if span else None
        bins = () if places is None else tuple(np.bincount(places, minlength=_BINS).tolist())
    return Numbers(size, elements.size, low, high, mean, nans, infinities, bins, is_truth)


def _percent(share: float, *, is_all: bool) -> str:
    """Write a share with as many digits as it takes not to be a hundred percent where one is missing."""
    written = (f"{100 * share:.{digits}g}" for digits in range(3, 12))
    return "100" if is_all else next(text for text in written if text != "100")


def _short(number: float) -> str:
    if isinstance(number, int) and abs(number) < 10**15:  # as long as it can be read
        return f"{number:,}"
    return f"{number:.4g}"
