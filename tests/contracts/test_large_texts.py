"""Large texts are kept by value where every cell is written plainly: nothing that is said of them changes by it."""

import random
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from spice_core.adapters.duckdb import text_tables
from spice_core.adapters.duckdb.connections import parquet
from spice_core.adapters.duckdb.plain_columns import FEWEST_BYTES, MOST_PROPOSALS
from spice_core.adapters.duckdb.table_engine import DuckDBTableEngine
from spice_core.adapters.duckdb.text_tables import TextRegion, read_region
from spice_core.ports.table_engine import Dialect, TableEngine, TextTable
from spice_core.services.infer_types import InferTypes

_ROWS = 50_000
_DIALECT = Dialect(",", '"', "utf-8", 0)
_COLUMNS = ("id", "c0", "rate", "day", "at", "flag", "n", "whole", "compact", "length", "name")
_ODD = ("007", "x", "1e5", " 5", "+5", "1_000", "12.5", "-0", "0x1F", "1234567890123456789", "NA", "5 ")


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[TableEngine]:
    found = DuckDBTableEngine(memory="300MB", scratch=tmp_path / "scratch")
    yield found
    found.close()


def lines() -> list[list[str]]:
    """Rows of columns of every kind, with few and with many distinct values."""
    generator = random.Random(3)
    moment = datetime(2001, 2, 3)  # noqa: DTZ001 - a text without a zone
    return [
        [
            str(generator.randrange(-(10**9), 10**9)),
            f"{generator.randrange(-(10**7), 10**7) / 100:.2f}",
            f"{generator.randrange(10**8) / 1000:.3f}",
            str(date(1990, 1, 1) + timedelta(generator.randrange(25_000))),
            str(moment + timedelta(seconds=generator.randrange(10**8))),
            generator.choice(["true", "false"]),
            str(generator.randrange(7)),
            generator.choice(["", str(generator.randrange(10**6))]),
            f"{generator.randrange(1990, 2020)}{generator.randrange(1, 13):02}{generator.randrange(1, 29):02}",
            str(generator.random())[:6],
            generator.choice(["NA", " a", "b "]) if not number % 9 else f"name {generator.randrange(10**6)}",
        ]
        for number in range(_ROWS)
    ]


def written(path: Path, rows: list[list[str]]) -> Path:
    path.write_text("\n".join(",".join(row) for row in [list(_COLUMNS[: len(rows[0])]), *rows]) + "\n")
    assert path.stat().st_size >= FEWEST_BYTES
    return path


def stored(table: Path) -> dict[str, str]:
    """The SQL types of a Parquet file's columns."""
    with duckdb.connect() as connection:
        return {row[0]: row[1] for row in connection.execute(f"DESCRIBE FROM {parquet(table)}").fetchall()}


def texts(table: TextTable) -> list[list[str]]:
    """All cells as the text that they were."""
    with duckdb.connect() as connection:
        cells = ", ".join(f"coalesce(\"{column}\"::VARCHAR, '')" for column in table.columns)
        found = connection.execute(f"SELECT {cells} FROM {parquet(table.path)} ORDER BY __row").fetchall()  # noqa: S608 - its own
    return [list(row) for row in found]


