"""The relay and the announcement of dead letters, on memory adapters."""

from dataclasses import replace

import pytest

from spice_core.adapters.memory.event_publisher import MemoryEventPublisher
from spice_core.errors import ConfigurationError, FeedUnavailable
from spice_core.services.announce_dead_letters import announce_dead_letters
from spice_core.services.event_log.identity import log_identity, read_line
from spice_core.services.event_log.line_feed import LineFeed
from spice_core.services.relay_events import RelayHandler
from spice_workers.stream import Pass
from tests.workers_world import Workers, refuse


@pytest.fixture
def publisher() -> MemoryEventPublisher:
    return MemoryEventPublisher()


@pytest.fixture
def workers() -> Workers:
    return Workers()


def relay_of(workers: Workers, publisher: MemoryEventPublisher, owner: str = "relay-1"):
    handler = RelayHandler(log=workers.log, work=workers.work, publisher=publisher)
    return workers.another_runner(owner, handler)


def positions(publisher: MemoryEventPublisher) -> list[int]:
    return [one.event.position for one in publisher.published]


def test_every_event_is_published_in_order_with_the_bytes_of_the_log(workers, publisher):
    for number in range(25):
        workers.append(f"n{number}")
    relay_of(workers, publisher).run_until_idle()
    assert positions(publisher) == list(range(1, 26))
    assert [one.line for one in publisher.published] == workers.log.read_lines("shop", after=0, limit=100)
    assert {one.log for one in publisher.published} == {log_identity(workers.log, "shop")}
    assert workers.work.position("relay", "shop") == 25


def test_a_carried_line_reads_as_the_event_it_was(workers):
    workers.append("a")
    [recorded] = workers.log.read("shop", after=0, limit=1)
    [line] = workers.log.read_lines("shop", after=0, limit=1)
    assert read_line("shop", recorded.segment, line) == recorded


@pytest.mark.parametrize("text", ["plain", 'a "quote"', ',"metadata":{}', "back\\slash", "한국어"])
def test_line_is_told_from_what_its_event_says(workers, text):
    workers.append("a")
    [recorded] = workers.log.read("shop", after=0, limit=1)
    odd = replace(
        recorded.event,
        event_id=f"{text}!",
        data={"payload": {"metadata": {"kind": text}}, text: text},
        metadata={"kind": "command", "traceparent": "00-1", "metadata": {"kind": text}},
        sequence_number=None,
    )
    workers.log.append("shop", [odd])
    [recorded] = workers.log.read("shop", after=1, limit=1)
    feed = LineFeed(workers.log)
    [light] = feed.poll("relay", "shop", after=1)
    assert (light.position, light.segment, light.event.event_id) == (2, recorded.segment, recorded.event.event_id)
    assert light.event.metadata == recorded.event.metadata
    assert light.event.aggregate_id == recorded.event.aggregate_id
    assert light.event.occurred_at == recorded.event.occurred_at
    assert feed.lines("shop", after=0, count=2) == workers.log.read_lines("shop", after=0, limit=2)


def test_must_hold_06_relay_that_was_down_resumes_from_its_durable_position(workers, publisher):
    workers.append("a")
    relay_of(workers, publisher).run_until_idle()
    for number in range(12):
        workers.append(f"late{number}")
    workers.clock.sleep(1000)
    relay_of(workers, publisher, "relay-2").run_until_idle()
    assert positions(publisher) == list(range(1, 14))


def test_batch_that_was_published_and_not_marked_is_published_again_and_none_is_skipped(workers, publisher):
    for number in range(5):
        workers.append(f"n{number}")
    relay = relay_of(workers, publisher)
    stream = relay.stream("relay", "shop")
    stream._parts.crash.at = lambda place: (_ for _ in ()).throw(SystemExit) if place == "relay:after_effect" else None
    with pytest.raises(SystemExit):
        relay.step("relay", "shop")
    assert workers.work.position("relay", "shop") == 0
    workers.clock.sleep(1000)
    relay_of(workers, publisher, "relay-2").run_until_idle()
    assert positions(publisher) == [1, 2, 3, 4, 5, 1, 2, 3, 4, 5]


