"""An alias that a server follows: where it moves, workers of the new version start beside the old, and take over."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from vessl_nb.errors import VesslError
from vessl_nb.serving.loosened import loosen_input
from vessl_nb.serving.orders import Tried
from vessl_nb.serving.telling import as_told
from vessl_nb.values.schema_words import describe_signature

if TYPE_CHECKING:
    from vessl_nb.registry.version import Version
    from vessl_nb.serving.crew import Crew
    from vessl_nb.serving.front import Front

_LOOK = 1.0
"""How often the alias is looked at, in seconds."""

_FIRST_PAUSE, _LONGEST_PAUSE = 5.0, 300.0
"""How long a version that did not load is let alone before it is tried again, in seconds: twice as long each time."""

log = logging.getLogger("vessl_nb.serving")


class Refused(msgspec.Struct, frozen=True):
    """A version that the server did not take over.

    Attributes
    ----------
    reference
        The version.
    why
        What is wrong with it, in words.
    at
        When it was tried.
    """

    reference: str
    why: str
    at: dt.datetime


@dataclass(slots=True)
class _Candidate:
    """A version that the alias points at, and that is to take over.

    One that answers otherwise than it did is not tried again. One that does not load may do so later: there was no room
    on a disk, say, or a shared drive was away.
    """

    version: Version
    at: float = 0.0
    pause: float = 0.0

    def wait(self) -> float:
        """Let it be tried again after a while, and give how long that is, in seconds."""
        self.pause = min(2 * self.pause or _FIRST_PAUSE, _LONGEST_PAUSE)
        self.at = time.monotonic() + self.pause
        return self.pause


class Following:
    """An alias, as a server follows it.

    Parameters
    ----------
    front
        The server.
    reference
        The alias, as the server was started with it.

    Attributes
    ----------
    switched
        When another version took over last; None where none did.
    refused
        The last version that was to take over and did not; None where the present one is the one to be served.
    problem
        Why the alias cannot be followed at the moment; empty where it can.
    """

    def __init__(self, front: Front, reference: str) -> None:
        self.reference = reference
        self.switched: dt.datetime | None = None
        self.refused: Refused | None = None
        self.problem = ""
        self._front = front
        self._candidate: _Candidate | None = None

    @property
    def is_current(self) -> bool:
        """Whether the server has what the alias points at, or goes there, as far as that can be read."""
        return self.refused is None and not self.problem

    async def follow(self) -> None:
        """Look at the alias now and then, and take over what it points at."""
        while True:
            await asyncio.sleep(_LOOK)
            try:
                await self._look()
                self.problem = ""
            except Exception as error:  # noqa: BLE001  # it was removed, or the registry is out of reach: what runs goes on
                problem = error.what if isinstance(error, VesslError) else f"{type(error).__name__}: {error}"
                told = as_told(problem)
                if told != self.problem:
                    log.warning("%s cannot be followed at the moment: %s", self.reference, problem)
                self.problem = told

    async def _look(self) -> None:
        version = await asyncio.to_thread(self._front.resolve)  # a shared drive may take its time
        if _same(version, self._front.version):
            self.refused, self._candidate = None, None
            return
        if not self._candidate or not _same(version, self._candidate.version):
            self._candidate = _Candidate(version)
        if time.monotonic() >= self._candidate.at:
            await self._try(self._candidate)

    async def _try(self, candidate: _Candidate) -> None:
        """Start workers of a version beside the present ones, and let them answer from then on if all is well."""
        version, front = candidate.version, self._front
        crew = front.crew_of(version)
        proving = asyncio.ensure_future(_prove(crew))
        try:
            while not proving.done():
                await asyncio.wait([proving], timeout=_LOOK)
                if await self._has_left(version):
                    log.info("%s has left %s, which does not take over any more", self.reference, version.reference)
                    await _give_up(crew, proving)
                    return
            tried, has_loaded = proving.result()
        except BaseException:  # the end of the server, say
            await _give_up(crew, proving)
            raise
        if tried.problem:
            await crew.end()
            self.refused = Refused(version.reference, as_told(tried.problem), dt.datetime.now(dt.UTC))
            candidate.at = math.inf
            again = "" if has_loaded else f" Trying again in {candidate.wait():g} s."
            log.error(
                "%s now is %s, but it does not take over: %s%s", self.reference, version.reference, tried.problem, again
            )
            return
        log.info("%s now is %s; %s finishes what it has", self.reference, version.reference, front.version.reference)
        takes, took = _taken_by(version, crew), _taken_by(front.version, front.crew)
        if takes != took:
            log.warning(
                "%s takes other input than %s did: %s, where it was %s",
                version.reference,
                front.version.reference,
                describe_signature(takes),
                describe_signature(took),
            )
        front.switch(version, crew, tried)
        self.switched = dt.datetime.now(dt.UTC)
        self.refused, self._candidate = None, None

    async def _has_left(self, version: Version) -> bool:
        """Tell whether the alias points elsewhere by now; where that cannot be read, it stays."""
        try:
            return not _same(await asyncio.to_thread(self._front.resolve), version)
        except Exception:  # noqa: BLE001  # `follow` says why, if it lasts
            return False


async def _prove(crew: Crew) -> tuple[Tried, bool]:
    """Start workers, and let them answer the stored examples; tells also whether it came to that."""
    try:
        await crew.start()
    except VesslError as error:
        return Tried(problem=error.what), False
    return await crew.try_examples(), True


async def _give_up(crew: Crew, proving: asyncio.Future[tuple[Tried, bool]]) -> None:
    proving.cancel()
    await asyncio.wait([proving])
    await crew.end()


def _taken_by(version: Version, crew: Crew) -> dict[str, Any]:
    schema = version.signature.input if version.signature else {}
    return loosen_input(schema, is_declared=crew.loaded.input_is_declared)


def _same(one: Version, other: Version) -> bool:
    return (one.number, one.revision, one.digest) == (other.number, other.revision, other.digest)
