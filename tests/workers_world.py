"""Workers in memory: the real log, ledger of work and runner, a handler that records, and a feed that misbehaves."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from spice_core.adapters.memory.command_statuses import MemoryCommandStatuses
from spice_core.adapters.memory.ledger import MemoryLedger
from spice_core.adapters.memory.object_store import MemoryObjectStore
from spice_core.adapters.memory.work_ledger import MemoryWorkLedger
from spice_core.domain import naming
from spice_core.domain.commands import Command, CommandType
from spice_core.domain.events import RecordedEvent
from spice_core.ports.event_feed import EventFeed
from spice_core.services.event_log.event_log import EventLog, LogLimits
from spice_core.services.event_log.feed import LogEventFeed
from spice_core.services.handling import Handler
from spice_workers.crash_points import CrashPoints
from spice_workers.limits import RunnerLimits
from spice_workers.metrics import WorkerMetrics
from spice_workers.runner import Runner
from spice_workers.stream import Parts
from tests.write_path import CountedIds, SteppedClock

LIMITS = RunnerLimits(batch=10, max_attempts=3, first_retry_seconds=1.0, first_backoff_seconds=1.0, longest_backoff_seconds=8.0)


class RecordingHandler(Handler):
    """Keeps what it was given; `trouble` may raise for a batch."""

    name = "recording"

    def __init__(self) -> None:
        self.seen: list[tuple[str, int, str]] = []
        self.batches: list[int] = []
        self.trouble: Callable[[str, Sequence[RecordedEvent]], None] = lambda _database, _events: None

    def wants(self, event: RecordedEvent) -> bool:
        return event.event.aggregate_type == "Instance" and event.event.is_command

    def handle(self, database: str, events: Sequence[RecordedEvent]) -> None:
        self.trouble(database, events)
        self.batches.append(len(events))
        self.seen += [(database, event.position, event.event.event_id) for event in events]

    def ids(self, database: str = "shop") -> list[str]:
        return [event_id for name, _, event_id in self.seen if name == database]


class UnreliableFeed(EventFeed):
    """Delivers at least once, in any order, with holes."""

    def __init__(self, inner: EventFeed, seed: int) -> None:
        self._inner = inner
        self._random = random.Random(seed)

    def databases(self) -> list[str]:
        return self._inner.databases()

    def newest(self, database: str) -> int:
        return self._inner.newest(database)

    def poll(self, consumer: str, database: str, *, after: int, limit: int = 1000) -> Sequence[RecordedEvent]:
        back = min(after, self._random.randrange(4))
        events = list(self._inner.poll(consumer, database, after=after - back, limit=limit + back))
        events += self._random.sample(events, k=self._random.randrange(len(events) + 1))
        if len(events) > 2 and self._random.random() < 0.3:
            del events[self._random.randrange(len(events))]
        if self._random.random() < 0.3:
            self._random.shuffle(events)
        return events

    def wait(self, *, seconds: float) -> None:
        self._inner.wait(seconds=seconds)

    def acknowledge(self, consumer: str, database: str, *, position: int) -> None:
        self._inner.acknowledge(consumer, database, position=position)

    def close(self) -> None:
        self._inner.close()


@dataclass
class Workers:
    """One log and any number of runners over it, as processes are."""

    limits: RunnerLimits = LIMITS
    seed: int | None = None
    handler: RecordingHandler = field(default_factory=RecordingHandler)

    def __post_init__(self) -> None:
        self.clock = SteppedClock()
        self.ids = CountedIds()
        self.work = MemoryWorkLedger(self.clock)
        self.statuses = MemoryCommandStatuses()
        self.log = EventLog(
            store=MemoryObjectStore(),
            ledger=MemoryLedger(),
            clock=self.clock,
            ids=self.ids,
            writer_id="test",
            limits=LogLimits(window_seconds=0.0),
        )
        feed: EventFeed = LogEventFeed(self.log)
        self.feed = feed if self.seed is None else UnreliableFeed(feed, self.seed)
        self.runner = self.another_runner("me")

    def another_runner(self, owner: str, *handlers: Handler, crash: CrashPoints | None = None) -> Runner:
        parts = Parts(
            feed=self.feed,
            log=self.log,
            work=self.work,
            statuses=self.statuses,
            clock=self.clock,
            owner=owner,
            limits=self.limits,
            metrics=WorkerMetrics(since=self.clock.now()),
            crash=crash or CrashPoints(),
        )
        return Runner(handlers or [self.handler], parts)

    def append(self, instance: str, *, database: str = "shop") -> str:
        """Append a command for `instance`; return its event id."""
        command = Command(
            command_id=self.ids.new_id(),
            command_type=CommandType.CREATE_INSTANCE,
            db_name=database,
            aggregate_type="Instance",
            aggregate_id=naming.aggregate_id(database, "main", "Thing", instance),
            created_at=self.clock.now(),
            class_id="Thing",
            instance_id=instance,
        )
        self.log.append(database, [command.as_event()], create=True)
        return command.command_id

    def types(self, database: str = "shop") -> list[str]:
        return [event.event.event_type for event in self.log.read(database, after=0, limit=10_000)]

    def position(self, database: str = "shop") -> int:
        return self.work.position(self.handler.name, database)


def refuse(*event_ids: str) -> Callable[[str, Sequence[RecordedEvent]], None]:
    """Return trouble with these events, in whatever batch."""

    def trouble(_database: str, events: Sequence[RecordedEvent]) -> None:
        for event in events:
            if event.event.event_id in event_ids:
                raise ValueError(f"cannot take {event.event.event_id}")

    return trouble
