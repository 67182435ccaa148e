"""Sections that are parts of one table although empty rows lie between them."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from spice_core.domain.structure.cells import is_note
from spice_core.domain.structure.grid import Grid, span_mask
from spice_core.domain.structure.heads import Evidence, Head
from spice_core.domain.structure.sections import Section, rehead

_NEAR = 3
_FAR = 200
_LOOKED_AT = 30


@dataclass(slots=True)
class _Growing:
    """A section while parts are added to it: its rows are many, so they are put together once, at the end."""

    section: Section
    more: list[int] = field(default_factory=list)

    @property
    def bottom(self) -> int:
        return self.more[-1] if self.more else self.section.bottom


def joined(grid: Grid, sections: Sequence[Section]) -> list[Section]:
    """Return the sections with the parts of one table made one, in the order in which they begin."""
    found: list[_Growing] = []
    for part in sections:
        above = _last_above(found, part)
        if above is None or part.head is None or not _continues(grid, above.section, part, bottom=above.bottom):
            found.append(_Growing(part))
        elif above.section.head is not None and _is_only_header(grid, above.section, above.section.head):
            above.section = rehead(grid, _widened(above.section, part))
        else:
            above.more += part.rows
    return [_whole(grid, growing) for growing in found]


def _last_above(found: Sequence[_Growing], part: Section) -> _Growing | None:
    """The nearest section above that shares columns."""
    near = [growing for growing in found[-_LOOKED_AT:] if growing.bottom < part.top]
    above = [item for item in near if item.section.left <= part.right and part.left <= item.section.right]
    return max(above, key=lambda growing: growing.bottom) if above else None


def _widened(table: Section, part: Section) -> Section:
    left, right = min(table.left, part.left), max(table.right, part.right)
    return replace(table, rows=[*table.rows, *part.rows], left=left, right=right)


def _whole(grid: Grid, growing: _Growing) -> Section:
    section = growing.section
    if not growing.more:
        return section
    whole = replace(section, rows=[*section.rows, *growing.more])
    if section.head is not None and section.head.evidence == Evidence.TYPED:
        return replace(whole, head=replace(section.head, body=[*section.head.body, *growing.more]))
    return rehead(grid, whole)


def _continues(grid: Grid, table: Section, part: Section, *, bottom: int) -> bool:
    """Whether a part belongs to a table whose rows so far end at `bottom`."""
    head, below = table.head, part.head
    gap = part.top - bottom - 1
    is_same_span = (table.left, table.right) == (part.left, part.right)
    if head is None or below is None or not 1 <= gap <= (_FAR if is_same_span else _NEAR):
        return False
    if _is_only_header(grid, table, head):
        is_bare = below.evidence == Evidence.NONE and bool(below.profile.typed) and _covers(grid, table, part)
        is_text = below.evidence == Evidence.DISTINCT and gap == 1 and _is_alike(head, below, table, part)
        return (is_bare or is_text) and not below.lead
    if part.left < table.left or part.right > table.right or gap > _NEAR:
        return False
    if below.evidence == Evidence.TYPED:
        return _names(grid, head, table) == _names(grid, below, table) and not _titles(grid, below, part)
    if below.evidence == Evidence.DISTINCT:
        return _is_alike(head, below, table, part) and gap == 1 and not below.lead
    return _agrees(head, below, part) and not _is_numbered_title(grid, below, part)


def _is_only_header(grid: Grid, table: Section, head: Head) -> bool:
    """Whether a section is rows of names without a value."""
    window = span_mask(table.left, table.right)
    rows = [row for row in table.rows if row not in set(head.lead)]
    plain = [grid.numbers[row] & ~grid.years[row] & window for row in rows]
    return len(rows) <= 3 and not any(plain) and table.right > table.left


def _covers(grid: Grid, table: Section, part: Section) -> bool:
    """Whether a header stands over most columns of what follows."""
    names = values = 0
    for row in table.rows:
        names |= grid.masks[row]
    for row in part.rows:
        values |= grid.masks[row]
    values &= span_mask(part.left, part.right)
    return (names & values).bit_count() >= 0.6 * values.bit_count() and names.bit_count() <= values.bit_count() + 2


def _names(grid: Grid, head: Head, section: Section) -> list[str]:
    columns = range(section.left, section.right + 1)
    return [grid.text(row, column).casefold() for row in head.rows for column in columns]


def _titles(grid: Grid, head: Head, part: Section) -> bool:
    """Whether a part has a title of its own; a remark or the number of a page is none."""
    texts = [grid.text(row, grid.first(row, part.left, part.right)) for row in head.lead]
    return any(not is_note(text) for text in texts)


def _is_alike(head: Head, below: Head, table: Section, part: Section) -> bool:
    return not head.profile.typed and not below.profile.typed and (table.left, table.right) == (part.left, part.right)


def _agrees(head: Head, below: Head, part: Section) -> bool:
    """Whether the values of a part are of the kinds of the table's columns."""
    window = span_mask(part.left, part.right)
    own, other = below.profile, head.profile
    same = (own.numbers & other.numbers | own.dates & other.dates) & window
    typed = own.typed & window
    if not typed:
        return not other.typed & window
    return same.bit_count() >= 0.7 * typed.bit_count()


def _is_numbered_title(grid: Grid, below: Head, part: Section) -> bool:
    texts = [grid.text(row, grid.first(row, part.left, part.right)).casefold() for row in below.lead]
    return any(text.startswith(("table ", "tabelle ", "tableau ", "tabla ", "표 ", "표", "表")) for text in texts)
