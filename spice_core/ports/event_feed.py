"""Delivery of the log to workers, at least once."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

from spice_core.domain.events import RecordedEvent


class EventFeed(ABC):
    """The events of each database's log, in the log's order, at least once.

    A delivery may repeat events and, on engines that partition, may skip ahead: `RecordedEvent.position` tells, and a
    consumer that sees a gap reads the missing events from the log. Nothing that was acknowledged by the log is ever
    left out for good, however long a consumer was away. No clock decides what is delivered. The consumer keeps its own
    durable position (`WorkLedger.mark_done`), the last one *done*, and asks for what follows it; events it is not
    interested in advance that position all the same. After `close`, every method but `close` raises `Closed`.
    """

    @abstractmethod
    def databases(self) -> list[str]:
        """Return every database that has a log, in name order."""

    @abstractmethod
    def newest(self, database: str) -> int:
        """Return the position of the newest event of `database` that the feed knows of, 0 for none: is a poll worth it?

        Never ahead of the log; it may lag behind, and catches up by itself. Raises as `poll`.
        """

    @abstractmethod
    def poll(self, consumer: str, database: str, *, after: int, limit: int = 1000) -> Sequence[RecordedEvent]:
        """Return the next events after position `after`, up to about `limit` (whole segments may make it more).

        Returns an empty sequence where there is nothing new; does not wait. Repeating the call gives the same events.

        Raises:
            CorruptSegment, BrokenChain: the log is damaged; nothing at or behind the damage is delivered.
            StoreUnavailable: (retryable) the log cannot be read now.
        """

    @abstractmethod
    def wait(self, *, seconds: float) -> None:
        """Return when something new may be there, at the latest after `seconds`; may return early for no reason."""

    @abstractmethod
    def acknowledge(self, consumer: str, database: str, *, position: int) -> None:
        """Tell the engine that `consumer` is done up to and including `position` and has recorded so elsewhere.

        Engines that keep offsets of their own move them to the *next* event; the others do nothing. A lower position
        than before is ignored.
        """

    def counters(self) -> Mapping[str, int]:
        """Return what this process saw of deliveries so far, for people who watch it: counts by an engine's own names.

        `delivered` and `from_log` are events by the way they came; others are messages that were `repeated`, `foreign` (of
        another log), `dropped` … Empty for a feed that is the log itself.
        """
        return {}

    @abstractmethod
    def close(self) -> None:
        """Release everything; closing again does nothing."""
