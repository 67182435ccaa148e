"""From the bytes of a file to typed tables with what is known of them; nothing is stored."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spice_core.domain.corrections import ColumnCorrection
from spice_core.domain.datasets import Column
from spice_core.domain.ingest_requests import UploadRequest
from spice_core.domain.sheets import SheetStructure, TableMode
from spice_core.domain.structure import find_structure
from spice_core.domain.table_names import KnownTable, PlacedTable, name_tables
from spice_core.errors import InvalidInput, UnreadableFile
from spice_core.ports.source_files import SourceFiles, SourceFormat, SourceSheets, SourceTable
from spice_core.ports.table_engine import Dialect, TableEngine, TextTable
from spice_core.services.infer_types import InferredTable, InferTypes, column_report
from spice_core.services.read_datasets import json_value

_LISTED_MISFITS = 10_000
_SAMPLED_ROWS = 50
_MOST_TABLES = 200
_MOST_NOTES = 50
_LONGEST_NOTE = 300
_SURE, _VERY_SURE = 0.7, 0.9
_FLAT = "table"


@dataclass(frozen=True, slots=True)
class BuiltTable:
    """A typed table and its files, which go away with the folder that they were built in."""

    name: str
    typed: Path
    rejects: Path | None
    sample: Path
    row_count: int
    reject_count: int
    columns: Sequence[Column]
    keys: Sequence[Sequence[str]]
    region: Mapping[str, Any]
    notes: Sequence[str]


@dataclass(frozen=True, slots=True)
class BuiltFile:
    """The tables of a file, the largest (or the one that its earlier versions had first) first."""

    format: SourceFormat
    dialect: Mapping[str, Any]
    tables: Sequence[BuiltTable]


@dataclass(frozen=True, slots=True)
class Naming:
    """What names of datasets depend on, and what people said of columns before.

    Attributes:
        known: the datasets that earlier versions of the file made.
        is_taken: whether a name belongs to another file's dataset.
        corrections: what is remembered for a dataset and a sheet's signature.
        only: build the table of this dataset and no other; None: all.
    """

    known: Callable[[], Sequence[KnownTable]]
    is_taken: Callable[[str], bool]
    corrections: Callable[[str, str], Sequence[ColumnCorrection]]
    only: str | None = None


@dataclass(frozen=True, slots=True)
class _Planned:
    """A table to be read: found in a sheet, or the whole of a format that needs no structure."""

    name: str
    sheet: str
    placed: PlacedTable | None = None
    structure: SheetStructure | None = None

    @property
    def signature(self) -> str:
        return self.structure.signature if self.structure else _FLAT


class BuildTables:
    """Reads a file's tables, tells their types, and writes them as typed Parquet."""

    def __init__(self, *, sources: SourceFiles, tables: TableEngine, infer: InferTypes) -> None:
        self._sources = sources
        self._tables = tables
        self._infer = infer

    def build(self, file: Path, request: UploadRequest, naming: Naming, *, folder: Path) -> BuiltFile:
        """Return the tables of `file`; their files are in `folder`, which the caller removes.

        Raises:
            UnreadableFile: there is no table in it, or it cannot be read; says what to do.
            InvalidInput: the request names a sheet or a table that is not there, or corrections exclude each other.
        """
        with self._sources.open(file, folder=folder, delimiter=request.delimiter, has_header=request.has_header) as source:
            planned = self._plan(source, request, naming)
            wanted = [entry for entry in planned if naming.only in (None, entry.name)]
            if not wanted:
                raise UnreadableFile(f"The file holds no table of dataset {naming.only} any more.")
            built = []
            for index, entry in enumerate(wanted):
                place = folder / f"table-{index}"
                place.mkdir()
                built.append(self._table(source, entry, request, naming, place))
            return BuiltFile(source.format, _dialect_json(source.dialect), built)

    def _plan(self, source: SourceSheets, request: UploadRequest, naming: Naming) -> list[_Planned]:
        found = self._found(source, request)
        if not found:
            return [_Planned(request.name, "")]
        tables = [table for table, _ in found]
        names = name_tables(request.name, tables, known=naming.known(), is_taken=naming.is_taken)
        planned = [_Planned(name, table.sheet, table, structure) for name, (table, structure) in zip(names, found, strict=True)]
        return sorted(planned, key=lambda entry: (entry.name != request.name, -(entry.placed.size if entry.placed else 0)))

    def _found(self, source: SourceSheets, request: UploadRequest) -> list[tuple[PlacedTable, SheetStructure]]:
        """The tables that structure finds and the request wants; empty where the whole is read as it stands."""
        is_flat = source.format in {SourceFormat.PARQUET, SourceFormat.JSON_LINES}
        is_said = request.delimiter is not None or request.has_header is not None
        if is_flat or (source.format is SourceFormat.TEXT and is_said and request.table is None):
            _refuse_choice(request)
            return []
        found = []
        for name in _chosen_sheets(source, request):
            structure = find_structure(source.sheet(name))
            found += [(PlacedTable(name, place, table), structure) for place, table in enumerate(structure.tables, start=1)]
        if source.format is SourceFormat.TEXT and request.table is None and _is_plain([table for table, _ in found]):
            return []
        if len(found) > _MOST_TABLES:
            raise UnreadableFile(f"The file holds {len(found)} tables; at most {_MOST_TABLES} are read: name a sheet.")
        if not found:
            raise UnreadableFile("There is no table in the file: give it a header line with rows below it.")
        return _chosen_table(found, request)

    def _table(self, source: SourceSheets, entry: _Planned, request: UploadRequest, naming: Naming, folder: Path) -> BuiltTable:
        found = entry.placed.found if entry.placed else None
        read = source.read_table(entry.sheet, found, into=folder / "text.parquet")
        text = read.table
        people = naming.corrections(entry.name, entry.signature)
        inferred = self._infer.of_text_table(text.path, text.columns, corrections=people, stated=read.types)
        types = inferred.types
        typed = folder / "table.parquet"
        misfits = self._tables.cast(
            text.path,
            {name: item.type for name, item in types.items()},
            dialect_of={name: item.options() | {"name": item.name} for name, item in types.items()},
            into=typed,
        )
        renamed = _renamed(inferred)
        names = [types[name].name for name in text.columns]
        return BuiltTable(
            name=entry.name,
            typed=typed,
            rejects=self._write_rejects(text, typed, misfits, folder / "rejects.jsonl"),
            sample=self._write_sample(typed, names, folder / "sample.json"),
            row_count=text.row_count,
            reject_count=text.reject_count,
            columns=[_column(renamed, name) for name in names],
            keys=self._infer.key_candidates(typed, names, renamed),
            region=_region(source, entry, request),
            notes=_notes(read, entry, people),
        )

    def _write_rejects(self, text: TextTable, typed: Path, misfits: int, into: Path) -> Path | None:
        """List refused rows and values that did not fit, as JSON lines; the counts are exact, the list is bounded."""
        if not text.reject_count and not misfits:
            return None
        with into.open("w", encoding="utf-8") as file:
            for reject in text.rejects:
                line = {"kind": "row", "line": reject.line, "reason": reject.reason, "text": reject.text}
                file.write(json.dumps(line, ensure_ascii=False) + "\n")
            if misfits:
                file.writelines(self._misfit_lines(typed))
        return into

    def _misfit_lines(self, typed: Path) -> Iterator[str]:
        listed = 0
        for batch in self._tables.rows(typed, ["__row", "__rejects"]):
            for row in batch:
                for column, value in json.loads(row["__rejects"] or "{}").items():
                    line = {
                        "kind": "value",
                        "row": row["__row"],
                        "column": column,
                        "reason": "does not fit the type",
                        "text": value,
                    }
                    yield json.dumps(line, ensure_ascii=False) + "\n"
                    listed += 1
            if listed >= _LISTED_MISFITS:
                return

    def _write_sample(self, typed: Path, columns: Sequence[str], into: Path) -> Path:
        batches = self._tables.rows(typed, columns, limit=_SAMPLED_ROWS)
        rows = [{name: json_value(value) for name, value in row.items()} for batch in batches for row in batch]
        into.write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
        return into


