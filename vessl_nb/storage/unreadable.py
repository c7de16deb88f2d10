"""What reading JSON raises where a file is damaged or hostile, beside what msgspec says of itself."""

from __future__ import annotations

import msgspec

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""It is none, or not of the wanted form; has bytes that are no UTF-8; has thousands of levels."""
