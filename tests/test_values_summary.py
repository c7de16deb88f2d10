"""What a person sees of a value: its type, its extent, its text and its picture, whatever it is and however large."""

from __future__ import annotations

import base64
import collections
import dataclasses
import io
import itertools
import math
import re
import struct
import types
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from vessl_nb.errors import InvalidArgument
from vessl_nb.faces.png import encode_png
from vessl_nb.values.pretty import pretty
from vessl_nb.values.summary import summarize

torch = pytest.importorskip("torch")


class Plain:
    pass


class Failing:
    def __repr__(self):
        raise ValueError("no")


@dataclasses.dataclass
class Flower:
    petal: float
    parts: list
    secret: str = dataclasses.field(default="s", repr=False)


class Point(NamedTuple):
    x: float
    y: object


class Request(pydantic.BaseModel):
    rows: list[int]


def picture(html: str) -> Image.Image:
    content = re.search(r'src="data:image/(?:png|jpeg);base64,([^"]+)"', html)[1]
    with Image.open(io.BytesIO(base64.b64decode(content))) as image:
        return image.copy()


# Type and extent -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "type_name", "shape"),
    [
        (np.zeros((8, 8)), "ndarray", "8 × 8 float64"),
        (np.zeros(3, "int8"), "ndarray", "3 int8"),
        (np.array(1.5), "ndarray", "float64"),
        (np.zeros((2,) * 20), "ndarray", "2 × 2 × 2 × … (20 dimensions) float64"),
        (torch.zeros(1, 3, 4, dtype=torch.bfloat16), "Tensor", "1 × 3 × 4 bfloat16"),
        (torch.zeros(2, device="meta"), "Tensor", "2 float32 on meta"),
        (pd.DataFrame(np.zeros((150, 4))), "DataFrame", "150 rows × 4 columns"),
        (pd.DataFrame({"a": [1]}), "DataFrame", "1 row × 1 column"),
        (pd.Series([1.5, 2]), "Series", "2 rows, float64"),
        (pd.Index(["a"], dtype=object), "Index", "1 item, object"),
        ([1, 2, 3], "list", "3 items"),
        (range(10**6), "range", "1,000,000 items"),
        ({"a": 1}, "dict", "1 item"),
        (collections.deque(), "deque", "0 items"),
        ("twelve chars", "str", "12 characters"),
        (b"x" * 1200, "bytes", "1.2 KB"),
        (b"x", "bytes", "1 byte"),
        (bytearray(2_500_000), "bytearray", "2.5 MB"),
        (Image.new("RGB", (40, 30)), "Image", "40 × 30 RGB"),
        (Flower(1, []), "Flower", "3 fields"),
        (Request(rows=[]), "Request", "1 field"),
        (5, "int", ""),
        (None, "NoneType", ""),
        (np.float32(1), "float32", ""),
        (Plain(), "Plain", ""),
    ],
    ids=lambda item: item if isinstance(item, str) else "",
)
def test_type_and_extent_in_words(value, type_name, shape):
    face = summarize(value)
    assert (face.type, face.shape) == (type_name, shape)


def test_whatever_has_a_shape_and_a_dtype_is_described_as_an_array():
    assert summarize(types.SimpleNamespace(shape=(2, 3), dtype="int4", device="tpu:0")).shape == "2 × 3 int4 on tpu:0"
    assert summarize(types.SimpleNamespace(shape="round", dtype=1)).shape == ""


