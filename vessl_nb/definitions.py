"""The code of the functions in a version's pickles: as byte code, or compiled from its ``runner.py``."""

from __future__ import annotations

import marshal
import sys
from typing import TYPE_CHECKING

from vessl_nb.capture.code import by_name, codes_of_module
from vessl_nb.errors import CannotLoad, WrongPython

if TYPE_CHECKING:
    import types

    from vessl_nb.manifest import Manifest
    from vessl_nb.storage.blobs import Blobs


def load_code(manifest: Manifest, blobs: Blobs, *, from_source: bool = False) -> dict[str, types.CodeType]:
    """Load the code that a version's pickles ask for, by their keys.

    Parameters
    ----------
    manifest, blobs
        The version, and where its contents are.
    from_source
        Compile it even where there is byte code for this Python.

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
        return _unmarshal(manifest, blobs)
    return _compile(manifest, blobs)


def minor_version() -> str:
    """Give the Python version that byte code depends on, such as ``3.11``."""
    return "{}.{}".format(*sys.version_info)


def _unmarshal(manifest: Manifest, blobs: Blobs) -> dict[str, types.CodeType]:
    assert manifest.code is not None  # noqa: S101  # who calls it has looked
    try:
        return dict(marshal.loads(blobs.view(manifest.code.place)))  # noqa: S302  # as with pickles
    except (ValueError, TypeError, EOFError) as error:
        raise CannotLoad(f"Cannot load the byte code: {error}", "Load it from another copy of the registry.") from error


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


def _compile(manifest: Manifest, blobs: Blobs) -> dict[str, types.CodeType]:
    assert manifest.code is not None  # noqa: S101  # as above
    found: dict[str, types.CodeType] = {}
    if manifest.source is not None:
        try:
            own = by_name(blobs.read(manifest.source.place).decode())
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
