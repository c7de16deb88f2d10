"""What travels with a runner, in lists: names of the notebook, files of local modules, packages with their reasons."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vessl_nb.faces.html import bad, code, dim, escape, folded
from vessl_nb.faces.words import aligned, and_more, counted, one_line, size_words

if TYPE_CHECKING:
    from collections.abc import Sequence

STANDS_OUT_FROM = 256 << 10
"""The size in bytes from which a name stands out: few of that size are meant to travel."""

SHOWN = 8
"""How many names, files or requirements are shown; those beyond are folded."""

_USES = {
    "global": "used by",
    "closure": "closed over by",
    "default": "a default of",
    "attribute": "an attribute of",
}
_MOST_USERS = 3
_WRITTEN = {"function", "class"}
_DATA_PACKAGES = {"numpy", "pandas", "polars", "pyarrow", "scipy", "xarray", "collections", "array"}
_TENSORS = {"torch.Tensor", "torch.nn.parameter.Parameter"}


@dataclass(frozen=True, slots=True)
class CaptureFace:
    """A name that travels with a runner.

    Attributes
    ----------
    name
        As the code calls it.
    type
        The full name of its value's type; ``function`` or ``class`` for what was written in the notebook.
    size
        What it adds to the version, in bytes.
    kind
        How it is reached: ``global``, ``closure``, ``default`` or ``attribute``.
    place
        Where it was defined, such as ``In[3]``; empty where that is not known.
    users
        The functions and classes that use it.
    secret
        Why it looks like a secret; empty where it does not.
    """

    name: str
    type: str
    size: int
    kind: str = "global"
    place: str = ""
    users: tuple[str, ...] = ()
    secret: str = ""

    @property
    def is_helper(self) -> bool:
        """Whether it is a function or class that was written in the notebook, rather than a value."""
        return self.type in _WRITTEN


def short_type(capture: CaptureFace) -> str:
    """Write its type without the module, which packages move from release to release."""
    return one_line(capture.type.rpartition(".")[2], 48)


def flags_of(capture: CaptureFace) -> list[tuple[str, str]]:
    """List what makes a name stand out: a word, and the sentence that goes with it."""
    flags = [("secret", capture.secret)] if capture.secret else []
    return [*flags, ("large", _advice_on(capture))] if capture.size >= STANDS_OUT_FROM else flags


def _advice_on(capture: CaptureFace) -> str:
    package, dot, _ = capture.type.partition(".")
    if not dot or package in _DATA_PACKAGES or capture.type in _TENSORS:
        return "load it from a file in load_model, or pass it as the model"
    return "register it as the model, not as a global name"


def capture_lines(captures: Sequence[CaptureFace], *, in_full: bool) -> list[str]:
    """Write names as lines of text: each with its type, where it is from and who uses it, and below what stands out.

    Parameters
    ----------
    captures
        The names.
    in_full
        Show all of them, and their sizes, which differ from one package version to another.
    """
    ordered = _standing_out_first(captures)
    shown = ordered if in_full else ordered[:SHOWN]
    rows = [
        [one_line(capture.name, 48), short_type(capture), *([_size(capture)] if in_full else []), _origin(capture)]
        for capture in shown
    ]
    lines = []
    for capture, line in zip(shown, aligned(rows, right={2} if in_full else ()), strict=True):
        lines += [line, *(f"  {word}: {one_line(sentence, 200)}" for word, sentence in flags_of(capture))]
    return [*lines, *and_more(len(ordered) - len(shown))]


def captures_items(captures: Sequence[CaptureFace], most: int) -> str:
    """Draw names as a list of at most so many, those that stand out first; empty where there are none."""
    return folded(_standing_out_first(captures), SHOWN, lambda some: items([_item(capture) for capture in some]), most)


def items(entries: Sequence[str]) -> str:
    """Draw entries that `item` made as a list; empty where there are none."""
    return f'<ul class="vnb-items">{"".join(entries)}</ul>' if entries else ""


def item(name: str, words: str = "", size: str = "", below: str = "") -> str:
    """Draw an entry of a list: a name as code, what it is, its size, and under them what there is to say, as HTML."""
    start = "<li>" if words else '<li class="vnb-plain">'
    wide = "" if size else ' class="vnb-wide"'
    kind = f" <span{wide}>{escape(one_line(words, 200))}</span>" if words else ""
    end = f' <span class="vnb-size">{escape(size)}</span>' if size else ""
    return f"{start}{code(one_line(name, 100))}{kind}{end}{below}</li>"


def file_items(files: Sequence[tuple[str, int]], most: int) -> str:
    """Draw files with their sizes as a list of at most so many."""
    return folded(files, SHOWN, lambda some: items([item(path, "", size_words(size)) for path, size in some]), most)


def requirement_items(requirements: Sequence[tuple[str, str]], most: int) -> str:
    """Draw requirements with their reasons as a list of at most so many."""
    return folded(requirements, SHOWN, lambda some: items([item(line, reason) for line, reason in some]), most)


def requirement_lines(requirements: Sequence[tuple[str, str]], *, in_full: bool) -> list[str]:
    """Write requirements with their reasons as lines of text.

    Parameters
    ----------
    requirements
        The requirements: the line that pip takes, and the reason.
    in_full
        Show all of them, and the versions of those that were inferred; on another machine they are others.
    """
    shown = requirements if in_full else requirements[:SHOWN]
    rows = [
        [one_line(line if in_full or reason == "declared" else _unpinned(line), 100), one_line(reason, 100)]
        for line, reason in shown
    ]
    return [*aligned(rows), *and_more(len(requirements) - len(shown))]


def _unpinned(line: str) -> str:
    return re.split(r"==| @ ", line, maxsplit=1)[0]


def _standing_out_first(captures: Sequence[CaptureFace]) -> list[CaptureFace]:
    return sorted(captures, key=lambda capture: not flags_of(capture))


def _size(capture: CaptureFace) -> str:
    return size_words(capture.size) if capture.size else ""  # of what cannot travel it is not known


def _origin(capture: CaptureFace) -> str:
    users = [one_line(user, 48) for user in capture.users[:_MOST_USERS]]
    more = len(capture.users) - _MOST_USERS
    named = ", ".join(users) + (f" and {counted(more, 'other')}" if more > 0 else "")
    use = f"{_USES.get(capture.kind, 'used by')} {named}" if named else ""
    return ", ".join(filter(None, [one_line(capture.place, 48), use]))


def _item(capture: CaptureFace) -> str:
    origin = _origin(capture)
    below = f'<div class="vnb-small">{dim(origin)}</div>' if origin else ""
    below += "".join(
        f'<div class="vnb-small">{bad(word)} {escape(one_line(sentence, 200))}</div>'
        for word, sentence in flags_of(capture)
    )
    return item(capture.name, short_type(capture), _size(capture), below)
