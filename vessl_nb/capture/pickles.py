"""A runner and its model as pickles without code.

Whatever was written in the notebook travels by value, as cloudpickle does it: classes, functions, the global names that
they use (their captures), closures, defaults. Only the byte code of functions leaves the pickles, as keys into one set.
So a pickle is data; another Python can read it, given the code of the same functions from readable source; and what a
class, a closure and the model share is one object after loading, as it was before.
"""

from __future__ import annotations

import builtins
import dataclasses
import functools
import types
import typing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vessl_nb.capture.generated import implementations_of, without_generated
from vessl_nb.capture.unpicklable import explain_unpicklable
from vessl_nb.capture.wide_views import warn_of_wide_views
from vessl_nb.storage import restore
from vessl_nb.storage.blobs import Later  # noqa: TC001  # a dataclass's annotations are looked at
from vessl_nb.storage.pickling import BufferPickler

if TYPE_CHECKING:
    from collections.abc import Callable

NO_MODEL = object()
"""Stands for a model that is not pickled; None may be one that is."""

_CODE_TYPES = (types.ModuleType, types.FunctionType, types.BuiltinFunctionType, type, typing.TypeVar)
_NOTEBOOKS = {"display", "get_ipython"}
_CREATE_IT_THERE = "Create it in load_model, or inside the method that uses it."


@dataclass(frozen=True, slots=True)
class Captured:
    """A runner and what it takes along, pickled.

    Attributes
    ----------
    pieces
        The runner's pickle, and the model's after it where there is one, in pieces to be read as one.
    buffers
        The buffers that left them, in order.
    code
        The byte code of the functions in them, by key.
    functions
        A function of this process with each of these codes, by the same keys.
    values
        The values of the functions' global names, without modules, classes and functions.
    written
        The classes and functions that travel by value, those that others need first.
    modules
        The modules of the classes and functions that travel by name, each with one of them.
    """

    pieces: list[memoryview]
    buffers: list[memoryview | Later]
    code: dict[str, types.CodeType]
    functions: dict[str, types.FunctionType]
    values: dict[str, Any]
    written: list[Any]
    modules: dict[str, str]


class Capturing:
    """A runner with all it takes along, pickled as it is now; its model may follow later, and shares with it.

    Parameters
    ----------
    runner_cls
        The runner.

    Raises
    ------
    CannotPickle
        Something cannot leave this process; names the way to it, and the way out.
    """

    def __init__(self, runner_cls: type) -> None:
        self._pickler = NotebookPickler()
        _dump(self._pickler, runner_cls, runner_cls.__qualname__, _CREATE_IT_THERE)

    def finish(self, model: Any = NO_MODEL) -> Captured:
        """Pickle the model after it; leave it out where the runner loads it in its own way.

        Returns
        -------
        Captured
            Its buffers are the live objects' own memory: store them before these change.

        Raises
        ------
        CannotPickle
            As above.
        """
        if model is not NO_MODEL:
            _dump(self._pickler, model, "model", "Give the runner save_model and load_model, or remove it.")
        warn_of_wide_views(list(self._pickler.viewed.values()), {"model": model, **self._pickler.captures})
        return _captured(self._pickler)


def capture(runner_cls: type, model: Any = NO_MODEL) -> Captured:
    """Pickle a runner and a model at once; see `Capturing`."""
    return Capturing(runner_cls).finish(model)


def _captured(pickler: NotebookPickler) -> Captured:
    return Captured(
        pickler.pieces(),
        pickler.buffers,
        {key: _without_file(code) for code, key in pickler.code.items()},
        {pickler.code[function.__code__]: function for function in pickler.functions},
        pickler.captures,
        pickler.written[::-1],
        pickler.modules,
    )


class NotebookPickler(BufferPickler):
    """Pickles by value what was written in the notebook, code apart, and notes what it meets.

    Attributes
    ----------
    code
        The keys of the code objects met so far.
    captures
        The values of the global names that functions use, by name.
    written
        The classes and functions that travel by value, in the order met.
    functions
        The functions that travel by value, in the order met.
    modules
        The modules of the classes and functions that travel by name, each with the first of them.
    """

    def __init__(self) -> None:
        super().__init__()
        self.code: dict[types.CodeType, str] = {}
        self.functions: list[types.FunctionType] = []
        self.modules: dict[str, str] = {}
        self.captures: dict[str, Any] = {}
        self.written: list[Any] = []
        self._counts: dict[str, int] = {}
        self._namespaces: dict[int, str] = {}

    def reducer_override(self, obj: Any) -> Any:
        """Put keys in place of code, and leave out what is this process's own."""
        if type(obj) in self.plain:
            return NotImplemented
        if type(obj) is types.CodeType:
            return restore.code, (self._key_of(obj),)
        if is_shells_exit(obj):
            return getattr, (builtins, "exit")
        special = _SPECIAL.get(type(obj))
        if special is not None and (reduced := special(obj)) is not None:
            return reduced
        reduced = super().reducer_override(obj)
        if reduced is NotImplemented:
            if isinstance(obj, type | types.FunctionType | types.BuiltinFunctionType) and obj.__module__:
                self.modules.setdefault(obj.__module__, obj.__qualname__)
            return reduced
        if isinstance(obj, types.FunctionType):
            _, (_, variables, *_), (_, state), *_ = reduced
            variables.pop("__file__", None)
            for name in (
                _NOTEBOOKS & state["__globals__"].keys()
            ):  # elsewhere they do not exist, and code may ask for that
                del state["__globals__"][name]
            self.functions.append(obj)
            self._note_written(obj)
            self._note_captures(obj, state["__globals__"])
        elif reduced[0].__name__ in _TRACKER_POSITION:
            self._note_written(obj)
            reduced = without_generated(obj, _without_tracker(reduced))
        return reduced

    def _key_of(self, code: types.CodeType) -> str:
        if code not in self.code:
            name = code.co_qualname
            count = self._counts[name] = self._counts.get(name, 0) + 1
            self.code[code] = name if count == 1 else f"{name}#{count}"
        return self.code[code]

    def _note_written(self, definition: Any) -> None:
        if "." not in definition.__qualname__:
            self.written.append(definition)

    def _note_captures(self, function: types.FunctionType, used: dict[str, Any]) -> None:
        namespace = self._namespaces.setdefault(id(function.__globals__), f"{len(self._namespaces)}:")
        prefix = "" if namespace == "0:" else namespace  # the first is the runner's own
        self.captures.update(
            {f"{prefix}{name}": value for name, value in used.items() if not isinstance(value, _CODE_TYPES)}
        )


