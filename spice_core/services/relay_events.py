"""The relay: passes each database's log on to the engine that delivers it."""

from collections.abc import Sequence

from spice_core.domain.events import RecordedEvent
from spice_core.errors import ConfigurationError, FeedUnavailable, SpiceError, Unavailable
from spice_core.ports.event_publisher import EventPublisher
from spice_core.ports.work_ledger import WorkLedger
from spice_core.services.event_log.event_log import EventLog
from spice_core.services.event_log.identity import LogIdentities
from spice_core.services.event_log.line_feed import LineFeed
from spice_core.services.handling import Handler


class RelayHandler(Handler):
    """Publishes every event in log order and waits until it is stored; its position is marked afterwards.

    A crash between the two publishes a batch twice, and never skips one. An engine that lost what was published (topics
    deleted and declared anew) gets everything again, from the first event.
    """

    name = "relay"
    claims_events = False
    batch = 10_000

    def __init__(self, *, log: EventLog, work: WorkLedger, publisher: EventPublisher, feed: LineFeed | None = None) -> None:
        """`feed` is the one that delivers to this handler, if it has the lines at hand."""
        self._feed = feed or LineFeed(log)
        self._work = work
        self._publisher = publisher
        self._identity = LogIdentities(log)
        self._filled: dict[str, str] = {}
        self._emptied = ""

    def wants(self, event: RecordedEvent) -> bool:  # noqa: ARG002 - all of them
        return True

    def begin(self, database: str, position: int) -> int:
        """Go on behind `position`, or begin anew where the engine does not have what was published before it."""
        incarnation = self._publisher.incarnation() or self._first_look()
        known = self._filled.get(database)
        if known != incarnation:
            if self._emptied != incarnation and self._publisher.is_empty():
                self._begin_all_anew()
                self._emptied = incarnation
            elif known:
                self._work.reset(self.name, database)
            position = self._work.position(self.name, database)
        self._filled[database] = incarnation
        return position

    def is_outdated(self, database: str) -> bool:
        known = self._filled.get(database)
        return known is not None and known != self._publisher.incarnation()

    def handle(self, database: str, events: Sequence[RecordedEvent]) -> None:
        try:
            first = events[0].position
            lines = self._feed.lines(database, after=first - 1, count=events[-1].position - first + 1)
            self._publisher.publish(events, lines=lines, log=self._identity(database))
        except Unavailable:
            raise
        except SpiceError as error:
            # No event is to blame, so none may be given up: the stream waits.
            raise FeedUnavailable(f"the relay of {database} cannot go on: {error.message}") from error

    def _begin_all_anew(self) -> None:
        """Forget the positions of all databases: as soon as one of them is published, the engine is empty no more.

        So whoever finds it filled, in this process or another, finds also that the positions before are gone.
        """
        for name, database in self._work.positions():
            if name == self.name:
                self._work.reset(name, database)

    def _first_look(self) -> str:
        try:
            self._publisher.check()
        except ConfigurationError as error:  # an operator may mend it: the stream waits
            raise FeedUnavailable(error.message) from error
        return self._publisher.incarnation()
