"""Texts as they come: line ends, quotes that are not closed, and what somebody says of a text's layout."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from spice_core.adapters.duckdb.table_engine import DuckDBTableEngine
from spice_core.bootstrap.file_readers import source_files_of
from spice_core.errors import UnreadableFile
from spice_core.ports.source_files import SourceFormat
from spice_core.ports.table_engine import TableEngine, TextTable
from spice_core.settings import load_settings

PIPES = 30


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[TableEngine]:
    found = DuckDBTableEngine(memory="300MB", scratch=tmp_path / "scratch")
    yield found
    found.close()


def read(engine: TableEngine, folder: Path, data: str, **said: Any) -> TextTable:
    path = folder / "table.csv"
    path.write_bytes(data.encode())
    return engine.read_text_table(path, engine.sniff(path, **said), into=folder / "text.parquet")


def rows(engine: TableEngine, table: TextTable) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for batch in engine.rows(table.path, table.columns) for row in batch]


@pytest.mark.parametrize(
    ("ends", "rejected"),
    [
        (("\r\n", "\n", "\n", "\n"), []),
        (("\n", "\n", "\n", "\r\n"), []),
        (("\r\n", "\r\n", "\n", "\r\n"), []),
        (("\r\r\n", "\r\r\n", "\r\r\n", "\r\r\n"), []),
        (("\n", "\r", "\n", "\r\n"), []),
        (("\n", "\n", "\n", "\rtail\n"), [(5, "tail")]),
    ],
)
def test_lines_may_end_in_several_ways(engine: TableEngine, tmp_path: Path, ends: tuple[str, ...], rejected: list[Any]) -> None:
    lines = ("id,name", '1,"a, b"', "2,x", "3,y")
    table = read(engine, tmp_path, "".join(line + end for line, end in zip(lines, ends, strict=True)))
    assert table.columns == ("id", "name")
    assert rows(engine, table) == [("1", "a, b"), ("2", "x"), ("3", "y")]
    assert [(reject.line, reject.text) for reject in table.rejects] == rejected


@pytest.mark.parametrize(("end", "inner"), [("\n", "\r\n"), ("\r\n", "\n"), ("\n", "\r")])
def test_line_ends_between_quotes_stay_what_they_are(engine: TableEngine, tmp_path: Path, end: str, inner: str) -> None:
    table = read(engine, tmp_path, end.join(["id,note", f'1,"a{inner}b"', "2,c", ""]))
    assert rows(engine, table) == [("1", f"a{inner}b"), ("2", "c")]


def open_quotes(count: int) -> str:
    broken = [f'{n},"name {n},{n}' if n % 3 == 1 and n < 3 * count else f'{n},"name {n}",{n}' for n in range(100)]
    return "\n".join(["id,name,n", *broken, ""])


def test_every_line_with_an_open_quote_is_counted_or_the_file_is_refused(engine: TableEngine, tmp_path: Path) -> None:
    table = read(engine, tmp_path, open_quotes(20))
    assert (table.row_count, table.reject_count) == (80, 20)
    with pytest.raises(UnreadableFile, match="Line 63 opens a quote"):
        read(engine, tmp_path, open_quotes(25))


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_any_number_of_quotes_that_are_closed_too_early_cost_their_own_lines(
    engine: TableEngine, tmp_path: Path, end: str
) -> None:
    lines = [line for n in range(PIPES) for line in (f'{n},"wide" pipe,{n}', f"{n},pipe,{n}")]
    table = read(engine, tmp_path, end.join(["id,name,n", *lines, ""]))
    assert (table.row_count, table.reject_count) == (PIPES, PIPES)


@pytest.mark.parametrize(
    "cells",
    [
        ["time", *(f"{hour}:30" for hour in range(8, 20))],
        ["url", *(f"http://example.org/{n}" for n in range(12))],
        ["note", *(f"a{n};b{n};c" for n in range(12))],
        ["when", *(f"2024-01-{n:02} 12:{n:02}" for n in range(1, 13))],
        ["What do you think of it", "I think it is good", "We think it is bad", "fine"],
    ],
)
@pytest.mark.parametrize("has_header", [None, True])
def test_the_rest_is_found_for_the_delimiter_that_is_said(
    engine: TableEngine, tmp_path: Path, cells: list[str], *, has_header: bool | None
) -> None:
    table = read(engine, tmp_path, "\n".join([*cells, ""]), delimiter=",", has_header=has_header)
    assert table.columns == (cells[0],)
    assert rows(engine, table) == [(cell,) for cell in cells[1:]]


@pytest.mark.parametrize(
    ("data", "columns", "first"),
    [
        ("1,2\n3,4\n5,6\n", ("1", "2"), ("3", "4")),
        ("a,b\n1,2,3,4\n5,6,7,8\n9,0,1,2\n", ("a", "b", "column_3", "column_4"), ("1", "2", "3", "4")),
        ("Sales\nitem,2024-01-01,2024-02-01\nx,1,2\ny,3,4\n", ("item", "2024-01-01", "2024-02-01"), ("x", "1", "2")),
        ("Sales,,\nitem,2024-01-01,2024-02-01\nx,1,2\ny,3,4\n", ("item", "2024-01-01", "2024-02-01"), ("x", "1", "2")),
    ],
)
def test_a_header_that_is_said_is_the_first_line_or_the_one_below_titles(
    engine: TableEngine, tmp_path: Path, data: str, columns: tuple[str, ...], first: tuple[str, ...]
) -> None:
    table = read(engine, tmp_path, data, has_header=True)
    assert (table.columns, rows(engine, table)[0]) == (columns, first)


@pytest.mark.parametrize("said", [{"delimiter": ";"}, {"has_header": True}, {"has_header": False}])
@pytest.mark.parametrize("kind", [SourceFormat.PARQUET, SourceFormat.JSON_LINES])
def test_what_is_said_of_a_text_says_nothing_of_other_formats(tmp_path: Path, kind: SourceFormat, said: dict[str, Any]) -> None:
    path = tmp_path / "raw"
    if kind is SourceFormat.PARQUET:
        pq.write_table(pa.table({"a": [1, 2]}), path)
    else:
        path.write_text("".join(json.dumps({"a": n}) + "\n" for n in range(2)))
    with source_files_of(load_settings()).open(path, folder=tmp_path, **said) as sheets:
        assert sheets.format is kind
        assert sheets.read_table("", None, into=tmp_path / "table.parquet").table.row_count == 2
