"""Sheets whose cells lie in Parquet files: their beginnings and ends, and the tables cut out of them."""
# ruff: noqa: S608 - SQL over files cannot be parameterised; `literal` and `name` quote what is put in

from collections.abc import Sequence
from pathlib import Path

from spice_core.adapters.duckdb.connections import connect, copy_to, name, parquet
from spice_core.adapters.duckdb.found_tables import MOST_TURNED_CELLS, column_names, head_rows, tail_rows, write_turned
from spice_core.domain.sheets import FilledColumn, FoundTable, Row, Sheet, TableMode
from spice_core.domain.structure.cells import Kind, kind_of
from spice_core.errors import UnreadableFile
from spice_core.ports.source_files import SheetGrid, SourceFormat, SourceSheets, SourceTable
from spice_core.ports.table_engine import TextTable

_COUNTED_TOGETHER = 200
_MOST_GAPS = 100
_VALUES = frozenset({Kind.NUMBER, Kind.YEAR, Kind.DATE})


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
        return Sheet(name, head, grid.row_count, tail, grid.merged, self._below(grid, len(head)))

    def read_table(self, name: str, found: FoundTable | None, *, into: Path) -> SourceTable:
        grid = self._grid(name)
        if found is None:
            raise UnreadableFile("A worksheet is read by the tables found in it: say which of its cells are the table.")
        names, notes = column_names(found)
        if found.mode == TableMode.TABLE:
            table = self._cut(grid, found, names, into)
            return SourceTable(table, notes=[*self._notes_on_gaps(grid, found, into), *notes])
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

    def _notes_on_gaps(self, grid: SheetGrid, found: FoundTable, cut: Path) -> list[str]:
        """A note on the first row of texts after empty rows, where a value stands above: another table may begin there.

        Asked of the rows below those that tables are told from, at the widest gaps between the rows of the `cut` table.
        """
        last = head_rows(grid.width)
        if found.bbox.bottom < last:
            return []
        rows = f"SELECT *, lag(__row) OVER (ORDER BY __row) AS __before FROM (SELECT __row FROM {parquet(cut)})"
        gaps = f"SELECT __row, __before FROM ({rows}) WHERE __row > {last} AND __row - __before > 1"
        with connect(memory=self._memory, scratch=self._scratch, paths=[cut]) as connection:
            pairs = connection.execute(f"{gaps} ORDER BY __row - __before DESC, __row LIMIT {_MOST_GAPS}").fetchall()
            asked = ", ".join(str(row) for pair in pairs for row in pair)
            if not asked:
                return []
            cells = connection.execute(f"SELECT * FROM {parquet(cut)} WHERE __row IN ({asked})").fetchall()
        kinds = {row: [kind_of((cell or "").strip()) for cell in texts] for row, *texts in cells}
        skipped = set(found.skipped_rows)
        for row, before in sorted(pairs):
            is_empty = any(number - 1 not in skipped for number in range(before + 1, row))
            if is_empty and _are_names(kinds[row], kinds[before]):
                return [f"row {row} holds texts after empty rows: if a table begins there, move it to a sheet of its own"]
        return []

    def _below(self, grid: SheetGrid, last: int) -> list[FilledColumn]:
        """The columns that are filled below the row `last`, from 1."""
        if grid.row_count <= last:
            return []
        found = []
        with connect(memory=self._memory, scratch=self._scratch, paths=[grid.path]) as connection:
            for start in range(0, grid.width, _COUNTED_TOGETHER):
                columns = range(start, min(start + _COUNTED_TOGETHER, grid.width))
                filled = ", ".join(f"CASE WHEN trim(c{index}) <> '' THEN __row END AS c{index}" for index in columns)
                told = ", ".join(f"count(c{index}), min(c{index})" for index in columns)
                query = f"SELECT {told} FROM (SELECT {filled} FROM {parquet(grid.path)} WHERE __row > {last})"
                (counts,) = connection.execute(query).fetchall()
                pairs = zip(columns, counts[::2], counts[1::2], strict=True)
                found += [FilledColumn(index, cells, first - 1) for index, cells, first in pairs if cells]
        return found

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


def _are_names(row: Sequence[Kind], above: Sequence[Kind]) -> bool:
    """Whether a row has only texts, one of them where the row above has a value."""
    pairs = [(kind, over) for kind, over in zip(row, above, strict=True) if kind != Kind.EMPTY]
    return all(kind == Kind.TEXT for kind, _ in pairs) and any(over in _VALUES for _, over in pairs)
