"""How a server refuses, for the OpenAPI document: problem documents (RFC 9457), by status."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vessl_nb.runner import STAGES
from vessl_nb.serving.problems import MEDIA_TYPE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vessl_nb.serving.schema_parts import Schema

_PROBLEMS = {
    400: "The body is not what its content type says, such as JSON that cannot be read.",
    401: "The token is missing or wrong.",
    403: "The request came from a page of another site; or, without a token, by a name that is not this machine's.",
    408: "The request took too long to arrive.",
    413: "The body is too large.",
    415: "The version takes no body of this content type.",
    422: "The body was read, but is not what the version takes: `errors` names each place.",
    500: "The runner raised, or returned what cannot be written: `stage` says where, and under `id` the log says why.",
    503: "Too many requests wait already, or the worker that had this one died: try again.",
    504: "The answer took longer than this server waits.",
}
OF_PREDICT = (400, 403, 408, 413, 415, 422, 500, 503, 504)
"""How ``POST /predict`` may be refused, where no token is asked for."""

PROBLEM_SCHEMA: Schema = {
    "type": "object",
    "description": "A problem document (RFC 9457).",
    "required": ["type", "title", "status"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What was wrong, and what to do next."},
        "errors": {
            "type": "array",
            "description": "Of a body that does not fit: each place, as JSON Pointer, and what is wrong there.",
            "items": {
                "type": "object",
                "properties": {"pointer": {"type": "string"}, "detail": {"type": "string"}},
            },
        },
        "stage": {"enum": [*STAGES, "answer"], "description": "Where the runner failed."},
        "id": {"type": "string", "description": "What the server's log says more under."},
    },
}
"""What a problem document has."""

_HEADERS = {
    401: {"WWW-Authenticate": {"schema": {"type": "string"}}},
    503: {"Retry-After": {"description": "In how many seconds to try again.", "schema": {"type": "integer"}}},
}


def describe_problems(statuses: Iterable[int]) -> dict[str, Any]:
    """Describe answers that refuse a request, by status.

    Parameters
    ----------
    statuses
        Those that there may be.
    """
    return {
        str(status): {
            "description": _PROBLEMS[status],
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
            **({"headers": _HEADERS[status]} if status in _HEADERS else {}),
        }
        for status in sorted(statuses)
    }
