"""The registry in memory, for tests and simulation."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from spice_core.domain.catalogue_records import CatalogueRecord, RecordKind
from spice_core.domain.datasets import ClassMapping, Dataset, DatasetVersion, ObjectifyRun
from spice_core.errors import Closed
from spice_core.ports.registry import Registry, RegistryChange


@dataclass(slots=True)
class _Catalogue:
    position: int = 0
    datasets: dict[str, Dataset] = field(default_factory=dict)
    versions: dict[str, DatasetVersion] = field(default_factory=dict)
    mappings: dict[str, ClassMapping] = field(default_factory=dict)
    runs: dict[str, ObjectifyRun] = field(default_factory=dict)
    records: dict[tuple[RecordKind, str], CatalogueRecord] = field(default_factory=dict)


class MemoryRegistry(Registry):
    """One catalogue per database."""

    def __init__(self) -> None:
        self._catalogues: dict[str, _Catalogue] = {}
        self._lock = threading.Lock()
        self._is_closed = False

    def position(self, database: str) -> int:
        return self._of(database).position

    def reset(self, database: str) -> None:
        self._of(database)
        self._catalogues.pop(database, None)

    def apply(self, database: str, changes: Sequence[RegistryChange], *, position: int) -> None:
        with self._lock:
            catalogue = self._catalogues.setdefault(database, self._of(database))
            for change in changes:
                if change.position > catalogue.position:
                    _apply(catalogue, change)
            catalogue.position = max(catalogue.position, position)

    def databases(self) -> list[str]:
        self._of("")
        return sorted(name for name, catalogue in self._catalogues.items() if catalogue.datasets)

    def datasets(self, database: str, *, branch: str | None = None) -> list[Dataset]:
        found = [entry for entry in self._of(database).datasets.values() if branch in (None, entry.branch)]
        return sorted(found, key=lambda entry: (entry.name, entry.branch))

    def dataset(self, database: str, dataset_id: str) -> Dataset | None:
        return self._of(database).datasets.get(dataset_id)

    def versions(self, database: str, dataset_id: str, *, limit: int = 100) -> list[DatasetVersion]:
        found = [version for version in self._of(database).versions.values() if version.dataset_id == dataset_id]
        return sorted(found, key=lambda version: -version.number)[:limit]

    def version(self, database: str, version_id: str) -> DatasetVersion | None:
        return self._of(database).versions.get(version_id)

    def mappings(self, database: str, *, dataset_id: str | None = None) -> list[ClassMapping]:
        found = self._of(database).mappings
        return [found[key] for key in sorted(found) if dataset_id in (None, found[key].dataset_id)]

    def runs(self, database: str, *, mapping_id: str | None = None, limit: int = 100) -> list[ObjectifyRun]:
        found = [run for run in self._of(database).runs.values() if mapping_id in (None, run.mapping_id)]
        return found[::-1][:limit]

    def changed_since(self, position: int, *, database: str, limit: int = 100) -> list[Dataset]:
        found = [entry for entry in self._of(database).datasets.values() if entry.position > position]
        return sorted(found, key=lambda entry: entry.position)[:limit]

    def record(self, database: str, kind: RecordKind, record_id: str) -> CatalogueRecord | None:
        return self._of(database).records.get((kind, record_id))

    def records(
        self, database: str, kind: RecordKind, *, parent: str | None = None, status: str | None = None, limit: int = 1000
    ) -> list[CatalogueRecord]:
        found = [entry for entry in self._of(database).records.values() if entry.kind is kind]
        asked = [entry for entry in found if parent in (None, entry.parent) and status in (None, entry.status)]
        return sorted(asked, key=lambda entry: -entry.position)[:limit]

    def close(self) -> None:
        self._is_closed = True

    def _of(self, database: str) -> _Catalogue:
        if self._is_closed:
            raise Closed("The registry is closed.")
        return self._catalogues.get(database) or _Catalogue()


def _apply(catalogue: _Catalogue, change: RegistryChange) -> None:
    if change.put_dataset:
        before = catalogue.datasets.get(change.put_dataset.dataset_id)
        latest = before.latest if before else None
        catalogue.datasets[change.put_dataset.dataset_id] = replace(change.put_dataset, latest=latest, position=change.position)
    if change.put_version:
        _put_version(catalogue, change.put_version, change.position)
    if change.delete_dataset:
        _delete_dataset(catalogue, change.delete_dataset)
    if change.put_mapping:
        catalogue.mappings[change.put_mapping.mapping_id] = change.put_mapping
    if change.delete_mapping:
        catalogue.mappings.pop(change.delete_mapping, None)
    if change.put_run:
        catalogue.runs.pop(change.put_run.run_id, None)  # put again: newest
        catalogue.runs[change.put_run.run_id] = change.put_run
    _apply_record(catalogue, change)


def _apply_record(catalogue: _Catalogue, change: RegistryChange) -> None:
    if (record := change.put_record) is not None:
        catalogue.records[record.kind, record.record_id] = replace(record, position=change.position)
    if change.delete_record:
        catalogue.records.pop(change.delete_record, None)
    if (end := change.delete_records_before) is not None:
        catalogue.records = {key: record for key, record in catalogue.records.items() if record.position >= end}


def _put_version(catalogue: _Catalogue, version: DatasetVersion, position: int) -> None:
    catalogue.versions[version.version_id] = version
    dataset = catalogue.datasets.get(version.dataset_id)
    if dataset is not None:
        is_newest = dataset.latest is None or version.number >= dataset.latest.number
        latest = version if is_newest else dataset.latest
        catalogue.datasets[version.dataset_id] = replace(dataset, latest=latest, position=position)


def _delete_dataset(catalogue: _Catalogue, dataset_id: str) -> None:
    catalogue.datasets.pop(dataset_id, None)
    catalogue.versions = {key: version for key, version in catalogue.versions.items() if version.dataset_id != dataset_id}
    catalogue.mappings = {key: mapping for key, mapping in catalogue.mappings.items() if mapping.dataset_id != dataset_id}
