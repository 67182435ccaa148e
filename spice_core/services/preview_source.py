"""What a sheet outside would become as a dataset, and the tables in it. Nothing is stored."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from spice_core.domain.connectors import Connection
from spice_core.domain.ingest_requests import UploadRequest
from spice_core.domain.table_names import dataset_name_of
from spice_core.errors import InvalidInput, TooLarge
from spice_core.ports.connector import Access, Connector, FoundSource, SourceSpec
from spice_core.ports.source_files import SourceFiles
from spice_core.ports.table_engine import TableEngine
from spice_core.services.analyze_structure import MOST_CELLS, AnalyzedSheet, AnalyzeStructure
from spice_core.services.build_tables import BuildTables, BuiltTable, Naming
from spice_core.services.fetch_source import write_cells
from spice_core.services.infer_types import InferTypes
from spice_core.services.read_datasets import json_value

_LISTED_NAMES = 20


@dataclass(frozen=True, slots=True)
class Worksheet:
    """One worksheet, and how to reach it: `access` holds secrets."""

    access: Access
    found: FoundSource
    spec: SourceSpec


@dataclass(frozen=True, slots=True)
class PreviewTable:
    """A table as it would be taken in, with its first rows as JSON values."""

    built: BuiltTable
    rows: Sequence[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Preview:
    """The tables in the rows that were read; `is_whole`: there are no others."""

    tables: Sequence[PreviewTable]
    row_count: int
    is_whole: bool


class PreviewSource:
    """Looks into worksheets of one connector, on the way that a sync takes."""

    def __init__(self, connector: Connector, *, sources: SourceFiles, tables: TableEngine, scratch: Path) -> None:
        """`scratch` is a local directory for the files of one preview."""
        self._connector = connector
        self._sources = sources
        self._tables = tables
        self._scratch = scratch

    def access(self, spreadsheet: str, *, api_key: str | None = None) -> Access:
        """Return how to reach a public spreadsheet, named by its id or address. Raises `InvalidInput`."""
        config, secrets = self._connector.prepare({"spreadsheets": spreadsheet}, {"api_key": api_key} if api_key else {})
        if "," in str(config["spreadsheets"]):
            raise InvalidInput("name one spreadsheet")
        return Access("preview", config, secrets)

    def access_by(self, connection: Connection, access: Access, spreadsheet: str) -> Access:
        """Return how to reach a spreadsheet with a connection's credentials, which open what the connection names only.

        Raises:
            InvalidInput: the connection is of another kind, or does not name the spreadsheet.
        """
        if connection.kind != self._connector.kind.name:
            raise InvalidInput(f"{connection.name} is a connection of kind {connection.kind}, not {self._connector.kind.name}")
        config = self.access(spreadsheet).config
        if config["spreadsheets"] not in str(access.config.get("spreadsheets", "")).split(","):
            raise InvalidInput(f"{connection.name} does not name this spreadsheet: add it to the connection's spreadsheets")
        return replace(access, config={**access.config, **config})

    def find(self, access: Access, *, name: str | None, sheet_id: str | None, values: str) -> Worksheet:
        """Return a worksheet by its name, else by its id, else the first; `values` as the connector's source option.

        Raises:
            InvalidInput: there is no such worksheet; names those there are.
            SourceUnavailable, SourceNotAuthorized, SourceGone, InvalidSource: as the connector.
        """
        offered = self._connector.list_sources(access)
        for found in offered:
            is_it = found.name == name if name is not None else sheet_id is None or found.key.endswith(f"/{sheet_id}")
            if is_it:
                spec = self._connector.prepare_source(access.config, SourceSpec(found.key, {"values": values}))
                return Worksheet(access, found, spec)
        if not offered:
            raise InvalidInput("the spreadsheet has no worksheet that holds cells")
        known = ", ".join(repr(found.name) for found in offered[:_LISTED_NAMES])
        raise InvalidInput(f"the spreadsheet has no worksheet {(name or sheet_id or '')[:100]!r}; it has {known}")

    def structure(self, sheet: Worksheet) -> AnalyzedSheet:
        """Return the tables in a worksheet. Raises `TooLarge` for over a million cells, and as the connector."""
        with self._rows(sheet) as batches:
            rows = list(_bounded(batches))
        analyze = AnalyzeStructure(sources=self._sources, scratch=self._scratch)
        return analyze.of_cells(rows, name=sheet.found.name)

    def preview(self, sheet: Worksheet, *, sample_size: int, limit: int) -> Preview:
        """Return what the first `sample_size` rows of a worksheet would become, with up to `limit` rows of each table.

        Raises:
            UnreadableFile: there is no table in them.
            TooLarge: over a million cells.
            SourceUnavailable, SourceNotAuthorized, SourceGone, InvalidSource: as the connector.
        """
        with self._rows(sheet) as batches:
            rows = list(_bounded(batches, most_rows=sample_size + 1))
        self._scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._scratch, prefix="preview-") as folder:
            path, count = write_cells([rows[:sample_size]], Path(folder))
            tables = self._built(path, sheet.found, Path(folder))
            return Preview([self._shown(table, limit) for table in tables], count, len(rows) <= sample_size)

    @contextmanager
    def _rows(self, sheet: Worksheet) -> Iterator[Iterator[Sequence[Sequence[object]]]]:
        with self._connector.read(sheet.access, sheet.spec, None) as reading:
            yield reading.batches()

    def _built(self, path: Path, found: FoundSource, folder: Path) -> Sequence[BuiltTable]:
        infer = InferTypes(tables=self._tables, scratch=self._scratch)
        build = BuildTables(sources=self._sources, tables=self._tables, infer=infer)
        request = UploadRequest("preview", "main", dataset_name_of(found.name), "preview.csv", "preview")
        naming = Naming(known=tuple, is_taken=lambda _name: False, corrections=lambda _name, _signature: ())
        return build.build(path, request, naming, folder=folder).tables

    def _shown(self, table: BuiltTable, limit: int) -> PreviewTable:
        names = [column.name for column in table.columns]
        batches = self._tables.rows(table.typed, names, limit=limit)
        return PreviewTable(
            table, [{name: json_value(value) for name, value in row.items()} for batch in batches for row in batch]
        )


def _bounded(batches: Iterator[Sequence[Sequence[object]]], *, most_rows: int = MOST_CELLS) -> Iterator[Sequence[object]]:
    """Yield rows, as many as are wanted: the pages behind them are not asked for."""
    cells = count = 0
    for batch in batches:
        for row in batch:
            cells += max(1, len(row))
            if cells > MOST_CELLS:
                raise TooLarge(f"the worksheet has over {MOST_CELLS} cells: sync it as a source", details={"limit": MOST_CELLS})
            yield row
            count += 1
            if count >= most_rows:
                return
