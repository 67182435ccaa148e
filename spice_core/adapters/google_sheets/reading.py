"""The cells of a worksheet, page by page."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from spice_core.errors import InvalidSource
from spice_core.ports.connector import ReadEnd, Reading

_MOST_ROWS = 10_000

ReadRange = Callable[[str], Sequence[Sequence[Any]]]


@dataclass(frozen=True, slots=True)
class Worksheet:
    """One worksheet as the spreadsheet's metadata tells it."""

    sheet_id: str
    title: str
    row_count: int
    column_count: int
    is_grid: bool

    @classmethod
    def of(cls, properties: Mapping[str, Any]) -> "Worksheet":
        """Read `SheetProperties`; fields of value 0 may be left out."""
        grid = properties.get("gridProperties", {})
        return cls(
            sheet_id=str(properties.get("sheetId", "0")),
            title=str(properties.get("title", "")),
            row_count=int(grid.get("rowCount", 0)),
            column_count=int(grid.get("columnCount", 0)),
            is_grid=properties.get("sheetType", "GRID") == "GRID",
        )


class SheetReading(Reading):
    """Cells as texts. Google leaves out empty cells at the end of rows and rows at the end of a page; those inside come back."""

    columns = None
    is_full = True

    def __init__(self, sheet: Worksheet, read: ReadRange, *, revision: str | None, page_cells: int) -> None:
        """`read` returns the rows of a range in A1 notation."""
        self._sheet = sheet
        self._read = read
        self._revision = revision
        self._page_rows = max(1, min(_MOST_ROWS, page_cells // max(1, sheet.column_count)))

    def batches(self) -> Iterator[Sequence[Sequence[object]]]:
        sheet, last_column = self._sheet, column_letters(self._sheet.column_count)
        quoted = sheet.title.replace("'", "''")
        missing = 0
        for start in range(1, sheet.row_count + 1, self._page_rows):
            end = min(start + self._page_rows - 1, sheet.row_count)
            found = self._read(f"'{quoted}'!A{start}:{last_column}{end}")
            if len(found) > end - start + 1:
                raise InvalidSource(f"Google sent more rows of {sheet.title!r} than were asked for")
            rows = [[_text(cell) for cell in row] for row in found]
            filled = next((place for place in range(len(rows), 0, -1) if any(rows[place - 1])), 0)
            if filled:
                empty: list[list[str]] = [[] for _ in range(missing)]
                yield empty + rows[:filled]
                missing = 0
            missing += end - start + 1 - filled

    def end(self) -> ReadEnd:
        return ReadEnd(cursor=None, revision=self._revision)


def column_letters(number: int) -> str:
    """Return the letters of the column that is `number`th from 1: A, Z, AA."""
    letters = ""
    while number > 0:
        number, place = divmod(number - 1, 26)
        letters = chr(ord("A") + place) + letters
    return letters or "A"


def _text(cell: Any) -> str:
    if isinstance(cell, bool):
        return "TRUE" if cell else "FALSE"
    return "" if cell is None else str(cell)
