"""A folder for as long as a block runs, of which nothing is left wherever the block is interrupted."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def temporary_folder(purpose: str = "") -> Iterator[Path]:
    """Make a folder, and remove it with all that is in it.

    `tempfile` makes a folder before it hands over who removes it: a stop button pressed between the two leaves it.
    """
    # Resolved, because who asks for its working directory gets the real path.
    folder = Path(tempfile.gettempdir()).resolve() / f"vessl_nb-{purpose}{uuid.uuid4().hex}"
    try:
        folder.mkdir(mode=0o700)
        yield folder
    finally:
        try:
            shutil.rmtree(folder, ignore_errors=True)
        except KeyboardInterrupt:
            shutil.rmtree(folder, ignore_errors=True)
            raise
