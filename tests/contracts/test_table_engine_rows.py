"""The contract of typed rows in files: written with their types, merged by key, the same rows the same bytes."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from spice_core.adapters.duckdb.table_engine import DuckDBTableEngine
from spice_core.errors import UnreadableFile
from spice_core.ports.table_engine import TableEngine, TypedColumn

COLUMNS = [TypedColumn("id", "integer"), TypedColumn("name", "string"), TypedColumn("price", "decimal", 12, 2)]


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[TableEngine]:
    engine = DuckDBTableEngine(memory="300MB", scratch=tmp_path / "scratch")
    yield engine
    engine.close()


def written(engine: TableEngine, path: Path, *rows: tuple[object, ...]) -> Path:
    assert engine.write_rows([rows[:1], rows[1:]], COLUMNS, into=path) == len(rows)
    return path


def read(path: Path) -> list[tuple[object, ...]]:
    return [tuple(row.values()) for row in pq.read_table(path).to_pylist()]


def test_types_survive_the_file(engine: TableEngine, tmp_path: Path):
    columns = [
        *COLUMNS,
        TypedColumn("day", "date"),
        TypedColumn("at", "dateTime"),
        TypedColumn("on", "boolean"),
        TypedColumn("x", "double"),
    ]
    row = (1, "01234", Decimal("10.50"), date(2024, 1, 2), datetime(2024, 1, 2, 3, tzinfo=UTC), True, 0.5)
    engine.write_rows([[row, (None,) * 7]], columns, into=tmp_path / "t")
    assert read(tmp_path / "t") == [row, (None,) * 7]
    assert [str(field.type) for field in pq.read_schema(tmp_path / "t")] == [
        "int64", "string", "decimal128(12, 2)", "date32[day]", "timestamp[us, tz=UTC]", "bool", "double",
    ]  # fmt: skip


def test_a_value_that_does_not_fit_names_its_column(engine: TableEngine, tmp_path: Path):
    with pytest.raises(UnreadableFile, match="price"):
        engine.write_rows([[(1, "a", Decimal("1.234"))]], COLUMNS, into=tmp_path / "t")


def test_changed_rows_replace_those_of_their_key_and_new_ones_join(engine: TableEngine, tmp_path: Path):
    base = written(engine, tmp_path / "base", (1, "a", None), (2, "b", None), (3, "c", None))
    changes = written(engine, tmp_path / "changes", (4, "d", None), (2, "B", Decimal("1.00")))
    assert engine.merge_rows(changes, base=base, key=["id"], into=tmp_path / "merged") == 4
    assert read(tmp_path / "merged") == [(1, "a", None), (2, "B", Decimal("1.00")), (3, "c", None), (4, "d", None)]
    assert pq.read_schema(tmp_path / "merged") == pq.read_schema(base)


@pytest.mark.parametrize("key", [["id"], []])
def test_the_same_rows_in_another_order_are_the_same_bytes(engine: TableEngine, tmp_path: Path, key: list[str]):
    rows = [(number, f"n{number % 7}", None) for number in range(5000)]
    one, other = written(engine, tmp_path / "a", *rows), written(engine, tmp_path / "b", *reversed(rows))
    engine.merge_rows(one, base=None, key=key, into=tmp_path / "one")
    engine.merge_rows(other, base=None, key=key, into=tmp_path / "other")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()


@pytest.mark.parametrize("second", [(1, "b", None), (None, "b", None)])
def test_a_key_that_does_not_tell_rows_apart_is_refused(engine: TableEngine, tmp_path: Path, second: tuple[object, ...]):
    changes = written(engine, tmp_path / "changes", (1, "a", None), second)
    with pytest.raises(UnreadableFile, match="does not tell rows apart"):
        engine.merge_rows(changes, base=None, key=["id"], into=tmp_path / "merged")
