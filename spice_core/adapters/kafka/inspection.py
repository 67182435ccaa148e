"""Looking at a Kafka cluster: brokers, the declared topics, a probe message, and the time of the broker."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime

from confluent_kafka import KafkaError, KafkaException, Message, Producer

# The client does not mark what it re-exports.
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from spice_core.adapters.kafka.access import KafkaAccess, Trouble
from spice_core.adapters.kafka.topics import TopicPlan, Topics
from spice_core.domain.findings import Finding, attempted, clock_finding
from spice_core.errors import ConfigurationError, SpiceError
from spice_core.ports.clock import Clock
from spice_core.ports.id_source import IdSource

_PART = "kafka"
_SECONDS = 5.0
_ADVICE = (
    "is the cluster of KAFKA_BOOTSTRAP_SERVERS up? Until then workers read the log itself; SPICE_EVENT_FEED=log does without"
)


def inspect_kafka(access: KafkaAccess, plan: TopicPlan, *, may_create: bool, clock: Clock, ids: IdSource) -> Iterator[Finding]:
    """Yield what is found at the cluster. With `may_create` a topic of one message is created there, and deleted."""
    trouble = Trouble()
    try:
        access.check()
        client = AdminClient(access.config(trouble))
    except (SpiceError, KafkaException) as error:
        yield Finding(_PART, "down", str(error), "correct the setting")
        return
    reached = attempted(_PART, lambda: _reach(client, access, trouble), _ADVICE)
    yield reached
    if reached.state != "ok":
        return
    yield _topics(access, plan, may_create=may_create)
    if may_create:
        yield from _probe(client, access, f"{plan.prefix}spice-doctor-{ids.new_id()}", clock)


def _reach(client: AdminClient, access: KafkaAccess, trouble: Trouble) -> str:
    try:
        found = client.list_topics(timeout=_SECONDS)
    except KafkaException as error:
        client.poll(0)
        raise access.error(trouble.take() or error, "looking at the cluster") from error
    return f"{len(found.brokers)} brokers, cluster {found.cluster_id}"


def _topics(access: KafkaAccess, plan: TopicPlan, *, may_create: bool) -> Finding:
    try:
        Topics(access, plan, timeout_seconds=_SECONDS).ensure(may_create=False)
    except ConfigurationError as error:
        if may_create and "has no topic" in error.message:
            return Finding("kafka topics", "ok", "not there yet; the relay creates them when it starts")
        advice = "add what is missing to the topic (kafka-topics.sh --alter), or correct the setting"
        return Finding("kafka topics", "down", error.message, advice)
    except SpiceError as error:
        return Finding("kafka topics", "down", error.message, _ADVICE)
    found = f"{', '.join(plan.names)}: {plan.partitions} partitions or more, kept for {plan.retention_hours} hours or longer"
    return Finding("kafka topics", "ok", found)


def _probe(client: AdminClient, access: KafkaAccess, topic: str, clock: Clock) -> Iterator[Finding]:
    """Write one message that the broker stamps with its own time."""
    advice = "look at the rights of KAFKA_USERNAME, and at the disk of the brokers"
    try:
        config = {"message.timestamp.type": "LogAppendTime", "retention.ms": "3600000"}
        client.create_topics([NewTopic(topic, 1, 1, config=config)], request_timeout=_SECONDS)[topic].result()
        try:
            stamped = _produce(access, topic)
        finally:
            client.delete_topics([topic], request_timeout=_SECONDS)[topic].result()
    except KafkaException as error:
        yield Finding("kafka writes", "down", access.error(error, "a probe message").message, advice)
        return
    if stamped is None:
        yield Finding("kafka writes", "down", f"a message was not acknowledged within {_SECONDS:g} s", advice)
        return
    yield Finding("kafka writes", "ok", "a message was written to a topic made for it")
    yield clock_finding(_PART, theirs=stamped, ours=clock.now())


def _produce(access: KafkaAccess, topic: str) -> datetime | None:
    """Return the broker's time of a message, None if it was not acknowledged in time. Raises `KafkaException`."""
    done, stamps, errors = threading.Event(), list[int](), list[KafkaError]()

    def on_delivery(error: KafkaError | None, message: Message) -> None:
        if error is not None:
            errors.append(error)
        else:
            stamps.append(message.timestamp()[1])
        done.set()

    producer = Producer(access.config(Trouble(), message_timeout_ms=int(_SECONDS * 1000)))
    producer.produce(topic, b"probe", on_delivery=on_delivery)
    producer.flush(_SECONDS + 1)
    if errors:
        raise KafkaException(errors[0])
    return datetime.fromtimestamp(stamps[0] / 1000, tz=UTC) if done.is_set() and stamps else None
