"""The types that a runner declares, ``RunnerBase[In, Out]``, and how samples are held against them."""

from __future__ import annotations

import sys
import typing
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from vessl_nb.capture.pydantic_bytes import make_schema_generator
from vessl_nb.errors import NotSendable
from vessl_nb.faces.words import counted, one_line
from vessl_nb.runner import InputType, OutputType, RunnerBase
from vessl_nb.values.encoding import Opaque, decode
from vessl_nb.values.family import class_name
from vessl_nb.values.sent import as_sent

if TYPE_CHECKING:
    from collections.abc import Callable

_MOST_CHARACTERS = 400


@dataclass(frozen=True, slots=True)
class Declaration:
    """A declared type that samples can be held against.

    Attributes
    ----------
    schema
        What it takes, as JSON Schema.
    is_vague
        Whether a sample says more than the schema does.
    problem_with
        Says what is wrong with an encoded value; empty where it fits.
    """

    schema: dict[str, Any]
    is_vague: bool
    problem_with: Callable[[Any], str]


def declared_types(runner_cls: type) -> tuple[Any, Any]:
    """Find In and Out of ``RunnerBase[In, Out]`` in a class or its bases; a TypeVar where one is left open."""
    if runner_cls is RunnerBase:
        return InputType, OutputType
    for base in vars(runner_cls).get("__orig_bases__", runner_cls.__bases__):
        origin = typing.get_origin(base) or base
        if isinstance(origin, type) and issubclass(origin, RunnerBase):
            parameters = getattr(origin, "__parameters__", ())
            given = dict(zip(parameters, typing.get_args(base), strict=False))
            first, second = declared_types(origin)
            return _filled(first, given), _filled(second, given)
    return InputType, OutputType


def _filled(declared: Any, given: dict[Any, Any]) -> Any:
    if isinstance(declared, typing.TypeVar):
        return given.get(declared, declared)
    inner = getattr(declared, "__parameters__", ()) if typing.get_origin(declared) else ()
    return declared[tuple(given.get(parameter, parameter) for parameter in inner)] if inner else declared


_JSON_TYPES: dict[Any, str] = {
    dict: "object",
    list: "array",
    tuple: "array",
    str: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
}


def find_declaration(declared: Any, side: str) -> Declaration | None:
    """Find how to hold samples against a declared type; None where there is no telling."""
    if isinstance(declared, typing.TypeVar | typing.ForwardRef | str) or declared is Any or declared is object:
        return None
    if isinstance(declared, type) and declared in _JSON_TYPES:
        return _declare_builtin(declared)
    pydantic = sys.modules.get("pydantic")
    return _declare_with_pydantic(pydantic, declared, side) if hasattr(pydantic, "TypeAdapter") else None


def _declare_builtin(declared: type) -> Declaration:
    accepted = {float: (float, int), tuple: (tuple, list)}.get(declared, (declared,))

    def is_fit(value: Any) -> bool:
        return isinstance(value, (*accepted, Opaque)) and (declared is bool or not isinstance(value, bool))

    def problem_with(data: Any) -> str:
        value = decode(data)
        # Many values are sent as text that are none: a decimal, say.
        fits = is_fit(value) or (declared is not str and is_fit(_sent(value)))
        return "" if fits else f"it is of type {type(value).__name__}"

    return Declaration({"type": _JSON_TYPES[declared]}, True, problem_with)


def _declare_with_pydantic(pydantic: Any, declared: Any, side: str) -> Declaration | None:
    try:
        adapter = pydantic.TypeAdapter(declared)
    except Exception:  # noqa: BLE001  # it does not know the type (numpy.ndarray, say), or the type's own code raises
        return None
    schema: dict[str, Any] = {}
    with suppress(Exception):  # what it validates without a schema for it, the samples describe
        # The modes differ: what comes in may leave out what has a default.
        mode = "validation" if side == "input" else "serialization"
        schema = adapter.json_schema(mode=mode, schema_generator=make_schema_generator())

    def problem_with(data: Any) -> str:
        if isinstance(declared, type) and _is_object(data) and data["class"] not in _family_of(declared):
            data = data["fields"]  # of another class, but it may have what is declared
        value = decode(_without_instances(data))
        problem = _problem(pydantic, lambda: adapter.validate_python(value))
        if not problem:
            return ""
        # What a client would send for it may fit where the value itself does not: a list for an array.
        try:
            sent = msgspec.json.encode(as_sent(value))
        except (TypeError, ValueError, OverflowError):
            return problem
        return problem if _problem(pydantic, lambda: adapter.validate_json(sent)) else ""

    return Declaration(schema, not schema, problem_with)


def _family_of(declared: type) -> set[str]:
    """Name a class and all that derive from it."""
    return {class_name(declared)}.union(*map(_family_of, type.__subclasses__(declared)))


def _is_object(data: Any) -> bool:
    return isinstance(data, dict) and data.get("$type") == "object"


def _without_instances(data: Any) -> Any:
    """Make opaque what was an instance of a model: it was validated when it was made, from other data than its fields.

    A validator may take apart a text, and fields may have aliases.
    """
    if isinstance(data, list):
        return [_without_instances(item) for item in data]
    if _is_object(data):
        return {"$type": "opaque", "class": data["class"]}
    return {key: _without_instances(item) for key, item in data.items()} if isinstance(data, dict) else data


def _problem(pydantic: Any, validate: Callable[[], Any]) -> str:
    """Say in one line what is wrong with a value; empty where it validates."""
    try:
        validate()
    except pydantic.ValidationError as error:
        # Of a value without an encoding nothing is known, so nothing can be wrong with it.
        problems = [problem for problem in error.errors() if not isinstance(problem["input"], Opaque)]
        if not problems:
            return ""
        first = problems[0]
        path = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in first["loc"]).lstrip(".")
        given = "" if first["type"] == "missing" else f" (it is {one_line(repr(first['input']), 60)})"
        more = f", and {counted(len(problems) - 1, 'more problem')}" if len(problems) > 1 else ""
        return one_line(f"{path}{': ' if path else ''}{first['msg']}", _MOST_CHARACTERS) + given + more
    except Exception as error:  # noqa: BLE001  # validators are the user's own code
        return one_line(f"its validation raised {type(error).__name__}: {error}", _MOST_CHARACTERS)
    return ""


def _sent(value: Any) -> Any:
    try:
        return as_sent(value)
    except NotSendable:
        return value


def type_name(declared: Any) -> str:
    """Name a declared type as a person would write it."""
    if isinstance(declared, type):
        return declared.__qualname__.rpartition(".")[2]
    return one_line(repr(declared).replace("typing.", "").replace("__main__.", ""), 60)
