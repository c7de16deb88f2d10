"""The front: what stands between the network and the workers, and runs none of the user's code."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import logging
import math
import re
import tempfile
import time
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from vessl_nb.errors import CannotServe, VesslError
from vessl_nb.registry.names import parse_reference
from vessl_nb.registry.registry import open_registry
from vessl_nb.registry.version import Version
from vessl_nb.serving.crew import Crew
from vessl_nb.serving.limits import limit_bodies
from vessl_nb.serving.loosened import loosen_input
from vessl_nb.serving.metrics import Metrics
from vessl_nb.serving.orders import Tried
from vessl_nb.serving.problems import CLIENT_CLOSED, Problem, not_ready
from vessl_nb.temporary_folder import making_temporary
from vessl_nb.values.schema_words import describe_signature
from vessl_nb.values.secrets import mask_secrets

if TYPE_CHECKING:
    from vessl_nb.serving.access import Access
    from vessl_nb.serving.options import Options
    from vessl_nb.serving.wire import Answer

_FOLLOW = 1.0
"""How often an alias is looked at, in seconds."""

_FIRST_PAUSE, _LONGEST_PAUSE = 5.0, 300.0
"""How long a version that did not load is let alone before it is tried again, in seconds: twice as long each time."""

_PATH = re.compile(r"(?<![\w:/.])~?(?:/[^/\s'\"<>|:,;()]+)+/([^/\s'\"<>|:,;()]*)")
"""A path of two parts or more; not what follows a host's name."""

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


