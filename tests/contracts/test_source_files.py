"""The contract of `SourceFiles`, sentence by sentence, on every format."""
# ruff: noqa: DTZ001 - cells of workbooks and columns of Parquet have no zone

import datetime as dt
import json
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xlsxwriter

from spice_core.adapters.duckdb.table_engine import DuckDBTableEngine
from spice_core.bootstrap.file_readers import source_files_of
from spice_core.domain.sheets import CellRange, FoundTable, HeaderCell, Sheet, TableMode
from spice_core.errors import UnreadableFile
from spice_core.ports.source_files import SourceFiles, SourceFormat, SourceSheets, SourceTable
from spice_core.settings import load_settings

SAMPLES = Path(__file__).parent / "data/workbooks"
Writer = Callable[[xlsxwriter.Workbook], None]


@pytest.fixture(scope="module")
def files() -> SourceFiles:
    return source_files_of(load_settings())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "work"
    found.mkdir()
    return found


@contextmanager
def opened(files: SourceFiles, folder: Path, data: bytes | str | Path, **options: Any) -> Iterator[SourceSheets]:
    path = data
    if not isinstance(path, Path):
        path = folder.parent / "raw"
        path.write_bytes(data.encode() if isinstance(data, str) else data)
    with files.open(path, folder=folder, **options) as sheets:
        yield sheets


def workbook(path: Path, write: Writer, **options: Any) -> Path:
    book = xlsxwriter.Workbook(str(path), options)
    write(book)
    book.close()
    return path


def upright(
    top: int, left: int, bottom: int, right: int, *names: str, header: int = 1, skipped: tuple[int, ...] = ()
) -> FoundTable:
    columns = [HeaderCell(tuple(name.split("/")) if name else (), left + index) for index, name in enumerate(names)]
    return FoundTable(TableMode.TABLE, CellRange(top, left, bottom, right), header, columns, 1.0, "said", skipped_rows=skipped)


def lying(mode: TableMode, top: int, left: int, bottom: int, right: int, *names: str) -> FoundTable:
    columns = [HeaderCell((name,), top + index) for index, name in enumerate(names)]
    return FoundTable(mode, CellRange(top, left, bottom, right), 1, columns, 1.0, "said")


def rows(read: SourceTable) -> list[tuple[Any, ...]]:
    assert all(name == name.strip() and name for name in read.table.columns)
    connection = duckdb.connect()
    found = connection.execute(f"SELECT * FROM read_parquet('{read.table.path}')").fetchall()  # noqa: S608 - a path of the test
    names = [entry[0] for entry in connection.description or ()]
    connection.close()
    assert names == ["__row", *read.table.columns]
    assert len(found) == read.table.row_count
    return found


def whole(files: SourceFiles, folder: Path, data: bytes | str | Path) -> SourceTable:
    with opened(files, folder, data) as sheets:
        return sheets.read_table("", None, into=folder / "table.parquet")


# --- formats by content


def test_a_format_is_told_by_content_whatever_the_name_says(files: SourceFiles, folder: Path, tmp_path: Path) -> None:
    book = workbook(tmp_path / "data.csv", lambda book: book.add_worksheet().write("A1", "x"))
    parquet = tmp_path / "data.xlsx"
    pq.write_table(pa.table({"a": [1]}), parquet)
    for data, expected in [
        (book, SourceFormat.WORKBOOK),
        (parquet, SourceFormat.PARQUET),
        ('{"a": 1}\n', SourceFormat.JSON_LINES),
        ('[\n  {"a": 1}\n]', SourceFormat.JSON_LINES),
        ("\ufeff" + '{"a": 1}', SourceFormat.JSON_LINES),
        ("a,b\n1,2\n", SourceFormat.TEXT),
        ("a\tb\n1\t2\n", SourceFormat.TEXT),
        ("[a],b\n1,2\n", SourceFormat.TEXT),
        ("{a};b\n1;2\n", SourceFormat.TEXT),
    ]:
        with opened(files, folder, data) as sheets:
            assert sheets.format == expected
            assert (sheets.dialect is None) == (expected != SourceFormat.TEXT)


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"", "empty"),
        (b"%PDF-1.7\n", "PDF"),
        (b"\x1f\x8b\x08\0\0\0", "gzip"),
        (b"7z\xbc\xaf\x27\x1c\0\0", "7z"),
        (b"Rar!\x1a\x07\x01\0", "RAR"),
        (b"BZh91AY&SY", "bzip2"),
        (b"\xfd7zXZ\0\0", "xz"),
        (b"\x28\xb5\x2f\xfd\0\0", "Zstandard"),
        (b"\x89PNG\r\n\x1a\n", "image"),
        (b"SQLite format 3\0", "SQLite"),
        (b"ARROW1\0\0", "Arrow"),
        (b"<html><table></table></html>", "page"),
        (b"<?xml version='1.0'?><Workbook/>", "XML"),
        (b"PAR1\0\0\0\0", "cut off"),
        (b"{\n", "JSON"),
    ],
)
def test_other_formats_are_refused_and_named(files: SourceFiles, folder: Path, data: bytes, word: str) -> None:
    with pytest.raises(UnreadableFile, match=word) as error, opened(files, folder, data):
        pass
    assert len(error.value.message) > len(word) + 15  # says what to do, too


