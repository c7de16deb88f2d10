"""What a signature says, made as wide as requests and answers may be: a few samples say much by chance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vessl_nb.serving.schema_parts import change_each, types_of

if TYPE_CHECKING:
    from vessl_nb.serving.schema_parts import Schema

# What all samples have in common by chance.
_BY_CHANCE = {"required", "minItems", "maxItems", "uniqueItems"}

_ARRAYS = {"numpy.ndarray", "torch.Tensor"}
_COLUMNS = {"pandas.Series", "pandas.Index"}
_WITH_DTYPES = {*_ARRAYS, *_COLUMNS, "pandas.DataFrame"}
_OBJECTS = "|O"


def loosen_input(schema: Schema, *, is_declared: bool) -> Schema:
    """Make of a signature's input what requests are held against.

    An integer may be any number, unless a dtype says that it is one: a sample had ``1050``, the next wine has
    ``1050.5``. A float in an array, a tensor, a series or a frame may be null, as which a NaN is sent.

    Parameters
    ----------
    schema
        The input of a `Signature`; it is left as it is.
    is_declared
        Whether the runner's own types say so; then an integer is one. So it is in a schema with ``$defs``, which was
        written by pydantic.
    """
    is_declared = is_declared or "$defs" in schema

    def loosen(part: Schema) -> Schema:
        if part.get("x-type") in _WITH_DTYPES:
            return _allow_nan(part)
        return part if is_declared else _widen_integers(part)

    loosened: Schema = change_each(schema, loosen, _WITH_DTYPES)
    return loosened


def loosen_output(schema: Schema) -> Schema:
    """Make of what a few answers have in common what further ones will fit as well.

    Nothing is required, lengths are open, and an integer is any number, which may be null: see `allow_null_numbers`.
    """

    def loosen(part: Schema) -> Schema:
        return _widen_integers({key: value for key, value in part.items() if key not in _BY_CHANCE})

    return allow_null_numbers(change_each(schema, loosen))


def allow_null_numbers(schema: Schema) -> Schema:
    """Let every number be null: a NaN, which is a number to Python, is answered as that."""
    allowed: Schema = change_each(schema, _allow_null)
    return allowed


def _allow_nan(part: Schema) -> Schema:
    """Let the elements of an array, or the cells of columns, be null where they are floats."""
    if part["x-type"] in _ARRAYS:
        has_floats = part.get("x-dtype") not in {None, _OBJECTS}
        return _allow_null_elements(part, len(part.get("x-shape", ()))) if has_floats else part
    if part["x-type"] in _COLUMNS:
        return _allow_null_elements(part, 1)
    rows = part.get("items", {})
    columns = {name: _allow_null(column) for name, column in rows.get("properties", {}).items()}
    return part | {"items": rows | {"properties": columns}} if columns else part


def _allow_null_elements(part: Schema, dimensions: int) -> Schema:
    if not dimensions:
        return _allow_null(part)
    return part | {"items": _allow_null_elements(part["items"], dimensions - 1)} if "items" in part else part


def _allow_null(part: Schema) -> Schema:
    types = types_of(part)
    if "number" not in types or "null" in types or "const" in part or "enum" in part:
        return part
    return part | {"type": [*types, "null"]}


def _widen_integers(part: Schema) -> Schema:
    types = types_of(part)
    if "integer" not in types:
        return part
    wider = list(dict.fromkeys("number" if name == "integer" else name for name in types))
    return part | {"type": wider[0] if len(wider) == 1 else wider}
