"""The contract of `TableEngine`, sentence by sentence."""

import random
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from spice_core.adapters.duckdb.connections import connect
from spice_core.adapters.duckdb.table_engine import DuckDBTableEngine
from spice_core.adapters.duckdb.unique_keys import unique_keys
from spice_core.domain.shards import WHOLE
from spice_core.errors import Closed, UnreadableFile
from spice_core.ports.table_engine import RowChange, TableEngine, TextTable


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[TableEngine]:
    found = DuckDBTableEngine(memory="300MB", scratch=tmp_path / "scratch")
    yield found
    found.close()


def read(engine: TableEngine, tmp_path: Path, data: bytes | str) -> TextTable:
    path = tmp_path / "table.csv"
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return engine.read_text_table(path, engine.sniff(path), into=tmp_path / "text.parquet")


def rows(engine: TableEngine, table: TextTable) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for batch in engine.rows(table.path, table.columns) for row in batch]


def typed(engine: TableEngine, path: Path, data: list[tuple[Any, ...]], ddl: str) -> Path:
    connection = duckdb.connect()
    connection.execute(f"CREATE TABLE t ({ddl})")
    if data:
        marks = ", ".join("?" * len(data[0]))
        connection.executemany(f"INSERT INTO t VALUES ({marks})", data)  # noqa: S608 - question marks only
    rows_of_t = "SELECT row_number() OVER () AS __row, * FROM t"
    connection.execute(f"COPY ({rows_of_t}) TO '{path}' (FORMAT parquet)")
    connection.close()
    return path


@pytest.mark.parametrize(
    ("data", "delimiter", "header", "columns", "first"),
    [
        ("a,b\n1,2\n3,4\n", ",", 0, ("a", "b"), ("1", "2")),
        ("a;b\n1,5;2\n2,5;3\n", ";", 0, ("a", "b"), ("1,5", "2")),
        ("a\tb\n1\t2\n", "\t", 0, ("a", "b"), ("1", "2")),
        ("a|b|c\nx|y|z\n", "|", 0, ("a", "b", "c"), ("x", "y", "z")),
        ("1,2,3\n4,5,6\n", ",", None, ("column_1", "column_2", "column_3"), ("1", "2", "3")),
        ("name\nann\nbob\n", ",", 0, ("name",), ("ann",)),
        ("a,b\r1,2\r3,4\r", ",", 0, ("a", "b"), ("1", "2")),
        ("a,b\r\n1,2\r\n3,4\r\n", ",", 0, ("a", "b"), ("1", "2")),
        ("a,b\n1,2", ",", 0, ("a", "b"), ("1", "2")),
        ("'a','b'\n'x, y',1\n'z',2\n", ",", 0, ("a", "b"), ("x, y", "1")),
        ('"a\nb",c\n1,2\n', ",", 0, ("a b", "c"), ("1", "2")),
        ('He said "hi there\nid,v\n1,2\n3,4\n5,6\n', ",", 1, ("id", "v"), ("1", "2")),
        ("Report\n\nmade by x, on y\nid;name;sum\n1;ann;3,50\n2;bob;4,20\n", ";", 3, ("id", "name", "sum"), ("1", "ann", "3,50")),
    ],
)
def test_the_dialect_is_found(
    engine: TableEngine,
    tmp_path: Path,
    data: str,
    *,
    delimiter: str,
    header: int | None,
    columns: tuple[str, ...],
    first: tuple[str, ...],
):
    table = read(engine, tmp_path, data)
    dialect = engine.sniff(tmp_path / "table.csv")
    assert (dialect.delimiter, dialect.header_row, table.columns) == (delimiter, header, columns)
    assert rows(engine, table)[0] == first
    assert table.reject_count == 0


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        ("name,n\nänn,1\n한,2\n".encode("utf-8-sig"), "utf-8-sig"),
        ("name,n\nänn,1\n한,2\n".encode("utf-16"), "utf-16"),
        ("name,n\nann,1\nbob,2\n".encode("utf-16-le"), "utf-16-le"),
        (("이름,나이\n" + "홍길동,30\n김철수,22\n" * 9).encode("cp949"), "cp949"),
        (("名前,年齢\n" + "山田太郎,30\nすずき,22\n" * 9).encode("cp932"), "cp932"),
        ("Name,Ort\nMüller,Köln\nJosé,Café\n".encode("cp1252"), "cp1252"),
    ],
)
def test_every_encoding_is_read_as_the_text_it_means(engine: TableEngine, tmp_path: Path, data: bytes, encoding: str):
    table = read(engine, tmp_path, data)
    assert engine.sniff(tmp_path / "table.csv").encoding == encoding
    lines = data.decode(encoding).splitlines()
    assert [",".join(table.columns), *(",".join(row) for row in rows(engine, table))] == lines


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"", "empty"),
        (b"\n\n  \n", "empty"),
        (bytes(range(256)) * 10, "binary"),
        (b"a,b\n1,\x002\n", "binary"),
        (b"PK\x03\x04rest", "Excel"),
        (b"%PDF-1.7", "PDF"),
        (b'{"a": 1}\n', "JSON"),
        (b"<!DOCTYPE html><p>", "XML"),
        (b"x" * 3_000_000, "Line 1"),
        (",".join(f"c{i}" for i in range(5000)).encode() + b"\n", "5000 columns"),
        (("a,b\n" * 300_000 + "x\0,1\n").encode(), "Line 300001"),
    ],
)
def test_what_is_no_table_is_refused_and_says_why(engine: TableEngine, tmp_path: Path, data: bytes, word: str):
    with pytest.raises(UnreadableFile, match=word):
        read(engine, tmp_path, data)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_ragged_rows_are_rejected_one_by_one_with_line_and_reason(engine: TableEngine, tmp_path: Path, end: str):
    table = read(engine, tmp_path, 'a,b,c\n1,2,3\n4,5\n6,7,8,9\n10,11,12\n"x\ny",2,3\n1,2\n'.replace("\n", end))
    assert rows(engine, table) == [("1", "2", "3"), ("10", "11", "12"), (f"x{end}y", "2", "3")]
    assert (table.row_count, table.reject_count) == (3, 3)
    assert [(row.line, row.text) for row in table.rejects] == [(3, "4,5"), (4, "6,7,8,9"), (8, "1,2")]
    assert ["fewer" in row.reason for row in table.rejects] == [True, False, True]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_quote_that_is_not_closed_costs_its_own_line_only(engine: TableEngine, tmp_path: Path, end: str):
    table = read(engine, tmp_path, 'a,b\n0,"ok"\n1,"x\n2,y\n3,z\n4,"w\n5,v\n'.replace("\n", end))
    assert [row[0] for row in rows(engine, table)] == ["0", "2", "3", "5"]
    assert [(row.line, row.text, "quote" in row.reason) for row in table.rejects] == [(3, '1,"x', True), (6, '4,"w', True)]