# --- text


def test_a_text_is_a_sheet_of_its_records(files: SourceFiles, folder: Path) -> None:
    with opened(files, folder, 'Report\n\na;b\n1;"x\ny"\n2; \n\n\n') as sheets:
        assert sheets.names == ("",)
        found = sheets.sheet("")
    assert found == Sheet("", [["Report"], [], ["a", "b"], ["1", "x\ny"], ["2", None]], 5, [])


def test_a_long_text_shows_its_beginning_its_end_and_its_length(files: SourceFiles, folder: Path) -> None:
    body = "".join(f'{index},"two\nlines ""quoted"" {index}",{index}\n' for index in range(50_000))
    with opened(files, folder, f"id,text,n\n{body}\nSource: us\n") as sheets:
        found = sheets.sheet("")
    assert found.row_count == 50_003
    assert list(found.head[1]) == ["0", 'two\nlines "quoted" 0', "0"]
    assert list(found.tail[-1]) == ["Source: us"]
    assert found.tail[-3][0] == "49999"
    assert 500 <= len(found.head) <= 2000
    assert len(found.tail) == 200


def test_quotes_within_cells_do_not_shorten_a_text(files: SourceFiles, folder: Path) -> None:
    body = "".join(f'{index},pipe of {index % 9}"\n' for index in range(40_001))
    with opened(files, folder, f"id,size\n{body}", delimiter=",") as sheets:
        assert sheets.dialect is not None
        assert sheets.dialect.quote == '"'
        assert sheets.sheet("").row_count == 40_002


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_a_table_of_a_text_is_cut_out_between_preamble_and_footnotes(files: SourceFiles, folder: Path, encoding: str) -> None:
    body = "".join(f"{index};\u00e9;\n" for index in range(5000))
    text = f"Report\n\nid;name;\n{body}Total;5000;\n\nSource: us\n"
    with opened(files, folder, text.encode(encoding)) as sheets:
        assert sheets.sheet("").row_count == 5006
        read = sheets.read_table("", upright(2, 0, 5002, 2, "id", "name", "", skipped=()), into=folder / "t.parquet")
    found = rows(read)
    assert read.table.columns == ("id", "name", "column_3")
    assert found[0] == (1, "0", "\u00e9", None)
    assert found[-1] == (5000, "4999", "\u00e9", None)
    assert any("column 3 has no name" in note for note in read.notes)


def test_skipped_and_empty_rows_of_a_text_are_left_out_and_ragged_ones_rejected_with_their_lines(
    files: SourceFiles, folder: Path
) -> None:
    text = "About\n\na,b\n1,2\n3,4,5\nTotal,6\n,\na,b\n7,8\nonly\n\nnote, with comma\n"
    with opened(files, folder, text) as sheets:
        read = sheets.read_table("", upright(2, 0, 9, 1, "a", "b", skipped=(5, 7)), into=folder / "t.parquet")
    assert rows(read) == [(1, "1", "2"), (2, "7", "8")]
    assert read.table.reject_count == 2
    assert [(reject.line, reject.text) for reject in read.table.rejects] == [(5, "3,4,5"), (10, "only")]


def test_a_table_of_a_text_may_end_in_the_middle(files: SourceFiles, folder: Path) -> None:
    text = "id,text\n" + "".join(f'{index},"two\nlines"\n' for index in range(30_000))
    with opened(files, folder, text) as sheets:
        read = sheets.read_table("", upright(0, 0, 12_000, 1, "id", "text"), into=folder / "t.parquet")
    assert rows(read)[-1] == (12_000, "11999", "two\nlines")


