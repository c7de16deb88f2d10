"""A version's schemas as parts of an OpenAPI document."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote

from vessl_nb.serving.schema_parts import change_each, types_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vessl_nb.serving.schema_parts import Schema

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
    return {name: change_each(whole, bring)} | {new: change_each(definitions[old], bring) for old, new in names.items()}


def is_raw(schema: Schema) -> bool:
    """Tell whether what is described is bytes: in JSON a text in base64, as a body the bytes themselves."""
    is_base64 = schema.get("contentEncoding") == "base64"
    return "string" in types_of(schema) and (is_base64 or schema.get("format") == "binary")


def _find_component(reference: str, name: str, names: Mapping[str, str]) -> str:
    """Say where in the document a reference inside of a schema leads; empty where it leads out of it."""
    root = f"#/components/schemas/{name}"
    if reference.startswith(_DEFINITIONS):
        first, slash, rest = reference.removeprefix(_DEFINITIONS).partition("/")
        old = unquote(first).replace("~1", "/").replace("~0", "~")
        return f"#/components/schemas/{names[old]}{slash}{rest}" if old in names else ""
    return root + reference.removeprefix("#") if reference == "#" or reference.startswith("#/") else ""
