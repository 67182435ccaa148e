"""The records of a table: what stands between and below them is told apart."""

from collections.abc import Sequence
from dataclasses import dataclass

from spice_core.domain.structure.cells import COLONS, Kind, is_note, is_separator, is_total, totalled
from spice_core.domain.structure.grid import Grid, span_mask
from spice_core.domain.structure.heads import Head

_LONG_TEXT = 40
_MANY_ALONE = 0.3


@dataclass(frozen=True, slots=True)
class Body:
    """The rows below a header, told apart.

    Attributes:
        records: in order.
        skipped: rows between them that are no records.
        closing: totals and lines at the end that are not within the table.
        remarks: those of `closing` that are texts to keep.
    """

    records: Sequence[int]
    skipped: Sequence[int]
    closing: Sequence[int]
    remarks: Sequence[int]


def body_of(grid: Grid, rows: Sequence[int], left: int, right: int, *, head: Head | None = None) -> Body:
    """Return which of the rows below a header are records."""
    header = () if head is None else head.rows
    window = span_mask(left, right)
    width = _width(grid, [*header, *rows], window)
    inner = len(rows)
    while inner and _may_close(grid, rows[inner - 1], left, right):
        inner -= 1
    alone = sum((grid.masks[row] & window).bit_count() == 1 for row in rows[:inner])
    many_alone = alone > max(1, _MANY_ALONE * inner)
    end, has_total = len(rows), False
    while end and (
        _closes(grid, rows[end - 1], left, right, width=width, many_alone=many_alone)
        or (has_total and _is_partial(grid, rows[end - 1], left, right, width=width))
        or (head is not None and _is_wording(grid, rows[end - 1], head, window, width=width))
    ):
        end -= 1
        has_total = has_total or is_total_row(grid, rows[end], left, right)
    if end == 0:
        end = len(rows)
    names = {tuple(_texts(grid, row, left, right)) for row in header}
    kept, skipped = [], []
    labels: set[str] = set()
    for row in rows[:end]:
        if _is_between(grid, row, left, right, names=names, labels=labels, width=width, many_alone=many_alone):
            skipped.append(row)
        else:
            kept.append(row)
            labels.add(grid.text(row, left).casefold())
    closing = list(rows[end:])
    while kept and skipped and skipped[-1] > kept[-1]:
        closing.insert(0, skipped.pop())
    remarks = [row for row in closing if _is_remark(grid, row, left, right)]
    return Body(kept or list(rows[:end]), skipped if kept else [], closing, remarks)


def is_total_row(grid: Grid, row: int, left: int, right: int, labels: set[str] | None = None) -> bool:
    """Return whether a row is a total, or, where the labels above are given, a subtotal of one of them."""
    columns = grid.columns(row, left, right, most=3)
    if not columns or not grid.numbers[row] & span_mask(columns[0] + 1, right):
        return False
    for column in columns:
        if grid.kind(row, column) != Kind.TEXT:
            return False
        text = grid.text(row, column)
        if is_total(text):
            return True
        whole = totalled(text)
        is_only_text = (grid.words[row] & span_mask(left, right)).bit_count() == 1
        if labels is not None and whole is not None and is_only_text and whole.casefold() in labels:
            return True
    return False


def _width(grid: Grid, rows: Sequence[int], window: int) -> int:
    mask = 0
    for row in rows:
        mask |= grid.masks[row]
    return (mask & window).bit_count()


def _texts(grid: Grid, row: int, left: int, right: int) -> list[str]:
    return [grid.text(row, column).casefold() for column in range(left, right + 1)]


def _alone(grid: Grid, row: int, left: int, right: int) -> str | None:
    """The only text of a row."""
    if grid.count(row, left, right) != 1:
        return None
    column = grid.first(row, left, right)
    return grid.text(row, column) if grid.words[row] >> column & 1 else None


def _is_drawn(grid: Grid, row: int, left: int, right: int) -> bool:
    return all(is_separator(grid.text(row, column)) for column in grid.columns(row, left, right, most=100))


def _may_close(grid: Grid, row: int, left: int, right: int) -> bool:
    return grid.count(row, left, right) == 1 or is_total_row(grid, row, left, right)


def _closes(grid: Grid, row: int, left: int, right: int, *, width: int, many_alone: bool) -> bool:
    """Whether a row at the end is a total, a remark or a line."""
    if is_total_row(grid, row, left, right) or _is_drawn(grid, row, left, right):
        return True
    text = _alone(grid, row, left, right)
    if text is not None and width >= 2:
        return is_total(text) or is_note(text) or len(text) > _LONG_TEXT or (width >= 3 and not many_alone)
    columns = grid.columns(row, left, right, most=3)
    first = grid.text(row, columns[0])
    is_pair = width >= 4 and len(columns) == 2 and columns[0] == left and first.endswith(COLONS)
    return is_pair or (width >= 3 and len(columns) <= 2 and is_note(first) and len(grid.text(row, columns[-1])) > _LONG_TEXT)


def _is_partial(grid: Grid, row: int, left: int, right: int, *, width: int) -> bool:
    """Whether a row above a total is a part of it: a name and a number far to the right, as `VAT` in an invoice."""
    columns = grid.columns(row, left, right, most=3)
    is_pair = len(columns) == 2 and bool(grid.words[row] >> columns[0] & 1) and bool(grid.numbers[row] >> columns[1] & 1)
    return width >= 4 and is_pair and columns[0] >= left + 2


def _is_wording(grid: Grid, row: int, head: Head, window: int, *, width: int) -> bool:
    """Whether a row at the end has texts where values stand, none of these, and gaps."""
    wording = head.profile.conflicts(grid, row) & grid.words[row] & window
    values = head.profile.agreements(grid, row) & window
    return bool(wording) and not values and (grid.masks[row] & window).bit_count() < width


def _is_between(
    grid: Grid, row: int, left: int, right: int, *, names: set[tuple[str, ...]], labels: set[str], width: int, many_alone: bool
) -> bool:
    """Whether a row among the records is none: a repeated header, a subtotal, a line, or a heading of those that follow."""
    if names and grid.words[row] and tuple(_texts(grid, row, left, right)) in names:
        return True
    if is_total_row(grid, row, left, right, labels) or _is_drawn(grid, row, left, right):
        return True
    text = _alone(grid, row, left, right)
    if text is None or width < 3 or many_alone:
        return False
    return grid.first(row, left, right) == left and not any(char.isdecimal() for char in text)


def _is_remark(grid: Grid, row: int, left: int, right: int) -> bool:
    return not is_total_row(grid, row, left, right) and not _is_drawn(grid, row, left, right)
