"""The catalogue of datasets, versions, mappings, runs and smaller records: a projection of the log."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from spice_core.domain.catalogue_records import CatalogueRecord, RecordKind
from spice_core.domain.datasets import ClassMapping, Dataset, DatasetVersion, ObjectifyRun
from spice_core.ports.read_models import Projection


@dataclass(frozen=True, slots=True)
class RegistryChange:
    """One change to the catalogue, in log order: exactly one field besides `position` is set.

    `delete_records_before`: all records put before that position, of a database that was deleted.
    """

    position: int
    put_dataset: Dataset | None = None
    put_version: DatasetVersion | None = None
    delete_dataset: str | None = None
    put_mapping: ClassMapping | None = None
    delete_mapping: str | None = None
    put_run: ObjectifyRun | None = None
    put_record: CatalogueRecord | None = None
    delete_record: tuple[RecordKind, str] | None = None
    delete_records_before: int | None = None


class Registry(Projection):
    """Datasets and what belongs to them, scoped by database."""

    @abstractmethod
    def apply(self, database: str, changes: Sequence[RegistryChange], *, position: int) -> None:
        """Store `changes` in order and advance to `position`, in one commit."""

    @abstractmethod
    def databases(self) -> list[str]:
        """Return the databases that have datasets, in order."""

    @abstractmethod
    def datasets(self, database: str, *, branch: str | None = None) -> list[Dataset]:
        """Return the datasets with their latest version, by name."""

    @abstractmethod
    def dataset(self, database: str, dataset_id: str) -> Dataset | None:
        """Return one dataset, None where there is none."""

    @abstractmethod
    def versions(self, database: str, dataset_id: str, *, limit: int = 100) -> list[DatasetVersion]:
        """Return the versions of a dataset, newest first."""

    @abstractmethod
    def version(self, database: str, version_id: str) -> DatasetVersion | None:
        """Return one version, None where there is none."""

    @abstractmethod
    def mappings(self, database: str, *, dataset_id: str | None = None) -> list[ClassMapping]:
        """Return the mappings, by id."""

    @abstractmethod
    def runs(self, database: str, *, mapping_id: str | None = None, limit: int = 100) -> list[ObjectifyRun]:
        """Return the runs, those put last first."""

    @abstractmethod
    def changed_since(self, position: int, *, database: str, limit: int = 100) -> list[Dataset]:
        """Return the datasets whose newest change is behind log position `position`, in that order: for sensors."""

    @abstractmethod
    def record(self, database: str, kind: RecordKind, record_id: str) -> CatalogueRecord | None:
        """Return one record, None where there is none."""

    @abstractmethod
    def records(
        self, database: str, kind: RecordKind, *, parent: str | None = None, status: str | None = None, limit: int = 1000
    ) -> list[CatalogueRecord]:
        """Return the records of a kind, those put last first; of one parent, of one status, where asked for."""
