"""The OpenAPI document of a served version: what it takes, what it answers, and how it refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from vessl_nb.faces.words import counted
from vessl_nb.manifest import Signature
from vessl_nb.serving.access import OPEN_PATHS
from vessl_nb.serving.loosened import allow_null_numbers, loosen_input, loosen_output
from vessl_nb.serving.media_types import is_json
from vessl_nb.serving.openapi_problems import OF_PREDICT, PROBLEM_SCHEMA, describe_problems
from vessl_nb.serving.openapi_schemas import describe_components, is_raw

if TYPE_CHECKING:
    from vessl_nb.serving.schema_parts import Schema

_MOST_EXAMPLE_BYTES = 50_000  # of all together: a page that shows them is to open at once


class Example(msgspec.Struct, frozen=True):
    """A sample and its answer, both as a client sends and gets them in JSON."""

    input: Any
    output: Any


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a served version.

    Attributes
    ----------
    reference
        The version, such as ``iris:3``.
    follows
        The alias that the server follows; empty where it serves this version whatever happens.
    runner
        The name of its runner's class.
    description, tags
        As they were registered.
    signature
        What a client sends and gets; None where nothing is known of it.
    input_is_declared, output_is_declared
        Whether the runner's own types say so; otherwise it was inferred from the examples.
    examples
        The stored examples.
    media_types
        The content types that are taken; ``*/*`` for any.
    has_token
        Whether a client must know a token.
    """

    reference: str
    follows: str = ""
    runner: str
    description: str = ""
    tags: dict[str, Any] = {}
    signature: Signature | None = None
    input_is_declared: bool = False
    output_is_declared: bool = False
    examples: list[Example] = []
    media_types: list[str] = msgspec.field(default_factory=lambda: ["application/json"])
    has_token: bool = False


def openapi_of(facts: Facts) -> dict[str, Any]:
    """Describe a served version as an OpenAPI 3.1 document, as plain JSON.

    Parameters
    ----------
    facts
        What is known of it.

    Returns
    -------
    dict
        With ``x-tags``, ``x-runner`` and ``x-follows`` beside the title; ``x-inferred`` in a schema that is not
        declared, and ``x-left-out`` beside the examples, where some are too large to be in it.
    """
    signature = facts.signature
    taken: Schema = signature.input if signature else {}
    given: Schema = signature.output if signature else {}
    document: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {
            "title": facts.reference,
            "version": facts.reference.rpartition(":")[2],
            **({"description": facts.description} if facts.description else {}),
            "x-runner": facts.runner,
            "x-tags": facts.tags,
            **({"x-follows": facts.follows} if facts.follows else {}),
        },
        # Relative to this document, so that it holds behind a proxy's prefix too.
        "servers": [{"url": "."}],
        "paths": {"/predict": {"post": _describe_predict(facts, given)}, **_describe_rest(facts)},
        "components": {
            "schemas": {
                **describe_components("Input", _describe_input(facts, taken)),
                **describe_components("Output", _describe_output(facts, given)),
                "Problem": PROBLEM_SCHEMA,
            }
        },
    }
    if facts.has_token:
        document["components"]["securitySchemes"] = {
            "bearer": {"type": "http", "scheme": "bearer"},
            "basic": {"type": "http", "scheme": "basic", "description": "Any user name; the token is the password."},
        }
    return document


def _describe_input(facts: Facts, schema: Schema) -> Schema:
    if not schema:
        return {"description": "Nothing is known of what the version takes: it has no types and no examples."}
    schema = loosen_input(_as_text(schema), is_declared=facts.input_is_declared)
    if facts.input_is_declared:
        return schema
    return {**schema, "x-inferred": True, "description": f"Inferred from {_examples_words(facts)}; requests must fit."}


