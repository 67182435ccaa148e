"""Which log it is: two logs of the same name differ in their first event."""

import hashlib

from spice_core.domain.events import RecordedEvent
from spice_core.errors import StoreUnavailable
from spice_core.services.event_log.event_log import EventLog
from spice_core.services.event_log.segment import Segment, SegmentHeader


def log_identity(log: EventLog, database: str) -> str:
    """Return 16 hex digits of the SHA-256 of the first line of `database`'s log, "" for a log without events."""
    first = log.read_lines(database, after=0, limit=1)
    return hashlib.sha256(first[0]).hexdigest()[:16] if first else ""


class LogIdentities:
    """The identities of logs, read once each. What is written stays, so that an identity never changes."""

    def __init__(self, log: EventLog) -> None:
        """Read `log`, which the caller closes."""
        self._log = log
        self._known: dict[str, str] = {}

    def __call__(self, database: str) -> str:
        """Return the identity of `database`'s log, "" for one without events. Raises as `EventLog.read`."""
        found = self._known.get(database) or log_identity(self._log, database)
        if found:
            self._known[database] = found
        return found


def read_line(database: str, segment: int, line: bytes) -> RecordedEvent:
    """Return the event of a line that was carried elsewhere.

    Raises:
        CorruptSegment: it is no line of a log.
    """
    header = SegmentHeader(database, segment, previous="", writer="", nonce="", count=1, first=0, last=0, hash="")
    return Segment(header, (line,)).events()[0]


def require_lines(log: EventLog, database: str, *, after: int, count: int) -> list[bytes]:
    """Return exactly the `count` lines behind position `after`.

    Raises:
        StoreUnavailable: (retryable) the log does not show all of them.
    """
    lines = log.read_lines(database, after=after, limit=count)
    if len(lines) < count:
        raise StoreUnavailable(f"the log of {database} does not show positions {after + 1} to {after + count}")
    return lines[:count]
