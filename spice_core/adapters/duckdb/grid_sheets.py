"""Sheets whose cells lie in Parquet files: their beginnings and ends, and the tables cut out of them."""
# ruff: noqa: S608 - SQL over files cannot be parameterised; `literal` and `name` quote what is put in

from collections.abc import Sequence
from pathlib import Path

from spice_core.adapters.duckdb.connections import connect, copy_to, name, parquet
from spice_core.adapters.duckdb.found_tables import MOST_TURNED_CELLS, column_names, head_rows, tail_rows, write_turned
from spice_core.domain.sheets import FoundTable, Row, Sheet, TableMode
from spice_core.errors import UnreadableFile
from spice_core.ports.source_files import SheetGrid, SourceFormat, SourceSheets, SourceTable
from spice_core.ports.table_engine import TextTable


class DuckDBGridSheets(SourceSheets):
    """The sheets of a workbook that somebody has written to grids."""

    format = SourceFormat.WORKBOOK

    def __init__(self, grids: Sequence[SheetGrid], *, memory: str, scratch: Path) -> None:
        """Bound each statement to `memory`; large work spills to `scratch`."""
        self._grids = {grid.name: grid for grid in grids}
        self._memory = memory
        self._scratch = scratch

    @property
    def names(self) -> Sequence[str]:
        return tuple(self._grids)

    def sheet(self, name: str) -> Sheet:
        grid = self._grid(name)
        head = self._rows(grid, 1, min(grid.row_count, head_rows(grid.width)))
        tail = self._rows(grid, max(len(head) + 1, grid.row_count - tail_rows(grid.width) + 1), grid.row_count)
        return Sheet(name, head, grid.row_count, tail, grid.merged)

    def read_table(self, name: str, found: FoundTable | None, *, into: Path) -> SourceTable:
        grid = self._grid(name)
        if found is None:
            raise UnreadableFile("A worksheet is read by the tables found in it: say which of its cells are the table.")
        names, notes = column_names(found)
        if found.mode == TableMode.TABLE:
            return SourceTable(self._cut(grid, found, names, into), notes=notes)
        if found.bbox.height * found.bbox.width > MOST_TURNED_CELLS:
            raise UnreadableFile(f"A table on its side has over {MOST_TURNED_CELLS} cells: turn it upright in the workbook.")
        rows = self._rows(grid, found.bbox.top + 1, min(found.bbox.bottom + 1, grid.row_count))
        return SourceTable(write_turned(found, rows, into=into), notes=notes)

    def _cut(self, grid: SheetGrid, found: FoundTable, names: Sequence[str], into: Path) -> TextTable:
        cells = [f"c{cell.column}" if 0 <= cell.column < grid.width else "NULL::VARCHAR" for cell in found.columns]
        pairs = ", ".join(f"{cell} AS {name(column)}" for cell, column in zip(cells, names, strict=True))
        filled = " OR ".join(f"trim({cell}) <> ''" for cell in dict.fromkeys(cells))
        box = found.bbox
        where = f"__row BETWEEN {box.top + found.header_rows + 1} AND {box.bottom + 1} AND ({filled})"
        if found.skipped_rows:
            where += f" AND __row NOT IN ({', '.join(str(int(row) + 1) for row in found.skipped_rows)})"
        with connect(memory=self._memory, scratch=self._scratch, paths=[grid.path, into]) as connection:
            connection.execute(copy_to(f"SELECT __row, {pairs} FROM {parquet(grid.path)} WHERE {where}", into))
            count = connection.execute(f"SELECT count(*) FROM {parquet(into)}").fetchall()
        return TextTable(into, tuple(names), int(count[0][0]), 0, ())

    def _rows(self, grid: SheetGrid, first: int, last: int) -> list[Row]:
        """The rows from `first` to `last`, from 1, both included."""
        if last < first:
            return []
        cells = ", ".join(f"c{index}" for index in range(grid.width))
        query = f"SELECT {cells} FROM {parquet(grid.path)} WHERE __row BETWEEN {first} AND {last} ORDER BY __row"
        with connect(memory=self._memory, scratch=self._scratch, paths=[grid.path]) as connection:
            return list(connection.execute(query).fetchall())

    def _grid(self, name: str) -> SheetGrid:
        if name not in self._grids:
            raise UnreadableFile(f"The workbook has no filled and visible sheet {name[:100]!r}.")
        return self._grids[name]
