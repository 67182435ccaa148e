"""The audit projection: every event of the log is an audit entry."""

from collections.abc import Mapping, Sequence
from typing import Any

from spice_core.domain.events import COMMAND_FAILED, RecordedEvent
from spice_core.domain.read_models import AuditEntry
from spice_core.ports.read_models import AuditStore
from spice_core.services.following import Follower

SUCCESS, FAILURE, REFUSED = "success", "failure", "refused"
_KEPT_METADATA = ("kind", "command_type", "commit", "bulk_id", "source", "trace_id", "request_id", "correlation_id")
_AUDIT_RESOURCE = "Audit"


class AuditProjector(Follower):
    """Follows every event of every database, `_system` included; rows and position are one commit."""

    name = "audit"

    def __init__(self, audit: AuditStore) -> None:
        super().__init__()
        self._audit = audit

    def follow(self, database: str, events: Sequence[RecordedEvent], *, after: int) -> None:
        self._audit.apply(database, [audit_entry(event) for event in events], position=events[-1].position, after=after)


def audit_entry(recorded: RecordedEvent) -> AuditEntry:
    """Return the audit line of one event. Refusals and admin reads name their resource in `data`."""
    event, data = recorded.event, recorded.event.data
    return AuditEntry(
        database=recorded.database,
        position=recorded.position,
        occurred_at=event.occurred_at,
        actor=event.actor,
        action=event.event_type,
        status=_status(event.event_type, data),
        resource_type=_text(data, "resource_type") or event.aggregate_type,
        resource_id=_text(data, "resource_id") or event.aggregate_id,
        event_id=event.event_id,
        command_id=event.command_id or None,
        error=_text(data, "error") if event.event_type == COMMAND_FAILED or event.aggregate_type == _AUDIT_RESOURCE else None,
        metadata=_metadata(recorded),
    )


def _status(event_type: str, data: Mapping[str, Any]) -> str:
    if event_type == COMMAND_FAILED:
        return FAILURE
    if event_type.endswith("_REFUSED"):
        return REFUSED
    told = data.get("status")
    return told if told in (FAILURE, REFUSED) else SUCCESS


def _metadata(recorded: RecordedEvent) -> dict[str, Any]:
    event = recorded.event
    kept = {name: event.metadata[name] for name in _KEPT_METADATA if name in event.metadata}
    kept["sequence_number"] = event.sequence_number
    if event.event_type == COMMAND_FAILED:
        kept["code"] = event.data.get("code")
    if event.aggregate_type == _AUDIT_RESOURCE:
        kept["data"] = dict(event.data)
    return kept


def _text(data: Mapping[str, Any], name: str) -> str | None:
    value = data.get(name)
    return value if isinstance(value, str) and value else None
