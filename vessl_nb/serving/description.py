"""What a server says of itself and of its version, in /metadata: no path of the machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from vessl_nb.values.secrets import mask_secrets

if TYPE_CHECKING:
    from vessl_nb.serving.front import Front


def metadata_of(front: Front) -> dict[str, Any]:
    """Describe a server and its version, as JSON."""
    version, following = front.version, front.following
    manifest = version.manifest
    return {
        "version": {
            "reference": version.reference,
            "repository": version.repository_name,
            "organization": version.organization_name,
            "number": version.number,
            "revision": version.revision,
            "aliases": list(version.aliases),
            "runner": version.runner,
            "model": manifest.model,
            "created": version.created,
            "description": version.description,
            "tags": version.tags,
            "requirements": [_without_address(line) for line in version.requirements],
            "python": manifest.python,
            "signature": {"input": manifest.signature.input, "output": manifest.signature.output}
            if manifest.signature
            else None,
        },
        "server": {
            "started": front.started,
            "workers": front.crew.workers,
            "restarts": front.restarts,
            "queue": front.options.queue,
            "timeout": front.options.timeout,
            "remark": front.tried.problem,
        },
        "following": {
            "reference": following.reference,
            "switched": following.switched,
            "problem": following.problem,
            "refused": following.refused,
        }
        if following
        else None,
    }


def _without_address(requirement: str) -> str:
    """Leave out of a requirement what only this machine is to know: paths, and passwords in addresses."""
    name, at, rest = requirement.partition("@")
    if not at:
        return requirement
    address, *marker = rest.strip().split(maxsplit=1)
    try:
        parts = urlsplit(address)
    except ValueError:  # brackets that are none of an address
        return f"{name.strip()} @ …"
    host = "" if parts.scheme.endswith("file") else parts.netloc.rpartition("@")[2]
    # What follows the path is often a key: a signature, or a token.
    where = f"{parts.scheme}://{host}{mask_secrets(parts.path)}" if host else f"…/{parts.path.rpartition('/')[2]}"
    return " ".join([f"{name.strip()} @ {where}", *marker])
