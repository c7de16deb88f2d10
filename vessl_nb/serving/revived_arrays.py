"""Lists of JSON as numpy's arrays and torch's tensors, of the dtype that the sample had."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vessl_nb.faces.words import one_line
from vessl_nb.serving.misfits import Misfit
from vessl_nb.serving.revived_leaves import FORMATS, revive_bytes, revive_complex, revive_instant
from vessl_nb.values.family import library

if TYPE_CHECKING:
    from vessl_nb.serving.revived_leaves import Reviver

_AS_FLOAT32 = ("bfloat16", "float8")  # the dtypes of torch that numpy does not know begin so


def make_array_reviver(schema: dict[str, Any], revive_item: Reviver | None) -> Reviver | None:
    """Make what revives an array.

    Parameters
    ----------
    schema
        With ``x-dtype`` and ``x-shape``, where they are known; of the shape only the number of dimensions must fit.
    revive_item
        Revives an item of an array of objects.

    Returns
    -------
    callable
        None for records, which stay lists.
    """
    dtype = schema.get("x-dtype", "")
    if not isinstance(dtype, str):
        return None
    np = library("numpy")
    shape: list[int | None] | None = schema.get("x-shape")
    kind = np.dtype(dtype).kind if dtype else ""
    # Texts and bytes may be longer than the sample's.
    wanted: Any = {"U": str, "S": bytes, "": None}.get(kind, dtype)
    convert = revive_item if kind == "O" else _ELEMENTS.get(kind)

    def revive(data: Any) -> Any:
        elements = data if convert is None else _converted(data, None if shape is None else len(shape), convert)
        try:
            with np.errstate(over="raise"):
                array = _objects(np, elements, len(shape or [0])) if kind == "O" else np.array(elements, wanted)
        except (ValueError, TypeError, OverflowError, FloatingPointError) as error:
            name = np.dtype(wanted).name if wanted else "numbers"
            raise Misfit(f"must be an array of {name}: {_why(error)}") from error
        return array if shape is None or array.ndim == len(shape) else _with_dimensions(array, shape)

    return revive


def make_tensor_reviver(schema: dict[str, Any]) -> Reviver:
    """Make what revives a tensor; it is on the CPU.

    Parameters
    ----------
    schema
        With ``x-dtype`` and ``x-shape``, where they are known.
    """
    torch = library("torch")
    dtype = schema.get("x-dtype", "")
    # numpy says where a number does not fit, and is faster with lists than torch is.
    by_numpy = "float32" if not dtype or dtype.startswith(_AS_FLOAT32) else dtype
    make_array = make_array_reviver({**schema, "x-dtype": by_numpy}, None)
    torch_dtype = getattr(torch, dtype or by_numpy)

    def revive(data: Any) -> Any:
        return torch.from_numpy(make_array(data)).to(torch_dtype) if make_array else data

    return revive


_ELEMENTS: dict[str, Reviver] = {
    "c": revive_complex,
    "S": revive_bytes,
    "V": revive_bytes,
    "M": lambda data: None if data is None else revive_instant(data),
    "m": lambda data: None if data is None else FORMATS["duration"](data),
}


def _converted(data: Any, depth: int | None, convert: Reviver) -> Any:
    """Convert every element of lists in lists; without a known depth, whatever is no list is an element."""
    if depth == 0 or not isinstance(data, list):
        return convert(data)
    items = []
    for number, item in enumerate(data):
        try:
            items.append(_converted(item, None if depth is None else depth - 1, convert))
        except Misfit as misfit:
            misfit.steps.append(number)
            raise
    return items


def _objects(np: Any, data: Any, depth: int) -> Any:
    """Make an array of objects, some of which may be lists themselves."""
    shape, flat = [], [data]
    for _ in range(depth):
        lengths = {len(items) for items in flat}
        if len(lengths) > 1:
            raise ValueError("the lists in it are not equally long")
        shape.append(lengths.pop() if lengths else 0)
        flat = [item for items in flat for item in items]
    array = np.empty(len(flat), object)
    for place, item in enumerate(flat):
        array[place] = item
    return array.reshape(shape)


def _with_dimensions(array: Any, shape: list[int | None]) -> Any:
    """Give an array without elements the dimensions that empty lists do not show."""
    if array.size or array.ndim > len(shape):
        raise Misfit(f"must have {len(shape)} dimensions; it has {array.ndim}")
    return array.reshape([*array.shape, *(length or 0 for length in shape[array.ndim :])])


def _why(error: Exception) -> str:
    text = str(error)
    return "the lists in it are not equally long" if "inhomogeneous" in text else one_line(text, 100)