def _describe_output(facts: Facts, schema: Schema) -> Schema:
    if not schema:
        return {"description": "Nothing is known of what the version answers: it has no types and no examples."}
    schema = _as_text(schema)
    if facts.output_is_declared:
        return allow_null_numbers(schema)
    words = f"Inferred from {_examples_words(facts)}; other answers may differ."
    return {**loosen_output(schema), "x-inferred": True, "description": words}


def _examples_words(facts: Facts) -> str:
    return f"the version's {counted(len(facts.examples), 'example')}" if facts.examples else "the version's examples"


def _as_text(schema: Schema) -> Schema:
    """Say of declared bytes how JSON has them: pydantic's word for it says nothing of the base64."""
    return {"type": "string", "contentEncoding": "base64"} if schema.get("format") == "binary" else schema


def _describe_predict(facts: Facts, given: Schema) -> dict[str, Any]:
    return {
        "operationId": "predict",
        "summary": "Answer one request",
        "requestBody": {
            "required": True,
            "content": {
                media_type: _describe_json("Input", [example.input for example in facts.examples])
                if is_json(media_type)
                else {}
                for media_type in facts.media_types
            },
        },
        "responses": {
            "200": {
                "description": "What the runner's postprocess_data returned.",
                "content": _describe_answers(facts, given),
            },
            **describe_problems(_statuses(facts, "/predict", OF_PREDICT)),
        },
        **_describe_security(facts, "/predict"),
    }


def _describe_answers(facts: Facts, given: Schema) -> dict[str, Any]:
    if is_raw(given):
        raw = ("image/png",) if "x-mode" in given else ("application/octet-stream", "image/*", "application/pdf")
        return {media_type: {} for media_type in raw}
    answers = {"application/json": _describe_json("Output", [example.output for example in facts.examples])}
    return answers if given else {**answers, "*/*": {}}


def _describe_json(name: str, values: list[Any]) -> dict[str, Any]:
    examples, left = {}, _MOST_EXAMPLE_BYTES
    for number, value in enumerate(values, 1):
        size = len(msgspec.json.encode(value))
        if size <= left:
            left -= size
            examples[f"example-{number}"] = {"summary": f"Example {number}", "value": value}
    left_out = len(values) - len(examples)
    return {
        "schema": {"$ref": f"#/components/schemas/{name}"},
        **({"examples": examples} if examples else {}),
        **({"x-left-out": left_out} if left_out else {}),
    }


def _describe_rest(facts: Facts) -> dict[str, Any]:
    alive, ready = "The server is alive", "Workers are ready to answer"
    document: Schema = {"type": "object"}
    paths = (
        ("/health/live", "live", alive, "application/json", document, ()),
        ("/health/ready", "ready", ready, "application/json", document, (503,)),
        ("/metadata", "metadata", "What is served, and how it is doing", "application/json", document, ()),
        ("/recent", "recent", "What it was asked in the last minute, by seconds", "application/json", document, ()),
        ("/metrics", "metrics", "Metrics for Prometheus", "text/plain", {"type": "string"}, ()),
        ("/openapi.json", "openapi", "How the version is called, for programs", "application/json", document, ()),
        ("/docs", "docs", "How the version is called, for people", "text/html", {"type": "string"}, ()),
    )
    return {
        path: {
            "get": {
                "operationId": name,
                "summary": summary,
                "responses": {
                    "200": {"description": summary, "content": {media_type: {"schema": schema}}},
                    **describe_problems(_statuses(facts, path, (403, *statuses))),
                },
                **_describe_security(facts, path),
            }
        }
        for path, name, summary, media_type, schema, statuses in paths
    }


def _statuses(facts: Facts, path: str, statuses: tuple[int, ...]) -> tuple[int, ...]:
    return (*statuses, 401) if _is_asked(facts, path) else statuses


def _describe_security(facts: Facts, path: str) -> dict[str, Any]:
    return {"security": [{"bearer": []}, {"basic": []}]} if _is_asked(facts, path) else {}


def _is_asked(facts: Facts, path: str) -> bool:
    return facts.has_token and path not in OPEN_PATHS
