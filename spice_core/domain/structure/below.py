"""Cells below the rows that structure is found from: columns that begin only there, and cells that are of no table."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import reduce
from itertools import takewhile
from operator import or_

from spice_core.domain.sheets import FilledColumn, FoundTable, HeaderCell, Sheet
from spice_core.domain.structure.grid import runs

_MOST_ADDED = 100
_MOST_NAMED = 10
_LETTERS = 26

Note = tuple[int, str]
"""A row and what is said of it."""


def widened(
    table: FoundTable, others: Iterable[FoundTable], below: Mapping[int, FilledColumn], last: Sequence[int], start: int
) -> FoundTable:
    """Return a table that goes on below the head with the columns right beside it that are filled there; they have no names.

    A column of one of `others` is none of them, nor what lies behind it; nor is one that is filled only from row `start` on and
    beside none of the table's `last` records: these are footnotes. `below` is by column, `last` are masks of rows.
    """
    box = table.bbox
    beside = [other.bbox for other in others if other.bbox.bottom >= box.top]
    end = min((other.left for other in beside if other.left > box.right), default=box.right + 1 + _MOST_ADDED)
    edge = max((other.right for other in beside if other.right < box.left), default=-1)
    beside_records = reduce(or_, last, 0)

    def is_part(column: int) -> bool:
        entry = below.get(column)
        return entry is not None and (entry.first < start or bool(beside_records >> column & 1))

    after = [*takewhile(is_part, range(box.right + 1, min(end, box.right + 1 + _MOST_ADDED)))]
    before = [*takewhile(is_part, range(box.left - 1, max(edge, box.left - 1 - _MOST_ADDED), -1))][::-1]
    columns = [*_unnamed(before), *table.columns, *_unnamed(after)]
    return replace(table, bbox=replace(box, left=box.left - len(before), right=box.right + len(after)), columns=columns)


def notes_below(sheet: Sheet, grown: Sequence[tuple[FoundTable, FoundTable]]) -> list[Note]:
    """Return what people should know of cells below the head: which columns they added, and which are of no table.

    `grown` are the tables that go on there, as the head shows them and as they are.
    """
    notes = []
    where = f"below the first {len(sheet.head)} rows, which columns and tables are told from"
    rest = {entry.column: entry for entry in sheet.below}
    for before, after in grown:
        own = [rest.pop(column) for column in range(after.bbox.left, after.bbox.right + 1) if column in rest]
        added = [entry for entry in own if not before.bbox.left <= entry.column <= before.bbox.right]
        if added:
            text = "became columns without a name; if another table begins there, move it to a sheet of its own"
            notes.append(_note(added, where, text))
    if rest:
        notes.append(_note([*rest.values()], where, "are in no table and were left out"))
    return notes


def _unnamed(columns: Iterable[int]) -> list[HeaderCell]:
    return [HeaderCell((), column) for column in columns]


def _note(entries: Sequence[FilledColumn], where: str, text: str) -> Note:
    """A note at the first of some cells, with how many there are and in which columns."""
    spans = runs(sum(1 << entry.column for entry in entries))
    named = [_letters(first) if first == last else f"{_letters(first)}-{_letters(last)}" for first, last in spans]
    places = ", ".join(named[:_MOST_NAMED]) + (" and others" if len(named) > _MOST_NAMED else "")
    cells = sum(entry.cells for entry in entries)
    first = min(entry.first for entry in entries)
    return first, f"from here on, filled cells of columns {places} ({cells}) {text}: they stand {where}"


def _letters(column: int) -> str:
    """A column as workbook programs name it: A to Z, then AA."""
    rest, last = divmod(column, _LETTERS)
    return (_letters(rest - 1) if rest else "") + chr(ord("A") + last)