def test_duplicate_reserved_and_empty_headers_become_unique_names(engine: TableEngine, tmp_path: Path):
    table = read(engine, tmp_path, "id,ID,id,,__row\n1,2,3,4,x\n")
    assert len({name.casefold() for name in table.columns}) == 5
    assert table.columns[0] == "id"
    assert not any(name.startswith("__") for name in table.columns)
    assert rows(engine, table) == [("1", "2", "3", "4", "x")]


def test_rows_come_in_file_order_in_batches_from_an_offset(engine: TableEngine, tmp_path: Path):
    table = read(engine, tmp_path, "n\n" + "".join(f"{n}\n" for n in range(1, 5001)))
    batches = list(engine.rows(table.path, ["n", "__row"], offset=10, limit=2500, batch=1000))
    assert [len(batch) for batch in batches] == [1000, 1000, 500]
    assert [row["n"] for batch in batches for row in batch] == [str(n) for n in range(11, 2511)]
    assert batches[0][0]["__row"] == 11


def test_a_profile_counts_exactly_on_small_and_large_tables(engine: TableEngine, tmp_path: Path):
    generator = random.Random(7)
    lines = [f"{n},{generator.choice(['1', '2', '01', '', 'NA'])},{n % 28 + 1}/1/2024" for n in range(30_000)]
    table = read(engine, tmp_path, "id,code,day\n" + "\n".join(lines) + "\n31/1/2024,x,31/1/2024\n")
    facts = engine.profile(table.path, table.columns)
    codes = [line.split(",")[1] for line in lines] + ["x"]
    assert facts["code"]["total"] == 30_001
    assert facts["code"]["empty"] == codes.count("")
    assert facts["code"]["null_words"] == {"NA": codes.count("NA")}
    assert facts["code"]["marks"]["leading_zero"] == codes.count("01")
    assert facts["code"]["fits"]["number_us"] == sum(code.isdigit() for code in codes)
    assert facts["id"]["fits"]["number_us"] == 30_000
    assert facts["day"]["fits"]["date_dmy"] == 30_001
    assert facts["day"]["fits"]["date_mdy"] == sum(n % 28 + 1 <= 12 for n in range(30_000))
    assert facts["day"]["distinct"] == 29


