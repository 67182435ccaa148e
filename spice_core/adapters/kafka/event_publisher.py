"""The publisher: an idempotent producer whose every batch is awaited."""

import logging
import threading
from collections.abc import Sequence

import orjson
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from spice_core.adapters.kafka.access import KafkaAccess, Trouble
from spice_core.adapters.kafka.messages import LARGEST_LINE, Headers, headers_in, shared_headers
from spice_core.adapters.kafka.topics import TopicPlan, Topics
from spice_core.domain.events import RecordedEvent
from spice_core.errors import Closed, ConfigurationError, FeedUnavailable
from spice_core.ports.event_publisher import BuriedEvent, EventPublisher

_LOGGER = logging.getLogger(__name__)


class KafkaEventPublisher(EventPublisher):
    """Produces with idempotence and all acknowledgements. Connects at the first call.

    A producer whose batch was not acknowledged in time is thrown away with what it still holds: the batch is published
    again, and what was stored of it is stored twice.
    """

    def __init__(
        self, access: KafkaAccess, plan: TopicPlan, *, may_create: bool, worker: str = "relay", timeout_seconds: float = 15.0
    ) -> None:
        """`may_create`: missing topics are created, else refused. `worker` stands in dead letters."""
        access.check()
        self._access = access
        self._plan = plan
        self._may_create = may_create
        self._worker = worker
        self._timeout = timeout_seconds
        self._topics = Topics(access, plan, timeout_seconds=min(10.0, timeout_seconds))
        self._incarnation = ""
        self._producer: Producer | None = None
        self._trouble = Trouble()
        self._failed: list[KafkaError] = []
        self._lock = threading.Lock()
        self._is_closed = False

    def check(self) -> None:
        self._check_open()
        found = self._topics.ensure(may_create=self._may_create)
        if found != self._incarnation:
            _LOGGER.info("publishing to %s", ", ".join(self._plan.names))
        self._incarnation = found

    def publish(self, events: Sequence[RecordedEvent], *, lines: Sequence[bytes], log: str) -> None:
        self._check_open()
        if not events:
            return
        with self._lock:
            producer = self._ready()
            database = events[0].database.encode()
            shared = shared_headers(log=log.encode(), database=database)
            commands, domain = self._plan.commands, self._plan.events
            produce = producer.produce
            for recorded, line in zip(events, lines, strict=True):
                is_command = recorded.event.is_command
                headers = headers_in(shared, recorded, is_command=is_command)
                topic, key = (commands, database) if is_command else (domain, recorded.event.aggregate_id.encode())
                value = line if len(line) <= LARGEST_LINE else None
                try:
                    produce(topic, value, key, headers=headers)
                except BufferError:
                    self._produce_when_free(producer, topic, value, key, headers)
            self._await(producer, "publishing events")

    def announce(self, letters: Sequence[BuriedEvent]) -> None:
        self._check_open()
        with self._lock:
            producer = self._ready()
            for buried in letters:
                letter = buried.letter
                key = f"{letter.handler}:{letter.database}".encode()
                self._produce_when_free(producer, self._plan.dead_letters, self._body(buried), key, [])
            self._await(producer, "publishing dead letters")

    def incarnation(self) -> str:
        self._check_open()
        return self._incarnation

    def is_empty(self) -> bool:
        self._check_open()
        return self._topics.is_empty()

    def close(self) -> None:
        self._is_closed = True
        with self._lock:
            self._discard()

    def _ready(self) -> Producer:
        """Return the producer. What the check finds wrong at run time is waited out: an operator may mend it."""
        if not self._incarnation:
            try:
                self.check()
            except ConfigurationError as error:
                raise FeedUnavailable(error.message) from error
        if self._producer is None:
            config = self._access.config(
                self._trouble,
                enable_idempotence=True,
                acks="all",
                linger_ms=5,
                batch_size=1_000_000,
                partitioner="murmur2_random",
                allow_auto_create_topics=False,
                delivery_timeout_ms=int(self._timeout * 1000),
                topic_metadata_refresh_interval_ms=5_000,
                queue_buffering_max_messages=200_000,
            )
            self._failed = []
            self._producer = Producer({**config, "on_delivery": self._on_delivery, "delivery.report.only.error": True})
        return self._producer

    def _on_delivery(self, error: KafkaError | None, message: Message) -> None:
        del message
        if error is not None:
            self._failed.append(error)

    def _produce_when_free(self, producer: Producer, topic: str, value: bytes | None, key: bytes, headers: Headers) -> None:
        """Produce; a full queue is given a moment, once."""
        try:
            producer.produce(topic, value, key, headers=headers)
        except BufferError:
            producer.flush(self._timeout)
            try:
                producer.produce(topic, value, key, headers=headers)
            except BufferError as error:
                self._discard()
                raise self._access.unreachable("publishing") from error
        except KafkaException as error:
            self._discard()
            raise FeedUnavailable(self._access.error(error, "publishing").message) from error

    def _await(self, producer: Producer, what: str) -> None:
        left = producer.flush(self._timeout)
        if not left and not self._failed:
            return
        reason = self._trouble.take() or (self._failed[0] if self._failed else None)
        self._discard()
        error = self._access.unreachable(what) if reason is None else self._access.error(reason, what)
        raise FeedUnavailable(error.message)

    def _discard(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.purge(in_queue=True, in_flight=True, blocking=False)
            producer.poll(0)

    def _body(self, buried: BuriedEvent) -> bytes:
        letter = buried.letter
        is_command = letter.event_type.endswith("_REQUESTED")
        return orjson.dumps(
            {
                "original_topic": self._plan.commands if is_command else self._plan.events,
                "original_partition": None,
                "original_offset": None,
                "original_value": None if buried.line is None else buried.line.decode(),
                "error": letter.error,
                "timestamp": letter.last_failed_at,
                "worker": letter.handler,
                "database": letter.database,
                "position": letter.position,
                "event_id": letter.event_id,
                "event_type": letter.event_type,
                "aggregate": letter.aggregate,
                "attempts": letter.attempts,
                "state": letter.state,
                "parked_behind": letter.parked_behind,
            },
            option=orjson.OPT_UTC_Z,
        )

    def _check_open(self) -> None:
        if self._is_closed:
            raise Closed("The publisher is closed.")