class Front:
    """A server's state, from its start to its end.

    Parameters
    ----------
    options
        As the server was started.
    access
        Who may ask.
    most_connections
        How many connections there may be at once.

    Attributes
    ----------
    version
        The version that answers.
    crew
        Its workers.
    metrics
        What was measured.
    date_header, version_header
        What every answer has, and what answers of the version have.
    is_ready, is_ending
        Whether it answers, and whether it takes no further requests.
    refused_version
        The last version that was to take over and did not; None where the present one is the one to be served.
    tried
        What came of its stored examples.
    refused_connections
        How many connections were refused before it was known that they ask for a prediction.
    most_body_bytes, most_bodies_bytes
        How many bytes a body may have, and all bodies together.
    arriving_bytes
        How many bytes of larger bodies are here that have not arrived wholly.
    following_problem
        Why the alias cannot be followed at the moment; empty where it can, or there is none.
    """

    def __init__(self, options: Options, access: Access, most_connections: int) -> None:
        self.options = options
        self.access = access
        self.most_connections = most_connections
        self.most_body_bytes, self.most_bodies_bytes = limit_bodies()
        self.metrics = Metrics()
        self.started = dt.datetime.now(dt.UTC)
        self.switched: dt.datetime | None = None
        self.refused_version: Refused | None = None
        self.tried = Tried()
        self.following_problem = ""
        self.refused_connections = 0
        self.arriving_bytes = 0
        self._candidate: _Candidate | None = None
        self.date_header = self.version_header = b""
        self.is_ready = self.is_ending = False
        self._restarts_before = 0
        self._registry = open_registry()
        self._reference = parse_reference(options.reference)
        self._draining: set[asyncio.Task[None]] = set()
        self.version = self._resolve()
        with making_temporary(CannotServe):
            self._folder = tempfile.TemporaryDirectory(prefix="vessl_nb-serve-", ignore_cleanup_errors=True)
        self.crew = self._crew_of(self.version)

    @property
    def follows(self) -> str:
        """What it follows: the alias that it was started with; empty where it serves one version whatever happens."""
        return self.options.reference if self._reference.alias is not None else ""

    @property
    def is_current(self) -> bool:
        """Whether it serves what the alias points at, or goes there, as far as that can be read."""
        return self.refused_version is None and not self.following_problem

    @property
    def has_too_many_bytes(self) -> bool:
        """Whether larger bodies that arrive, or wait for their answers, have more bytes than all may have."""
        return self.arriving_bytes + self.crew.pending.large_bytes > self.most_bodies_bytes

    @property
    def restarts(self) -> int:
        """How many workers were replaced since the start."""
        return self._restarts_before + self.crew.restarts

    def _resolve(self) -> Version:
        return Version.of(self._registry, *self._registry.resolve(self._reference))

    def _crew_of(self, version: Version) -> Crew:
        version.manifest  # noqa: B018  # read while the registry is in reach: /metadata tells of it as long as it is served
        options = self.options
        reference = version.reference.partition("@")[0] + f"@{version.revision}"
        return Crew(reference, version.digest, options.workers, options.queue, options.timeout, Path(self._folder.name))

    async def start(self) -> None:
        """Load the version, which verifies it, and let it answer its examples.

        Raises
        ------
        VesslError
            It cannot be served here; says why.
        """
        await self.crew.start()
        self.tried = await self.crew.try_examples()
        if self.tried.problem:
            log.warning("%s: %s", self.version.reference, self.tried.problem)
            self.tried = msgspec.structs.replace(self.tried, problem=_as_told(self.tried.problem))
        self.renew_headers()
        self.is_ready = True

    def turn_away(self) -> bytes:
        """Count a request that nobody takes, and give the problem document for it."""
        self.refused(503)
        if not self.crew.workers:
            return not_ready().document()
        detail = f"The queue holds {self.options.queue}. Try again in a moment."
        return Problem(503, "Too many requests are waiting", detail).document()

    def refused(self, status: int) -> None:
        """Count a request that got to no worker."""
        self.metrics.failed(status, "", 0.0)

    def abandoned(self, crew: Crew, number: int, seconds: float) -> None:
        """Count a request whose client is gone before there is an answer, and let its crew forget it."""
        crew.pending.withdraw(number)
        self.metrics.failed(CLIENT_CLOSED, "", seconds)

    def metrics_of(self, answer: Answer, seconds: float) -> None:
        """Count an answer."""
        if answer.status == 200:  # noqa: PLR2004  # OK
            self.metrics.answered(answer.status, seconds, answer.seconds)
        else:
            self.metrics.failed(answer.status, answer.stage, seconds)

    def renew_headers(self) -> None:
        """Bring the headers that every answer has up to date: once a second, and when the version changes."""
        self.date_header = f"date: {formatdate(usegmt=True)}\r\n".encode()
        self.version_header = f"vessl-version: {self.version.reference}\r\n".encode()

    async def follow(self) -> None:
        """Look at the alias now and then, and take over what it points at."""
        while self.follows:
            await asyncio.sleep(_FOLLOW)
            try:
                version = await asyncio.to_thread(self._resolve)  # a shared drive may take its time
                if _same(version, self.version):
                    self.refused_version, self._candidate = None, None
                else:
                    if not self._candidate or not _same(version, self._candidate.version):
                        self._candidate = _Candidate(version)
                    if time.monotonic() >= self._candidate.at:
                        await self._take_over(self._candidate)
                self.following_problem = ""
            except Exception as error:  # noqa: BLE001  # it was removed, or the registry is out of reach: what runs goes on
                problem = error.what if isinstance(error, VesslError) else f"{type(error).__name__}: {error}"
                told = _as_told(problem)
                if told != self.following_problem:
                    log.warning("%s cannot be followed at the moment: %s", self.follows, problem)
                self.following_problem = told

    async def _take_over(self, candidate: _Candidate) -> None:
        """Start workers of another version beside the present ones, and let them answer from then on if all is well."""
        version = candidate.version
        crew = self._crew_of(version)
        proving = asyncio.ensure_future(_prove(crew))
        try:
            while not proving.done():
                await asyncio.wait([proving], timeout=_FOLLOW)
                if await self._has_left(version):
                    log.info("%s has left %s, which does not take over any more", self.follows, version.reference)
                    await _give_up(crew, proving)
                    return
            tried, has_loaded = proving.result()
        except BaseException:  # the end of the server, say
            await _give_up(crew, proving)
            raise
        if tried.problem:
            await crew.end()
            self.refused_version = Refused(version.reference, _as_told(tried.problem), dt.datetime.now(dt.UTC))
            candidate.at = math.inf
            again = "" if has_loaded else f" Trying again in {candidate.wait():g} s."
            log.error(
                "%s now is %s, but it does not take over: %s%s", self.follows, version.reference, tried.problem, again
            )
            return
        before, self.crew = self.crew, crew
        log.info("%s now is %s; %s finishes what it has", self.follows, version.reference, self.version.reference)
        takes, took = _taken_by(version, crew), _taken_by(self.version, before)
        if takes != took:
            log.warning(
                "%s takes other input than %s did: %s, where it was %s",
                version.reference,
                self.version.reference,
                describe_signature(takes),
                describe_signature(took),
            )
        self.version, self.tried, self.refused_version, self._candidate = version, tried, None, None
        self.switched = dt.datetime.now(dt.UTC)
        self.renew_headers()
        self._restarts_before += before.restarts
        task = asyncio.get_running_loop().create_task(before.drain())
        self._draining.add(task)
        task.add_done_callback(self._draining.discard)

    async def _has_left(self, version: Version) -> bool:
        """Tell whether the alias points elsewhere by now; where that cannot be read, it stays."""
        try:
            return not _same(await asyncio.to_thread(self._resolve), version)
        except Exception:  # noqa: BLE001  # `follow` says why, if it lasts
            return False

    async def stop(self) -> None:
        """End the workers, after they have answered what was accepted."""
        self.is_ready = False
        await asyncio.gather(self.crew.drain(), *self._draining, return_exceptions=True)
        with contextlib.suppress(OSError):
            self._folder.cleanup()


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


def leave_paths_out(text: str) -> str:
    """Keep of each path in a text its last part: clients are not told where things are on this machine."""
    return _PATH.sub(r"…/\1", text)


def _as_told(problem: str) -> str:
    """Make of what the log has what clients are told: a runner's words may have a path in them, or a key."""
    return leave_paths_out(mask_secrets(problem))


def _taken_by(version: Version, crew: Crew) -> dict[str, Any]:
    schema = version.signature.input if version.signature else {}
    return loosen_input(schema, is_declared=crew.loaded.input_is_declared)


def _same(one: Version, other: Version) -> bool:
    return (one.number, one.revision, one.digest) == (other.number, other.revision, other.digest)
