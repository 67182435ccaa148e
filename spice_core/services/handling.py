"""What a worker does with events: the one interface between the runner and the services."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from spice_core.domain.events import RecordedEvent


def lease_name(handler: str, database: str) -> str:
    """Return the lease of a handler's stream: whoever has it may handle and mark."""
    return f"{handler}:{database}"


def hold_name(handler: str, database: str) -> str:
    """Return the lease that asks the worker of a stream to give way, for as long as it is held (a rebuild does)."""
    return f"hold:{handler}:{database}"


class Handler(ABC):
    """A consumer of the log: the graph, the registry, or a projection.

    `name` names its lease, its position and its dead letters, and never changes. `claims_events` says whether each event it
    handled is recorded in `processed_events`; a projection that stores its rows and position in one commit needs no record.
    `batch` is how many events it takes at once, where that is more than the settings say.
    """

    name: ClassVar[str]
    claims_events: ClassVar[bool] = True
    batch: ClassVar[int] = 0

    @abstractmethod
    def wants(self, event: RecordedEvent) -> bool:
        """Whether `handle` has something to do with `event`; the others only advance the position."""

    def stands_alone(self, event: RecordedEvent) -> bool:  # noqa: ARG002 - few handlers have such events
        """Whether `event` is handed over alone, and marked done before the next: what cannot be repeated after later events."""
        return False

    def begin(self, database: str, position: int) -> int:  # noqa: ARG002 - few handlers have a word in it
        """Return the position to go on behind, given the recorded one: called when a stream has got its lease.

        Raises:
            Unavailable: (retryable) an engine is down; the stream pauses.
        """
        return position

    def is_outdated(self, database: str) -> bool:  # noqa: ARG002 - few handlers ask
        """Whether the stream shall give its lease back and `begin` again; asked often, so it must be quick."""
        return False

    @abstractmethod
    def handle(self, database: str, events: Sequence[RecordedEvent]) -> None:
        """Bring about the effect of `events`, which are wanted ones in log order; on return the effect is durable.

        Idempotent: after a crash the same events come again, possibly in other batches. Events that the log delivered long ago
        may come at the position of the operator's command that retries them, so positions never go back.

        Raises:
            Unavailable: (retryable) an engine is down; the stream pauses and the same events come again.
            Exception: any other error is the fault of one of the events: the caller finds out which.
        """
