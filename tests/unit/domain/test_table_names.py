"""Which dataset each table of a file belongs to, from one version of the file to the next."""

from typing import Any

from spice_core.domain.sheets import CellRange, FoundTable, HeaderCell, TableMode
from spice_core.domain.table_names import KnownTable, PlacedTable, name_tables


def table(sheet: str, *headers: str, ordinal: int = 1, rows: int = 5, title: str | None = None) -> PlacedTable:
    columns = [HeaderCell((name,), index) for index, name in enumerate(headers)]
    box = CellRange(0, 0, rows, len(headers) - 1)
    return PlacedTable(sheet, ordinal, FoundTable(TableMode.TABLE, box, 1, columns, 0.9, "", title))


def known(name: str, found: PlacedTable) -> KnownTable:
    region: dict[str, Any] = {"sheet": found.sheet, "table": found.ordinal, "title": found.found.title}
    return KnownTable(name, {**region, "header_key": found.header_key})


def names(*tables: PlacedTable, before: tuple[KnownTable, ...] = (), taken: tuple[str, ...] = ()) -> list[str]:
    return name_tables("report", tables, known=before, is_taken=taken.__contains__)


def test_the_largest_table_has_the_files_name_and_the_others_their_sheets():
    assert names(table("A", "x", "y"), table("B", "x", "y", "z", rows=50), table("C", "q")) == ["report_A", "report", "report_C"]


def test_tables_of_one_sheet_are_called_by_their_titles():
    found = names(table("S", "x", "y", rows=9), table("S", "q", ordinal=2, title="Cost / month"), table("S", "r", ordinal=3))
    assert found == ["report", "report_Cost___month", "report_S"]


def test_names_are_different_whatever_the_sheets_are_called():
    found = names(table("A", "x", rows=9), table("매출", "a"), table("비용", "b"), table("a/b", "c"), table("a b", "d"))
    assert len({name.casefold() for name in found}) == 5
    assert all(name.isascii() for name in found)


def test_a_table_keeps_its_dataset_though_another_is_the_largest_now():
    one, two = table("A", "x", "y", rows=50), table("B", "p", "q")
    first = names(one, two)
    bigger = table("B", "p", "q", rows=500)
    before = (known(first[0], one), known(first[1], two))
    assert names(one, bigger, before=before) == first
    assert names(bigger, one, before=before) == first[::-1]


def test_a_table_whose_sheet_or_headers_changed_is_known_by_what_stayed():
    one, two = table("Jan", "x", "y", rows=50, title="Sales"), table("Notes", "p", "q")
    before = (known("report", one), known("report_Notes", two))
    assert names(table("Feb", "x", "y"), two, before=before) == ["report", "report_Notes"]
    assert names(table("Jan", "x", "y", "z", title="Sales"), two, before=before) == ["report", "report_Notes"]
    assert names(table("Jan", "u", "v"), two, before=before) == ["report", "report_Notes"]


def test_the_only_table_of_a_file_is_the_same_dataset_whatever_changed():
    assert names(table("Mar", "u", "v"), before=(known("report", table("Jan", "x")),)) == ["report"]


def test_a_table_that_is_new_never_gets_a_known_tables_name_or_another_files():
    one, two = table("A", "x", "y", rows=50), table("B", "p", "q")
    before = (known("report", one), known("report_B", two))
    assert names(two, table("C", "n", rows=99), before=before) == ["report_B", "report_C"]
    assert names(one, two, taken=("report_B",)) == ["report", "report_B_2"]
