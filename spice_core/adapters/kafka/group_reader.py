"""One consumer group's member: a thread that reads messages, keeps them ready, and commits what is finished."""

import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from spice_core.adapters.kafka.access import KafkaAccess, Trouble
from spice_core.adapters.kafka.buffer import Carried, DeliveryBuffer
from spice_core.adapters.kafka.messages import Place, place_of
from spice_core.adapters.kafka.offsets import PartitionOffsets
from spice_core.adapters.kafka.topics import TopicPlan
from spice_core.errors import SpiceError
from spice_core.ports.clock import Clock

_LOGGER = logging.getLogger(__name__)
_FETCHED = 500
_ZOMBIE = frozenset(
    {
        KafkaError.ILLEGAL_GENERATION,
        KafkaError.UNKNOWN_MEMBER_ID,
        KafkaError.FENCED_MEMBER_EPOCH,
        KafkaError.STALE_MEMBER_EPOCH,
        KafkaError.FENCED_INSTANCE_ID,
        KafkaError.REBALANCE_IN_PROGRESS,
    }
)


@dataclass(frozen=True, slots=True)
class ReaderLimits:
    """Bounds of one reader.

    Attributes:
        events_per_database, buffer_bytes: what waits for its handler; more is dropped, and read from the log.
        tracked: messages of a partition that are read and not finished; beyond, the partition is paused.
        commit_seconds: how often finished offsets are committed.
        ask_seconds: how often the work ledger is asked how far another process is.
        session_seconds: a member that is silent for so long loses its partitions.
        poll_interval_seconds: so does one that does not ask for messages for so long.
    """

    events_per_database: int = 4_000
    buffer_bytes: int = 8 << 20
    tracked: int = 50_000
    commit_seconds: float = 1.0
    ask_seconds: float = 2.0
    session_seconds: float = 45.0
    poll_interval_seconds: float = 300.0


