"""Several actors on one folder, a step at a time: every order of their steps, each of them killed at each step."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Killed(BaseException):
    """Ends an actor that was killed: from then on nothing that it does reaches the disk."""


@dataclass
class Actor:
    """One who works, in a thread of its own, and stops before each of its steps until it is its turn."""

    name: str
    work: Callable[[], Any]
    is_done: bool = False
    is_killed: bool = False
    error: BaseException | None = None
    turn: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    stopped: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def run(self) -> None:
        _here.actor = self
        try:
            self.work()
        except Killed:
            pass
        except BaseException as error:  # noqa: BLE001  # the test shows it
            self.error = error
        self.is_done = True
        self.stopped.release()


_here = threading.local()


def step(function: Callable[..., Any], matters: Callable[..., bool] = lambda *_, **__: True) -> Callable[..., Any]:
    """Make a function one before which an actor stops, where its arguments matter; a killed actor never comes to it."""

    def stepping(*arguments: Any, **named: Any) -> Any:
        actor = getattr(_here, "actor", None)
        if actor is not None:
            if not actor.is_killed and matters(*arguments, **named):
                actor.stopped.release()
                actor.turn.acquire()
            if actor.is_killed:
                raise Killed
        return function(*arguments, **named)

    return stepping


class Play:
    """One run of some actors, from the first step to the last."""

    def __init__(self, works: dict[str, Callable[[], Any]]) -> None:
        self.actors = [Actor(name, work) for name, work in works.items()]
        self.turns: list[str] = []
        for actor in self.actors:
            threading.Thread(target=actor.run, daemon=True).start()
            actor.stopped.acquire()

    def choices(self, killable: tuple[str, ...]) -> list[str]:
        """List what may come next: a step of an actor, or, once in a run, the death of one."""
        alive = [actor.name for actor in self.actors if not actor.is_done]
        may_die = not any(actor.is_killed for actor in self.actors)
        return alive + [f"kill {name}" for name in alive if may_die and name in killable]

    def take(self, choice: str) -> None:
        self.turns.append(choice)
        name = choice.removeprefix("kill ")
        actor = next(actor for actor in self.actors if actor.name == name)
        actor.is_killed |= choice != name
        actor.turn.release()
        actor.stopped.acquire()


def every_order(choose: Callable[[Callable[[list[str]], str]], None]) -> Iterator[int]:
    """Run something again and again, until every way of choosing was gone; gives the number of runs so far.

    Parameters
    ----------
    choose
        Runs once; it is given a function that picks one of several choices.
    """
    ways: list[tuple[int, int]] = []  # which choice was picked, of how many
    runs = 0
    while True:
        taken = 0

        def pick(choices: list[str]) -> str:
            nonlocal taken
            if taken == len(ways):
                ways.append((0, len(choices)))
            taken += 1
            return choices[ways[taken - 1][0]]

        choose(pick)
        runs += 1
        yield runs
        while ways and ways[-1][0] + 1 == ways[-1][1]:
            ways.pop()
        if not ways:
            return
        ways[-1] = (ways[-1][0] + 1, ways[-1][1])
