"""Tables found in a sheet: what their columns are called, and those that lie on their side turned upright."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa  # type: ignore[import-untyped] # has no types
import pyarrow.parquet as pq  # type: ignore[import-untyped] # as above

from spice_core.domain.sheets import FoundTable, Row, TableMode
from spice_core.domain.text_dialects import unique_names
from spice_core.errors import UnreadableFile
from spice_core.ports.table_engine import TextTable

MOST_COLUMNS = 1000
MOST_HEAD_ROWS = 2000
MOST_TAIL_ROWS = 200
_HEAD_CELLS = 200_000
_FEWEST_ROWS = 20
MOST_TURNED_CELLS = 1_000_000


def head_rows(width: int) -> int:
    """How many rows of a sheet of `width` columns its structure is found from."""
    return max(_FEWEST_ROWS, min(MOST_HEAD_ROWS, _HEAD_CELLS // max(width, 1)))


def tail_rows(width: int) -> int:
    """How many of the last rows are looked at, too."""
    return min(MOST_TAIL_ROWS, head_rows(width))


def column_names(found: FoundTable) -> tuple[list[str], list[str]]:
    """Return the names of a table's columns and what had to be changed.

    Raises:
        UnreadableFile: there are none, or too many.
    """
    if not found.columns:
        raise UnreadableFile("The table has no columns: choose a range that holds values.")
    if len(found.columns) > MOST_COLUMNS:
        raise UnreadableFile(f"The table has {len(found.columns)} columns; at most {MOST_COLUMNS} are read.")
    return unique_names([" / ".join(text.strip() for text in cell.path if text.strip()) for cell in found.columns])


def write_turned(found: FoundTable, rows: Sequence[Row], *, into: Path) -> TextTable:
    """Write a transposed table or a list of properties; `rows` are those of the box, from its top, over all of the sheet's width.

    `__row` is the sheet's column of a record, from 1; of a list of properties its first row.
    """
    names, _ = column_names(found)
    box = found.bbox
    fields = [_cells(rows, cell.column - box.top, box.left, box.right) for cell in found.columns]
    first = max(found.header_rows, 1)
    if found.mode == TableMode.PROPERTY:
        records = [(box.top + 1, [next((cell for cell in field[first:] if cell), None) for field in fields])]
    else:
        columns = range(first if found.header_rows else 0, box.width)
        records = [(box.left + index + 1, [field[index] for field in fields]) for index in columns]
    records = [(number, record) for number, record in records if any(record)]
    arrays = [pa.array([number for number, _ in records], pa.int64())]
    arrays += [pa.array([record[index] for _, record in records], pa.string()) for index in range(len(names))]
    pq.write_table(pa.table(arrays, names=["__row", *names]), into)
    return TextTable(into, tuple(names), len(records), 0, ())


def _cells(rows: Sequence[Row], index: int, left: int, right: int) -> list[str | None]:
    row = rows[index] if 0 <= index < len(rows) else ()
    return [(row[column] or None) if column < len(row) else None for column in range(left, right + 1)]
