"""The data plane over a write path in memory: DuckDB, dataset store, registry, and workers that run while others wait."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from spice_core.adapters.duckdb.table_engine import DuckDBTableEngine
from spice_core.adapters.memory.command_statuses import MemoryCommandStatuses
from spice_core.adapters.memory.dataset_store import MemoryDatasetStore
from spice_core.adapters.memory.lineage_store import MemoryLineageStore
from spice_core.adapters.memory.registry import MemoryRegistry
from spice_core.domain.datasets import ClassMapping, DatasetVersion, FieldMapping
from spice_core.services.apply_registry import RegistryHandler
from spice_core.services.infer_types import InferTypes
from spice_core.services.ingest_dataset import IngestDataset, UploadRequest
from spice_core.services.objectify import Objectify
from spice_core.services.project_lineage import LineageProjector
from spice_core.services.project_statuses import StatusProjector
from spice_core.services.read_datasets import ReadDatasets
from spice_core.services.run_parts import RunParts
from spice_core.services.submit_registry import RegistryCommands, mapping_id_of
from tests.text_sources import FakeSourceFiles
from tests.write_path import Crash, SteppedClock, WritePath


class PumpingClock(SteppedClock):
    """A clock in whose sleep the workers work."""

    pump: Callable[[], None] = staticmethod(lambda: None)

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        self.pump()


@dataclass
class DataWorld:
    """One installation with a database `shop`."""

    folder: Path
    clock: PumpingClock = field(default_factory=PumpingClock)
    registered: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.path = WritePath(clock=self.clock)
        self.registry = MemoryRegistry()
        self.datasets = MemoryDatasetStore()
        of_store = Path(tempfile.gettempdir())
        self.tables = DuckDBTableEngine(memory="300MB", scratch=self.folder / "scratch", roots=[of_store])
        self.sources = FakeSourceFiles(self.tables)
        self.handler = RegistryHandler(log=self.path.log, registry=self.registry)
        self.clock.pump = self.work
        self.catalogue = RegistryCommands(commands=self.path.commands, registry=self.registry)
        self.infer = InferTypes(tables=self.tables, scratch=self.folder / "scratch")
        self.reading = ReadDatasets(datasets=self.datasets, tables=self.tables, registry=self.registry)
        self.statuses = MemoryCommandStatuses()
        self.projector = StatusProjector(self.statuses)
        self.lineage = MemoryLineageStore()
        self.lineage_projector = LineageProjector(self.lineage)
        self.ingest = self.new_ingest()
        self.objectify = self.new_objectify()

    def new_ingest(self, **options: Any) -> IngestDataset:
        assert self.path.work is not None
        return IngestDataset(
            **{
                "datasets": self.datasets,
                "sources": self.sources,
                "tables": self.tables,
                "registry": self.registry,
                "commands": self.path.commands,
                "log": self.path.log,
                "work": self.path.work,
                "clock": self.clock,
                "ids": self.path.ids,
                "scratch": self.folder / "ingest",
                **options,
            }
        )

    def new_objectify(self, **options: Any) -> Objectify:
        return Objectify(self.run_parts(**options))

    def run_parts(self, **options: Any) -> RunParts:
        """Return what runs of mappings and link types work with here."""
        assert self.path.work is not None
        return RunParts(
            registry=self.registry,
            datasets=self.datasets,
            tables=self.tables,
            graph=self.path.graph,
            lineage=self.lineage,
            commands=self.path.commands,
            statuses=self.statuses,
            work=self.path.work,
            log=self.path.log,
            clock=self.clock,
            ids=self.path.ids,
            **options,
        )

    def dies(self, owner: type, method: str, run: Callable[[], object], *, at: int = 1) -> bool:
        """Let `run` die behind call `at` of `method` of `owner`, if it makes that; say whether it did. The workers live on."""
        original, calls = getattr(owner, method), count(1)

        def dying(*arguments: Any, **options: Any) -> Any:
            found = original(*arguments, **options)
            if next(calls) == at:
                raise Crash
            return found

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(owner, method, dying)
            try:
                run()
            except Crash:
                self.work()
                return True
        return False

    def work(self) -> None:
        """Let all workers do all there is to do."""
        for database in self.path.log.databases():
            self.path.settle(database)
            after = self.registered.get(database, 0)
            events = self.path.log.read(database, after=after, limit=100_000)
            if events:
                self.handler.handle(database, [event for event in events if self.handler.wants(event)])
                self.registered[database] = events[-1].position
                self.registry.apply(database, [], position=events[-1].position)
                self.projector.handle(database, events)
                self.lineage_projector.handle(database, events)

    def with_classes(self, *definitions: Mapping[str, Any], database: str = "shop") -> "DataWorld":
        self.path.with_classes(*definitions, database=database)
        return self

    def upload(
        self, name: str, data: str | bytes, *, key: str | None = None, database: str = "shop", **options: Any
    ) -> DatasetVersion:
        content = data.encode() if isinstance(data, str) else data
        request = UploadRequest(database, "main", name, f"{name}.csv", key or f"{name} {hash(content)}", **options)
        return self.ingest.run(request, [content[:10], content[10:]])

    def map(self, version: DatasetVersion, class_id: str, fields: Mapping[str, str | tuple[str, ...]], **options: Any) -> str:
        """Save a mapping of target fields to source columns; return its id."""
        mapping_id = mapping_id_of("shop", "main", version.dataset_id, class_id)
        entries = [FieldMapping(name, (source,) if isinstance(source, str) else source) for name, source in fields.items()]
        mapping = ClassMapping(mapping_id, "shop", "main", version.dataset_id, class_id, entries, version.schema_hash, **options)
        self.catalogue.save_mapping(mapping)
        self.work()
        return mapping_id

    def instances(self, class_id: str) -> dict[str, dict[str, Any]]:
        """Return the documents of a class by instance id."""
        page = self.path.graph.view("shop", "main").page([class_id], limit=1_000_000)
        return {node.key.partition("/")[2]: dict(node.document) for node in page.nodes}

    def rows(self, version: DatasetVersion, *, database: str = "shop") -> list[tuple[Any, ...]]:
        return [tuple(row.values()) for row in self.reading.preview(database, version.version_id)]

    def close(self) -> None:
        self.datasets.close()
        self.tables.close()


def csv_of(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    lines = [",".join("" if cell is None else str(cell) for cell in row) for row in [columns, *rows]]
    return "\n".join(lines) + "\n"