# Text ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"x": [5.1, 3.5], 1: (None,)}, "{'x': [5.1, 3.5], 1: (None,)}"),
        ("it's", '"it\'s"'),
        ([], "[]"),
        (set(), "set()"),
        (frozenset({2, 1}), "frozenset({1, 2})"),
        ({"b", "a"}, "{'a', 'b'}"),
        (collections.OrderedDict(a=1), "OrderedDict({'a': 1})"),
        (collections.defaultdict(list, a=[1]), "defaultdict(list, {'a': [1]})"),
        (collections.deque([1], maxlen=2), "deque([1], maxlen=2)"),
        ({"a": 1}.keys(), "dict_keys(['a'])"),
        (types.MappingProxyType({"a": 1}), "mappingproxy({'a': 1})"),
        (Flower(1.5, ["x"]), "Flower(petal=1.5, parts=['x'])"),
        (Point(1, "y"), "Point(x=1, y='y')"),
        (Request(rows=[1, 2]), "Request(rows=[1, 2])"),
        (ValueError("bad", 3), "ValueError('bad', 3)"),
        (np.arange(3), "array([0, 1, 2])"),
        (np.array([[1], None], dtype=object), "array([[1], None], shape=(2,), dtype=object)"),
        (torch.tensor([1.5, 2]), "tensor([1.5000, 2.0000])"),
        (2**20_000, "<int of 20001 bits>"),
        ("\ud800", "'\\ud800'"),
    ],
    ids=lambda item: type(item).__name__,
)
def test_text_is_what_ipython_prints(value, text):
    assert summarize(value).text == text


def test_what_does_not_fit_on_a_line_takes_a_line_an_item():
    assert summarize({"first": "a" * 40, "second": ["b" * 40, "c" * 40]}).text == (
        f"{{'first': '{'a' * 40}',\n 'second': ['{'b' * 40}',\n            '{'c' * 40}']}}"
    )
    assert summarize({"a": np.eye(2)}).text == "{'a': array([[1., 0.],\n             [0., 1.]])}"


def test_what_is_left_out_is_marked():
    assert summarize(list(range(10**6))).text == f"[{', '.join(map(str, range(21)))}, ...]"
    lines = summarize(["x" * 30] * 100).text.split("\n")
    assert len(lines) == 12
    assert lines[-1] == " ...]"
    assert summarize("a" * 5000).text.endswith("...")
    inner = summarize({"long": list(range(100)), "other": 1}).text
    assert "...]" in inner
    assert "'other': 1" in inner


def test_text_holds_no_address():
    face = summarize([Plain(), lambda: 1, Plain().__init__, iter([])])
    assert " at 0x" not in face.text
    assert f"<{__name__}.Plain object>" in face.text
    assert summarize("it is at 0x7f00").text == "'it is at 0x7f00'", "a user's own text is left as it is"


def test_what_a_repr_raises_is_shown_in_its_place():
    assert summarize(Failing()).text == "<Failing: its repr raised ValueError>"
    assert summarize([1, Failing()]).text == "[1, <Failing: its repr raised ValueError>]"
    assert summarize({Failing(): 1}).text == "{<Failing: its repr raised ValueError>: 1}"
    assert "raised ValueError" in summarize(Flower(Failing(), [])).text
    assert "raised ValueError" in summarize(pd.Series([Failing()])).text


def test_everything_else_that_raises_is_left_out():
    class Hostile:
        @property
        def shape(self):
            raise RuntimeError("no shape")

        def _repr_html_(self):
            raise RuntimeError("no html")

        def __getattr__(self, name):
            raise RuntimeError(name)

    face = summarize(Hostile())
    assert (face.type, face.shape, face.html) == ("Hostile", "", None)
    assert "Hostile object" in face.text


def test_what_holds_itself_ends():
    loop = [1]
    loop.append(loop)
    assert summarize(loop).text == "[1, [...]]"
    mapping = {}
    mapping["self"] = mapping
    assert summarize(mapping).text == "{'self': {...}}"
    deep = 1
    for _ in range(100_000):
        deep = [deep]
    assert "[...]" in summarize(deep).text


class Counting(list):
    """Counts how many of its items are asked for; it has more than anyone could wait for."""

    asked = 0

    def __iter__(self):
        for number in itertools.count():
            type(self).asked += 1
            yield number

    def __len__(self):
        return 10**12


def test_of_a_large_container_only_what_is_shown_is_asked_for():
    Counting.asked = 0
    for value in (Counting(), {"a": Counting()}, (Counting(), Counting()), Flower(1, Counting()), Point(1, Counting())):
        assert "..." in summarize(value).text
    assert Counting.asked < 300


class Fanning(list):
    asked = 0

    def __iter__(self):
        while True:
            type(self).asked += 1
            yield Fanning()


def test_of_a_large_tree_only_so_much_is_asked_for():
    Fanning.asked = 0
    summarize(Fanning())
    assert Fanning.asked < 1000


