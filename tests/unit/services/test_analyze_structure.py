"""Structure of grids and files; files are read by the readers that ingest uses."""

from io import BytesIO
from pathlib import Path

import pytest
import xlsxwriter

from spice_core.bootstrap.file_readers import source_files_of
from spice_core.domain.sheets import CellRange
from spice_core.errors import InvalidInput, TooLarge, UnreadableFile
from spice_core.ports.source_files import SourceFormat
from spice_core.services.analyze_structure import AnalyzeStructure
from spice_core.settings import Settings


@pytest.fixture
def analyze(tmp_path: Path) -> AnalyzeStructure:
    return AnalyzeStructure(sources=source_files_of(Settings()), scratch=tmp_path / "scratch", max_bytes=100_000)


def workbook() -> bytes:
    file = BytesIO()
    with xlsxwriter.Workbook(file, {"in_memory": True}) as book:
        sheet = book.add_worksheet("Sales")
        sheet.write("A1", "Sales report")
        sheet.merge_range("B3:C3", "2024")
        sheet.write_row("A4", ["region", "Q1", "Q2"])
        sheet.write_row("A5", ["N", 1, 2.5])
        sheet.write_row("A6", ["S", 3, 4.5])
        sheet.write_row("A7", ["Total", 4, 7])
        other = book.add_worksheet("Prices")
        other.write_row("B2", ["item", "price"])
        other.write_row("B3", ["pen", 1.5])
        other.write_row("B4", ["ink", 2])
        book.add_worksheet("Empty")
    return file.getvalue()


def test_every_sheet_of_a_workbook_is_analyzed(analyze: AnalyzeStructure, tmp_path: Path) -> None:
    found = analyze.of_file([workbook()])
    assert found.format is SourceFormat.WORKBOOK
    sales, prices = (sheet.structure for sheet in found.sheets)
    assert (sales.sheet, prices.sheet) == ("Sales", "Prices")
    (table,) = sales.tables
    assert (table.bbox, table.header_rows, table.title) == (CellRange(2, 0, 5, 2), 2, "Sales report")
    assert [tuple(cell.path) for cell in table.columns] == [("region",), ("2024", "Q1"), ("2024", "Q2")]
    assert prices.tables[0].bbox == CellRange(1, 1, 3, 2)
    assert list((tmp_path / "scratch").iterdir()) == []


def test_one_sheet_may_be_asked_for(analyze: AnalyzeStructure) -> None:
    assert [sheet.structure.sheet for sheet in analyze.of_file([workbook()], sheet="Prices").sheets] == ["Prices"]
    with pytest.raises(InvalidInput, match="no sheet 'Costs'; it has 'Sales', 'Prices'"):
        analyze.of_file([workbook()], sheet="Costs")


def test_text_files_are_analyzed_too(analyze: AnalyzeStructure) -> None:
    found = analyze.of_file([b"Report;;\n;;\nid;name;\n1;a;\n2;b;\n;;\ncode;city;zip\nx;Ulm;89073\ny;Bonn;53111\n"])
    assert found.format is SourceFormat.TEXT
    assert [table.bbox for table in found.sheets[0].structure.tables] == [CellRange(2, 0, 4, 1), CellRange(6, 0, 8, 2)]


def test_files_without_sheets_and_too_large_ones_are_refused(analyze: AnalyzeStructure, tmp_path: Path) -> None:
    for content in (b"", b'{"a": 1}\n{"a": 2}\n', b"PK\x03\x04nothing"):
        with pytest.raises(UnreadableFile):
            analyze.of_file([content])
    with pytest.raises(TooLarge, match="100000"):
        analyze.of_file([b"a,b\n" * 10_000] * 4)
    assert list((tmp_path / "scratch").iterdir()) == []


def test_numbers_and_booleans_of_a_grid_are_read_as_their_texts(analyze: AnalyzeStructure) -> None:
    found = analyze.of_cells([["id", "price", "sold"], [1, 2.5, True], [2, None, False], [None, None, None]])
    assert found.structure.tables[0].bbox == CellRange(0, 0, 2, 2)
    assert found.row_count == 3


def test_grids_of_over_a_million_cells_are_refused(analyze: AnalyzeStructure) -> None:
    row = [None] * 20_000
    with pytest.raises(TooLarge, match="upload the file"):
        analyze.of_cells([row] * 51)
