"""Keys of datasets: stated by people, kept as records, and compared with what the rows say."""

from collections.abc import Sequence
from typing import Unpack

from spice_core.domain import naming
from spice_core.domain.catalogue_records import RecordKind
from spice_core.domain.datasets import Dataset, DatasetVersion
from spice_core.domain.key_specs import PRIMARY, UNIQUE, KeyCheck, KeySpec, key_spec_as_json, key_spec_of_json
from spice_core.errors import DatasetNotFound, InvalidInput
from spice_core.ports.dataset_store import DatasetStore
from spice_core.ports.registry import Registry
from spice_core.ports.table_engine import TableEngine
from spice_core.services.submit_commands import Accepted, CommandService, Origin
from spice_core.services.submit_records import RecordCommands

_MAX_COLUMNS = 50
_MAX_SAMPLES = 20


class KeySpecs:
    """Saves keys and checks versions against them. A key that rows break stops the runs of every mapping of its dataset."""

    def __init__(self, *, commands: CommandService, registry: Registry, datasets: DatasetStore, tables: TableEngine) -> None:
        self._records = RecordCommands(commands=commands, registry=registry)
        self._registry = registry
        self._datasets = datasets
        self._tables = tables

    def save(self, database: str, spec: KeySpec, **origin: Unpack[Origin]) -> tuple[Accepted, KeyCheck | None]:
        """Keep a key; return with it what the newest version says to it (None without a version). It is kept even if broken.

        Raises:
            DatasetNotFound: there is no such dataset.
            InvalidInput: a column is missing, named twice, or the kind is unknown.
        """
        dataset = self._dataset(database, spec.dataset_id)
        _check(spec, dataset)
        accepted = self._records.save(
            database,
            RecordKind.KEY_SPEC,
            spec.record_id(database),
            key_spec_as_json(spec),
            branch=dataset.branch,
            parent=spec.dataset_id,
            status=spec.kind,
            **origin,
        )
        return accepted, self.check(database, dataset.latest, spec) if dataset.latest else None

    def delete(self, database: str, spec: KeySpec, **origin: Unpack[Origin]) -> Accepted:
        """Forget a key. Raises `RecordNotFound`."""
        return self._records.delete(database, RecordKind.KEY_SPEC, spec.record_id(database), **origin)

    def of_dataset(self, database: str, dataset_id: str) -> list[KeySpec]:
        """Return the keys of a dataset, the primary one first."""
        return key_specs_of(self._registry, database, dataset_id)

    def check(self, database: str, version: DatasetVersion, spec: KeySpec) -> KeyCheck:
        """Return what the rows of a version say to a key; a column that is gone is missing in every row."""
        if not set(spec.columns) <= {column.name for column in version.columns}:
            return KeyCheck(spec, version.row_count, 0)
        table = self._datasets.local_path(database, version.commit_id, version.path)
        missing, repeated, rows = self._tables.key_problems(table, spec.columns, limit=_MAX_SAMPLES)
        return KeyCheck(spec, missing, repeated, tuple(rows))

    def _dataset(self, database: str, dataset_id: str) -> Dataset:
        found = self._registry.dataset(database, dataset_id)
        if found is None:
            raise DatasetNotFound(f"There is no dataset {dataset_id[:200]!r}")
        return found


def key_specs_of(registry: Registry, database: str, dataset_id: str) -> list[KeySpec]:
    """Return the keys that are stated of a dataset, the primary one first."""
    found = [key_spec_of_json(record.document) for record in registry.records(database, RecordKind.KEY_SPEC, parent=dataset_id)]
    return sorted(found, key=lambda spec: (spec.kind != PRIMARY, list(spec.columns)))


def _check(spec: KeySpec, dataset: Dataset) -> None:
    columns = [column.name for column in dataset.latest.columns] if dataset.latest else []
    unknown = [name for name in spec.columns if name not in columns]
    if spec.kind not in (PRIMARY, UNIQUE):
        raise InvalidInput(f"a key is {PRIMARY} or {UNIQUE}, not {spec.kind[:50]!r}")
    if unknown or not spec.columns or len(set(spec.columns)) < len(spec.columns) or len(spec.columns) > _MAX_COLUMNS:
        told = f"has no column {', '.join(unknown)}" if unknown else f"needs 1 to {_MAX_COLUMNS} different columns for a key"
        raise InvalidInput(
            f"{naming.split_aggregate_id(dataset.dataset_id)[-1]} {told}", details={"columns": list(columns)[:200]}
        )


def codes_of(check: KeyCheck) -> Sequence[tuple[str, int]]:
    """Return how many rows break a key, by reason."""
    missing = check.missing if check.spec.kind == PRIMARY else 0
    return [(code, count) for code, count in (("key_missing", missing), ("key_repeated", check.repeated)) if count]
