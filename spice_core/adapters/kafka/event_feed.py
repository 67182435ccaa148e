"""The feed over Kafka: what has arrived is delivered at once, and what is missing is read from the log."""

import logging
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from spice_core.adapters.kafka.access import KafkaAccess
from spice_core.adapters.kafka.buffer import Carried
from spice_core.adapters.kafka.group_reader import GroupReader, ReaderLimits
from spice_core.adapters.kafka.topics import TopicPlan
from spice_core.domain.events import RecordedEvent
from spice_core.errors import Closed, CorruptSegment
from spice_core.ports.clock import Clock
from spice_core.ports.event_feed import EventFeed
from spice_core.ports.work_ledger import WorkLedger

_LOGGER = logging.getLogger(__name__)
_LATE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class FeedLimits:
    """Bounds of a feed.

    Attributes:
        patience_seconds: how long a missing event may still come from Kafka before it is read from the log.
        head_seconds: how often the log's head is looked at while Kafka delivers.
        behind_seconds: how often while Kafka is behind it, or another process has some of the partitions.
        list_seconds: how often the databases are listed.
        reader: bounds of each consumer's reader.
    """

    patience_seconds: float = 0.25
    head_seconds: float = 1.0
    behind_seconds: float = 0.1
    list_seconds: float = 1.0
    reader: ReaderLimits = field(default_factory=ReaderLimits)


@dataclass(slots=True)
class _Known:
    """What is known of one database: the newest position that came through Kafka, and the log's head when last looked at."""

    delivered: int = 0
    head: int = 0
    looked_at: float = float("-inf")
    late_head: int = 0
    late_at: float = float("-inf")

    def looked(self, head: int, now: float) -> None:
        """Note the head found at `now`; what the last look found and did not come through Kafka since is late."""
        if self.head > max(self.delivered, self.late_head):
            self.late_head, self.late_at = self.head, now
        self.head, self.looked_at = head, now


