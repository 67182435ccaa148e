"""Lineage in memory."""

import copy
from collections import Counter
from collections.abc import Mapping, Sequence

from spice_core.adapters.memory.projection import MemoryProjection
from spice_core.domain.read_models import LineageRecord
from spice_core.ports.read_models import LineageStore


class MemoryLineageStore(MemoryProjection, LineageStore):
    """A list of records per database, by position."""

    def __init__(self) -> None:
        super().__init__()
        self._records: dict[str, list[LineageRecord]] = {}

    def apply(self, database: str, records: Sequence[LineageRecord], *, position: int, after: int = 0) -> None:
        with self._lock:
            self._check_open()
            known = self._advance(database, position, after)
            fresh = [copy.deepcopy(record) for record in records if record.position > known]
            self._records.setdefault(database, []).extend(fresh)

    def of_artifact(self, database: str, artifact: str, *, limit: int = 100) -> list[LineageRecord]:
        found = [record for record in self._of(database) if record.artifact == artifact]
        return sorted(found, key=lambda record: -record.position)[:limit]

    def of_dataset_version(
        self, database: str, dataset_version: str, *, after: int = 0, limit: int = 1000
    ) -> list[LineageRecord]:
        found = [record for record in self._of(database) if record.dataset_version == dataset_version and record.position > after]
        return sorted(found, key=lambda record: (record.position, record.artifact))[:limit]

    def of_command(self, database: str, command_id: str) -> list[LineageRecord]:
        found = [record for record in self._of(database) if record.command_id == command_id]
        return sorted(found, key=lambda record: (record.position, record.artifact))

    def counts(self, database: str) -> Mapping[str, int]:
        return dict(sorted(Counter(record.event_type for record in self._of(database)).items()))

    def _of(self, database: str) -> list[LineageRecord]:
        with self._lock:
            self._check_open()
            return copy.deepcopy(self._records.get(database, []))

    def _forget(self, database: str) -> None:
        self._records.pop(database, None)
