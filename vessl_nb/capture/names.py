"""The names that a runner takes along: found by walking its code and what that uses, before anything is pickled.

Whatever was written in the notebook travels by value: the functions and classes that a runner reaches through global
names, closures, defaults, decorators, base classes and attributes, and the values of these names. What can be imported
travels by name, and is a module that the version needs.
"""

from __future__ import annotations

import enum
import functools
import inspect
import types
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from cloudpickle.cloudpickle import _should_pickle_by_reference

from vessl_nb.capture.cells import place_of
from vessl_nb.capture.code import global_names, imports_of, is_builtin, nested, stored_globals
from vessl_nb.capture.environment import environment_reads
from vessl_nb.capture.generated import implementations_of, own_members
from vessl_nb.capture.pickles import NotebookPickler, is_shells_exit, is_shells_open
from vessl_nb.capture.unpicklable import explain_unpicklable
from vessl_nb.errors import nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from vessl_nb.errors import CannotPickle

Kind: TypeAlias = Literal["global", "closure", "default", "attribute"]
"""How a name is reached: as a global name, from a closure, as a default of a parameter, as an attribute of a class."""

_NOTEBOOK_ONLY = {"display", "get_ipython"}
"""Functions that IPython puts among Python's own: elsewhere they do not exist."""

_MACHINERY = {"cloudpickle.cloudpickle", "copyreg", "vessl_nb.storage.restore"}
"""Modules that pickles name by themselves."""

_NOT_WRITTEN = {
    "__module__", "__qualname__", "__doc__", "__dict__", "__weakref__", "__abstractmethods__", "_abc_impl", "__slots__",
    "__parameters__", "__match_args__", "__firstlineno__", "__static_attributes__", "__dataclass_params__",
}  # fmt: skip
"""What Python itself keeps in a class."""


@dataclass(slots=True)
class Name:
    """A name whose value travels with the runner.

    Attributes
    ----------
    name
        As the code calls it; an attribute has its class before it.
    kind
        How it is reached.
    value
        Its value.
    owner
        The function or class that uses it, the first of them.
    users
        Who uses it: qualified names of functions and classes.
    size
        What it adds to the pickles, in bytes, buffers included; 0 for functions and classes.
    problem
        Why it cannot travel; None where it can.
    """

    name: str
    kind: Kind
    value: Any
    owner: Any
    users: list[str] = field(default_factory=list)
    size: int = 0
    problem: CannotPickle | None = None


@dataclass(frozen=True, slots=True)
class Missing:
    """A global name that exists nowhere: a typing error, or one of a cell that was deleted.

    Attributes
    ----------
    name, user
        The name, and the function that uses it.
    place
        Where it does: a cell or file, and the line.
    next_step
        What to do.
    """

    name: str
    user: str
    place: str
    next_step: str


@dataclass(slots=True)
class Names:
    """What a runner takes along.

    Attributes
    ----------
    names
        The names whose values travel, in the order met.
    missing
        Those that exist nowhere.
    modules
        The modules that are needed, by dotted name, each with the reason in words.
    definitions
        The classes and functions that travel by value, the runner first.
    variables
        The environment variables that the code reads, each with the function that does.
    notebook_only
        The names used that only a notebook has, such as ``display``, each with the function that does.
    """

    names: list[Name] = field(default_factory=list)
    missing: list[Missing] = field(default_factory=list)
    modules: dict[str, str] = field(default_factory=dict)
    definitions: list[Any] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)
    notebook_only: dict[str, str] = field(default_factory=dict)


def find_names(roots: Iterable[Any]) -> Names:
    """Walk classes and functions, and all that they use.

    Parameters
    ----------
    roots
        The runner, and the model's class, or other classes and functions that travel with it. Those that can be
        imported bring their module.
    """
    walk = _Walk()
    for place, root in enumerate(roots):
        walk.meet(root, "behind the model" if place else "used by the runner")
    walk.go_through()
    return walk.found