class KafkaEventFeed(EventFeed):
    """Events through Kafka, checked against the log they claim to be of, with the log as the way out.

    Each consumer is a member of a group of its own name. A topic that is lost, re-created or never filled, a relay that is
    down, partitions at another process: all of that only makes the delivery slower, since the log's head is looked at
    now and then, and a position that does not come is read there. Connects when the first consumer polls.
    """

    def __init__(
        self,
        access: KafkaAccess,
        plan: TopicPlan,
        *,
        log: EventFeed,
        work: WorkLedger,
        clock: Clock,
        identity_of: Callable[[str], str],
        read_line: Callable[[str, int, bytes], RecordedEvent],
        limits: FeedLimits | None = None,
    ) -> None:
        """`log` is the feed that reads the log itself; `identity_of` and `read_line` say which log it is and parse a line."""
        access.check()
        self._access = access
        self._plan = plan
        self._log = log
        self._work = work
        self._clock = clock
        self._identity_of = identity_of
        self._read_line = read_line
        self._limits = limits or FeedLimits()
        self._readers: dict[str, GroupReader] = {}
        self._known: dict[str, _Known] = {}
        self._missed: dict[tuple[str, str], tuple[int, float]] = {}
        self._listed: tuple[float, list[str]] = (float("-inf"), [])
        self._counters: Counter[str] = Counter()
        self._news = threading.Condition()
        self._arrivals = 0
        self._seen = threading.local()
        self._lock = threading.Lock()
        self._is_closed = False

    def databases(self) -> list[str]:
        self._check_open()
        now = self._clock.monotonic()
        if now - self._listed[0] >= self._limits.list_seconds:
            self._listed = (now, self._log.databases())
        return list(self._listed[1])

    def newest(self, database: str) -> int:
        self._check_open()
        known, limits = self._known_of(database), self._limits
        now = self._clock.monotonic()
        is_behind = now - known.late_at < _LATE_SECONDS or not self._is_complete()
        pause = min(limits.head_seconds, limits.behind_seconds) if is_behind else limits.head_seconds
        if now - known.looked_at >= pause:
            known.looked(self._log.newest(database), now)
        return max(known.head, known.delivered)

    def poll(self, consumer: str, database: str, *, after: int, limit: int = 1000) -> Sequence[RecordedEvent]:
        self._check_open()
        reader = self._reader(consumer)
        reader.buffer.drop(database, up_to=after)
        carried = reader.buffer.run(database, after=after, limit=limit)
        events = self._parsed(database, carried)
        if events:
            self._counters["delivered"] += len(events)
            self._missed.pop((consumer, database), None)
            return events
        if self.newest(database) <= after or self._may_still_come(consumer, reader, database, after):
            return []
        return self._from_log(consumer, reader, database, after, limit)

    def wait(self, *, seconds: float) -> None:
        self._check_open()
        with self._news:
            if getattr(self._seen, "arrivals", 0) == self._arrivals:
                self._news.wait(seconds)
            self._seen.arrivals = self._arrivals

    def acknowledge(self, consumer: str, database: str, *, position: int) -> None:
        self._check_open()
        self._reader(consumer).done(database, position)

    def counters(self) -> Mapping[str, int]:
        return dict(self._counters)

    def reader(self, consumer: str) -> GroupReader:
        """Return the reader of `consumer`, started if it is not."""
        return self._reader(consumer)

    def close(self) -> None:
        with self._lock:
            self._is_closed = True
            readers, self._readers = list(self._readers.values()), {}
        for reader in readers:
            reader.close()
        with self._news:
            self._news.notify_all()

    def _from_log(self, consumer: str, reader: GroupReader, database: str, after: int, limit: int) -> Sequence[RecordedEvent]:
        self._missed.pop((consumer, database), None)
        events = self._log.poll(consumer, database, after=after, limit=limit)
        self._counters["from_log"] += len(events)
        known = self._known_of(database)
        if not events and known.delivered > after:
            # What claims to stand behind the log's end was not written by our relay.
            self._counters["foreign"] += reader.buffer.drop(database, beyond=after)
            known.delivered = after
        return events

    def _may_still_come(self, consumer: str, reader: GroupReader, database: str, after: int) -> bool:
        """Whether it is too early to read the log: messages of other partitions are a moment late as a rule."""
        if not reader.is_complete or not self._limits.patience_seconds:
            return False
        now = self._clock.monotonic()
        position, since = self._missed.get((consumer, database), (-1, now))
        if position != after:
            self._missed[consumer, database] = (after, now)
            return True
        return now - since < self._limits.patience_seconds

    def _parsed(self, database: str, carried: Sequence[Carried]) -> list[RecordedEvent]:
        """Return the events up to the first that is not what its message says: the log has that one."""
        events: list[RecordedEvent] = []
        for one in carried:
            event = self._event(database, one)
            if event is None:
                break
            events.append(event)
        return events

    def _event(self, database: str, carried: Carried) -> RecordedEvent | None:
        if carried.line is None:
            return None  # too large for a message
        try:
            event = self._read_line(database, carried.segment, carried.line)
        except CorruptSegment as error:
            self._counters["foreign"] += 1
            _LOGGER.warning("the message of %s@%s cannot be read, the log is: %s", database, carried.position, error)
            return None
        if (event.position, event.event.event_id) != (carried.position, carried.event_id):
            self._counters["foreign"] += 1
            _LOGGER.warning("the message of %s@%s holds another event, the log is read", database, carried.position)
            return None
        return event

    def _is_complete(self) -> bool:
        with self._lock:
            return all(reader.is_complete for reader in self._readers.values())

    def _known_of(self, database: str) -> _Known:
        with self._lock:
            return self._known.setdefault(database, _Known())

    def _reader(self, consumer: str) -> GroupReader:
        with self._lock:
            self._check_open()
            if consumer not in self._readers:
                self._readers[consumer] = GroupReader(
                    consumer,
                    access=self._access,
                    plan=self._plan,
                    clock=self._clock,
                    limits=self._limits.reader,
                    position_of=lambda database: self._work.position(consumer, database),
                    log_of=self._identity_of,
                    on_news=self._note,
                    counters=self._counters,
                )
            return self._readers[consumer]

    def _note(self, database: str, position: int) -> None:
        known = self._known_of(database)
        known.delivered = max(known.delivered, position)
        with self._news:
            self._arrivals += 1
            self._news.notify_all()

    def _check_open(self) -> None:
        if self._is_closed:
            raise Closed("The feed is closed.")
