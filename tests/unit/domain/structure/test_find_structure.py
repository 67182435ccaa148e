"""Tables, pairs and notes in sheets of cells."""

import sys
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spice_core.domain.sheets import CellRange, FoundTable, Sheet, SheetStructure, TableMode
from spice_core.domain.structure import find_structure


def sheet_of(text: str, *, name: str = "Sheet1", merged: Sequence[CellRange] = ()) -> Sheet:
    rows = [[cell.strip() or None for cell in line.split("|")] for line in text.strip("\n").split("\n")]
    return Sheet(name, rows, len(rows), merged=merged)


def found_in(text: str, *, name: str = "Sheet1", merged: Sequence[CellRange] = ()) -> SheetStructure:
    return find_structure(sheet_of(text, name=name, merged=merged))


def only_table(text: str, *, name: str = "Sheet1", merged: Sequence[CellRange] = ()) -> FoundTable:
    tables = found_in(text, name=name, merged=merged).tables
    assert len(tables) == 1, tables
    return tables[0]


REPORT = """
Sales report
Generated: 2024-02-01
Author|Kim

region|product|units
N|pen|10
N|ink|4
N Total||14
S|pen|7
Total||21

Source: own figures
"""


def test_title_pairs_notes_and_totals_are_not_records() -> None:
    found = found_in(REPORT)
    (table,) = found.tables
    assert table.bbox == CellRange(4, 0, 8, 2)
    assert (table.header_rows, table.title, list(table.skipped_rows)) == (1, "Sales report", [7])
    assert [(pair.name, pair.value, pair.row, pair.column) for pair in found.key_values] == [
        ("Generated", "2024-02-01", 1, 0),
        ("Author", "Kim", 2, 0),
    ]
    assert list(found.notes) == [(11, "Source: own figures")]


def test_group_headers_spread_over_the_columns_to_their_right_where_no_merged_cells_are_known() -> None:
    table = only_table("|2023||2024|\nshop|Q1|Q2|Q1|Q2\nA|1|2|3|4\nB|5|6|7|8")
    assert [tuple(cell.path) for cell in table.columns] == [
        ("shop",),
        ("2023", "Q1"),
        ("2023", "Q2"),
        ("2024", "Q1"),
        ("2024", "Q2"),
    ]


def test_merged_cells_say_how_far_a_group_reaches() -> None:
    text = "shop|sales||staff\n|Q1|Q2|\nA|1|2|3\nB|5|6|7"
    table = only_table(text, merged=[CellRange(0, 1, 0, 2), CellRange(0, 0, 1, 0), CellRange(0, 3, 1, 3)])
    assert [tuple(cell.path) for cell in table.columns] == [("shop",), ("sales", "Q1"), ("sales", "Q2"), ("staff",)]
    assert table.header_rows == 2


def test_units_below_the_names_are_the_last_header_row() -> None:
    table = only_table("time|load|temperature\ns|kN|°C\n0|1.5|20\n1|1.7|21\n2|1.9|23")
    assert [tuple(cell.path) for cell in table.columns] == [("time", "s"), ("load", "kN"), ("temperature", "°C")]


def test_repeated_headers_and_drawn_lines_are_skipped() -> None:
    table = only_table("id|name\n1|a\n2|b\n---|---\nid|name\n3|c\n4|d")
    assert table.bbox == CellRange(0, 0, 6, 1)
    assert list(table.skipped_rows) == [3, 4]


def test_records_whose_names_begin_like_totals_are_kept() -> None:
    table = only_table("cereal|maker|calories\nCorn Flakes|K|100\nTotal Corn Flakes|G|110\nTotal Raisin Bran|G|140")
    assert (table.bbox.bottom, list(table.skipped_rows)) == (3, [])


def test_tables_side_by_side_of_different_heights_are_two() -> None:
    found = found_in("day|units||shop|city\n1|5||A|Ulm\n2|6||B|Bonn\n3|4\n4|9")
    assert [table.bbox for table in found.tables] == [CellRange(0, 0, 4, 1), CellRange(0, 3, 2, 4)]


