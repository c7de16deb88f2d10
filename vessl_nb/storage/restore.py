"""The functions that pickles in a registry name: their names and parameters are part of the disk format.

A pickle calls them while it is read; what they need beside their arguments is in `CONTEXT`. They are never renamed,
never moved, and never take other arguments: what changes gets a new name here.
"""

from __future__ import annotations

import collections
import dataclasses
import functools
import typing
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import types


@dataclass(slots=True)
class Context:
    """What pickles are read with.

    Attributes
    ----------
    code
        The byte code of the functions in them, by key.
    device
        Where tensors go, such as ``cpu`` or ``cuda:1``; None leaves each where it was, if that is here.
    """

    code: dict[str, types.CodeType] = field(default_factory=dict)
    device: str | None = None


CONTEXT: ContextVar[Context] = ContextVar("vessl_nb_restore")
"""Set around every reading of a pickle."""


_SMALL = 1 << 16
"""Storages of fewer bytes than this are copied."""


def code(key: str) -> types.CodeType:
    """Give the byte code of this key."""
    return CONTEXT.get().code[key]


def cached(function: Any, parameters: dict[str, Any]) -> Any:
    """Put an empty cache around a function, as ``functools.lru_cache(**parameters)`` does."""
    return functools.lru_cache(**parameters)(function)


def single_dispatch() -> Any:
    """Make a ``functools.singledispatch`` function that has no implementations yet."""
    return functools.singledispatch(lambda *_: None)


def single_dispatch_state(function: Any, implementations: dict[type, Any]) -> Any:
    """Give a ``functools.singledispatch`` function its implementations, by type."""
    for cls, implementation in implementations.items():
        function.register(cls)(implementation)
    return functools.update_wrapper(function, implementations[object])


def cached_property(function: Any, name: str | None) -> Any:
    """Make a ``functools.cached_property``, and tell it its name."""
    made: Any = functools.cached_property(function)
    made.attrname = name
    return made


def type_alias(name: str, value: Any, parameters: tuple[Any, ...]) -> Any:
    """Make what ``type name = value`` makes; where Python does not know that yet, it is the value."""
    make: Any = getattr(typing, "TypeAliasType", None)
    return make(name, value, type_params=parameters) if make else value


def new_type(name: str, supertype: Any) -> Any:
    """Make a ``typing.NewType``."""
    return typing.NewType(name, supertype)


def named_tuple(name: str, fields: tuple[str, ...], defaults: dict[str, Any]) -> type:
    """Make a named tuple."""
    given = [defaults[field_name] for field_name in fields if field_name in defaults]
    return collections.namedtuple(name, fields, defaults=given)  # noqa: PYI024  # as it was made


def dataclass_state(cls: type, state: Any) -> type:
    """Give a dataclass its attributes, and let ``dataclass`` write the methods that it wrote before.

    Parameters
    ----------
    cls
        The class, without attributes.
    state
        As cloudpickle sets it; ``__dataclass_params__`` is a dictionary of what ``dataclass`` was called with.
    """
    from cloudpickle.cloudpickle import _class_setstate  # noqa: PLC0415  # whose state it is

    attributes, slots = state
    parameters = attributes["__dataclass_params__"]
    _class_setstate(cls, ({name: value for name, value in attributes.items() if value is not parameters}, slots))
    fields, annotations = vars(cls)["__dataclass_fields__"], dict(vars(cls).get("__annotations__", {}))
    own = {name: fields[name] for name in annotations if name in fields and not _is_class_variable(fields[name])}
    kept = {name: vars(cls)[name] for name in own if name in vars(cls)}
    for name, was in own.items():
        again = {part: getattr(was, part) for part in _FIELD}
        setattr(cls, name, dataclasses.field(**again))
    # What the annotations name need not exist here, and only these two kinds mean something.
    cls.__annotations__ = {name: dataclasses.InitVar[Any] if _is_init_only(was) else Any for name, was in own.items()}
    dataclasses.dataclass(**parameters)(cls)
    cls.__annotations__, cls.__dataclass_fields__ = annotations, fields  # type: ignore[attr-defined]
    for name, value in kept.items():  # the members of slots, where it has any
        setattr(cls, name, value)
    return cls


_FIELD = ("default", "default_factory", "init", "repr", "hash", "compare", "metadata", "kw_only")


def _is_class_variable(field: dataclasses.Field[Any]) -> bool:
    return bool(field._field_type.name == "_FIELD_CLASSVAR")  # type: ignore[attr-defined]  # noqa: SLF001  # no public way


def _is_init_only(field: dataclasses.Field[Any]) -> bool:
    return bool(field._field_type.name == "_FIELD_INITVAR")  # type: ignore[attr-defined]  # noqa: SLF001  # as above


def torch_storage(buffer: Any, device: str) -> Any:
    """Make an untyped torch storage over a buffer, without a copy where it stays on the CPU.

    Parameters
    ----------
    buffer
        The storage's bytes, writable.
    device
        Where the storage was. It goes there again if that is here, else to the CPU, unless the context says where.
    """
    import torch  # noqa: PLC0415  # only who has tensors has torch

    whole = torch.frombuffer(buffer, dtype=torch.uint8) if len(buffer) else torch.empty(0, dtype=torch.uint8)
    if len(buffer) < _SMALL:
        whole = whole.clone()  # memory of torch's own, so that it can be resized
    storage = whole.untyped_storage()
    wanted = CONTEXT.get().device
    target = torch.device(wanted or device)
    if target.type == "cpu":
        return storage
    try:
        return storage.to(device=target)
    except (RuntimeError, AssertionError, NotImplementedError):  # what torch raises for a device that is not here
        if wanted:
            raise
        return storage


def torch_typed_storage(storage: Any, dtype: Any) -> Any:
    """Look at an untyped torch storage as one of a dtype."""
    import torch  # noqa: PLC0415  # as above

    # What torch's own loading builds; _internal silences the warning meant for users.
    make: Any = torch.storage.TypedStorage
    return make(wrap_storage=storage, dtype=dtype, _internal=True)


def torch_tensor(
    storage: Any,
    dtype: Any,
    offset: int,
    size: tuple[int, ...],
    stride: tuple[int, ...],
    requires_grad: bool,  # noqa: FBT001
) -> Any:
    """Look at an untyped torch storage as a tensor.

    Parameters
    ----------
    storage
        The storage; other tensors may look at it as well.
    dtype
        A ``torch.dtype``.
    offset
        Where in the storage the tensor begins, in elements.
    size, stride
        The tensor's shape, and the elements from one to the next in each dimension.
    requires_grad
        Whether gradients are computed for it.
    """
    import torch  # noqa: PLC0415  # as above

    tensor = torch.empty(0, dtype=dtype, device=storage.device).set_(storage, offset, size, stride)
    return tensor.requires_grad_(requires_grad)


def torch_parameter(
    storage: Any,
    dtype: Any,
    offset: int,
    size: tuple[int, ...],
    stride: tuple[int, ...],
    requires_grad: bool,  # noqa: FBT001
) -> Any:
    """Look at an untyped torch storage as a parameter of a module; see `torch_tensor`."""
    import torch  # noqa: PLC0415  # as above

    data = torch_tensor(storage, dtype, offset, size, stride, requires_grad=False)
    return torch.nn.Parameter(data, requires_grad)