def _is_plain(tables: Sequence[PlacedTable]) -> bool:
    """Whether a text is one table as the sniffed dialect reads it: one line of headers at most, records in rows.

    Most texts are, so what says otherwise must be sure of it: two columns of names and values are rows like any others, and a
    first line that names every column differently is the header.
    """
    if len(tables) != 1:
        return sum(table.found.confidence >= _SURE for table in tables) < 2
    found = tables[0].found
    if found.mode is TableMode.TRANSPOSED:
        return found.confidence < _VERY_SURE
    tops = [cell.path[0] for cell in found.columns if cell.path]
    is_named_by_first_line = len(set(tops)) == len(found.columns)
    return found.mode is TableMode.PROPERTY or found.header_rows <= 1 or is_named_by_first_line or found.confidence < _SURE


def _chosen_sheets(source: SourceSheets, request: UploadRequest) -> Sequence[str]:
    if request.sheet is None:
        return source.names
    if request.sheet not in source.names:
        known = ", ".join(source.names[:20])
        raise InvalidInput(f"The file has no sheet {request.sheet[:100]!r}; it has: {known}", details={"sheets": [*source.names]})
    return [request.sheet]


def _chosen_table(
    found: list[tuple[PlacedTable, SheetStructure]], request: UploadRequest
) -> list[tuple[PlacedTable, SheetStructure]]:
    if request.table is None:
        return found
    if not 1 <= request.table <= len(found):
        raise InvalidInput(f"There are {len(found)} tables; there is no table {request.table}.", details={"tables": len(found)})
    return [found[request.table - 1]]