def test_huge_arrays_are_not_read_as_a_whole():
    # Terabytes, if anything touched each element or copied them.
    huge = np.broadcast_to(np.float32(1.5), (10**6, 10**6))
    face = summarize(huge)
    assert face.shape == "1000000 × 1000000 float32"
    assert face.text.startswith("array([[1.5, 1.5, 1.5, ..., 1.5")
    assert picture(face.html).size == (128, 128)
    assert "..." in summarize(np.broadcast_to(1, (10**9,))).text
    assert "..." in summarize(np.broadcast_to(1, (3,) * 30)).text
    huge = torch.tensor(1.5).expand(1, 3, 10**6, 10**6)
    face = summarize(huge)
    assert face.text.startswith("tensor([[[[1.5, ..., 1.5],")
    assert face.text.endswith("shape=(1, 3, 1000000, 1000000), dtype=torch.float32)")
    assert picture(face.html).mode == "RGB"
    assert "..." in summarize(torch.tensor(1).expand((3,) * 30)).text
    assert summarize(torch.tensor(1).expand(10, 10**12)).text.startswith("tensor([[1, 1, 1, ..., 1, 1, 1],")


def test_options_that_print_everything_do_not_matter():
    with np.printoptions(threshold=10**9), pd.option_context("display.max_rows", None, "display.max_seq_items", None):
        torch.set_printoptions(profile="full")
        try:
            for value in (
                np.zeros(10**5),
                torch.zeros(10**5),
                pd.DataFrame(np.zeros((10**4, 40))),
                pd.Series(np.zeros(10**5)),
                pd.Index(np.zeros(10**5)),
            ):
                text = summarize(value).text
                assert len(text) <= 1000
                assert "..." in text
        finally:
            torch.set_printoptions(profile="default")


def test_the_users_options_come_back():
    before = pd.get_option("display.max_rows"), np.get_printoptions()["threshold"]
    with pd.option_context("display.max_rows", 77):
        summarize(pd.DataFrame({"a": range(100)}))
        assert pd.get_option("display.max_rows") == 77
    summarize(np.zeros(10**4))
    assert (pd.get_option("display.max_rows"), np.get_printoptions()["threshold"]) == before


ANYTHING = st.recursive(
    st.none() | st.integers() | st.floats() | st.text() | st.binary() | st.builds(Failing) | st.builds(Plain),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.text() | st.integers(), inner)
        | st.tuples(inner, inner)
        | st.builds(Flower, inner, st.lists(inner))
        | st.lists(inner).map(collections.deque)
    ),
    max_leaves=60,
)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(ANYTHING)
def test_text_is_always_bounded_and_can_be_saved(value):
    text = summarize(value).text
    assert 0 < len(text) <= 1000
    assert text.count("\n") < 12
    text.encode()


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=20),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
        max_leaves=12,
    )
)
def test_what_is_shown_in_full_is_a_python_expression(value):
    text = summarize(value).text
    if "..." not in text:
        assert eval(text) == value


# HTML ------------------------------------------------------------------------------------------------------------


def test_frames_are_tables_of_at_most_ten_rows_and_twelve_columns():
    html = summarize(pd.DataFrame(np.arange(30_000).reshape(1000, 30))).html
    assert html.count("<tr") == 12  # with the header and the row of dots
    assert html.split("</tr>")[0].count("<th>") == 14  # with the index and the column of dots
    assert "1000 rows × 30 columns" in html


def test_text_in_frames_is_escaped():
    html = summarize(pd.DataFrame({"<script>": ["<img src=x onerror=alert(1)>"]})).html
    assert "<script>" not in html
    assert "<img" not in html
    assert "&lt;script&gt;" in html


def test_image_like_arrays_are_drawn():
    digit = np.arange(64.0).reshape(8, 8)
    html = summarize(digit).html
    assert html.startswith('<img alt="ndarray, 8 × 8 float64" ')
    assert 'style="image-rendering: pixelated"' in html
    image = picture(html)
    assert (image.mode, image.size) == ("L", (8, 8))
    assert (image.getpixel((0, 0)), image.getpixel((7, 7))) == (0, 255)


