"""A file system that can share blocks between files: artifacts go into the registry and out of it without a copy."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

import vessl_nb as vessl

SIZE = 60_000_000


@pytest.fixture
def xfs(tmp_path, monkeypatch):
    """Mount a small XFS, with a registry and a cache on it."""
    if os.getuid() != 0 or shutil.which("mkfs.xfs") is None:
        pytest.skip("needs root and mkfs.xfs")
    image, mounted = tmp_path / "image", tmp_path / "mounted"
    image.touch()
    os.truncate(image, 400_000_000)
    mounted.mkdir()
    subprocess.run(["mkfs.xfs", "-q", image], check=True)
    if subprocess.run(["mount", "-o", "loop", image, mounted], capture_output=True, check=False).returncode:
        pytest.skip("nothing can be mounted here")
    monkeypatch.chdir(mounted)
    monkeypatch.setenv("VESSL_NB_REGISTRY", str(mounted / "registry"))
    monkeypatch.setenv("VESSL_NB_CACHE", str(mounted / "cache"))
    yield mounted
    os.chdir(tmp_path)
    subprocess.run(["umount", mounted], check=True)


def used(folder):
    subprocess.run(["sync", "-f", folder], check=True)
    status = os.statvfs(folder)
    return (status.f_blocks - status.f_bfree) * status.f_frsize


def test_an_artifact_takes_no_further_space_in_the_registry_nor_in_the_volume(xfs):
    class Loads(vessl.RunnerBase):
        @staticmethod
        def load_model(props, artifacts):
            from pathlib import Path

            return Path("model.bin").read_bytes()

        @staticmethod
        def predict(model, data):
            return len(model)

    content = os.urandom(SIZE)
    (xfs / "model.bin").write_bytes(content)
    vessl.create_model("files")
    before = used(xfs)
    vessl.register_model("files", 1, Loads, artifacts={"model.bin": "model.bin"})
    assert used(xfs) - before < SIZE / 10
    (xfs / "model.bin").write_bytes(b"?" + content[1:])  # which the registry's copy does not notice
    before = used(xfs)
    assert vessl.load("files").model == content
    assert used(xfs) - before < SIZE / 10
