"""Every order in which the steps of several actors on one folder can come.

An actor is a function that runs in a thread of its own. It stops before each call of the operating system that
matters, and goes on when it is its turn: so one run is a list of turns, and all lists of turns are tried, each on a
fresh copy of the folder. Instead of a step, an actor may be killed, once in a run. Two runs that come to the same files, with the same in the mind of each actor, go on in the
same way: only one of them is followed, which makes some thousand runs of many millions.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
import threading
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_ONE_PATH = ("unlink", "rmdir", "mkdir", "stat", "listdir", "scandir", "utime")
_TWO_PATHS = ("link", "rename", "replace")
_REAL: dict[str, Any] = {name: getattr(os, name) for name in (*_ONE_PATH, *_TWO_PATHS)} | {"open": io.open}


class Ended(BaseException):
    """What ends an actor before its time: from then on nothing that it does reaches the disk."""


@dataclass(frozen=True)
class View:
    """What of the actors' doings counts.

    Attributes
    ----------
    meaning
        Names the step that an operation is, by the actor, the function and the paths below the folder; None where it
        is none.
    open_minds
        The actors of which all that they know is in the variables of the functions that they are in, as plain data. Of
        the others, all that they ever saw counts.
    whole
        Functions whose variables are all that counts, once they are called: not those of their callers.
    alike
        Two actors that do the same: what becomes of both if they change places need not be tried.
    killable
        The actors that may be killed.
    """

    meaning: Callable[..., str | None]
    open_minds: frozenset[str] = frozenset()
    whole: frozenset[str] = frozenset()
    alike: tuple[str, str] | None = None
    killable: frozenset[str] = frozenset()


def _shut_gate() -> Any:
    gate = threading.Lock()  # many times as fast as a semaphore
    gate.acquire()
    return gate


@dataclass
class Actor:
    """One who works on the folder.

    Attributes
    ----------
    name, work
        Its name, and what it does.
    seen
        What it did and what came of it, so far.
    """

    name: str
    work: Callable[[], Any]
    seen: list[tuple[str, Any]] = field(default_factory=list)
    is_done: bool = False
    is_ended: bool = False
    result: Any = None
    error: BaseException | None = None
    _turn: Any = field(default_factory=_shut_gate)
    _stopped: Any = field(default_factory=_shut_gate)

    def begin(self) -> None:
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()
        self._stopped.acquire()

    def _run(self) -> None:
        try:
            self.result = self.work()
        except Ended:
            pass
        except BaseException as error:  # noqa: BLE001  # whatever it is, the test says
            self.error = error
        self.is_done = True
        self._stopped.release()

    def go_on(self) -> None:
        """Let it do the step that it stopped before, and stop before its next one."""
        self._turn.release()
        self._stopped.acquire()

    def stop(self) -> None:
        """Stop here, until it is its turn."""
        self._stopped.release()
        self._turn.acquire()

    def end(self) -> None:
        self.is_ended = True
        if not self.is_done:
            self.go_on()


class Play:
    """One run: some actors on one folder."""

    def __init__(self, root: Path, view: View) -> None:
        self.root = root
        self.actors: dict[str, Actor] = {}
        self.running: Actor | None = None
        self.turns: list[str] = []
        self._view = view

    def begin(self, actors: dict[str, Callable[[], Any]]) -> None:
        for name, work in actors.items():
            self.actors[name] = self.running = Actor(name, work)
            self.running.begin()
            self.running = None

    def choices(self) -> list[str]:
        """List what may come next: a step of an actor, by its name, or its death."""
        alive = [actor.name for actor in self.actors.values() if not actor.is_done]
        if any(actor.is_ended for actor in self.actors.values()):
            return alive
        return alive + [f"kill {name}" for name in alive if name in self._view.killable]

    def take(self, name: str) -> None:
        """Let an actor take its next step, or be killed before it."""
        self.turns.append(name)
        self.running = self.actors[name.removeprefix("kill ")]
        if name.startswith("kill "):
            self.running.end()
        else:
            self.running.go_on()
        self.running = None

    def end(self) -> None:
        """End all actors that have not come to their end."""
        for actor in self.actors.values():
            self.running = actor
            actor.end()
            actor.thread.join(10)
        self.running = None

    def files(self) -> frozenset[str]:
        """List the files and folders, but for those that are being written."""
        return frozenset(
            f"{place}/{name}"[len(str(self.root)) :]
            for place, folders, names in os.walk(self.root)
            for name in (*folders, *names)
            if not name.endswith(".tmp")
        )

    def state(self) -> Any:
        """Give what decides how it goes on: the files, and what each actor has in mind."""
        minds = {actor.name: (actor.is_done, actor.is_ended, self._mind(actor)) for actor in self.actors.values()}
        state = (self.files(), frozenset(minds.items()))
        if self._view.alike:
            one, other = self._view.alike
            return min(state, _renamed(state, {one: other, other: one}), key=hash)
        return state

    def _mind(self, actor: Actor) -> tuple[Any, ...]:
        if actor.name not in self._view.open_minds:
            return tuple(actor.seen)
        frame = None if actor.is_done else sys._current_frames().get(actor.thread.ident)
        found: list[Any] = []
        is_within = True
        while frame is not None:
            if "/vessl_nb/" in frame.f_code.co_filename:
                known = frame.f_locals.items() if is_within else ()
                variables = ((name, _plain(value, str(self.root))) for name, value in known)
                found.append((frame.f_code.co_name, frame.f_lasti, *variables))
                is_within &= frame.f_code.co_name not in self._view.whole
            frame = frame.f_back
        return tuple(found)

    def story(self) -> str:
        """Tell the run, step by step."""
        steps = {name: iter(actor.seen) for name, actor in self.actors.items()}
        return "\n".join(f"{name}: {next(steps[name], '(the end)') if name in steps else ''}" for name in self.turns)

    def perform(self, function: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
        """Call a function of the operating system on behalf of the actor whose turn it is."""
        actor = self.running
        if actor is None or threading.current_thread() is threading.main_thread():
            return function(*arguments, **keywords)
        if actor.is_ended:
            raise Ended
        name = function.__name__
        paths = [self._below(path) for path in arguments[: 2 if name in _TWO_PATHS else 1]]
        is_here = any(paths) and "dir_fd" not in keywords
        label = self._view.meaning(actor.name, name, *paths) if is_here else None
        if label is None:
            return function(*arguments, **keywords)
        actor.stop()
        if actor.is_ended:
            raise Ended
        try:
            result = function(*arguments, **keywords)
        except OSError as error:
            actor.seen.append((label, type(error).__name__))
            raise
        actor.seen.append((label, _what_is_seen(name, arguments[0], result)))
        return result

    def _below(self, path: Any) -> str:
        if not isinstance(path, str | os.PathLike):
            return ""
        text = os.fspath(path)
        return text[len(str(self.root)) + 1 :] if text.startswith(f"{self.root}/") else ""


def _what_is_seen(name: str, path: Any, result: Any) -> Any:
    if name in {"listdir", "scandir"}:
        with contextlib.suppress(FileNotFoundError):
            return tuple(sorted(_REAL["listdir"](path)))
    if name == "stat":
        return result.st_size
    if name == "open" and Path(path).suffix in {".pin", ".json"} and "journal" not in str(path):
        with _REAL["open"](path, "rb") as file:
            return file.read()
    return "done"


def _plain(value: Any, root: str) -> Any:
    """Give a variable's value as data that compares equal in another run."""
    match value:
        case bool() | int() | None:
            return value
        case str() | Path():
            return str(value).removeprefix(root)
        case set() | frozenset():
            return frozenset(_plain(inner, root) for inner in value)
        case list() | tuple():
            return tuple(_plain(inner, root) for inner in value)
        case dict():
            return tuple((_plain(key, root), _plain(inner, root)) for key, inner in value.items())
    return type(value).__name__


