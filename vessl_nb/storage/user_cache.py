"""The user's cache folder: copies and notes that can be deleted any time."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs


def cache_folder() -> Path:
    """Give the user's cache folder: VESSL_NB_CACHE, or where the platform keeps caches. It can be deleted any time."""
    named = os.environ.get("VESSL_NB_CACHE")
    return Path(named).expanduser().absolute() if named else platformdirs.user_cache_path("vessl_nb")
