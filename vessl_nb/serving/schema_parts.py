"""JSON Schema taken apart: the types that a schema names, and every schema inside of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Container

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


def types_of(schema: Any) -> list[str]:
    """List the types that a schema names; none where it names none, or is true or false."""
    types = schema.get("type", []) if isinstance(schema, dict) else []
    return [types] if isinstance(types, str) else list(types)


def change_each(schema: Any, change: Callable[[Schema], Schema], but: Container[str] = ()) -> Any:
    """Change a schema and all that are inside of it; what only looks like one, in an example, say, is left.

    Parameters
    ----------
    schema
        It is left as it is.
    change
        Takes a schema before those inside of it, and gives what is to stand there.
    but
        By their ``x-type``: schemas that are changed as a whole, and nothing inside of them by itself.
    """
    if not isinstance(schema, dict):  # true and false are schemas too
        return schema
    changed = change(schema)
    if changed.get("x-type") in but:
        return changed
    for key in _WITH_ONE:
        if key in changed:
            changed = changed | {key: change_each(changed[key], change, but)}
    for key in _WITH_LIST:
        if isinstance(changed.get(key), list):
            changed = changed | {key: [change_each(part, change, but) for part in changed[key]]}
    for key in _BY_NAME:
        if isinstance(changed.get(key), dict):
            inside = {name: change_each(part, change, but) for name, part in changed[key].items()}
            changed = changed | {key: inside}
    return changed
