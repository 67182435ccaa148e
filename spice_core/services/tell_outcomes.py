"""Appending the domain events of a run: any number, in parts that the log takes."""

from collections.abc import Iterable, Sequence
from itertools import islice

from spice_core.domain.events import Event
from spice_core.errors import LogBehind, TooLarge
from spice_core.services.event_log.event_log import EventLog

_PART = 5_000
_PATIENCE_SECONDS = 20.0
_PAUSE_SECONDS = 0.1


def tell(log: EventLog, database: str, events: Iterable[Event], *, is_again: bool = False) -> None:
    """Append `events` in order, a part at a time; they are taken as they are needed.

    `is_again`: some may be in the log. Those are left out: an append of an event that is there reads its segment, for each event.

    A part that is larger than one append may be is cut. A ledger that trails too far is folded first, and waited for: who gave
    up would have to decide all of the run again, to append the rest.

    Raises:
        LogBehind: (retryable) the ledger does not catch up; some parts may be appended.
        TooLarge: one event alone is larger than an append may be.
        Unavailable: (retryable) as `EventLog.append`; some parts may be appended.
    """
    pending = iter(events)
    while part := list(islice(pending, _PART)):
        held = log.holds(database, [event.event_id for event in part]) if is_again else frozenset()
        if lacking := [event for event in part if event.event_id not in held]:
            _append(log, database, lacking)


def _append(log: EventLog, database: str, part: Sequence[Event]) -> None:
    try:
        _append_when_folded(log, database, part)
    except TooLarge:
        if len(part) == 1:
            raise
        middle = len(part) // 2
        _append(log, database, part[:middle])
        _append(log, database, part[middle:])


def _append_when_folded(log: EventLog, database: str, part: Sequence[Event]) -> None:
    deadline = log.clock.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            log.append(database, part)
        except LogBehind:
            if log.clock.monotonic() >= deadline:
                raise
            if not log.fold(database):
                log.clock.sleep(_PAUSE_SECONDS)
        else:
            return
