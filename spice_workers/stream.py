"""One handler on one database: lease, position, batches, pauses. A stream is worked by one thread at a time."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from structlog.contextvars import bound_contextvars

from spice_core.domain.events import RecordedEvent
from spice_core.errors import CommitsLost, LeaseLost, SpiceError, StoreUnavailable, Unavailable
from spice_core.ports.clock import Clock
from spice_core.ports.event_feed import EventFeed
from spice_core.ports.read_models import CommandStatuses
from spice_core.ports.tracer import SilentTracer, Tracer
from spice_core.ports.work_ledger import Claim, Lease, WorkLedger
from spice_core.services.dead_letters import is_for
from spice_core.services.event_log.event_log import EventLog
from spice_core.services.handling import Handler, hold_name, lease_name
from spice_workers.batch import BatchWork, Failure, Outcome, aggregate_of, error_text, item_of
from spice_workers.crash_points import CrashPoints
from spice_workers.limits import RunnerLimits
from spice_workers.metrics import WorkerMetrics
from spice_workers.retries import Retries
from spice_workers.tracing import traced_batch

_log = logging.getLogger(__name__)


class Pass(StrEnum):
    """What one pass of a stream did."""

    WORKED = "worked"
    IDLE = "idle"
    STANDBY = "standby"
    PAUSED = "paused"


@dataclass(frozen=True, slots=True)
class Parts:
    """What every stream of a runner works with. `is_stopping` turns true when batches are to be abandoned."""

    feed: EventFeed
    log: EventLog
    work: WorkLedger
    statuses: CommandStatuses
    clock: Clock
    owner: str
    limits: RunnerLimits
    metrics: WorkerMetrics
    crash: CrashPoints = field(default_factory=CrashPoints)
    tracer: Tracer = field(default_factory=SilentTracer)
    is_stopping: Callable[[], bool] = lambda: False


class Stopping(Unavailable):
    """The worker is stopping; the rest of the batch is left to the next one."""


class Stream:
    """Takes the events of one database to one handler, in order, none skipped.

    `position` is the last event that is done; `recorded` is what the ledger of work told or was told of it last.
    """

    def __init__(self, handler: Handler, database: str, parts: Parts) -> None:
        self.handler = handler
        self.database = database
        self.position = 0
        self.recorded = 0
        self.lease: Lease | None = None
        self.paused_until = 0.0
        self.started_at: float | None = None
        self.error: str | None = None
        self.is_standby = False
        self._parts = parts
        self._parked: dict[str, str] = {}
        self._causes: dict[str, int] = {}
        self._claimed: tuple[int, int] = (0, 0)
        self._pending: Sequence[RecordedEvent] = []
        self._failures = 0
        self._idle_since: float | None = None
        self._gives_way = False
        self._must_begin = False
        self._work = BatchWork(handler, database, between=self._check_stop)
        self._retries = Retries(handler.name, database, log=parts.log, work=parts.work, clock=parts.clock, limits=parts.limits)

    @property
    def is_paused(self) -> bool:
        """Whether the stream waits for an engine, or for a lease that another worker holds."""
        return self._parts.clock.monotonic() < self.paused_until

    def step(self) -> Pass:
        """Make one pass: at most one batch. Raises nothing but what ends the process."""
        if self.is_paused:
            return Pass.PAUSED
        self.started_at = self._parts.clock.monotonic()
        with bound_contextvars(handler=self.handler.name, database=self.database):
            result = self._attempt()
        self.is_standby = result is Pass.STANDBY
        self._parts.metrics.passed(self.handler.name, self.database, result, error=self.error)
        return result

    def is_news(self, head: int) -> bool:
        """Whether a pass has something to do: events up to `head`, a retry that is due, or a lease that is asked for."""
        is_asked = self._gives_way and self.lease is not None
        return (
            self.position < head
            or is_asked
            or self._must_begin
            or self._retries.is_due()
            or self.handler.is_outdated(self.database)
        )

    def renew(self) -> None:
        """Keep the lease alive; called by the heartbeat, not by the stream's thread."""
        lease = self.lease
        if lease is None:
            return
        try:
            self._parts.work.renew(lease, seconds=self._parts.limits.lease_seconds)
            self._gives_way = self._parts.work.holder(hold_name(self.handler.name, self.database)) is not None
        except LeaseLost:
            self._forget_lease()
        except Unavailable:
            return  # the marks are fenced: a lease that runs out meanwhile costs a repetition, nothing else

    def begin_again(self) -> None:
        """Let the next pass take the position from the ledger of work: it is behind what this stream has recorded."""
        self._must_begin = True

    def release(self) -> None:
        """Give the lease back, so that another worker need not wait for it to run out."""
        lease, self.lease = self.lease, None
        if lease is None:
            return
        try:
            self._parts.work.release(lease)
        except SpiceError:
            return  # it runs out by itself

    def _attempt(self) -> Pass:
        try:
            result = self._pass()
        except LeaseLost:
            self._forget_lease()
            result = Pass.STANDBY
        except Stopping:
            result = Pass.PAUSED
        except CommitsLost as error:
            self.release()  # what this stream knows of its position is no longer true: it begins again
            result = self._pause(error, is_expected=True)
        except Unavailable as error:
            result = self._pause(error, is_expected=True)
        except Exception as error:  # noqa: BLE001 - what is not understood stops this stream, and only this one
            result = self._pause(error, is_expected=False)
        else:
            if self._failures:
                _log.info("works again")
            self._failures, self.error = 0, None
        finally:
            self.started_at = None
        return result

    def _pass(self) -> Pass:
        if self._gives_way or self._must_begin or self.handler.is_outdated(self.database):
            self.release()
        lease = self.lease or self._acquire()
        if lease is None:
            self.paused_until = self._parts.clock.monotonic() + self._parts.limits.heartbeat_seconds
            return Pass.STANDBY
        self._retries.ask_due()
        events = self._next()
        if not events:
            return self._idle()
        self._idle_since = None
        for part in self._cut(events):
            if is_for(part[0], self.handler.name):
                self._retries.obey(part[0], lease, self._work)
                self._parked = dict(self._parts.work.parked_aggregates(self.handler.name, self.database))
                self._advance(part[0].position)
            else:
                self._take(lease, part)
        return Pass.WORKED

    def _acquire(self) -> Lease | None:
        parts, name = self._parts, self.handler.name
        self._gives_way = parts.work.holder(hold_name(name, self.database)) is not None
        if self._gives_way:
            return None
        lease = parts.work.acquire(lease_name(name, self.database), owner=parts.owner, seconds=parts.limits.lease_seconds)
        if lease is not None:
            self.recorded = parts.work.position(name, self.database)
            self.position = self.handler.begin(self.database, self.recorded)
            self._parked = dict(parts.work.parked_aggregates(name, self.database))
            self._causes.clear()
            self._claimed, self._pending = (0, 0), []
            self._retries.load()
            self.lease, self._must_begin = lease, False
        return lease

    def _next(self) -> Sequence[RecordedEvent]:
        """Return the events behind the position without a gap: what the feed skips or mixes up is read from the log."""
        self._pending = [event for event in self._pending if event.position > self.position]
        if self._pending:
            return self._pending
        limit = max(self._parts.limits.batch, self.handler.batch)
        events = self._parts.feed.poll(self.handler.name, self.database, after=self.position, limit=limit)
        if not _is_gapless(events, self.position):
            events = _in_order(events, self.position)
        if not _is_gapless(events, self.position):
            self._parts.metrics.gap(self.handler.name, self.database)
            events = self._parts.log.read(self.database, after=self.position, limit=limit)
            if not events or not _is_gapless(events, self.position):
                message = f"the feed is ahead of what the log of {self.database} shows behind position {self.position}"
                raise StoreUnavailable(message)
        self._pending = events
        return events

    def _cut(self, events: Sequence[RecordedEvent]) -> list[list[RecordedEvent]]:
        """Cut so that commands for the runner itself, and events that stand alone, are parts of their own."""
        parts: list[list[RecordedEvent]] = []
        is_open = False
        for event in events:
            is_alone = is_for(event, self.handler.name) or self.handler.stands_alone(event)
            if is_open and not is_alone:
                parts[-1].append(event)
            else:
                parts.append([event])
            is_open = not is_alone
        return parts

    def _take(self, lease: Lease, events: Sequence[RecordedEvent]) -> None:
        parts, name = self._parts, self.handler.name
        wanted = [event for event in events if self.handler.wants(event)]
        outcome = Outcome()
        due = self._claim(lease, wanted)
        free = [event for event in due if not self._is_parked(event)] if self._parked else due
        if free:
            parts.crash.at(f"{name}:after_claim")
            parts.crash.at(f"{name}:before_effect")
            outcome = self._do(free)
            parts.crash.at(f"{name}:after_effect")
        self._bury(lease, outcome.failed)
        if self._parked:
            self._park(lease, [event for event in due if self._is_parked(event)])
        parts.crash.at(f"{name}:before_done")
        done = [item_of(event) for event in outcome.done] if self.handler.claims_events else []
        last = events[-1]
        parts.work.mark_done(lease, name, done, database=self.database, position=last.position)
        parts.metrics.handled(name, self.database, outcome.done, failed=len(outcome.failed), at=parts.clock.now())
        self._advance(last.position)

    def _do(self, events: Sequence[RecordedEvent]) -> Outcome:
        parts, name = self._parts, self.handler.name
        began = parts.clock.monotonic()
        with traced_batch(parts.tracer, name, self.database, events):
            outcome = self._work.do(events)
        parts.metrics.took(name, parts.clock.monotonic() - began)
        return outcome

    def _claim(self, lease: Lease, events: Sequence[RecordedEvent]) -> Sequence[RecordedEvent]:
        """Return the events that are still to be done. A batch that was claimed before a pause is not claimed again."""
        if not events or not self.handler.claims_events:
            return events
        reach = (events[0].position, events[-1].position)
        if reach == self._claimed:
            self._parts.work.renew(lease, seconds=self._parts.limits.lease_seconds)  # still mine, after the pause?
            return events
        answers = self._parts.work.claim(lease, self.handler.name, [item_of(event) for event in events])
        if Claim.IN_PROGRESS in answers.values():
            raise LeaseLost(f"another worker is at {self.database}")
        if any(answer is not Claim.CLAIMED for answer in answers.values()):
            return [event for event in events if answers[event.event.event_id] is Claim.CLAIMED]
        self._claimed = reach
        return events

    def _bury(self, lease: Lease, failed: Sequence[Failure]) -> None:
        """Record what no retry in place helped. A burial that does not succeed stops the stream: nothing is skipped."""
        parts, name = self._parts, self.handler.name
        for failure in failed:
            event, item = failure.event.event, item_of(failure.event)
            attempts = parts.work.mark_failed(lease, name, item, error=failure.error)
            parts.work.bury(lease, name, [item], event_types=[event.event_type], error=failure.error, behind=None)
            self._parked[item.aggregate] = event.event_id
            self._causes[event.event_id] = item.position
            self._retries.schedule(event.event_id, attempts)
            parts.metrics.buried(name, self.database)
            _log.error(
                "%s is a dead letter after %d attempts: %s",
                event.event_type,
                attempts,
                failure.error,
                extra={"command_id": event.command_id, "event_id": event.event_id, "position": failure.event.position},
            )
            if event.is_command:
                self._note(event.event_id, failure.error)

    def _is_parked(self, event: RecordedEvent) -> bool:
        """Whether it is the dead letter of its aggregate or after it: what comes before was taken at its own position."""
        cause = self._parked.get(aggregate_of(event))
        return cause is not None and event.position >= self._position_of(cause)

    def _position_of(self, cause: str) -> int:
        """Return where the log has the event of a dead letter: its first position, whatever became of retries."""
        if cause not in self._causes:
            found = self._parts.log.find(self.database, cause)
            if found is None:
                raise StoreUnavailable(f"the log of {self.database} does not show the dead letter {cause}")
            self._causes[cause] = found.position
        return self._causes[cause]

    def _park(self, lease: Lease, events: Sequence[RecordedEvent]) -> None:
        behind: dict[str, list[RecordedEvent]] = {}
        for event in events:
            cause = self._parked[aggregate_of(event)]
            if event.event.event_id != cause:
                behind.setdefault(cause, []).append(event)
        for cause, waiting in behind.items():
            items, types = [item_of(event) for event in waiting], [event.event.event_type for event in waiting]
            error = f"waits behind the dead letter {cause} of its aggregate"
            self._parts.work.bury(lease, self.handler.name, items, event_types=types, error=error, behind=cause)

    def _note(self, command_id: str, error: str) -> None:
        """Show the attempt to whoever asks; the status is only news, so that its store being away stops nothing."""
        try:
            self._parts.statuses.note_attempt([command_id], error=error, at=self._parts.clock.now())
        except Unavailable:
            return

    def _advance(self, position: int) -> None:
        self.position = self.recorded = position
        self._parts.feed.acknowledge(self.handler.name, self.database, position=position)

    def _idle(self) -> Pass:
        now = self._parts.clock.monotonic()
        self._idle_since = now if self._idle_since is None else self._idle_since
        if now - self._idle_since >= self._parts.limits.release_seconds and not self._retries.is_waiting():
            self.release()
        return Pass.IDLE

    def _pause(self, error: Exception, *, is_expected: bool) -> Pass:
        """Stop for a while: longer each time, and nothing is lost, since the position did not move."""
        limits = self._parts.limits
        delay = min(limits.longest_backoff_seconds, limits.first_backoff_seconds * 2 ** min(self._failures, 30))
        self._failures += 1
        if self._failures == 1:
            _log.warning("waits, and tries again: %s", error_text(error), exc_info=None if is_expected else error)
        self.error = error_text(error)
        self.paused_until = self._parts.clock.monotonic() + delay
        return Pass.PAUSED

    def _forget_lease(self) -> None:
        self.lease = None

    def _check_stop(self) -> None:
        if self._parts.is_stopping():
            raise Stopping
        if self.lease is None:
            raise LeaseLost(f"the lease of {self.handler.name} on {self.database} was lost")


def _is_gapless(events: Sequence[RecordedEvent], after: int) -> bool:
    return [event.position for event in events] == list(range(after + 1, after + 1 + len(events)))


def _in_order(events: Sequence[RecordedEvent], after: int) -> list[RecordedEvent]:
    """Return those behind position `after` by position, each once."""
    fresh = {event.position: event for event in events if event.position > after}
    return [fresh[position] for position in sorted(fresh)]
