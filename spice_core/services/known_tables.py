"""What the catalogue knows of a file's earlier versions: which datasets they made, and what people said of their columns."""

from collections.abc import Mapping, Sequence

from spice_core.domain import naming
from spice_core.domain.catalogue_records import CatalogueRecord, RecordKind, record_id_of
from spice_core.domain.corrections import ColumnCorrection, correction_of_json
from spice_core.domain.ingest_requests import UploadRequest
from spice_core.domain.table_names import KnownTable
from spice_core.ports.registry import Registry
from spice_core.services.build_tables import Naming


class KnownTables:
    """Reads names and corrections from the registry."""

    def __init__(self, *, registry: Registry) -> None:
        self._registry = registry

    def naming(
        self,
        request: UploadRequest,
        *,
        only: str | None = None,
        said: Mapping[str, Sequence[ColumnCorrection]] | None = None,
    ) -> Naming:
        """Return what the names and types of a file's tables depend on.

        `only` is the one dataset to build; `said` are corrections by dataset that are not on record yet, instead of those
        that are.
        """

        def corrections(dataset: str, signature: str) -> Sequence[ColumnCorrection]:
            if said is not None and dataset in said:
                return said[dataset]
            dataset_id = naming.aggregate_id(request.database, request.branch, dataset)
            return self.corrections(request.database, dataset_id, signature)

        return Naming(lambda: self._known(request), lambda name: self._is_taken(request, name), corrections, only)

    def corrections(self, database: str, dataset_id: str, signature: str) -> list[ColumnCorrection]:
        """Return what people said of the columns of a dataset: under this sheet's signature, else what they said last.

        A sheet that gained or lost a column has another signature, and columns are known by their names: what was said of
        those that stayed still holds.
        """
        record = self._registry.record(database, RecordKind.CORRECTION, correction_id(database, dataset_id, signature))
        found: CatalogueRecord | None = record
        if found is None:
            found = next(iter(self._registry.records(database, RecordKind.CORRECTION, parent=dataset_id, limit=1)), None)
        if found is None:
            return []
        return [correction_of_json(entry) for entry in found.document["corrections"]]

    def _known(self, request: UploadRequest) -> list[KnownTable]:
        return [
            KnownTable(entry.name, entry.latest.region)
            for entry in self._registry.datasets(request.database, branch=request.branch)
            if entry.latest is not None and "table" in entry.latest.region and entry.latest.region.get("base") == request.name
        ]

    def _is_taken(self, request: UploadRequest, name: str) -> bool:
        dataset_id = naming.aggregate_id(request.database, request.branch, name)
        return self._registry.dataset(request.database, dataset_id) is not None


def correction_id(database: str, dataset_id: str, signature: str) -> str:
    """Return the id of the record of what people said of a dataset's columns in sheets of a signature."""
    return record_id_of(database, dataset_id, signature)
