"""What cannot leave the process is refused, with the way to it, its type, and the way out; nothing is registered."""

from __future__ import annotations

import collections
import concurrent.futures
import contextlib
import dataclasses
import enum
import functools
import os
import socket
import sqlite3
import subprocess
import sys
import threading
import types
import warnings
import weakref
from pathlib import Path

import numpy as np
import pytest
import torch

import vessl_nb as vessl
from vessl_nb.errors import CannotPickle


def make_runner():
    """Make a runner that travels by value, as one from a notebook does."""

    class Runner(vessl.RunnerBase):
        @staticmethod
        def predict(model, data):
            return model

    return Runner


def scripted(make):
    """Make a module of torch's own language; torch says of each way that it is deprecated."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"`torch\.jit\.", DeprecationWarning)
        return make(torch.nn.Linear(2, 2))


def opened(name, mode):
    return Path(name).open(mode)


KINDS = {
    "_thread.lock": lambda stack: threading.Lock(),
    "_thread.RLock": lambda stack: threading.RLock(),
    "threading.Event": lambda stack: threading.Event(),
    "generator": lambda stack: (number for number in [1]),
    "_io.BufferedReader": lambda stack: stack.enter_context(opened(__file__, "rb")),
    "_io.TextIOWrapper": lambda stack: stack.enter_context(opened(os.devnull, "w")),
    "sqlite3.Connection": lambda stack: stack.enter_context(contextlib.closing(sqlite3.connect(":memory:"))),
    "socket.socket": lambda stack: stack.enter_context(socket.socket()),
    "subprocess.Popen": lambda stack: stack.enter_context(subprocess.Popen(["true"])),
    "concurrent.futures.thread.ThreadPoolExecutor": lambda stack: stack.enter_context(
        concurrent.futures.ThreadPoolExecutor()
    ),
    "threading.Thread": lambda stack: threading.Thread(target=print),
    "weakref.ReferenceType": weakref.ref,
    "torch.jit._script.RecursiveScriptModule": lambda stack: scripted(torch.jit.script),
    "torch.jit._trace.TopLevelTracedModule": lambda stack: scripted(lambda net: torch.jit.trace(net, torch.ones(1, 2))),
}
"""How to make something of a type that cannot be pickled, to be closed with a stack."""


class Part:
    """Something with attributes."""

    def __init__(self, **attributes):
        vars(self).update(attributes)


@dataclasses.dataclass
class Encoder:
    size: int
    cache: object


@dataclasses.dataclass(frozen=True, slots=True)
class Frozen:
    size: int
    cache: object


class Slotted:
    __slots__ = ("cache", "never_set", "size")

    def __init__(self, cache):
        self.size, self.cache = 3, cache


class MoreSlots(Slotted):
    __slots__ = ("__dict__", "more")


class Color(enum.Enum):
    RED = 1


Pair = collections.namedtuple("Pair", "cache size")  # noqa: PYI024  # as older notebooks write it


def in_a_module(thing):
    net = torch.nn.Module()
    net.encoder = torch.nn.Linear(2, 2)
    net.encoder.cache = thing
    return net


def in_a_class(thing):
    class Model:
        sizes = (1, 2)
        cache = thing

    return Part(encoder=Model())


PLACES = {
    "attribute": (lambda thing: Part(size=3, encoder=Part(fine=[1], cache=thing)), "model.encoder.cache"),
    "list": (lambda thing: Part(layers=[1, [np.ones(3), thing]]), "model.layers[1][1]"),
    "tuple": (lambda thing: ("a", thing), "model[1]"),
    "dictionary": (lambda thing: {"encoder": {"size": 3, "cache": thing}}, "model['encoder']['cache']"),
    "dataclass": (lambda thing: Part(encoder=Encoder(3, thing)), "model.encoder.cache"),
    "dataclass with slots": (lambda thing: Part(encoder=Frozen(3, thing)), "model.encoder.cache"),
    "slots": (lambda thing: Part(encoder=Slotted(thing)), "model.encoder.cache"),
    "attribute of a torch module": (in_a_module, "model.encoder.cache"),
    "closure": (lambda cache: Part(encoder=lambda: cache), "model.encoder -> cache"),
}


@pytest.fixture
def refused(snapshot):
    """Give a function that registers a model, which is refused: it gives the error, and nothing was registered."""
    vessl.register_model("refused", None, make_runner(), {"a": np.ones(5000)})

    def register(model, runner=None):
        before = snapshot()
        with pytest.raises(CannotPickle) as caught:
            vessl.register_model("refused", None, runner or make_runner(), model)
        assert snapshot() == before
        return caught.value

    return register


@pytest.mark.parametrize(("place", "path"), PLACES.values(), ids=PLACES)
@pytest.mark.parametrize("kind", KINDS)
def test_it_is_named_with_the_way_to_it(refused, kind, place, path):
    with contextlib.ExitStack() as stack:
        error = refused(place(KINDS[kind](stack)))
    assert error.path == path
    assert error.what.startswith(f"Cannot pickle {path}, a {kind}: ")
    assert "\n" not in error.what
    assert " at 0x" not in error.what
    assert "save_model and load_model" in error.next_step


@pytest.fixture
def connection():
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        yield connection


def leading_back(thing):
    model = Part(encoder=Part())
    model.encoder.parent = model
    model.encoder.cache = thing
    return model


def leading_back_from_beside(thing):
    model = Part(encoder=Part())
    model.encoder.parent = model
    model.cache = thing
    return model


def holding_itself(thing):
    model = []
    model += [model, thing]
    return model


class Tidy:
    """Drops what cannot be pickled, and forgets one thing."""

    def __init__(self, thing):
        self.connection = self.forgotten = thing

    def __getstate__(self):
        return {name: value for name, value in vars(self).items() if name != "connection"}


class Step:
    def __init__(self, thing):
        self.cache = thing

    def run(self):
        return self.cache


def in_a_property(thing):
    class Model:
        @property
        def cache(self):
            return thing

    return Model()


def in_a_base_class(thing):
    class Base:
        cache = thing

    class Model(Base):
        def run(self):
            return super().cache

    return Model()


def in_a_list_in_a_closure(thing):
    things = [1, thing]
    return lambda: things


def behind_an_empty_cell(thing):
    def step():
        return later, thing  # noqa: F821  # on purpose, below

    later = None
    del later
    return step


FURTHER = {
    "in a list of modules": (lambda x: torch.nn.ModuleList([torch.nn.Linear(1, 1), in_a_module(x)]), "model.1.encoder.cache"),
    "in a default": (lambda x: Part(step=lambda data, cache=x: cache), "model.step -> cache"),
    "in a default by keyword": (lambda x: Part(step=lambda *, cache=x: cache), "model.step -> cache"),
    "in a closure of a closure": (lambda x: Part(step=lambda: (lambda: x)), "model.step -> x"),
    "in a list in a closure": (in_a_list_in_a_closure, "model -> things[1]"),
    "behind a cell that is empty": (behind_an_empty_cell, "model -> thing"),
    "in a partial's argument": (lambda x: [functools.partial(print, 1, x)], "model[0].args[1]"),
    "in a partial's keyword": (lambda x: [functools.partial(print, sep=x)], "model[0].keywords['sep']"),
    "in what a method is bound to": (lambda x: Part(step=Step(x).run), "model.step.__self__.cache"),
    "in a class": (in_a_class, "model.encoder.cache"),
    "in a base class": (in_a_base_class, "model.cache"),
    "in a property": (in_a_property, "model.cache -> thing"),
    "in slots and more": (lambda x: Part(encoder=MoreSlots(x)), "model.encoder.cache"),
    "in a dictionary with attributes": (lambda x: type("Table", (dict,), {})(a=Part(cache=x)), "model['a'].cache"),
    "in an ordered dictionary": (lambda x: collections.OrderedDict(a=1, b=x), "model['b']"),
    "in a named tuple": (lambda x: [Pair(x, 3)], "model[0].cache"),
    "in a deque": (lambda x: collections.deque([1, x]), "model[1]"),
    "in a set": (lambda x: Part(handles={x}), "model.handles"),
    "in a namespace": (lambda x: types.SimpleNamespace(cache=x), "model.cache"),
    "under a number": (lambda x: {3: {("a", 1): x}}, "model[3][('a', 1)]"),
    "under None": (lambda x: {None: x}, "model[None]"),
    "under a member of an enum": (lambda x: {Color.RED: x}, "model[<Color.RED: 1>]"),
    "under an object": (lambda x: {Part(): x}, "model[<Part>]"),
    "under a long text": (lambda x: {"a" * 1000: x}, f"model['{'a' * 59}…]"),
    "beside what was dropped": (lambda x: Part(encoder=Tidy(x)), "model.encoder.forgotten"),
    "where a part knows its parent": (leading_back, "model.encoder.cache"),
    "beside a part that knows its parent": (leading_back_from_beside, "model.cache"),
    "in a list that holds itself": (holding_itself, "model[1]"),
    "beside large weights": (lambda x: {"w": torch.ones(2_000_000), "v": np.ones(1_000_000), "x": x}, "model['x']"),
}  # fmt: skip


@pytest.mark.parametrize(("place", "path"), FURTHER.values(), ids=FURTHER)
def test_it_is_found_wherever_it_is(refused, connection, place, path):
    error = refused(place(connection))
    assert error.path == path
    assert "sqlite3.Connection" in error.what


def test_it_is_found_in_the_hook_of_a_module(refused, connection):
    net = torch.nn.Sequential(torch.nn.Linear(2, 2))
    hook = net[0].register_forward_hook(lambda *_: connection)
    assert refused(net).path == f"model.0._forward_hooks[{hook.id}] -> connection"


def test_it_is_found_in_what_the_runner_holds(refused, connection):
    class Runner(vessl.RunnerBase):
        settings = {"cache": [connection]}  # noqa: RUF012  # as users write it

        @staticmethod
        def predict(model, data):
            return Runner.settings

    error = refused(1, Runner)
    assert error.path == f"{Runner.__qualname__}.settings['cache'][0]"
    assert "Create it in load_model" in error.next_step


def test_it_is_found_in_what_a_runners_method_closes_over(refused, connection):
    class Runner(vessl.RunnerBase):
        @staticmethod
        def preprocess_data(data):
            return super(Runner, Runner).preprocess_data(data)

        @staticmethod
        def predict(model, data):
            return connection.execute(data)

    error = refused(1, Runner)
    assert error.path == f"{Runner.__qualname__}.predict -> connection"
    assert "Runner.predict -> connection, a sqlite3.Connection: " in error.what


def test_a_class_that_refuses_is_named_itself(refused):
    class Session:
        def __init__(self):
            self.fine = [1]

        def __reduce__(self):
            raise RuntimeError("a session stays here\nand nowhere else")

    error = refused(Part(encoder=Part(session=Session())))
    assert error.path == "model.encoder.session"
    assert error.what.endswith("Session: a session stays here")


def test_one_that_cannot_be_looked_into_is_an_error_of_the_same_kind(refused, connection):
    class Odd:
        def __getstate__(self):
            return connection

        @property
        def __dict__(self):
            raise RuntimeError("not for you")

    error = refused(Odd())
    assert error.path == "model"
    assert "sqlite3.Connection" in error.what


def test_a_chain_that_is_too_deep_is_the_models_own_matter(refused):
    chain = None
    for _ in range(100_000):
        chain = [chain]
    error = refused(Part(chain=chain))
    assert error.path == "model"
    assert "recursion" in error.what
    while chain:
        chain = chain[0]


def test_the_search_ends_where_there_is_too_much_to_try(refused, connection):
    error = refused(Part(many=[*range(1_000_000), connection]))
    assert error.path == "model.many"
    assert "sqlite3.Connection" in error.what


def test_a_text_file_that_is_open_for_reading_is_refused_and_not_read(tmp_path):
    (tmp_path / "words.txt").write_text("hello\nworld\n")
    with (tmp_path / "words.txt").open() as file:
        with pytest.raises(CannotPickle, match=r"model\.file, a _io\.TextIOWrapper"):
            vessl.register_model("files", None, make_runner(), Part(file=file))
        assert file.tell() == 0


def test_the_streams_of_the_process_travel_as_the_streams_of_the_other(capsys):
    with capsys.disabled():  # pytest puts others in their place
        reload_streams()


def reload_streams():
    vessl.register_model("files", None, make_runner(), [sys.stdout, sys.stderr])
    assert vessl.load("files").model == [sys.stdout, sys.stderr]
