"""Finds what is in a sheet: its tables, the names with values outside of them, and its notes."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from spice_core.domain.sheets import FoundTable, KeyValue, Sheet, SheetStructure, TableMode
from spice_core.domain.structure.bodies import body_of
from spice_core.domain.structure.cutting import blocks_of
from spice_core.domain.structure.ends import extended
from spice_core.domain.structure.grid import Grid, grid_of, span_mask
from spice_core.domain.structure.heads import Evidence
from spice_core.domain.structure.joining import joined
from spice_core.domain.structure.lines import line_text, title_of, told_apart
from spice_core.domain.structure.sections import Section, sections_of
from spice_core.domain.structure.shapes import field_rows, is_form_row, mode_of
from spice_core.domain.structure.tables import Draft, lying_table, upright_table

_LONGEST_ENTRY = 40
_MOST_PAIRS = 6

Line = tuple[int, int, int]
"""A row that is of no table, with its first and last column."""


@dataclass(frozen=True, slots=True)
class _Sorted:
    """The sections of a sheet: those that are tables, and the lines of the others."""

    drafts: Sequence[Draft]
    lines: Sequence[Line]


def find_structure(sheet: Sheet) -> SheetStructure:
    """Return the tables of a sheet from top to bottom, the pairs and the notes outside of them.

    The same sheet gives the same structure. It takes time in proportion to the cells of head and tail.
    """
    grid = grid_of(sheet.head, sheet.merged)
    is_text = not sheet.name
    blocks = blocks_of(grid, is_text=is_text)
    sections = joined(grid, sorted((part for block in blocks for part in sections_of(grid, block)), key=_place))
    found = _sorted(grid, sections)
    lines = sorted([*found.lines, *_lines_around(grid, found.drafts)])
    tables, titles = [], set()
    for draft in found.drafts:
        title, place = _title(grid, draft, lines)
        titles |= {place} if place is not None else set()
        build = upright_table if draft.mode == TableMode.TABLE else lying_table
        tables.append(build(grid, draft, title=title))
    whole, notes = extended(sheet, grid, tables)
    rest = list(told_apart(grid, lines, titles=frozenset(titles)))
    return SheetStructure(
        sheet=sheet.name,
        tables=whole,
        key_values=[item for item in rest if isinstance(item, KeyValue)],
        notes=[*notes, *(item for item in rest if not isinstance(item, KeyValue))],
        signature=signature_of(sheet.name, tables),
    )


def signature_of(name: str, tables: Sequence[FoundTable]) -> str:
    """Return the sha256, in hex, of what stays the same in the next version of a sheet: its name, and its tables' headers."""
    told = [
        [table.mode, [[" ".join(text.split()).casefold() for text in cell.path] for cell in table.columns]] for table in tables
    ]
    return hashlib.sha256(json.dumps([name, told], ensure_ascii=True).encode()).hexdigest()


def _place(section: Section) -> tuple[int, int]:
    return section.top, section.left


def _sorted(grid: Grid, sections: Sequence[Section]) -> _Sorted:
    drafts: list[Draft] = []
    others: list[Section] = []
    for section in sections:
        draft = _draft(grid, section)
        if draft is not None and _is_table(grid, draft):
            drafts.append(draft)
        else:
            others.append(section)
    if not drafts and (best := _only_table(grid, others)) is not None:
        drafts = [best]
        others = [section for section in others if section is not best.section]
    drafts, pairs = _without_preambles(drafts)
    lines = [(row, part.left, part.right) for part in [*others, *pairs] for row in part.rows]
    return _Sorted(drafts, [_widened(grid, line) for line in lines])


def _widened(grid: Grid, line: Line) -> Line:
    """A line with cells that lie outside of the columns of its section's wider rows."""
    row, left, right = line
    return line if grid.count(row, left, right) else (row, 0, max(right, grid.masks[row].bit_length() - 1))


def _draft(grid: Grid, section: Section) -> Draft | None:
    head = section.head
    if head is None:
        return None
    body = body_of(grid, head.body, section.left, section.right, head=head) if head.body else None
    if body is None:
        return None
    return Draft(section, head, body, mode_of(grid, section, head))


def _is_table(grid: Grid, draft: Draft) -> bool:
    """Whether a section is a table also beside others: two rows of two cells, or a column of values under a name."""
    section = draft.section
    rows = [*draft.head.rows, *draft.body.records]
    wide = [row for row in rows if grid.count(row, section.left, section.right) > 1]
    if section.left == section.right:
        return draft.head.evidence == Evidence.TYPED and len(rows) > 2
    forms = sum(is_form_row(grid, row, grid.columns(row, section.left, section.right, most=50)) for row in wide)
    if draft.mode == TableMode.PROPERTY:
        return len(wide) >= 3
    if not draft.head.profile.typed and not _is_filled(grid, draft, rows):
        return False
    return len(wide) >= 2 and forms < 0.6 * len(wide)


