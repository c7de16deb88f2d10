"""The front: what stands between the network and the workers, and runs none of the user's code."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import logging
import tempfile
from email.utils import formatdate
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from vessl_nb.errors import CannotServe
from vessl_nb.registry.names import parse_reference
from vessl_nb.registry.registry import open_registry
from vessl_nb.registry.version import Version
from vessl_nb.serving.crew import Crew
from vessl_nb.serving.following import Following
from vessl_nb.serving.limits import limit_bodies
from vessl_nb.serving.metrics import Metrics
from vessl_nb.serving.orders import Tried
from vessl_nb.serving.problems import CLIENT_CLOSED, Problem, not_ready
from vessl_nb.serving.telling import as_told
from vessl_nb.temporary_folder import making_temporary

if TYPE_CHECKING:
    from vessl_nb.serving.access import Access
    from vessl_nb.serving.options import Options
    from vessl_nb.serving.wire import Answer

log = logging.getLogger("vessl_nb.serving")


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
    following
        The alias that it was started with; None where it serves one version whatever happens.
    tried
        What came of its stored examples.
    refused_connections
        How many connections were refused before it was known that they ask for a prediction.
    most_body_bytes, most_bodies_bytes
        How many bytes a body may have, and all bodies together.
    arriving_bytes
        How many bytes of larger bodies are here that have not arrived wholly.
    """

    def __init__(self, options: Options, access: Access, most_connections: int) -> None:
        self.options = options
        self.access = access
        self.most_connections = most_connections
        self.most_body_bytes, self.most_bodies_bytes = limit_bodies()
        self.metrics = Metrics()
        self.started = dt.datetime.now(dt.UTC)
        self.tried = Tried()
        self.refused_connections = 0
        self.arriving_bytes = 0
        self.date_header = self.version_header = b""
        self.is_ready = self.is_ending = False
        self._restarts_before = 0
        self._registry = open_registry()
        self._reference = parse_reference(options.reference)
        self.following = Following(self, options.reference) if self._reference.alias is not None else None
        self._draining: set[asyncio.Task[None]] = set()
        self.version = self.resolve()
        with making_temporary(CannotServe):
            self._folder = tempfile.TemporaryDirectory(prefix="vessl_nb-serve-", ignore_cleanup_errors=True)
        self.crew = self.crew_of(self.version)

    @property
    def has_too_many_bytes(self) -> bool:
        """Whether larger bodies that arrive, or wait for their answers, have more bytes than all may have."""
        return self.arriving_bytes + self.crew.pending.large_bytes > self.most_bodies_bytes

    @property
    def restarts(self) -> int:
        """How many workers were replaced since the start."""
        return self._restarts_before + self.crew.restarts

    def resolve(self) -> Version:
        """Read from the registry which version is to be served."""
        return Version.of(self._registry, *self._registry.resolve(self._reference))

    def crew_of(self, version: Version) -> Crew:
        """Give a version workers, which are not started."""
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
            self.tried = msgspec.structs.replace(self.tried, problem=as_told(self.tried.problem))
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

    def switch(self, version: Version, crew: Crew, tried: Tried) -> None:
        """Let another version answer from now on; the workers of the present one finish what they have."""
        before, self.crew = self.crew, crew
        self.version, self.tried = version, tried
        self.renew_headers()
        self._restarts_before += before.restarts
        task = asyncio.get_running_loop().create_task(before.drain())
        self._draining.add(task)
        task.add_done_callback(self._draining.discard)

    async def stop(self) -> None:
        """End the workers, after they have answered what was accepted."""
        self.is_ready = False
        await asyncio.gather(self.crew.drain(), *self._draining, return_exceptions=True)
        with contextlib.suppress(OSError):
            self._folder.cleanup()
