"""Engines go from call to call, and nothing else does."""

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from spice_core.adapters.duckdb import kept_engines
from spice_core.adapters.duckdb.connections import copy_to, literal
from spice_core.adapters.duckdb.kept_engines import KeptEngines
from spice_core.errors import UnreadableFile


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[duckdb.DuckDBPyConnection]:
    """The kept engines that were made."""
    found: list[duckdb.DuckDBPyConnection] = []
    original = kept_engines.engine

    def noted(**options):
        found.append(original(**options))
        return found[-1]

    monkeypatch.setattr(kept_engines, "engine", noted)
    return found


@pytest.fixture
def engines(tmp_path: Path, made) -> Iterator[KeptEngines]:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    found = KeptEngines(memory="100MB", scratch=scratch, roots=[scratch])
    yield found
    found.close()


def test_calls_that_follow_each_other_use_one_engine_and_see_nothing_of_each_other(engines, made, tmp_path):
    table = tmp_path / "scratch" / "t.parquet"
    for number in range(3):
        with engines.lend([table]) as connection:
            connection.execute("CREATE TEMP TABLE own AS SELECT 1")
            connection.execute(copy_to(f"SELECT {number} AS a", table))
            assert connection.execute(f"FROM read_parquet({literal(str(table))})").fetchall() == [(number,)]
            assert connection.execute("SELECT current_setting('TimeZone')").fetchall() == [("UTC",)]
    assert len(made) == 1


def test_calls_at_once_have_an_engine_each_and_few_are_kept(engines, made, tmp_path):
    table = [tmp_path / "scratch" / "t.parquet"]
    with engines.lend(table), engines.lend(table), engines.lend(table):
        assert len(made) == 3
    with engines.lend(table), engines.lend(table):
        assert len(made) == 3
    with engines.lend(table), engines.lend(table), engines.lend(table):
        assert len(made) == 4


def test_an_engine_that_met_an_error_is_not_used_again(engines, made, tmp_path):
    table = tmp_path / "scratch" / "t.parquet"
    table.write_bytes(b"PAR1 no table")
    with pytest.raises(UnreadableFile), engines.lend([table]) as connection:
        connection.execute(f"FROM read_parquet({literal(str(table))})")
    with engines.lend([table]):
        assert len(made) == 2


def test_reading_that_somebody_gave_up_leaves_a_sound_engine(engines, made, tmp_path):
    def read() -> Iterator[int]:
        with engines.lend([tmp_path / "scratch" / "t.parquet"]) as connection:
            connection.execute("FROM range(1000000)")
            while rows := connection.fetchmany(10):
                yield rows[0][0]

    reading = read()
    assert next(reading) == 0
    reading.close()
    assert next(read()) == 0
    assert len(made) == 1


@pytest.mark.parametrize("place", ["other/t.parquet", "scratch/../other/t.parquet"])
def test_what_is_beyond_the_roots_is_reached_by_the_call_that_names_it_only(engines, made, tmp_path, place):
    (tmp_path / "other").mkdir()
    path = tmp_path / place
    inside = [tmp_path / "scratch" / "t.parquet"]
    with engines.lend([tmp_path / "other" / "t.parquet"]) as connection:
        connection.execute(copy_to("SELECT 1 AS a", tmp_path / "other" / "t.parquet"))
    assert made == []
    with pytest.raises(duckdb.PermissionException), engines.lend(inside) as connection:
        connection.execute(f"FROM read_parquet({literal(str(path))})")


def test_no_call_changes_the_settings_of_its_engine(engines, tmp_path):
    with pytest.raises(UnreadableFile, match="locked"), engines.lend([tmp_path / "scratch" / "t.parquet"]) as connection:
        connection.execute("SET memory_limit = '10GB'")


def test_what_is_closed_keeps_no_engine(engines, made, tmp_path):
    with engines.lend([tmp_path / "scratch" / "t.parquet"]) as connection:
        engines.close()
        assert connection.execute("SELECT 1").fetchall() == [(1,)]
    with pytest.raises(duckdb.ConnectionException):
        made[0].execute("SELECT 1")
