"""How a table lies: records in rows, records in columns, or names with values."""

import re
from collections.abc import Sequence

from spice_core.domain.sheets import TableMode
from spice_core.domain.structure.cells import COLONS, Kind, without_colon
from spice_core.domain.structure.grid import Grid, span_mask
from spice_core.domain.structure.heads import Evidence, Head
from spice_core.domain.structure.sections import Section

_MOST_FIELDS = 100
_MOST_RECORDS = 200
_NAME_WORD = re.compile(
    r"property|field|key|attribute|parameter|item|name|setting|variable|characteristic|description|항목|속성|필드|키|項目|属性|名称"
    r"|eigenschaft|merkmal|feld|champ|propriété|campo|propiedad|parametr",
    re.IGNORECASE,
)
_VALUE_WORD = re.compile(r"values?|val|content|setting|data|값|내용|値|内容|值|werte?|valeur|valor|valore|wartość", re.IGNORECASE)
_CLASSES = {Kind.TEXT: "text", Kind.NUMBER: "number", Kind.YEAR: "number", Kind.DATE: "date"}


def field_rows(grid: Grid, section: Section, head: Head) -> list[int]:
    """Return the rows of a section that are fields, should its records be columns: not those of one cell above the others."""
    titles = {row for row in head.lead if grid.count(row, section.left, section.right) < 2}
    return [row for row in section.rows if row not in titles]


def mode_of(grid: Grid, section: Section, head: Head) -> TableMode:
    """Return how the rows of a section lie."""
    rows = field_rows(grid, section, head)
    columns = _filled_columns(grid, rows, section)
    if len(columns) == 2 and _is_property(grid, rows, columns):
        return TableMode.PROPERTY
    if len(columns) > 2 and 2 <= len(rows) <= _MOST_FIELDS and _is_transposed(grid, rows, columns, head):
        return TableMode.TRANSPOSED
    return TableMode.TABLE


def is_form_row(grid: Grid, row: int, columns: Sequence[int]) -> bool:
    """Return whether a row is names that end in a colon, each before its value."""
    texts = [grid.text(row, column) for column in columns]
    labels = texts[::2]
    return len(texts) >= 2 and all(text.endswith(COLONS) for text in labels) and not any(t.endswith(COLONS) for t in texts[1::2])


def named_pair_header(grid: Grid, row: int, columns: Sequence[int]) -> bool:
    """Return whether a row heads names and values: `Property | Value`."""
    first, second = (without_colon(grid.text(row, column)) for column in columns[:2])
    return _NAME_WORD.fullmatch(first) is not None and _VALUE_WORD.fullmatch(second) is not None


def _filled_columns(grid: Grid, rows: Sequence[int], section: Section) -> list[int]:
    mask = 0
    for row in rows:
        mask |= grid.masks[row]
    mask &= span_mask(section.left, section.right)
    return (
        [column for column in range(section.left, section.right + 1) if mask >> column & 1]
        if mask.bit_count() <= 200
        else [0] * 201
    )


def _is_property(grid: Grid, rows: Sequence[int], columns: Sequence[int]) -> bool:
    name, value = columns
    pairs = [row for row in rows if grid.text(row, name)]
    if not 2 <= len(pairs) <= _MOST_FIELDS:
        return False
    if named_pair_header(grid, pairs[0], columns):
        return True
    names = [grid.text(row, name).casefold() for row in pairs]
    if len(set(names)) < len(names) or any(grid.kind(row, name) != Kind.TEXT for row in pairs):
        return False
    if sum(text.endswith(COLONS) for text in names) >= 0.6 * len(names):
        return True
    classes = [_CLASSES[kind] for row in pairs[1:] if (kind := grid.kind(row, value)) in _CLASSES]
    return len(pairs) >= 3 and _is_mixed(classes)


def _is_mixed(classes: Sequence[str]) -> bool:
    """Whether values are of several kinds: no column holds such."""
    if len(classes) < 2:
        return False
    minority = len(classes) - max(classes.count(name) for name in classes)
    return minority >= max(1 if len(classes) == 2 else 2, 0.25 * len(classes))


def _is_transposed(grid: Grid, rows: Sequence[int], columns: Sequence[int], head: Head) -> bool:
    """Whether each row holds values of one kind and the columns do not."""
    if len(columns) > _MOST_RECORDS or any(grid.kind(row, columns[0]) != Kind.TEXT for row in rows):
        return False
    names = [grid.text(row, columns[0]).casefold() for row in rows]
    if len(set(names)) < len(names):
        return False
    lines = [_classes(grid, [row], columns[1:]) for row in rows]
    upright = [_classes(grid, rows[1:], [column]) for column in columns[1:]]
    kinds = {line[0] for line in lines if line}
    if len(kinds) < 2 or (len(rows) < 3 and head.evidence == Evidence.TYPED):
        return False
    return _evenness(lines) >= 0.95 and _evenness(upright) <= 0.8


def _classes(grid: Grid, rows: Sequence[int], columns: Sequence[int]) -> list[str]:
    return [_CLASSES[kind] for row in rows for column in columns if (kind := grid.kind(row, column)) in _CLASSES]


def _evenness(lines: Sequence[Sequence[str]]) -> float:
    """The mean share of the commonest kind per line."""
    shares = [max(line.count(name) for name in set(line)) / len(line) for line in lines if line]
    return sum(shares) / len(shares) if shares else 1.0
