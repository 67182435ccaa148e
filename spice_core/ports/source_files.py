"""Files that come in, whatever their format: which sheets are in them, and their tables as text."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from spice_core.domain.sheets import CellRange, FoundTable, Sheet
from spice_core.ports.table_engine import Dialect, TextTable


class SourceFormat(StrEnum):
    """What a file is by its content; its name is not asked. `MEDIA` has no tables in it: it becomes a row of one."""

    TEXT = "text"
    JSON_LINES = "json_lines"
    PARQUET = "parquet"
    WORKBOOK = "workbook"
    MEDIA = "media"


@dataclass(frozen=True, slots=True)
class SourceTable:
    """One table of a source as a Parquet file of text columns with `__row` (from 1).

    `types` are types that the source itself states (a Parquet file does): property types of `domain.values` by column, which
    are kept; columns that are not in it are inferred. `notes` say what was changed on the way, for people.
    """

    table: TextTable
    types: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class SheetGrid:
    """All cells of a sheet as a Parquet file of text columns: `__row` (the sheet's row, from 1), then `c0`, `c1` … up to `width`.

    Every row up to the last filled one is there; empty cells are null.
    """

    name: str
    path: Path
    row_count: int
    width: int
    merged: Sequence[CellRange] = ()


class SourceSheets(ABC):
    """An opened source. Its files live in the folder that it was opened with."""

    format: SourceFormat
    dialect: Dialect | None = None
    """How a text file is written; None for other formats."""

    @property
    @abstractmethod
    def names(self) -> Sequence[str]:
        """The sheets in the source's order; one empty name where the format has no sheets. Hidden and empty ones are left out."""

    @abstractmethod
    def sheet(self, name: str) -> Sheet:
        """Return the cells of a sheet that structure is found from. Raises `UnreadableFile` where there is no such sheet."""

    @abstractmethod
    def read_table(self, name: str, found: FoundTable | None, *, into: Path) -> SourceTable:
        """Write a table of a sheet to a Parquet file at `into`.

        Column names are unique, trimmed, none empty; of a header of several rows the texts are joined by ` / `. None as
        `found`: the whole of a format that needs no structure (text whose sniffed dialect says where the table is, JSON
        lines, Parquet). Rows that cannot be read are rejected one by one, with reasons; rows of no value are left out of
        a found table. `__row` counts the rows read; in a workbook it is the row (transposed: the column) of the sheet.
        """


class SourceFiles(ABC):
    """Opens files of every format that tables come in.

    Whatever a file holds, the process that asks stays up: workbooks are read in a process of their own with bounds on memory
    and time. No file is followed by its name, its links, or what it refers to.
    """

    @abstractmethod
    def open(
        self, path: Path, *, folder: Path, delimiter: str | None = None, has_header: bool | None = None
    ) -> AbstractContextManager[SourceSheets]:
        """Look into a file; work files go to `folder`, which the caller removes.

        `delimiter` and `has_header` override what a text looks like (`TableEngine.sniff`); of other formats they say nothing.

        Raises:
            UnreadableFile: it is empty, damaged, encrypted, of no known format, or too large when unpacked; says what to do.
        """