@pytest.mark.parametrize("column", ["c0", "n", "length", "total"])
def test_a_profile_counts_by_trimmed_text_whatever_the_column_is_called(engine: TableEngine, tmp_path: Path, column: str):
    table = read(engine, tmp_path, f"{column},b\n" + "a,1\n a,2\na ,3\nb,4\n" * 1100)
    facts = engine.profile(table.path, table.columns)[column]
    assert (facts["distinct"], facts["values"], facts["max_length"]) == (2, [["a", 3300], ["b", 1100]], 1)


def test_a_cast_keeps_the_text_of_what_does_not_fit(engine: TableEngine, tmp_path: Path):
    table = read(engine, tmp_path, "n,d,t,s\n1,1.50,2024-01-31T10:00:00.123Z,a\nx,2.555,NA,b\n,3,nope,\n")
    types = {"n": "integer", "d": "decimal", "t": "dateTime", "s": "string"}
    how = {
        "n": {"reading": "number_us"},
        "d": {"reading": "number_us", "scale": 2},
        "t": {"reading": "date_time_ymd", "null_words": ["NA"]},
    }
    into = tmp_path / "typed.parquet"
    assert engine.cast(table.path, types, dialect_of=how, into=into) == 3
    found = [row for batch in engine.rows(into, ["__row", *types, "__rejects"]) for row in batch]
    assert [tuple(row.values()) for row in found] == [
        (1, 1, Decimal("1.50"), datetime(2024, 1, 31, 10, 0, 0, 123000, tzinfo=UTC), "a", None),
        (2, None, None, None, "b", '{"n":"x","d":"2.555"}'),
        (3, None, Decimal("3.00"), None, None, '{"t":"nope"}'),
    ]


@pytest.mark.parametrize(
    ("text", "type_name", "reading", "value"),
    [
        ("1,234.50", "decimal", "number_us", Decimal("1234.50")),
        ("1.234,5", "decimal", "number_eu", Decimal("1234.50")),
        ("(12.50)", "decimal", "number_us", Decimal("-12.50")),
        ("$1,234", "integer", "number_us", 1234),
        ("-7", "integer", "number_us", -7),
        ("1 234", "integer", "number_space", 1234),
        ("2.5e3", "double", "number_us", 2500.0),
        ("31.12.2024", "date", "date_dmy", date(2024, 12, 31)),
        ("12/31/24", "date", "date_mdy", date(2024, 12, 31)),
        ("2024년 1월 2일", "date", "date_ymd", date(2024, 1, 2)),
        ("1 Feb 2024", "date", "date_named", date(2024, 2, 1)),
        ("1/2/2024 3:04 PM", "dateTime", "date_time_mdy", datetime(2024, 1, 2, 15, 4, tzinfo=UTC)),
        ("2024-01-02T03:04:05+09:00", "dateTime", "date_time_ymd", datetime(2024, 1, 1, 18, 4, 5, tzinfo=UTC)),
        ("아니오", "boolean", "boolean", False),
        ("9:05", "time", "time", "09:05:00"),
    ],
)
def test_values_are_read_as_their_reading_says(
    engine: TableEngine, tmp_path: Path, text: str, type_name: str, *, reading: str, value: object
):
    table = read(engine, tmp_path, f'c,d\n"{text}",x\n')
    how = {"c": {"reading": reading, "scale": 2}}
    assert engine.cast(table.path, {"c": type_name}, dialect_of=how, into=tmp_path / "typed.parquet") == 0
    assert next(iter(engine.rows(tmp_path / "typed.parquet", ["c"])))[0]["c"] == value


