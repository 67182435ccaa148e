"""Sheets as cells, and the tables, key-value pairs and notes that are found in them.

Rows and columns count from 0; ranges include both ends. A text file is a sheet, too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

Row = Sequence[str | None]
"""The cells of a row as text, None where there is nothing."""


class TableMode(StrEnum):
    """How a table lies: records in rows, records in columns, or one record as pairs of name and value."""

    TABLE = "table"
    TRANSPOSED = "transposed"
    PROPERTY = "property"


@dataclass(frozen=True, slots=True)
class CellRange:
    """A rectangle of cells."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def height(self) -> int:
        """The number of rows."""
        return self.bottom - self.top + 1

    @property
    def width(self) -> int:
        """The number of columns."""
        return self.right - self.left + 1


@dataclass(frozen=True, slots=True)
class FilledColumn:
    """A column that has filled cells in the rows after the head of a sheet: how many, and the row of the first."""

    column: int
    cells: int
    first: int


@dataclass(frozen=True, slots=True)
class Sheet:
    """The cells that structure is found from: the beginning of a sheet, its end, and how long it is.

    Attributes:
        name: of the worksheet; empty for a text file.
        head: the first rows, as many as the reader keeps.
        row_count: of the whole sheet, trailing empty rows left out.
        tail: the last rows, where the sheet is longer than `head`; they may not overlap it.
        merged: merged cells; the value stands in the first of them.
        below: the columns, in order, that are filled in the rows after `head`. Empty for a text file: it rejects rows that are
            too long.
    """

    name: str
    head: Sequence[Row]
    row_count: int
    tail: Sequence[Row] = ()
    merged: Sequence[CellRange] = ()
    below: Sequence[FilledColumn] = ()


@dataclass(frozen=True, slots=True)
class HeaderCell:
    """One column of a table by its header: the texts from the topmost header row down (empty for a table without a header)."""

    path: Sequence[str]
    column: int


@dataclass(frozen=True, slots=True)
class FoundTable:
    """A table in a sheet.

    Attributes:
        bbox: header and data, without title, notes and totals. Its bottom is the sheet's last data row also beyond the head.
        header_rows: how many of its first rows (of its first columns, where transposed) are header; 0 without one.
        columns: the fields in order (of a transposed table: its rows). Names are made unique by the reader, not here.
        skipped_rows: rows within the box that are no records: repeated headers, subtotals, totals, separators.
        title: a line above it that names it, None without one.
        confidence: 0 to 1; `reason` is one sentence for people.
    """

    mode: TableMode
    bbox: CellRange
    header_rows: int
    columns: Sequence[HeaderCell]
    confidence: float
    reason: str
    title: str | None = None
    skipped_rows: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class KeyValue:
    """A name with a value beside or below it, outside of all tables: `Report date: 2024-01-31`."""

    name: str
    value: str
    row: int
    column: int


@dataclass(frozen=True, slots=True)
class SheetStructure:
    """What was found in a sheet.

    `notes` are the texts that are neither table nor pair, with their row: preambles and footnotes. `signature` is a sha256 hex
    over what stays the same in the next version of the same sheet (name, header texts, order and mode of tables): corrections
    are remembered under it.
    """

    sheet: str
    tables: Sequence[FoundTable]
    key_values: Sequence[KeyValue]
    notes: Sequence[tuple[int, str]]
    signature: str
    metadata: Mapping[str, Any] = field(default_factory=dict)
