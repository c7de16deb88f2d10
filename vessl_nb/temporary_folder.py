"""A folder for as long as a block runs, which goes with the block, wherever that is interrupted."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from vessl_nb.errors import VesslError

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def making_temporary(kind: type[VesslError] = VesslError) -> Iterator[None]:
    """Say of a block that makes something temporary what to do where it cannot: a container is read-only, say.

    Parameters
    ----------
    kind
        What is raised then.
    """
    try:
        yield
    except OSError as error:
        what = f"Cannot make temporary files: {error.strerror}."
        raise kind(what, "Set TMPDIR to a folder that can be written to.") from error


@contextlib.contextmanager
def temporary_folder(purpose: str = "") -> Iterator[Path]:
    """Make a folder, and remove it with all that is in it.

    `tempfile` makes a folder before it hands over who removes it: a stop button pressed between the two leaves it.
    """
    with making_temporary():
        # Resolved, because who asks for its working directory gets the real path.
        folder = Path(tempfile.gettempdir()).resolve() / f"vessl_nb-{purpose}{uuid.uuid4().hex}"
    try:
        with making_temporary():
            folder.mkdir(mode=0o700)
        yield folder
    finally:
        try:
            _remove(folder)
        except KeyboardInterrupt:
            _remove(folder)
            raise


def _remove(folder: Path) -> None:
    with contextlib.suppress(OSError):
        folder.chmod(0o700)
        for place, names, _ in os.walk(folder):  # what is in folders without write permission would stay
            for inner in (Path(place, name) for name in names):
                if not inner.is_symlink():
                    inner.chmod(0o700)
    shutil.rmtree(folder, ignore_errors=True)
