"""The audit in PostgreSQL."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from spice_core.adapters.postgres.projection import PostgresProjection, as_utc
from spice_core.domain.read_models import AuditEntry
from spice_core.ports.read_models import AuditStore


class PostgresAuditStore(PostgresProjection, AuditStore):
    """One row per event of the log."""

    table = "audit"

    def apply(self, database: str, entries: Sequence[AuditEntry], *, position: int, after: int = 0) -> None:
        with self._following(database, position, after) as (connection, known):
            fresh = [entry for entry in entries if entry.position > known]
            if fresh:
                connection.execute(self._sql["apply_audit"], _columns(database, fresh))

    def query(
        self,
        *,
        database: str | None = None,
        actor: str | None = None,
        action: str | None = None,
        status: str | None = None,
        resource_id: str | None = None,
        command_id: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        before: tuple[str, int] | None = None,
        limit: int = 100,
    ) -> list[AuditEntry]:
        wanted = {
            "database": database,
            "actor": actor,
            "action": action,
            "status": status,
            "resource_id": resource_id,
            "command_id": command_id,
            "since": since,
            "until": until,
            "before_database": before[0] if before else None,
            "before_position": before[1] if before else None,
            "limit": limit,
        }
        with self._reading() as connection:
            rows = connection.execute(self._sql["query_audit"], wanted).fetchall()
        return [_entry(row) for row in rows]


def _entry(row: tuple[Any, ...]) -> AuditEntry:
    values = list(row)
    values[2] = as_utc(row[2])
    return AuditEntry(*values)


def _columns(database: str, entries: Sequence[AuditEntry]) -> dict[str, Any]:
    return {
        "database": database,
        "positions": [entry.position for entry in entries],
        "times": [entry.occurred_at for entry in entries],
        "actors": [entry.actor for entry in entries],
        "actions": [entry.action for entry in entries],
        "statuses": [entry.status for entry in entries],
        "resource_types": [entry.resource_type for entry in entries],
        "resource_ids": [entry.resource_id for entry in entries],
        "event_ids": [entry.event_id for entry in entries],
        "command_ids": [entry.command_id for entry in entries],
        "errors": [entry.error for entry in entries],
        "metadata": [json.dumps(dict(entry.metadata)) for entry in entries],
    }
