"""The documents of the version that a server serves: OpenAPI, and the page that shows it."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import msgspec

from vessl_nb.serving.docs import docs_page
from vessl_nb.serving.openapi import Example, Facts, openapi_of

if TYPE_CHECKING:
    from vessl_nb.serving.crew import Crew
    from vessl_nb.serving.front import Front


@functools.lru_cache(maxsize=1)
def documents_of(front: Front, crew: Crew) -> tuple[dict[str, Any], bytes]:
    """Write the OpenAPI document and the page of the version that a crew serves: once, for large examples take long."""
    document = openapi_of(_facts_of(front, crew))
    return document, docs_page(document)


def _facts_of(front: Front, crew: Crew) -> Facts:
    """Collect what the OpenAPI document says of a server's version."""
    version, loaded = front.version, crew.loaded
    return Facts(
        reference=version.reference,
        follows=front.following.reference if front.following else "",
        runner=version.runner,
        description=version.description,
        tags=version.tags,
        signature=version.signature,
        input_is_declared=loaded.input_is_declared,
        output_is_declared=loaded.output_is_declared,
        examples=[Example(msgspec.json.decode(given), msgspec.json.decode(got)) for given, got in front.tried.examples],
        media_types=loaded.accepts,
        has_token=front.access.needs_token,
    )
