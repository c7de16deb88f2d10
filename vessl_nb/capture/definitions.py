"""The code and the data that a runner takes along, kept apart.

Classes and functions that were written in the notebook are the definitions. They leave every pickle of data, as keys
into one set, which byte code gives today and readable source can give under another Python. The values of the global
names that they use (their captures) leave the definitions, and are pickled as data, with the model after them.

The two find each other step by step: a definition names captures; a capture's class, written in the notebook, is one
more definition, which may name more captures. Each is pickled once, by one of two picklers.
"""

from __future__ import annotations

import types
import typing
from dataclasses import dataclass
from typing import Any

from vessl_nb.capture.unpicklable import explain_unpicklable
from vessl_nb.manifest import Item
from vessl_nb.storage import restore
from vessl_nb.storage.pickling import BufferPickler

CaptureKey = tuple[str, str]
"""A capture's namespace and name."""

NO_MODEL = object()
"""Stands for a model that is not pickled; None may be one that is."""

_CODE_TYPES = (types.ModuleType, types.FunctionType, types.BuiltinFunctionType, type, typing.TypeVar)


@dataclass(frozen=True, slots=True)
class Pickled:
    """A stream of pickles, with what each of them is, and the buffers that left it."""

    pickles: bytes
    items: list[Item]
    buffers: list[memoryview]


@dataclass(frozen=True, slots=True)
class Captured:
    """A runner and what it takes along, pickled.

    Attributes
    ----------
    runner
        The runner's key among the definitions.
    definitions
        Classes and functions, and the namespaces they share.
    data
        Captures, then the model.
    written
        The classes and functions that travel by value, those that others need first.
    captures
        The values of the captures.
    has_byte_code
        Whether the definitions hold byte code.
    """

    runner: str
    definitions: Pickled
    data: Pickled
    written: list[Any]
    captures: dict[CaptureKey, Any]
    has_byte_code: bool


def capture(runner_cls: type, model: Any = NO_MODEL) -> Captured:
    """Pickle a runner with all it takes along, and a model.

    Parameters
    ----------
    runner_cls
        The runner.
    model
        The model instance; leave it out where the runner loads it in its own way.

    Returns
    -------
    Captured
        Its buffers are the live objects' own memory: store them before these change.

    Raises
    ------
    CannotPickle
        Something cannot leave this process; names the way to it, and the way out.
    """
    definitions = _Definitions()
    data = _Data(definitions)
    runner = definitions.add(runner_cls)
    if model is not NO_MODEL:
        definitions.add_class_of(model)
    data.add_captures()
    if model is not NO_MODEL:
        data.add(model, Item(kind="model", name="model"), "Give the runner save_model and load_model, or remove it.")
        data.add_captures()
    definitions.add_namespaces()
    return Captured(
        runner,
        Pickled(definitions.getvalue(), definitions.items, definitions.buffers),
        Pickled(data.getvalue(), data.items, data.buffers),
        definitions.written[::-1],
        definitions.captures,
        definitions.has_byte_code,
    )


class _Definitions(BufferPickler):
    """Pickles classes and functions, without the values of the global names that they use."""

    def __init__(self) -> None:
        super().__init__()
        self.items: list[Item] = []
        self.written: list[Any] = []
        self.captures: dict[CaptureKey, Any] = {}
        self.has_byte_code = False
        self._keys: dict[int, str] = {}
        self._added: list[Any] = []  # kept alive, so that no id is given twice
        self._templates: dict[types.CodeType, types.FunctionType] = {}
        self._namespaces: dict[int, tuple[str, types.FunctionType]] = {}

    def add(self, definition: Any) -> str:
        """Pickle a class or function, once, and give its key."""
        if id(definition) not in self._keys:
            taken = set(self._keys.values())
            name = definition.__qualname__
            key = next(k for n in range(1, len(taken) + 2) if (k := name if n == 1 else f"{name}#{n}") not in taken)
            self._keys[id(definition)] = key
            self._added.append(definition)
            _dump(self, definition, name, "Create it in load_model, or inside the method that uses it.")
            self.items.append(Item(kind="definition", name=key))
        return self._keys[id(definition)]

    def add_class_of(self, value: Any) -> bool:
        """Pickle a value's class if it was written in the notebook; tell whether it was."""
        written = is_written(type(value))
        if written:
            self.add(type(value))
        return written

    def add_template(self, function: types.FunctionType) -> str:
        """Pickle a function's code without its data, once, and give its key."""
        code = function.__code__
        if code not in self._templates:
            cells = tuple(types.CellType() for _ in code.co_freevars)
            template = types.FunctionType(code, function.__globals__, function.__name__, None, cells)
            template.__qualname__ = function.__qualname__
            template.__module__ = function.__module__
            self._templates[code] = template
        return self.add(self._templates[code])

    def add_namespaces(self) -> None:
        """Pickle a function of each namespace, through which its captures are put back."""
        for name, function in self._namespaces.values():
            self.dump(function)
            self.items.append(Item(kind="namespace", name=name))

    def reducer_override(self, obj: Any) -> Any:
        """Leave out captures, and what is this process's own: the files that code is in, the identities of classes."""
        if isinstance(obj, types.CodeType):
            # A cell's file has another name in each session; equal code is to be equal bytes, and tell no paths.
            return self.dispatch_table[types.CodeType](obj.replace(co_filename="<cell>"))
        reduced = super().reducer_override(obj)
        if reduced is NotImplemented:
            return reduced
        if isinstance(obj, types.FunctionType):
            self.has_byte_code = True
            self._note_written(obj)
            _, (_, own_variables, *_), (_, state), *_ = reduced
            own_variables.pop("__file__", None)
            self._leave_out_captures(obj, state["__globals__"])
        elif _makes_class(reduced):
            self._note_written(obj)
            reduced = _without_tracker(reduced)
        return reduced

    def _note_written(self, definition: Any) -> None:
        if "." not in definition.__qualname__:
            self.written.append(definition)

    def _leave_out_captures(self, function: types.FunctionType, used: dict[str, Any]) -> None:
        for name, value in list(used.items()):
            if not isinstance(value, _CODE_TYPES):
                self.captures[self._namespace_of(function), name] = used.pop(name)

    def _namespace_of(self, function: types.FunctionType) -> str:
        variables = function.__globals__
        if id(variables) not in self._namespaces:
            name = variables.get("__name__", "")
            taken = sum(other.partition("#")[0] == name for other, _ in self._namespaces.values())
            self._namespaces[id(variables)] = (f"{name}#{taken + 1}" if taken else name, function)
        return self._namespaces[id(variables)][0]


