"""Formats that are one table as a whole: JSON lines and Parquet."""
# ruff: noqa: S608 - SQL over files cannot be parameterised; `literal` and `name` quote what is put in

import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from spice_core.adapters.duckdb.connections import connect, name, parquet
from spice_core.adapters.duckdb.found_tables import head_rows, tail_rows
from spice_core.domain.sheets import FoundTable, Row, Sheet
from spice_core.errors import UnreadableFile
from spice_core.ports.source_files import SourceFormat, SourceSheets, SourceTable


class DuckDBWholeSheets(SourceSheets):
    """One sheet that is one table: its first row holds the names of the columns."""

    def __init__(self, format: SourceFormat, read: Callable[[Path], SourceTable], *, memory: str, scratch: Path) -> None:  # noqa: A002 - the port's word
        """`read` writes the table to a path; it is called once, when something is first asked."""
        self.format = format
        self._read = read
        self._memory = memory
        self._scratch = scratch

    @property
    def names(self) -> Sequence[str]:
        return ("",)

    def sheet(self, name: str) -> Sheet:
        self._check(name)
        table = self._table.table
        width = len(table.columns)
        head = self._rows(1, head_rows(width) - 1)
        tail = self._rows(max(len(head) + 1, table.row_count - tail_rows(width) + 1), table.row_count)
        return Sheet("", [tuple(table.columns), *head], table.row_count + 1, tail)

    def read_table(self, name: str, found: FoundTable | None, *, into: Path) -> SourceTable:
        self._check(name)
        if found is not None:
            raise UnreadableFile("A file of this format is one table: it is read as a whole.")
        shutil.copyfile(self._table.table.path, into)
        return replace(self._table, table=replace(self._table.table, path=into))

    @cached_property
    def _table(self) -> SourceTable:
        return self._read(self._scratch / "whole.parquet")

    def _rows(self, first: int, last: int) -> list[Row]:
        table = self._table.table
        cells = ", ".join(name(column) for column in table.columns)
        query = f"SELECT {cells} FROM {parquet(table.path)} WHERE __row BETWEEN {first} AND {last} ORDER BY __row"
        with connect(memory=self._memory, scratch=self._scratch, paths=[table.path]) as connection:
            return list(connection.execute(query).fetchall())

    def _check(self, name: str) -> None:
        if name:
            raise UnreadableFile(f"The file has no sheets; {name[:100]!r} was asked for.")
