"""A text file as a sheet: its records, and the tables cut out of it."""

import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

from spice_core.adapters.duckdb.found_tables import (
    MOST_HEAD_ROWS,
    MOST_TAIL_ROWS,
    column_names,
    head_rows,
    tail_rows,
    write_turned,
)
from spice_core.adapters.duckdb.text_records import Record, TextRecords, end_of_record, read_records
from spice_core.adapters.duckdb.text_tables import TextRegion, read_region, read_text_table
from spice_core.domain.sheets import FoundTable, Row, Sheet, TableMode
from spice_core.errors import UnreadableFile
from spice_core.ports.source_files import SourceFormat, SourceSheets, SourceTable
from spice_core.ports.table_engine import Dialect, TextTable

_CHUNK = 1 << 20


class DuckDBTextSheets(SourceSheets):
    """The one sheet of a text file. `source` is the file in UTF-8, `dialect` how the file itself is written."""

    format = SourceFormat.TEXT

    def __init__(self, source: Path, dialect: Dialect, *, memory: str, scratch: Path) -> None:
        """Bound each statement to `memory`; large work spills to `scratch`, where copies are made, too."""
        self.dialect = dialect
        self._source = source
        self._utf8 = replace(dialect, encoding="utf-8")
        self._memory = memory
        self._scratch = scratch

    @property
    def names(self) -> Sequence[str]:
        return ("",)

    def sheet(self, name: str) -> Sheet:
        self._check(name)
        records = self._records
        width = max((len(record.cells) for record in records.head), default=0)
        head, tail = records.head[: head_rows(width)], records.tail
        rest = tail or records.head[len(head) :]
        return Sheet("", _rows(head), records.count, _rows(rest[-tail_rows(width) :]))

    def read_table(self, name: str, found: FoundTable | None, *, into: Path) -> SourceTable:
        self._check(name)
        if found is None:
            return SourceTable(read_text_table(self._source, self._utf8, into=into, memory=self._memory, scratch=self._scratch))
        names, notes = column_names(found)
        if found.mode == TableMode.TABLE:
            return SourceTable(self._cut(found, names, into), notes=notes)
        if found.bbox.bottom >= len(self._records.head):
            raise UnreadableFile(f"A table on its side ends within the first {len(self._records.head)} rows: turn it upright.")
        rows = _rows(self._records.head[found.bbox.top : found.bbox.bottom + 1])
        return SourceTable(write_turned(found, rows, into=into), notes=notes)

    @cached_property
    def _records(self) -> TextRecords:
        dialect = self._utf8
        return read_records(self._source, dialect.delimiter, dialect.quote, most_head=MOST_HEAD_ROWS, most_tail=MOST_TAIL_ROWS)

    def _cut(self, found: FoundTable, names: Sequence[str], into: Path) -> TextTable:
        first = found.bbox.top + found.header_rows
        record = self._records.at(first)
        size = self._source.stat().st_size
        start, line = (record.start, record.line) if record else (self._end(first - 1), 0)
        end = size if found.bbox.bottom >= self._records.count - 1 else self._end(found.bbox.bottom)
        left_out = [self._records.at(row) for row in found.skipped_rows]
        gaps = [
            gap for gap in left_out if gap is not None and any(cell.strip() for cell in gap.cells) and start <= gap.start < end
        ]
        width = max(self._width(first), *(cell.column + 1 for cell in found.columns))
        kept = [(f"c{cell.column}", title) for cell, title in zip(found.columns, names, strict=True)]
        region = TextRegion(self._source, self._utf8, [f"c{index}" for index in range(width)], first, line, kept)
        if end == size and not gaps and record:
            return read_region(region, into=into, memory=self._memory, scratch=self._scratch)
        with tempfile.NamedTemporaryFile(dir=self._scratch, suffix=".csv") as copy:
            _copy(self._source, Path(copy.name), start, end, gaps)
            region = replace(region, source=Path(copy.name), skip=0, first_line=0)
            table = read_region(region, into=into, memory=self._memory, scratch=self._scratch)
        return replace(table, rejects=[replace(reject, line=reject.line + line) for reject in table.rejects])

    def _end(self, index: int) -> int:
        """The byte after the record at `index`."""
        if index < 0:
            return 0
        record = self._records.at(index)
        return record.end if record else end_of_record(self._source, self._utf8.delimiter, self._utf8.quote, index)

    def _width(self, first: int) -> int:
        """How many columns most records have from `first` on."""
        widths = Counter(len(record.cells) for record in self._records.head[first:] if any(record.cells))
        return widths.most_common(1)[0][0] if widths else 1

    def _check(self, name: str) -> None:
        if name:
            raise UnreadableFile(f"A text file has no sheets; {name[:100]!r} was asked for.")


def _rows(records: Iterable[Record]) -> list[Row]:
    return [[cell if cell.strip() else None for cell in record.cells] for record in records]


def _copy(source: Path, into: Path, start: int, end: int, gaps: Iterable[Record]) -> None:
    """Copy the bytes from `start` to `end`; the lines of `gaps` become empty ones, so that lines keep their numbers."""
    with source.open("rb") as old, into.open("wb") as new:
        at = start
        for gap in sorted(gaps, key=lambda record: record.start):
            _copy_range(old, new, at, gap.start)
            old.seek(gap.start)
            new.write(b"\n" * old.read(gap.end - gap.start).count(b"\n"))
            at = gap.end
        _copy_range(old, new, at, end)


def _copy_range(old: BinaryIO, new: BinaryIO, start: int, end: int) -> None:
    old.seek(start)
    while chunk := old.read(min(_CHUNK, end - old.tell())):
        new.write(chunk)