class _Walk:
    def __init__(self) -> None:
        self.found = Names()
        self._known: dict[tuple[Any, ...], Name] = {}
        self._met: dict[int, Any] = {}
        self._left: deque[Any] = deque()
        self._pickler = _Measuring(self)

    def go_through(self) -> None:
        while self._left:
            definition = self._left.popleft()
            if isinstance(definition, type):
                self._look_into_class(definition)
            else:
                self._look_into_function(definition)
        stored = {name for made in self._met.values() for name in _stored_by(made)}
        self.found.missing = [missing for missing in self.found.missing if missing.name not in stored]

    def meet(self, definition: Any, how: str) -> bool:
        """Come by a class or function, in a way that is said in words; tell whether it travels by value."""
        if is_shells_open(definition):
            return False
        if id(definition) in self._met:
            return True
        if not self._pickler.by_value(definition):
            self.need(definition.__module__, how)
            return False
        self._met[id(definition)] = definition
        self.found.definitions.append(definition)
        self._left.append(definition)
        return True

    def need(self, module: str | None, reason: str) -> None:
        is_machinery = module in _MACHINERY and not reason.startswith("imported")
        if module and module != "__main__" and not is_machinery:
            known = self.found.modules.get(module, "")
            if not known or (reason.startswith("imported") and not known.startswith("imported")):
                self.found.modules[module] = reason

    def _look_into_function(self, function: types.FunctionType) -> None:
        code, user = function.__code__, function.__qualname__
        if by_type := implementations_of(function):
            for implementation in by_type.values():
                self.meet(implementation, f"used by {user}")
            return
        for module in sorted(imports_of(code)):
            self.need(module, f"imported by {user}")
        for variable in environment_reads(code, function.__globals__):
            self.found.variables.setdefault(variable, user)
        for name, line in global_names(code).items():
            self._look_up(name, function, line)
        for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
            with suppress(ValueError):  # a cell that is empty
                if name != "__class__" and cell.cell_contents is not function:
                    self._use(("closure", id(cell)), name, "closure", cell.cell_contents, function)
        for name, value in _defaults_of(function):
            self._use(("default", id(function), name), name, "default", value, function)
        for value in [*function.__annotations__.values(), *vars(function).values()]:
            self._follow(value, user)

    def _look_up(self, name: str, function: types.FunctionType, line: int) -> None:
        variables = function.__globals__
        if name in _NOTEBOOK_ONLY or (name in variables and is_shells_exit(variables[name])):
            if not _may_be_absent(function.__code__, name):
                self.found.notebook_only.setdefault(name, function.__qualname__)
        elif name in variables:
            self._use(("global", id(variables), name), name, "global", variables[name], function)
        elif not (is_builtin(name) or _may_be_absent(function.__code__, name)):
            self._miss(name, function, line)

    def _look_into_class(self, cls: type) -> None:
        for base in [*cls.__bases__, type(cls)]:
            if base not in {object, type}:
                self.meet(base, f"used by {cls.__qualname__}")
        for name, member in own_members(cls).items():
            functions = list(_functions_of(member))
            for function in functions:
                self.meet(function, f"used by {cls.__qualname__}")
            if functions or name in _NOT_WRITTEN or isinstance(member, types.MemberDescriptorType):
                continue
            if name.startswith("__") or (issubclass(cls, enum.Enum) and name.startswith("_") and name.endswith("_")):
                self._follow(member, cls.__qualname__)
            else:
                self._use(("attribute", id(cls), name), f"{cls.__qualname__}.{name}", "attribute", member, cls)

    def _use(self, key: tuple[Any, ...], name: str, kind: Kind, value: Any, owner: Any) -> None:
        user = owner.__qualname__
        if isinstance(value, types.ModuleType):
            self.need(value.__name__, f"imported by {user}")
            return
        if isinstance(value, types.BuiltinFunctionType) and isinstance(value.__self__, types.ModuleType | None):
            self.need(value.__module__, f"imported by {user}")
            return
        if isinstance(value, type | types.FunctionType) and not self.meet(value, f"used by {user}"):
            return
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = Name(name, kind, value, owner)
            self.found.names.append(known)
            if not isinstance(value, type | types.FunctionType):
                self._measure(known)
        if user not in known.users:
            known.users.append(user)

    def _measure(self, name: Name) -> None:
        try:
            name.size = self._pickler.measure(name.value, name.name)
        except Exception as error:  # noqa: BLE001  # whatever a class's own __getstate__ or __reduce__ raises
            user = name.owner.__qualname__
            path = name.name if name.kind in {"global", "attribute"} else f"{user} -> {name.name}"
            way_out = f"Create it in load_model, or inside {user}, which uses it."
            name.problem = explain_unpicklable(name.value, path, error, way_out)

    def _follow(self, value: Any, user: str) -> None:
        """Go on to the classes and functions inside something that Python keeps with a definition."""
        try:
            self._pickler.measure(value, user)
        except Exception:  # noqa: BLE001  # pickling says it better, with the way to it
            return

    def _miss(self, name: str, function: types.FunctionType, line: int) -> None:
        near = nearest(name, [known for known in function.__globals__ if not known.startswith("_")])
        step = near or "Define it in a cell, or correct the name."
        place = place_of(function.__code__.co_filename, line)
        self.found.missing.append(Missing(name, function.__qualname__, place, step))