@pytest.mark.parametrize(
    ("shape", "mode"),
    [
        ((8, 32), "L"),
        ((1, 1, 28, 28), "L"),
        ((28, 28, 1), "L"),
        ((20, 30, 3), "RGB"),
        ((20, 30, 4), "RGBA"),
        ((1, 3, 20, 30), "RGB"),
        ((1, 20, 30, 3), "RGB"),
        ((7, 8), None),
        ((8, 33), None),
        ((5, 20, 30), None),
        ((2, 3, 20, 30), None),
        ((64,), None),
        ((0, 0), None),
        ((20, 30, 2), None),
        ((1, 1, 1), None),
    ],
)
def test_which_shapes_look_like_images(shape, mode):
    for value in (np.ones(shape), torch.ones(shape, dtype=torch.bfloat16, requires_grad=True)):
        html = summarize(value).html
        assert (None if html is None else picture(html).mode) == mode
        if mode is not None:
            width, height = picture(html).size
            assert (height, width) == tuple(side for side in shape if side >= 8)


@pytest.mark.parametrize("dtype", ["U3", "M8[D]", "complex64", "object", "i4,f8"])
def test_arrays_of_no_numbers_are_not_drawn(dtype):
    assert summarize(np.zeros((9, 9), dtype)).html is None


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int64", "uint16", "float16", "float32", ">f8"])
def test_arrays_of_all_numbers_are_drawn(dtype):
    html = summarize(np.eye(9).astype(dtype)).html
    high = 1 if dtype == "uint8" else 255  # bytes are brightness as they are
    assert picture(html).getextrema() == (0, high)


def test_numbers_that_are_not_finite_are_drawn():
    values = np.linspace(0, 1, 64).reshape(8, 8)
    values[0, :3] = [math.nan, math.inf, -math.inf]
    image = picture(summarize(values).html)
    assert [image.getpixel((column, 0)) for column in range(3)] == [0, 255, 0]
    assert image.getpixel((7, 7)) == 255
    assert summarize(np.full((8, 8), math.nan)).html is not None
    assert summarize(np.array([[-1e308] * 8, [1e308] * 8] * 4)).html is not None


def test_colours_are_drawn_as_they_are_meant():
    half = np.full((8, 8, 3), 0.5)
    assert picture(summarize(half).html).getpixel((0, 0)) == (127, 127, 127)
    assert picture(summarize(half * 254).html).getpixel((0, 0)) == (127, 127, 127)
    normalized = torch.tensor([-2.0, 0.0, 2.0]).reshape(3, 1, 1).expand(3, 8, 8)
    assert picture(summarize(normalized).html).getpixel((0, 0)) == (0, 127, 255)


@pytest.mark.parametrize("shape", [(1000, 1000), (500, 400, 3), (500, 400, 4), (3, 700, 700)])
def test_pictures_are_small_files(shape):
    noise = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    html = summarize(noise).html
    assert len(html) < 30_000
    assert max(picture(html).size) <= 128


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I", "F", "I;16", "YCbCr"])
@pytest.mark.parametrize("size", [(16, 12), (600, 500)])
def test_images_are_drawn(mode, size):
    noise = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    image = Image.fromarray(noise)
    image = image.convert("I").convert(mode) if mode == "I;16" else image.convert(mode)
    html = summarize(image).html
    assert len(html) < 30_000
    width, height = picture(html).size
    assert abs(width / height - size[0] / size[1]) < 0.1


def test_transparency_is_kept():
    assert picture(summarize(Image.new("RGBA", (9, 9), (255, 0, 0, 100))).html).getpixel((0, 0)) == (255, 0, 0, 100)


def shown_as(**methods):
    return type("Shown", (), {name: lambda self, content=content: content for name, content in methods.items()})()


def test_what_an_object_draws_of_itself_is_shown():
    assert summarize(shown_as(_repr_html_="<b>bold</b>")).html == "<b>bold</b>"
    assert summarize(shown_as(_repr_html_=("<b>bold</b>", {"isolated": True}))).html == "<b>bold</b>"
    png = encode_png(1, 1, 1, b"\x00")
    assert picture(summarize(shown_as(_repr_png_=png)).html).size == (1, 1)
    assert picture(summarize(shown_as(_repr_png_=base64.b64encode(png).decode())).html).size == (1, 1)
    assert summarize(shown_as(_repr_svg_="<svg/>")).html.startswith('<img alt="Shown" src="data:image/svg+xml;base64,')
    assert summarize(shown_as(_repr_html_=None, _repr_png_=None)).html is None
    assert summarize(type(shown_as(_repr_html_="<b>"))).html is None, "a class is not its instance"
    assert summarize(shown_as(_repr_html_="x" * 10**6)).html is None