def test_tables_beside_each_other_are_read_one_by_one(files: SourceFiles, folder: Path) -> None:
    with opened(files, folder, "a,b,,c,d\n1,2,,3,4\n5,6,,,\n") as sheets:
        left = rows(sheets.read_table("", upright(0, 0, 2, 1, "a", "b"), into=folder / "l.parquet"))
        right = rows(sheets.read_table("", upright(0, 3, 2, 4, "c", "d"), into=folder / "r.parquet"))
    assert left == [(1, "1", "2"), (2, "5", "6")]
    assert right == [(1, "3", "4")]


def test_what_is_said_of_a_text_overrules_its_look(files: SourceFiles, folder: Path) -> None:
    with opened(files, folder, "a;b,c\n1;2,3\n", delimiter=",", has_header=False) as sheets:
        assert rows(sheets.read_table("", None, into=folder / "t.parquet")) == [(1, "a;b", "c"), (2, "1;2", "3")]


# --- tables that lie


@pytest.mark.parametrize("is_workbook", [False, True])
def test_transposed_tables_and_properties_are_turned(files: SourceFiles, folder: Path, tmp_path: Path, is_workbook: bool) -> None:
    cells = [
        ["Plan", "", ""],
        ["year", "2023", "2024"],
        ["sales", "5", "6"],
        ["", "", ""],
        ["Owner:", "ann", ""],
        ["Unit", "", "EUR"],
    ]
    data: Path | str = "".join(",".join(row) + "\n" for row in cells)
    if is_workbook:
        data = workbook(
            tmp_path / "a",
            lambda book: [sheet.write_row(r, 0, row) for sheet in [book.add_worksheet("")] for r, row in enumerate(cells)],
        )
    with opened(files, folder, data) as sheets:
        name = sheets.names[0]
        turned = sheets.read_table(name, lying(TableMode.TRANSPOSED, 1, 0, 2, 2, "year", "sales"), into=folder / "a.parquet")
        pairs = sheets.read_table(name, lying(TableMode.PROPERTY, 4, 0, 5, 2, "Owner", "Unit"), into=folder / "b.parquet")
    assert rows(turned) == [(2, "2023", "5"), (3, "2024", "6")]
    assert rows(pairs) == [(5, "ann", "EUR")]


# --- workbooks


def test_cells_of_a_workbook_are_what_a_person_reads(files: SourceFiles, folder: Path, tmp_path: Path) -> None:
    def write(book: xlsxwriter.Workbook) -> None:
        sheet = book.add_worksheet("cells")
        day, moment, clock, hours = (
            book.add_format({"num_format": text}) for text in ("yyyy-mm-dd", "yyyy-mm-dd hh:mm:ss", "hh:mm", "[h]:mm")
        )
        sheet.write_row(0, 0, [12.0, 0.1 + 0.2, 1e20, 1e-7, 9007199254740991, 1.5, -3])
        sheet.write_boolean(1, 0, True)
        sheet.write_boolean(1, 1, False)
        sheet.write_datetime(2, 0, dt.datetime(2024, 1, 31), day)
        sheet.write_datetime(2, 1, dt.datetime(2024, 1, 31, 12, 30, 15), moment)
        sheet.write_datetime(2, 2, dt.time(12, 30), clock)
        sheet.write_number(2, 3, 1.5, hours)
        sheet.write_formula(3, 0, "=2+3", None, 5)
        sheet.write_formula(3, 1, '=HYPERLINK("http://example.com")', None, "shown")
        sheet.write_string(4, 0, "=1+1")
        sheet.write_string(4, 1, "01234")
        sheet.merge_range(5, 1, 6, 2, "merged")

    with opened(files, folder, workbook(tmp_path / "a", write)) as sheets:
        found = sheets.sheet("cells")
    cells = [[cell for cell in row if cell is not None] for row in found.head]
    assert cells[0] == ["12", "0.3", "100000000000000000000", "0.0000001", "9007199254740991", "1.5", "-3"]
    assert cells[1] == ["true", "false"]
    assert cells[2] == ["2024-01-31", "2024-01-31T12:30:15", "12:30:00", "36:00:00"]
    assert cells[3] == ["5", "shown"]
    assert cells[4] == ["=1+1", "01234"]
    assert found.head[5][:3] == (None, "merged", None)
    assert found.merged == (CellRange(5, 1, 6, 2),)
    assert found.row_count == 6


