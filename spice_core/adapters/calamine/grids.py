"""The cells of a sheet, written row by row to a Parquet file of text columns."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped] # has no types
import pyarrow.parquet as pq  # type: ignore[import-untyped] # as above
from python_calamine import CalamineSheet

from spice_core.adapters.calamine.cells import Cell
from spice_core.adapters.calamine.error_cells import Errors
from spice_core.errors import UnreadableFile

MOST_COLUMNS = 16_384
_MOST_MERGED = 10_000
_BATCH_CELLS = 200_000
_Cells = tuple[str | None, ...]
_TextOf = Callable[[Cell], str | None]


def write_grid(sheet: CalamineSheet, errors: Errors, text_of: _TextOf, *, into: Path) -> dict[str, Any]:
    """Write a sheet to `into` as `SheetGrid` says; return the fields of one, for JSON. An empty sheet has no rows.

    `text_of` says what stands in a cell; `errors` are put into cells that are empty.

    Raises:
        UnreadableFile: the sheet has more columns than any workbook program can make.
    """
    width = sheet.end[1] + 1 if sheet.end is not None else 0
    if width > MOST_COLUMNS:
        raise UnreadableFile(f"The sheet {sheet.name[:100]!r} has {width} columns; at most {MOST_COLUMNS} are read.")
    schema = pa.schema([("__row", pa.int64()), *((f"c{index}", pa.string()) for index in range(width))])
    count = last = 0
    with pq.ParquetWriter(into, schema, compression="snappy") as writer:
        for rows in _batches(sheet, width, errors, text_of):
            columns = [pa.array(column, pa.string()) for column in zip(*rows, strict=True)]
            numbers = pa.array(range(count + 1, count + len(rows) + 1), pa.int64())
            writer.write_table(pa.table([numbers, *columns], schema=schema))
            last = max([last, *(count + number for number, row in enumerate(rows, start=1) if any(row))])
            count += len(rows)
    ranges = (sheet.merged_cell_ranges or [])[:_MOST_MERGED]
    merged = [[top, left, bottom, right] for (top, left), (bottom, right) in ranges]
    return {"name": sheet.name, "path": str(into), "row_count": last, "width": width, "merged": merged}


def _batches(sheet: CalamineSheet, width: int, errors: Errors, text_of: _TextOf) -> Iterator[list[_Cells]]:
    """The rows from the sheet's first one, all of `width` cells."""
    if not width or sheet.start is None:
        return
    before: _Cells = (None,) * sheet.start[1]
    size = max(1, _BATCH_CELLS // width)
    rows: list[_Cells] = []
    with_errors = {row for row, _ in errors}
    for number, row in enumerate(sheet.iter_rows()):
        cells: _Cells = (*before, *map(text_of, row))
        if number in with_errors:
            cells = tuple(cell or errors.get((number, column)) for column, cell in enumerate(cells))
        rows.append(cells)
        if len(rows) >= size:
            yield rows
            rows = []
    if rows:
        yield rows
