"""Where the header of a table ends and its records begin."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import reduce
from itertools import pairwise
from operator import or_

from spice_core.domain.structure.cells import COLONS, Kind
from spice_core.domain.structure.grid import Grid, span_mask

_SAMPLED_CELLS = 200_000
_SAMPLED_ROWS = 200
_MOST_LEVELS = 6
_LONGEST_NAME = 80
_LONGEST_UNIT = 6
_RISING = re.compile(r"-?\d{1,15}(?:\.\d{1,15})?")
_DIGITS = re.compile(r"\d+")
_LETTERS = re.compile(r"[^\W\d_]+")


class Evidence(StrEnum):
    """Why a table has its header: names above values of another kind, distinct names above texts, or none at all."""

    TYPED = "typed"
    DISTINCT = "distinct"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Profile:
    """Which columns hold mostly numbers, mostly years among these, and mostly dates, as masks."""

    numbers: int
    years: int
    dates: int

    @property
    def typed(self) -> int:
        """Columns of values that are no texts."""
        return self.numbers | self.dates

    def conflicts(self, grid: Grid, row: int) -> int:
        """Return the columns in which a row holds something that names its values rather than being one."""
        names = grid.words[row] & self.typed | grid.dates[row] & self.numbers
        if grid.numbers[row] & ~grid.years[row] & self.numbers:
            return names  # a number beside it makes a year a number, too
        return names | grid.years[row] & self.numbers & ~self.years

    def agreements(self, grid: Grid, row: int) -> int:
        """Return the columns in which a row holds a value of the column's kind."""
        values = grid.numbers[row] & self.numbers | grid.dates[row] & self.dates
        return values & ~self.conflicts(grid, row)


@dataclass(frozen=True, slots=True)
class Head:
    """The header of a table.

    Attributes:
        rows: the header's rows from the top; empty without one.
        lead: rows above it that are not of the table.
        body: the rows below it.
        share: of the typed columns those that the header names, 0 to 1.
    """

    rows: Sequence[int]
    lead: Sequence[int]
    body: Sequence[int]
    evidence: Evidence
    profile: Profile
    share: float = 0.0


@dataclass(frozen=True, slots=True)
class Area:
    """The columns that a table lies in, and what they hold."""

    left: int
    right: int
    profile: Profile

    @property
    def window(self) -> int:
        """A mask of the columns."""
        return span_mask(self.left, self.right)


