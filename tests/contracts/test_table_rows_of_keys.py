"""The contract of `TableEngine.rows_of`: the rows of some keys, without reading the others."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from spice_core.adapters.duckdb.table_engine import DuckDBTableEngine
from spice_core.ports.table_engine import TableEngine


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[TableEngine]:
    found = DuckDBTableEngine(memory="300MB", scratch=tmp_path / "scratch")
    yield found
    found.close()


def typed(path: Path, ddl: str, data: list[tuple[Any, ...]]) -> Path:
    with duckdb.connect() as connection:
        connection.execute(f"CREATE TABLE t ({ddl})")
        connection.executemany(f"INSERT INTO t VALUES ({', '.join('?' * len(data[0]))})", data)  # noqa: S608 - marks only
        numbered = "SELECT row_number() OVER () AS __row, * FROM t"
        connection.execute(f"COPY ({numbered}) TO '{path}' (FORMAT parquet)")
    return path


def found(engine: TableEngine, table: Path, key: tuple[str, ...], values: list[tuple[Any, ...]], **options: Any) -> list[int]:
    return [number for part in engine.rows_of(table, ["a"], key=key, values=values, **options) for number, _ in part]


def test_rows_of_keys_come_in_file_order_with_their_numbers_in_batches(engine: TableEngine, tmp_path: Path):
    table = typed(tmp_path / "t.parquet", "a TEXT, b INTEGER", [("x", 1), ("y", 2), ("x", 3), (None, 4)])
    parts = list(engine.rows_of(table, ["b"], key=["a"], values=[("x",), ("nobody",), ("x",)], batch=1))
    assert parts == [[(1, {"b": 1})], [(3, {"b": 3})]]
    assert found(engine, table, ("a", "b"), [("x", 3), ("y", 1)]) == [3]
    assert found(engine, table, ("a",), []) == []


@pytest.mark.parametrize(
    ("ddl", "value"),
    [
        ("INTEGER", 7),
        ("DECIMAL(18,2)", Decimal("7.50")),
        ("DOUBLE", 0.1),
        ("BOOLEAN", True),
        ("DATE", date(2024, 1, 5)),
        ("TIMESTAMP", datetime(2024, 1, 5, 10, 30, 0, 123000, tzinfo=UTC)),
        ("TEXT", "it's"),
    ],
)
def test_values_are_found_as_the_engine_gave_them(engine: TableEngine, tmp_path: Path, ddl: str, value: Any):
    plain = value.replace(tzinfo=None) if isinstance(value, datetime) else value
    table = typed(tmp_path / "t.parquet", f"a {ddl}", [(plain,), (None,)])
    ((row,),) = engine.rows(table, ["a"], limit=1)
    assert found(engine, table, ("a",), [(row["a"],)]) == [1]


def test_a_value_that_a_column_cannot_hold_matches_nothing(engine: TableEngine, tmp_path: Path):
    table = typed(tmp_path / "t.parquet", "a INTEGER", [(7,), (8,)])
    assert found(engine, table, ("a",), [("seven",), (None,), ("7",)]) == [1]


def test_a_uuid_is_the_same_one_however_it_is_written(engine: TableEngine, tmp_path: Path):
    uuid = "6f9619ff-8b86-d011-b42d-00c04fc964ff"
    table = typed(tmp_path / "t.parquet", "a TEXT, b TEXT", [(uuid.upper(), "X"), (uuid, "x"), (uuid.replace("-", ""), "x")])
    assert found(engine, table, ("a",), [(uuid,), ("nobody",)]) == [1, 2, 3]
    assert found(engine, table, ("a", "b"), [(uuid.upper(), "x"), (uuid, "y")]) == [2, 3]


def test_any_number_of_keys_can_be_asked_for(engine: TableEngine, tmp_path: Path):
    table = typed(tmp_path / "t.parquet", "a INTEGER, b INTEGER", [(number, number) for number in range(3000)])
    asked = [(number, number) for number in range(0, 3000, 2)]
    assert len(found(engine, table, ("a", "b"), asked)) == 1500
