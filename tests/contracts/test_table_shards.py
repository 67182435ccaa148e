"""The contract of `TableEngine` about shards: a row is in one of them, in every table and for ever."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from spice_core.adapters.duckdb.table_engine import DuckDBTableEngine
from spice_core.domain.shards import key_hash, shards_of
from spice_core.ports.table_engine import RowChange, TableEngine, TypedColumn

COLUMNS = [TypedColumn("k", "string"), TypedColumn("n", "integer"), TypedColumn("v", "string")]
Rows = list[tuple[str | None, int | None, str]]
OLD: Rows = [(f"k{number} \u00e9", number % 7, "old") for number in range(60)]
NEW: Rows = [(f"k{number} \u00e9", number % 7, "new" if number % 3 else "old") for number in range(20, 90)]
NEW += [("k30 \u00e9", 2, "again"), (None, 1, "x"), ("k", None, "y"), ("k89 \u00e9", 5, "again")]


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[TableEngine]:
    engine = DuckDBTableEngine(memory="300MB", scratch=tmp_path / "scratch")
    yield engine
    engine.close()


def written(engine: TableEngine, path: Path, rows: Rows) -> Path:
    numbered = [(number, *row) for number, row in enumerate(rows, start=1)]
    engine.write_rows([numbered], [TypedColumn("__row", "integer"), *COLUMNS], into=path)
    return path


def shard_of(change: RowChange, count: int) -> int:
    row = change.after or change.before or {}
    return key_hash([row["k"], str(row["n"])]) % count


@pytest.mark.parametrize("has_old", [True, False])
def test_the_changes_of_all_shards_are_those_of_the_whole(engine: TableEngine, tmp_path: Path, has_old: bool):
    old = written(engine, tmp_path / "old", OLD) if has_old else None
    new = written(engine, tmp_path / "new", NEW)
    asked: dict[str, Any] = {"key": ["k", "n"], "columns": ["k", "n", "v"], "batch": 7}
    whole = [change for batch in engine.changes(old, new, **asked) for change in batch]
    found = []
    for numbers in ([0, 3], [1], [2, 4]):
        part = [change for batch in engine.changes(old, new, **asked, shards=shards_of(numbers, 5)) for change in batch]
        assert part == [change for change in whole if shard_of(change, 5) in numbers], "in the order of the whole"
        found += part
    assert len(found) == len(whole) > 0
    assert {change.kind for change in found} == ({"added", "changed", "removed"} if has_old else {"added"})


def test_every_row_is_counted_in_one_shard_and_one_without_a_key_in_the_first(engine: TableEngine, tmp_path: Path):
    table, key = written(engine, tmp_path / "t", NEW), ["k", "n"]
    shards = [shards_of([number], 4) for number in range(4)]
    assert sum(engine.count_rows(table, key, shards=shard) for shard in shards) == len(NEW)
    found = [engine.key_problems(table, key, shards=shard) for shard in shards]
    assert [missing for missing, _, _ in found] == [2, 0, 0, 0]
    missing, repeated, rows = engine.key_problems(table, key)
    assert (missing, repeated) == (2, sum(repeats for _, repeats, _ in found)) == (2, 2)
    assert sorted(rows) == sorted(row for _, _, named in found for row in named)


def test_a_key_of_another_type_is_in_the_shard_of_its_text(engine: TableEngine, tmp_path: Path):
    numbers, texts = tmp_path / "numbers", tmp_path / "texts"
    row, value = TypedColumn("__row", "integer"), TypedColumn("k", "integer")
    engine.write_rows([[(number, number) for number in range(1, 50)]], [row, value], into=numbers)
    engine.write_rows([[(number, str(number)) for number in range(1, 50)]], [row, TypedColumn("k", "string")], into=texts)
    for number in range(3):
        shards = shards_of([number], 3)
        assert list(engine.changes(numbers, texts, key=["k"], columns=["k"], shards=shards)) == []