@pytest.mark.parametrize(
    "html",
    [
        "<script>alert(1)</script>",
        "<SCRIPT src=//x>",
        "<img src=x onerror=alert(1)>",
        "<svg/onload=alert(1)>",
        '<img src="https://example.org/a.png">',
        "<img srcset='a.png 1x'>",
        '<img src="&#104;ttps://example.org">',
        "<iframe srcdoc='x'></iframe>",
        "<link rel=stylesheet href=//example.org>",
        "<a href='javascript:alert(1)'>x</a>",
        "<a href='&#106;avascript:alert(1)'>x</a>",
        "<style>@import 'x.css'</style>",
        "<style>b{background:url(//x)}</style>",
        "<style>b{background:\\75rl(//x)}</style>",
        "<b style='background:url(http://x)'>",
        "<b style='background:&#117;rl(http://x)'>",
        "<b style=background:\\75rl(//x)>",
        "<svg><use href='http://x#a'/></svg>",
        "<svg><image href='http://x'/></svg>",
        "<form action='http://x'><button>go</button></form>",
        "<meta http-equiv=refresh content='0;//x'>",
        "<object data='x.swf'></object>",
        "<video poster=//x></video>",
    ],
)
def test_html_that_could_run_or_fetch_something_is_not_shown(html):
    assert summarize(shown_as(_repr_html_=f"<div>{html}</div>")).html is None


@pytest.mark.parametrize(
    "html",
    [
        '<table class="t"><tr><td style="color: red">1 < 2</td></tr></table>',
        '<img src="data:image/png;base64,AAAA">',
        '<a href="https://example.org" target="_blank">docs</a>',
        '<svg xmlns="http://www.w3.org/2000/svg"><circle r="3" fill="teal"/></svg>',
        "<style>b{color: red}</style><b>on: off</b>",
        "<details><summary>more</summary>text</details>",
    ],
)
def test_html_that_only_shows_something_is_shown(html):
    assert summarize(shown_as(_repr_html_=html)).html == html


def test_html_and_captions_can_be_saved():
    assert summarize(shown_as(_repr_html_="\ud800")).html.encode()
    odd = type('"><script>', (np.ndarray,), {})
    html = summarize(np.zeros((8, 8)).view(odd)).html
    assert html.startswith('<img alt="&quot;&gt;&lt;script&gt;, 8 × 8 float64"')


# Numbers, probabilities, records and trees ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "facts"),
    [
        (np.arange(17.0).reshape(1, 17), "0 to 16, mean 8"),
        (np.arange(12), "0 to 11, mean 5.5"),
        (np.zeros(20, "f4"), "all 0"),
        (np.arange(20) % 4 == 0, "25% true"),
        (np.arange(10_000) > 0, "99.99% true"),
        (np.ones(10_000, bool), "100% true"),
        (np.zeros(20, bool), "0% true"),
        (np.array([1.0, math.nan, 3.0, -math.inf]), "1 to 3, mean 2, 1 NaN, 1 inf"),
        (np.full(3, math.nan), "no finite number, 3 NaN"),
        (np.array([1.0, 2.0]), ""),
        (np.array([-1e308, 1e308] * 10), "-1e+308 to 1e+308, mean 0"),
        (np.array(["a"] * 20), ""),
        (np.ma.masked_array(np.arange(20), mask=True), ""),
        (np.arange(20) * 1j, ""),
        (torch.arange(12).bfloat16(), "0 to 11, mean 5.5"),
        (torch.arange(12.0, requires_grad=True), "0 to 11, mean 5.5"),
        (torch.tensor([math.nan, 2.0]).to(torch.float8_e5m2), "all 2, 1 NaN"),
        (torch.zeros(20, device="meta"), ""),
        (torch.eye(5).to_sparse(), ""),
        ([1.0] * 20, ""),
    ],
    ids=str,
)
def test_what_the_numbers_of_an_array_are(value, facts):
    assert summarize(value).facts == facts


