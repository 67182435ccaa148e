"""A publisher in memory, for tests of the relay."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from spice_core.domain.events import RecordedEvent
from spice_core.errors import Closed
from spice_core.ports.event_publisher import BuriedEvent, EventPublisher


@dataclass(frozen=True, slots=True)
class Published:
    """One event that arrived."""

    event: RecordedEvent
    line: bytes
    log: str


class MemoryEventPublisher(EventPublisher):
    """Keeps what was published in order. `trouble` may raise before a batch; `lose` forgets everything, as a deleted topic."""

    def __init__(self, *, trouble: Callable[[], None] = lambda: None) -> None:
        self.published: list[Published] = []
        self.announced: list[BuriedEvent] = []
        self.trouble = trouble
        self._losses = 0
        self._is_closed = False

    def lose(self) -> None:
        """Forget everything that was published."""
        self.published.clear()
        self.announced.clear()
        self._losses += 1

    def check(self) -> None:
        self._check_open()
        self.trouble()

    def publish(self, events: Sequence[RecordedEvent], *, lines: Sequence[bytes], log: str) -> None:
        self._check_open()
        self.trouble()
        self.published += [Published(event, line, log) for event, line in zip(events, lines, strict=True)]

    def announce(self, letters: Sequence[BuriedEvent]) -> None:
        self._check_open()
        self.trouble()
        self.announced += letters

    def incarnation(self) -> str:
        self._check_open()
        return str(self._losses)

    def is_empty(self) -> bool:
        self._check_open()
        return not self.published

    def close(self) -> None:
        self._is_closed = True

    def _check_open(self) -> None:
        if self._is_closed:
            raise Closed("The publisher is closed.")
