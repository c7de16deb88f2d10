"""The words that people read, in faces, errors and answers: clean, bounded, counted, aligned."""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    from vessl_nb.faces.value import ValueFace

# Escape sequences and control characters would move the cursor of a terminal, or hide what follows them.
_ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]{4,}")
# ipykernel names a cell's file after its own process and a hash of the cell: other on every run.
_CELL = re.compile(r'File "[^"\n]*(?:ipykernel_\d+[/\\][^"\n]*|<ipython-input-[^"\n]*>)"')

_THOUSAND = 1000
_WHOLE_FROM = 100  # three digits are enough: 12.3 KB, but 123 KB
_MINUTE = 60.0


def clean(text: str) -> str:
    """Take out of `text` what differs from run to run, or would upset a terminal.

    Memory addresses and the names of cells' temporary files go; so do escape sequences, control characters and those
    that turn the direction of writing. Line ends stay, tabs become spaces.
    """
    text = _ESCAPES.sub("", text.replace("\r\n", "\n")).expandtabs(4)
    return _CELL.sub("Cell", _ADDRESS.sub("", _CONTROLS.sub("\N{REPLACEMENT CHARACTER}", text)))


def one_line(text: str, limit: int) -> str:
    """Write `text` on one line of at most `limit` characters, the last of them ``…`` where it was cut."""
    line = " ".join(clean(text[: limit * 8]).split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def bounded_lines(text: str, *, lines: int, width: int) -> list[str]:
    """Cut `text` to `lines` lines of `width` characters, and say how many more there are."""
    every = clean(text).rstrip().split("\n")
    shown = [line if len(line) <= width else line[: width - 1] + "…" for line in every[:lines]]
    return shown if len(every) <= lines else [*shown, f"… and {counted(len(every) - lines, 'more line')}"]


def counted(number: int, noun: str, plural: str = "") -> str:
    """Write a number with its noun: ``1 version``, ``1,000 versions``."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def size_words(size: int) -> str:
    """Write a number of bytes as people read it, a KB being 1,000 bytes: ``812 B``, ``12.3 KB``, ``1.5 GB``."""
    value, units = float(size), ["B", "KB", "MB", "GB", "TB"]
    unit = units.pop(0)
    # 999.95 KB would be written "1000 KB".
    while units and value >= _THOUSAND - 0.5:
        value, unit = value / _THOUSAND, units.pop(0)
    return f"{value:.0f} {unit}" if unit == "B" or value >= _WHOLE_FROM else f"{value:.1f} {unit}"


def duration_words(seconds: float) -> str:
    """Write a duration as people read it: ``320 µs``, ``1.2 ms``, ``2.4 s``, ``3 min 5 s``."""
    if round(seconds) >= _MINUTE:
        minutes, rest = divmod(round(seconds), int(_MINUTE))
        return f"{minutes:,} min {rest} s"
    value, units = seconds * 1e6, ["µs", "ms", "s"]
    if round(value) < 1:
        return "under 1 µs"
    unit = units.pop(0)
    while units and value >= _THOUSAND - 0.5:
        value, unit = value / _THOUSAND, units.pop(0)
    return f"{value:.0f} {unit}" if unit == "µs" or value >= _WHOLE_FROM else f"{value:.1f} {unit}"


def minute_words(moment: datetime) -> str:
    """Write a moment to the minute, in UTC; one without a time zone is taken to be in UTC already."""
    return in_utc(moment).strftime("%Y-%m-%d %H:%M")


def kind_words(value: ValueFace) -> str:
    """Write what kind of value it is: ``ndarray, 1 × 4 float64``."""
    return one_line(", ".join(filter(None, (value.type, value.shape))), 60)


def tag_words(value: object) -> str:
    """Write a tag's value: numbers to six digits, everything else cut to what fits a column."""
    return f"{value:.6g}" if isinstance(value, float) else one_line(str(value), 32)


def tag_list(tags: Mapping[str, object]) -> list[str]:
    """Write each tag as ``name=value``."""
    return [f"{one_line(name, 32)}={tag_words(value)}" for name, value in tags.items()]


def aligned(rows: Sequence[Sequence[str]], *, right: Collection[int] = ()) -> list[str]:
    """Write rows of cells under one another, the columns in `right` flush right."""
    widths = [max(map(_width, column)) for column in zip(*rows, strict=True)]
    return [
        "   ".join(
            " " * gap + cell if column in right else cell + " " * gap
            for column, (cell, gap) in enumerate(
                (cell, width - _width(cell)) for cell, width in zip(row, widths, strict=True)
            )
        ).rstrip()
        for row in rows
    ]


def and_more(number: int) -> list[str]:
    """Say how many were left out; nothing where none were."""
    return [f"… and {number:,} more"] if number > 0 else []


def bounded(lines: Sequence[str], limit: int = 8) -> list[str]:
    """Cut a list to its first lines, and say how many more there are."""
    return [*lines[:limit], *and_more(len(lines) - limit)]


def fact_lines(facts: Sequence[tuple[str, Sequence[str]]]) -> list[str]:
    """Write facts under one another: each its title, and its lines beside it; one with no lines is left out."""
    return aligned([("" if place else title, line) for title, lines in facts for place, line in enumerate(lines)])


def in_utc(moment: datetime) -> datetime:
    """Give a moment in UTC; one without a time zone is taken to be in UTC already."""
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _width(text: str) -> int:
    """Count the columns that `text` takes in a terminal: wide characters take two, combining ones none."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(character) else 1 + (unicodedata.east_asian_width(character) in "WF")
        for character in text
    )