def test_of_a_huge_array_it_is_said_how_much_was_looked_at():
    values = np.zeros(3_000_000)
    values[-1], values[0] = math.nan, 7
    assert summarize(values).facts == "0 to 7, mean 0.0001068, 1 NaN (65,536 of 3,000,000 elements looked at)"
    assert summarize(values[: 1 << 18]).facts == "0 to 7, mean 2.67e-05", "a large one is looked at as a whole"


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_an_array_is_looked_at_in_blocks_however_it_is_turned(order):
    values = np.zeros((100, 100, 100))
    values[0, 0, 0] = 1
    for turned in (values.transpose(order), torch.from_numpy(values).permute(order)):
        assert summarize(turned).facts == "0 to 1, mean 1.526e-05 (65,536 of 1,000,000 elements looked at)"


def test_a_histogram_has_a_bar_where_there_are_numbers():
    chart = summarize(np.repeat([0.0, 1.0], [30, 10])).chart
    assert 'aria-label="histogram from 0 to 1, the highest bar 30 of 40"' in chart
    assert re.search(r'd="M0 32v-32h6v32zM161 32v-10.7h6v10.7z"', chart)
    assert summarize(np.zeros(40)).chart == "", "of one number there is nothing to see"
    assert summarize(np.arange(64.0).reshape(8, 8)).chart == "", "a picture tells it already"


PROBABILITIES = [0.25, 0.5, 0.25]


@pytest.mark.parametrize(
    ("value", "labels"),
    [
        (PROBABILITIES, "012"),
        (np.array(PROBABILITIES), "012"),
        (np.array([PROBABILITIES]), "012"),
        (torch.tensor(PROBABILITIES, dtype=torch.float16), "012"),
        (dict(zip("abc", PROBABILITIES, strict=True)), "abc"),
        (dict(zip(("win", "draw", "loss"), PROBABILITIES, strict=True)), ("win", "draw", "loss")),
        ({1: np.float32(0.75), 7: np.float32(0.25)}, "17"),
    ],
    ids=str,
)
def test_probabilities_are_bars(value, labels):
    html = summarize(value).html
    assert re.findall(r"<li><span>(\w+):</span>", html) == list(labels)
    assert html.count("<strong>") == 1, "the highest"
    assert "width: 25%" in html


@pytest.mark.parametrize(
    "value",
    [
        [1.0],
        [1, 0],
        [True, False],
        [0.5, 0.6],
        [1.5, -0.5],
        (0.5, 0.5),
        [math.nan, 1.0],
        {"a": 0.5, "b": "0.5"},
        {(0, 1): 0.5, (1, 2): 0.5},
        {"accuracy": 0.6, "loss": 0.4},
        {"val_precision": 0.5, "val_recall": 0.5},
        np.array([0, 1]),
        np.full((2, 2), 0.5),
        np.array([0.5, 0.5], object),
        pd.Series([0.5, 0.5]),
        {},
        [],
    ],
    ids=str,
)
def test_what_is_not_clearly_probabilities_has_no_bars(value):
    assert "vnb-shares" not in (summarize(value).html or "")


@pytest.mark.parametrize("layout", [torch.strided, torch.jagged], ids=str)
@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_a_nested_tensor_is_written_whatever_its_size(layout):
    nested = torch.nested.nested_tensor([torch.ones(2), torch.ones(3)], layout=layout)
    assert summarize(nested).text == repr(nested)
    many = torch.nested.nested_tensor([torch.arange(3)] * 2000, layout=layout)
    text = summarize(many).text
    assert len(text) < 500
    assert layout == torch.jagged or text == "nested_tensor([tensor([0, 1, 2]), ...], tensors=2000, dtype=torch.int64)"


def test_of_a_thousand_classes_the_most_probable_are_shown():
    values = np.full(1000, 0.0001)
    values[[7, 900]] = [0.3, 0.6002]
    face = summarize(values)
    assert face.facts == "highest: 900 0.6, 7 0.3, 0 0.0001"
    assert face.html.count("<li>") == 10
    assert "… and 990 more" in face.html


