"""Publishers and feeds over a Kafka broker, with topics that no other test uses."""

import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

from confluent_kafka import Consumer, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from spice_core.adapters.kafka.access import KafkaAccess
from spice_core.adapters.kafka.event_feed import FeedLimits, KafkaEventFeed
from spice_core.adapters.kafka.event_publisher import KafkaEventPublisher
from spice_core.adapters.kafka.group_reader import ReaderLimits
from spice_core.adapters.kafka.topics import TopicPlan
from spice_core.adapters.memory.work_ledger import MemoryWorkLedger
from spice_core.adapters.system.clock import SystemClock
from spice_core.errors import FeedUnavailable
from spice_core.ports.event_feed import EventFeed
from spice_core.ports.work_ledger import WorkLedger
from spice_core.services.event_log.event_log import EventLog
from spice_core.services.event_log.feed import LogEventFeed
from spice_core.services.event_log.identity import LogIdentities, read_line
from spice_core.services.relay_events import RelayHandler

EAGER = FeedLimits(patience_seconds=0.0, head_seconds=0.0, behind_seconds=0.0, list_seconds=0.0)
"""Looks at the log whenever Kafka has nothing: what a poll gives does not depend on time."""
QUICK = replace(EAGER, reader=ReaderLimits(commit_seconds=0.1, ask_seconds=0.1, session_seconds=6.0))
PATIENT = FeedLimits(patience_seconds=60.0, head_seconds=0.0, reader=QUICK.reader)
"""Waits for Kafka: what a poll gives came through it."""


def until(condition: Callable[[], object], *, seconds: float = 30.0, what: str = "it") -> None:
    """Wait for `condition`; fail after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen in {seconds} s"
        time.sleep(0.01)


@dataclass
class KafkaPlace:
    """One broker, topics of its own, and what is opened over them."""

    bootstrap: str
    stack: ExitStack
    plan: TopicPlan = field(default_factory=lambda: TopicPlan(prefix=f"t{uuid.uuid4().hex[:10]}."))

    @property
    def access(self) -> KafkaAccess:
        return KafkaAccess(self.bootstrap)

    def publisher(self, *, may_create: bool = True, timeout_seconds: float = 10.0) -> KafkaEventPublisher:
        """A publisher whose topics are there."""
        publisher = KafkaEventPublisher(self.access, self.plan, may_create=may_create, timeout_seconds=timeout_seconds)
        self.stack.callback(publisher.close)
        if may_create:
            checked(publisher)
        return publisher

    @staticmethod
    def publisher_with(access: KafkaAccess, plan: TopicPlan, stack: ExitStack) -> KafkaEventPublisher:
        """A publisher that gives up soon."""
        publisher = KafkaEventPublisher(access, plan, may_create=False, timeout_seconds=2.0)
        stack.callback(publisher.close)
        return publisher

    def feed(
        self, log: EventLog, *, work: WorkLedger | None = None, limits: FeedLimits = QUICK, behind: EventFeed | None = None
    ) -> KafkaEventFeed:
        """A feed of `log`."""
        clock = SystemClock()
        feed = KafkaEventFeed(
            self.access,
            self.plan,
            log=behind or LogEventFeed(log),
            work=work or MemoryWorkLedger(clock),
            clock=clock,
            identity_of=LogIdentities(log),
            read_line=read_line,
            limits=limits,
        )
        self.stack.callback(feed.close)
        return feed

    def relay(self, log: EventLog, publisher: KafkaEventPublisher | None = None) -> "Relay":
        return Relay(log, publisher or self.publisher())

    def admin(self) -> AdminClient:
        return AdminClient({"bootstrap.servers": self.bootstrap})

    def delete_topics(self, *names: str) -> None:
        """Delete topics and wait until they are gone."""
        admin = self.admin()
        for future in admin.delete_topics(list(names)).values():
            future.result()
        until(lambda: not set(names) & set(admin.list_topics(timeout=5).topics), what="the deletion")

    def committed(self, consumer: str) -> dict[tuple[str, int], int]:
        """The offsets that the group of `consumer` has committed."""
        asking = Consumer({"bootstrap.servers": self.bootstrap, "group.id": self.plan.group(consumer)})
        parts = [TopicPartition(name, n) for name in (self.plan.commands, self.plan.events) for n in range(self.plan.partitions)]
        try:
            return {(part.topic, part.partition): part.offset for part in asking.committed(parts, timeout=10) if part.offset >= 0}
        finally:
            asking.close()

    def ends(self) -> dict[tuple[str, int], int]:
        """The end of every partition that has messages."""
        asking = Consumer({"bootstrap.servers": self.bootstrap, "group.id": "nobody"})
        try:
            return {
                (name, n): end
                for name in (self.plan.commands, self.plan.events)
                for n in range(self.plan.partitions)
                if (end := asking.get_watermark_offsets(TopicPartition(name, n), timeout=10)[1])
            }
        finally:
            asking.close()

    def messages(self, topic: str, count: int) -> list[Message]:
        """Read `count` messages of a topic from its beginning, with a client of its own."""
        reading = Consumer({"bootstrap.servers": self.bootstrap, "group.id": "nobody", "auto.offset.reset": "earliest"})
        reading.assign([TopicPartition(topic, number, 0) for number in range(self.plan.partitions)])
        found: list[Message] = []
        deadline = time.monotonic() + 20
        while len(found) < count:
            assert time.monotonic() < deadline, f"{topic} has {len(found)} of {count} messages"
            found += [message for message in reading.consume(count - len(found), timeout=0.2) if message.error() is None]
        reading.close()
        return found

    def produce(self, topic: str, value: bytes, *, key: bytes = b"", headers: Sequence[tuple[str, bytes]] = ()) -> None:
        """Put a message of somebody else's on a topic."""
        producer = Producer({"bootstrap.servers": self.bootstrap})
        producer.produce(topic, value, key, headers=list(headers))
        assert producer.flush(10) == 0


class Relay:
    """What the relay's runner does, in this thread: publish what is new, then move on."""

    def __init__(self, log: EventLog, publisher: KafkaEventPublisher) -> None:
        self._log = log
        self._handler = RelayHandler(log=log, work=MemoryWorkLedger(SystemClock()), publisher=publisher)
        self._positions: dict[str, int] = {}

    def run(self, database: str) -> int:
        """Publish up to the log's head; return it."""
        position = self._positions.get(database, 0)
        while events := self._log.read(database, after=position, limit=1000):
            self._handler.handle(database, events)
            position = self._positions[database] = events[-1].position
        return position


def checked(publisher: KafkaEventPublisher) -> None:
    """Wait until the topics are declared."""

    def is_there() -> bool:
        try:
            publisher.check()
            publisher.is_empty()  # asks the leaders of the partitions
        except FeedUnavailable:
            return False
        return True

    until(is_there, what="the declaration of topics")
