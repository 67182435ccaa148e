"""Delivery straight from the log: its tail is the feed."""

from collections.abc import Sequence

from spice_core.domain.events import RecordedEvent
from spice_core.errors import Closed
from spice_core.ports.event_feed import EventFeed
from spice_core.services.event_log.event_log import EventLog


class LogEventFeed(EventFeed):
    """Gives the next segments of a log, or waits: it can neither skip nor lose. Needs no engine and keeps no offsets."""

    def __init__(self, log: EventLog) -> None:
        """Read `log`, which the caller closes."""
        self._log = log
        self._is_closed = False

    def databases(self) -> list[str]:
        self._check_open()
        return self._log.databases()

    def newest(self, database: str) -> int:
        self._check_open()
        return self._log.head(database).position

    def poll(self, consumer: str, database: str, *, after: int, limit: int = 1000) -> Sequence[RecordedEvent]:  # noqa: ARG002 - every consumer gets the same
        self._check_open()
        return self._log.read(database, after=after, limit=limit)

    def wait(self, *, seconds: float) -> None:
        self._check_open()
        self._log.wait(seconds=seconds)

    def acknowledge(self, consumer: str, database: str, *, position: int) -> None:  # noqa: ARG002 - no offsets here
        self._check_open()

    def close(self) -> None:
        self._is_closed = True

    def _check_open(self) -> None:
        if self._is_closed:
            raise Closed("The feed is closed.")
