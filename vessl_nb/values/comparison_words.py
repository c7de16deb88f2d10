"""What the two sides of a comparison are, in short words, and the way to a part of them."""

from __future__ import annotations

from json.encoder import encode_basestring
from typing import TYPE_CHECKING, Any

import msgspec

from vessl_nb.faces.words import counted, one_line
from vessl_nb.values.encoding import decode
from vessl_nb.values.family import library
from vessl_nb.values.pretty import pretty

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_CHARACTERS = 120
"""How long the words for one side may be."""


def kind_of(data: Any) -> str:
    """Name the form of an encoded value: its ``$type``, or the type that JSON has for it."""
    if isinstance(data, dict):
        return str(data.get("$type", "dict"))
    return "None" if data is None else type(data).__name__


def items_of(data: Any) -> list[Any]:
    """Give the items of a list, tuple or set, in any of its forms."""
    items: list[Any] = data if isinstance(data, list) else data["items"]
    return items


def entries_of(data: dict[str, Any]) -> dict[Any, tuple[Any, Any]]:
    """Take keys and values of a dict in either of its forms, by what makes keys equal in both."""
    if "$type" not in data:
        return {key: (key, item) for key, item in data.items()}
    return {key if isinstance(key, str) else msgspec.json.encode(key): (key, item) for key, item in data["items"]}


def key_step(key: Any) -> str:
    """Write the step to what a dict has under a key."""
    if isinstance(key, str):
        return f".{key}" if key.isidentifier() else f"[{encode_basestring(key)}]"
    return f"[{one_line(pretty(decode(key)), MOST_CHARACTERS)}]"


def typed_words(data: Any) -> str:
    """Say what an encoded value is, its type included."""
    # 1 and 1.0, or 0.5 and numpy's 0.5, would read alike.
    kind = kind_of(data)
    is_bare = kind in {"bool", "int", "float", "complex", "str", "bytes", "bytearray", "decimal"}
    return f"{words_of(data)} ({kind})" if is_bare else words_of(data)


def words_of(data: Any) -> str:
    """Say what an encoded value is: small ones as they are, large ones by their extent."""
    kind = kind_of(data)
    if kind in _WORDS:
        return _WORDS[kind](data)
    if kind.startswith("pandas.") and "values" in data:
        return f"pandas {data.get('dtype', '')} {kind.removeprefix('pandas.')}"
    return pretty(decode(data))


def _items_words(data: Any) -> str:
    return f"{kind_of(data)} of {counted(len(items_of(data)), 'item')}"


def _class_words(data: Any) -> str:
    return f"object of class {data['class']}"


def _array_words(data: Any) -> str:
    what = "numpy array" if data["$type"] == "numpy.ndarray" else "torch tensor"
    return f"{what} of {_dtype_words(data['dtype'])}, shape {tuple(data['shape'])}"


def _generic_words(data: Any) -> str:
    return f"{pretty(decode(data))} (numpy {_dtype_words(data['dtype'])})"


def _image_words(data: Any) -> str:
    image = decode(data)
    return f"{image.mode} image of {image.width} × {image.height}"


_WORDS: dict[str, Callable[[Any], str]] = {
    "dict": lambda data: f"dict of {counted(len(entries_of(data)), 'key')}",
    **dict.fromkeys(("list", "tuple", "set", "frozenset", "namedtuple"), _items_words),
    **dict.fromkeys(("object", "opaque", "subclass", "enum"), _class_words),
    **dict.fromkeys(("numpy.ndarray", "torch.Tensor"), _array_words),
    "numpy.generic": _generic_words,
    "PIL.Image": _image_words,
    "pandas.DataFrame": lambda data: f"DataFrame of {counted(len(data['values']), 'column')}",
}


def _dtype_words(dtype: Any) -> str:
    if isinstance(dtype, dict):
        return f"records of {', '.join(name for name, *_ in dtype['fields'])}"
    # A dtype of torch's has no byte order; of numpy's the usual one is left out.
    return str(library("numpy").dtype(dtype)) if dtype[:1] in "<>|=" else str(dtype)
