"""What is shown of a version, of its check and of the names that it took along, as plain data for the faces."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vessl_nb.faces.captures import CaptureFace
from vessl_nb.faces.check import CheckFace
from vessl_nb.faces.version import VersionFace
from vessl_nb.values.schema_words import describe_signature
from vessl_nb.values.secrets import mask_named, mask_secrets

if TYPE_CHECKING:
    from vessl_nb.manifest import Capture
    from vessl_nb.registry.documents import Check
    from vessl_nb.registry.version import Version


def version_face(version: Version) -> VersionFace:
    """Give what is shown of a version: what looks like a secret is masked here, for every face."""
    manifest = version.manifest
    schemas = manifest.signature
    signature = {"input": schemas.input, "output": schemas.output} if schemas else {}
    return VersionFace(
        reference=version.reference,
        repository=version.repository_name,
        number=version.number,
        revision=version.revision,
        runner=version.runner,
        model=manifest.model,
        size=version.size,
        added=version.added,
        created=version.created,
        aliases=version.aliases,
        tags=mask_named(version.tags),
        description=mask_secrets(version.description),
        requirements=tuple((mask_secrets(needed.line), needed.reason) for needed in manifest.requirements),
        env=tuple(manifest.env),
        captures=tuple(map(capture_face, manifest.captures)),
        artifacts=tuple((mask_secrets(path), place.length) for path, place in version.files.items()),
        examples=len(version.examples),
        declined=version.declined,
        python=manifest.python,
        source=mask_secrets(version.source),
        unwritten=tuple(map(mask_secrets, manifest.source.unwritten)) if manifest.source else (),
        modules=tuple((path, place.length) for path, place in manifest.modules.items()),
        reads=tuple(manifest.reads),
        signature=tuple(
            (side, mask_secrets(describe_signature(schema))) for side, schema in signature.items() if schema
        ),
        check=check_face(version.check) if version.check else None,
    )


def check_face(check: Check) -> CheckFace:
    """Give what is shown of a check, as plain data."""
    return CheckFace(check.passed, check.samples, tuple(map(mask_secrets, check.remarks)), check.seconds, check.python)


def capture_face(capture: Capture) -> CaptureFace:
    """Give what is shown of a captured name, as plain data."""
    return CaptureFace(
        capture.name, capture.type, capture.size, capture.kind, capture.place, tuple(capture.users), capture.secret
    )
