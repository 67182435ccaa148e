"""Lines that are of no table: names with values, titles and notes."""

from collections.abc import Iterable, Iterator, Sequence

from spice_core.domain.sheets import KeyValue
from spice_core.domain.structure.cells import Kind, is_note, pair_in, without_colon
from spice_core.domain.structure.grid import Grid
from spice_core.domain.structure.shapes import is_form_row

_LONGEST_NAME = 60


def pairs_in(grid: Grid, row: int, left: int, right: int) -> list[KeyValue]:
    """Return the names with values that a row holds; empty where it is a line of text."""
    columns = grid.columns(row, left, right, most=50)
    texts = [grid.text(row, column) for column in columns]
    if len(texts) == 1:
        pair = pair_in(texts[0])
        return [] if pair is None else [KeyValue(*pair, row, columns[0])]
    if len(columns) % 2 == 0 and is_form_row(grid, row, columns):
        return [KeyValue(without_colon(texts[at]), texts[at + 1], row, columns[at]) for at in range(0, len(texts), 2)]
    is_pair = len(texts) == 2 and grid.kind(row, columns[0]) == Kind.TEXT and len(texts[0]) <= _LONGEST_NAME
    if is_pair and not is_note(texts[0]):
        return [KeyValue(without_colon(texts[0]), texts[1], row, columns[0])]
    inner = [pair_in(text) for text in texts]
    if len(texts) > 1 and all(inner):
        return [KeyValue(*pair, row, column) for pair, column in zip(inner, columns, strict=True) if pair is not None]
    return []


def line_text(grid: Grid, row: int, left: int, right: int) -> str:
    """Return the texts of a row as one line."""
    return " ".join(grid.text(row, column) for column in grid.columns(row, left, right, most=50))


def title_of(grid: Grid, rows: Sequence[int], left: int, right: int, *, above: int) -> int | None:
    """Return which of some lines names the table that begins at row `above`: the first of those directly above it."""
    found: int | None = None
    edge = above
    for row in reversed(rows):
        if edge - row > 3 or (found is not None and edge - row > 1):
            break
        edge = row
        if grid.count(row, left, right) == 1 and _is_title(line_text(grid, row, left, right)):
            found = row
    return found


def told_apart(
    grid: Grid, lines: Iterable[tuple[int, int, int]], *, titles: frozenset[tuple[int, int]]
) -> Iterator[KeyValue | tuple[int, str]]:
    """Yield the pairs and notes of lines, given as (row, left, right), without the titles, given as (row, left)."""
    for row, left, right in lines:
        if (row, left) in titles:
            continue
        pairs = pairs_in(grid, row, left, right)
        if pairs:
            yield from pairs
        else:
            yield row, line_text(grid, row, left, right)


def _is_title(text: str) -> bool:
    is_unit = text.startswith(("(", "[", "\uff08", "*", "※")) or is_note(text)
    return not is_unit and pair_in(text) is None and len(text) <= 200
