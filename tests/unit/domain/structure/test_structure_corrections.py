"""What a person says of a structure."""

import pytest
from test_find_structure import REPORT, sheet_of

from spice_core.domain.sheets import CellRange, Sheet, SheetStructure, TableMode
from spice_core.domain.structure import TableCorrection, corrected, find_structure
from spice_core.errors import InvalidInput

TWO = """
item|qty
a|1
b|2

item|price
c|3.5
d|4.5
"""


@pytest.fixture
def sheet() -> Sheet:
    return sheet_of(TWO)


@pytest.fixture
def two(sheet: Sheet) -> SheetStructure:
    found = find_structure(sheet)
    assert len(found.tables) == 2
    return found


def test_header_texts_of_another_box_are_read_from_the_cells() -> None:
    sheet = sheet_of("Sales|2024\nregion|units\nN|1\nS|2")
    found = find_structure(sheet)
    whole = corrected(found, [TableCorrection(1, bbox=CellRange(0, 0, 3, 1), header_rows=2)], sheet=sheet).tables[0]
    assert [tuple(cell.path) for cell in whole.columns] == [("Sales", "region"), ("2024", "units")]
    assert (whole.confidence, whole.reason) == (1.0, "corrected by a person")


def test_without_the_cells_columns_keep_their_names_and_new_ones_have_none(two: SheetStructure) -> None:
    wider = corrected(two, [TableCorrection(1, bbox=CellRange(0, 0, 2, 2))]).tables[0]
    assert [tuple(cell.path) for cell in wider.columns] == [("item",), ("qty",), ()]


def test_dropped_tables_go_and_numbers_stay_those_that_were_sent(two: SheetStructure) -> None:
    found = corrected(two, [TableCorrection(1, drop=True), TableCorrection(2, title="Prices")])
    assert [(table.bbox.top, table.title) for table in found.tables] == [(4, "Prices")]
    with pytest.raises(InvalidInput, match="no table 1"):
        corrected(two, [TableCorrection(1, drop=True), TableCorrection(1, title="x")])


def test_merged_tables_skip_the_lower_header(two: SheetStructure, sheet: Sheet) -> None:
    for cells in (sheet, None):
        (table,) = corrected(two, [TableCorrection(1, merge_with=2)], sheet=cells).tables
        assert table.bbox == CellRange(0, 0, 6, 1)
        assert list(table.skipped_rows) == [3, 4]
        assert [tuple(cell.path) for cell in table.columns] == [("item",), ("qty",)]


def test_names_and_mode_of_a_person_stand(two: SheetStructure, sheet: Sheet) -> None:
    named = corrected(two, [TableCorrection(1, names=["article", "pieces"])]).tables[0]
    assert [tuple(cell.path) for cell in named.columns] == [("article",), ("pieces",)]
    lying = corrected(two, [TableCorrection(1, mode=TableMode.PROPERTY)], sheet=sheet).tables[0]
    assert [(tuple(cell.path), cell.column) for cell in lying.columns] == [(("item",), 0), (("a",), 1), (("b",), 2)]
    assert lying.header_rows == 1


def test_signature_stays_and_pairs_within_a_corrected_box_go() -> None:
    found = find_structure(sheet_of(REPORT))
    whole = corrected(found, [TableCorrection(1, bbox=CellRange(1, 0, 11, 2), header_rows=0)])
    assert whole.signature == found.signature
    assert (list(whole.key_values), list(whole.notes)) == ([], [])


@pytest.mark.parametrize(
    ("correction", "words"),
    [
        (TableCorrection(3), "no table 3"),
        (TableCorrection(1, merge_with=1), "itself"),
        (TableCorrection(1, bbox=CellRange(2, 0, 1, 1)), "upside down"),
        (TableCorrection(1, bbox=CellRange(0, 0, 99, 1)), "last"),
        (TableCorrection(1, bbox=CellRange(0, 0, 4, 1)), "overlap"),
        (TableCorrection(1, bbox=CellRange(0, 0, 2, 30_000)), "columns"),
        (TableCorrection(1, header_rows=4), "cannot be its header"),
        (TableCorrection(1, names=["one"]), "2 columns, not 1"),
    ],
)
def test_corrections_that_cannot_be_are_refused(
    two: SheetStructure, sheet: Sheet, correction: TableCorrection, words: str
) -> None:
    with pytest.raises(InvalidInput, match=words):
        corrected(two, [correction], sheet=sheet)
