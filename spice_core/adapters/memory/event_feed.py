"""A feed in memory that misbehaves as real ones may, for tests of consumers."""

import random
import threading
from collections import defaultdict
from collections.abc import Iterable, Sequence

from spice_core.domain.events import RecordedEvent
from spice_core.errors import Closed
from spice_core.ports.event_feed import EventFeed


class MemoryEventFeed(EventFeed):
    """Delivers what `publish` gave it, at least once.

    `duplicate`, `reorder` and `skip` are probabilities (0 to 1) per poll, drawn from `seed`: that some events come twice,
    that they come in another order, that some are left out of this delivery (a repeated poll gives them again).
    """

    def __init__(self, *, seed: int = 0, duplicate: float = 0.0, reorder: float = 0.0, skip: float = 0.0) -> None:
        self._random = random.Random(seed)  # noqa: S311 - a test's dice
        self._duplicate = duplicate
        self._reorder = reorder
        self._skip = skip
        self._events: dict[str, list[RecordedEvent]] = defaultdict(list)
        self._offsets: dict[tuple[str, str], int] = {}
        self._news = threading.Condition()
        self._is_closed = False

    def publish(self, events: Iterable[RecordedEvent]) -> None:
        """Make `events`, in the order of their positions, deliverable."""
        with self._news:
            for event in events:
                self._events[event.database].append(event)
            self._news.notify_all()

    def offset(self, consumer: str, database: str) -> int:
        """Return the next position that `consumer` has not acknowledged."""
        return self._offsets.get((consumer, database), 0) + 1

    def databases(self) -> list[str]:
        with self._news:
            self._check_open()
            return sorted(self._events)

    def newest(self, database: str) -> int:
        with self._news:
            self._check_open()
            return max((event.position for event in self._events.get(database, [])), default=0)

    def poll(self, consumer: str, database: str, *, after: int, limit: int = 1000) -> Sequence[RecordedEvent]:  # noqa: ARG002
        with self._news:
            self._check_open()
            stored = self._events.get(database, [])
            return self._disturb([event for event in stored if event.position > after][:limit])

    def wait(self, *, seconds: float) -> None:
        with self._news:
            self._check_open()
            self._news.wait(seconds)

    def acknowledge(self, consumer: str, database: str, *, position: int) -> None:
        with self._news:
            self._check_open()
            key = (consumer, database)
            self._offsets[key] = max(position, self._offsets.get(key, 0))

    def close(self) -> None:
        with self._news:
            self._is_closed = True
            self._news.notify_all()

    def _disturb(self, events: list[RecordedEvent]) -> list[RecordedEvent]:
        dice = self._random
        if events and dice.random() < self._skip:
            # The last one stays, so that the consumer can see the gap.
            events = [event for event in events[:-1] if dice.random() < 0.5] + events[-1:]
        if dice.random() < self._duplicate:
            events = [copy for event in events for copy in [event] * dice.choice([1, 1, 2])]
        if dice.random() < self._reorder:
            dice.shuffle(events)
        return events

    def _check_open(self) -> None:
        if self._is_closed:
            raise Closed("The feed is closed.")
