"""Tell other systems about dead letters: the table is the outbox, and nothing leaves it before the engine has stored it."""

from spice_core.ports.event_publisher import BuriedEvent, EventPublisher
from spice_core.ports.work_ledger import DeadLetter, WorkLedger
from spice_core.services.event_log.event_log import EventLog

_PER_ROUND = 100


def announce_dead_letters(*, work: WorkLedger, log: EventLog, publisher: EventPublisher) -> int:
    """Announce failures that were not announced yet, the oldest first; return how many.

    A crash between announcement and record announces again.

    Raises:
        FeedUnavailable, LedgerUnavailable, StoreUnavailable: (retryable) the rest stays to be announced.
    """
    letters = work.unannounced(limit=_PER_ROUND)
    if letters:
        publisher.announce([BuriedEvent(letter, _line(log, letter)) for letter in letters])
        work.mark_announced(letters)
    return len(letters)


def _line(log: EventLog, letter: DeadLetter) -> bytes | None:
    lines = log.read_lines(letter.database, after=letter.position - 1, limit=1)
    return lines[0] if lines else None
