"""Parts of a block: a block ends where a new header begins, even without an empty row before it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from spice_core.domain.structure.cells import is_note
from spice_core.domain.structure.grid import Block, Grid, bits, span_mask
from spice_core.domain.structure.heads import Head, head_of

_LONGEST_HEADING = 60


@dataclass(frozen=True, slots=True)
class Section:
    """Rows that lie together: a table or a part of one, pairs, or lines of text.

    Attributes:
        rows: those with a filled cell, from the top.
        head: None where no row has two filled cells.
    """

    rows: Sequence[int]
    left: int
    right: int
    head: Head | None

    @property
    def top(self) -> int:
        """The first row."""
        return self.rows[0]

    @property
    def bottom(self) -> int:
        """The last row."""
        return self.rows[-1]


def sections_of(grid: Grid, block: Block) -> list[Section]:
    """Return the parts of a block from the top."""
    parts: list[list[int]] = [[]]
    starts = set(_starts(grid, block))
    for row in block.rows:
        if row in starts and parts[-1]:
            parts.append([])
        parts[-1].append(row)
    return [_section(grid, rows, block) for rows in parts]


def rehead(grid: Grid, section: Section) -> Section:
    """Return a section with its header found again, after its rows have changed."""
    return replace(section, head=head_of(grid, section.rows, section.left, section.right))


def _section(grid: Grid, rows: Sequence[int], block: Block) -> Section:
    """A part within the columns that its rows of two cells or more fill; lines of one cell widen it only between them."""
    window = span_mask(block.left, block.right)
    mask = widest = 0
    between = 0
    for row in rows:
        filled = grid.masks[row] & window
        mask |= filled
        if filled.bit_count() > 1:
            widest |= filled | between
            between = 0
        elif widest and len(text := grid.text(row, filled.bit_length() - 1)) <= _LONGEST_HEADING and not is_note(text):
            between |= filled
    span = widest or mask
    left, right = (span & -span).bit_length() - 1, span.bit_length() - 1
    is_list = not widest and mask.bit_count() == 1 and len(rows) > 1
    return Section(rows, left, right, head_of(grid, rows, left, right) if widest or is_list else None)


def _starts(grid: Grid, block: Block) -> list[int]:
    """Rows at which something else begins: a header in mid-block, with the lines of one cell above it."""
    rows = block.rows
    window = span_mask(block.left, block.right)
    counts = [(grid.masks[row] & window).bit_count() for row in rows]
    known: set[tuple[str, ...]] = set()
    found: list[int] = []
    for index, row in enumerate(rows):
        if counts[index] < 2 or grid.numbers[row] & ~grid.years[row] & window:
            continue
        names = tuple(grid.text(row, column).casefold() for column in bits(grid.masks[row] & window))
        is_alone_above = index > 0 and counts[index - 1] == 1
        is_titled = is_alone_above and not is_note(_only(grid, rows[index - 1], window))
        if _is_new_head(grid, rows, counts, index, window) and (names not in known or is_titled):
            found.append(_title_above(rows, counts, index))
        known.add(names)
    return found


def _only(grid: Grid, row: int, window: int) -> str:
    return grid.text(row, (grid.masks[row] & window).bit_length() - 1)


def _title_above(rows: Sequence[int], counts: Sequence[int], index: int) -> int:
    while index > 1 and counts[index - 1] == 1:
        index -= 1
    return rows[index]


def _is_new_head(grid: Grid, rows: Sequence[int], counts: Sequence[int], index: int, window: int) -> bool:
    """Whether a row of names follows values and is followed by values.

    A row of another width is none where the rows below it go on in the width of those above: it has cells too many, or too few.
    """
    row = rows[index]
    before = [rows[at] for at in range(max(0, index - 4), index) if counts[at] > 1][-3:]
    after = [rows[at] for at in range(index + 1, min(len(rows), index + 4)) if counts[at] > 1]
    if not before or not after or len(rows) - index < 2:
        return False
    words = grid.words[row] & window
    above = _valued(grid, before) & window
    below = _valued(grid, after) & window & grid.masks[row]
    flips = (words & above).bit_count()
    is_titled = counts[index - 1] == 1
    ends = _ends(grid, before[-1], window)
    changes_width = _ends(grid, row, window) != ends and any(_ends(grid, at, window) != ends for at in after)
    if flips and words & below:
        kept = (grid.masks[row] & above).bit_count()
        return flips >= 0.6 * kept and (is_titled or (flips > 1 and changes_width))
    return _widens(grid, rows, counts, index, window) and is_titled


def _ends(grid: Grid, row: int, window: int) -> tuple[int, int]:
    """The first and the last filled column."""
    mask = grid.masks[row] & window
    return (mask & -mask).bit_length(), mask.bit_length()


def _valued(grid: Grid, rows: Sequence[int]) -> int:
    """Columns that hold a value in most of some rows; of one row alone, which may be a header, years are none."""
    masks = [grid.numbers[row] | grid.dates[row] for row in rows]
    if len(masks) < 2:
        return masks[0] & ~grid.years[rows[0]]
    if len(masks) < 3:
        return masks[0] & masks[1]
    one, two, three = masks[:3]
    return one & two | two & three | one & three


def _widens(grid: Grid, rows: Sequence[int], counts: Sequence[int], index: int, window: int) -> bool:
    """Whether rows of another width begin, under a line of one cell."""
    above = [counts[at] for at in range(max(0, index - 4), index) if counts[at] > 1]
    below = counts[index : index + 3]
    names = [grid.text(rows[index], column).casefold() for column in bits(grid.words[rows[index]] & window)]
    is_even = len(set(below)) == 1 and len(below) > 1
    return is_even and len(set(names)) == counts[index] and all(count != counts[index] for count in above)
