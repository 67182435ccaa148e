"""The audit in memory."""

import copy
from collections.abc import Sequence
from datetime import datetime

from spice_core.adapters.memory.projection import MemoryProjection
from spice_core.domain.read_models import AuditEntry
from spice_core.ports.read_models import AuditStore


class MemoryAuditStore(MemoryProjection, AuditStore):
    """A list of entries per database."""

    def __init__(self) -> None:
        super().__init__()
        self._entries: dict[str, list[AuditEntry]] = {}

    def apply(self, database: str, entries: Sequence[AuditEntry], *, position: int, after: int = 0) -> None:
        with self._lock:
            self._check_open()
            known = self._advance(database, position, after)
            fresh = [copy.deepcopy(entry) for entry in entries if entry.position > known]
            self._entries.setdefault(database, []).extend(fresh)

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
        wanted = {"actor": actor, "action": action, "status": status, "resource_id": resource_id, "command_id": command_id}
        with self._lock:
            self._check_open()
            everything = [entry for entries in self._entries.values() for entry in entries]
        found = [
            entry
            for entry in everything
            if database in (None, entry.database)
            and all(value is None or getattr(entry, name) == value for name, value in wanted.items())
            and (since is None or entry.occurred_at >= since)
            and (until is None or entry.occurred_at < until)
        ]
        if before is not None:
            edges = [_order(entry) for entry in everything if (entry.database, entry.position) == before]
            found = [entry for entry in found if edges and _order(entry) < edges[0]]
        return copy.deepcopy(sorted(found, key=_order, reverse=True)[:limit])

    def _forget(self, database: str) -> None:
        self._entries.pop(database, None)


def _order(entry: AuditEntry) -> tuple[datetime, str, int]:
    return entry.occurred_at, entry.database, entry.position