def test_one_relay_per_database_works_and_another_takes_over(workers, publisher):
    workers.append("a")
    first, second = relay_of(workers, publisher), relay_of(workers, publisher, "relay-2")
    assert first.step("relay", "shop") is Pass.WORKED
    workers.append("b")
    assert second.step("relay", "shop") is Pass.STANDBY
    workers.clock.sleep(workers.limits.lease_seconds + workers.limits.heartbeat_seconds)
    assert second.step("relay", "shop") is Pass.WORKED
    assert positions(publisher) == [1, 2]


def test_fault_22_relay_waits_while_the_engine_is_down_and_loses_nothing(workers, publisher):
    workers.append("a")

    def down() -> None:
        raise FeedUnavailable("no broker")

    publisher.trouble = down
    relay = relay_of(workers, publisher)
    assert relay.step("relay", "shop") is Pass.PAUSED
    assert "no broker" in (relay.stream("relay", "shop").error or "")
    publisher.trouble = lambda: None
    workers.clock.sleep(60)
    relay.run_until_idle()
    assert positions(publisher) == [1]
    assert workers.work.dead_letters(state="") == []


def test_what_is_set_up_wrongly_pauses_the_relay_and_gives_no_event_up(workers, publisher):
    workers.append("a")
    relay = relay_of(workers, publisher)

    def wrong() -> None:
        raise ConfigurationError("too few partitions")

    publisher.trouble = wrong
    assert relay.step("relay", "shop") is Pass.PAUSED
    assert workers.work.dead_letters(state="") == []


def test_fault_10_lost_topics_are_filled_again_from_the_first_event(workers, publisher):
    for number in range(7):
        workers.append(f"n{number}")
    relay = relay_of(workers, publisher)
    relay.run_until_idle()
    publisher.lose()
    assert relay.stream("relay", "shop").is_news(7), "nothing new in the log, and yet there is work"
    relay.step("relay", "shop")
    relay.run_until_idle()
    assert positions(publisher) == list(range(1, 8))
    assert workers.work.position("relay", "shop") == 7


def test_fault_10_topics_lost_while_the_relay_was_down_are_filled_when_it_starts(workers, publisher):
    for number in range(3):
        workers.append(f"n{number}")
    first = relay_of(workers, publisher)
    first.run_until_idle()
    first.stop()
    publisher.lose()
    late = workers.append("late")
    relay_of(workers, publisher, "relay-2").run_until_idle()
    assert positions(publisher) == [1, 2, 3, 4]
    assert publisher.published[-1].event.event.event_id == late


def test_fault_10_topics_lost_while_the_relay_was_down_are_filled_with_every_database(workers, publisher):
    for name in ("beta", "gamma"):
        for number in range(3):
            workers.append(f"n{number}", database=name)
    first = relay_of(workers, publisher)
    first.run_until_idle()
    first.stop()
    publisher.lose()
    workers.append("late", database="alpha")  # nothing of it was published before
    assert relay_of(workers, publisher, "relay-2").step("relay", "alpha") is Pass.WORKED
    relay_of(workers, publisher, "relay-3").run_until_idle()
    found = sorted((one.event.database, one.event.position) for one in publisher.published)
    assert found == [("alpha", 1), *((name, number) for name in ("beta", "gamma") for number in (1, 2, 3))]


def test_dead_letters_are_announced_once_and_again_when_they_fail_again(workers, publisher):
    poison = workers.append("a")
    workers.handler.trouble = refuse(poison)
    workers.runner.run_until_idle()
    tell = {"work": workers.work, "log": workers.log, "publisher": publisher}
    assert announce_dead_letters(**tell) == 1
    assert announce_dead_letters(**tell) == 0
    [buried] = publisher.announced
    assert buried.letter.event_id == poison
    assert buried.line == workers.log.read_lines("shop", after=0, limit=1)[0]
    workers.clock.sleep(100)
    workers.runner.run_until_idle()
    assert announce_dead_letters(**tell) == 1


def test_dead_letter_that_could_not_be_announced_stays_to_be_announced(workers, publisher):
    workers.handler.trouble = refuse(workers.append("a"))
    workers.runner.run_until_idle()
    tell = {"work": workers.work, "log": workers.log, "publisher": publisher}

    def down() -> None:
        raise FeedUnavailable("no broker")

    publisher.trouble = down
    with pytest.raises(FeedUnavailable):
        announce_dead_letters(**tell)
    publisher.trouble = lambda: None
    assert announce_dead_letters(**tell) == 1