class _Data(BufferPickler):
    """Pickles captures and the model; classes and functions go to the definitions."""

    def __init__(self, definitions: _Definitions) -> None:
        super().__init__()
        self.items: list[Item] = []
        self._definitions = definitions
        self._added: set[CaptureKey] = set()

    def add(self, value: Any, item: Item, way_out: str) -> None:
        """Pickle one more value."""
        before = self.length()
        _dump(self, value, item.name, way_out)
        size = self.length() - before
        self.items.append(
            Item(kind=item.kind, name=item.name, namespace=item.namespace, type=full_name(type(value)), size=size)
        )

    def add_captures(self) -> None:
        """Pickle the captures that were found since, and those that they bring.

        Instances of the notebook's own classes come last: while they are unpickled their methods may run, and use the
        other captures.
        """
        captures = self._definitions.captures
        while pending := [key for key in captures if key not in self._added]:
            key = next((key for key in pending if not self._definitions.add_class_of(captures[key])), pending[0])
            self._added.add(key)
            item = Item(kind="capture", namespace=key[0], name=key[1])
            self.add(captures[key], item, "Create it in load_model, or inside the method that uses it.")

    def reducer_override(self, obj: Any) -> Any:
        """Put keys in place of classes and functions that were written in the notebook."""
        reduced = super().reducer_override(obj)
        if reduced is NotImplemented:
            return reduced
        if isinstance(obj, types.FunctionType):
            if not _holds_data(obj):
                return restore.definition, (self._definitions.add(obj),)
            cells = [_contents(cell) for cell in obj.__closure__ or ()]
            state = (cells, obj.__defaults__, obj.__kwdefaults__, obj.__dict__)
            key = self._definitions.add_template(obj)
            return restore.closure, (key, obj.__name__), state, None, None, restore.fill_closure
        if _makes_class(reduced):
            return restore.definition, (self._definitions.add(obj),)
        return reduced


def is_written(cls: type) -> bool:
    """Tell whether a class travels by value, because no other process could import it."""
    reduced = BufferPickler().reducer_override(cls)
    return reduced is not NotImplemented and _makes_class(reduced)


def full_name(cls: type) -> str:
    """Name a type with its module, such as ``numpy.ndarray``; builtins go without."""
    return cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"


def _dump(pickler: BufferPickler, value: Any, name: str, way_out: str) -> None:
    try:
        pickler.dump(value)
    except Exception as error:  # whatever a class's own __getstate__ or __reduce__ raises
        raise explain_unpicklable(value, name, error, way_out) from error


_TRACKER_POSITION = {"_make_skeleton_class": 4, "_make_skeleton_enum": 5}
"""Where cloudpickle's functions that make a class take the id by which it is tracked."""


def _makes_class(reduced: tuple[Any, ...]) -> bool:
    return reduced[0].__name__ in _TRACKER_POSITION


def _without_tracker(reduced: tuple[Any, ...]) -> tuple[Any, ...]:
    """Drop the id by which cloudpickle finds a class again in the process that pickled it.

    With it, loading a version in its own notebook would give back the live class, and change it.
    """
    make, arguments, *rest = reduced
    position = _TRACKER_POSITION[make.__name__]
    return (make, (*arguments[:position], None, *arguments[position + 1 :]), *rest)


def _holds_data(function: types.FunctionType) -> bool:
    """Tell whether a function is more than its code: a closure, or a local function with defaults."""
    is_local = "<" in function.__qualname__  # <lambda>, <locals>
    return function.__closure__ is not None or (
        is_local and bool(function.__defaults__ or function.__kwdefaults__ or function.__dict__)
    )


def _contents(cell: types.CellType) -> list[Any]:
    try:
        return [cell.cell_contents]
    except ValueError:  # it is empty
        return []
