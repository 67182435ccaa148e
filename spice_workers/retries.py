"""Dead letters of one stream: asking for retries when they are due, and obeying the commands about them."""

from collections.abc import Sequence
from dataclasses import replace

from spice_core.domain.commands import CommandType
from spice_core.domain.events import Event, RecordedEvent
from spice_core.errors import StoreUnavailable, Unavailable
from spice_core.ports.clock import Clock
from spice_core.ports.work_ledger import DeadLetter, Lease, WorkLedger
from spice_core.services import dead_letters
from spice_core.services.event_log.event_log import EventLog
from spice_workers.batch import BatchWork, item_of
from spice_workers.limits import RunnerLimits

_OPEN = frozenset({"waiting", "retrying"})
_MOST_PARKED = 10_000


class Retries:
    """Retries and discards of one handler on one database.

    A failed event is tried again by a command that this class appends to the log when its time has come, a few times; then
    it waits for an operator. Nothing else waits for it meanwhile, except the later events of its aggregate.
    """

    def __init__(
        self, handler: str, database: str, *, log: EventLog, work: WorkLedger, clock: Clock, limits: RunnerLimits
    ) -> None:
        self._handler = handler
        self._database = database
        self._log = log
        self._work = work
        self._clock = clock
        self._limits = limits
        self._due: dict[str, tuple[float, int]] = {}

    def load(self) -> None:
        """Plan the retries that an earlier worker left."""
        self._due.clear()
        for letter in self._work.dead_letters(handler=self._handler, database=self._database, limit=_MOST_PARKED):
            if letter.parked_behind == letter.event_id:
                self.schedule(letter.event_id, letter.attempts)

    def schedule(self, event_id: str, attempts: int) -> None:
        """Plan the next retry of an event that failed `attempts` times, unless it is to wait for an operator."""
        self._due.pop(event_id, None)
        if attempts < self._limits.max_attempts:
            pause = min(self._limits.first_retry_seconds * 2 ** max(attempts - 1, 0), self._limits.longest_retry_seconds)
            self._due[event_id] = (self._clock.monotonic() + pause, attempts)

    def is_due(self) -> bool:
        """Whether a retry is to be asked for now."""
        now = self._clock.monotonic()
        return any(at <= now for at, _ in self._due.values())

    def is_waiting(self) -> bool:
        """Whether a retry is planned: the stream keeps its lease for it."""
        return bool(self._due)

    def ask_due(self) -> None:
        """Append the commands for the retries that are due; they come back through the feed, at a place of their own.

        An append that fails is tried again in the next pass: the command's id follows from the event and the attempt.
        """
        now = self._clock.monotonic()
        for event_id, (at, attempts) in list(self._due.items()):
            if at > now:
                continue
            command = dead_letters.dead_letter_command(
                CommandType.RETRY_DEAD_LETTER,
                self._database,
                handler=self._handler,
                event_id=event_id,
                command_id=dead_letters.automatic_retry_id(
                    self._database, handler=self._handler, event_id=event_id, attempts=attempts
                ),
                at=self._clock.now(),
            )
            try:
                if self._log.find(self._database, command.command_id) is None:
                    self._log.append(self._database, [command.as_event()])
            except Unavailable:
                return
            del self._due[event_id]

    def obey(self, command: RecordedEvent, lease: Lease, work: BatchWork) -> None:
        """Do what a command about a dead letter asks for, answer it, and mark it done.

        Everything is repeatable: after a crash the same command finds what is left of its work.
        """
        wanted = dead_letters.wanted_event_id(command)
        letters = self._work.dead_letters(
            handler=self._handler, database=self._database, state="", behind=wanted, limit=_MOST_PARKED
        )
        cause = next((letter for letter in letters if letter.event_id == wanted), None)
        answer: Event | None
        done: list[RecordedEvent]
        if cause is None and self._is_answered(command):
            answer, done = None, []  # by an earlier ledger, which was lost
        elif cause is None:
            answer = dead_letters.failure(command.event, error=f"no dead letter {wanted} of {self._handler}", code="not_found")
            done = []
        elif dead_letters.is_discard(command):
            answer, done = self._discard(command, cause, letters, lease, work)
        else:
            answer, done = self._retry(command, cause, letters, lease, work)
        if answer is not None:
            self._append_once(answer)
        items = [item_of(event) for event in done]
        self._work.mark_done(lease, self._handler, items, database=self._database, position=command.position)

    def _retry(
        self, command: RecordedEvent, cause: DeadLetter, letters: Sequence[DeadLetter], lease: Lease, work: BatchWork
    ) -> tuple[Event, list[RecordedEvent]]:
        if cause.state not in _OPEN:
            return dead_letters.answer(command.event, {**_about(cause), "state": cause.state}), []
        self._due.pop(cause.event_id, None)
        self._work.set_dead_letter_state(self._handler, database=self._database, event_id=cause.event_id, state="retrying")
        events = self._events([letter for letter in letters if letter.state in _OPEN])
        self._work.claim(lease, self._handler, [item_of(event) for event in events])
        error, done = self._again(events, command, work)
        if done:
            self._rebury(lease, events[len(done) :], error)
            return dead_letters.answer(command.event, {**_about(cause), "state": "resolved"}), done
        attempts = self._work.mark_failed(lease, self._handler, item_of(events[0]), error=error or "")
        self._bury(lease, events[:1], error or "", behind=None)
        self._bury(lease, events[1:], f"waits behind the dead letter {cause.event_id} of its aggregate", behind=cause.event_id)
        self.schedule(cause.event_id, attempts)
        return dead_letters.failure(command.event, error=error or "", code="retry_failed", details=_about(cause)), []

    def _discard(
        self, command: RecordedEvent, cause: DeadLetter, letters: Sequence[DeadLetter], lease: Lease, work: BatchWork
    ) -> tuple[Event, list[RecordedEvent]]:
        """Give the cause up; what is parked behind it is no longer in its way."""
        if cause.state == "resolved":
            return dead_letters.answer(command.event, {**_about(cause), "state": cause.state}), []
        self._due.pop(cause.event_id, None)
        [given_up] = self._events([cause])
        if given_up.event.is_command:
            reason = f"discarded by an operator after: {cause.error}"
            self._append_once(dead_letters.failure(given_up.event, error=reason, code="discarded"))
        parked = self._events([letter for letter in letters if letter.state in _OPEN and letter is not cause])
        self._work.set_dead_letter_state(self._handler, database=self._database, event_id=cause.event_id, state="retrying")
        self._work.claim(lease, self._handler, [item_of(event) for event in parked])
        error, done = self._again(parked, command, work) if parked else (None, [])
        self._work.set_dead_letter_state(self._handler, database=self._database, event_id=cause.event_id, state="discarded")
        self._rebury(lease, parked[len(done) :], error)
        return dead_letters.answer(command.event, {**_about(cause), "state": "discarded"}), done

    def _is_answered(self, command: RecordedEvent) -> bool:
        """Whether the log says already how `command` ended."""
        answers = (dead_letters.answer(command.event, {}), dead_letters.failure(command.event, error="", code=""))
        return bool(self._log.holds(self._database, [event.event_id for event in answers]))

    def _append_once(self, event: Event) -> None:
        # A repetition after a crash may have another error text, which the log would refuse.
        if self._log.find(self._database, event.event_id) is None:
            self._log.append(self._database, [event])

    def _again(
        self, events: Sequence[RecordedEvent], command: RecordedEvent, work: BatchWork
    ) -> tuple[str | None, list[RecordedEvent]]:
        """Hand `events` over at the command's position: all of them, or else the first alone; return which were taken.

        One position takes one effect, so the others get a command, and with it a position, of their own.
        """
        moved = [replace(event, position=command.position, segment=command.segment) for event in events]
        error = work.try_once(moved)
        if error is None:
            return None, list(events)
        if len(moved) > 1:
            first_error = work.try_once(moved[:1])
            return first_error or error, list(events[:1]) if first_error is None else []
        return error, []

    def _rebury(self, lease: Lease, events: Sequence[RecordedEvent], error: str | None) -> None:
        """Make the first of `events` the one that the others wait for, and ask for its retry at once."""
        if not events:
            return
        cause = events[0].event.event_id
        attempts = self._work.mark_failed(lease, self._handler, item_of(events[0]), error=error or "")
        self._bury(lease, events[:1], error or "", behind=None)
        self._bury(lease, events[1:], f"waits behind the dead letter {cause} of its aggregate", behind=cause)
        self._due[cause] = (self._clock.monotonic(), attempts)

    def _bury(self, lease: Lease, events: Sequence[RecordedEvent], error: str, *, behind: str | None) -> None:
        items = [item_of(event) for event in events]
        types = [event.event.event_type for event in events]
        self._work.bury(lease, self._handler, items, event_types=types, error=error, behind=behind)

    def _events(self, letters: Sequence[DeadLetter]) -> list[RecordedEvent]:
        """Read the buried events from the log, oldest first."""
        events: list[RecordedEvent] = []
        for letter in letters:
            found = self._log.read(self._database, after=letter.position - 1, limit=1)
            if not found or found[0].event.event_id != letter.event_id:
                raise StoreUnavailable(f"the log of {self._database} does not show {letter.event_id} at {letter.position}")
            events += found
        return events


def _about(letter: DeadLetter) -> dict[str, str | int]:
    return {"handler": letter.handler, "event_id": letter.event_id, "attempts": letter.attempts}
