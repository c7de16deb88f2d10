"""A schema as rows that a person reads: each field with its type, whether it is required, and what is said of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from vessl_nb.faces.words import one_line
from vessl_nb.serving.schema_parts import types_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from vessl_nb.serving.schema_parts import Schema

_COMPONENTS = "#/components/schemas/"
_MOST_FIELDS = 200
_MOST_LEVELS = 6
_MOST_VALUES = 8  # of those that a field may have
_MOST_CHARACTERS = 300
_ANYTHING = "anything"
_PLURALS = {name: f"{name}s" for name in ("number", "integer", "string", "boolean", "object", "array")}
_BOUNDS = {
    "minimum": "at least {}",
    "exclusiveMinimum": "more than {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "less than {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {} items",
    "maxItems": "at most {} items",
    "pattern": "as the pattern {}",
    "default": "by default {}",
}


class Field(NamedTuple):
    """A field of what a client sends or gets.

    Attributes
    ----------
    name
        The way to it, such as ``items[].price``; empty for the whole.
    type
        In words.
    is_required
        Whether it must be there.
    note
        What else is known of it.
    """

    name: str
    type: str
    is_required: bool
    note: str


def list_fields(name: str, components: Mapping[str, Schema]) -> tuple[list[Field], bool]:
    """List the fields of a component's schema, those of objects inside of it below them.

    Parameters
    ----------
    name
        The component.
    components
        All schemas that it may refer to.

    Returns
    -------
    list of Field, bool
        At most 200 of them, and whether there are more.
    """
    fields: list[Field] = []
    for field in _Fields(components).walk({"$ref": _COMPONENTS + name}, "", is_required=True, within=()):
        if len(fields) == _MOST_FIELDS:
            return fields, True
        fields.append(field)
    return fields, False


class _Fields:
    """One walk through a schema and what it refers to."""

    def __init__(self, components: Mapping[str, Schema]) -> None:
        self._components = components

    def walk(self, schema: Any, name: str, *, is_required: bool, within: tuple[str, ...]) -> Iterator[Field]:
        """Give the field itself, then those inside of it."""
        whole, _ = self._resolved(schema)
        is_object = name == "" and whole.get("properties")
        if not is_object:
            yield Field(name, self.type_words(schema), is_required, _note_of(whole))
        yield from self._inside(schema, name, within)

    def type_words(self, schema: Any, level: int = 0) -> str:
        """Say in words what a value is."""
        if isinstance(schema, bool) or level > _MOST_LEVELS:
            return _ANYTHING if schema else "nothing"
        schema, _ = self._resolved(schema)
        if "const" in schema:
            return _value_words(schema["const"])
        if "enum" in schema:
            values = schema["enum"]
            return " or ".join([*map(_value_words, values[:_MOST_VALUES]), *(["…"] if values[_MOST_VALUES:] else [])])
        if alternatives := schema.get("anyOf") or schema.get("oneOf"):
            return _either([self.type_words(part, level + 1) for part in alternatives])
        if schema.get("contentEncoding") == "base64":
            is_image = schema.get("contentMediaType", "").startswith("image/")
            return _either([f"{'image' if is_image else 'bytes'}, as base64", *types_of(schema)[1:]])
        words = [self._one_type(name, schema, level) for name in types_of(schema)]
        return _either(words or ["object" if "properties" in schema or "allOf" in schema else _ANYTHING])

    def _one_type(self, name: str, schema: Schema, level: int) -> str:
        if name == "array":
            return self._array_words(schema, level)
        return f"{name}, {schema['format']}" if name == "string" and "format" in schema else name

    def _array_words(self, schema: Schema, level: int) -> str:
        items = schema.get("prefixItems") or ([schema["items"]] if "items" in schema else [])
        inside = _either([self.type_words(item, level + 1) for item in items])
        if not items or inside == _ANYTHING:
            return "array"
        if inside.startswith("array of"):
            return "array of " + inside.replace("array", "arrays", 1)
        return f"array of {' or '.join(_PLURALS.get(word, word) for word in inside.split(' or '))}"

    def _inside(self, schema: Any, name: str, within: tuple[str, ...]) -> Iterator[Field]:
        schema, reference = self._resolved(schema)
        # A tree's nodes have fields without end.
        if reference in within or name.count(".") + name.count("[") >= _MOST_LEVELS:
            return
        within = (*within, reference) if reference else within
        required = schema.get("required", ())
        for key, part in schema.get("properties", {}).items():
            path = f"{name}.{key}" if name else key
            yield from self.walk(part, path, is_required=key in required, within=within)
        if isinstance(schema.get("items"), dict):
            yield from self._inside(schema["items"], f"{name}[]", within)
        if isinstance(schema.get("additionalProperties"), dict):
            yield from self._inside(schema["additionalProperties"], f"{name}[…]", within)
        for key in ("anyOf", "oneOf", "allOf"):
            for part in schema.get(key, ()):
                yield from self._inside(part, name, within)

    def _resolved(self, schema: Any) -> tuple[Schema, str]:
        """Follow a schema's references; the last of them tells where the walk has been."""
        last = ""
        for _ in range(_MOST_LEVELS):
            if not isinstance(schema, dict) or "$ref" not in schema:
                break
            last = schema["$ref"]
            beside = {key: value for key, value in schema.items() if key != "$ref"}
            found = self._components.get(last.removeprefix(_COMPONENTS), {})
            schema = {**found, **beside}
        return (schema if isinstance(schema, dict) else {}), last


def _either(words: list[str]) -> str:
    return " or ".join(dict.fromkeys(words))


def _value_words(value: Any) -> str:
    return one_line(json.dumps(value, ensure_ascii=False), 40)


def _note_of(schema: Schema) -> str:
    notes = [schema["description"].rstrip(".")] if isinstance(schema.get("description"), str) else []
    if "x-type" in schema:
        lengths = schema.get("x-shape") or schema.get("x-size") or []
        shape = " × ".join("any" if length is None else str(length) for length in lengths)
        notes.append(" ".join(filter(None, (schema["x-type"], str(schema.get("x-dtype", "")), shape))))
    notes += [words.format(_value_words(schema[key])) for key, words in _BOUNDS.items() if key in schema]
    notes += ["more than is shown here"] if schema.get("x-abridged") else []
    return one_line("; ".join(notes), _MOST_CHARACTERS)