def read_both(engine: TableEngine, folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[TextTable, TextTable]:
    source = written(folder / "large.csv", lines())
    by_value = engine.read_text_table(source, _DIALECT, into=folder / "value.parquet")
    monkeypatch.setattr(text_tables, "FEWEST_BYTES", 1 << 40)
    return by_value, engine.read_text_table(source, _DIALECT, into=folder / "text.parquet")


def test_a_large_text_says_what_a_table_of_texts_says(engine: TableEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    by_value, by_text = read_both(engine, tmp_path, monkeypatch)
    assert list(stored(by_value.path).values())[1:-3] == [
        "BIGINT",
        "DECIMAL(18,2)",
        "VARCHAR",
        "DATE",
        "TIMESTAMP",
        "BOOLEAN",
        "BIGINT",
        "BIGINT",
        "BIGINT",
    ]
    assert set(stored(by_text.path).values()) == {"BIGINT", "VARCHAR"}
    assert texts(by_value) == texts(by_text)
    infer = InferTypes(tables=engine, scratch=tmp_path)
    found = [infer.of_text_table(table.path, table.columns) for table in (by_value, by_text)]
    value, text = (entry.evidence for entry in found)
    for column in _COLUMNS:
        for key in ("total", "empty", "min_length", "max_length", "null_words", "fits", "marks"):
            assert value[column][key] == text[column][key], (column, key)
        assert text[column]["digits"].items() <= value[column]["digits"].items(), column
        assert abs(value[column]["distinct"] / text[column]["distinct"] - 1) < 0.3
    assert found[0].types == found[1].types
    rows: list[Any] = []
    for table, entry in zip((by_value, by_text), found, strict=True):
        into = tmp_path / f"typed-{len(rows)}.parquet"
        assert engine.cast(table.path, entry.kinds, dialect_of=entry.options, into=into) == 0
        rows.append([row for batch in engine.rows(into, ["__row", *_COLUMNS, "__rejects"]) for row in batch])
    assert rows[0] == rows[1]


@pytest.mark.parametrize("odd_columns", [1, 2, 6])
def test_a_cell_that_no_sample_saw_keeps_its_text(engine: TableEngine, tmp_path: Path, odd_columns: int):
    rows = [[str(number * 10 + column) for column in range(1, 11)] for number in range(70_000)]
    for number in range(odd_columns):
        for place, odd in enumerate(_ODD):
            rows[place * 5000 + number * 11 + 3][number] = odd
    table = engine.read_text_table(written(tmp_path / "odd.csv", rows), _DIALECT, into=tmp_path / "text.parquet")
    assert texts(table) == rows
    kept_by_value = list(stored(table.path).values())[1:-1].count("BIGINT")
    assert kept_by_value in {10 - odd_columns, 0 if odd_columns > MOST_PROPOSALS else 10 - odd_columns}
    facts = engine.profile(table.path, table.columns)[_COLUMNS[0]]
    assert (facts["marks"]["leading_zero"], facts["marks"]["exponent"], facts["null_words"]) == (1, 1, {"NA": 1})


@pytest.mark.parametrize("odd", ["infinity", "10000-01-01", "0044-03-15 (BC)"])
def test_what_only_an_engine_takes_for_a_date_keeps_its_text(engine: TableEngine, tmp_path: Path, odd: str):
    rows = [[str(date(1990, 1, 1) + timedelta(number % 9000)), "x" * 40] for number in range(100_000)]
    rows[777][0] = odd
    table = engine.read_text_table(written(tmp_path / "odd.csv", rows), _DIALECT, into=tmp_path / "text.parquet")
    assert stored(table.path)["id"] == "VARCHAR"
    assert texts(table)[777][0] == odd


def test_rows_of_a_large_text_are_rejected_one_by_one(engine: TableEngine, tmp_path: Path):
    rows = [[str(number), "y" * 50] for number in range(100_000)]
    source = written(tmp_path / "ragged.csv", rows)
    source.write_text(source.read_text().replace("\n500,", "\n500,1,").replace("\n99000,", '\n99000,"'))
    table = engine.read_text_table(source, _DIALECT, into=tmp_path / "text.parquet")
    assert (table.row_count, table.reject_count) == (99_998, 2)
    assert [reject.line for reject in table.rejects] == [502, 99_002]
    assert stored(table.path)["id"] == "BIGINT"


def test_columns_cut_out_of_a_large_text_are_kept_by_value_too(tmp_path: Path):
    source = written(tmp_path / "cut.csv", [[str(number), "", str(number * 2), "z" * 40] for number in range(90_000)])
    names = ["c0", "c1", "c2", "c3"]
    region = TextRegion(source, _DIALECT, names, 1, 1, [("c2", "twice"), ("c3", "word")])
    table = read_region(region, into=tmp_path / "text.parquet", memory="300MB", scratch=tmp_path)
    assert list(stored(table.path).items()) == [
        ("__row", "BIGINT"),
        ("twice", "BIGINT"),
        ("word", "VARCHAR"),
        ("__rejects", "VARCHAR"),
    ]
    assert table.row_count == 90_000


def test_rows_that_several_cores_read_stand_in_the_order_of_the_text(engine: TableEngine, tmp_path: Path):
    source = tmp_path / "long.csv"
    with source.open("w") as file:
        file.write("id,word,file_row_number\n")
        file.writelines(f'{number},"{"a" * (number % 120)}",7\n' for number in range(1, 400_001))
    assert source.stat().st_size > 3 * 8_000_000  # what DuckDB gives one core at a time
    table = engine.read_text_table(source, _DIALECT, into=tmp_path / "named.parquet")
    assert in_order(table) == (400_000, 0)
    source.write_text(source.read_text().replace("file_row_number", "n", 1).replace("\n399999,", "\n399999,1,1,"))
    table = engine.read_text_table(source, _DIALECT, into=tmp_path / "placed.parquet")
    assert stored(table.path) == {"__row": "BIGINT", "id": "BIGINT", "word": "VARCHAR", "n": "BIGINT", "__rejects": "VARCHAR"}
    assert (in_order(table), [reject.line for reject in table.rejects]) == ((399_999, 1), [400_000])
    assert [row for batch in engine.rows(table.path, ["__row", "id"], offset=3, limit=2) for row in batch] == [
        {"__row": 4, "id": 4},
        {"__row": 5, "id": 5},
    ]


def in_order(table: TextTable) -> tuple[int, int]:
    """How many rows there are, and how many have another number than their `id`."""
    with duckdb.connect() as connection:
        query = f"SELECT count(*), count_if(__row <> id) FROM {parquet(table.path)}"  # noqa: S608 - its own
        rows, others = connection.execute(query).fetchall()[0]
    return rows, others
