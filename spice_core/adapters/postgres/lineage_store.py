"""Lineage in PostgreSQL."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from spice_core.adapters.postgres.projection import PostgresProjection, as_utc
from spice_core.domain.read_models import LineageRecord
from spice_core.ports.read_models import LineageStore


class PostgresLineageStore(PostgresProjection, LineageStore):
    """One row per record."""

    table = "lineage"

    def apply(self, database: str, records: Sequence[LineageRecord], *, position: int, after: int = 0) -> None:
        with self._following(database, position, after) as (connection, known):
            fresh = [record for record in records if record.position > known]
            if fresh:
                connection.execute(self._sql["apply_lineage"], _columns(database, fresh))

    def of_artifact(self, database: str, artifact: str, *, limit: int = 100) -> list[LineageRecord]:
        return self._records("lineage_of_artifact", {"database": database, "artifact": artifact, "limit": limit})

    def of_dataset_version(
        self, database: str, dataset_version: str, *, after: int = 0, limit: int = 1000
    ) -> list[LineageRecord]:
        wanted = {"database": database, "dataset_version": dataset_version, "after": after, "limit": limit}
        return self._records("lineage_of_version", wanted)

    def of_command(self, database: str, command_id: str) -> list[LineageRecord]:
        return self._records("lineage_of_command", {"database": database, "command_id": command_id})

    def counts(self, database: str) -> Mapping[str, int]:
        with self._reading() as connection:
            return dict(connection.execute(self._sql["lineage_counts"], {"database": database}).fetchall())

    def _records(self, query: str, wanted: dict[str, Any]) -> list[LineageRecord]:
        with self._reading() as connection:
            rows = connection.execute(self._sql[query], wanted).fetchall()
        return [_record(row) for row in rows]


def _record(row: tuple[Any, ...]) -> LineageRecord:
    values = list(row)
    values[5] = as_utc(row[5])
    return LineageRecord(*values)


def _columns(database: str, records: Sequence[LineageRecord]) -> dict[str, Any]:
    return {
        "database": database,
        "artifacts": [record.artifact for record in records],
        "event_ids": [record.event_id for record in records],
        "event_types": [record.event_type for record in records],
        "command_ids": [record.command_id for record in records],
        "actors": [record.actor for record in records],
        "times": [record.occurred_at for record in records],
        "positions": [record.position for record in records],
        "numbers": [record.sequence_number for record in records],
        "commits": [record.commit for record in records],
        "versions": [record.dataset_version for record in records],
        "sources": [json.dumps(dict(record.source)) if record.source is not None else None for record in records],
    }
