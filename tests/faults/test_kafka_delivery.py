"""What Kafka does to messages, and what the feed makes of it: on a real broker, with the log beside it."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace

import pytest
from confluent_kafka import Consumer, KafkaException, TopicPartition

from spice_core.adapters.kafka.messages import headers_of
from spice_core.adapters.kafka.topics import TopicPlan
from spice_core.adapters.memory.work_ledger import MemoryWorkLedger
from spice_core.adapters.system.clock import SystemClock
from spice_core.domain.events import RecordedEvent
from spice_core.errors import ConfigurationError, FeedUnavailable
from spice_core.ports.event_feed import EventFeed
from spice_core.services.event_log.event_log import EventLog
from spice_core.services.event_log.feed import LogEventFeed
from spice_core.services.event_log.identity import log_identity
from spice_workers.metrics import FeedCollector
from tests.event_log_world import DB, command, domain_event, world
from tests.kafka_places import EAGER, PATIENT, QUICK, KafkaPlace, checked, until

pytestmark = pytest.mark.full


class CountedLogFeed(LogEventFeed):
    """The log behind a feed; counts what is read from it."""

    reads = 0

    def poll(self, consumer: str, database: str, *, after: int, limit: int = 1000) -> Sequence[RecordedEvent]:
        self.reads += 1
        return super().poll(consumer, database, after=after, limit=limit)


@pytest.fixture
def log(tmp_path) -> Iterator[EventLog]:
    with world("memory", directory=tmp_path, dsn=None) as made:
        yield made.log()


@pytest.fixture
def place(kafka_server) -> Iterator[KafkaPlace]:
    with ExitStack() as stack:
        yield KafkaPlace(kafka_server.bootstrap, stack)


def write(log: EventLog, count: int) -> None:
    """Append `count` commands, and a domain event for each."""
    causes = [command(f"a{number % 5}") for number in range(count)]
    log.append(DB, causes, create=True)
    log.append(DB, [domain_event(cause, 1) for cause in causes])


def consume(feed: EventFeed, log: EventLog, *, after: int = 0, consumer: str = "worker") -> list[RecordedEvent]:
    """Take everything up to the log's head, in order and without gaps, and acknowledge it."""
    done: list[RecordedEvent] = []
    head = log.head(DB).position

    def step() -> bool:
        position = done[-1].position if done else after
        for event in feed.poll(consumer, DB, after=position, limit=100):
            assert event.position == position + 1
            position = event.position
            done.append(event)
            feed.acknowledge(consumer, DB, position=position)
        return position >= head

    until(step, what="the delivery")
    return done


def test_events_come_through_kafka_and_the_log_is_not_read_for_them(place, log):
    relay = place.relay(log)
    behind = CountedLogFeed(log)
    feed = place.feed(log, limits=PATIENT, behind=behind)
    until(lambda: feed.reader("worker").is_complete, what="the assignment")
    write(log, 200)
    relay.run(DB)
    assert consume(feed, log) == log.read(DB, after=0, limit=1000)
    assert behind.reads == 0
    assert feed.counters()["delivered"] == 400
    [shown] = FeedCollector(feed).collect()
    assert {sample.labels["kind"]: sample.value for sample in shown.samples}["delivered"] == 400


def test_offsets_of_finished_messages_are_committed_and_a_restart_goes_on_behind_them(place, log):
    relay = place.relay(log)
    feed = place.feed(log, limits=PATIENT)
    until(lambda: feed.reader("worker").is_complete, what="the assignment")
    write(log, 50)
    relay.run(DB)
    consume(feed, log)
    until(lambda: place.committed("worker") == place.ends(), what="the commit")
    feed.close()
    again = place.feed(log, limits=PATIENT)
    until(lambda: again.reader("worker").is_complete, what="the assignment")
    write(log, 3)
    relay.run(DB)
    assert [event.position for event in consume(again, log, after=100)] == list(range(101, 107))
    assert again.counters().get("repeated", 0) == 0


def test_nothing_is_committed_before_it_is_done(place, log):
    relay = place.relay(log)
    feed = place.feed(log)
    until(lambda: feed.reader("worker").is_complete, what="the assignment")
    log.append(DB, [command("a") for _ in range(10)], create=True)
    relay.run(DB)
    until(lambda: len(feed.reader("worker").buffer.run(DB, after=0, limit=100)) == 10, what="the delivery")
    feed.acknowledge("worker", DB, position=4)
    until(lambda: list(place.committed("worker").values()) == [4], what="the commit")
    feed.acknowledge("worker", DB, position=10)
    until(lambda: list(place.committed("worker").values()) == [10], what="the commit")


