"""One reading of the log for all handlers of a process: they follow each other closely, and decoding is what costs."""

import threading
from collections import OrderedDict
from collections.abc import Sequence

from spice_core.domain.events import RecordedEvent
from spice_core.ports.event_feed import EventFeed

_EVENTS_KEPT = 4_000
_DATABASES_KEPT = 16


class SharedFeed(EventFeed):
    """Keeps the newest delivered events of the databases in use, so that the next handler need not read them again."""

    def __init__(self, inner: EventFeed) -> None:
        """Read `inner`, which the caller closes; it must give every consumer the same events."""
        self._inner = inner
        self._lock = threading.Lock()
        self._windows: OrderedDict[str, list[RecordedEvent]] = OrderedDict()

    def databases(self) -> list[str]:
        return self._inner.databases()

    def newest(self, database: str) -> int:
        return self._inner.newest(database)

    def poll(self, consumer: str, database: str, *, after: int, limit: int = 1000) -> Sequence[RecordedEvent]:
        kept = self._kept(database, after, limit)
        if kept:
            return kept
        events = self._inner.poll(consumer, database, after=after, limit=limit)
        if events and events[0].position == after + 1:
            self._keep(database, events)
        return events

    def wait(self, *, seconds: float) -> None:
        self._inner.wait(seconds=seconds)

    def acknowledge(self, consumer: str, database: str, *, position: int) -> None:
        self._inner.acknowledge(consumer, database, position=position)

    def close(self) -> None:
        with self._lock:
            self._windows.clear()

    def _kept(self, database: str, after: int, limit: int) -> list[RecordedEvent]:
        with self._lock:
            window = self._windows.get(database)
            if not window or not window[0].position <= after + 1 <= window[-1].position:
                return []
            self._windows.move_to_end(database)
            start = after + 1 - window[0].position
            return window[start : start + limit]

    def _keep(self, database: str, events: Sequence[RecordedEvent]) -> None:
        """Extend the window, or begin a new one; a window has no gaps."""
        if events[-1].position - events[0].position != len(events) - 1:
            return
        with self._lock:
            window = self._windows.get(database, [])
            if window and events[0].position == window[-1].position + 1:
                window = [*window, *events][-_EVENTS_KEPT:]
            elif not window or events[-1].position > window[-1].position:
                window = list(events)[-_EVENTS_KEPT:]
            self._windows[database] = window
            self._windows.move_to_end(database)
            if len(self._windows) > _DATABASES_KEPT:
                self._windows.popitem(last=False)
