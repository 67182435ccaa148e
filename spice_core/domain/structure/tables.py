"""Tables as they are told: boxes, columns by their headers, confidence and reason."""

from collections.abc import Sequence
from dataclasses import dataclass

from spice_core.domain.sheets import CellRange, FoundTable, HeaderCell, TableMode
from spice_core.domain.structure.bodies import Body
from spice_core.domain.structure.cells import without_colon
from spice_core.domain.structure.grid import Grid, span_mask
from spice_core.domain.structure.heads import Evidence, Head
from spice_core.domain.structure.sections import Section
from spice_core.domain.structure.shapes import field_rows, named_pair_header


@dataclass(frozen=True, slots=True)
class Draft:
    """A section that is a table, with its rows told apart."""

    section: Section
    head: Head
    body: Body
    mode: TableMode


def upright_table(grid: Grid, draft: Draft, *, title: str | None) -> FoundTable:
    """Return a table whose records are rows."""
    header, records = draft.head.rows, draft.body.records
    rows = [*header, *records]
    left, right = _columns_of(grid, rows, draft.section)
    top, bottom = min(rows), max(rows)
    levels = header[-1] - top + 1 if header else 0
    kept = {*header, *records}
    skipped = [row for row in range(top + levels, bottom + 1) if row not in kept]
    confidence, reason = _judged(grid, draft, right - left + 1)
    return FoundTable(
        mode=TableMode.TABLE,
        bbox=CellRange(top, left, bottom, right),
        header_rows=levels,
        columns=header_cells(grid, range(top, top + levels), left, right),
        confidence=confidence,
        reason=reason,
        title=title,
        skipped_rows=skipped,
    )


def lying_table(grid: Grid, draft: Draft, *, title: str | None) -> FoundTable:
    """Return a table whose fields are rows: records in columns, or names with values. Its first column is the header."""
    remarks = set(draft.body.remarks)
    rows = [row for row in field_rows(grid, draft.section, draft.head) if row not in remarks]
    left, right = _columns_of(grid, rows, draft.section)
    columns = grid.columns(rows[0], left, right)
    has_header = draft.mode == TableMode.PROPERTY and len(columns) == 2 and named_pair_header(grid, rows[0], columns)
    fields = [row for row in (rows[1:] if has_header else rows) if grid.text(row, left)]
    named = {*fields}
    property_reason = f"{len(fields)} names in the first column stand beside one value each"
    transposed_reason = f"each of {len(fields)} rows holds values of one kind beside a name in the first column"
    return FoundTable(
        mode=draft.mode,
        bbox=CellRange(min(rows), left, max(rows), right),
        header_rows=1,
        columns=[HeaderCell((without_colon(grid.text(row, left)),), row) for row in fields],
        confidence=0.75 if has_header or draft.mode == TableMode.TRANSPOSED else 0.7,
        reason=property_reason if draft.mode == TableMode.PROPERTY else transposed_reason,
        title=title,
        skipped_rows=[row for row in range(min(rows), max(rows) + 1) if row not in named],
    )


def header_cells(grid: Grid, rows: Sequence[int], left: int, right: int) -> list[HeaderCell]:
    """Return the columns of a table with their header texts from the top.

    A text of an upper row also heads the columns to its right that are merged with it; where the row knows of no merged
    cells, those to its right that are empty and have a text below.
    """
    paths: list[list[str]] = [[] for _ in range(left, right + 1)]
    for row in rows:
        is_last = row == rows[-1]
        texts = _merged_texts(grid, row, left, right) if _has_merges(grid, row, left, right) else None
        texts = texts or _spread_texts(grid, row, left, right, lower=[] if is_last else range(row + 1, rows[-1] + 1))
        for path, text in zip(paths, texts, strict=True):
            if text and path[-1:] != [text]:
                path.append(text)
    return [HeaderCell(tuple(path), left + offset) for offset, path in enumerate(paths)]


def _has_merges(grid: Grid, row: int, left: int, right: int) -> bool:
    return bool(grid.covers) and any((row, column) in grid.covers for column in range(left, right + 1))


def _merged_texts(grid: Grid, row: int, left: int, right: int) -> list[str]:
    sources = [grid.covers.get((row, column), (row, column)) for column in range(left, right + 1)]
    return [grid.text(*source) for source in sources]


def _spread_texts(grid: Grid, row: int, left: int, right: int, *, lower: Sequence[int]) -> list[str]:
    texts: list[str] = []
    below = 0
    for other in lower:
        below |= grid.masks[other]
    for column in range(left, right + 1):
        text = grid.text(row, column)
        if not text and lower and texts and below >> column & 1:
            text = texts[-1]
        texts.append(text)
    return texts


def _columns_of(grid: Grid, rows: Sequence[int], section: Section) -> tuple[int, int]:
    mask = 0
    for row in rows:
        mask |= grid.masks[row]
    mask &= span_mask(section.left, section.right)
    return (mask & -mask).bit_length() - 1, mask.bit_length() - 1


def _judged(grid: Grid, draft: Draft, width: int) -> tuple[float, str]:
    """The confidence in a table and the sentence that explains it."""
    head, records = draft.head, draft.body.records
    agreeing = conflicting = 0
    window = span_mask(draft.section.left, draft.section.right)
    for row in records[:200]:
        agreeing += (head.profile.agreements(grid, row) & window).bit_count()
        conflicting += (head.profile.conflicts(grid, row) & window).bit_count()
    typed = (head.profile.typed & window).bit_count()
    even = agreeing / (agreeing + conflicting) if agreeing + conflicting else 0.8
    size = f"{len(records)} row{'s' if len(records) != 1 else ''} of {width} column{'s' if width != 1 else ''}"
    if head.evidence == Evidence.TYPED:
        base, why = 0.7 + 0.25 * head.share, f"under names that differ in kind from the values of {typed} of them"
    elif head.evidence == Evidence.DISTINCT:
        base, why = 0.65, "under a first row of texts that do not occur again below it"
    else:
        base, why = (0.6 if typed else 0.45), "and no row of names above them"
    few = 0.1 if len(records) < 3 else 0.0
    return round(max(0.05, min(0.99, base * (0.6 + 0.4 * even) - few)), 3), f"{size} {why}"
