"""How often a quiet log's store is asked, and that news come through the ledger meanwhile."""

import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from event_log_world import DB, VirtualClock, World, command, world
from faulty_store import NO_FAULT, FaultyStore

from spice_core.services.event_log.event_log import EventLog
from spice_core.services.event_log.feed import LogEventFeed
from spice_core.services.event_log.limits import LogLimits

REMOTE = LogLimits(look_seconds=5.0, sweep_seconds=30.0)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[World]:
    with world("memory", directory=tmp_path, dsn=None) as made:
        yield made


def watched(place: World, clock: VirtualClock) -> tuple[EventLog, FaultyStore]:
    store = FaultyStore(place.store(), lambda operation, key: NO_FAULT)
    return place.log(store=store, clock=clock, limits=REMOTE), store


def test_an_idle_feed_asks_the_store_a_few_times_a_minute(place: World):
    clock = VirtualClock()
    place.log().append(DB, [command("a")], create=True)
    log, store = watched(place, clock)
    feed = LogEventFeed(log)
    feed.newest(DB)
    feed.databases()
    store.calls.clear()
    for _ in range(1_200):  # a minute of looks every 50 ms
        assert feed.databases() == [DB]
        assert feed.newest(DB) == 1
        clock.sleep(0.05)
    asked = Counter(operation for operation, _ in store.calls)
    assert asked["size"] <= 13
    assert asked["list"] <= 4
    assert asked["get"] == 0


def test_news_of_other_processes_come_through_the_ledger_without_asking_the_store(place: World):
    clock = VirtualClock()
    other = place.log()
    other.append(DB, [command("a")], create=True)
    log, store = watched(place, clock)
    feed = LogEventFeed(log)
    assert (feed.newest(DB), feed.databases()) == (1, [DB])
    other.append(DB, [command("a")])
    other.append("born-later", [command("a")], create=True)
    for database in (DB, "born-later"):
        other.fold(database)
    clock.sleep(0.1)
    store.calls.clear()
    assert feed.newest(DB) == 2
    assert feed.databases() == ["born-later", DB]
    assert store.calls == []
    assert [r.position for r in feed.poll("c", DB, after=1)] == [2]


def test_what_a_dead_process_left_unfolded_is_seen_within_the_look(place: World):
    clock = VirtualClock()
    log, _ = watched(place, clock)
    feed = LogEventFeed(log)
    dead = place.log()
    dead.append(DB, [command("a")], create=True)
    assert feed.newest(DB) == 1
    dead.append(DB, [command("a")])
    assert feed.newest(DB) == 1
    clock.sleep(REMOTE.look_seconds)
    assert feed.newest(DB) == 2


def test_the_head_of_a_known_log_costs_one_request(place: World):
    clock = VirtualClock()
    writer = place.log()
    for _ in range(300):
        writer.append(DB, [command("a")], create=True)
    log, store = watched(place, clock)
    log.head(DB)
    assert len(store.calls) <= 21
    store.calls.clear()
    log.head(DB)
    assert [operation for operation, _ in store.calls] == ["size"]


def test_a_feed_may_be_asked_by_many_threads(place: World):
    log, _ = watched(place, VirtualClock())
    log.append(DB, [command("a")], create=True)
    feed = LogEventFeed(log)
    found: list[int] = []
    threads = [threading.Thread(target=lambda: found.extend(feed.newest(DB) for _ in range(50))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(found) == {1}
