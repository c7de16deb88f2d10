"""The encoding of numpy arrays and scalars and of torch tensors: their elements' bytes, and what they mean."""

from __future__ import annotations

import math
from typing import Any

from vessl_nb.values.family import (
    Decode,
    Decoder,
    Encoder,
    NoEncoding,
    Walk,
    class_name,
    from_base64,
    library,
    to_base64,
)

# numpy ------------------------------------------------------------------------------------------------------------

_DOUBLE = 8  # bytes of the largest real number that means the same on every machine


def numpy_encoder_of(np: Any, value: Any) -> Encoder | None:
    """Find the encoder for a value of numpy's."""
    kind = type(value)
    if kind in {np.ndarray, np.memmap}:
        return _encode_objects if value.dtype == object else _encode_array
    if issubclass(kind, np.ndarray):
        return _refuse_array
    if kind in {np.str_, np.bytes_}:
        return _encode_text
    return _encode_scalar if issubclass(kind, np.generic) else None


def _encode_array(value: Any, _walk: Walk) -> Any:
    return {
        "$type": "numpy.ndarray",
        "dtype": _encode_dtype(value.dtype),
        "shape": list(value.shape),
        "base64": to_base64(_without_gaps(value).tobytes()),
    }


def _without_gaps(value: Any) -> Any:
    """Copy the fields of records, for the bytes between them hold whatever was in that memory before."""
    if value.dtype.names is None:
        return value
    clean = library("numpy").zeros(value.shape, value.dtype)
    for name in value.dtype.names:
        clean[name] = _without_gaps(value[name])
    return clean


def _encode_objects(value: Any, walk: Walk) -> Any:
    places = library("numpy").ndindex(value.shape)
    items = [walk(item, str(list(place))) for place, item in zip(places, value.ravel(), strict=True)]
    return {"$type": "numpy.ndarray", "dtype": "|O", "shape": list(value.shape), "items": items}


def _refuse_array(value: Any, _walk: Walk) -> Any:
    raise NoEncoding(
        f"is a {class_name(type(value))}, and what that class adds to an array has no encoding",
        "Give a plain array: numpy.asarray(value), with a mask apart.",
    )


def _decode_array(data: dict[str, Any], decode: Decode) -> Any:
    np = library("numpy")
    shape = tuple(data["shape"])
    if "items" in data:
        array = np.empty(len(data["items"]), object)
        for number, item in enumerate(data["items"]):
            array[number] = decode(item)
        return array.reshape(shape)
    return _array_on(np, shape, data)


def _array_on(np: Any, shape: tuple[int, ...], data: dict[str, Any]) -> Any:
    dtype = _decode_dtype(np, data["dtype"])
    content = from_base64(data["base64"])
    if len(content) != math.prod(shape) * dtype.itemsize:
        raise ValueError(f"{len(content)} bytes do not fill {shape} elements of {dtype}")
    return np.ndarray(shape, dtype, buffer=content)


def _encode_scalar(value: Any, _walk: Walk) -> Any:
    return {
        "$type": "numpy.generic",
        "dtype": _encode_dtype(value.dtype),
        "base64": to_base64(_without_gaps(value).tobytes()),
    }


def _encode_text(value: Any, walk: Walk) -> Any:
    # As text, not as an array's bytes: those lose NULs at the end.
    dtype, plain = ("U", str.__str__(value)) if isinstance(value, str) else ("S", bytes.__bytes__(value))
    return {"$type": "numpy.generic", "dtype": dtype, "value": walk(plain, "")}


def _decode_scalar(data: dict[str, Any], decode: Decode) -> Any:
    np = library("numpy")
    if "value" in data:
        return {"U": np.str_, "S": np.bytes_}[data["dtype"]](decode(data["value"]))
    return _array_on(np, (), data)[()]