class GroupReader:
    """Reads the topics of commands and events as one member of the group of one handler.

    Its thread does nothing but read, so a slow handler never exceeds the poll interval; a process that stood still and
    lost its partitions comes back as a new member. Commits of an earlier membership are refused by Kafka, and they only
    say where to start reading after a restart: what is done stands in the work ledger.
    """

    def __init__(
        self,
        consumer: str,
        *,
        access: KafkaAccess,
        plan: TopicPlan,
        clock: Clock,
        limits: ReaderLimits,
        position_of: Callable[[str], int],
        log_of: Callable[[str], str],
        on_news: Callable[[str, int], None],
        counters: Counter[str],
    ) -> None:
        """`position_of` gives the handler's recorded position, `log_of` the identity of a database's log."""
        self._plan = plan
        self._clock = clock
        self._limits = limits
        self._position_of = position_of
        self._log_of = log_of
        self._on_news = on_news
        self._counters = counters
        self._name = consumer
        self._buffer = DeliveryBuffer(events_per_database=limits.events_per_database, bytes_in_all=limits.buffer_bytes)
        self._offsets: dict[tuple[str, int], PartitionOffsets] = {}
        self._positions: dict[str, int] = {}
        self._asked_at: dict[str, float] = {}
        self._paused: set[tuple[str, int]] = set()
        self._assigned: frozenset[tuple[str, int]] = frozenset()
        self._partitions = 0
        self._access = access
        self._trouble = Trouble()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"kafka-{consumer}", daemon=True)
        self._thread.start()

    @property
    def buffer(self) -> DeliveryBuffer:
        """The messages that wait for the handler."""
        return self._buffer

    @property
    def is_complete(self) -> bool:
        """Whether every partition is read here: only then is it worth waiting for a message that is not there yet."""
        return self._thread.is_alive() and 0 < self._partitions <= len(self._assigned)

    @property
    def assigned(self) -> frozenset[tuple[str, int]]:
        """The (topic, partition) pairs that this member reads."""
        return self._assigned

    def done(self, database: str, position: int) -> None:
        """Note that the handler's position in `database` is recorded; a lower one than before is ignored."""
        with self._lock:
            if position <= self._positions.get(database, -1):
                return
            self._positions[database] = position
        self._buffer.drop(database, up_to=position)

    def close(self) -> None:
        """Commit what is finished, leave the group, end the thread."""
        self._stop.set()
        self._thread.join(timeout=10.0)

    def _run(self) -> None:
        pause = 0.1
        while not self._stop.is_set():
            try:
                self._read_as_member()
                pause = 0.1
            except KafkaException as error:
                reason = self._access.error(self._trouble.take() or error, f"reading for {self._name}")
                _LOGGER.warning("%s", reason.message)
                self._stop.wait(pause)
                pause = min(10.0, pause * 2)
            finally:
                self._assigned = frozenset()

    def _read_as_member(self) -> None:
        consumer = Consumer(self._config())
        try:
            consumer.subscribe(
                [self._plan.commands, self._plan.events],
                on_assign=self._on_assign,
                on_revoke=self._on_revoke,
                on_lost=self._on_lost,
            )
            commit_at = self._clock.monotonic() + self._limits.commit_seconds
            while not self._stop.is_set():
                self._take(consumer.consume(_FETCHED, timeout=0.1))
                self._balance(consumer)
                if self._clock.monotonic() >= commit_at:
                    commit_at = self._clock.monotonic() + self._limits.commit_seconds
                    self._ask_for_positions()
                    self._commit(consumer, self._offsets, is_asynchronous=True)
        finally:
            consumer.close()  # revokes, and so commits

    def _config(self) -> dict[str, object]:
        limits = self._limits
        return self._access.config(
            self._trouble,
            group_id=self._plan.group(self._name),
            client_id=f"spice-{self._name}",
            enable_auto_commit=False,
            enable_auto_offset_store=False,
            auto_offset_reset="earliest",
            partition_assignment_strategy="cooperative-sticky",
            session_timeout_ms=int(limits.session_seconds * 1000),
            heartbeat_interval_ms=int(min(3.0, limits.session_seconds / 3) * 1000),
            max_poll_interval_ms=int(max(limits.poll_interval_seconds, limits.session_seconds) * 1000),
            topic_metadata_refresh_interval_ms=5_000,
            allow_auto_create_topics=False,
            queued_max_messages_kbytes=16_384,
            fetch_wait_max_ms=100,
        )

    def _take(self, messages: Iterable[Message]) -> None:
        news: dict[str, int] = {}
        for message in messages:
            if message.error() is not None:
                self._counters["errors"] += 1
                _LOGGER.debug("reading for %s: %s", self._name, message.error())
                continue
            self._take_one(message, news)
        for database, position in news.items():
            self._on_news(database, position)

    def _take_one(self, message: Message, news: dict[str, int]) -> None:
        topic, partition, offset = message.topic(), message.partition(), message.offset()
        if topic is None or partition is None or offset is None:
            return
        offsets = self._offsets.setdefault((topic, partition), PartitionOffsets())
        headers = message.headers()
        place = place_of(headers.items() if isinstance(headers, dict) else headers)
        if place is None or not self._is_ours(place):
            self._counters["foreign"] += 1
            _LOGGER.warning("%s[%s]@%s is no event of ours; skipped", topic, partition, offset)
            offsets.saw(offset)
            return
        offsets.saw(offset, database=place.database, position=place.position)
        if place.position <= self._positions.get(place.database, 0):
            self._counters["repeated"] += 1
            return
        carried = Carried(place.position, place.segment, place.event_id, message.value())
        if not self._buffer.add(place.database, carried):
            self._counters["dropped"] += 1
        news[place.database] = max(news.get(place.database, 0), place.position)

    def _is_ours(self, place: Place) -> bool:
        try:
            return place.log == self._log_of(place.database)
        except SpiceError as error:
            _LOGGER.debug("the log of %s cannot be read: %s", place.database, error)
            return False

    def _balance(self, consumer: Consumer) -> None:
        """Stop reading partitions with too much unfinished, and go on with those that caught up."""
        for key, offsets in self._offsets.items():
            waiting = len(offsets) if key in self._paused or self._limits.tracked < 2 * len(offsets) else 0
            if waiting > self._limits.tracked and key not in self._paused:
                consumer.pause([TopicPartition(*key)])
                self._paused.add(key)
            elif key in self._paused and waiting < self._limits.tracked // 2:
                consumer.resume([TopicPartition(*key)])
                self._paused.discard(key)

    def _ask_for_positions(self) -> None:
        """Ask how far the handler is, also in other processes, where a commit waits for it."""
        now = self._clock.monotonic()
        for offsets in self._offsets.values():
            database = offsets.unfinished(self._positions)
            if database is None or now < self._asked_at.get(database, 0.0):
                continue
            self._asked_at[database] = now + self._limits.ask_seconds
            try:
                self.done(database, self._position_of(database))
            except SpiceError as error:
                _LOGGER.debug("the position of %s in %s is not known: %s", self._name, database, error)

    def _commit(self, consumer: Consumer, offsets: dict[tuple[str, int], PartitionOffsets], *, is_asynchronous: bool) -> None:
        ends = [
            TopicPartition(topic, partition, behind)
            for (topic, partition), known in offsets.items()
            if (behind := known.finish(self._positions)) is not None
        ]
        if not ends:
            return
        try:
            if is_asynchronous:
                consumer.commit(offsets=ends, asynchronous=True)
            else:
                consumer.commit(offsets=ends, asynchronous=False)
        except KafkaException as error:
            code = error.args[0].code()
            self._counters["refused_commits"] += 1
            _LOGGER.log(logging.INFO if code in _ZOMBIE else logging.WARNING, "commit for %s refused: %s", self._name, error)

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        for part in partitions:
            self._offsets[part.topic, part.partition] = PartitionOffsets()
        self._assigned |= {(part.topic, part.partition) for part in partitions}
        self._partitions = self._count_partitions(consumer)
        _LOGGER.info("%s reads %s", self._name, sorted(self._assigned))

    def _on_revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        keys = [(part.topic, part.partition) for part in partitions]
        self._commit(consumer, {key: self._offsets[key] for key in keys if key in self._offsets}, is_asynchronous=False)
        self._forget(keys)

    def _on_lost(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        del consumer  # the partitions are another member's already: nothing may be committed
        self._counters["lost_partitions"] += len(partitions)
        self._forget([(part.topic, part.partition) for part in partitions])

    def _forget(self, keys: list[tuple[str, int]]) -> None:
        for key in keys:
            self._offsets.pop(key, None)
            self._paused.discard(key)
        self._assigned -= set(keys)

    def _count_partitions(self, consumer: Consumer) -> int:
        try:
            known = consumer.list_topics(timeout=5.0).topics
        except KafkaException:
            return 0
        return sum(len(known[name].partitions) for name in (self._plan.commands, self._plan.events) if name in known)