def test_percentages_are_divided(engine: TableEngine, tmp_path: Path):
    table = read(engine, tmp_path, "c,d\n12.5%,x\n0.5,y\n")
    how = {"c": {"reading": "number_us", "scale": 1, "percent": True}}
    engine.cast(table.path, {"c": "decimal"}, dialect_of=how, into=tmp_path / "typed.parquet")
    found = [row["c"] for batch in engine.rows(tmp_path / "typed.parquet", ["c"]) for row in batch]
    assert found == [Decimal("0.125"), Decimal("0.5")]


def test_uniqueness_and_key_problems_name_rows(engine: TableEngine, tmp_path: Path):
    table = typed(engine, tmp_path / "t.parquet", [("a", 1), ("b", 1), ("a", 1), (None, 2), ("a", 2)], "k TEXT, n BIGINT")
    assert engine.unique_keys(table, [["k"], ["k", "n"]], most=2) == []
    assert engine.key_problems(table, ["k"]) == (1, 2, [3, 4, 5])
    assert engine.key_problems(table, ["k", "n"], limit=1) == (1, 1, [3])
    clean = typed(engine, tmp_path / "u.parquet", [("a", 1), ("b", 1)], "k TEXT, n BIGINT")
    assert engine.unique_keys(clean, [["k", "n"], ["n"], ["k"]], most=5) == [["k", "n"], ["k"]]
    assert engine.unique_keys(clean, [["k", "n"], ["n"], ["k"]], most=1) == [["k", "n"]]
    assert engine.key_problems(clean, ["k"]) == (0, 0, [])
    assert engine.unique_keys(typed(engine, tmp_path / "e.parquet", [], "k TEXT"), [["k"]], most=1) == [["k"]]


def test_one_late_duplicate_or_null_makes_a_long_key_no_key(engine: TableEngine, tmp_path: Path):
    table = tmp_path / "long.parquet"
    columns = "i, i % 599999 AS late, CASE WHEN i < 599999 THEN i END AS gap, i // 1000 AS a, i % 1000 AS b"
    with duckdb.connect() as connection:
        connection.execute(f"COPY (SELECT {columns} FROM range(600000) r(i)) TO '{table}' (FORMAT parquet)")  # noqa: S608 - its own
    candidates = [["late"], ["gap"], ["a"], ["late", "gap"], ["i"], ["a", "b"]]
    assert engine.unique_keys(table, candidates, most=5) == [["i"], ["a", "b"]]
    assert engine.unique_keys(table, [], most=5) == []


def test_keys_whose_hashes_are_equal_by_chance_are_compared_themselves(tmp_path: Path):
    table = tmp_path / "long.parquet"
    with duckdb.connect() as connection:
        connection.execute(f"COPY (SELECT i, i % 599999 AS late FROM range(600000) r(i)) TO '{table}' (FORMAT parquet)")  # noqa: S608 - its own
        connection.execute("CREATE MACRO hash(value) AS value % 300000")
        assert unique_keys(connection, table, [["late"], ["i"]], 2) == [["i"]]


def test_overlap_counts_rows_whose_reference_is_there(engine: TableEngine, tmp_path: Path):
    left = typed(engine, tmp_path / "l.parquet", [("a", 1), ("a", 2), (None, 1), ("z", 1)], "k TEXT, n BIGINT")
    right = typed(engine, tmp_path / "r.parquet", [("a", 1), ("b", 1), ("a", 1)], "k2 TEXT, n2 BIGINT")
    assert engine.overlap(left, ["k"], other=right, other_columns=["k2"]) == (3, 2)
    assert engine.overlap(left, ["k", "n"], other=right, other_columns=["k2", "n2"]) == (3, 1)