class _Measuring(NotebookPickler):
    """Pickles values one by one, for their sizes; classes and functions in them are met, and left out."""

    def __init__(self, walk: _Walk) -> None:
        super().__init__()
        self._walk = walk
        self._within = ""

    def measure(self, value: Any, name: str) -> int:
        before, self._within = self.length(), name
        self.dump(value)
        return self.length() - before

    def by_value(self, definition: Any) -> bool:
        # As cloudpickle decides it; to let it take a function apart for the answer takes ten times as long.
        return definition.__module__ != "builtins" and not _should_pickle_by_reference(definition)

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, type | types.FunctionType):
            if obj.__module__ == "builtins" or not self._walk.meet(obj, f"behind {self._within}"):
                return super().reducer_override(obj)  # which names the types of methods and the like, too
            return str, (obj.__qualname__,)
        if isinstance(obj, types.ModuleType):
            self._walk.need(obj.__name__, f"behind {self._within}")
        return super().reducer_override(obj)


def _functions_of(member: Any) -> Iterator[types.FunctionType]:
    """Walk the functions that a member of a class is made of."""
    parts = next((parts for kind, parts in _MADE_OF.items() if isinstance(member, kind)), ())
    for inner in (member, *(getattr(member, part) for part in parts)):
        if isinstance(inner, types.FunctionType):
            yield inner


_MADE_OF: dict[Any, tuple[str, ...]] = {
    (staticmethod, classmethod): ("__func__",),
    property: ("fget", "fset", "fdel"),
    (functools.cached_property, functools.partialmethod): ("func",),
}


def _defaults_of(function: types.FunctionType) -> Iterator[tuple[str, Any]]:
    code, given = function.__code__, function.__defaults__ or ()
    yield from zip(code.co_varnames[code.co_argcount - len(given) : code.co_argcount], given, strict=True)
    yield from (function.__kwdefaults__ or {}).items()


def _stored_by(definition: Any) -> set[str]:
    return stored_globals(definition.__code__) if inspect.isfunction(definition) else set()


def _may_be_absent(code: types.CodeType, name: str) -> bool:
    """Tell whether code is prepared for a name that does not exist: it catches that, or looks first."""
    return any(
        "NameError" in part.co_names or ("globals" in part.co_names and name in part.co_consts) for part in nested(code)
    )
