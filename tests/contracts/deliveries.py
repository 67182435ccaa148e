"""What the contracts of `EventFeed` and `EventPublisher` look at besides the adapter: the log behind it, what arrived."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import orjson
import pytest
from event_log_world import DB, command, world
from kafka_places import QUICK, KafkaPlace, Relay

from spice_core.adapters.memory.event_feed import MemoryEventFeed
from spice_core.adapters.memory.event_publisher import MemoryEventPublisher
from spice_core.domain.events import RecordedEvent
from spice_core.ports.event_feed import EventFeed
from spice_core.ports.event_publisher import EventPublisher
from spice_core.services.event_log.event_log import EventLog


@dataclass
class Delivery:
    """A feed, and the log behind it, which a test appends to and may read out of band."""

    feed: EventFeed
    log: EventLog
    relay: Relay | None = None

    def append(self, count: int, database: str = DB) -> Sequence[RecordedEvent]:
        events = [command(f"a{number % 3}") for number in range(count)]
        recorded = self.log.append(database, events, create=True).events
        if isinstance(self.feed, MemoryEventFeed):
            self.feed.publish(recorded)
        if self.relay is not None:
            self.relay.run(database)
        return recorded


def delivery_of(make: Callable[[EventLog], EventFeed]) -> Callable[[pytest.FixtureRequest], object]:
    """Return an opener of a feed that needs nothing but the log."""

    @contextmanager
    def opened(request: pytest.FixtureRequest) -> Iterator[Delivery]:
        with world("memory", directory=request.getfixturevalue("tmp_path"), dsn=None) as place:
            log = place.log()
            yield Delivery(make(log), log)

    return opened


@contextmanager
def kafka_delivery(request: pytest.FixtureRequest) -> Iterator[Delivery]:
    """A feed from Kafka, which a relay fills from the log."""
    with ExitStack() as stack, world("memory", directory=request.getfixturevalue("tmp_path"), dsn=None) as place:
        log = place.log()
        kafka = KafkaPlace(request.getfixturevalue("kafka_server").bootstrap, stack)
        yield Delivery(kafka.feed(log, limits=QUICK), log, kafka.relay(log))


@dataclass
class Arrivals:
    """A publisher, and a look at what arrived: lines of commands, lines of domain events, errors of dead letters."""

    publisher: EventPublisher
    commands: Callable[[int], list[bytes]]
    events: Callable[[int], list[bytes]]
    errors: Callable[[int], list[str]]


@contextmanager
def memory_arrivals(request: pytest.FixtureRequest) -> Iterator[Arrivals]:
    """A publisher in memory."""
    publisher = MemoryEventPublisher()

    def lines(is_command: bool) -> Callable[[int], list[bytes]]:
        return lambda count: [one.line for one in publisher.published if one.event.event.is_command is is_command]

    yield Arrivals(publisher, lines(True), lines(False), lambda count: [one.letter.error for one in publisher.announced])


@contextmanager
def kafka_arrivals(request: pytest.FixtureRequest) -> Iterator[Arrivals]:
    """A publisher to Kafka, and a consumer of everything."""
    with ExitStack() as stack:
        place = KafkaPlace(request.getfixturevalue("kafka_server").bootstrap, stack)

        def lines(topic: str) -> Callable[[int], list[bytes]]:
            return lambda count: [message.value() or b"" for message in place.messages(topic, count)]

        yield Arrivals(
            place.publisher(),
            lines(place.plan.commands),
            lines(place.plan.events),
            lambda count: [orjson.loads(m.value() or b"")["error"] for m in place.messages(place.plan.dead_letters, count)],
        )
