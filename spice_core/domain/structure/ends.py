"""Where a table ends that goes on beyond the rows that were kept of a sheet's beginning."""

from collections.abc import Sequence
from dataclasses import replace

from spice_core.domain.sheets import CellRange, FoundTable, Sheet, TableMode
from spice_core.domain.structure.below import Note, notes_below, widened
from spice_core.domain.structure.bodies import body_of
from spice_core.domain.structure.grid import Grid, grid_of, span_mask
from spice_core.domain.structure.lines import line_text

_NEAR_THE_END = 3
_COMPARED_ROWS = 20


def is_cut(sheet: Sheet) -> bool:
    """Return whether a sheet goes on after its head."""
    return sheet.row_count > len(sheet.head)


def extended(sheet: Sheet, grid: Grid, tables: Sequence[FoundTable]) -> tuple[list[FoundTable], list[Note]]:
    """Return the tables with the bottoms of those that reach the end of the head told from the tail, and notes on what follows.

    Such a table also has the columns beside it that are filled below the head only.
    """
    if not is_cut(sheet):
        return list(tables), []
    last = max((row for row, mask in enumerate(grid.masks) if mask), default=0)
    tail_start = max(sheet.row_count - len(sheet.tail), len(sheet.head))
    tail = grid_of(sheet.tail[len(sheet.tail) - (sheet.row_count - tail_start) :])
    below = {entry.column: entry for entry in sheet.below}
    found, notes, grown = list(tables), [], []
    for index, table in enumerate(tables):
        if table.mode == TableMode.TABLE and table.bbox.bottom >= last - _NEAR_THE_END:
            others = [other for at, other in enumerate(found) if at != index]
            records = [tail.masks[row] for row in _records(table, grid, tail)[0]]
            wide = widened(table, others, below, records, tail_start)
            found[index], remarks = _extended(wide, grid, tail, tail_start)
            notes += remarks
            grown.append((table, wide))
    return found, [*notes_below(sheet, grown), *notes]


def _extended(table: FoundTable, grid: Grid, tail: Grid, tail_start: int) -> tuple[FoundTable, list[Note]]:
    """A table with its bottom, and the lines of text below that."""
    box = table.bbox
    records, remarks = _records(table, grid, tail)
    if not any(mask & span_mask(box.left, box.right) for mask in tail.masks):
        bottom = tail_start - 1
        reason = f"{table.reason}; it ends somewhere after row {box.bottom}, which was not looked at"
        return replace(table, bbox=replace(box, bottom=bottom), confidence=round(table.confidence * 0.7, 3), reason=reason), []
    bottom = tail_start + (max(records) if records else -1)
    kept = {tail_start + row for row in records}
    skipped = [row for row in range(tail_start, bottom + 1) if row not in kept]
    box = CellRange(box.top, box.left, bottom, box.right)
    notes = [(tail_start + row, line_text(tail, row, box.left, box.right)) for row in remarks]
    return replace(table, bbox=box, skipped_rows=[*table.skipped_rows, *skipped]), notes


def _records(table: FoundTable, grid: Grid, tail: Grid) -> tuple[list[int], Sequence[int]]:
    """The rows of the tail that are records of a table, and those that are remarks below it."""
    box = table.bbox
    window = span_mask(box.left, box.right)
    rows = [row for row, mask in enumerate(tail.masks) if mask & window]
    if not rows:
        return [], []
    names = _header_rows(table, grid)
    body = body_of(tail, rows, box.left, box.right)
    return [row for row in body.records if _texts(tail, row, box) not in names], body.remarks


def _header_rows(table: FoundTable, grid: Grid) -> list[list[str]]:
    """The texts of the header's rows, so that repetitions of them are told."""
    box = table.bbox
    return [_texts(grid, row, box) for row in range(box.top, box.top + min(table.header_rows, _COMPARED_ROWS))]


def _texts(grid: Grid, row: int, box: CellRange) -> list[str]:
    return [grid.text(row, column).casefold() for column in range(box.left, box.right + 1)]