def test_what_another_process_has_done_is_committed_here(place, log):
    clock = SystemClock()
    work, relay = MemoryWorkLedger(clock), place.relay(log)
    feed = place.feed(log, work=work)
    feed.reader("worker")
    log.append(DB, [command("a") for _ in range(10)], create=True)
    relay.run(DB)
    lease = work.acquire(f"worker:{DB}", owner="another", seconds=60)
    assert lease is not None
    work.mark_done(lease, "worker", [], database=DB, position=10)
    until(lambda: list(place.committed("worker").values()) == [10], what="the commit")


def test_fault_12_poison_messages_are_skipped_and_the_log_has_the_real_ones(place, log):
    relay = place.relay(log)
    feed = place.feed(log)
    until(lambda: feed.reader("worker").is_complete, what="the assignment")
    write(log, 5)
    [first] = log.read(DB, after=0, limit=1)
    [line] = log.read_lines(DB, after=0, limit=1)
    ours = headers_of(first, log=log_identity(log, DB).encode(), database=DB.encode())
    topic, key = place.plan.commands, DB.encode()
    place.produce(topic, b"\xff\x00 not json", key=key)
    place.produce(topic, b"{}", key=key, headers=ours)
    place.produce(topic, line[:-20], key=key, headers=ours)
    place.produce(topic, line, key=key, headers=[*ours[:2], ("position", b"3"), *ours[3:]])
    place.produce(topic, line, key=key, headers=[*ours[:2], ("position", b"999999"), *ours[3:]])
    place.produce(topic, line, key=key, headers=[("database", b"elsewhere"), *ours[1:]])
    relay.run(DB)
    assert consume(feed, log) == log.read(DB, after=0, limit=1000)
    assert feed.counters()["foreign"] >= 3
    until(lambda: not feed.poll("worker", DB, after=10) and feed.newest(DB) == 10, what="forgetting what no log has")
    write(log, 5)
    relay.run(DB)
    assert len(consume(feed, log, after=10)) == 10


def test_messages_of_another_log_of_the_same_name_are_not_taken_for_ours(place, log, tmp_path):
    with world("memory", directory=tmp_path / "other", dsn=None) as other:
        theirs = other.log()
        write(theirs, 20)
        place.relay(theirs).run(DB)
    write(log, 3)
    feed = place.feed(log)
    assert consume(feed, log) == log.read(DB, after=0, limit=1000)
    until(lambda: feed.counters().get("foreign", 0) >= 40, what="the refusal of foreign messages")
    assert feed.newest(DB) == 6


def test_event_too_large_for_a_message_is_read_from_the_log(place, log):
    relay = place.relay(log)
    feed = place.feed(log)
    until(lambda: feed.reader("worker").is_complete, what="the assignment")
    log.append(DB, [command("a"), command("b", text="x" * 1_500_000), command("c")], create=True)
    relay.run(DB)
    assert [event.position for event in consume(feed, log)] == [1, 2, 3]


def test_trace_of_an_event_travels_in_the_headers_and_so_does_its_place(place, log):
    cause = command("a")
    traced = replace(cause, metadata={**cause.metadata, "traceparent": "00-" + "1" * 32 + "-" + "2" * 16 + "-01"})
    log.append(DB, [traced], create=True)
    place.relay(log).run(DB)
    [message] = place.messages(place.plan.commands, 1)
    headers = dict(message.headers() or [])
    assert headers["traceparent"] == traced.metadata["traceparent"].encode()
    assert (headers["database"], headers["position"], headers["segment"]) == (DB.encode(), b"1", b"1")
    assert (headers["event_id"], headers["kind"]) == (cause.event_id.encode(), b"command")
    assert message.key() == DB.encode()


def test_fault_10_without_a_relay_the_log_is_delivered_all_the_same(place, log):
    checked(place.publisher())
    feed = place.feed(log)
    until(lambda: feed.reader("worker").is_complete, what="the assignment")
    write(log, 20)
    assert consume(feed, log) == log.read(DB, after=0, limit=1000)