def test_an_empty_column_within_a_text_file_does_not_part_its_table() -> None:
    text = "id|name||city\n1|Ann||Ulm\n2|Bob||Bonn\n3|Cid||Kiel"
    assert only_table(text, name="").bbox == CellRange(0, 0, 3, 3)


def test_empty_rows_within_a_table_are_skipped() -> None:
    table = only_table("id|score\n1|2.5\n2|3.5\n\n3|4.5\n4|5.5")
    assert table.bbox == CellRange(0, 0, 5, 1)
    assert list(table.skipped_rows) == [3]


def test_transposed_records_are_columns() -> None:
    table = only_table("name|Ann|Bob|Cid\nborn|2001-02-03|1999-01-01|2000-12-31\nheight|171|180|165")
    assert table.mode == TableMode.TRANSPOSED
    assert [(tuple(cell.path), cell.column) for cell in table.columns] == [(("name",), 0), (("born",), 1), (("height",), 2)]


def test_names_beside_values_of_several_kinds_are_a_property_list() -> None:
    table = only_table("Model|X-1\nPrice|12.50\nSince|2020-01-01\nColour|red")
    assert table.mode == TableMode.PROPERTY
    assert [cell.path[0] for cell in table.columns] == ["Model", "Price", "Since", "Colour"]


@pytest.mark.parametrize(
    ("text", "header_rows"),
    [
        ("country|2019|2020|2021\nFR|1.5|2.5|3.5\nDE|4|5|6", 1),
        ("1|2.5|x\n2|3.5|y\n3|4.5|z", 0),
        ("도시|인구\n서울|9,400,000\n부산|3,300,000", 1),
        ("品名|単価|日付\nりんご|¥150|2024年3月1日\nみかん|¥80|2024年3月2日", 1),
        ("Artikel|Preis\nApfel|1.234,50 €\nBirne|0,99 €", 1),
        ("day|0|1|2|3|4\nMon|5|6|5|6|7\nTue|1|2|4|5|6", 1),
        ("|x\n1|2.5\n2|3.5\n3|1.5", 1),
        ("|time|deaths\n1|1974|3035\n2|1974.083|2552\n3|1974.167|2704", 1),
        ("|142.2|144.8|147.3\n9.4|0|1|0\n9.5|0|2|3\n9.6|1|1|4", 1),
        ("x|y|z\nNA|NA|\n1|1|1\n2|2|2", 1),
        ("name|species|weight\n(at birth)|(of the zoo)|(in grams)\nRex|dog|900", 2),
        ("state|old|now\n(1)|(2)|(3)\nBonn|2.5|3.5\nUlm|3|4", 2),
    ],
)
def test_headers_are_told_from_records(text: str, header_rows: int) -> None:
    assert only_table(text).header_rows == header_rows


def long_sheet(tail: Sequence[Sequence[str | None]], rows: int = 1_000_000) -> Sheet:
    head: list[list[str | None]] = [["Report", None], [None, None], ["id", "amount"]]
    head += [[str(number), f"{number}.5"] for number in range(1000)]
    return Sheet("big", head, rows, tail=tail)


def test_bottom_of_a_table_that_outgrows_the_head_is_told_by_the_tail() -> None:
    tail = [["8", "1.5"], ["id", "amount"], ["9", "2.5"], ["Total", "4.0"], [None, None], ["Source: own", None]]
    (table,) = find_structure(long_sheet(tail)).tables
    assert table.bbox == CellRange(2, 0, 999_996, 1)
    assert list(table.skipped_rows) == [999_995]


def test_without_a_tail_a_long_table_ends_with_its_sheet() -> None:
    (table,) = find_structure(long_sheet(())).tables
    assert table.bbox.bottom == 999_999


def test_tail_that_overlaps_the_head_is_read_once() -> None:
    sheet = long_sheet([["x", "1.5"]] * 10, rows=1005)
    (table,) = find_structure(sheet).tables
    assert table.bbox.bottom == 1004
    assert list(table.skipped_rows) == []


