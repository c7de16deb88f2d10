"""The requests of a version that have no answer yet: handed to its workers, withdrawn, answered, or late."""

from __future__ import annotations

import asyncio
import logging
import time
from itertools import takewhile
from typing import TYPE_CHECKING, NamedTuple

from vessl_nb.serving import limits
from vessl_nb.serving.problems import Problem, not_ready
from vessl_nb.serving.wire import INLINE, answer_with, pack_ask, send_in_file

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from vessl_nb.serving.wire import Answer, Slots

log = logging.getLogger("vessl_nb.serving")


class _Request(NamedTuple):
    """A request without an answer: who waits for it, until when."""

    answered: Callable[[Answer], object]
    deadline: float


class Pending:
    """The requests of a version that have no answer yet.

    Parameters
    ----------
    asks
        The socket that its workers take them from.
    slots
        Where it stands at which of them each worker is, and which are withdrawn.
    capacity
        How many there may be.
    timeout
        How long each may take, waiting included, in seconds.

    Attributes
    ----------
    large_bytes
        How many bytes the larger bodies among them have.
    is_closed
        Whether no more are taken in: there is nobody to answer them.
    """

    def __init__(self, asks: socket.socket, slots: Slots, capacity: int, timeout: float) -> None:
        asks.setblocking(False)
        self._asks = asks
        self._slots = slots
        self._capacity = capacity
        self._timeout = timeout
        self._requests: dict[int, _Request] = {}
        self._unsent: dict[int, tuple[bytes, bytes | bytearray]] = {}
        self._gone: dict[int, bool] = {}  # whose client is gone, and whether their places are free
        self._free = 0
        self._overdue: set[int] = set()
        self._number = 0
        self._large: dict[int, int] = {}
        self.large_bytes = 0
        self.is_closed = False

    def __len__(self) -> int:
        """Count those that a worker is at, or will come to."""
        return len(self._requests) - self._free

    @property
    def is_awaited(self) -> bool:
        """Whether anybody waits for an answer."""
        return len(self._requests) > len(self._gone)

    def ask(self, content_type: bytes, body: bytes | bytearray, answered: Callable[[Answer], object]) -> int:
        """Hand a request to whichever worker is free first.

        Parameters
        ----------
        content_type, body
            What the client sent.
        answered
            Is called once, with the answer: the worker's, or 503 where it died, or 504 where it took too long.

        Returns
        -------
        int
            Its number; 0 where too many are waiting: nothing will be called then.
        """
        count = len(self._requests)
        # Those that were withdrawn are only passed over once their turn comes: there is an end to them as well.
        if count - self._free >= self._capacity or count >= 2 * self._capacity or self.is_closed:
            return 0
        return self.put(content_type, body, answered)

    def put(self, content_type: bytes, body: bytes | bytearray, answered: Callable[[Answer], object]) -> int:
        """Hand a request over as `ask` does, however many there are."""
        self._number = number = self._number + 1
        deadline = time.monotonic() + self._timeout
        self._requests[number] = _Request(answered, deadline)
        if len(body) >= limits.LARGE:
            self._large[number] = len(body)
            self.large_bytes += len(body)
        if self._unsent:
            self._unsent[number] = (content_type, body)
            return number
        try:
            self._send(number, deadline, content_type, body)
        except BlockingIOError:
            self._unsent[number] = (content_type, body)
            asyncio.get_running_loop().add_writer(self._asks.fileno(), self._send_on)
        except OSError as error:
            self._refuse(number, error)
        return number

    def _send(self, number: int, deadline: float, content_type: bytes, body: bytes | bytearray) -> None:
        if len(body) < INLINE:
            self._asks.send(pack_ask(number, deadline, content_type, body))
        else:
            send_in_file(self._asks, number, deadline, content_type, body)

    def _send_on(self) -> None:
        """Send what the socket had no room for."""
        while self._unsent:
            number, (content_type, body) = next(iter(self._unsent.items()))
            request = self._requests.get(number)
            if request is not None:
                try:
                    self._send(number, request.deadline, content_type, body)
                except BlockingIOError:
                    return
                except OSError as error:
                    self._refuse(number, error)
            self._unsent.pop(number, None)
        asyncio.get_running_loop().remove_writer(self._asks.fileno())

    def _refuse(self, number: int, error: OSError) -> None:
        log.error("A request could not be handed to a worker: %s", error)
        self.fail(number, Problem(503, "No worker could take the request", "Try again in a moment."))

    def is_waiting(self, number: int) -> bool:
        """Tell whether no worker has come to a request yet."""
        return number in self._requests and number > self._slots.last_taken()

    def withdraw(self, number: int) -> None:
        """Forget a request whose client is gone.

        Where no worker has come to it yet, none begins it, and its place is free. One that is at it already goes on,
        and is ended where that takes too long.
        """
        request = self._requests.get(number)
        if request is None or number in self._gone:
            return
        if self._unsent.pop(number, None) is not None:
            del self._requests[number]
            self.large_bytes -= self._large.pop(number, 0)
            return
        self._requests[number] = _Request(_tell_nobody, request.deadline)
        self._gone[number] = is_waiting = self.is_waiting(number)
        if is_waiting:
            self._free += 1
            self._slots.withdraw(number)

    def settle(self, answer: Answer) -> None:
        """Give an answer to whom it is for."""
        request = self._requests.pop(answer.id, None)
        if request is None:  # the client was told that it took too long
            self._overdue.discard(answer.id)
            return
        if self._large:
            self.large_bytes -= self._large.pop(answer.id, 0)
        if self._gone and self._gone.pop(answer.id, False):
            self._free -= 1
        try:
            request.answered(answer)
        except Exception:  # the answers behind this one are others'
            log.exception("An answer could not be handed on")

    def fail(self, number: int, problem: Problem) -> None:
        """Answer a request with a problem, unless it has its answer."""
        self.settle(answer_with(number, problem))

    def late(self, now: float) -> list[int]:
        """List those that took too long."""
        # All have the same time, so the oldest come first.
        return [number for number, _ in takewhile(lambda item: item[1].deadline <= now, self._requests.items())]

    def time_out(self, number: int, *, is_at_worker: bool) -> None:
        """Answer one that took too long; a worker that is at it is not done with it by that."""
        self._unsent.pop(number, None)
        if is_at_worker:
            self._overdue.add(number)
        self.fail(number, Problem(504, "No answer in time", f"It took longer than {self._timeout:g} s."))

    def is_overdue(self, number: int) -> bool:
        """Tell whether a worker is at one that nobody waits for any more."""
        return number in self._overdue

    def forget(self, number: int) -> None:
        """Expect no answer to one any more: the worker that was at it is no more."""
        self._overdue.discard(number)

    def close(self) -> None:
        """Take no more in, and answer those that wait: there is no worker, and none can be made."""
        self.is_closed = True
        for number in list(self._requests):
            self._unsent.pop(number, None)
            self._slots.withdraw(number)
            self.fail(number, not_ready())

    def end(self) -> None:
        """Send no more."""
        asyncio.get_running_loop().remove_writer(self._asks.fileno())
        self._asks.close()


def _tell_nobody(_: Answer) -> None:
    """Do nothing: the client is gone."""
