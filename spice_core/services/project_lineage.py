"""The lineage projection: which events, commands, commits and dataset rows made each artifact what it is."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from spice_core.domain import naming
from spice_core.domain.events import COMMAND_FAILED, DOMAIN, Event, RecordedEvent
from spice_core.domain.read_models import LineageRecord
from spice_core.ports.read_models import LineageStore
from spice_core.services.branch_numbers import told_number
from spice_core.services.following import Follower

_NAME_COUNTS = {"Instance": 4, "OntologyClass": 3, "Branch": 2}
_MADE: Mapping[str, Callable[[list[str]], str]] = {
    "Instance": lambda names: f"node:{names[1]}:{naming.node_key(names[2], names[3])}",
    "OntologyClass": lambda names: f"class:{names[1]}:{names[2]}",
    "Branch": lambda names: f"branch:{names[1]}",
    "Database": lambda _: "database",
    "Mapping": lambda names: f"mapping:{names[-1]}",
}
_NAMED: Mapping[str, Mapping[str, str]] = {
    "Dataset": {"dataset": "dataset_id", "version": "version_id"},
    "Run": {"mapping": "mapping_id", "version": "version_id"},
}


class LineageProjector(Follower):
    """Follows domain events; rows and position are one commit."""

    name = "lineage"

    def __init__(self, lineage: LineageStore) -> None:
        super().__init__()
        self._lineage = lineage

    def follow(self, database: str, events: Sequence[RecordedEvent], *, after: int) -> None:
        records = [record for event in events for record in lineage_records(event)]
        self._lineage.apply(database, records, position=events[-1].position, after=after)


def lineage_records(recorded: RecordedEvent) -> list[LineageRecord]:
    """Return one record per artifact that a domain event touched; a failure touched none."""
    event = recorded.event
    if event.metadata.get("kind") != DOMAIN or event.event_type == COMMAND_FAILED:
        return []
    source = event.metadata.get("source")
    origin: Mapping[str, Any] | None = source if isinstance(source, Mapping) else None
    return [
        LineageRecord(
            artifact=artifact,
            event_id=event.event_id,
            event_type=event.event_type,
            command_id=event.command_id,
            actor=event.actor,
            occurred_at=event.occurred_at,
            position=recorded.position,
            sequence_number=told_number(event),
            commit=event.metadata.get("commit"),
            dataset_version=_version(event, origin),
            source=origin,
        )
        for artifact in artifacts_of(event)
    ]


def artifacts_of(event: Event) -> list[str]:
    """Return the names of the artifacts that `event` is about (see `LineageRecord.artifact`), none for unknown types."""
    names = naming.split_aggregate_id(event.aggregate_id)
    if len(names) != _NAME_COUNTS.get(event.aggregate_type, len(names)):
        return []
    named = _NAMED.get(event.aggregate_type)
    if named is not None:
        return [f"{kind}:{event.data[field]}" for kind, field in named.items() if event.data.get(field)]
    make = _MADE.get(event.aggregate_type)
    return [make(names)] if make else []


def _version(event: Event, source: Mapping[str, Any] | None) -> str | None:
    found = (source or {}).get("version_id") or event.data.get("version_id")
    return str(found) if found and (source or event.aggregate_type in ("Dataset", "Run")) else None
