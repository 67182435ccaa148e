"""The status projection: where each command is, told by the events of the log alone."""

from collections.abc import Mapping, Sequence
from typing import Any

from spice_core.domain.commands import EVENT_OF, CommandType
from spice_core.domain.events import COMMAND_FAILED, Event, RecordedEvent
from spice_core.domain.read_models import CommandState, StatusChange
from spice_core.ports.read_models import CommandStatuses
from spice_core.services.branch_numbers import told_number
from spice_core.services.following import Follower

_BULK_MARKER = "Bulk"
_MIGRATED = EVENT_OF[CommandType.MIGRATE_ONTOLOGY_CLASS]


class StatusProjector(Follower):
    """Follows commands and what became of them; rows and position are one commit."""

    name = "statuses"

    def __init__(self, statuses: CommandStatuses) -> None:
        super().__init__()
        self._statuses = statuses

    def follow(self, database: str, events: Sequence[RecordedEvent], *, after: int) -> None:
        changes = [change for event in events if (change := status_change(event)) is not None]
        self._statuses.apply(database, changes, position=events[-1].position, after=after)


def status_change(recorded: RecordedEvent) -> StatusChange | None:
    """Return what one event says about its command, None where it has none.

    The event of a bulk marker says that its members are under way: it completes when they have, by count.
    """
    event = recorded.event
    command_id = event.command_id
    if not command_id or _is_part(event):
        return None
    total, result, error = 0, None, None
    if event.is_command:
        state = CommandState.PENDING
        total = _count(event.data.get("payload")) if event.aggregate_type == _BULK_MARKER else 0
    elif event.event_type == COMMAND_FAILED:
        state = CommandState.FAILED
        error = str(event.data.get("error", "failed"))
        result = {"code": event.data.get("code"), "details": event.data.get("details") or {}}
    elif event.aggregate_type == _BULK_MARKER and event.data.get("count") != 0:
        state = CommandState.PROCESSING
    else:
        state = CommandState.COMPLETED
        result = _result(recorded)
    return StatusChange(
        command_id=command_id,
        state=state,
        at=event.occurred_at,
        position=recorded.position,
        command_type=str(event.metadata.get("command_type", "")),
        aggregate_id=event.aggregate_id,
        result=result,
        error=error,
        bulk_id=event.metadata.get("bulk_id"),
        total=total,
    )


def _is_part(event: Event) -> bool:
    """Whether it tells of a node of a migration: that one is told as a whole by its last event."""
    is_migration = event.metadata.get("command_type") == CommandType.MIGRATE_ONTOLOGY_CLASS
    return is_migration and not event.is_command and event.event_type not in {COMMAND_FAILED, _MIGRATED}


def _result(recorded: RecordedEvent) -> dict[str, Any]:
    event = recorded.event
    told = {"migration": dict(event.data)} if event.event_type == _MIGRATED else {}
    return {
        **told,
        "event_id": event.event_id,
        "event_type": event.event_type,
        "aggregate_id": event.aggregate_id,
        "sequence_number": told_number(event),
        "commit": event.metadata.get("commit"),
        "position": recorded.position,
    }


def _count(payload: object) -> int:
    count = payload.get("count", 0) if isinstance(payload, Mapping) else 0
    return count if isinstance(count, int) else 0
