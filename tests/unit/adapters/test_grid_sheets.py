"""Cells of workbooks that stand below the rows that tables are told from."""

from collections.abc import Sequence
from pathlib import Path

import duckdb
import pytest
import xlsxwriter

from spice_core.bootstrap.file_readers import source_files_of
from spice_core.domain.sheets import FilledColumn, Sheet
from spice_core.domain.structure import find_structure
from spice_core.ports.source_files import SourceTable
from spice_core.settings import load_settings

Row = list[str | int | None]
Cells = list[Row]


def numbers(count: int) -> Cells:
    rows: Cells = [["id", "n"]]
    rows += [[number, number] for number in range(count)]
    return rows


def read(tmp_path: Path, cells: Cells) -> tuple[Sheet, SourceTable]:
    book = xlsxwriter.Workbook(str(tmp_path / "raw"))
    sheet = book.add_worksheet("s")
    for row, values in enumerate(cells):
        sheet.write_row(row, 0, values)
    book.close()
    folder = tmp_path / "work"
    folder.mkdir()
    with source_files_of(load_settings()).open(tmp_path / "raw", folder=folder) as source:
        seen = source.sheet("s")
        (found,) = find_structure(seen).tables
        return seen, source.read_table("s", found, into=folder / "table.parquet")


def values(table: SourceTable, column: str) -> Sequence[tuple[int, str]]:
    query = f"SELECT __row, {column} FROM read_parquet('{table.table.path}') WHERE {column} IS NOT NULL"  # noqa: S608 - a test's own
    with duckdb.connect() as connection:
        return connection.execute(query).fetchall()


@pytest.mark.parametrize("row", [2500, 2950], ids=["in-the-middle", "near-the-end"])
def test_a_cell_right_of_the_table_far_down_is_kept(tmp_path: Path, row: int) -> None:
    cells = numbers(3000)
    cells[row].append("remark")
    seen, table = read(tmp_path, cells)
    assert seen.below == [FilledColumn(0, 1001, 2000), FilledColumn(1, 1001, 2000), FilledColumn(2, 1, row)]
    assert values(table, "column_3") == [(row + 1, "remark")]
    assert table.table.row_count == 3000


def test_blank_cells_far_down_are_no_column(tmp_path: Path) -> None:
    cells = numbers(3000)
    cells[2500].append(" ")
    seen, table = read(tmp_path, cells)
    assert [entry.column for entry in seen.below] == [0, 1]
    assert (table.table.columns, table.notes) == (("id", "n"), [])


def test_a_short_sheet_has_nothing_below_its_head(tmp_path: Path) -> None:
    seen, _ = read(tmp_path, numbers(20))
    assert seen.below == []


def test_a_second_table_far_down_keeps_its_cells_and_is_told(tmp_path: Path) -> None:
    cells = numbers(3000)
    cells += [[], [], [], [], [], ["x", "y", "z"]]
    cells += [[f"s{number}", number, f"k{number}"] for number in range(300)]
    _, table = read(tmp_path, cells)
    assert values(table, "column_3") == [(3007, "z"), *((3008 + number, f"k{number}") for number in range(300))]
    assert table.notes[0].startswith("row 3007 holds texts after empty rows")


def test_empty_rows_between_records_are_no_note(tmp_path: Path) -> None:
    cells = numbers(3000)
    for row in range(2100, 2700, 10):
        cells[row] = [None, None]
    _, table = read(tmp_path, cells)
    assert table.table.row_count == 2940
    assert table.notes == []
