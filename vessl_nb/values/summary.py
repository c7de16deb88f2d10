"""A value as a person sees it: its type, its extent in words, as text and as a small static picture or table."""

from __future__ import annotations

import base64
import dataclasses
import re
import sys
from typing import TYPE_CHECKING, Any, TypeVar

from vessl_nb.faces.chart import histogram_svg
from vessl_nb.faces.value import ValueFace
from vessl_nb.values.numbers import Numbers, numbers_of, numbers_words
from vessl_nb.values.picture import array_picture, image_picture, img
from vessl_nb.values.picture_files import file_picture, kind_of_picture
from vessl_nb.values.pretty import pretty
from vessl_nb.values.probabilities import probabilities_of, probability_bars, probability_words
from vessl_nb.values.records import records_table, tree_html
from vessl_nb.values.tables import frame_html

if TYPE_CHECKING:
    from collections.abc import Callable, Sized

_Described = TypeVar("_Described")

_MOST_HTML = 200_000  # characters: what is longer weighs more than it tells
_MOST_SIDES = 6
_MOST_WORDS = 80  # characters of an extent
_FACTS_FROM, _CHART_FROM = 10, 20  # elements: of fewer the text says it all


def summarize(value: Any) -> ValueFace:
    """Summarize a value of any type and size: in bounded time, and without leaving a trace in it.

    What its own ``__repr__`` or ``_repr_html_`` raises is shown in its place, or left out.
    """
    name = type(value).__name__
    words = (_guarded(_shape, value) or "")[:_MOST_WORDS]
    shares = _guarded(probabilities_of, value)
    if shares is not None:
        return ValueFace(name, words, pretty(value), probability_bars(shares), probability_words(shares))
    html = _guarded(_html, value)
    if html is not None:
        html = html.encode("utf-8", "backslashreplace").decode()
    numbers = _guarded(numbers_of, value)
    facts, chart = ("", "") if numbers is None else _facts_and_chart(numbers, html)
    return ValueFace(name, words, pretty(value), html, facts, chart)


def _facts_and_chart(numbers: Numbers, html: str | None) -> tuple[str, str]:
    is_odd = numbers.nans or numbers.infinities
    if numbers.size < _FACTS_FROM and not is_odd:
        return "", ""
    words = numbers_words(numbers)
    if html is not None or numbers.size < _CHART_FROM or not numbers.bins:
        return words, ""
    low, _, high = words.partition(",")[0].partition(" to ")
    return words, histogram_svg(numbers.bins, low, high)


def _guarded(describe: Callable[[Any], _Described | None], value: Any) -> _Described | None:
    try:
        return describe(value)
    except Exception:  # noqa: BLE001  # properties and _repr_*_ methods are the user's own code
        return None


def _is_a(value: Any, module: str, name: str) -> bool:
    """Say whether a value is of a library's type, without importing the library."""
    library = sys.modules.get(module)
    return library is not None and issubclass(type(value), getattr(library, name))


# The extent, in words ---------------------------------------------------------------------------------------------


def _shape(value: Any) -> str:
    for module, name, describe in _EXTENTS:
        if _is_a(value, module, name):
            return describe(value)
    return _fields(value) if dataclasses.is_dataclass(type(value)) else _array_shape(value)


def _characters(value: str) -> str:
    return _count(len(value), "character")


def _items(value: Sized) -> str:
    return _count(len(value), "item")


def _bytes(value: bytes | bytearray | memoryview) -> str:
    return " ".join(filter(None, [_size(memoryview(value).nbytes), kind_of_picture(bytes(memoryview(value)[:8]))]))


def _fields(value: Any) -> str:
    return _count(len(dataclasses.fields(value)), "field")


def _model_fields(value: Any) -> str:
    return _count(len(type(value).model_fields), "field")


def _table(value: Any) -> str:
    return f"{_count(len(value), 'row')} × {_count(len(value.columns), 'column')}"


def _column(value: Any) -> str:
    return f"{_count(len(value), 'row')}, {value.dtype}"


def _labels(value: Any) -> str:
    return f"{_items(value)}, {value.dtype}"


def _image(value: Any) -> str:
    return f"{value.width} × {value.height} {value.mode}"


def _nothing(_value: Any) -> str:
    return ""


