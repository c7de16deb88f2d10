"""Samples as they were given: decoded, and instances of the types that the runner declares once more.

Decoding alone imports and runs nothing of the user's, so that it gives the fields of an instance and no instance. Where
the runner is loaded, its declared types are there, and with them the classes in them.
"""

from __future__ import annotations

import dataclasses
import enum
import typing
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from vessl_nb.capture.declared_types import declared_types
from vessl_nb.values import objects, plain
from vessl_nb.values.encoding import decode
from vessl_nb.values.family import class_name

if TYPE_CHECKING:
    from collections.abc import Mapping

# Forms inside of which there may be instances, as they are decoded once their parts are.
_AROUND = {name: plain.DECODERS[name] for name in ("tuple", "set", "frozenset", "dict")} | {
    name: objects.DECODERS[name] for name in ("object", "enum", "namedtuple", "subclass")
}


def decode_input(runner_cls: type, data: Any) -> Any:
    """Decode a stored input as the runner was given it.

    Parameters
    ----------
    runner_cls
        The runner. What is of a class in the type that it declares for its input (dataclasses, pydantic models, enums,
        named tuples) becomes an instance of it, with the fields it had and without being validated again; what is of
        another class becomes plain data.
    data
        Encoded by `vessl_nb.values.encoding`.

    Returns
    -------
    object
        What `decode` gives, where nothing is declared.
    """
    return _revive(data, classes_in(declared_types(runner_cls)[0]))


def decode_output(runner_cls: type, data: Any) -> Any:
    """Decode a stored answer as `decode_input` does an input, by the type that is declared for the output."""
    return _revive(data, classes_in(declared_types(runner_cls)[1]))


def classes_in(declared: Any) -> dict[str, type]:
    """Find the classes in a declared type of which the samples say less than it does, by their full names.

    Parameters
    ----------
    declared
        In or Out of ``RunnerBase[In, Out]``.

    Returns
    -------
    dict
        Dataclasses, pydantic models, named tuples, typed dicts and enums, with those that derive from them.
    """
    found: dict[str, type] = {}
    waiting, seen = [declared], list[Any]()
    while waiting:
        part = waiting.pop()
        if any(part is other for other in seen):
            continue
        seen.append(part)
        waiting += typing.get_args(part)
        # A name for a type has it as its value; of a generic class, the class itself has the fields.
        waiting += [inner for name in ("__value__", "__origin__") if (inner := getattr(part, name, None)) is not None]
        if isinstance(part, type) and _has_parts(part):
            found.setdefault(class_name(part), part)
            waiting += _types_of_parts(part)
            if not typing.is_typeddict(part):
                waiting += type.__subclasses__(part)
    return found


def _has_parts(kind: type) -> bool:
    if issubclass(kind, tuple):
        return hasattr(kind, "_fields")
    is_members = typing.is_typeddict(kind) or issubclass(kind, enum.Enum)
    return is_members or dataclasses.is_dataclass(kind) or hasattr(kind, "model_fields")


def _types_of_parts(kind: Any) -> list[Any]:
    """List the annotations of a class's fields; pydantic's own have no names of types left in them."""
    fields = getattr(kind, "model_fields", None)
    if isinstance(fields, dict):
        return [field.annotation for field in fields.values()]
    with suppress(Exception):  # a name of a type may not be known here
        return list(typing.get_type_hints(kind).values())
    return []


def _revive(data: Any, classes: Mapping[str, type]) -> Any:
    if not classes:
        return decode(data)

    def revive(data: Any) -> Any:
        if isinstance(data, list):
            return [revive(item) for item in data]
        if not isinstance(data, dict):
            return data
        if "$type" not in data:
            return {name: revive(item) for name, item in data.items()}
        decode_parts = _AROUND.get(data["$type"])
        if decode_parts is None:
            return decode(data)
        content = decode_parts(data, revive)
        kind = classes.get(data.get("class", ""))
        try:
            return content if kind is None else _make(kind, content)
        except Exception:  # noqa: BLE001  # the class's own code, which had other things to make it of
            return content

    return revive(data)


def _make(kind: Any, content: Any) -> Any:
    """Make an instance of what it held; the content itself where the class is none of those."""
    if issubclass(kind, enum.Enum):
        return kind(content)
    if hasattr(kind, "_make"):
        return kind._make(content)
    if hasattr(kind, "model_construct"):
        # It was validated when it was made, from other data than its fields: a validator may take apart a text.
        return kind.model_construct(**content)
    return _make_dataclass(kind, content) if dataclasses.is_dataclass(kind) else content


def _make_dataclass(kind: Any, fields: dict[str, Any]) -> Any:
    given = {field.name: fields[field.name] for field in dataclasses.fields(kind) if field.init}
    instance = None
    with suppress(Exception):  # it takes something else than its fields
        instance = kind(**given)
    if instance is None:
        instance = kind.__new__(kind)
    for name, value in fields.items():  # as they were, whatever __post_init__ makes of them a second time
        object.__setattr__(instance, name, value)
    return instance
