"""What the front ends of live widgets run."""

from __future__ import annotations

from pathlib import Path

_STATIC = Path(__file__).parent / "static"


def read_static(*names: str) -> str:
    """Read files as one, without indents: they are part of the state that a notebook may save.

    Parameters
    ----------
    *names
        The files; what one of them defines, those after it use.
    """
    lines = [line.strip() for name in names for line in (_STATIC / name).read_text(encoding="utf-8").splitlines()]
    return "\n".join(line for line in lines if not line.startswith("//"))
