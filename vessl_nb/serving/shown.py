"""What is shown of a server: asked of it, and put in words."""

from __future__ import annotations

import json
import re
import shlex
from typing import TYPE_CHECKING, Any

import msgspec

from vessl_nb.errors import RequestFailed
from vessl_nb.faces.server import ServerFace
from vessl_nb.serving.docs_examples import URL, write_curl, write_python
from vessl_nb.serving.media_types import answer_file_of, is_json
from vessl_nb.serving.proxied import proxied_path
from vessl_nb.values.schema_words import describe_signature

if TYPE_CHECKING:
    from vessl_nb.serving.launch import Server

_IN_CURL = '"authorization: Bearer $TOKEN"'
_IN_PYTHON = "f\"Bearer {os.environ['TOKEN']}\""


class Calling(msgspec.Struct, frozen=True, kw_only=True):
    """How a server's version is called.

    Attributes
    ----------
    url
        The server's address.
    has_token
        Whether a client must know a token.
    media_types
        What it takes, the best first.
    examples
        The stored examples' inputs, as they are in JSON.
    left_out
        How many of them are too large to be shown.
    answer_file
        Where an answer goes that is no JSON; empty where it is.
    input_schema
        What is known of what it takes, as wide as requests may be.
    """

    url: str
    has_token: bool
    media_types: list[str]
    examples: list[Any]
    left_out: int
    answer_file: str
    input_schema: dict[str, Any]

    @property
    def takes(self) -> str:
        """What a client sends, in words."""
        return describe_signature(self.input_schema) if self.input_schema else ""


def read_calling(server: Server, metadata: dict[str, Any]) -> Calling:
    """Ask a server how its version is called.

    Parameters
    ----------
    server
        The server; it runs.
    metadata
        What it says of itself.

    Raises
    ------
    RequestFailed
        It does not answer.
    """
    document = msgspec.json.decode(server.ask("GET", "/openapi.json").body)
    predict = document["paths"]["/predict"]["post"]
    taken, given = predict["requestBody"]["content"], predict["responses"]["200"]["content"]
    schema = document["components"]["schemas"]["Input"]
    if "x-inferred" not in schema:  # then it is the version's own, whose names for its parts are nearer
        schema = (metadata["version"]["signature"] or {}).get("input", {})
    described = [taken[media_type] for media_type in taken if is_json(media_type)]
    examples = [example["value"] for each in described for example in each.get("examples", {}).values()]
    return Calling(
        url=server.url,
        has_token=bool(server.token),
        media_types=list(taken),
        examples=examples,
        left_out=max((each.get("x-left-out", 0) for each in described), default=0),
        answer_file=answer_file_of(given),
        input_schema=schema,
    )


def write_calls(calling: Calling, token: str = "") -> dict[str, str]:
    """Write how the version is called by curl and from Python, its first example being sent.

    Parameters
    ----------
    calling
        How it is called.
    token
        What stands as the token, where one is needed; left out, it is taken from the variable ``TOKEN``.
    """
    media_type = calling.media_types[0]
    example = calling.examples[0] if calling.examples and is_json(media_type) else None
    calls = {}
    for name, write in (("curl", write_curl), ("Python", write_python)):
        call = write(media_type, example, has_token=calling.has_token, answer_file=calling.answer_file)
        calls[name] = call.replace(URL, f"{calling.url}/predict", 1)
    if calling.has_token and token:
        header = shlex.quote(f"authorization: Bearer {token}")
        calls["curl"] = calls["curl"].replace(_IN_CURL, header, 1)
        python = calls["Python"].replace(_IN_PYTHON, json.dumps(f"Bearer {token}", ensure_ascii=False), 1)
        calls["Python"] = re.sub(r"\Aimport os\n\n?", "", python)
    return calls


def face_of(server: Server) -> ServerFace:
    """Describe a server as it is now; one that does not answer is shown as stopped."""
    try:
        metadata = server.metadata()
        calling = read_calling(server, metadata)
    except RequestFailed:
        return ServerFace(server.reference, server.version)
    following = metadata["following"] or {}
    refused = following.get("refused")
    return ServerFace(
        server.reference,
        metadata["version"]["reference"],
        server.url,
        proxied_path(server.url),
        following.get("reference", ""),
        f"{refused['reference']}: {refused['why']}" if refused else "",
        metadata["server"]["remark"],
        calling.takes,
        calling.has_token,
        tuple(write_calls(calling).items()),
    )
