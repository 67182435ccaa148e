"""What the projections have in common that follow every event and keep their rows and position in one commit."""

from abc import abstractmethod
from collections.abc import Sequence

from spice_core.domain.events import RecordedEvent
from spice_core.services.handling import Handler


class Follower(Handler):
    """Takes every event, and knows how far its projection is, so that a store that went back is noticed.

    A server that crashes may lose its last commits while this process goes on: without `after` the events of those commits
    would be missing for good.
    """

    claims_events = False

    def __init__(self) -> None:
        self._reached: dict[str, int] = {}

    def wants(self, event: RecordedEvent) -> bool:  # noqa: ARG002 - its position is the log's
        return True

    def begin(self, database: str, position: int) -> int:
        self._reached[database] = position
        return position

    def handle(self, database: str, events: Sequence[RecordedEvent]) -> None:
        after = self._reached.get(database, 0)
        self.follow(database, events, after=after)
        self._reached[database] = max(after, events[-1].position)

    @abstractmethod
    def follow(self, database: str, events: Sequence[RecordedEvent], *, after: int) -> None:
        """Store the rows of `events` and the position of the last.

        Raises:
            CommitsLost: (retryable) the store is behind `after`: nothing is stored, the stream begins again.
            Unavailable: (retryable) as `Handler.handle`.
        """
