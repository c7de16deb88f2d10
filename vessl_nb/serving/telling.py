"""What clients are told of what the log has in full: no path of this machine, and no key."""

from __future__ import annotations

import re

from vessl_nb.values.secrets import mask_secrets

_PATH = re.compile(r"(?<![\w:/.])~?(?:/[^/\s'\"<>|:,;()]+)+/([^/\s'\"<>|:,;()]*)")
"""A path of two parts or more; not what follows a host's name."""


def as_told(problem: str) -> str:
    """Leave out of a problem what a runner's words may have in them: of each path all but its last part, and keys."""
    return _PATH.sub(r"…/\1", mask_secrets(problem))