def test_signature_stays_when_rows_are_added_and_changes_with_a_header() -> None:
    month, next_month = found_in(REPORT), found_in(REPORT.replace("S|pen|7", "S|pen|9\nS|ink|1"))
    other = found_in(REPORT.replace("units", "pieces"))
    assert month.signature == next_month.signature
    assert month.signature != other.signature
    assert len(month.signature) == 64


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [[]],
        [[None] * 50] * 100,
        [["x"]],
        [[]] * 10_000 + [["a", "b"]],
        [[f"c{number}" for number in range(40_000)], [str(number) for number in range(40_000)]],
        [["a" if (row + column) % 2 else None for column in range(60)] for row in range(1000)],
        [["a" if row % 2 else None] * 5 for row in range(4000)],
        [["9" * 5000, "x" * 50_000, " 1" * 3000, "(" * 5000, "1 " * 29 + "x"]] * 20,
    ],
    ids=["nothing", "one-row", "blank", "one-cell", "far-down", "wide", "checkered", "double-spaced", "long-cells"],
)
def test_odd_sheets_are_answered(rows: list[list[str | None]]) -> None:
    assert find_structure(Sheet("odd", rows, len(rows))).sheet == "odd"


@pytest.mark.parametrize("spacing", [1, 2])
@pytest.mark.parametrize("kind", ["numbers", "texts"])
def test_work_grows_with_the_cells_and_not_faster(kind: str, spacing: int) -> None:
    def calls(height: int) -> int:
        rows: list[list[str | None]] = [[] for _ in range(height)]
        for row in range(0, height, spacing):
            rows[row] = [str(row * column % 97) if column and kind == "numbers" else f"r{row}c{column}" for column in range(10)]
        counted = 0

        def count(*_: object) -> None:
            nonlocal counted
            counted += 1

        sys.setprofile(count)
        try:
            find_structure(Sheet("grown", rows, height))
        finally:
            sys.setprofile(None)
        return counted

    assert calls(400) < 4.5 * calls(100)


CELLS = st.one_of(
    st.none(),
    st.sampled_from(["a", "Total", "name:", "2020", "1.5", "2024-01-01", "n/a", "---", "합계", "Source: x", "(1)", "x y", " "]),
    st.text(max_size=8),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(CELLS, max_size=7), max_size=14), st.sampled_from(["", "S"]))
def test_any_cells_give_boxes_within_the_sheet_and_the_same_answer_twice(rows: list[list[str | None]], name: str) -> None:
    sheet = Sheet(name, rows, len(rows))
    found = find_structure(sheet)
    assert found == find_structure(sheet)
    for table in found.tables:
        box = table.bbox
        assert 0 <= box.top <= box.bottom < len(rows)
        assert 0 <= box.left <= box.right < max(map(len, rows))
        assert 0 <= table.confidence <= 1
        assert table.reason
        assert all(box.top <= row <= box.bottom for row in table.skipped_rows)
        if table.mode == TableMode.TABLE:
            assert [cell.column for cell in table.columns] == list(range(box.left, box.right + 1))


@pytest.mark.parametrize("wide", ["s|too|many|cells|here|and|there", "s|too|many"], ids=["too many cells", "too few"])
def test_a_row_of_another_width_does_not_end_a_table_that_goes_on_below_it(wide: str) -> None:
    """No reject is better hidden than one that turns the rows below it into a table of its own."""
    rows = [f"s{number}|Student {number}|0{number}.02.2001|{number}.5|t1" for number in range(1, 9)]
    found = found_in("\n".join(["id|name|born|fee|advisor", *rows[:4], wide, *rows[4:], wide, rows[0]]))
    (table,) = found.tables
    assert (table.bbox.top, table.bbox.bottom, table.header_rows) == (0, 11, 1)


def test_a_table_of_another_width_right_below_one_is_a_table() -> None:
    found = found_in(
        "id|name|born|fee\n" + "s|An|01.02.2001|4\n" * 4 + "city|since|people|area|code\n" + "Ulm|01.02.1900|3|4|x\n" * 4
    )
    assert [(table.bbox.top, table.bbox.bottom) for table in found.tables] == [(0, 4), (5, 9)]