def _renamed(value: Any, names: dict[str, str]) -> Any:
    match value:
        case str():
            return re.sub("|".join(names), lambda found: names[found[0]], value)
        case tuple() | frozenset():
            return type(value)(_renamed(inner, names) for inner in value)
    return value


@contextlib.contextmanager
def _hooks(play: Play) -> Iterator[None]:
    """Let everything that asks the operating system stop first; nothing waits for the disk."""
    hooked = {name: partial(play.perform, real) for name, real in _REAL.items()}
    io.open = hooked.pop("open")
    for name, hook in hooked.items():
        setattr(os, name, hook)
    sync, os.fsync = os.fsync, lambda _: None
    try:
        yield
    finally:
        for name in hooked:
            setattr(os, name, _REAL[name])
        io.open, os.fsync = _REAL["open"], sync


@dataclass(frozen=True)
class Tried:
    """How many runs there were, and how many states they came through."""

    runs: int
    states: int


def try_every_order(
    prepare: Callable[[], tuple[Play, dict[str, Callable[[], Any]]]],
    *,
    at_every_state: Callable[[Play], None] = lambda _: None,
    at_every_end: Callable[[Play], None] = lambda _: None,
) -> Tried:
    """Try every order of the actors' steps.

    Parameters
    ----------
    prepare
        Makes a fresh folder, and gives a play on it with the actors' work.
    at_every_state, at_every_end
        Look whether all is as it should be.
    """
    been: set[int] = set()
    left: list[list[str]] = [[]]
    runs = 0
    while left:
        given = left.pop()
        play, actors = prepare()
        runs += 1
        with _hooks(play):
            try:
                play.begin(actors)
                for choice in given:
                    play.take(choice)
                while (state := hash(play.state())) not in been:
                    been.add(state)
                    at_every_state(play)
                    choices = play.choices()
                    if not choices:
                        at_every_end(play)
                        break
                    left += [[*play.turns, other] for other in choices[1:]]
                    play.take(choices[0])
            except BaseException as error:
                error.add_note(f"After:\n{play.story()}")
                raise
            finally:
                play.end()
    return Tried(runs, len(been))