def test_errors_in_cells_are_their_text(files: SourceFiles, folder: Path, tmp_path: Path) -> None:
    def write(book: xlsxwriter.Workbook) -> None:
        sheet = book.add_worksheet("Q&A")
        sheet.write_row(0, 1, ["share", "found"])
        for row, (share, found) in enumerate([("#DIV/0!", "#N/A"), (0.5, "x"), ("#REF!", "#NAME?")], start=1):
            sheet.write_formula(row, 1, '=B1/"<0>"', None, share)
            sheet.write_formula(row, 2, "=VLOOKUP(A1,B:C,2)", None, found)

    with opened(files, folder, workbook(tmp_path / "a", write)) as sheets:
        assert [row[1:] for row in sheets.sheet("Q&A").head[1:]] == [("#DIV/0!", "#N/A"), ("0.5", "x"), ("#REF!", "#NAME?")]


def test_dates_count_from_1904_where_the_workbook_does(files: SourceFiles, folder: Path, tmp_path: Path) -> None:
    def write(book: xlsxwriter.Workbook) -> None:
        book.add_worksheet("d").write_datetime("A1", dt.datetime(2024, 2, 29), book.add_format({"num_format": "yyyy-mm-dd"}))

    with opened(files, folder, workbook(tmp_path / "a", write, date_1904=True)) as sheets:
        assert sheets.sheet("d").head == [("2024-02-29",)]


def test_hidden_and_empty_sheets_are_left_out_and_the_order_is_the_sources(
    files: SourceFiles, folder: Path, tmp_path: Path
) -> None:
    def write(book: xlsxwriter.Workbook) -> None:
        for name in ("second", "hidden", "empty", "a/b", "first"[::-1]):
            sheet = book.add_worksheet(name.replace("/", "-"))
            if name != "empty":
                sheet.write("B2", name)
            if name == "hidden":
                sheet.hide()

    with opened(files, folder, workbook(tmp_path / "a", write)) as sheets:
        assert sheets.names == ("second", "a-b", "tsrif")
        with pytest.raises(UnreadableFile, match="hidden"):
            sheets.sheet("hidden")


@pytest.mark.parametrize(("name", "duration"), [("base.xls", "255:10:10"), ("base.xlsb", "255:10:10"), ("base.ods", "255:10:10")])
def test_workbooks_of_every_program_are_read_alike(files: SourceFiles, folder: Path, name: str, duration: str) -> None:
    with opened(files, folder, SAMPLES / name) as sheets:
        assert "Sheet1" in sheets.names
        found = sheets.sheet("Sheet1").head[1]
    assert found[:6] == ("String", "1", "1.1", "true", "false", "2010-10-10")
    assert found[6:] == ("2010-10-10T10:10:10", "10:10:10", "10:10:10.100", duration)


@pytest.mark.parametrize("name", ["any_sheets.xls", "any_sheets.ods"])
def test_sheets_that_are_hidden_or_charts_are_left_out_of_older_formats(files: SourceFiles, folder: Path, name: str) -> None:
    with opened(files, folder, SAMPLES / name) as sheets:
        assert sheets.names == ("Visible",)


def test_a_table_of_a_worksheet_keeps_the_rows_of_the_sheet(files: SourceFiles, folder: Path, tmp_path: Path) -> None:
    def write(book: xlsxwriter.Workbook) -> None:
        sheet = book.add_worksheet("s")
        sheet.write("B1", "Sales of 2024")
        sheet.write_row("B3", ["Region", "North", "North"])
        sheet.write_row("B4", ["", "units", "units"])
        for row in range(4, 6_004):
            sheet.write_row(row, 1, [f"r{row}", row, row / 2] if row != 10 else ["", " ", ""])
        sheet.write("B6007", "Source: us")

    with opened(files, folder, workbook(tmp_path / "a", write)) as sheets:
        seen = sheets.sheet("s")
        table = upright(2, 1, 6_003, 3, "Region", "North/units", "North/units", header=2, skipped=(20,))
        read = sheets.read_table("s", table, into=folder / "t.parquet")
    found = rows(read)
    assert read.table.columns == ("Region", "North / units", "North / units_2")
    assert found[0] == (5, "r4", "4", "2")
    assert [row[0] for row in found] == [row + 1 for row in range(4, 6_004) if row not in {10, 20}]
    assert (len(seen.head), len(seen.tail), seen.row_count) == (2000, 200, 6_007)
    assert seen.tail[-1][1] == "Source: us"


