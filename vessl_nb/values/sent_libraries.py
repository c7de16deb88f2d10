"""Values of numpy, torch, pandas, PIL and pydantic, one step nearer to the JSON of `vessl_nb.values.sent`."""

from __future__ import annotations

import io
import sys
from typing import Any

_LOSSLESS = {"1", "L", "LA", "I", "I;16", "P", "RGB", "RGBA"}  # the modes that a PNG has
_AS_RGB = {"CMYK", "YCbCr", "LAB", "HSV", "RGBX"}


def open_library_value(value: Any) -> Any:
    """Take one step into a value of a library's; any other value is returned as it is.

    Parameters
    ----------
    value
        Any value; a library that it could be of is imported already.

    Raises
    ------
    ValueError
        An image of a mode that no PNG has, or a frame with several columns of one name.
    """
    for name, open_it in _LIBRARIES:
        library = sys.modules.get(name)
        if library is not None:
            opened = open_it(library, value)
            if opened is not value:
                return opened
    return value


def png_of(image: Any) -> bytes:
    """Write an image as a PNG file.

    Raises
    ------
    ValueError
        Its mode is none that a PNG has, nor one that becomes RGB.
    """
    if image.mode in _AS_RGB:
        image = image.convert("RGB")
    elif image.mode not in _LOSSLESS:
        raise ValueError(f'a PNG has no mode {image.mode}; convert it: image.convert("L")')
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def _open_numpy(np: Any, value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return _open_times(np, value) if value.dtype.kind in "Mm" else value.tolist()
    if not isinstance(value, np.generic):
        return value
    if value.dtype.kind in "Mm":
        return _open_times(np, np.asarray(value))
    if isinstance(value, np.longdouble | np.clongdouble):  # their item() is what they are
        return complex(value) if value.dtype.kind == "c" else float(value)
    return value.item()


def _open_times(np: Any, times: Any) -> Any:
    """Write the times of an array, and its time spans; what is not a time is null."""
    if times.dtype.kind == "m":
        return times.astype("m8[us]").tolist()  # Python's own, which know no shorter time
    # Whole days and years are written as times, too: it is times that the schema promises.
    is_coarse = np.datetime_data(times.dtype)[0] in {"Y", "M", "W", "D", "h", "m"}
    texts = np.datetime_as_string(times.astype("M8[s]") if is_coarse else times)
    return np.where(np.isnat(times), None, texts.astype(object)).tolist()


def _open_torch(torch: Any, value: Any) -> Any:
    if not isinstance(value, torch.Tensor):
        return value
    tensor = value.detach()
    if tensor.is_quantized:
        tensor = tensor.dequantize()
    if tensor.layout != torch.strided:
        tensor = tensor.to_dense()
    return tensor.cpu().tolist()


def _open_pandas(pd: Any, value: Any) -> Any:  # noqa: PLR0911  # one for each of its types
    if value is pd.NaT or value is pd.NA:
        return None
    if isinstance(value, pd.Timestamp):
        return value.isoformat()
    if isinstance(value, pd.Timedelta):
        return value.to_pytimedelta()
    if isinstance(value, pd.DataFrame):
        names = [str(label) for label in value.columns]
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise ValueError(f"several of its columns are called {twice!r}, and in JSON only one can be; rename them")
        columns = [_open_column(value.iloc[:, place]) for place in range(len(names))]
        if not columns:
            return [{} for _ in range(len(value))]
        return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
    if isinstance(value, pd.Series | pd.Index):
        return _open_column(value)
    if isinstance(value, pd.api.extensions.ExtensionArray):
        return _open_column(pd.Series(value))
    return str(value) if isinstance(value, pd.Period | pd.Interval) else value


def _open_column(column: Any) -> list[Any]:
    """List the values of a series or index; what is missing is null."""
    values: list[Any] = column.tolist()
    # NaN is written as null in any case, and of an object column each value is asked when it is written.
    if isinstance(column.dtype, sys.modules["numpy"].dtype) and column.dtype.kind in "iufbO":
        return values
    return [None if is_missing else item for item, is_missing in zip(values, column.isna(), strict=True)]


def _open_image(pil_image: Any, value: Any) -> Any:
    return png_of(value) if isinstance(value, pil_image.Image) else value


def _open_model(pydantic: Any, value: Any) -> Any:
    # As Python values: what is in its fields is then written as everywhere else.
    return value.model_dump(warnings=False) if isinstance(value, pydantic.BaseModel) else value


_LIBRARIES = (
    ("numpy", _open_numpy),
    ("torch", _open_torch),
    ("pandas", _open_pandas),
    ("PIL.Image", _open_image),
    ("pydantic.main", _open_model),
)
