"""How arrays, of numpy and torch, and images compare: element by element."""

from __future__ import annotations

from typing import Any

from vessl_nb.values.comparison_walk import Comparers, Comparison, Walk, different, tolerance_of
from vessl_nb.values.comparison_words import key_step, words_of
from vessl_nb.values.encoding import decode
from vessl_nb.values.family import library

_BLOCK = 1 << 20  # elements compared at once, so that a large array costs little memory beside its own


def _compare_arrays(walk: Walk, expected: Any, found: Any, path: str) -> Comparison | None:
    if any(expected.get(name) != found.get(name) for name in ("dtype", "shape")):
        return different(path, words_of(expected), words_of(found))
    if "items" in expected:
        shape = expected["shape"]
        return walk.each(expected["items"], found["items"], path, lambda number: _place(number, shape))
    if "value" in expected:
        return walk(expected["value"], found["value"], path)
    if not walk.by_value or expected["base64"] == found["base64"]:
        return None
    return _compare_decoded(walk, decode(expected), decode(found), path)


def _compare_decoded(walk: Walk, expected: Any, found: Any, path: str) -> Comparison | None:
    np = library("numpy")
    tolerance = None
    if hasattr(expected, "detach"):  # torch has numbers that numpy has not, bfloat16 for one
        torch = library("torch")
        if expected.is_floating_point() or expected.is_complex():
            tolerance = tolerance_of(torch.finfo(expected.dtype).bits // 8, torch.finfo(expected.dtype).eps)
            wide = torch.complex128 if expected.is_complex() else torch.float64
            expected, found = expected.to(wide), found.to(wide)
        expected, found = expected.numpy(), found.numpy()
    expected, found = np.asarray(expected), np.asarray(found)
    if expected.dtype.names is not None:
        for name in expected.dtype.names:
            difference = _compare_decoded(walk, expected[name], found[name], path + key_step(name))
            if difference:
                return difference
        return None
    if tolerance is None and expected.dtype.kind in "fc":
        tolerance = tolerance_of(np.finfo(expected.dtype).bits // 8, float(np.finfo(expected.dtype).eps))
    return _compare_elements(walk, expected, found, path, tolerance)


def _compare_elements(
    walk: Walk, expected: Any, found: Any, path: str, tolerance: tuple[float, float] | None
) -> Comparison | None:
    shape = expected.shape
    expected, found = expected.reshape(-1), found.reshape(-1)
    for start in range(0, expected.size, _BLOCK):
        one, other = expected[start : start + _BLOCK], found[start : start + _BLOCK]
        unequal = _unequal(one, other)
        if not unequal.any():
            continue
        far = unequal if tolerance is None else unequal & ~_near(one, other, *tolerance)
        if far.any():
            number = int(far.argmax())
            place = path + _place(start + number, shape)
            return different(place, *(_element_words(block[number]) for block in (one, other)))
        number = int(unequal.argmax())
        walk.note_close(path + _place(start + number, shape), one[number].item(), other[number].item())
    return None


def _element_words(element: Any) -> str:
    return str(element) if element.dtype.kind in "mM" else repr(element.item())


def _unequal(one: Any, other: Any) -> Any:
    if one.dtype.kind == "c":
        return _unequal(one.real, other.real) | _unequal(one.imag, other.imag)
    unequal = one != other
    if one.dtype.kind in "fmM":
        isnan = library("numpy").isnat if one.dtype.kind in "mM" else library("numpy").isnan
        unequal &= ~(isnan(one) & isnan(other))
    return unequal


def _near(one: Any, other: Any, rtol: float, atol: float) -> Any:
    np = library("numpy")
    wide = np.result_type(one.dtype, np.float64)  # in which the largest of float16 can be subtracted
    one, other = one.astype(wide), other.astype(wide)
    with np.errstate(all="ignore"):
        distance = np.abs(one - other)
        near = distance <= atol + rtol * np.maximum(np.abs(one), np.abs(other))
    return near & np.isfinite(distance)


def _place(number: int, shape: Any) -> str:
    place = ", ".join(str(index) for index in library("numpy").unravel_index(number, tuple(shape)))
    return f"[{place}]" if place else ""


def _compare_images(walk: Walk, expected: Any, found: Any, path: str) -> Comparison | None:
    if expected == found:
        return None
    one, other = decode(expected), decode(found)
    if (one.mode, one.size) != (other.mode, other.size):
        return different(path, words_of(expected), words_of(found))
    if not walk.by_value:
        return None
    if one.palette is not None:  # two palettes may give the same colours
        one, other = one.convert("RGBA"), other.convert("RGBA")
    return _compare_decoded(walk, one, other, path)


COMPARERS: Comparers = {
    **dict.fromkeys(("numpy.ndarray", "numpy.generic", "torch.Tensor"), _compare_arrays),
    "PIL.Image": _compare_images,
}