def profile_of(grid: Grid, rows: Sequence[int], left: int, right: int) -> Profile:
    """Return the kinds of the columns in some rows; of many rows in a sample of them."""
    width = right - left + 1
    most = max(3, min(_SAMPLED_ROWS, _SAMPLED_CELLS // width))
    step = max(1, len(rows) // most)
    counts = [[0] * width for _ in Kind]
    for row in rows[::step]:
        for offset, kind in enumerate(grid.kinds[row][left : right + 1]):
            counts[kind][offset] += 1
    numbers = years = dates = 0
    words = counts[Kind.TEXT]
    for offset in range(width):
        numeric = counts[Kind.NUMBER][offset] + counts[Kind.YEAR][offset]
        enough = 0.6 * (numeric + counts[Kind.DATE][offset] + words[offset])
        if numeric and numeric >= enough:
            numbers |= 1 << (left + offset)
            if counts[Kind.YEAR][offset] >= 0.5 * numeric:
                years |= 1 << (left + offset)
        elif counts[Kind.DATE][offset] and counts[Kind.DATE][offset] >= enough:
            dates |= 1 << (left + offset)
    return Profile(numbers, years, dates)


def head_of(grid: Grid, rows: Sequence[int], left: int, right: int) -> Head:
    """Return the header of a table that lies in some rows between two columns; `rows` are not empty."""
    window = span_mask(left, right)
    width = _width(grid, rows, window)
    full = [row for row in rows if (grid.masks[row] & window).bit_count() >= min(2, width)] or list(rows)
    area = Area(left, right, profile_of(grid, full[len(full) // 2 :], left, right))
    start = _start(grid, rows, window, width)
    top, end, is_typed = _found(grid, rows, start, area)
    if top == end:
        return Head((), rows[:start], rows[start:], Evidence.NONE, area.profile)
    end = _with_brackets(grid, rows, end, area)
    top = _with_groups(grid, rows, top, area)
    named = reduce(or_, (area.profile.conflicts(grid, row) & window for row in rows[top:end]), 0)
    typed = (area.profile.typed & window).bit_count()
    share = min(1.0, named.bit_count() / typed) if typed else 0.0
    evidence = Evidence.TYPED if named or is_typed else Evidence.DISTINCT
    return Head(rows[top:end], rows[:top], rows[end:], evidence, area.profile, share)


def _found(grid: Grid, rows: Sequence[int], start: int, area: Area) -> tuple[int, int, bool]:
    """The header's rows without those that group its columns, as (first, end), and whether they look like data."""
    data = _first_data(grid, rows, start, area)
    if data is None:
        return start, start + int(_is_distinct(grid, rows[start:], area)), False
    top, end = _levels(grid, rows, start, data, area)
    if top < end:
        return top, end, False
    return start, start + int(_is_numbered(grid, rows, start, area)), data == start


def _levels(grid: Grid, rows: Sequence[int], start: int, data: int, area: Area) -> tuple[int, int]:
    """The rows directly above the first data row that name its columns, as (first, end); equal where there are none."""
    end = top = data - _sections_above(grid, rows, start, data, area)
    named = False
    while top > 0 and end - top < _MOST_LEVELS and (rows[top] - rows[top - 1] <= (3 if top == data else 2)):
        row = rows[top - 1]
        has_names = bool(area.profile.conflicts(grid, row) & area.window)
        if not has_names and (top - 1 < start or grid.numbers[row] & ~grid.years[row] & area.window):
            break
        if top - 1 < start and not _is_group_row(grid, row, rows[top], area):
            break
        if top < end and _is_apart(grid, row, rows[top:end], area):
            break
        named = named or has_names
        top -= 1
    return (top, end) if named else (end, end)


def _is_apart(grid: Grid, row: int, below: Sequence[int], area: Area) -> bool:
    """Whether a row is no part of the header below it: that names every column, and the row names its first column, too.

    Rows of units below the names are short or in brackets.
    """
    named = reduce(or_, (grid.masks[other] for other in below)) & area.window
    is_full = named == named | grid.masks[row] & area.window and named.bit_count() == _span(grid, below, area)
    if not is_full or not grid.masks[row] >> area.left & 1:
        return False
    texts = [grid.text(below[0], column) for column in grid.columns(below[0], area.left, area.right, most=2000)]
    is_of_units = all(len(text) <= _LONGEST_UNIT or _is_bracketed(text) for text in texts)
    return not is_of_units and grid.text(row, area.left) != grid.text(below[0], area.left)


def _span(grid: Grid, rows: Sequence[int], area: Area) -> int:
    """How many columns lie between the first and the last that some rows fill."""
    mask = reduce(or_, (grid.masks[row] for row in rows)) & area.window
    return mask.bit_length() - (mask & -mask).bit_length() + 1


def _is_bracketed(text: str) -> bool:
    return text[0] in "([" and text[-1] in ")]"


def _sections_above(grid: Grid, rows: Sequence[int], start: int, data: int, area: Area) -> int:
    """How many lines above the first data row only head records, as `EUROPE` in the first column does.

    A single such line names the first column itself where no row above it does, unless such lines come again below.
    """
    count = 0
    while data - count - 1 > start and _is_alone(grid, rows[data - count - 1], area):
        count += 1
    if count != 1:
        return count
    index = data - 1
    has_name = any(grid.masks[upper] >> area.left & 1 for upper in rows[max(0, index - _MOST_LEVELS) : index])
    again = any(_is_alone(grid, other, area) for other in rows[data + 1 : data + _SAMPLED_ROWS])
    return int(has_name or again)


def _is_alone(grid: Grid, row: int, area: Area) -> bool:
    return grid.masks[row] & area.window == 1 << area.left


def _width(grid: Grid, rows: Sequence[int], window: int) -> int:
    mask = 0
    for row in rows:
        mask |= grid.masks[row]
    return (mask & window).bit_count()


def _start(grid: Grid, rows: Sequence[int], window: int, width: int) -> int:
    """The first row that is wide enough to be of the table; narrow ones before it are its title and pairs."""
    counts = [(grid.masks[row] & window).bit_count() for row in rows[:50]]
    common = sorted(counts)[len(counts) // 2]
    enough = max(min(2, width), min(0.5 * width, 0.6 * common), 1)
    if width >= 4 and common >= 3:
        enough = max(enough, 3)
    start = next((index for index, count in enumerate(counts) if count >= enough), 0)
    has_corner = start > 0 and counts[start - 1] == width - 1 and rows[start - 1] == rows[start] - 1
    left = window & -window
    return start - 1 if has_corner and not grid.masks[rows[start - 1]] & left and grid.masks[rows[start]] & left else start


def _first_data(grid: Grid, rows: Sequence[int], start: int, area: Area) -> int | None:
    """The first row whose values are of their columns' kinds; None where no column has a kind."""
    profile, window = area.profile, area.window
    if not profile.typed & window:
        return None
    for index in range(start, len(rows)):
        conflicts = (profile.conflicts(grid, rows[index]) & window).bit_count()
        agreements = (profile.agreements(grid, rows[index]) & window).bit_count()
        nulls = (grid.nulls[rows[index]] & profile.typed & window).bit_count()
        if agreements >= max(1, 3 * conflicts) or (nulls and not conflicts):
            return index
    return None


def _is_numbered(grid: Grid, rows: Sequence[int], start: int, area: Area) -> bool:
    """Whether the first row looks like data and yet is a header: years or hours in a row, or names above mixed columns."""
    row = rows[start]
    cells = grid.columns(row, area.left, area.right)
    if start + 1 < len(rows) and not grid.numbers[row] >> area.left & 1 and _is_scale(grid, row, cells, area):
        return True
    is_named = all(grid.words[row] >> column & 1 for column in cells)
    return is_named and len(cells) >= 2 and _is_distinct(grid, rows[start:], replace(area, profile=Profile(0, 0, 0)))


def _is_scale(grid: Grid, row: int, cells: Sequence[int], area: Area) -> bool:
    """Whether the numbers of a row are the steps of a scale: years, hours, or any rising numbers beside an empty corner."""
    texts = [grid.text(row, column) for column in cells if column > area.left]
    if all(_RISING.fullmatch(text) for text in texts) and len(texts) >= 3 and cells[0] > area.left:
        return all(float(low) < float(high) for low, high in pairwise(texts))
    values = [int(text) for text in texts if text.isdecimal() and len(text) < 10]
    steps = {second - first for first, second in pairwise(values)}
    if len(values) < len(cells) - 1 or len(steps) != 1 or not steps <= {-1, 1, 5, 10}:
        return False
    has_years = len(values) >= 2 and all(1800 <= value <= 2200 for value in values)
    return has_years or (len(values) >= 4 and steps == {1} and values[0] in {0, 1})


def _is_distinct(grid: Grid, rows: Sequence[int], area: Area) -> bool:
    """Whether the first row holds names: short texts or years, each once, none again in its column, unlike what is below."""
    first = rows[0]
    columns = grid.columns(first, area.left, area.right, most=2000)
    names = [grid.text(first, column).casefold() for column in columns]
    is_listed = len(set(names)) == len(names) and max(map(len, names)) <= _LONGEST_NAME
    if not is_listed or any(grid.kind(first, column) in {Kind.NUMBER, Kind.DATE} for column in columns):
        return False
    body = rows[1:_SAMPLED_ROWS]
    if not body:
        return not area.profile.typed and len(columns) > 1
    return not any(_is_value_of(grid, body, column, name) for column, name in zip(columns, names, strict=True))


def _is_value_of(grid: Grid, body: Sequence[int], column: int, name: str) -> bool:
    """Whether a name occurs among the values below it, or is a code of their form."""
    below = [text for row in body if (text := grid.text(row, column).casefold())]
    if name in below:
        return True
    if name.isdecimal() or not any(char.isdecimal() for char in name) or not below:
        return False
    form = _form(name)
    return sum(_form(text) == form for text in below) >= 0.8 * len(below)


def _form(text: str) -> str:
    """A text with its digits and letters made the same: `A-17` and `B-9` are of one form."""
    return _LETTERS.sub("a", _DIGITS.sub("9", text[:_LONGEST_NAME]))


def _with_brackets(grid: Grid, rows: Sequence[int], end: int, area: Area) -> int:
    """Take in a row that numbers the columns or tells their units in brackets: `(1) (2) (3)`."""
    if end >= len(rows) - 1:
        return end
    texts = [grid.text(rows[end], column) for column in grid.columns(rows[end], area.left, area.right, most=2000)]
    return end + 1 if len(texts) >= 2 and all(_is_bracketed(text) for text in texts[-3:]) else end


def _with_groups(grid: Grid, rows: Sequence[int], start: int, area: Area) -> int:
    """Take in the sparser rows above a header's widest row that name groups of its columns; return the first header row."""
    top = start
    while top > 0 and start - top < _MOST_LEVELS - 1 and rows[top] == rows[top - 1] + 1:
        is_group = _is_group_row(grid, rows[top - 1], rows[top], area)
        if not is_group or _is_apart(grid, rows[top - 1], rows[top : start + 1], area):
            break
        top -= 1
    return top


def _is_group_row(grid: Grid, row: int, below: int, area: Area) -> bool:
    left, right = area.left, area.right
    columns = grid.columns(row, left, right)
    is_long = any(len(grid.text(row, column)) > _LONGEST_NAME for column in columns)
    if is_long or not columns or grid.numbers[row] & ~grid.years[row] & area.window:
        return False
    has_merges = any(grid.covers.get((row, column), (-1, -1))[0] == row for column in range(left, min(right, left + 2000) + 1))
    is_first_named = bool(grid.masks[below] >> left & 1)
    if len(columns) == 1:
        column = columns[0]
        is_year = bool(grid.years[row] >> column & 1)
        return column > left and (has_merges or is_year or column == left + 1 or not is_first_named)
    if columns[0] == left and is_first_named and not has_merges:
        return len(columns) > 2
    return not grid.text(row, columns[0]).endswith(COLONS)
