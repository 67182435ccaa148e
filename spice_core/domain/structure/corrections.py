"""What a person says of the structure of a sheet, against what was found in it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from spice_core.domain.sheets import CellRange, FoundTable, HeaderCell, Sheet, SheetStructure, TableMode
from spice_core.domain.structure.cells import without_colon
from spice_core.domain.structure.grid import Grid, grid_of
from spice_core.domain.structure.tables import header_cells
from spice_core.errors import InvalidInput

MOST_COLUMNS = 20_000
MOST_TABLES = 1000
_FARTHEST_APART = 100_000
_REASON = "corrected by a person"
_ONE_COLUMN_HEADS = frozenset({TableMode.TRANSPOSED, TableMode.PROPERTY})


@dataclass(frozen=True, slots=True)
class TableCorrection:
    """What a person says of one table; None leaves a point as it was found.

    Attributes:
        table: its number in the structure, from 1.
        drop: it is no table.
        merge_with: the number of a table that is a part of it, and is no table of its own any more.
        header_rows: of its first rows; of a transposed table or a property list, of its first columns.
        names: one for each of its columns (of a transposed table or a property list: of its rows), in place of the header's.
        title: an empty text takes the title away.
    """

    table: int
    drop: bool = False
    merge_with: int | None = None
    bbox: CellRange | None = None
    header_rows: int | None = None
    mode: TableMode | None = None
    names: Sequence[str] | None = None
    title: str | None = None


def corrected(structure: SheetStructure, corrections: Sequence[TableCorrection], *, sheet: Sheet | None = None) -> SheetStructure:
    """Return a structure as a person wants it; the corrections are applied in order, numbers stay those of `structure`.

    Header texts are read again from `sheet`, the cells that the structure was found in; without it columns keep the names
    that they have, and columns that are new have none. Pairs and notes that lie in a corrected box are left out. The signature
    stays: it is what the corrections are remembered under.

    Raises:
        InvalidInput: too many tables, a number of none, a box outside of the sheet, a header that leaves no records, names that
            do not fit the columns, or tables that would overlap.
    """
    if len(structure.tables) > MOST_TABLES:
        raise InvalidInput(f"the structure has over {MOST_TABLES} tables: send the part of the sheet that you want to correct")
    grid = None if sheet is None else grid_of(sheet.head, sheet.merged)
    tables = dict(enumerate(structure.tables, start=1))
    for correction in corrections:
        _apply(tables, correction, sheet, grid)
    _refuse_overlaps(tables)
    boxes = [table.bbox for table in tables.values()]
    return replace(
        structure,
        tables=list(tables.values()),
        key_values=[pair for pair in structure.key_values if not any(_holds(box, pair.row, pair.column) for box in boxes)],
        notes=[(row, text) for row, text in structure.notes if not any(box.top <= row <= box.bottom for box in boxes)],
    )


def _apply(tables: dict[int, FoundTable], correction: TableCorrection, sheet: Sheet | None, grid: Grid | None) -> None:
    table = _table(tables, correction.table)
    if correction.drop:
        del tables[correction.table]
        return
    if correction.merge_with is not None:
        if correction.merge_with == correction.table:
            raise InvalidInput(f"table {correction.table} cannot be merged with itself")
        table = _merged(table, _table(tables, correction.merge_with), grid)
        del tables[correction.merge_with]
    tables[correction.table] = _changed(table, correction, sheet, grid)


def _table(tables: Mapping[int, FoundTable], number: int) -> FoundTable:
    if number not in tables:
        known = ", ".join(map(str, tables)) or "none"
        raise InvalidInput(f"there is no table {number} (any more); there are: {known}", details={"table": number})
    return tables[number]


def _changed(table: FoundTable, correction: TableCorrection, sheet: Sheet | None, grid: Grid | None) -> FoundTable:
    mode, box = correction.mode or table.mode, correction.bbox or table.bbox
    is_lying = mode in _ONE_COLUMN_HEADS
    kept = 1 if is_lying and table.mode not in _ONE_COLUMN_HEADS else table.header_rows
    heads = kept if correction.header_rows is None else correction.header_rows
    _check_box(correction.table, box, heads, sheet, is_lying=is_lying)
    found = table
    if (mode, box, heads) != (table.mode, table.bbox, table.header_rows):
        columns = _rows_as_fields(table, box, heads, grid) if is_lying else _columns(table, box, heads, grid)
        first = box.top if is_lying else box.top + heads
        skipped = [row for row in table.skipped_rows if first <= row <= box.bottom]
        found = replace(table, mode=mode, bbox=box, header_rows=heads, columns=columns, skipped_rows=skipped)
    if correction.names is not None:
        found = replace(found, columns=_named(found.columns, correction))
    title = table.title if correction.title is None else (correction.title or None)
    return replace(found, title=title, confidence=1.0, reason=_REASON)


def _check_box(number: int, box: CellRange, heads: int, sheet: Sheet | None, *, is_lying: bool) -> None:
    if not (0 <= box.top <= box.bottom and 0 <= box.left <= box.right):
        raise InvalidInput(
            f"the box of table {number} is upside down: top <= bottom and left <= right", details={"table": number}
        )
    if box.width > MOST_COLUMNS:
        raise InvalidInput(f"the box of table {number} has over {MOST_COLUMNS} columns", details={"table": number})
    if sheet is not None and box.bottom >= sheet.row_count:
        raise InvalidInput(f"table {number} ends below row {sheet.row_count - 1}, the sheet's last", details={"table": number})
    extent = box.width if is_lying else box.height
    if not 0 <= heads <= extent or (is_lying and heads == extent):
        what = "columns" if is_lying else "rows"
        raise InvalidInput(f"table {number} has {extent} {what}: {heads} of them cannot be its header", details={"table": number})


def _columns(table: FoundTable, box: CellRange, heads: int, grid: Grid | None) -> list[HeaderCell]:
    if grid is not None:
        rows = range(box.top, min(box.top + heads, len(grid.texts)))
        return header_cells(grid, rows, box.left, box.right)
    known = {} if table.mode in _ONE_COLUMN_HEADS or heads == 0 else {cell.column: cell.path for cell in table.columns}
    return [HeaderCell(known.get(column, ()), column) for column in range(box.left, box.right + 1)]


def _rows_as_fields(table: FoundTable, box: CellRange, heads: int, grid: Grid | None) -> list[HeaderCell]:
    if box.height > MOST_COLUMNS:
        raise InvalidInput(f"a table whose rows are fields has at most {MOST_COLUMNS} rows")
    known = {cell.column: cell.path for cell in table.columns} if table.mode in _ONE_COLUMN_HEADS else {}
    skipped = set(table.skipped_rows)
    rows = [row for row in range(box.top, box.bottom + 1) if row not in skipped]
    if grid is None:
        return [HeaderCell(known.get(row, ()), row) for row in rows]
    return [HeaderCell(_texts(grid, row, box.left, heads) if row < len(grid.texts) else (), row) for row in rows]


def _texts(grid: Grid, row: int, left: int, heads: int) -> tuple[str, ...]:
    texts = (without_colon(grid.text(row, column)) for column in range(left, left + heads))
    return tuple(text for text in texts if text)


def _named(columns: Sequence[HeaderCell], correction: TableCorrection) -> list[HeaderCell]:
    names = correction.names or ()
    if len(names) != len(columns):
        raise InvalidInput(
            f"table {correction.table} has {len(columns)} columns, not {len(names)}: give a name for each",
            details={"table": correction.table, "columns": len(columns)},
        )
    return [HeaderCell((name,), cell.column) for name, cell in zip(names, columns, strict=True)]


def _merged(table: FoundTable, part: FoundTable, grid: Grid | None) -> FoundTable:
    """One table of two: the header is that of the upper one; rows of the lower one's header are no records."""
    upper, lower = sorted((table, part), key=lambda item: (item.bbox.top, item.bbox.left))
    one, other = upper.bbox, lower.bbox
    box = CellRange(
        min(one.top, other.top), min(one.left, other.left), max(one.bottom, other.bottom), max(one.right, other.right)
    )
    if box.width > MOST_COLUMNS or other.top - one.bottom > _FARTHEST_APART:
        raise InvalidInput(f"the tables are too far apart to be one: over {MOST_COLUMNS} columns or {_FARTHEST_APART} rows")
    skipped = {*upper.skipped_rows, *lower.skipped_rows}
    if other.top > one.bottom:
        skipped |= {*range(one.bottom + 1, other.top + lower.header_rows)}
    known = {cell.column: cell for cell in [*lower.columns, *upper.columns]}
    if grid is not None:
        columns = _columns(upper, box, upper.header_rows, grid)
    else:
        columns = [known.get(column, HeaderCell((), column)) for column in range(box.left, box.right + 1)]
    return replace(upper, bbox=box, columns=columns, skipped_rows=sorted(skipped), title=table.title or part.title)


def _refuse_overlaps(tables: Mapping[int, FoundTable]) -> None:
    ordered = sorted(tables.items(), key=lambda item: item[1].bbox.top)
    for at, (number, table) in enumerate(ordered):
        for other, below in ordered[at + 1 :]:
            if below.bbox.top > table.bbox.bottom:
                break
            if below.bbox.left <= table.bbox.right and table.bbox.left <= below.bbox.right:
                raise InvalidInput(f"tables {number} and {other} would overlap: change their boxes, merge or drop one")


def _holds(box: CellRange, row: int, column: int) -> bool:
    return box.top <= row <= box.bottom and box.left <= column <= box.right