def is_shells_exit(obj: Any) -> bool:
    """Tell whether something is what IPython puts in place of ``exit`` in a notebook."""
    return type(obj).__module__ == "IPython.core.autocall"


def is_shells_open(obj: Any) -> bool:
    """Tell whether something is what IPython puts in place of ``open`` in a notebook."""
    return isinstance(obj, types.FunctionType) and obj.__code__.co_name == "_modified_open"


def full_name(cls: type) -> str:
    """Name a type with its module, such as ``numpy.ndarray``; builtins go without."""
    return cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"


def _dump(pickler: NotebookPickler, value: Any, name: str, way_out: str) -> None:
    try:
        pickler.dump(value)
    except Exception as error:  # whatever a class's own __getstate__ or __reduce__ raises
        for capture_name, captured in pickler.captures.items():
            _check_alone(captured, capture_name)
        raise explain_unpicklable(value, name, error, way_out) from error


def _check_alone(value: Any, name: str) -> None:
    try:
        NotebookPickler().dump(value)
    except Exception as error:
        raise explain_unpicklable(value, name, error, _CREATE_IT_THERE) from error


def _reduce_cache(obj: Any) -> Any:
    return (restore.cached, (obj.__wrapped__, obj.cache_parameters())) if _is_main(obj) else None


def _reduce_new_type(obj: Any) -> Any:
    return (restore.new_type, (obj.__name__, obj.__supertype__)) if _is_main(obj) else None


def _reduce_forward_reference(obj: Any) -> Any:
    return typing.ForwardRef, (obj.__forward_arg__,)  # it keeps code, of which this is the source


def _reduce_cached_property(obj: Any) -> Any:
    return restore.cached_property, (obj.func, obj.attrname)  # one of 3.11 holds a lock


def _reduce_type_alias(obj: Any) -> Any:
    return (restore.type_alias, (obj.__name__, obj.__value__, obj.__type_params__)) if _is_main(obj) else None


def _reduce_function(obj: Any) -> Any:
    if is_shells_open(obj):
        return getattr, (builtins, "open")
    by_type = implementations_of(obj)
    return (restore.single_dispatch, (), by_type, None, None, restore.single_dispatch_state) if by_type else None


_SPECIAL: dict[type, Callable[[Any], Any]] = {
    functools._lru_cache_wrapper: _reduce_cache,  # noqa: SLF001  # its only name
    functools.cached_property: _reduce_cached_property,
    typing.ForwardRef: _reduce_forward_reference,
    typing.NewType: _reduce_new_type,
    type(dataclasses.MISSING): lambda _: "MISSING",
    types.FunctionType: _reduce_function,
}
"""How objects are taken apart that cloudpickle would take apart otherwise; None leaves one to cloudpickle."""

if hasattr(typing, "TypeAliasType"):  # from 3.12 on
    _SPECIAL[typing.TypeAliasType] = _reduce_type_alias

_TRACKER_POSITION = {"_make_skeleton_class": 4, "_make_skeleton_enum": 5}
"""Where cloudpickle's functions take the id by which a class is tracked."""


def _without_tracker(reduced: tuple[Any, ...]) -> tuple[Any, ...]:
    """Drop the id by which cloudpickle finds a class again in the process that pickled it.

    With it, loading a version in its own notebook would give back the live class, and change it.
    """
    make, arguments, *rest = reduced
    position = _TRACKER_POSITION[make.__name__]
    return (make, (*arguments[:position], None, *arguments[position + 1 :]), *rest)


def _without_file(code: types.CodeType) -> types.CodeType:
    """Drop a code's file name: a cell has another one in each session, and a script's tells the user's paths."""
    constants = tuple(
        _without_file(constant) if isinstance(constant, types.CodeType) else constant for constant in code.co_consts
    )
    return code.replace(co_filename="<cell>", co_consts=constants)


def _is_main(obj: Any) -> bool:
    return getattr(obj, "__module__", None) == "__main__"