def test_rows_of_a_cut_table_are_paged_by_place(files: SourceFiles, folder: Path, tmp_path: Path) -> None:
    book = workbook(tmp_path / "a", lambda book: book.add_worksheet("s").write_column("A1", ["n", *range(50)]))
    with opened(files, folder, book) as sheets:
        read = sheets.read_table("s", upright(0, 0, 50, 0, "n", skipped=(1, 2, 3)), into=folder / "t.parquet")
    engine = DuckDBTableEngine(memory="300MB", scratch=tmp_path / "scratch")
    page = [row for batch in engine.rows(read.table.path, ["n"], offset=10, limit=3) for row in batch]
    engine.close()
    assert [row["n"] for row in page] == ["13", "14", "15"]


# --- JSON


def test_json_objects_become_rows_with_the_keys_of_all_in_first_seen_order(files: SourceFiles, folder: Path) -> None:
    lines = [
        '{"b": 1.10, "a": "x"}',
        "",
        '{"a": null, "c": {"k": [1, 2.50, "\u00e9"]}}',
        '{"b": 12345678901234567890123, "d": true}',
    ]
    read = whole(files, folder, "\n".join(lines))
    assert read.table.columns == ("b", "a", "c", "d")
    assert rows(read) == [
        (1, "1.10", "x", None, None),
        (2, None, None, '{"k":[1,2.50,"\u00e9"]}', None),
        (3, "12345678901234567890123", None, None, "true"),
    ]


def test_a_json_array_of_objects_is_read_as_lines_are(files: SourceFiles, folder: Path) -> None:
    records = [{"id": index, "text": f'q"{index}', **({"late": "v"} if index == 20_000 else {})} for index in range(30_000)]
    as_array = whole(files, folder, json.dumps(records, indent=1))
    first = rows(as_array)
    as_lines = whole(files, folder, "\n".join(map(json.dumps, records)))
    assert as_array.table.columns == as_lines.table.columns == ("id", "text", "late")
    assert first == rows(as_lines)
    assert first[20_000] == (20_001, "20000", 'q"20000', "v")


