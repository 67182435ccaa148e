"""The contract of `EventPublisher`, on memory and on Kafka; what arrived is looked at out of band."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from deliveries import Arrivals
from event_log_world import DB, command, domain_event, world

from spice_core.errors import Closed
from spice_core.ports.event_publisher import BuriedEvent
from spice_core.ports.work_ledger import DeadLetter
from spice_core.services.event_log.event_log import EventLog

NOW = datetime(2026, 11, 21, 8, tzinfo=UTC)


@pytest.fixture
def log(tmp_path) -> Iterator[EventLog]:
    with world("memory", directory=tmp_path, dsn=None) as made:
        yield made.log()


def publish(arrivals: Arrivals, log: EventLog, *, after: int = 0) -> None:
    events = log.read(DB, after=after, limit=1000)
    arrivals.publisher.publish(events, lines=log.read_lines(DB, after=after, limit=1000), log="abc")


def letter(event_id: str, error: str) -> DeadLetter:
    return DeadLetter("graph", DB, event_id, 1, "Instance|a", "X_REQUESTED", error, 5, NOW, NOW, "waiting", None)


def test_commands_arrive_in_order_byte_for_byte_when_publish_returns(arrivals, log):
    log.append(DB, [command(f"a{number}") for number in range(30)], create=True)
    publish(arrivals, log)
    assert arrivals.commands(30) == log.read_lines(DB, after=0, limit=100)


def test_domain_events_of_an_aggregate_arrive_in_order(arrivals, log):
    causes = [command("a1") for _ in range(10)]
    log.append(DB, causes, create=True)
    log.append(DB, [domain_event(cause, number + 1) for number, cause in enumerate(causes)])
    publish(arrivals, log)
    assert arrivals.events(10) == log.read_lines(DB, after=10, limit=100)


def test_repeating_a_batch_repeats_it(arrivals, log):
    log.append(DB, [command("a1"), command("a2")], create=True)
    publish(arrivals, log)
    publish(arrivals, log)
    assert arrivals.commands(4) == log.read_lines(DB, after=0, limit=100) * 2


def test_dead_letters_arrive(arrivals, log):
    arrivals.publisher.announce([BuriedEvent(letter("e1", "first"), b"{}"), BuriedEvent(letter("e2", "second"), None)])
    assert sorted(arrivals.errors(2)) == ["first", "second"]


def test_what_was_never_published_to_is_empty(arrivals, log):
    assert arrivals.publisher.is_empty()
    cause = command("a1")
    log.append(DB, [cause], create=True)
    log.append(DB, [domain_event(cause, 1)])
    publish(arrivals, log)
    assert not arrivals.publisher.is_empty()


def test_nothing_to_publish_is_legal(arrivals):
    arrivals.publisher.publish([], lines=[], log="abc")
    arrivals.publisher.announce([])


def test_every_method_of_a_closed_publisher_raises_and_close_repeats(arrivals, log):
    log.append(DB, [command("a1")], create=True)
    arrivals.publisher.close()
    arrivals.publisher.close()
    calls: list[Callable[[], object]] = [
        arrivals.publisher.check,
        arrivals.publisher.is_empty,
        arrivals.publisher.incarnation,
        lambda: arrivals.publisher.announce([]),
        lambda: publish(arrivals, log),
    ]
    for call in calls:
        with pytest.raises(Closed):
            call()
