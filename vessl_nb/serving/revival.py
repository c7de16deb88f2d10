"""JSON brought to the types that the samples had: what the runner gets is of the kind it was tried with.

=================================================  ==================================================================
the sample had                                     the runner gets
=================================================  ==================================================================
``numpy.ndarray``                                  an array of its dtype, with as many dimensions; records stay lists
``torch.Tensor``                                   a tensor of its dtype, on the CPU
``pandas.DataFrame``                               a frame of its columns and their dtypes, the rows numbered from 0
``pandas.Series``, ``Index``                       one of its dtype and name, a series numbered from 0
bytes, ``bytearray``                               bytes
a PIL image                                        an image of its mode
times, dates, time spans, ``pandas.Timestamp``     the same; of numpy's scalars Python's own
``Decimal``, ``Fraction``, ``UUID``, ``complex``   the same
tuples, sets, frozensets                           the same; a named tuple is a plain one
NaN and infinities                                 NaN, where null is sent and the sample had no None beside them
dicts whose keys are all integers, or all floats   the same; other keys are text
dataclasses, models, enums                         a dict, or the value: declare the type to get it
=================================================  ==================================================================

This holds at the top and inside of lists, dicts, tuples and cells of frames. A schema with ``$defs`` was written by
pydantic, and says nothing of these types: what it describes stays plain data.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import jsonschema_rs

from vessl_nb.serving.misfits import Misfit
from vessl_nb.serving.problems import short
from vessl_nb.serving.revived_arrays import make_array_reviver, make_tensor_reviver
from vessl_nb.serving.revived_containers import KEYS, fields_in, items_in, revive_items, revive_mapping, revive_members
from vessl_nb.serving.revived_frames import make_column_reviver, make_frame_reviver
from vessl_nb.serving.revived_leaves import (
    FORMATS,
    is_not_finite,
    make_image_leaf,
    revive_bytes,
    revive_complex,
    revive_timestamp,
)
from vessl_nb.serving.schema_parts import types_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vessl_nb.serving.revived_leaves import Reviver


def make_reviver(schema: dict[str, Any], examples: Sequence[Any]) -> Reviver | None:
    """Make what brings data that fits a schema to the types of the samples.

    Parameters
    ----------
    schema
        Of the input, as `vessl_nb.values.schema` writes it.
    examples
        The samples, encoded: they tell what the schema does not, such as a column's dtype.

    Returns
    -------
    callable
        It may change the data that it is given. It raises `Misfit`. None where the data is plain already.

    Raises
    ------
    MissingRequirement
        A sample is of a library that is not installed here.
    """
    return None if "$defs" in schema else _reviver(schema, examples)


def _reviver(schema: Any, examples: Sequence[Any]) -> Reviver | None:
    if not isinstance(schema, dict):
        return None
    if "anyOf" in schema:
        return _choose(schema["anyOf"], examples)
    revive = _of_library(schema, examples) or _of_text(schema, examples) or _of_container(schema, examples)
    if "null" not in types_of(schema):
        return revive
    if _is_nan(schema, examples):
        return (lambda data: math.nan if data is None else data) if revive is None else revive
    return None if revive is None else lambda data: None if data is None else revive(data)


def _is_nan(schema: dict[str, Any], examples: Sequence[Any]) -> bool:
    """Tell whether null stands for NaN in a place: there was one, and no None that it could stand for as well."""
    return (schema.get("x-shape") == [] or any(map(is_not_finite, examples))) and None not in examples


def _choose(alternatives: Sequence[Any], examples: Sequence[Any]) -> Reviver | None:
    revivers = [_reviver(alternative, examples) for alternative in alternatives]
    if not any(revivers):
        return None
    # A date is tried before text, for it is text as well; text before base64, for much text is base64 by chance.
    choices = sorted(
        zip(alternatives, revivers, strict=True),
        key=lambda choice: 1 if choice[1] is None else 2 if "contentEncoding" in choice[0] else 0,
    )
    tries = [(jsonschema_rs.Draft202012Validator(each).is_valid, revive) for each, revive in choices]

    def revive(data: Any) -> Any:
        misfit = None
        for is_valid, revive_it in tries:
            if is_valid(data):
                try:
                    return data if revive_it is None else revive_it(data)
                except Misfit as error:  # it may be what another sample was
                    misfit = error
        raise misfit or Misfit(f"fits no sample; it is {short(data)}")

    return revive


def _of_library(schema: dict[str, Any], examples: Sequence[Any]) -> Reviver | None:
    name = schema.get("x-type")
    if name == "torch.Tensor":
        return make_tensor_reviver(schema)
    if name == "numpy.ndarray":
        inner: Any = schema
        for _ in schema.get("x-shape", ()):
            inner = inner.get("items", {})
        items = [item for each in examples if _tag(each) == name for item in each.get("items", ())]
        return make_array_reviver(schema, _reviver(inner, items) if inner is not schema else None)
    if name == "pandas.DataFrame":
        cells = {
            column: revive
            for column, inner in schema.get("items", {}).get("properties", {}).items()
            # Times are pandas' own to read, by the column.
            if inner.get("format") not in {"date-time", "duration"} and (revive := _reviver(inner, []))
        }
        return make_frame_reviver(schema, examples, cells)
    if name in {"pandas.Series", "pandas.Index"}:
        inner = schema.get("items", {})
        is_time = inner.get("format") in {"date-time", "duration"}
        return make_column_reviver(schema, examples, None if is_time else _reviver(inner, []))
    return revive_complex if name == "complex" else None


def _of_text(schema: dict[str, Any], examples: Sequence[Any]) -> Reviver | None:
    if "x-mode" in schema:
        return make_image_leaf(schema["x-mode"])
    if schema.get("contentEncoding") == "base64":
        return revive_bytes
    name = schema.get("format", "")
    if name == "date-time" and any(_tag(each) == "pandas.Timestamp" for each in examples):
        return revive_timestamp
    return FORMATS.get(name)


def _of_container(schema: dict[str, Any], examples: Sequence[Any]) -> Reviver | None:
    if "properties" in schema:
        fields = [fields_in(each) for each in examples]
        inside = {
            name: revive
            for name, inner in schema["properties"].items()
            if (revive := _reviver(inner, [each[name] for each in fields if name in each]))
        }
        return revive_members(inside) if inside else None
    if "additionalProperties" in schema:
        pairs = [pair for each in examples if _tag(each) == "dict" for pair in each["items"]]
        revive = _reviver(schema["additionalProperties"], [item for _, item in pairs])
        types = {type(key) for key, _ in pairs}
        return revive_mapping(KEYS.get(types.pop()) if len(types) == 1 else None, revive)
    if "items" not in schema and "maxItems" not in schema and "uniqueItems" not in schema:
        return None
    lists = [items for each in examples if isinstance(items := items_in(each), list)]
    places = [
        _reviver(inner, [items[place] for items in lists if place < len(items)])
        for place, inner in enumerate(schema.get("prefixItems", ()))
    ]
    others = _reviver(schema.get("items"), [item for items in lists for item in items[len(places) :]])
    if "minItems" in schema and "maxItems" in schema:
        return revive_items(places, others, tuple)
    if schema.get("uniqueItems"):
        return revive_items(places, others, frozenset if any(_tag(each) == "frozenset" for each in examples) else set)
    return revive_items(places, others, None) if others or any(places) else None


def _tag(example: Any) -> str:
    return str(example.get("$type", "")) if isinstance(example, dict) else ""
