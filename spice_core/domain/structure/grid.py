"""The cells of a sheet with their kinds, and regions of them with the questions that finding structure asks."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from spice_core.domain.sheets import CellRange, Row
from spice_core.domain.structure.cells import Kind, kind_of

_MOST_COVERED = 1_000_000
_FILLED = frozenset(Kind) - {Kind.EMPTY}
_NUMERIC = frozenset({Kind.NUMBER, Kind.YEAR})


@dataclass(frozen=True, slots=True)
class Grid:
    """The first rows of a sheet. Cells that lie outside of a ragged row are empty.

    Attributes:
        texts: trimmed, empty where there is nothing.
        kinds: a byte per cell, a `Kind`.
        masks: a number per row whose bit c says that column c is filled; likewise `words`, `numbers`, `years` (which are
            numbers, too), `dates` and `nulls` for cells of these kinds.
        covers: (row, column) of a cell that a merged cell covers to the cell that holds the value.
    """

    texts: Sequence[Sequence[str]]
    kinds: Sequence[bytes]
    masks: Sequence[int]
    words: Sequence[int]
    numbers: Sequence[int]
    years: Sequence[int]
    dates: Sequence[int]
    nulls: Sequence[int]
    covers: dict[tuple[int, int], tuple[int, int]] = field(default_factory=dict)

    def text(self, row: int, column: int) -> str:
        """Return the text of a cell."""
        cells = self.texts[row]
        return cells[column] if column < len(cells) else ""

    def kind(self, row: int, column: int) -> Kind:
        """Return what a cell is."""
        cells = self.kinds[row]
        return Kind(cells[column]) if column < len(cells) else Kind.EMPTY

    def columns(self, row: int, left: int, right: int, *, most: int | None = None) -> list[int]:
        """Return the filled columns of a row between two columns, in order, `most` of them where given."""
        return list(islice(bits(self.masks[row] & span_mask(left, right)), most))

    def count(self, row: int, left: int, right: int) -> int:
        """Return how many cells of a row are filled between two columns."""
        return (self.masks[row] & span_mask(left, right)).bit_count()

    def first(self, row: int, left: int, right: int) -> int:
        """Return the first filled column of a row; `right + 1` where there is none."""
        mask = self.masks[row] & span_mask(left, right)
        return (mask & -mask).bit_length() - 1 if mask else right + 1


@dataclass(frozen=True, slots=True)
class Block:
    """Rows of a grid between two columns: `rows` are those with a filled cell, in order."""

    rows: Sequence[int]
    left: int
    right: int

    @property
    def top(self) -> int:
        """The first row."""
        return self.rows[0]

    @property
    def bottom(self) -> int:
        """The last row."""
        return self.rows[-1]


def grid_of(rows: Iterable[Row], merged: Sequence[CellRange] = ()) -> Grid:
    """Return the grid of a sheet's rows."""
    known: dict[str, int] = {}
    texts: list[list[str]] = []
    kinds: list[bytes] = []
    for row in rows:
        cells = [cell.strip() if cell else "" for cell in row]
        while cells and not cells[-1]:
            cells.pop()
        for cell in cells:
            if cell not in known:
                known[cell] = kind_of(cell)
        texts.append(cells)
        kinds.append(bytes(known[cell] for cell in cells))
    return Grid(
        texts,
        kinds,
        masks=_masks(kinds, _FILLED),
        words=_masks(kinds, frozenset({Kind.TEXT})),
        numbers=_masks(kinds, _NUMERIC),
        years=_masks(kinds, frozenset({Kind.YEAR})),
        dates=_masks(kinds, frozenset({Kind.DATE})),
        nulls=_masks(kinds, frozenset({Kind.NULL})),
        covers=_covers(merged, len(texts)),
    )


def span_mask(left: int, right: int) -> int:
    """Return a mask of the columns from `left` to `right`."""
    return ((1 << (right - left + 1)) - 1) << left if right >= left else 0


def bits(mask: int) -> Iterator[int]:
    """Yield the columns of a mask in order; in time linear in its length."""
    text = bin(mask)[:1:-1]
    start = text.find("1")
    while start >= 0:
        yield start
        start = text.find("1", start + 1)


def runs(mask: int) -> list[tuple[int, int]]:
    """Return the unbroken runs of columns in a mask, as (first, last)."""
    found: list[tuple[int, int]] = []
    for column in bits(mask):
        if found and found[-1][1] == column - 1:
            found[-1] = (found[-1][0], column)
        else:
            found.append((column, column))
    return found


def _masks(lines: Sequence[bytes], kinds: Collection[Kind]) -> list[int]:
    table = bytes(ord("1") if code in kinds else ord("0") for code in range(256))
    return [int(line.translate(table)[::-1], 2) if line else 0 for line in lines]


def _covers(merged: Sequence[CellRange], height: int) -> dict[tuple[int, int], tuple[int, int]]:
    """Merged cells within the first rows; absurdly large ones are left out: they say nothing of columns."""
    found: dict[tuple[int, int], tuple[int, int]] = {}
    for area in merged:
        if area.top >= height or area.width * area.height > 10_000 or len(found) > _MOST_COVERED:
            continue
        for row in range(area.top, min(area.bottom, height - 1) + 1):
            for column in range(area.left, area.right + 1):
                if (row, column) != (area.top, area.left):
                    found[row, column] = (area.top, area.left)
    return found
