"""A version's schemas as parts of an OpenAPI document, which must not promise more than is known."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Schema = dict[str, Any]

_WITH_ONE = (
    "items",
    "additionalProperties",
    "contains",
    "contentSchema",
    "if",
    "then",
    "else",
    "not",
    "propertyNames",
    "unevaluatedItems",
    "unevaluatedProperties",
)
_WITH_LIST = ("allOf", "anyOf", "oneOf", "prefixItems")
_BY_NAME = ("properties", "patternProperties", "dependentSchemas", "$defs", "definitions")
# What all samples have in common by chance.
_BY_CHANCE = {"required", "minItems", "maxItems", "uniqueItems"}
_NOT_IN_A_NAME = re.compile(r"[^a-zA-Z0-9._-]")
_DEFINITIONS = "#/$defs/"


def describe_components(name: str, schema: Schema) -> dict[str, Schema]:
    """Bring a schema and its definitions to where an OpenAPI document has them.

    Parameters
    ----------
    name
        What the schema is called among the components.
    schema
        JSON Schema (draft 2020-12), with ``$defs`` as pydantic writes them; it is left as it is.

    Returns
    -------
    dict
        Schemas by their names as components: the schema itself, and each definition as ``name.Definition``. A reference
        that leads out of the schema is left out, so that its place takes anything.
    """
    definitions = schema.get("$defs", {})
    names: dict[str, str] = {}
    for old in definitions:
        new = f"{name}.{_NOT_IN_A_NAME.sub('_', old)}"
        while new in names.values():
            new += "_"
        names[old] = new

    def bring(part: Schema) -> Schema:
        # A name of its own would make its references start there.
        part = {key: value for key, value in part.items() if key not in {"$id", "$schema"}}
        reference = part.pop("$ref", None)
        if isinstance(reference, str) and (target := _find_component(reference, name, names)):
            part = {"$ref": target, **part}
        discriminator = part.get("discriminator")
        if isinstance(discriminator, dict) and "mapping" in discriminator:
            mapping = {
                value: _find_component(reference, name, names) for value, reference in discriminator["mapping"].items()
            }
            part["discriminator"] = discriminator | {"mapping": mapping}
        return part

    whole = {key: value for key, value in schema.items() if key != "$defs"}
    return {name: _change_each(whole, bring)} | {
        new: _change_each(definitions[old], bring) for old, new in names.items()
    }


def loosen_inferred(schema: Schema) -> Schema:
    """Make of what a few answers have in common what further ones will fit as well.

    Nothing is required, lengths are open, and an integer is any number, which may be null: see `allow_null_numbers`.
    """

    def loosen(part: Schema) -> Schema:
        part = {key: value for key, value in part.items() if key not in _BY_CHANCE}
        types = _types_of(part)
        if "integer" in types:
            part["type"] = _as_type(["number" if name == "integer" else name for name in types])
        return part

    loosened: Schema = _change_each(schema, loosen)
    return allow_null_numbers(loosened)


def allow_null_numbers(schema: Schema) -> Schema:
    """Let every number be null: a NaN, which is a number to Python, is answered as that."""

    def allow(part: Schema) -> Schema:
        types = _types_of(part)
        if "number" not in types or "null" in types or "const" in part or "enum" in part:
            return part
        return part | {"type": [*types, "null"]}

    allowed: Schema = _change_each(schema, allow)
    return allowed


def is_raw(schema: Schema) -> bool:
    """Tell whether what is described is bytes: in JSON a text in base64, as a body the bytes themselves."""
    is_base64 = schema.get("contentEncoding") == "base64"
    return "string" in _types_of(schema) and (is_base64 or schema.get("format") == "binary")


def _change_each(schema: Any, change: Callable[[Schema], Schema]) -> Any:
    """Change a schema and all that are inside of it; what only looks like one, in an example, say, is left."""
    if not isinstance(schema, dict):  # true and false are schemas too
        return schema
    changed = change(schema)
    for key in _WITH_ONE:
        if key in changed:
            changed = changed | {key: _change_each(changed[key], change)}
    for key in _WITH_LIST:
        if isinstance(changed.get(key), list):
            changed = changed | {key: [_change_each(part, change) for part in changed[key]]}
    for key in _BY_NAME:
        if isinstance(changed.get(key), dict):
            inside = {name: _change_each(part, change) for name, part in changed[key].items()}
            changed = changed | {key: inside}
    return changed


def _find_component(reference: str, name: str, names: Mapping[str, str]) -> str:
    """Say where in the document a reference inside of a schema leads; empty where it leads out of it."""
    root = f"#/components/schemas/{name}"
    if reference.startswith(_DEFINITIONS):
        first, slash, rest = reference.removeprefix(_DEFINITIONS).partition("/")
        old = unquote(first).replace("~1", "/").replace("~0", "~")
        return f"#/components/schemas/{names[old]}{slash}{rest}" if old in names else ""
    return root + reference.removeprefix("#") if reference == "#" or reference.startswith("#/") else ""


def _types_of(schema: Schema) -> list[str]:
    types = schema.get("type", [])
    return [types] if isinstance(types, str) else list(types)


def _as_type(types: list[str]) -> str | list[str]:
    distinct = list(dict.fromkeys(types))
    return distinct[0] if len(distinct) == 1 else distinct
