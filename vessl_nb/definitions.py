"""The code of the functions in a version's pickles: as byte code, or compiled from its ``runner.py``."""

from __future__ import annotations

import linecache
import marshal
import sys
import types
from contextlib import suppress
from typing import TYPE_CHECKING

from vessl_nb.capture.code import by_name, codes_of_module
from vessl_nb.errors import CannotLoad, VesslError, WrongPython

if TYPE_CHECKING:
    from vessl_nb.manifest import Manifest
    from vessl_nb.storage.blobs import Blobs


def load_code(
    manifest: Manifest, blobs: Blobs, *, from_source: bool = False, with_lines: bool = False
) -> dict[str, types.CodeType]:
    """Load the code that a version's pickles ask for, by their keys.

    Parameters
    ----------
    manifest, blobs
        The version, and where its contents are.
    from_source
        Compile it even where there is byte code for this Python.
    with_lines
        Let the code say that it is from the version's ``runner.py``, whose lines tracebacks then show, and in which
        registering what was loaded finds its source. Byte code without them has the lines of the cells.

    Raises
    ------
    WrongPython
        The byte code is another Python's, and the source of a function was not found when it was registered.
    CannotLoad
        There is no source though it is asked for, or something is not what was written.
    """
    if manifest.code is None:
        return {}
    if not from_source and manifest.code.python == minor_version():
        code = _unmarshal(manifest, blobs)
        return _move_all(code, manifest, blobs) if with_lines else code
    return _compile(manifest, blobs, with_lines=with_lines)


def minor_version() -> str:
    """Give the Python version that byte code depends on, such as ``3.11``."""
    return "{}.{}".format(*sys.version_info)


def _unmarshal(manifest: Manifest, blobs: Blobs) -> dict[str, types.CodeType]:
    assert manifest.code is not None  # noqa: S101  # who calls it has looked
    try:
        return dict(marshal.loads(blobs.view(manifest.code.place)))  # noqa: S302  # as with pickles
    except (ValueError, TypeError, EOFError) as error:
        raise CannotLoad(f"Cannot load the byte code: {error}", "Load it from another copy of the registry.") from error


def _move_all(code: dict[str, types.CodeType], manifest: Manifest, blobs: Blobs) -> dict[str, types.CodeType]:
    """Say of byte code that it stands where its source is in ``runner.py``."""
    moved = dict(code)
    with suppress(VesslError, SyntaxError, ValueError):  # it runs without its source, only nobody can read it
        own = _compile_source(manifest, blobs, with_lines=True)
        for key, written in manifest.source.written.items() if manifest.source else ():
            among = own.get(written.name, [])
            if not written.module and key in code and written.place < len(among):
                there = among[written.place]
                moved[key] = _move(code[key], there.co_filename, there.co_firstlineno - code[key].co_firstlineno)
    return moved


def _compile_source(manifest: Manifest, blobs: Blobs, *, with_lines: bool) -> dict[str, list[types.CodeType]]:
    """Compile ``runner.py``, with lines under a file name of its own, for which Python is given its text."""
    if manifest.source is None:
        return {}
    text = blobs.read(manifest.source.place).decode()
    if not with_lines:
        return by_name(text)
    filename = f"<runner.py of {manifest.source.place.digest[:16]}>"
    # Without a time, it is not looked for on disk.
    linecache.cache[filename] = len(text), None, text.splitlines(keepends=True), filename
    return by_name(text, filename)


def _move(code: types.CodeType, filename: str, lines: int) -> types.CodeType:
    """Say of code that it stands in a file, so many lines further down; within it, lines are counted from its first."""
    constants = tuple(
        _move(constant, filename, lines) if isinstance(constant, types.CodeType) else constant
        for constant in code.co_consts
    )
    return code.replace(co_filename=filename, co_firstlineno=code.co_firstlineno + lines, co_consts=constants)


class _Compiled(dict[str, "types.CodeType"]):
    """Code by key; what has no source is named."""

    def __init__(self, python: str, found: dict[str, types.CodeType]) -> None:
        super().__init__(found)
        self._python = python

    def __missing__(self, key: str) -> types.CodeType:
        raise WrongPython(
            f"The source of {key.partition('#')[0]} was not found when the version was registered, and its byte code "
            f"is that of Python {self._python}.",
            f"Load it with Python {self._python}, or register it again from cells or files.",
        )


def _compile(manifest: Manifest, blobs: Blobs, *, with_lines: bool) -> dict[str, types.CodeType]:
    assert manifest.code is not None  # noqa: S101  # as above
    found: dict[str, types.CodeType] = {}
    if manifest.source is not None:
        try:
            own = _compile_source(manifest, blobs, with_lines=with_lines)
        except (SyntaxError, ValueError) as error:
            raise CannotLoad(
                f"Cannot compile runner.py: {error}", "Load it with the Python it was made with."
            ) from None
        for key, written in manifest.source.written.items():
            among = codes_of_module(written.module) if written.module else own
            with_this_name = among.get(written.name, [])
            if written.place < len(with_this_name):
                found[key] = with_this_name[written.place]
    return _Compiled(manifest.code.python, found)
