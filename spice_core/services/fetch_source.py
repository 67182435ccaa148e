"""From a source outside to a local file: text cells as CSV, typed rows as Parquet, changes merged into the version before."""

import csv
import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from spice_core.domain.connectors import ConnectorSource
from spice_core.errors import InvalidSource
from spice_core.ports.connector import Access, Connector, ReadEnd, Reading, SourceSpec
from spice_core.ports.table_engine import TableEngine

_CHUNK = 1 << 20

Progress = Callable[[int], None]
"""Called with the number of rows that were read so far."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """A source as a file: always the whole table, whatever part of it was read."""

    path: Path
    filename: str
    content_hash: str
    row_count: int
    end: ReadEnd
    is_full: bool
    is_text: bool

    def chunks(self) -> Iterator[bytes]:
        """Yield the file's bytes."""
        with self.path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                yield chunk


class FetchSource:
    """Reads sources; the same rows give the same bytes."""

    def __init__(self, tables: TableEngine) -> None:
        self._tables = tables

    def run(
        self,
        connector: Connector,
        access: Access,
        source: ConnectorSource,
        *,
        cursor: str | None,
        base: Path | None,
        folder: Path,
        progress: Progress,
    ) -> Fetched:
        """Read `source` from `cursor` on into a file in `folder`; `base` holds the rows of the read that ended there.

        Raises:
            UnreadableFile: the key does not tell rows apart, or a value does not fit its column.
            SourceUnavailable, SourceNotAuthorized, SourceGone, InvalidSource: as the connector.
        """
        with connector.read(access, spec_of(source), cursor if base else None) as reading:
            if reading.columns is None:
                path, count = write_cells(_counted(reading, progress), folder)
            else:
                path, count = self._write_table(reading, source, base, folder, progress)
            end, is_full, is_text = reading.end(), reading.is_full, reading.columns is None
        filename = f"{source.dataset}.{'csv' if is_text else 'parquet'}"
        return Fetched(path, filename, _digest(path), count, end, is_full, is_text)

    def _write_table(
        self, reading: Reading, source: ConnectorSource, base: Path | None, folder: Path, progress: Progress
    ) -> tuple[Path, int]:
        columns = reading.columns or ()
        missing = [name for name in source.key_columns if name not in {column.name for column in columns}]
        if missing:
            raise InvalidSource(f"the key columns {', '.join(missing)} are not in the source; it has {_names(reading)}")
        read, merged = folder / "read.parquet", folder / "table.parquet"
        self._tables.write_rows(_counted(reading, progress), columns, into=read)
        kept = None if reading.is_full else base
        return merged, self._tables.merge_rows(read, base=kept, key=source.key_columns, into=merged)


def spec_of(source: ConnectorSource) -> SourceSpec:
    """Return what the connector is told of a source."""
    return SourceSpec(source.key, source.options, source.key_columns, source.watermark_column, source.overlap)


def _counted(reading: Reading, progress: Progress) -> Iterator[Sequence[Sequence[object]]]:
    count = 0
    for batch in reading.batches():
        yield batch
        count += len(batch)
        progress(count)


def write_cells(batches: Iterable[Sequence[Sequence[object]]], folder: Path) -> tuple[Path, int]:
    """Write rows of cells as CSV, every row as wide as the widest: rows that end early are no broken ones.

    Return the file, in `folder`, and the number of its rows.
    """
    ragged, path = folder / "cells.csv", folder / "table.csv"
    width = count = 0
    with ragged.open("w", encoding="utf-8", errors="replace", newline="") as file:
        writer = csv.writer(_Lines(file), lineterminator="\r\n")
        for batch in batches:
            width = max([width, *(len(row) for row in batch)])
            count += len(batch)
            writer.writerows(row or [""] for row in batch)
    with ragged.open(encoding="utf-8", newline="") as rows, path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(_Lines(file), lineterminator="\r\n")
        writer.writerows(row + [""] * (width - len(row)) for row in csv.reader(rows))
    return path, count


class _Lines:
    """A file whose lines end in a line feed. The writer that ends them otherwise quotes a cell with a carriage return too."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, line: str) -> int:
        return self._file.write(line.removesuffix("\r\n") + "\n")


def _names(reading: Reading) -> str:
    return ", ".join(column.name for column in reading.columns or ())


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
