"""Event logs over the adapters, several at a time as processes are, and the events that tests put into them."""

import random
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from s3_places import new_prefix, open_s3

from spice_core.adapters.localfs.object_store import LocalObjectStore
from spice_core.adapters.memory.ledger import MemoryLedger
from spice_core.adapters.memory.object_store import MemoryObjectStore
from spice_core.adapters.postgres.connection import Postgres
from spice_core.adapters.postgres.ledger import PostgresLedger
from spice_core.adapters.system.clock import SystemClock
from spice_core.adapters.system.id_source import RandomIds
from spice_core.domain.events import Event
from spice_core.ports.clock import Clock
from spice_core.ports.id_source import IdSource
from spice_core.ports.ledger import Ledger
from spice_core.ports.object_store import ObjectStore
from spice_core.services.event_log.event_log import EventLog
from spice_core.services.event_log.limits import LogLimits

NOW = datetime(2026, 11, 21, 8, 30, 0, 123456, tzinfo=UTC)
DB = "shop"


def command(
    aggregate: str = "shop:main:Order:1", *, event_id: str | None = None, aggregate_type: str = "Instance", **data: Any
) -> Event:
    return Event(
        event_id=event_id or str(uuid.uuid4()),
        event_type="UPDATE_INSTANCE_REQUESTED",
        aggregate_type=aggregate_type,
        aggregate_id=aggregate,
        occurred_at=NOW,
        data={"payload": data},
        metadata={"kind": "command", "command_type": "UPDATE_INSTANCE"},
        actor="alice",
    )


def domain_event(cause: Event, number: int, *, event_id: str | None = None, **data: Any) -> Event:
    return Event(
        event_id=event_id or str(uuid.uuid5(uuid.NAMESPACE_URL, cause.event_id)),
        event_type="INSTANCE_UPDATED",
        aggregate_type=cause.aggregate_type,
        aggregate_id=cause.aggregate_id,
        occurred_at=cause.occurred_at,
        data=data,
        metadata={"kind": "domain", "command_id": cause.event_id},
        sequence_number=number,
    )


def key(event: Event) -> str:
    return f"{event.aggregate_type}|{event.aggregate_id}"


class VirtualClock(Clock):
    """Time that passes only where someone sleeps."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        return NOW + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


class SeededIds(IdSource):
    """Ids that a seed repeats."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def new_id(self) -> str:
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))


@dataclass
class World:
    """One store and one ledger, and any number of logs ("processes") over them."""

    kind: str
    directory: Path
    dsn: str | None
    stack: ExitStack
    s3: Any = None
    prefix: str = field(default_factory=new_prefix)
    objects: dict[str, tuple[object, bytes]] = field(default_factory=dict)
    memory_ledger: MemoryLedger = field(default_factory=MemoryLedger)

    def store(self) -> ObjectStore:
        openers: dict[str, Callable[[], ObjectStore]] = {
            "memory": lambda: MemoryObjectStore(self.objects),
            "s3": lambda: open_s3(self.s3, prefix=self.prefix),
        }
        store = openers.get(self.kind, lambda: LocalObjectStore(self.directory / "store"))()
        self.stack.callback(store.close)
        return store

    def ledger(self) -> Ledger:
        if self.dsn is None:
            return self.memory_ledger
        postgres = Postgres(self.dsn, max_size=20)
        self.stack.callback(postgres.close)
        return PostgresLedger(postgres)

    def log(self, *, started: bool = False, limits: LogLimits | None = None, **parts: Any) -> EventLog:
        ports = {"store": None, "ledger": None, "clock": SystemClock(), "ids": RandomIds(), "writer_id": "test", **parts}
        ports["store"] = ports["store"] or self.store()
        ports["ledger"] = ports["ledger"] or self.ledger()
        log = EventLog(**ports, limits=limits)
        self.stack.callback(log.close)
        if started:
            log.start()
        return log


@contextmanager
def world(kind: str, *, directory: Path, dsn: str | None, s3: Any = None) -> Iterator[World]:
    """`s3`: the server of the kind `s3` (the fixture `s3_server`)."""
    with ExitStack() as stack:
        yield World(kind, directory, dsn, stack, s3)


def all_events(log: EventLog, database: str = DB, *, limit: int = 7) -> Sequence[Event]:
    """Everything in the log, read in small pages."""
    found: list[Event] = []
    after = 0
    while page := log.read(database, after=after, limit=limit):
        assert [recorded.position for recorded in page] == list(range(after + 1, after + 1 + len(page)))
        found += [recorded.event for recorded in page]
        after += len(page)
    return found
