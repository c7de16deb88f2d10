"""A folder for as long as a block runs: nothing of it is left, whatever was made in it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from vessl_nb.errors import VesslError
from vessl_nb.temporary_folder import temporary_folder

# Root may remove anything.
AS_NOBODY = """
import os, pathlib, sys, tempfile
sys.path = sys.argv[2].split(os.pathsep)
from vessl_nb.temporary_folder import temporary_folder
tempfile.tempdir = sys.argv[1]
if os.getuid() == 0:
    os.setgid(65534); os.setuid(65534)
with temporary_folder() as folder:
    inner = folder / "a" / "b"
    inner.mkdir(parents=True)
    (inner / "c").write_text("words")
    (folder / "link").symlink_to("/")
    for place in (inner, inner.parent, folder):
        place.chmod(0o500)
"""


def test_it_goes_with_what_nobody_may_write_to(tmp_path):
    with tempfile.TemporaryDirectory() as place:  # one that everybody gets to
        Path(place).chmod(0o777)
        paths = os.pathsep.join(["", str(Path(__file__).parent.parent), *sys.path])
        done = subprocess.run(
            [sys.executable, "-c", AS_NOBODY, place, paths], cwd=tmp_path, stderr=subprocess.PIPE, check=False
        )
        assert done.stderr.decode() == ""
        assert list(Path(place).iterdir()) == []


def test_where_none_can_be_made_it_says_what_to_set(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    with pytest.raises(VesslError, match="Set TMPDIR"), temporary_folder():
        pass
