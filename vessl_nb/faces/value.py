"""A value as a person sees it, as plain data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ValueFace:
    """A value as a person sees it.

    Attributes
    ----------
    type
        The name of its type, such as ``ndarray``.
    shape
        Its extent in words, such as ``8 × 8 float64`` or ``3 items``; empty for scalars.
    text
        The value as IPython would print it, of bounded length, with no memory address in it.
    html
        The value as IPython would draw it, static and of bounded length; None where `text` is all there is.
    facts
        What its numbers are, in words, such as ``0 to 16, mean 4.88, 2 NaN``; empty where that tells nothing.
    chart
        A small static drawing of its numbers, beside the text; empty where that tells nothing.
    """

    type: str
    shape: str
    text: str
    html: str | None = None
    facts: str = ""
    chart: str = ""
