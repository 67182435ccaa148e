"""Cuts a sheet into blocks: at empty rows, and at empty columns where what lies beside them is something of its own."""

from collections.abc import Iterator, Sequence

from spice_core.domain.structure.grid import Block, Grid, bits, runs, span_mask

_DEEPEST = 4
_MOST_PIECES = 40


def blocks_of(grid: Grid, *, is_text: bool) -> list[Block]:
    """Return the blocks of a sheet, from top to bottom and from left to right; every filled cell is in exactly one.

    `is_text`: the grid is of a text file, whose empty columns are mostly columns without values.
    """
    rows = [row for row, mask in enumerate(grid.masks) if mask]
    if not rows:
        return []
    widest = max(grid.masks[row].bit_length() for row in rows) - 1
    found = list(_cut(grid, rows, 0, widest, is_text=is_text, depth=0))
    return sorted(found, key=lambda block: (block.top, block.left))


def _cut(grid: Grid, rows: Sequence[int], left: int, right: int, *, is_text: bool, depth: int) -> Iterator[Block]:
    for band in _bands(rows):
        spans = _spans(grid, band, left, right, is_text=is_text) if depth < _DEEPEST else []
        if len(spans) < 2:
            mask = _filled(grid, band, left, right)
            yield Block(band, (mask & -mask).bit_length() - 1, mask.bit_length() - 1)
            continue
        for first, last in spans:
            window = span_mask(first, last)
            inner = [row for row in band if grid.masks[row] & window]
            yield from _cut(grid, inner, first, last, is_text=is_text, depth=depth + 1)


def _bands(rows: Sequence[int]) -> Iterator[list[int]]:
    """Runs of rows without an empty row between them."""
    band: list[int] = []
    for row in rows:
        if band and row > band[-1] + 1:
            yield band
            band = []
        band.append(row)
    if band:
        yield band


def _filled(grid: Grid, band: Sequence[int], left: int, right: int) -> int:
    mask = 0
    for row in band:
        mask |= grid.masks[row]
    return mask & span_mask(left, right)


def _spans(grid: Grid, band: Sequence[int], left: int, right: int, *, is_text: bool) -> list[tuple[int, int]]:
    """Columns that belong together: pieces between empty columns, joined where they are parts of one table."""
    pieces = runs(_filled(grid, band, left, right))
    if len(pieces) < 2 or len(pieces) > _MOST_PIECES:
        return []
    spans = [pieces[0]]
    for piece in pieces[1:]:
        if _is_apart(grid, band, spans[-1], piece, is_text=is_text):
            spans.append(piece)
        else:
            spans[-1] = (spans[-1][0], piece[1])
    return spans


def _is_apart(grid: Grid, band: Sequence[int], one: tuple[int, int], other: tuple[int, int], *, is_text: bool) -> bool:
    """Whether two neighbours with empty columns between them are two things."""
    here, there = _rows_in(grid, band, one), _rows_in(grid, band, other)
    if not set(here) & set(there):
        return not is_text
    if min(len(here), len(there)) < 2:
        return not is_text and len(there) == 1 and len(here) > 4 and _is_remark(grid, here, there[0], other)
    widths = (one[1] - one[0] + 1, other[1] - other[0] + 1)
    if min(widths) < 2:
        return False
    if _names(grid, here[0], one) == _names(grid, there[0], other):
        return True
    starts_apart = abs(here[0] - there[0]) > 1
    ends_apart = abs(here[-1] - there[-1]) > 1 or (not is_text and here[-1] != there[-1])
    begins_anew = _begins_a_table(grid, there, other)
    if starts_apart or ends_apart:
        return begins_anew
    return not is_text and begins_anew and _begins_a_table(grid, here, one)


def _rows_in(grid: Grid, band: Sequence[int], span: tuple[int, int]) -> list[int]:
    window = span_mask(*span)
    return [row for row in band if grid.masks[row] & window]


def _names(grid: Grid, row: int, span: tuple[int, int]) -> list[str]:
    return [grid.text(row, column).casefold() for column in range(span[0], span[1] + 1)]


def _is_remark(grid: Grid, rows: Sequence[int], row: int, span: tuple[int, int]) -> bool:
    """Whether the only filled row beside a table is a text that does not stand in its header."""
    return row != rows[0] and all(grid.words[row] >> column & 1 for column in bits(grid.masks[row] & span_mask(*span)))


def _begins_a_table(grid: Grid, rows: Sequence[int], span: tuple[int, int]) -> bool:
    """Whether the first column of a span holds the labels of records: texts or dates under (or without) a name of its own."""
    column = span[0]
    filled = [row for row in rows if grid.masks[row] >> column & 1]
    body = [row for row in rows if grid.count(row, *span) > 1][1:]
    labels = [row for row in body if grid.masks[row] >> column & 1]
    if not filled or len(labels) < max(1, 0.7 * len(body)):
        return False
    told = sum(grid.words[row] >> column & 1 or grid.dates[row] >> column & 1 for row in labels)
    is_running = [grid.text(row, column) for row in labels][:3] == ["1", "2", "3"]
    return told >= 0.7 * len(labels) or is_running
