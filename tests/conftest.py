"""What every test stands on: a registry and a cache of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def registry_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the test a registry, which does not exist yet, and a cache; nothing of the user's is touched."""
    monkeypatch.setenv("VESSL_NB_REGISTRY", str(tmp_path / "registry"))
    monkeypatch.setenv("VESSL_NB_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("VESSL_NB_ORGANIZATION", raising=False)
    return tmp_path / "registry"


@pytest.fixture
def snapshot(registry_root: Path):
    """Give a function that reads every file of the registry, by path: equal snapshots are byte-identical registries."""

    def take() -> dict[str, bytes]:
        # Which process writes is no part of what is in the registry; what it left unfinished would be.
        files = (path for path in sorted(registry_root.rglob("*")) if path.is_file() and path.name != "writer.json")
        return {str(path.relative_to(registry_root)): path.read_bytes() for path in files}

    return take


@pytest.fixture
def anew(monkeypatch: pytest.MonkeyPatch):
    """Give a function after which the registry is read anew, as a process that begins reads it."""
    from vessl_nb.registry import registry
    from vessl_nb.storage import verified

    def begin() -> None:
        monkeypatch.setattr(registry, "_OPEN", {})
        verified._notes.clear()

    return begin