def test_records_are_a_table():
    html = summarize([{"age": 31, "city": "<b>"}, {"age": 42, "score": [1, 2]}]).html
    assert re.findall(r"<th(?: [^>]*)?>([^<]*)", html.split("<tbody>")[0]) == ["age", "city", "score"]
    assert "<td>&lt;b&gt;</td><td></td>" in html
    assert "<td>[1, 2]</td>" in html
    assert "… and 90 more rows" in summarize([{"a": number} for number in range(100)]).html
    assert summarize([{f"c{number}": 1 for number in range(40)}]).html.count('<th scope="col">') == 12 + 1
    for value in ([{}], [{"a": 1}, 2], [{1: 2}], [], {"a": 1}):
        assert summarize(value).html is None


def test_nested_data_is_a_tree_that_unfolds():
    value = {"boxes": [{"xy": [1, 2], "label": "<b>" * 40}] * 30, "model": {"name": "x"}, "n": 3}
    html = summarize(value).html
    assert "<details><summary><strong>boxes</strong> list, 30 items</summary>" in html
    assert "<li><strong>model</strong> {&#x27;name&#x27;: &#x27;x&#x27;}</li><li><strong>n</strong> 3</li>" in html
    assert "<li>… and 20 more</li>" in html
    assert "<b>" not in html
    assert summarize({"x": [5.1, 3.5]}).html is None, "what fits a line stays a line"


def test_bytes_that_are_a_picture_are_drawn():
    noise = np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8)
    for kind in ("PNG", "JPEG"):
        file = io.BytesIO()
        Image.fromarray(noise).save(file, kind)
        face = summarize(file.getvalue())
        assert face.shape.endswith(f" KB {kind}")
        width, height = picture(face.html).size
        assert abs(width / height - 4 / 3) < 0.1
        assert summarize(file.getvalue()[:200]).html is None, "a file that was cut is no picture"
    assert summarize(b"\x89PNG").html is None
    assert summarize(encode_png(1, 1, 1, b"\x00").replace(b"IHDR\0\0", b"IHDR\xff\xff")).html is None


NESTED = [1]
for _ in range(900):
    NESTED = [NESTED, {"a": NESTED}]
GIANTS = {
    "a list of ten million": lambda: [0.5] * 10_000_000,
    "a dict of a million": lambda: dict.fromkeys(range(1_000_000), NESTED),
    "records": lambda: [{"a": 1, "b": [1, 2]}] * 1_000_000,
    "nested": lambda: NESTED,
    "a frame of ten million rows": lambda: pd.DataFrame({"a": np.zeros(10_000_000), "b": "x"}),
    "a frame that is wide as well": lambda: pd.DataFrame(np.zeros((2_000_000, 20), dtype=np.float32)),
    "an array with holes": lambda: np.zeros((10_000, 10_000), dtype=np.float32)[::2, ::3],
    "a tensor": lambda: torch.zeros(10_000, 10_000).T,
    "a tensor with holes": lambda: torch.zeros(10_000, 10_000)[::2, ::3],
    "a tensor of half floats": lambda: torch.zeros(50_000_000, dtype=torch.bfloat16),
    "a tensor conjugated in name only": lambda: torch.zeros(20_000_000, dtype=torch.complex64).conj(),
    "a tensor negated in name only": lambda: torch._neg_view(torch.zeros(50_000_000)),
    "a tensor with many sides, one of them long": lambda: torch.zeros(*[2] * 8, 200_000),
    "an image": lambda: Image.new("F", (6000, 4000)),
    "text": lambda: "x" * 100_000_000,
}
MOST_MEMORY = 16_000_000
"""Bytes. Every one of them is larger, whole or in part: one that is copied is seen."""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux, which tells a process's peak")
@pytest.mark.parametrize("make", GIANTS.values(), ids=GIANTS)
def test_values_of_any_size_are_summarised_without_a_copy(make):
    value = make()
    summarize(value)  # what is imported by the first is no part of it
    Path("/proc/self/clear_refs").write_text("5")
    before = memory("VmRSS")
    face = summarize(value)
    assert memory("VmHWM") - before < MOST_MEMORY
    assert len(face.html or "") + len(face.chart) < 30_000