def _is_filled(grid: Grid, draft: Draft, rows: Sequence[int]) -> bool:
    """Whether rows of texts are a table and not lines: most of them are full; two columns have names above them."""
    section = draft.section
    mask = 0
    for row in rows:
        mask |= grid.masks[row]
    width = (mask & span_mask(section.left, section.right)).bit_count()
    if width == 2 and (draft.head.evidence == Evidence.NONE or _is_bulleted(grid, draft)):
        return False
    full = sum(grid.count(row, section.left, section.right) >= 0.7 * width for row in rows)
    return full >= 0.5 * len(rows)


def _is_bulleted(grid: Grid, draft: Draft) -> bool:
    """Whether the first column only points at lines of text."""
    marks = {grid.text(row, draft.section.left) for row in draft.body.records}
    return len(marks) == 1 and not any(char.isalnum() for mark in marks for char in mark)


def _only_table(grid: Grid, sections: Sequence[Section]) -> Draft | None:
    """The largest section of a sheet without a table, if it can be one: a single row of cells, or a list of short texts."""
    drafts = [draft for section in sections if (draft := _draft(grid, section)) is not None]
    drafts = [draft for draft in drafts if draft.mode == TableMode.TABLE and _can_be_only(grid, draft)]
    best = max(drafts, key=lambda draft: (len(draft.body.records), -draft.section.top), default=None)
    if best is None or best.section.left < best.section.right:
        return best
    rows = sum(len(section.rows) for section in sections)
    return best if rows <= len(best.section.rows) + 2 else None


def _can_be_only(grid: Grid, draft: Draft) -> bool:
    section = draft.section
    if section.left < section.right:
        return all(not is_form_row(grid, row, grid.columns(row, section.left, section.right, most=50)) for row in section.rows)
    texts = [line_text(grid, row, section.left, section.right) for row in section.rows]
    return len(texts) > 1 and sum(map(len, texts)) <= _LONGEST_ENTRY * len(texts)


def _without_preambles(drafts: Sequence[Draft]) -> tuple[list[Draft], list[Section]]:
    """Name and value above a table of records are its preamble, no table of their own."""
    kept, pairs = [], []
    for at, draft in enumerate(drafts):
        below = [other for other in drafts[at + 1 :] if _stands_on(draft.section, other)]
        if below and (draft.mode == TableMode.PROPERTY or _are_pairs(draft, below[0])):
            pairs.append(draft.section)
        else:
            kept.append(draft)
    return kept, pairs


def _stands_on(section: Section, other: Draft) -> bool:
    below = other.section
    shares_columns = below.left <= section.right and section.left <= below.right
    return other.mode != TableMode.PROPERTY and below.top > section.bottom and shares_columns


def _are_pairs(draft: Draft, below: Draft) -> bool:
    """Whether two columns of a few texts are names with values, as they stand above a wider table."""
    section = draft.section
    is_narrow = section.right == section.left + 1 and len(section.rows) <= _MOST_PAIRS
    return is_narrow and draft.head.evidence != Evidence.TYPED and below.section.right > section.right


def _lines_around(grid: Grid, drafts: Sequence[Draft]) -> Iterator[Line]:
    for draft in drafts:
        section, head = draft.section, draft.head
        fields = set() if draft.mode == TableMode.TABLE else set(field_rows(grid, section, head))
        for row in [*(row for row in head.lead if row not in fields), *draft.body.remarks]:
            yield row, section.left, section.right


def _title(grid: Grid, draft: Draft, lines: Sequence[Line]) -> tuple[str | None, tuple[int, int] | None]:
    """The title of a table and where it stands, as (row, first column of its line)."""
    section = draft.section
    first = min([*draft.head.rows, *draft.body.records])
    if draft.mode != TableMode.TABLE:
        first = field_rows(grid, section, draft.head)[0]
    near = [line for line in lines if line[0] < first and line[1] <= section.right and section.left <= line[2]]
    row = title_of(grid, [line[0] for line in near[-10:]], section.left, section.right, above=first)
    if row is None:
        return None, None
    left = next(line[1] for line in reversed(near) if line[0] == row)
    return line_text(grid, row, section.left, section.right), (row, left)
