"""One log replayed into empty stores: what the live ones would be, had nothing ever failed."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from spice_core.domain.class_resets import is_reset
from spice_core.domain.events import COMMAND_FAILED, DOMAIN, RecordedEvent
from spice_core.domain.read_models import LineageRecord
from spice_core.ports.graph_store import GraphStore
from spice_core.ports.ledger import Ledger
from spice_core.ports.read_models import AuditStore, CommandStatuses, LineageStore
from spice_core.ports.registry import Registry, RegistryChange
from spice_core.ports.search_index import SearchIndex
from spice_core.services.apply_registry import catalogue_removals, is_catalogue_command, registry_changes, reset_changes
from spice_core.services.event_log.event_log import EventLog
from spice_core.services.project_audit import AuditProjector
from spice_core.services.project_lineage import lineage_records
from spice_core.services.project_search import DATABASE_DELETED, SearchProjector
from spice_core.services.project_statuses import StatusProjector
from spice_core.services.rebuild_graph import GraphRebuilder

_PAGE = 1000


@dataclass(frozen=True, slots=True)
class LogStores:
    """The log, and every store that follows it. `log` folds into `ledger`."""

    log: EventLog
    ledger: Ledger
    graph: GraphStore
    search: SearchIndex
    statuses: CommandStatuses
    lineage: LineageStore
    audit: AuditStore
    registry: Registry


@dataclass(slots=True)
class Names:
    """What the events of a log speak of: whoever compares stores asks for these. The records of an artifact are oldest first."""

    classes: set[str] = field(default_factory=set)
    lineage: dict[str, list[LineageRecord]] = field(default_factory=dict)
    commands: list[str] = field(default_factory=list)
    told: dict[str, int] = field(default_factory=dict)
    """The position at which a command took effect, by command id; commands that failed are no part of it."""

    def take(self, recorded: RecordedEvent) -> None:
        """Remember what an event names."""
        event = recorded.event
        class_id = event.data.get("class_id")
        if isinstance(class_id, str):
            self.classes.add(class_id)
        if event.is_command:
            self.commands.append(event.event_id)
        elif event.metadata.get("kind") == DOMAIN and event.event_type != COMMAND_FAILED:
            self.told[event.command_id] = int(event.metadata.get("position", 0))
        for record in lineage_records(recorded):
            self.lineage.setdefault(record.artifact, []).append(record)


def replay_log(database: str, *, into: LogStores) -> Names:
    """Replay the log of `database` into the empty stores of `into`, all but the lineage; return what it names, lineage included.

    Raises:
        BrokenChain, CorruptSegment: the log is damaged, or a commit came out with another id than the log says.
        Unavailable: (retryable) a part does not answer.
    """
    names = Names()
    for events in pages_of(into.log, database):
        for recorded in events:
            names.take(recorded)
    into.log.fold(database)
    GraphRebuilder(log=into.log, graph=into.graph).rebuild(database)
    projectors = [StatusProjector(into.statuses), AuditProjector(into.audit)]
    documents = SearchProjector(search=into.search, graph=into.graph)
    for events in pages_of(into.log, database):
        for projector in projectors:
            projector.handle(database, events)
        for recorded in events:
            if documents.wants(recorded):
                documents.handle(database, [recorded])
        _catalogue(database, events, into.registry, names)
    return names


def pages_of(log: EventLog, database: str) -> Iterator[list[RecordedEvent]]:
    """Yield the events of a log in pages, from its beginning to its head."""
    after = 0
    while events := log.read(database, after=after, limit=_PAGE):
        yield events
        after = events[-1].position


def _catalogue(database: str, events: list[RecordedEvent], registry: Registry, names: Names) -> None:
    """Apply what the registry's commands did, at the positions where they did it."""
    for recorded in events:
        event = recorded.event
        changes: list[RegistryChange] = []
        if event.event_type == DATABASE_DELETED and not event.is_command:
            changes = catalogue_removals(registry, database, before=recorded.position)
        elif is_reset(recorded):
            changes = reset_changes(recorded)
        elif is_catalogue_command(recorded) and event.event_id in names.told:
            position = names.told[event.event_id] or recorded.position
            changes = registry_changes(replace(recorded, position=position))
        if changes:
            registry.apply(database, changes, position=recorded.position)
