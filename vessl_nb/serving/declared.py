"""The types that a runner declares, as serving holds data against them."""

from __future__ import annotations

import contextlib
import sys
import typing
from typing import TYPE_CHECKING, Any

import msgspec

from vessl_nb.capture.instances import classes_in

if TYPE_CHECKING:
    from collections.abc import Iterator

_MOST_COUNTED = 10_000  # pydantic lists all errors or none, and of a million it takes seconds

# Of these the samples say more than the declaration does.
_SAID_BY_SAMPLES = frozenset({dict, list, tuple, str, bool, int, float, bytes, bytearray, object, Any})


class Conversion:
    """Makes instances of a declared type that pydantic does not know, or where the runner does not import pydantic.

    Parameters
    ----------
    declared
        The type.
    """

    def __init__(self, declared: Any) -> None:
        self._declared = declared

    def __call__(self, data: Any) -> Any:
        """Make an instance of data, in which arrays and other values of a class of their own are there already.

        Raises
        ------
        msgspec.ValidationError
            It does not fit.
        TypeError
            It is no type that msgspec knows.
        """
        return msgspec.convert(data, self._declared, dec_hook=lambda _kind, value: value)


def adapter_of(declared: Any) -> Any:
    """Make what brings data to a declared type.

    Parameters
    ----------
    declared
        In of ``RunnerBase[In, Out]``.

    Returns
    -------
    pydantic.TypeAdapter or Conversion
        None where nothing is declared, where samples say more, or where nothing is known of the type.
    """
    adapter = pydantic_adapter_of(declared)
    classes = classes_in(declared)
    if adapter is not None or not classes or any(hasattr(kind, "model_fields") for kind in classes.values()):
        return adapter
    conversion = Conversion(declared)
    with contextlib.suppress(msgspec.ValidationError):
        try:
            conversion(None)
        except TypeError:  # two dataclasses as alternatives, say
            return None
    return conversion


def pydantic_adapter_of(declared: Any) -> Any:
    """Make pydantic's adapter of a declared type.

    Parameters
    ----------
    declared
        In or Out of ``RunnerBase[In, Out]``.

    Returns
    -------
    pydantic.TypeAdapter
        None where nothing is declared, where samples say more, or where pydantic does not know the type.
    """
    pydantic = sys.modules.get("pydantic")
    if pydantic is None or isinstance(declared, typing.TypeVar | typing.ForwardRef | str):
        return None
    if isinstance(declared, type) and declared in _SAID_BY_SAMPLES:
        return None
    try:
        return pydantic.TypeAdapter(declared)
    except Exception:  # noqa: BLE001  # it does not know the type (numpy.ndarray, say), or the type's own code raises
        return None


def errors_of(error: Any) -> Iterator[tuple[tuple[Any, ...], str, Any]]:
    """List what pydantic found, as far as a client is told of it.

    Parameters
    ----------
    error
        A ``pydantic.ValidationError``.

    Yields
    ------
    location : tuple
        Where it is, as pydantic says it.
    message : str
        What is wrong; ``is missing`` where something is.
    value : object
        What was there.
    """
    count = error.error_count()
    if count > _MOST_COUNTED:
        yield (), f"{count:,} values do not fit", None
        return
    for found in error.errors(include_url=False, include_context=False):
        is_missing = found["type"] == "missing"
        yield found["loc"], "is missing" if is_missing else found["msg"], found["input"]
