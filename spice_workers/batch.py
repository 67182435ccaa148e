"""One batch of one stream: the effect, and who is to blame when it fails."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from spice_core.domain.events import RecordedEvent
from spice_core.errors import Unavailable
from spice_core.ports.work_ledger import WorkItem
from spice_core.services.handling import Handler

_LONGEST_ERROR = 2000


@dataclass(frozen=True, slots=True)
class Failure:
    """An event that its handler could not take, alone and twice."""

    event: RecordedEvent
    error: str


@dataclass(slots=True)
class Outcome:
    """What became of a batch: each event is in exactly one of the lists, each list in log order."""

    done: list[RecordedEvent] = field(default_factory=list)
    failed: list[Failure] = field(default_factory=list)
    parked: list[RecordedEvent] = field(default_factory=list)


class BatchWork:
    """Hands events to a handler, and finds by halving which one it cannot take.

    The halves go in log order. Later events of an aggregate that failed are not handed on: they park behind it.
    """

    def __init__(self, handler: Handler, database: str, *, between: Callable[[], None] = lambda: None) -> None:
        """`between` is called before every call of the handler; it may raise to abandon the batch."""
        self._handler = handler
        self._database = database
        self._between = between

    def do(self, events: Sequence[RecordedEvent]) -> Outcome:
        """Hand `events` to the handler.

        Raises:
            Unavailable: (retryable) an engine is down; nothing is known about the events that are left.
        """
        outcome = Outcome()
        self._do(events, outcome)
        return outcome

    def try_once(self, events: Sequence[RecordedEvent]) -> str | None:
        """Hand `events` over as they are; return the error of a handler that could not take them.

        Raises:
            Unavailable: (retryable) an engine is down.
        """
        self._between()
        try:
            self._handler.handle(self._database, events)
        except Unavailable:
            raise
        except Exception as error:  # noqa: BLE001 - whatever breaks a handler is isolated, kept and shown
            return error_text(error)
        return None

    def _do(self, events: Sequence[RecordedEvent], outcome: Outcome) -> None:
        fit = list(events)
        if outcome.failed:
            blamed = {aggregate_of(failure.event) for failure in outcome.failed}
            outcome.parked += [event for event in events if aggregate_of(event) in blamed]
            fit = [event for event in events if aggregate_of(event) not in blamed]
        if not fit:
            return
        error = self.try_once(fit)
        if error is not None and len(fit) == 1:
            error = self.try_once(fit)
        if error is None:
            outcome.done += fit
        elif len(fit) == 1:
            outcome.failed.append(Failure(fit[0], error))
        else:
            middle = len(fit) // 2
            self._do(fit[:middle], outcome)
            self._do(fit[middle:], outcome)


def aggregate_of(recorded: RecordedEvent) -> str:
    """Return the key of the event's aggregate in the ledgers."""
    return f"{recorded.event.aggregate_type}|{recorded.event.aggregate_id}"


def item_of(recorded: RecordedEvent) -> WorkItem:
    """Return the event as the ledger of work sees it."""
    return WorkItem(
        event_id=recorded.event.event_id,
        aggregate=aggregate_of(recorded),
        sequence_number=recorded.event.sequence_number or 0,
        database=recorded.database,
        position=recorded.position,
    )


def error_text(error: BaseException) -> str:
    """Return what an operator reads: the class and the message, without what PostgreSQL cannot store."""
    return f"{type(error).__name__}: {error}".replace("\0", "")[:_LONGEST_ERROR]