def _refuse_choice(request: UploadRequest) -> None:
    if request.sheet or request.table not in (None, 1):
        raise InvalidInput("The file is one table: leave sheet and table out.")


def _renamed(inferred: InferredTable) -> InferredTable:
    """The same types under the names that the columns have from now on."""
    types = {entry.name: entry for entry in inferred.types.values()}
    return InferredTable(types, {entry.name: inferred.evidence[name] for name, entry in inferred.types.items()})


def _column(found: InferredTable, name: str) -> Column:
    return Column(name, found.types[name].type, nullable=found.nulls(name) > 0, statistics=column_report(found, name))


def _region(source: SourceSheets, entry: _Planned, request: UploadRequest) -> dict[str, Any]:
    """Where the table lies in its file, as JSON."""
    region: dict[str, Any] = {"format": source.format.value, "base": request.name, "signature": entry.signature}
    if entry.placed is None or entry.structure is None:
        return region
    found, box = entry.placed.found, entry.placed.found.bbox
    return region | {
        "sheet": entry.sheet,
        "table": entry.placed.ordinal,
        "title": found.title,
        "mode": found.mode.value,
        "bbox": [box.top, box.left, box.bottom, box.right],
        "header_rows": found.header_rows,
        "header_key": entry.placed.header_key,
        "header_tree": [{"path": list(cell.path), "column": cell.column} for cell in found.columns],
        "skipped_rows": list(found.skipped_rows[:1000]),
        "confidence": found.confidence,
        "reason": found.reason,
        "key_values": [
            {"name": pair.name[:_LONGEST_NOTE], "value": pair.value[:_LONGEST_NOTE]}
            for pair in entry.structure.key_values[:_MOST_NOTES]
        ],
    }


def _notes(read: SourceTable, entry: _Planned, people: Sequence[ColumnCorrection]) -> list[str]:
    notes = [note[:_LONGEST_NOTE] for note in read.notes[:_MOST_NOTES]]
    if entry.structure is not None:
        notes += [f"line {row + 1}: {text[:_LONGEST_NOTE]}" for row, text in entry.structure.notes[:_MOST_NOTES]]
    used = {correction.column for correction in people} & set(read.table.columns)
    if used:
        notes.append(f"{len(used)} columns are as people corrected them: {', '.join(sorted(used)[:20])[:_LONGEST_NOTE]}")
    return notes


def _dialect_json(dialect: Dialect | None) -> dict[str, Any]:
    if dialect is None:
        return {}
    return {
        "delimiter": dialect.delimiter,
        "quote": dialect.quote,
        "encoding": dialect.encoding,
        "header_row": dialect.header_row,
        "skip_rows": dialect.skip_rows,
    }