def test_fault_10_topics_deleted_and_declared_anew_leave_no_gap(place, log):
    publisher = place.publisher()
    relay = place.relay(log, publisher)
    feed = place.feed(log)
    until(lambda: feed.reader("worker").is_complete, what="the assignment")
    write(log, 100)
    relay.run(DB)
    assert len(consume(feed, log)) == 200
    before = publisher.incarnation()
    place.delete_topics(*place.plan.names)
    checked(publisher)
    assert publisher.incarnation() != before
    write(log, 10)
    relay.run(DB)
    assert [event.position for event in consume(feed, log, after=200)] == list(range(201, 221))
    until(lambda: place.committed("worker") == place.ends(), what="commits on the topics of now")


def test_fault_10_offset_out_of_range_begins_at_the_earliest(place, log):
    relay = place.relay(log)
    write(log, 30)
    relay.run(DB)
    jumping = Consumer({"bootstrap.servers": place.bootstrap, "group.id": place.plan.group("worker")})
    jumping.commit(offsets=[TopicPartition(*key, 10_000) for key in place.ends()], asynchronous=False)
    jumping.close()
    feed = place.feed(log, limits=PATIENT)
    until(lambda: feed.reader("worker").is_complete, what="the assignment")
    assert consume(feed, log) == log.read(DB, after=0, limit=1000)
    assert feed.counters()["delivered"] == 60


def test_fault_11_late_commit_of_a_former_member_is_refused(place, log):
    write(log, 5)
    place.relay(log).run(DB)
    config = {
        "bootstrap.servers": place.bootstrap,
        "group.id": place.plan.group("worker"),
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
        "session.timeout.ms": 6000,
        "max.poll.interval.ms": 6000,
    }
    zombie = Consumer(config)
    zombie.subscribe([place.plan.commands])
    seen: list[object] = []
    until(lambda: seen.extend(zombie.consume(1, timeout=0.2)) or seen, what="the zombie's first message")
    feed = place.feed(log)  # while the zombie does not ask for messages it is put out
    until(lambda: feed.reader("worker").is_complete, seconds=40, what="the take-over")
    consume(feed, log)
    until(lambda: place.committed("worker") == place.ends(), what="the commit")
    with pytest.raises(KafkaException):
        zombie.commit(offsets=[TopicPartition(place.plan.commands, 0, 1)], asynchronous=False)
    assert place.committed("worker") == place.ends()
    zombie.close()


def test_buffer_that_is_full_costs_a_look_at_the_log_and_nothing_else(place, log):
    relay = place.relay(log)
    limits = replace(EAGER, reader=replace(QUICK.reader, events_per_database=7))
    feed = place.feed(log, limits=limits)
    until(lambda: feed.reader("worker").is_complete, what="the assignment")
    write(log, 100)
    relay.run(DB)
    until(lambda: feed.counters().get("dropped", 0) > 0, what="a full buffer")
    assert consume(feed, log) == log.read(DB, after=0, limit=1000)


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ({"partitions": 5}, "SPICE_KAFKA_PARTITIONS"),
        ({"replication": 2}, "SPICE_KAFKA_REPLICATION"),
        ({"retention_hours": 500}, "SPICE_KAFKA_RETENTION_HOURS"),
        ({"prefix": "never-made."}, "SPICE_KAFKA_TOPIC_PREFIX"),
    ],
)
def test_topics_that_are_not_as_the_settings_say_are_refused_with_the_setting(place, asked, named):
    place.publisher()
    wrong = KafkaPlace(place.bootstrap, place.stack, replace(place.plan, **asked))
    with pytest.raises(ConfigurationError, match=named):
        wrong.publisher(may_create=False).check()


def test_credentials_that_are_refused_name_their_settings(place):
    access = replace(place.access, security="SASL_PLAINTEXT", username="a", password="b")  # noqa: S106 - nobody's
    with pytest.raises(ConfigurationError, match="KAFKA_USERNAME"):
        KafkaPlace.publisher_with(access, place.plan, place.stack).check()


def test_broker_that_is_not_there_names_its_setting_and_is_worth_a_retry(place):
    access = replace(place.access, bootstrap_servers="127.0.0.1:1")
    with pytest.raises(FeedUnavailable, match="KAFKA_BOOTSTRAP_SERVERS"):
        KafkaPlace.publisher_with(access, TopicPlan(), place.stack).check()
