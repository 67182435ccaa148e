"""Cells that stand below the rows that structure is found from."""

from collections.abc import Sequence

from spice_core.domain.sheets import CellRange, FilledColumn, Sheet
from spice_core.domain.structure import find_structure

Cells = list[list[str | None]]

HEAD: Cells = [["id", "n"], *[[str(number), f"{number}.5"] for number in range(1000)]]
OWN = (FilledColumn(0, 4000, 1001), FilledColumn(1, 4000, 1001))
TAIL: Cells = [["4999", "4999.5"], ["5000", "5000.5"]]


def long_sheet(
    *below: FilledColumn, head: Sequence[Sequence[str | None]] = HEAD, tail: Sequence[Sequence[str | None]] = TAIL
) -> Sheet:
    return Sheet("long", head, 5001, tail=tail, below=below)


def test_columns_that_begin_below_the_head_are_of_the_table_beside_them() -> None:
    plain = find_structure(long_sheet(*OWN))
    found = find_structure(long_sheet(*OWN, FilledColumn(2, 3, 2500), FilledColumn(3, 1, 2600)))
    (table,) = found.tables
    assert table.bbox == CellRange(0, 0, 5000, 3)
    assert [(cell.column, cell.path) for cell in table.columns] == [(0, ("id",)), (1, ("n",)), (2, ()), (3, ())]
    ((row, text),) = found.notes
    assert row == 2500
    assert "columns C-D (4) became columns without a name" in text
    assert (plain.notes, found.signature) == ([], plain.signature)


def test_columns_left_of_a_table_are_added_before_its_own() -> None:
    head: Cells = [[None, *row] for row in HEAD]
    below = [FilledColumn(0, 1, 3000), FilledColumn(1, 4000, 1001), FilledColumn(2, 4000, 1001)]
    (table,) = find_structure(long_sheet(*below, head=head, tail=[[None, *row] for row in TAIL])).tables
    assert [(cell.column, cell.path) for cell in table.columns] == [(0, ()), (1, ("id",)), (2, ("n",))]


def test_cells_below_the_head_that_are_of_no_table_are_counted_in_a_note() -> None:
    found = find_structure(long_sheet(*OWN, FilledColumn(4, 7, 3000), FilledColumn(27, 1, 2000)))
    assert found.tables[0].bbox.right == 1
    ((row, text),) = found.notes
    assert row == 2000
    assert "columns E, AB (8) are in no table" in text


def test_a_table_does_not_take_the_columns_of_its_neighbour() -> None:
    beside: Cells = [["x", "y"], ["a", "1"], ["b", "2"], *[[None, None] for _ in range(998)]]
    head: Cells = [[*row, None, *side] for row, side in zip(HEAD, beside, strict=True)]
    below = [FilledColumn(2, 1, 3000), FilledColumn(3, 2, 3000), FilledColumn(4, 2, 3001)]
    found = find_structure(long_sheet(*OWN, *below, head=head))
    assert [(table.bbox.left, table.bbox.right) for table in found.tables] == [(0, 2), (3, 4)]
    assert ["columns C (1) became" in text or "columns D-E (4) are in no table" in text for _, text in found.notes] == [
        True,
        True,
    ]


def test_a_cell_beside_a_total_at_the_end_is_of_no_table() -> None:
    found = find_structure(long_sheet(*OWN, FilledColumn(2, 1, 5000), tail=[*TAIL, ["Total", "9", "checked"]]))
    assert found.tables[0].bbox == CellRange(0, 0, 4999, 1)
    assert ["columns C (1) are in no table" in text for _, text in found.notes] == [True]


def test_footnotes_at_the_end_of_a_long_sheet_are_notes_and_no_columns() -> None:
    tail: Cells = [*TAIL, [None, None], ["Source: own", None], [None, None, "checked"]]
    found = find_structure(long_sheet(*OWN, FilledColumn(2, 1, 5000), tail=tail))
    assert found.tables[0].bbox == CellRange(0, 0, 4997, 1)
    assert [(row, text[:14]) for row, text in found.notes] == [(5000, "from here on, "), (4999, "Source: own")]