def test_changes_equal_a_comparison_by_hand(engine: TableEngine, tmp_path: Path):
    generator = random.Random(3)
    old = [(str(n), generator.randrange(3), n % 5) for n in range(500) if generator.random() < 0.8]
    new = [(str(n), generator.randrange(3), n % 5) for n in range(100, 600) if generator.random() < 0.8]
    generator.shuffle(new)
    ddl = "k TEXT, v BIGINT, w BIGINT"
    found = [
        change
        for batch in engine.changes(
            typed(engine, tmp_path / "o.parquet", old, ddl),
            typed(engine, tmp_path / "n.parquet", new, ddl),
            key=["k"],
            columns=["k", "v", "w"],
            batch=50,
        )
        for change in batch
    ]
    before = {row[0]: dict(zip("kvw", row, strict=True)) for row in old}
    after = {row[0]: dict(zip("kvw", row, strict=True)) for row in new}
    expected = []
    for number, row in enumerate(new, start=1):
        if before.get(row[0]) != after[row[0]]:
            kind = "changed" if row[0] in before else "added"
            expected.append(RowChange(kind, number, before.get(row[0]), after[row[0]]))
    expected += [RowChange("removed", n, before[row[0]], None) for n, row in enumerate(old, start=1) if row[0] not in after]
    assert found == expected
    assert {change.kind for change in found} == {"added", "changed", "removed"}


def test_without_an_old_table_all_rows_with_a_whole_key_are_added_once(engine: TableEngine, tmp_path: Path):
    table = typed(engine, tmp_path / "t.parquet", [("a", 1), (None, 2), ("a", 3), ("b", 4)], "k TEXT, v BIGINT")
    found = [change for batch in engine.changes(None, table, key=["k"], columns=["k", "v"]) for change in batch]
    assert [(change.kind, change.row, change.after) for change in found] == [
        ("added", 1, {"k": "a", "v": 1}),
        ("added", 4, {"k": "b", "v": 4}),
    ]


def test_a_column_of_another_type_is_compared_as_text_and_a_new_one_as_null(engine: TableEngine, tmp_path: Path):
    old = typed(engine, tmp_path / "o.parquet", [("a", 1), ("b", 2)], "k TEXT, v BIGINT")
    new = typed(engine, tmp_path / "n.parquet", [("a", "1", None), ("b", "x", None), ("c", "3", 1)], "k TEXT, v TEXT, w BIGINT")
    found = [change for batch in engine.changes(old, new, key=["k"], columns=["k", "v"]) for change in batch]
    assert [(change.kind, change.row) for change in found] == [("changed", 2), ("added", 3)]
    found = [change for batch in engine.changes(old, new, key=["k"], columns=["k", "w"]) for change in batch]
    assert [(change.kind, change.row) for change in found] == [("added", 3)]


def test_a_decimal_is_the_same_key_and_value_however_many_digits_its_column_keeps(engine: TableEngine, tmp_path: Path):
    data = [("10.50", "1.00"), ("0.00", "2.00"), ("20.00", "3.00")]
    old = typed(engine, tmp_path / "o.parquet", data, "k DECIMAL(18,2), v DECIMAL(18,2)")
    new = typed(engine, tmp_path / "n.parquet", [*data, ("1.125", "4")], "k DECIMAL(38,3), v DECIMAL(38,0)")
    found = [change for batch in engine.changes(old, new, key=["k"], columns=["k", "v"]) for change in batch]
    assert [(change.kind, change.row) for change in found] == [("added", 4)]


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM read_text('/proc/self/environ')",
        "SELECT * FROM glob('/*')",
        "COPY (SELECT 1) TO '/tmp/spice-escape.csv'",
        "INSTALL httpfs",
        "ATTACH '/tmp/spice-escape.db'",
        "SET enable_external_access = true",
        "SET memory_limit = '9GB'",
        "SELECT * FROM read_csv('https://example.org/x.csv')",
    ],
)
def test_no_call_reaches_another_file_the_network_or_its_own_settings(tmp_path: Path, query: str):
    with connect(memory="100MB", scratch=tmp_path, paths=[tmp_path / "a"]) as connection, pytest.raises(duckdb.Error):
        connection.execute(query)


def test_every_method_of_a_closed_engine_raises(engine: TableEngine, tmp_path: Path):
    engine.close()
    engine.close()
    path = tmp_path / "x"
    calls = [
        lambda: engine.sniff(path),
        lambda: engine.profile(path, []),
        lambda: engine.unique_keys(path, [], most=1),
        lambda: engine.cast(path, {}, dialect_of={}, into=path),
        lambda: list(engine.rows(path, [])),
        lambda: list(engine.changes(None, path, key=[], columns=[])),
        lambda: engine.key_problems(path, []),
        lambda: engine.count_rows(path, [], shards=WHOLE),
        lambda: engine.overlap(path, [], other=path, other_columns=[]),
    ]
    for call in calls:
        with pytest.raises(Closed):
            call()