def test_lines_that_are_no_json_objects_are_rejected_with_their_numbers(files: SourceFiles, folder: Path) -> None:
    lines = [b'{"a": 1}', b'{"a": ', b"[1]", b'{"a": "\xff"}', b'{"a": "\\ud800"}', b'{"a": "\\u0000"}', b'{"a": "\\\\u0000"}']
    lines += [b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", b'{"a": 2}']
    read = whole(files, folder, b"\n".join(lines))
    assert rows(read) == [(1, "1"), (2, "\\u0000"), (3, "2")]
    assert read.table.reject_count == 6
    found = [(reject.line, reject.reason) for reject in read.table.rejects]
    assert found == [
        (2, "no JSON"),
        (3, "no JSON object"),
        (4, "bytes that are no text in UTF-8"),
        (5, "half of a character (an unpaired surrogate)"),
        (6, "a NUL character"),
        (8, "nested too deeply"),
    ]


@pytest.mark.parametrize(
    ("data", "word"),
    [
        ('[{"a": 1},\n{"a": 2}\n{"a": 3}]', "line 3"),
        ('[{"a": 1}', "missing"),
        ('[{"a": 1}] tail', "more follows"),
        ("[]", "no|Nothing"),
        ("[1, 2, 3]", "Nothing"),
        ('{"type": "x",\n "features": []\n}', "one object per line"),
        ("[" + '{"a":' * 100_000, "deeply"),
        ("\n".join(json.dumps({f"id{index}": 1}) for index in range(1001)), "1000 different keys"),
    ],
)
def test_json_that_is_no_table_is_refused_with_what_to_do(files: SourceFiles, folder: Path, data: str, word: str) -> None:
    with pytest.raises(UnreadableFile, match=word):
        whole(files, folder, data)


# --- Parquet


def test_a_parquet_file_keeps_its_types(files: SourceFiles, folder: Path, tmp_path: Path) -> None:
    columns: dict[str, tuple[pa.DataType, Any, str | None]] = {
        "i": (pa.int32(), -5, "integer"),
        "u": (pa.uint64(), 2**64 - 1, "decimal"),
        "f": (pa.float64(), 0.1, "double"),
        "dec": (pa.decimal128(10, 3), Decimal("12.500"), "decimal"),
        "b": (pa.bool_(), True, "boolean"),
        "d": (pa.date32(), dt.date(2024, 2, 29), "date"),
        "ts": (pa.timestamp("us"), dt.datetime(2024, 2, 29, 12, 30, 0, 123_000), "dateTime"),
        "zoned": (pa.timestamp("ms", tz="Asia/Seoul"), dt.datetime(2024, 2, 29, 12, tzinfo=dt.UTC), "dateTime"),
        "t": (pa.time64("us"), dt.time(12, 30), "time"),
        "s": (pa.string(), "01234", "string"),
        "nested": (pa.list_(pa.struct([("k", pa.int64())])), [{"k": 1}], None),
        "bytes": (pa.binary(), b"\0\xff", None),
    }
    path = tmp_path / "a.csv"
    arrays = [pa.array([value, None], kind) for kind, value, _ in columns.values()]
    pq.write_table(pa.table(arrays, names=list(columns)), path)
    read = whole(files, folder, path)
    assert read.types == {name: stated for name, (_, _, stated) in columns.items() if stated is not None}
    assert rows(read)[1] == (2, *[None] * len(columns))
    texts = dict(zip(read.table.columns, rows(read)[0][1:], strict=True))
    assert (texts["s"], texts["nested"], texts["bytes"]) == ("01234", '[{"k":1}]', "AP8=")
    assert any("base64" in note for note in read.notes)
    readings = {"integer": "number_us", "decimal": "number_us", "double": "number_us", "boolean": "boolean", "date": "date_ymd"}
    readings |= {"dateTime": "date_time_ymd", "time": "time"}
    how = {name: {"reading": readings[stated], "scale": 3} for name, stated in read.types.items() if stated != "string"}
    engine = DuckDBTableEngine(memory="300MB", scratch=tmp_path / "scratch")
    assert engine.cast(read.table.path, dict(read.types), dialect_of=how, into=folder / "typed.parquet") == 0
    typed = next(engine.rows(folder / "typed.parquet", list(read.types)))[0]
    engine.close()
    assert typed["i"] == -5
    assert (typed["u"], typed["dec"], typed["f"]) == (2**64 - 1, Decimal("12.5"), 0.1)
    assert typed["ts"] == dt.datetime(2024, 2, 29, 12, 30, 0, 123_000, tzinfo=dt.UTC)
    assert typed["zoned"] == dt.datetime(2024, 2, 29, 12, tzinfo=dt.UTC)
    assert (typed["b"], typed["d"], typed["s"]) == (True, dt.date(2024, 2, 29), "01234")


@pytest.mark.parametrize("data", ['{"a": 1}\n{"a": 2}\n', "parquet"])
def test_a_format_of_one_table_shows_it_as_a_sheet(files: SourceFiles, folder: Path, tmp_path: Path, data: str) -> None:
    path = tmp_path / "p"
    if data == "parquet":
        pq.write_table(pa.table({"a": [1, 2]}), path)
    else:
        path.write_text(data)
    with opened(files, folder, path) as sheets:
        assert sheets.sheet("") == Sheet("", [("a",), ("1",), ("2",)], 3, [])
        with pytest.raises(UnreadableFile, match="whole"):
            sheets.read_table("", upright(0, 0, 2, 0, "a"), into=folder / "t.parquet")


# --- bounds


def test_there_is_nothing_but_the_work_folder_to_remove(files: SourceFiles, folder: Path, tmp_path: Path) -> None:
    book = workbook(tmp_path / "a", lambda book: book.add_worksheet("s").write_column("A1", ["n", 1, 2]))
    for data in (book, "a;\u00e9\n1;2\n".encode("cp1252"), '{"a": 1}', b"not \xff\xfe\0 anything"):
        before = {*tmp_path.iterdir(), tmp_path / "raw"}
        try:
            with opened(files, folder, data) as sheets:
                sheets.sheet(sheets.names[0])
        except UnreadableFile:
            pass
        assert {*tmp_path.iterdir(), tmp_path / "raw"} == before


def test_memory_does_not_grow_with_a_long_file(folder: Path, tmp_path: Path) -> None:
    """A hundred megabytes under a limit of eighty: what is not streamed does not fit."""
    files = source_files_of(load_settings(duckdb_memory="80MB"))
    generator = random.Random(7)
    block = "".join(f"{index},{generator.getrandbits(320):080x}\n" for index in range(1000))
    path = tmp_path / "long.csv"
    with path.open("w") as file:
        file.write("id,text\n")
        file.writelines(block for _ in range(1200))
    with opened(files, folder, path) as sheets:
        assert sheets.sheet("").row_count == 1_200_001
        read = sheets.read_table("", upright(0, 0, 1_200_000, 1, "id", "text"), into=folder / "t.parquet")
    assert read.table.row_count == 1_200_000
