"""Bytes in JSON are base64 of the standard alphabet, also where pydantic, by itself, would have text there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vessl_nb.values.family import to_base64
from vessl_nb.values.schema_seen import BASE64

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def make_schema_generator() -> Any:
    """Make what writes pydantic's JSON Schemas, with bytes as base64 in them.

    Returns
    -------
    type
        For the ``schema_generator`` of ``TypeAdapter.json_schema``. Pydantic is installed.
    """
    from pydantic.json_schema import GenerateJsonSchema  # noqa: PLC0415  # where a model is declared it is there

    class WithBase64(GenerateJsonSchema):
        def bytes_schema(self, schema: Any) -> dict[str, Any]:
            own = self._config.config_dict.get("val_json_bytes", "base64")
            # Of answers, no configuration says what bytes are: they are written as everywhere else.
            is_own = self.mode == "validation" and own != "base64"
            # Limits of length are limits of the bytes, not of the text.
            return super().bytes_schema(schema) if is_own else dict(BASE64)

    return WithBase64


_HAVE_CONFIG = {"model", "dataclass", "typed-dict"}
_NOT_PARTS = {"default", "metadata", "config", "expected"}
_HOLDING = {"list": "items_schema", "set": "items_schema", "frozenset": "items_schema", "dict": "values_schema"}


def make_base64_validator(adapter: Any) -> Any:
    """Make a validator that takes bytes in JSON as base64, of either alphabet.

    Parameters
    ----------
    adapter
        A ``pydantic.TypeAdapter``. What a model's own configuration says of bytes in JSON is kept.

    Returns
    -------
    pydantic_core.SchemaValidator
        The adapter's own where there are no bytes.
    """
    if not _has_bytes(adapter):
        return adapter.validator
    from pydantic_core import SchemaValidator  # noqa: PLC0415  # it is there where pydantic is

    config = {"val_json_bytes": "base64"}
    return _build(SchemaValidator, _change_each(adapter.core_schema, _take_base64), config)


def make_base64_serializer(adapter: Any) -> Any:
    """Make a serializer that writes bytes as base64 of the standard alphabet, where a field is declared to be bytes.

    Parameters
    ----------
    adapter
        A ``pydantic.TypeAdapter``. What a serializer of the user's own makes of bytes is kept.

    Returns
    -------
    pydantic_core.SchemaSerializer
        The adapter's own where there are no bytes.
    """
    if not _has_bytes(adapter):
        return adapter.serializer
    from pydantic_core import SchemaSerializer  # noqa: PLC0415  # it is there where pydantic is

    return _build(SchemaSerializer, _change_each(adapter.core_schema, _give_base64), None)


def _has_bytes(adapter: Any) -> bool:
    return any(node["type"] == "bytes" for node in _nodes(adapter.core_schema))


def _build(kind: Any, schema: Any, config: Any) -> Any:
    try:
        # Else what the models have already would be used.
        return kind(schema, config, _use_prebuilt=False)
    except TypeError:  # a version that always makes new ones
        return kind(schema, config)


def _take_base64(node: dict[str, Any]) -> dict[str, Any]:
    if node["type"] not in _HAVE_CONFIG:
        return node
    return node | {"config": {"val_json_bytes": "base64"} | node.get("config", {})}


def _give_base64(node: dict[str, Any]) -> dict[str, Any]:
    if node["type"] != "bytes" or "serialization" in node:
        return node
    as_text = {
        "type": "function-plain",
        "function": to_base64,
        "when_used": "json",
        "return_schema": {"type": "str"},
    }
    return node | {"serialization": as_text}


def may_hold_anything(schema: Any) -> bool:
    """Tell whether there are places in a type where pydantic takes a value of any kind.

    Parameters
    ----------
    schema
        Pydantic's core schema of the type.
    """
    return any(map(_is_open, _nodes(schema)))


def needs_instances(schema: Any) -> bool:
    """Tell whether JSON never fits a type, since an instance of a class that pydantic does not know must be in it.

    Parameters
    ----------
    schema
        Pydantic's core schema of the type.
    """
    kind = schema["type"] if _is_node(schema) else ""
    if kind in {"is-instance", "is-subclass"}:
        return True
    if kind in {"function-before", "function-wrap", "function-plain"}:  # the function may make the instance
        return False
    if kind in {"union", "tagged-union"}:
        return all(map(needs_instances, _parts(schema["choices"])))
    if kind in {"json-or-python", "lax-or-strict"}:
        return needs_instances(schema["json_schema" if kind == "json-or-python" else "lax_schema"])
    return any(map(needs_instances, _parts(schema)))


def _is_open(node: dict[str, Any]) -> bool:
    kind = node["type"]
    if kind in {"function-plain", "function-wrap"} and "schema" not in node:
        return "return_schema" not in node  # what a function makes
    if kind in {"any", "is-instance", "is-subclass", "object"}:
        return True
    if node.get("extra_behavior") == "allow" or node.get("config", {}).get("extra_fields_behavior") == "allow":
        return True
    return kind in _HOLDING and _HOLDING[kind] not in node


def _nodes(schema: Any) -> Iterator[dict[str, Any]]:
    """List a core schema, and all that are inside of it."""
    if _is_node(schema):
        yield schema
    for part in _parts(schema):
        yield from _nodes(part)


def _is_node(schema: Any) -> bool:
    # Of what is between, such as fields by their names, a name may be ``type`` as well.
    return isinstance(schema, dict) and isinstance(schema.get("type"), str)


def _parts(schema: Any) -> list[Any]:
    if isinstance(schema, list | tuple):
        return list(schema)
    if not isinstance(schema, dict):
        return []
    left_out = _NOT_PARTS if _is_node(schema) else ()
    return [part for key, part in schema.items() if key not in left_out]


def _change_each(schema: Any, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Any:
    if isinstance(schema, list | tuple):
        return type(schema)(_change_each(part, change) for part in schema)
    if not isinstance(schema, dict):
        return schema
    left = _NOT_PARTS | {"serialization"} if _is_node(schema) else ()
    changed = {key: part if key in left else _change_each(part, change) for key, part in schema.items()}
    return change(changed) if _is_node(schema) else changed
