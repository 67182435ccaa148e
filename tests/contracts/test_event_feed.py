"""The contract of `EventFeed`, sentence by sentence, on every adapter."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from deliveries import Delivery
from event_log_world import DB, World, world

from spice_core.adapters.memory.event_feed import MemoryEventFeed
from spice_core.domain.events import RecordedEvent
from spice_core.errors import Closed, CorruptSegment
from spice_core.services.event_log.feed import LogEventFeed
from spice_core.services.event_log.segment import segment_key


@pytest.fixture
def place(tmp_path: Path) -> Iterator[World]:
    with world("memory", directory=tmp_path, dsn=None) as made:
        yield made


def consume(delivery: Delivery, *, page: int = 4) -> list[RecordedEvent]:
    """Do what a consumer does: repeats are ignored, a gap is read from the log, the position is its own."""
    done: list[RecordedEvent] = []
    while batch := delivery.feed.poll("worker", DB, after=len(done), limit=page):
        for event in batch:
            if event.position > len(done) + 1:
                done += delivery.log.read(DB, after=len(done), limit=event.position - 1 - len(done))
            if event.position == len(done) + 1:
                done.append(event)
        delivery.feed.acknowledge("worker", DB, position=len(done))
    return done


def test_a_consumer_gets_every_event_in_the_logs_order(delivery: Delivery):
    appended = [event for count in (1, 3, 10, 2) for event in delivery.append(count)]
    assert consume(delivery) == appended


def test_must_hold_06_what_was_appended_while_a_consumer_was_away_is_delivered(delivery: Delivery):
    first = delivery.append(5)
    assert consume(delivery) == list(first)
    later = [event for _ in range(20) for event in delivery.append(7)]
    assert consume(delivery, page=50) == [*first, *later]


def test_a_consumer_resumes_from_its_own_position(delivery: Delivery):
    appended = delivery.append(9)
    batch = delivery.feed.poll("worker", DB, after=6)
    assert {event.position for event in batch} <= {7, 8, 9}
    assert all(event == appended[event.position - 1] for event in batch)
    assert delivery.feed.poll("worker", DB, after=9) == []
    assert [event.position for event in delivery.append(1)] == [10]
    assert [event.position for event in delivery.feed.poll("worker", DB, after=9)][-1:] == [10]


def test_a_position_ahead_of_the_log_is_legal_and_gives_nothing(delivery: Delivery):
    delivery.append(2)
    assert delivery.feed.poll("worker", DB, after=50) == []


def test_consumers_and_databases_do_not_touch_each_other(delivery: Delivery):
    delivery.append(2)
    delivery.append(3, "zoo")
    assert delivery.feed.databases() == [DB, "zoo"]
    delivery.feed.acknowledge("one", DB, position=2)
    assert delivery.feed.poll("two", DB, after=0)
    assert {event.database for event in delivery.feed.poll("one", "zoo", after=0)} == {"zoo"}
    assert delivery.feed.poll("one", "unknown", after=0) == []


def test_waiting_ends_at_the_latest_after_its_time(delivery: Delivery):
    delivery.append(1)
    delivery.feed.wait(seconds=0.01)
    delivery.feed.wait(seconds=0.01)


def test_every_method_of_a_closed_feed_raises_and_close_repeats(delivery: Delivery):
    delivery.feed.close()
    delivery.feed.close()
    calls: list[Callable[[], object]] = [
        delivery.feed.databases,
        lambda: delivery.feed.poll("worker", DB, after=0),
        lambda: delivery.feed.wait(seconds=0),
        lambda: delivery.feed.acknowledge("worker", DB, position=1),
    ]
    for call in calls:
        with pytest.raises(Closed):
            call()


def test_an_acknowledged_offset_is_the_next_message_and_never_goes_back():
    feed = MemoryEventFeed()
    for position in (3, 7, 5):
        feed.acknowledge("worker", DB, position=position)
    assert feed.offset("worker", DB) == 8


def test_repeating_a_poll_gives_the_same_events(place: World):
    log = place.log()
    delivery = Delivery(LogEventFeed(log), log)
    delivery.append(5)
    assert delivery.feed.poll("a", DB, after=1, limit=2) == delivery.feed.poll("b", DB, after=1, limit=2)
    assert [event.position for event in delivery.feed.poll("a", DB, after=1, limit=2)] == [2, 3]


def test_nothing_at_or_behind_damage_is_delivered(place: World):
    log = place.log()
    delivery = Delivery(LogEventFeed(log), log)
    for _ in range(3):
        delivery.append(2)
    place.objects[segment_key(DB, 2)] = (object(), b"garbage")
    fresh = Delivery(LogEventFeed(place.log()), log)
    assert [event.position for event in fresh.feed.poll("worker", DB, after=0, limit=2)] == [1, 2]
    with pytest.raises(CorruptSegment):
        fresh.feed.poll("worker", DB, after=2)


def test_a_misbehaving_feed_really_misbehaves(place: World):
    log = place.log()
    delivery = Delivery(MemoryEventFeed(seed=3, duplicate=0.5, reorder=0.5, skip=0.5), log)
    delivery.append(10)
    polls = [[event.position for event in delivery.feed.poll("worker", DB, after=0)] for _ in range(50)]
    assert any(len(set(poll)) < len(poll) for poll in polls)
    assert any(poll != sorted(poll) for poll in polls)
    assert any(len(set(poll)) < 10 for poll in polls)
