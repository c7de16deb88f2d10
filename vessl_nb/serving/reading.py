"""What a request's body becomes: the data that a runner's `preprocess_data` gets."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from vessl_nb.capture.declared_types import declared_types, find_declaration
from vessl_nb.serving.declared import adapter_of
from vessl_nb.serving.described_reading import make_described
from vessl_nb.serving.loosened import loosen_input
from vessl_nb.serving.media_types import BYTES, JSON, is_json
from vessl_nb.serving.misfits import Misfit, does_not_fit
from vessl_nb.serving.parsing import parse_json
from vessl_nb.serving.problems import Problem, short
from vessl_nb.serving.revived_leaves import make_image_reader
from vessl_nb.serving.typed_reading import make_typed
from vessl_nb.values.schema_seen import BASE64

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vessl_nb.manifest import Signature
    from vessl_nb.runner import Runner

Reader = Callable[[str, bytes | memoryview], Any]
"""Makes data of a content type, empty where none was sent, and a body; it raises `Problem`."""

_FORM = "application/x-www-form-urlencoded"
"""What curl says of whatever it sends by ``-d``: that nobody said what it is."""

_PARTS = "multipart/"
_SEND_FILE = "Send the file as it is: curl -H 'content-type: application/octet-stream' --data-binary @FILE"

# What is declared alone, without a sample, says this much.
_OF_CLASSES = {
    "numpy.ndarray": {"type": "array", "x-type": "numpy.ndarray"},
    "torch.Tensor": {"type": "array", "x-type": "torch.Tensor"},
    "pandas.DataFrame": {"type": "array", "x-type": "pandas.DataFrame"},
    "pandas.Series": {"type": "array", "x-type": "pandas.Series"},
    "PIL.Image": BASE64 | {"x-mode": ""},
}


def make_reader(runner_cls: Runner, signature: Signature | None, example_inputs: Sequence[Any]) -> Reader:
    """Make what reads a runner's requests.

    A runner of bytes or of an image, by the type it declares or by its sample, gets the body as it is, whatever its
    content type; or, where that is JSON, what is in a base64 string. Every other runner takes JSON: validated by the
    type that it declares, if pydantic knows it, else by its signature, and brought to the types that the samples had
    (see `vessl_nb.serving.revival`). A runner of which nothing is known gets what JSON says, and bytes where the
    content type is another, or none, or that of curl's ``-d``, and the body is no JSON.

    Parameters
    ----------
    runner_cls
        The runner.
    signature
        The version's; None where nothing is known.
    example_inputs
        The inputs of the version's examples, encoded.

    Returns
    -------
    callable
        Takes the content type as sent, and the body. It raises `Problem`: 400 where the body is no JSON, 415 where the
        content type is not taken, 422 where the data does not fit. What a validator of the user's own raises, other
        than pydantic's errors, goes through.

    Raises
    ------
    MissingRequirement
        A sample is of a library that is not installed here.
    """
    declared, schema = _declared_and_schema(runner_cls, signature)
    adapter = adapter_of(declared)
    if adapter is not None:
        read_json = make_typed(adapter, example_inputs)
    elif schema:
        wide = loosen_input(schema, is_declared=is_declared(declared, example_inputs))
        read_json = make_described(wide, example_inputs)
    else:
        read_json = parse_json
    raw = None if adapter is not None else _raw_schema(schema)
    if raw is not None:
        read_raw = bytes if "x-mode" not in raw else _make_image(raw["x-mode"])
        make = bytearray if declared is bytearray else None

        def read_either(content_type: str, body: bytes | memoryview) -> Any:
            if content_type.lower().startswith(_PARTS):
                raise _in_parts()
            if not body and not content_type:
                raise Problem(400, "Malformed body", f"The body is empty. {_SEND_FILE}")
            data = (read_json if is_json(content_type) else read_raw)(bytes(body))
            return data if make is None else make(data)

        return read_either
    if adapter is None and not schema:
        return _read_anything

    def read(content_type: str, body: bytes | memoryview) -> Any:
        if content_type and content_type != JSON and not is_json(content_type):
            raise _unsupported(content_type)
        return read_json(body)

    return read


def accepts(runner_cls: Runner, signature: Signature | None) -> list[str]:
    """List the media types that a runner's requests may have, the one to prefer first.

    Parameters
    ----------
    runner_cls, signature
        As `make_reader` takes them.
    """
    declared, schema = _declared_and_schema(runner_cls, signature)
    if adapter_of(declared) is not None:
        return [JSON]
    if not schema:
        return [JSON, BYTES]
    raw = _raw_schema(schema)
    if raw is None:
        return [JSON]
    return ["image/png", "image/jpeg", BYTES, JSON] if "x-mode" in raw else [BYTES, JSON]


def is_declared(declared: Any, examples: Sequence[Any]) -> bool:
    """Tell whether what is known of an input is what the runner declares, and not what its samples have by chance.

    Parameters
    ----------
    declared
        In of ``RunnerBase[In, Out]``.
    examples
        The version's examples, or their inputs.
    """
    declaration = find_declaration(declared, "input")
    # Of a dict, say, the samples tell what is in it; of an integer there is no more to tell.
    return declared is int or (declaration is not None and not (declaration.is_vague and examples))


def _unsupported(content_type: str) -> Problem:
    return Problem(
        415,
        "Unsupported content type",
        f"The body is said to be {short(content_type)}, but this model takes JSON. "
        f"Say so; with curl: -H 'content-type: {JSON}'",
    )


def _in_parts() -> Problem:
    return Problem(415, "Unsupported content type", f"The body is said to be a form of several parts. {_SEND_FILE}")


def _read_anything(content_type: str, body: bytes | memoryview) -> Any:
    if is_json(content_type):
        return parse_json(body)
    content = bytes(body)
    if content_type and not content_type.lower().startswith(_FORM):
        return content
    try:
        return parse_json(content)
    except Problem:
        if not content:
            raise
        return content


def _declared_and_schema(runner_cls: Runner, signature: Signature | None) -> tuple[Any, dict[str, Any]]:
    declared = declared_types(runner_cls)[0]
    schema = signature.input if signature is not None else {}
    if declared is bytes or declared is bytearray:
        return declared, BASE64
    if not schema and isinstance(declared, type):
        name = f"{declared.__module__.partition('.')[0]}.{declared.__name__}"
        return declared, _OF_CLASSES.get(name, {})
    return declared, schema


def _raw_schema(schema: dict[str, Any]) -> dict[str, Any] | None:
    """Find what of a schema a body can be as it is: bytes or an image."""
    alternatives = [each for each in schema.get("anyOf", [schema]) if each.get("contentEncoding") == "base64"]
    return alternatives[0] if alternatives else None


def _make_image(mode: str) -> Callable[[bytes], Any]:
    read_image = make_image_reader(mode)

    def read(content: bytes) -> Any:
        try:
            return read_image(content)
        except Misfit as misfit:
            raise does_not_fit([((), misfit.detail)]) from misfit

    return read
