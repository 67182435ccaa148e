"""Which columns of a dataset are keys of others: foreign-key candidates, measured on the typed tables."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from spice_core.domain.datasets import Dataset, DatasetVersion
from spice_core.domain.references import ReferenceCandidate, ReferenceTarget, possible_references, reference_of
from spice_core.errors import DatasetNotFound
from spice_core.ports.registry import Registry
from spice_core.ports.table_engine import TableEngine
from spice_core.services.read_datasets import ReadDatasets

_MOST_CHECKS = 100
_MOST_FOUND = 50
_KEYS_OF_A_DATASET = 3


class FindReferences:
    """References between the datasets of a database; suggestions, never a gate."""

    def __init__(self, *, registry: Registry, reading: ReadDatasets, tables: TableEngine) -> None:
        self._registry = registry
        self._reading = reading
        self._tables = tables

    def of_dataset(self, database: str, dataset_id: str) -> list[ReferenceCandidate]:
        """Return what the latest version of a dataset refers to on its branch, itself included, the surest first.

        Types and names choose what is measured, at most 100 column lists; of one column list the best target is kept per
        dataset. Raises `DatasetNotFound` where there is no such dataset, or it has no version.
        """
        dataset = self._registry.dataset(database, dataset_id)
        if dataset is None or dataset.latest is None:
            raise DatasetNotFound(f"There is no dataset {dataset_id[:200]!r} with a version")
        return self._best(database, dataset.latest, self._targets(database, dataset), own=dataset_id)

    def of_database(self, database: str, branch: str) -> dict[str, list[ReferenceCandidate]]:
        """Return what every dataset of a branch refers to, by dataset id; datasets that refer to none are left out."""
        found = {
            dataset.dataset_id: self.of_dataset(database, dataset.dataset_id)
            for dataset in self._datasets(database, branch)
            if dataset.latest is not None
        }
        return {dataset_id: references for dataset_id, references in found.items() if references}

    def to_targets(
        self, database: str, version: DatasetVersion, targets: Iterable[tuple[ReferenceTarget, DatasetVersion]], *, own: str
    ) -> Iterator[tuple[ReferenceTarget, ReferenceCandidate]]:
        """Yield the references of a version to given targets, the likeliest by name measured first."""
        table = self._reading.table(database, version)
        tables: dict[str, Path] = {}
        wanted = [
            (affinity, names, target, other)
            for target, other in targets
            for names, affinity in possible_references(version.columns, target, is_own=target.dataset_id == own)
        ]
        for affinity, names, target, other in sorted(wanted, key=lambda entry: -entry[0])[:_MOST_CHECKS]:
            if target.dataset_id not in tables:
                tables[target.dataset_id] = self._reading.table(database, other)
            counts = self._tables.overlap(table, names, other=tables[target.dataset_id], other_columns=target.key)
            found = reference_of(version.columns, names, target, counts, affinity)
            if found is not None:
                yield target, found

    def _best(
        self, database: str, version: DatasetVersion, targets: Iterable[tuple[ReferenceTarget, DatasetVersion]], *, own: str
    ) -> list[ReferenceCandidate]:
        best: dict[tuple[tuple[str, ...], str], ReferenceCandidate] = {}
        for _, found in self.to_targets(database, version, targets, own=own):
            place = (found.columns, found.target_dataset_id)
            if place not in best or found.confidence > best[place].confidence:
                best[place] = found
        return sorted(best.values(), key=lambda entry: (-entry.confidence, entry.columns, entry.target_dataset_id))[:_MOST_FOUND]

    def _targets(self, database: str, dataset: Dataset) -> Iterator[tuple[ReferenceTarget, DatasetVersion]]:
        for other in self._datasets(database, dataset.branch):
            if other.latest is not None:
                for key in other.latest.primary_key_candidates[:_KEYS_OF_A_DATASET]:
                    yield ReferenceTarget(other.dataset_id, other.name, tuple(key), other.latest.columns), other.latest

    def _datasets(self, database: str, branch: str) -> list[Dataset]:
        return [dataset for dataset in self._registry.datasets(database) if dataset.branch == branch]