def _encode_dtype(dtype: Any) -> Any:
    np = library("numpy")
    if dtype.fields is not None and dtype.type is np.void:
        return {
            "fields": [_encode_field(name, *dtype.fields[name]) for name in dtype.names],
            "itemsize": dtype.itemsize,
        }
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        return {"base": _encode_dtype(base), "shape": list(shape)}
    # A long double is another number on another machine; types that are not numpy's own, such as bfloat16, and
    # numpy's StringDType do not say what they are in dtype.str.
    size = dtype.itemsize // 2 if dtype.kind == "c" else dtype.itemsize
    is_long = dtype.kind in "fc" and size > _DOUBLE
    if is_long or dtype.hasobject or dtype.isbuiltin == 2 or dtype.type.__module__ != "numpy":  # noqa: PLR2004  # 2: registered by a user
        raise NoEncoding(
            f"has the dtype {dtype}, which has no encoding",
            "Convert it with .astype() to numbers, bool, text or datetime64; bfloat16 to float32.",
        )
    return dtype.str


def _encode_field(name: str, dtype: Any, offset: int, title: str | None = None) -> list[Any]:
    if title is not None:
        raise NoEncoding(f"has a dtype whose field {name!r} has a title, which has no encoding", "Leave the title out.")
    return [name, _encode_dtype(dtype), offset]


def _decode_dtype(np: Any, data: Any) -> Any:
    if isinstance(data, str):
        dtype = np.dtype(data)
        if dtype.str != data or dtype.hasobject:
            raise ValueError(f"{data!r} is not a dtype as numpy writes it")
        return dtype
    if "base" in data:
        return np.dtype((_decode_dtype(np, data["base"]), tuple(data["shape"])))
    names, dtypes, offsets = zip(*data["fields"], strict=True) if data["fields"] else ((), (), ())
    formats = [_decode_dtype(np, dtype) for dtype in dtypes]
    return np.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": data["itemsize"]})


# torch ------------------------------------------------------------------------------------------------------------


def torch_encoder_of(torch: Any, value: Any) -> Encoder | None:
    """Find the encoder for a value of torch's."""
    return _encode_tensor if issubclass(type(value), torch.Tensor) else None


def _encode_tensor(value: Any, _walk: Walk) -> Any:
    torch = library("torch")
    if type(value) not in {torch.Tensor, torch.nn.Parameter}:
        raise NoEncoding(
            f"is a {class_name(type(value))}, and what that class adds to a tensor has no encoding",
            "Give a plain tensor: value.as_subclass(torch.Tensor).",
        )
    if value.layout != torch.strided or value.is_quantized or value.is_meta or value.is_nested:
        raise NoEncoding(
            "is a sparse, quantized, nested or meta tensor, which has no encoding",
            "Give a dense tensor: value.to_dense() or value.dequantize().",
        )
    # A clone, because a tensor of one element or none may count as contiguous with any strides.
    elements = value.detach().cpu().resolve_conj().resolve_neg().clone(memory_format=torch.contiguous_format)
    return {
        "$type": "torch.Tensor",
        "dtype": str(value.dtype).removeprefix("torch."),
        "shape": list(value.shape),
        "base64": to_base64(elements.reshape(-1).view(torch.uint8).numpy().tobytes()),
    }


def _decode_tensor(data: dict[str, Any], _decode: Decode) -> Any:
    torch = library("torch")
    dtype = getattr(torch, data["dtype"])
    content = from_base64(data["base64"])
    if not isinstance(dtype, torch.dtype) or len(content) != math.prod(data["shape"]) * dtype.itemsize:
        raise ValueError(f"{len(content)} bytes do not fill {data['shape']} elements of {data['dtype']}")
    # torch.frombuffer takes no empty buffer.
    return (
        torch.frombuffer(content, dtype=dtype).reshape(data["shape"])
        if content
        else torch.empty(data["shape"], dtype=dtype)
    )


DECODERS: dict[str, Decoder] = {
    "numpy.ndarray": _decode_array,
    "numpy.generic": _decode_scalar,
    "torch.Tensor": _decode_tensor,
}
