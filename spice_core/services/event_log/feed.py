"""Delivery straight from the log: its tail is the feed."""

import threading
from collections.abc import Sequence

from spice_core.domain.events import RecordedEvent
from spice_core.errors import Closed
from spice_core.ports.event_feed import EventFeed
from spice_core.services.event_log.event_log import EventLog

_TOLD_SECONDS = 0.05
_LISTS_PER_LOOK = 6


class LogEventFeed(EventFeed):
    """Gives the next segments of a log, or waits: it can neither skip nor lose. Needs no engine and keeps no offsets.

    Where asking the store costs a request, the ledger tells of news (every process folds what it appends, within a moment),
    and the store is asked every `look_seconds`, for what a process left unfolded when it died.
    """

    def __init__(self, log: EventLog) -> None:
        """Read `log`, which the caller closes; its limit `look_seconds` says how often the store is asked, 0: each time."""
        self._log = log
        self._clock = log.clock
        self._look_seconds = log.limits.look_seconds
        self._looks: dict[str, tuple[float, int]] = {}
        self._told: tuple[float, dict[str, int]] = (float("-inf"), {})
        self._listed: tuple[float, list[str]] = (float("-inf"), [])
        self._lock = threading.Lock()
        self._is_closed = False

    def databases(self) -> list[str]:
        self._check_open()
        if not self._look_seconds:
            return self._log.databases()
        now = self._clock.monotonic()
        if now - self._listed[0] >= self._look_seconds * _LISTS_PER_LOOK:
            self._listed = (now, self._log.databases())
        return sorted({*self._listed[1], *self._news()})

    def newest(self, database: str) -> int:
        self._check_open()
        if not self._look_seconds:
            return self._log.head(database).position
        now = self._clock.monotonic()
        looked_at, position = self._looks.get(database, (float("-inf"), 0))
        if now - looked_at >= self._look_seconds:
            position = self._log.head(database).position
            self._looks[database] = (now, position)
        return max(position, self._news().get(database, 0))

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

    def _news(self) -> dict[str, int]:
        with self._lock:
            now = self._clock.monotonic()
            if now - self._told[0] >= _TOLD_SECONDS:
                self._told = (now, self._log.told())
            return self._told[1]

    def _check_open(self) -> None:
        if self._is_closed:
            raise Closed("The feed is closed.")
