"""A whole write path in memory: the real log, commands and graph handler over memory stores, driven step by step."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from spice_core.adapters.memory.graph_store import MemoryGraphStore
from spice_core.adapters.memory.ledger import MemoryLedger
from spice_core.adapters.memory.object_store import MemoryObjectStore
from spice_core.adapters.memory.work_ledger import MemoryWorkLedger
from spice_core.domain.events import RecordedEvent
from spice_core.ports.clock import Clock
from spice_core.ports.graph_store import GraphStore
from spice_core.ports.id_source import IdSource
from spice_core.services.apply_commands import CrashPoint, GraphHandler, no_crash
from spice_core.services.event_log.event_log import EventLog, LogLimits
from spice_core.services.settled_graph import GRAPH_HANDLER
from spice_core.services.submit_commands import CommandLimits, CommandService

START = datetime(2026, 1, 1, tzinfo=UTC)


class SteppedClock(Clock):
    """Every look at it is a millisecond later; sleeping costs no time."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        self.seconds += 0.001
        return START + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


class CountedIds(IdSource):
    """UUIDs that count: the same in every run."""

    def __init__(self) -> None:
        self.count = 0

    def new_id(self) -> str:
        self.count += 1
        return str(UUID(int=self.count))


class Crash(BaseException):
    """The end of the process."""


@dataclass
class WritePath:
    """The log and the graph of one installation, with a worker that is called by hand."""

    graph: GraphStore = field(default_factory=MemoryGraphStore)
    clock: SteppedClock = field(default_factory=SteppedClock)
    work: MemoryWorkLedger | None = None
    crash_point: CrashPoint = no_crash
    position: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.ids = CountedIds()
        self.work = MemoryWorkLedger(self.clock)
        self.log = EventLog(
            store=MemoryObjectStore(),
            ledger=MemoryLedger(),
            clock=self.clock,
            ids=self.ids,
            writer_id="test",
            limits=LogLimits(window_seconds=0.0),
        )
        self.commands = CommandService(
            log=self.log, graph=self.graph, work=self.work, clock=self.clock, ids=self.ids, limits=CommandLimits(0.05)
        )
        self.restart()

    def restart(self) -> None:
        """Start the graph worker anew."""
        self.handler = GraphHandler(log=self.log, graph=self.graph, crash_point=self._crash_point)

    def _crash_point(self, name: str) -> None:
        self.crash_point(name)

    def deliver(self, database: str, *, limit: int = 1000) -> int:
        """Hand the next events to the graph handler and mark them done; return how many there were."""
        after = self.position.get(database, 0)
        events = self.log.read(database, after=after, limit=limit)[:limit]
        if events:
            self.handler.handle(database, [event for event in events if self.handler.wants(event)])
            self.mark(database, events[-1].position)
        return len(events)

    def mark(self, database: str, position: int) -> None:
        """Record that the graph worker is done up to `position`."""
        assert self.work is not None
        self.position[database] = position
        lease = self.work.acquire(f"{GRAPH_HANDLER}:{database}", owner="test", seconds=60)
        assert lease is not None
        self.work.mark_done(lease, GRAPH_HANDLER, [], database=database, position=position)

    def settle(self, database: str = "shop", *, limit: int = 1000) -> None:
        """Deliver until nothing is left."""
        while self.deliver(database, limit=limit):
            pass

    def events(self, database: str = "shop") -> list[RecordedEvent]:
        """Return the whole log."""
        return self.log.read(database, after=0, limit=1_000_000)

    def outcomes(self, database: str = "shop") -> Mapping[str, list[RecordedEvent]]:
        """Return the domain events by command id."""
        found: dict[str, list[RecordedEvent]] = {}
        for recorded in self.events(database):
            if not recorded.event.is_command:
                found.setdefault(recorded.event.command_id, []).append(recorded)
        return found

    def outcome(self, command_id: str, database: str = "shop") -> str:
        """Return the type of a command's own event, with the code of a failure."""
        event = self.outcomes(database)[command_id][0].event
        return f"{event.event_type}:{event.data['code']}" if event.event_type == "COMMAND_FAILED" else event.event_type

    def document(self, key: str, *, branch: str = "main", database: str = "shop") -> Mapping[str, Any] | None:
        """Return a node's document."""
        node = self.graph.view(database, branch).get([key]).get(key)
        return None if node is None else node.document

    def with_classes(self, *definitions: Mapping[str, Any], database: str = "shop") -> "WritePath":
        """Create the database and classes, decided."""
        self.commands.create_database(database)
        self.settle(database)
        for definition in definitions:
            self.commands.create_class(database, "main", definition)
            self.settle(database)
        return self


def a_class(
    name: str, *properties: Mapping[str, Any], relationships: Sequence[Mapping[str, Any]] = (), **rest: Any
) -> dict[str, Any]:
    """Return a class definition."""
    return {"id": name, "label": name, "properties": list(properties), "relationships": list(relationships), **rest}


def text(name: str, **rest: Any) -> dict[str, Any]:
    """Return a text property."""
    return {"name": name, "type": "string", **rest}
