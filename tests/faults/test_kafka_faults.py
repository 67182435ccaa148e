"""The write path over Kafka with real processes: brokers, relays, workers die, hang and come back, nothing is lost or doubled."""

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack

import orjson
import pytest
from confluent_kafka import KafkaException

from spice_api.dev.servers.server import Server
from spice_core.services.compare_stores import HANDLERS
from spice_workers.batch import item_of
from tests.faults.installation import DB, Installation, installation
from tests.kafka_places import KafkaPlace, until

pytestmark = pytest.mark.full
RELAY_POINTS = ("relay:before_effect", "relay:after_effect", "relay:before_done")
ALL = (*HANDLERS, "relay")


@pytest.fixture(scope="module")
def broker(own_module_server) -> Server:
    """A broker for the tests of this file alone: they kill it."""
    return own_module_server("kafka")


@pytest.fixture
def topics(broker) -> Iterator[KafkaPlace]:
    broker.resume()
    broker.start()
    with ExitStack() as stack:
        yield KafkaPlace(broker.bootstrap, stack)


@pytest.fixture
def place(tmp_path, nursery, topics, clean_database) -> Iterator[Installation]:
    settings: Mapping[str, str] = {
        "SPICE_POSTGRES_URL": clean_database,
        "SPICE_EVENT_FEED": "kafka",
        "KAFKA_BOOTSTRAP_SERVERS": topics.bootstrap,
        "SPICE_KAFKA_TOPIC_PREFIX": topics.plan.prefix,
        "SPICE_POSTGRES_POOL_SIZE": "4",
    }
    with installation(tmp_path / "home", nursery, settings) as found:
        found.set_up()
        yield found


def published(topics: KafkaPlace, log_length: int) -> list[int]:
    """The positions of `shop` on the topics of commands and events, in the order of arrival per partition."""
    ends = topics.ends()
    found: list[int] = []
    for name in (topics.plan.commands, topics.plan.events):
        count = sum(end for (topic, _), end in ends.items() if topic == name)
        found += [orjson.loads(message.value() or b"")["position"] for message in topics.messages(name, count)]
    assert set(found) == set(range(1, log_length + 1)), "something was skipped, or came from nowhere"
    return found


def settle(place: Installation, ids: list[str], count: int, *, seconds: float = 90.0) -> None:
    """Wait until all is done and published; nothing may be lost or doubled."""
    place.wait_final(ids, seconds=seconds)
    place.wait_caught_up(names=ALL, seconds=seconds)
    place.check_people(count)


def test_write_path_over_kafka_from_command_to_every_store(place, topics):
    place.start_worker()
    settle(place, place.people(20), 20)
    head = place.platform.log.head(DB).position
    assert sorted(published(topics, head)) == list(range(1, head + 1)), "each event is published once"
    until(lambda: sum(topics.committed("graph").values()) > 0, what="a commit of the graph worker's group")


@pytest.mark.parametrize("point", RELAY_POINTS)
def test_fault_09_relay_killed_between_publishing_and_marking_skips_nothing(place, topics, point):
    ids = place.people(5)
    relay = place.start_worker("relay", ENABLE_CHAOS_INJECTION="true", CHAOS_CRASH_POINT=point)
    assert relay.wait(60) == 42
    place.start_worker("relay", ENABLE_CHAOS_INJECTION="true", CHAOS_CRASH_POINT=point)
    place.start_worker("graph", "search", "read-models", "registry")
    settle(place, ids, 5)
    positions = published(topics, place.platform.log.head(DB).position)
    is_repeated = len(positions) > len(set(positions))
    assert is_repeated is (point != "relay:before_effect")


def test_fault_09_another_relay_takes_over_from_one_that_hangs(place, topics):
    first = place.start_worker("relay")
    place.wait_caught_up(names=["relay"])
    first.pause()
    place.people(3)
    place.start_worker("relay")
    place.wait_caught_up(names=["relay"])
    first.resume()
    ids = place.people(3, first=3)
    place.start_worker("graph", "search", "read-models", "registry")
    settle(place, ids, 6)
    published(topics, place.platform.log.head(DB).position)


