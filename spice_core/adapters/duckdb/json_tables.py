"""JSON objects as a table: the union of their keys in the order they are first seen, in one pass."""
# ruff: noqa: S608 - SQL over files cannot be parameterised; `literal` and `name` quote what is put in

import shutil
from pathlib import Path

import pyarrow as pa  # type: ignore[import-untyped] # it has no stubs
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from spice_core.adapters.duckdb.connections import connect, copy_to, literal
from spice_core.adapters.duckdb.found_tables import MOST_COLUMNS
from spice_core.adapters.duckdb.json_records import BadRecord, Texts, json_records
from spice_core.domain.text_dialects import unique_names
from spice_core.errors import UnreadableFile
from spice_core.ports.source_files import SourceTable
from spice_core.ports.table_engine import RejectedRow, TextTable

_BATCH_ROWS = 20_000
_BATCH_CHARACTERS = 16_000_000
_KEPT_REJECTS = 1000


def read_json_table(path: Path, *, into: Path, memory: str, scratch: Path) -> SourceTable:
    """Read JSON lines, or one JSON array of objects, as text into Parquet at `into`, a row number `__row` (from 1) first.

    Raises:
        UnreadableFile: nothing in it is an object, or its objects have too many different keys.
    """
    rejects: list[RejectedRow] = []
    refused = 0
    parts = _Parts(scratch)
    for line, found in json_records(path):
        if isinstance(found, BadRecord):
            refused += 1
            if len(rejects) < _KEPT_REJECTS:
                rejects.append(RejectedRow(line, found.reason, found.text))
        else:
            parts.add(found)
    parts.close()
    if not parts.columns:
        raise UnreadableFile(
            "Nothing in the file is a JSON object with values: write one object per line, or one array of objects.",
            details={"line": rejects[0].line, "reason": rejects[0].reason} if rejects else None,
        )
    names, notes = unique_names(list(parts.columns))
    parts.join(into, memory)
    return SourceTable(TextTable(into, tuple(names), parts.row_count, refused, rejects), notes=notes)


class _Parts:
    """Files of rows; where a new key turns up, a new file with one more column begins."""

    def __init__(self, folder: Path) -> None:
        self.columns: dict[str, None] = {}
        self.row_count = 0
        self._folder = folder
        self._paths: list[Path] = []
        self._rows: list[Texts] = []
        self._size = 0
        self._written: list[str] = []
        self._writer: pq.ParquetWriter | None = None

    def add(self, row: Texts) -> None:
        self._rows.append(row)
        self._size += sum(map(len, filter(None, row.values())))
        self.columns.update(dict.fromkeys(row))
        if len(self.columns) > MOST_COLUMNS:
            raise UnreadableFile(
                f"The objects have over {MOST_COLUMNS} different keys: write keys that are values, such as ids, as values."
            )
        if (
            len(self._rows) * len(self.columns) >= _BATCH_ROWS * 50
            or len(self._rows) >= _BATCH_ROWS
            or self._size >= _BATCH_CHARACTERS
        ):
            self._write()

    def close(self) -> None:
        self._write()
        if self._writer is not None:
            self._writer.close()

    def join(self, into: Path, memory: str) -> None:
        """Make one file of all."""
        if len(self._paths) == 1:
            shutil.move(self._paths[0], into)
            return
        files = ", ".join(literal(str(path)) for path in self._paths)
        query = f"SELECT * FROM read_parquet([{files}], union_by_name = true)"
        with connect(memory=memory, scratch=self._folder, paths=[*self._paths, into]) as connection:
            connection.execute(copy_to(query, into))
        for path in self._paths:
            path.unlink()

    def _write(self) -> None:
        keys = list(self.columns)
        if not self._rows or not keys:
            self._rows.clear()
            return
        writer = self._writer if self._writer is not None and keys == self._written else self._begun(keys)
        first = self.row_count + 1
        self.row_count += len(self._rows)
        numbers = pa.array(range(first, self.row_count + 1), pa.int64())
        cells = [pa.array([row.get(key) for row in self._rows], pa.string()) for key in keys]
        names = ["__row", *unique_names(keys)[0]]
        writer.write_table(pa.table([numbers, *cells], names=names))
        self._rows.clear()
        self._size = 0

    def _begun(self, keys: list[str]) -> pq.ParquetWriter:
        if self._writer is not None:
            self._writer.close()
        schema = pa.schema([("__row", pa.int64()), *((name, pa.string()) for name in unique_names(keys)[0])])
        self._paths.append(self._folder / f"json-{len(self._paths)}.parquet")
        self._writer = pq.ParquetWriter(self._paths[-1], schema, compression="snappy")
        self._written = keys
        return self._writer