def memory(figure):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{figure}:"))


def test_a_long_frame_tells_its_whole_size_and_shows_both_ends():
    value = pd.DataFrame({f"column {number}": range(1000) for number in range(20)})
    face = summarize(value)
    assert "<p>1000 rows × 20 columns</p>" in face.html
    assert face.text.endswith("[1000 rows x 20 columns]")
    numbers = re.findall(r"<th>(\d+)</th>", face.html)
    assert numbers == ["0", "1", "2", "3", "4", "995", "996", "997", "998", "999"]
    assert face.html.count("<th>...</th>") == 2, "the columns that are left out, and the rows"
    assert summarize(value[:10]).html.count("<th>...</th>") == 1


def test_tensors_whose_sign_is_only_noted_are_shown_with_it():
    numbers = torch.arange(1000.0)
    assert pretty(torch._neg_view(numbers)).startswith("tensor([  -0.,   -1.,   -2., ..., -997., -998., -999.]")
    assert "1.   -2.j" in pretty(torch.complex(numbers, numbers + 1).conj())
    assert summarize(torch._neg_view(numbers)).facts.startswith("-999 to ")


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float8_e4m3fn, torch.float16, torch.float64, torch.int64])
def test_tensors_of_all_numbers_tell_them_whole_turned_and_with_holes(dtype):
    tensor = torch.arange(64).to(dtype).reshape(8, 8)
    assert summarize(tensor).facts == "0 to 63, mean 31.5" if dtype != torch.float8_e4m3fn else True
    for laid_out in (tensor.T, tensor[::2, ::3]):
        expected = laid_out.double()
        words = summarize(laid_out).facts
        assert words.startswith(f"{int(expected.min())} to {int(expected.max())}, mean {expected.mean().item():.4g}")


def test_a_photograph_stays_a_picture_and_a_drawing_keeps_each_pixel():
    across = np.arange(600) / 3
    photograph = np.stack([np.add.outer(across, across) % 256] * 3, -1) + np.random.default_rng(0).normal(
        0, 9, (600, 600, 3)
    )
    assert max(picture(summarize(Image.fromarray(photograph.clip(0, 255).astype(np.uint8))).html).size) >= 128
    drawing = Image.new("RGB", (64, 64), (10, 200, 30))
    assert picture(summarize(drawing).html).getpixel((5, 5)) == (10, 200, 30)


def test_a_file_that_takes_long_to_read_is_not_read():
    noise = np.random.default_rng(0).integers(0, 256, (2000, 2000, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, "PNG")
    face = summarize(file.getvalue())
    assert face.html is None
    assert face.shape.endswith(" MB PNG")


def test_an_array_in_a_file_of_four_gigabytes_is_read_in_a_few_places_only(tmp_path):
    value = np.memmap(tmp_path / "weights", dtype="f4", mode="w+", shape=(1000, 1000, 1000))
    face = summarize(value)
    assert face.facts == "all 0 (65,536 of 1,000,000,000 elements looked at)"


@settings(max_examples=150, deadline=None, derandomize=True)
@given(ANYTHING)
def test_html_of_anything_is_bounded_and_runs_nothing(value):
    face = summarize(value)
    html = (face.html or "") + face.chart
    html.encode()
    assert len(html) < 30_000
    assert not re.search(r"<script|<iframe|\son\w+=", html)


# PNG -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "RGB"), (4, "RGBA")])
def test_png_files_are_read_by_others_as_they_were_written(channels, mode):
    pixels = bytes(range(2 * 3 * channels))
    content = encode_png(2, 3, channels, pixels)
    with Image.open(io.BytesIO(content)) as image:
        assert (image.format, image.mode, image.size, image.tobytes()) == ("PNG", mode, (3, 2), pixels)
    assert struct.unpack(">II", content[16:24]) == (3, 2)


@pytest.mark.parametrize("shape", [(1, 1, 2), (0, 1, 1), (2, 2, 1)])
def test_what_is_no_picture_is_refused(shape):
    with pytest.raises(InvalidArgument, match="are not a picture"):
        encode_png(*shape, b"xx")