def _array_shape(value: Any) -> str:
    """Describe whatever has a shape and a dtype, as arrays of many libraries do."""
    shape, dtype = getattr(value, "shape", None), getattr(value, "dtype", None)
    if not isinstance(shape, tuple) or dtype is None or not all(isinstance(length, int) for length in shape):
        return ""
    sides = [str(length) for length in shape]
    if len(sides) > _MOST_SIDES:
        sides[3:] = [f"… ({len(sides)} dimensions)"]
    words = [" × ".join(sides), str(dtype).removeprefix("torch.")]
    device = str(getattr(value, "device", "cpu"))
    if device != "cpu":
        words.append(f"on {device}")
    return " ".join(filter(None, words))


_EXTENTS: tuple[tuple[str, str, Callable[[Any], str]], ...] = (
    ("builtins", "str", _characters),
    ("numpy", "generic", _nothing),
    *(("builtins", name, _bytes) for name in ("bytes", "bytearray", "memoryview")),
    *(("builtins", name, _items) for name in ("list", "tuple", "dict", "set", "frozenset", "range")),
    *(("collections", name, _items) for name in ("deque", "UserDict", "UserList")),
    ("pandas", "DataFrame", _table),
    ("pandas", "Series", _column),
    ("pandas", "Index", _labels),
    ("PIL.Image", "Image", _image),
    ("pydantic.main", "BaseModel", _model_fields),
)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _size(number: int) -> str:
    thousand = 1000
    if number < thousand:
        return _count(number, "byte")
    size = float(number)
    for unit in ("KB", "MB", "GB"):
        size /= thousand
        if size < thousand:
            return f"{size:.1f} {unit}"
    return f"{size / thousand:.1f} TB"


# The picture or table ---------------------------------------------------------------------------------------------


def _html(value: Any) -> str | None:
    if _is_a(value, "pandas", "DataFrame"):
        return _bounded(frame_html(value))
    caption = f"{type(value).__name__}, {_shape(value)}"
    for module, name, draw in _PICTURES:
        if _is_a(value, module, name):
            return draw(value, caption)
    html = _own(value, "_repr_html_")
    if isinstance(html, str) and html and len(html) <= _MOST_HTML and not _LIVE.search(html):
        return html
    return _own_picture(value, type(value).__name__) or records_table(value) or tree_html(value)


_PICTURES: tuple[tuple[str, str, Callable[[Any, str], str | None]], ...] = (
    ("builtins", "bytes", file_picture),
    ("builtins", "bytearray", file_picture),
    ("numpy", "ndarray", array_picture),
    ("torch", "Tensor", array_picture),
    ("PIL.Image", "Image", image_picture),
)


def _own_picture(value: Any, caption: str) -> str | None:
    for method, media_type in (
        # In an <img> the scripts and links of an SVG are dead.
        ("_repr_svg_", "image/svg+xml"),
        ("_repr_png_", "image/png"),
        ("_repr_jpeg_", "image/jpeg"),
    ):
        content = _own(value, method)
        if isinstance(content, str):  # IPython takes pictures as base64 text, too
            content = content.encode() if media_type == "image/svg+xml" else base64.b64decode(content)
        if content:
            return _bounded(img(content, media_type, caption))
    return None


def _own(value: Any, method: str) -> Any:
    # Looked up in the class: mocks and proxies have every attribute.
    show = getattr(type(value), method, None)
    shown = None if show is None else show(value)
    return shown[0] if isinstance(shown, tuple) else shown  # a second member is metadata


def _bounded(html: str | None) -> str | None:
    return html if html is not None and len(html) <= _MOST_HTML else None


# HTML from elsewhere is shown only where it can neither run anything nor fetch anything. The pattern finds too much
# rather than too little: what it finds is shown as text.
_LIVE = re.compile(
    r"""
      <\s*/?(?:script|iframe|frame|frameset|object|embed|applet|link|meta|base|form|portal)\b
    | <\s*/?(?:use|image|feimage|set|animate\w*)\b                       # what refers to files in an SVG
    | [\s/"']on[a-z]+\s*=                                                # event handlers
    | javascript\s*: | @import | image-set | expression\s*\(
    | url\s*\(\s*(?!["']?(?:data:image/|\#))
    | \b(?:src|srcset|poster|data|action|formaction|background|ping)\s*=\s*(?!["']?data:image/)
    | href\s*=\s*(?!["']?(?:https?://|\#))                              # a link may lead out, once it is clicked
    | \bstyle\s*=\s*(?:[^"'\s]|"[^"]*[\\&]|'[^']*[\\&])                 # escapes that would hide any of these
    | <style.*\\
    """,
    re.IGNORECASE | re.VERBOSE | re.DOTALL,
)
