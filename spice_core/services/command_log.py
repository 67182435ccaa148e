"""What submitting and applying commands need of the event log."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from spice_core.domain.events import Event, RecordedEvent


class Appended(Protocol):
    """The outcome of an append: the events at their places, and whether the log had them all before."""

    @property
    def events(self) -> Sequence[RecordedEvent]:
        """In the order given."""

    @property
    def is_duplicate(self) -> bool:
        """Nothing was written: these are the first results."""


class Head(Protocol):
    """The end of a log."""

    @property
    def position(self) -> int:
        """Of the last event, 0 for none."""


class CommandLog(Protocol):
    """The face of `services.event_log.EventLog` that the write path uses."""

    def append(
        self, database: str, events: Sequence[Event], *, expected: Mapping[str, int] | None = None, create: bool = False
    ) -> Appended:
        """Append all `events` or none. Raises `OptimisticConcurrencyConflict`, `IdempotencyMismatch`, `DatabaseNotFound`."""

    def number(self, database: str, aggregate: str) -> int:
        """Return how many commands of `{type}|{id}` were accepted."""

    def find(self, database: str, event_id: str) -> RecordedEvent | None:
        """Return the event, None where the log does not have it."""

    def head(self, database: str) -> Head:
        """Return the end of the log."""

    def exists(self, database: str) -> bool:
        """Return whether there is a log of `database`."""
