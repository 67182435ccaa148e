"""Takes all waiting appends of a database as one batch, without a thread of its own.

Whoever comes first leads: it writes its own request and all that wait beside it, then passes the lead to the first that
came meanwhile, and wakes those it served. A lone writer never waits for another thread, and databases cost no threads.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from spice_core.errors import LogBehind, SpiceError, StoreUnavailable
from spice_core.services.event_log.database_log import DatabaseLog
from spice_core.services.event_log.decision import Accepted, Request


class _Ticket:
    """A waiting request: its lock is released when there is an outcome, or when its thread is to lead."""

    __slots__ = ("call", "outcome", "request")

    def __init__(self, request: Request) -> None:
        self.request = request
        self.outcome: Accepted | SpiceError | None = None
        self.call = threading.Lock()
        self.call.acquire()


class Appender:
    """The queue in front of one database's log."""

    def __init__(
        self,
        log: DatabaseLog,
        *,
        max_waiting: int,
        max_batch_events: int,
        max_batch_bytes: int,
        window_seconds: float,
        when_appended: Callable[[str], None],
    ) -> None:
        """Refuse more than `max_waiting` requests; a leader waits up to `window_seconds` for those it expects."""
        self.log = log
        self._max_waiting = max_waiting
        self._max_events = max_batch_events
        self._max_bytes = max_batch_bytes
        self._window_seconds = window_seconds
        self._when_appended = when_appended
        self._lock = threading.Lock()
        self._waiting: deque[_Ticket] = deque()
        self._leader: _Ticket | None = None
        self._expected = 1  # how many requests a leader may expect: as many as were there a moment ago
        self._gathered = threading.Event()

    def append(self, request: Request) -> Accepted:
        """Append `request` and return its places, when they are durable.

        Raises:
            LogBehind: too many requests wait, or the ledger is too far behind.
            OptimisticConcurrencyConflict, IdempotencyMismatch, Unavailable, IntegrityViolation: see `DatabaseLog.commit`.
        """
        ticket = _Ticket(request)
        if not self._enqueue(ticket):
            self._wait(ticket)
        if ticket.outcome is None:
            self._lead(ticket)
        if isinstance(ticket.outcome, Accepted):
            return ticket.outcome
        raise ticket.outcome or _interrupted()

    def _enqueue(self, ticket: _Ticket) -> bool:
        """Join the queue; say whether this caller leads."""
        with self._lock:
            if len(self._waiting) >= self._max_waiting:
                raise LogBehind("Too many appends wait for this log.", details={"retry_after_seconds": 1})
            self._waiting.append(ticket)
            if len(self._waiting) >= self._expected:
                self._gathered.set()
            if self._leader is None:
                self._leader = ticket
            return self._leader is ticket

    def _wait(self, ticket: _Ticket) -> None:
        try:
            ticket.call.acquire()
        except BaseException:
            # Interrupted: nobody may wait for this thread to lead.
            with self._lock:
                if ticket in self._waiting:
                    self._waiting.remove(ticket)
                if self._leader is ticket:
                    self._appoint()
            raise

    def _lead(self, mine: _Ticket) -> None:
        """Write the batch that `mine` heads, pass the lead on, and wake those that were served."""
        batch: list[_Ticket] = []
        try:
            self._gather()
            with self.log.turn:
                batch = self._take()
                self._write(batch)
        finally:
            self._pass_on(mine, len(batch))
            for ticket in batch:
                if ticket is not mine:
                    ticket.outcome = ticket.outcome or _interrupted()
                    ticket.call.release()

    def _gather(self) -> None:
        """Wait briefly for requests that are on their way: writers that were served a moment ago tend to come back.

        Without this, many writers fall into two groups that take turns, each paying for a write of its own.
        """
        with self._lock:
            if len(self._waiting) >= self._expected:
                return
            self._gathered.clear()
        self._gathered.wait(self._window_seconds)

    def _take(self) -> list[_Ticket]:
        with self._lock:
            batch = [self._waiting.popleft()]
            events, size = len(batch[0].request.proposals), batch[0].request.size
            while self._waiting:
                request = self._waiting[0].request
                events += len(request.proposals)
                size += request.size
                if events > self._max_events or size > self._max_bytes:
                    break
                batch.append(self._waiting.popleft())
            return batch

    def _write(self, batch: list[_Ticket]) -> None:
        with _outcome_of_all(batch):
            plan = self.log.commit([ticket.request for ticket in batch])
            for ticket, outcome in zip(batch, plan.outcomes, strict=True):
                ticket.outcome = outcome
            if plan.lines:
                self._when_appended(self.log.database)

    def _pass_on(self, mine: _Ticket, served: int) -> None:
        with self._lock:
            if not served:
                self._waiting.remove(mine)  # interrupted before it was taken
            self._expected = served + len(self._waiting)
            self._appoint()

    def _appoint(self) -> None:
        """Make the first that waits the leader. Needs the lock."""
        self._leader = self._waiting[0] if self._waiting else None
        if self._leader is not None:
            self._leader.call.release()


@contextmanager
def _outcome_of_all(batch: list[_Ticket]) -> Iterator[None]:
    """Give each request an error of its own where the batch failed as a whole."""
    try:
        yield
    except SpiceError as error:
        for ticket in batch:
            ticket.outcome = _copy(error)


def _interrupted() -> SpiceError:
    return StoreUnavailable("The append was interrupted; repeat it to learn its outcome.")


def _copy(error: SpiceError) -> SpiceError:
    copy = type(error)(error.message, details=error.details)
    copy.__cause__ = error
    return copy
