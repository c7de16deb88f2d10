"""Every order in which the steps of several actors on one folder can come, each actor killed at each step as well.

An actor is a function that runs in a thread of its own. It stops before each call of the operating system that
matters, and goes on when it is its turn: so one run is a list of turns, and all lists of turns are tried, each on a
fresh copy of the folder. Two runs that come to the same files, with the same things seen by each actor, go on in the
same way: only one of them is followed.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_ONE_PATH = ("unlink", "rmdir", "mkdir", "stat", "listdir", "scandir", "utime")
_TWO_PATHS = ("link", "rename", "replace")


def _shut_gate() -> Any:
    gate = threading.Lock()  # many times as fast as a semaphore
    gate.acquire()
    return gate


class Killed(BaseException):
    """What ends an actor that was killed: from then on nothing that it does reaches the disk."""


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
    is_killed: bool = False
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
        except Killed:
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

    def kill(self) -> None:
        self.is_killed = True
        if not self.is_done:
            self.go_on()


class Play:
    """One run: some actors on one folder.

    Parameters
    ----------
    root
        The folder.
    meaning
        Names the step that an operation is, by the actor, the function and the paths below the folder; None where it is
        none.
    open_minds
        The actors of which all that they know is in their variables, as plain data.
    """

    def __init__(
        self, root: Path, meaning: Callable[..., str | None], open_minds: frozenset[str] = frozenset()
    ) -> None:
        self.root = root
        self._meaning = meaning
        self._open_minds = open_minds
        self.actors: dict[str, Actor] = {}
        self.running: Actor | None = None
        self.turns: list[tuple[str, str]] = []

    def begin(self, actors: dict[str, Callable[[], Any]]) -> None:
        for name, work in actors.items():
            self.actors[name] = self.running = Actor(name, work)
            self.running.begin()
            self.running = None

    def choices(self, killable: frozenset[str]) -> list[tuple[str, str]]:
        """List what may come next: a step of one of the actors, or the death of one of them."""
        alive = [actor for actor in self.actors.values() if not actor.is_done]
        steps = [("step", actor.name) for actor in alive]
        may_die = not any(actor.is_killed for actor in self.actors.values())
        return steps + [("kill", actor.name) for actor in alive if may_die and actor.name in killable]

    def take(self, choice: tuple[str, str]) -> None:
        kind, name = choice
        actor = self.running = self.actors[name]
        self.turns.append(choice)
        actor.go_on() if kind == "step" else actor.kill()
        self.running = None

    def end(self) -> None:
        """End all actors that have not come to their end."""
        for actor in self.actors.values():
            self.running = actor
            actor.kill()
            actor.thread.join(10)
        self.running = None

    def state(self) -> tuple[Any, ...]:
        """Give what decides how it goes on: the files, and what each actor saw."""
        files = frozenset(
            f"{place}/{name}"[len(str(self.root)) :]
            for place, folders, names in os.walk(self.root)
            for name in (*folders, *names)
            if not name.endswith(".tmp")
        )
        return files, tuple((actor.is_done, actor.is_killed, self._mind(actor)) for actor in self.actors.values())

    def _mind(self, actor: Actor) -> tuple[Any, ...]:
        """Give what an actor has in mind: what it saw; or, which leaves out what it forgot, its variables."""
        if actor.name not in self._open_minds:
            return tuple(actor.seen)
        frame = None if actor.is_done else sys._current_frames().get(actor.thread.ident)
        found = []
        while frame is not None:
            if "/vessl_nb/" in frame.f_code.co_filename:
                known = ((name, self._plain(value)) for name, value in frame.f_locals.items())
                found.append((frame.f_code.co_name, frame.f_lasti, tuple(known)))
            frame = frame.f_back
        return tuple(found)

    def _plain(self, value: Any) -> Any:
        match value:
            case bool() | int() | None:
                return value
            case str() | Path():
                return str(value).removeprefix(str(self.root))
            case set() | frozenset():
                return frozenset(map(self._plain, value))
            case list() | tuple():
                return tuple(map(self._plain, value))
        return type(value).__name__

    def story(self) -> str:
        """Tell the run, step by step."""
        steps = {name: iter(actor.seen) for name, actor in self.actors.items()}
        return "\n".join(
            f"{name}: {'killed' if kind == 'kill' else next(steps[name], '(the end)')}" for kind, name in self.turns
        )

    def perform(self, function: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
        """Call a function of the operating system on behalf of the actor whose turn it is."""
        actor = self.running
        if actor is None or threading.current_thread() is threading.main_thread():
            return function(*arguments, **keywords)
        if actor.is_killed:
            raise Killed
        name = function.__name__
        paths = [self._below(path) for path in arguments[: 2 if name in _TWO_PATHS else 1]]
        label = self._meaning(actor.name, name, *paths) if any(paths) and "dir_fd" not in keywords else None
        if label is None:
            return function(*arguments, **keywords)
        actor.stop()
        if actor.is_killed:
            raise Killed
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
        return text[len(str(self.root)) + 1 :] if text.startswith(str(self.root)) else ""


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


_REAL: dict[str, Any] = {name: getattr(os, name) for name in (*_ONE_PATH, *_TWO_PATHS)} | {"open": io.open}


@contextlib.contextmanager
def _hooks(play: Play) -> Iterator[None]:
    """Let everything that asks the operating system stop first."""

    def hooked(name: str) -> Any:
        real = _REAL[name]
        return lambda *arguments, **keywords: play.perform(real, *arguments, **keywords)

    for name in (*_ONE_PATH, *_TWO_PATHS):
        setattr(os, name, hooked(name))
    io.open = hooked("open")
    sync, os.fsync = os.fsync, lambda _: None
    try:
        yield
    finally:
        for name in (*_ONE_PATH, *_TWO_PATHS):
            setattr(os, name, _REAL[name])
        io.open, os.fsync = _REAL["open"], sync


@dataclass(frozen=True)
class Tried:
    """How many runs there were, and how many states they came through."""

    runs: int
    states: int


def try_every_order(
    prepare: Callable[[int], tuple[Play, dict[str, Callable[[], Any]]]],
    *,
    killable: frozenset[str] = frozenset(),
    on_kill: Callable[[Play, str], None] = lambda _play, _name: None,
    at_every_state: Callable[[Play], None] = lambda _: None,
    at_every_end: Callable[[Play], None] = lambda _: None,
) -> Tried:
    """Try every order of the actors' steps.

    Parameters
    ----------
    prepare
        Makes a fresh folder for the run of this number, and gives it with the actors' work.
    killable
        The actors of which one is killed, at each of its steps, in some of the runs.
    on_kill
        Lets the folder tell that an actor is dead.
    at_every_state, at_every_end
        Look whether all is as it should be.
    """
    been: set[Any] = set()
    left: list[list[tuple[str, str]]] = [[]]
    runs = 0
    while left:
        given = left.pop()
        play, actors = prepare(runs)
        runs += 1
        with _hooks(play):
            play.begin(actors)
            try:
                for choice in given:
                    _take(play, choice, on_kill)
                while (state := play.state()) not in been:
                    been.add(state)
                    at_every_state(play)
                    choices = play.choices(killable)
                    if not choices:
                        at_every_end(play)
                        break
                    left += [[*play.turns, other] for other in choices[1:]]
                    _take(play, choices[0], on_kill)
            except BaseException as error:
                error.add_note(f"After:\n{play.story()}")
                raise
            finally:
                play.end()
    return Tried(runs, len(been))


def _take(play: Play, choice: tuple[str, str], on_kill: Callable[[Play, str], None]) -> None:
    play.take(choice)
    if choice[0] == "kill":
        on_kill(play, choice[1])