@pytest.mark.parametrize("fault", ["killed", "hung"])
def test_fault_10_and_22_broker_that_dies_or_hangs_delays_and_loses_nothing(place, topics, broker, fault):
    place.start_worker()
    place.wait_final(place.people(3))
    broker.kill() if fault == "killed" else broker.pause()
    ids = place.people(5, first=3)
    place.wait_final(ids)  # the log delivers while Kafka is away
    if fault == "killed":
        broker.start()
    else:
        broker.resume()
    ids += place.people(4, first=8)
    settle(place, ids, 12)
    published(topics, place.platform.log.head(DB).position)


def test_fault_10_topics_deleted_under_the_workers_are_declared_and_filled_again(place, topics):
    place.start_worker()
    settle(place, place.people(5), 5)
    topics.delete_topics(*topics.plan.names)
    ids = place.people(5, first=5)
    place.wait_final(ids)
    until(lambda: set(topics.plan.names) <= set(topics.admin().list_topics(timeout=5).topics), what="the declaration")
    head = place.platform.log.head(DB).position

    def is_filled() -> bool:
        try:
            ends = topics.ends()
        except KafkaException:  # a partition of a moment ago has no leader yet
            return False
        return sum(ends.values()) >= head and place.platform.work.position("relay", DB) == head

    until(is_filled, seconds=60, what="the filling of the topics")
    settle(place, ids, 10)
    published(topics, place.platform.log.head(DB).position)


def test_fault_11_rebalance_storm_of_three_workers_has_every_effect_once(place, topics):
    workers = [place.start_worker() for _ in range(3)]
    ids = place.people(10)
    for number in range(6):
        victim = workers[number % 3]
        if number % 2:
            victim.pause()
            time.sleep(0.5)
            victim.resume()
        else:
            victim.kill()
            workers[number % 3] = place.start_worker()
        ids += place.people(5, first=10 + 5 * number)
    settle(place, ids, 40)
    published(topics, place.platform.log.head(DB).position)


def test_fault_11_worker_that_was_put_out_and_wakes_changes_nothing(place):
    zombie = place.start_worker(SPICE_WORKER_BATCH="3")
    place.wait_final(place.people(1))
    ids = place.people(10, first=1)
    zombie.pause()
    place.start_worker()
    place.wait_final(ids)
    zombie.resume()
    settle(place, place.people(2, first=11), 13)


def test_dead_letter_is_on_its_topic_too(place, topics):
    commands = place.platform.commands
    place.start_worker("relay")
    place.wait_caught_up(names=["relay"])
    command_id = commands.create_instance(DB, "main", "Owner", {"owner_id": "o1", "name": "0"}).command_id
    [event] = [one for one in place.platform.log.read(DB, after=0, limit=1000) if one.event.event_id == command_id]
    work = place.platform.work
    lease = work.acquire("test", owner="test", seconds=60)
    assert lease is not None
    item = item_of(event)
    work.claim(lease, "graph", [item])
    work.bury(lease, "graph", [item], event_types=[event.event.event_type], error="too bad", behind=None)
    [message] = topics.messages(topics.plan.dead_letters, 1)
    body = orjson.loads(message.value() or b"")
    assert (body["error"], body["worker"], body["event_id"]) == ("too bad", "graph", command_id)
    assert body["original_topic"] == topics.plan.commands
    assert orjson.loads(body["original_value"])["event_id"] == command_id
    until(lambda: work.unannounced() == [], what="the record of the announcement")


def test_relay_refuses_to_start_on_what_only_an_operator_can_mend(place):
    missing = place.start_worker("relay", APP_ENV="production", SPICE_KAFKA_TOPIC_PREFIX="nobody-made.")
    assert missing.wait(60) == 2
    assert "SPICE_KAFKA_TOPIC_PREFIX" in place.out
    nothing = place.start_worker("relay", SPICE_EVENT_FEED="log")
    assert nothing.wait(60) == 2
    assert "SPICE_EVENT_FEED=log" in place.out
