"""The registry in PostgreSQL: one JSON record per thing, with the columns that are asked for beside it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from psycopg.types.json import Jsonb

from spice_core.adapters.postgres.connection import Postgres
from spice_core.adapters.postgres.queries import load_queries
from spice_core.domain.catalogue_records import CatalogueRecord, RecordKind
from spice_core.domain.dataset_records import (
    dataset_as_json,
    dataset_of_json,
    mapping_as_json,
    mapping_of_json,
    run_as_json,
    run_of_json,
    version_as_json,
    version_of_json,
)
from spice_core.domain.datasets import ClassMapping, Dataset, DatasetVersion, ObjectifyRun
from spice_core.errors import Closed
from spice_core.ports.registry import Registry, RegistryChange


class PostgresRegistry(Registry):
    """Tables of the schema `spice_registry`; rows and position change in one transaction."""

    def __init__(self, postgres: Postgres) -> None:
        """Use `postgres`, which the caller closes."""
        self._postgres = postgres
        self._sql = load_queries("registry")
        self._is_closed = False

    def position(self, database: str) -> int:
        rows = self._rows("position", (database,))
        return int(rows[0][0]) if rows else 0

    def reset(self, database: str) -> None:
        self._check_open()
        with self._postgres.connection() as connection:
            connection.execute(self._sql["reset"], {"database": database})

    def apply(self, database: str, changes: Sequence[RegistryChange], *, position: int) -> None:
        self._check_open()
        with self._postgres.connection() as connection:
            row = connection.execute(self._sql["lock_position"], (database,)).fetchone()
            done = int(row[0]) if row else 0
            for change in changes:
                if change.position > done:
                    for name, parameters in _statements(change):
                        place = {"database": database, "position": change.position}
                        connection.execute(self._sql[name], {**place, **parameters})
            connection.execute(self._sql["advance"], {"database": database, "position": position})

    def databases(self) -> list[str]:
        return [row[0] for row in self._rows("databases", ())]

    def datasets(self, database: str, *, branch: str | None = None) -> list[Dataset]:
        rows = self._rows("datasets", {"database": database, "branch": branch, "dataset_id": None})
        return [_dataset(row) for row in rows]

    def dataset(self, database: str, dataset_id: str) -> Dataset | None:
        rows = self._rows("datasets", {"database": database, "branch": None, "dataset_id": dataset_id})
        return _dataset(rows[0]) if rows else None

    def versions(self, database: str, dataset_id: str, *, limit: int = 100) -> list[DatasetVersion]:
        return [version_of_json(row[0]) for row in self._rows("versions", (database, dataset_id, limit))]

    def version(self, database: str, version_id: str) -> DatasetVersion | None:
        rows = self._rows("version", (database, version_id))
        return version_of_json(rows[0][0]) if rows else None

    def mappings(self, database: str, *, dataset_id: str | None = None) -> list[ClassMapping]:
        rows = self._rows("mappings", {"database": database, "dataset_id": dataset_id})
        return [mapping_of_json(row[0]) for row in rows]

    def runs(self, database: str, *, mapping_id: str | None = None, limit: int = 100) -> list[ObjectifyRun]:
        rows = self._rows("runs", {"database": database, "mapping_id": mapping_id, "limit": limit})
        return [run_of_json(row[0]) for row in rows]

    def changed_since(self, position: int, *, database: str, limit: int = 100) -> list[Dataset]:
        rows = self._rows("changed_since", {"database": database, "position": position, "limit": limit})
        return [_dataset(row) for row in rows]

    def record(self, database: str, kind: RecordKind, record_id: str) -> CatalogueRecord | None:
        rows = self._rows("record", (database, kind, record_id))
        return _record(database, kind, rows[0]) if rows else None

    def records(
        self, database: str, kind: RecordKind, *, parent: str | None = None, status: str | None = None, limit: int = 1000
    ) -> list[CatalogueRecord]:
        asked = {"database": database, "kind": kind, "parent": parent, "status": status, "limit": limit}
        return [_record(database, kind, row) for row in self._rows("records", asked)]

    def close(self) -> None:
        self._is_closed = True

    def _rows(self, query: str, parameters: Sequence[Any] | Mapping[str, Any]) -> list[tuple[Any, ...]]:
        self._check_open()
        with self._postgres.connection(autocommit=True) as connection:
            return connection.execute(self._sql[query], parameters).fetchall()

    def _check_open(self) -> None:
        if self._is_closed:
            raise Closed("The registry is closed.")


def _statements(change: RegistryChange) -> Iterator[tuple[str, dict[str, Any]]]:
    if (dataset := change.put_dataset) is not None:
        record = Jsonb(dataset_as_json(replace(dataset, latest=None)))
        names = {"id": dataset.dataset_id, "branch": dataset.branch, "name": dataset.name}
        yield "put_dataset", {**names, "record": record}
    if (version := change.put_version) is not None:
        names = {"id": version.version_id, "dataset_id": version.dataset_id}
        yield "put_version", {**names, "number": version.number, "record": Jsonb(version_as_json(version))}
        yield "touch_dataset", {"dataset_id": version.dataset_id}
    if change.delete_dataset is not None:
        yield "delete_dataset", {"id": change.delete_dataset}
    if (mapping := change.put_mapping) is not None:
        names = {"id": mapping.mapping_id, "dataset_id": mapping.dataset_id}
        yield "put_mapping", {**names, "record": Jsonb(mapping_as_json(mapping))}
    if change.delete_mapping is not None:
        yield "delete_mapping", {"id": change.delete_mapping}
    if (run := change.put_run) is not None:
        yield "put_run", {"id": run.run_id, "mapping_id": run.mapping_id, "record": Jsonb(run_as_json(run))}
    yield from _record_statements(change)


def _record_statements(change: RegistryChange) -> Iterator[tuple[str, dict[str, Any]]]:
    if (record := change.put_record) is not None:
        columns = {name: getattr(record, name) for name in ("branch", "parent", "status", "version", "changed_at", "changed_by")}
        yield "put_record", {"kind": record.kind, "id": record.record_id, **columns, "document": Jsonb(dict(record.document))}
    if change.delete_record is not None:
        kind, record_id = change.delete_record
        yield "delete_record", {"kind": kind, "id": record_id}
    if change.delete_records_before is not None:
        yield "delete_records", {"before": change.delete_records_before}


def _record(database: str, kind: RecordKind, row: Sequence[Any]) -> CatalogueRecord:
    record_id, branch, document, parent, status, version, position, changed_at, changed_by = row
    return CatalogueRecord(kind, record_id, database, branch, document, parent, status, version, position, changed_at, changed_by)


def _dataset(row: Sequence[Any]) -> Dataset:
    record, position, latest = row
    return replace(dataset_of_json(record), position=position, latest=version_of_json(latest) if latest else None)
