"""Syncs of a real PostgreSQL table: a version is always the whole table, whatever part of it was read."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest
from connectors_world import ConnectorWorld

from spice_core.adapters.sql_source.access import SqlOptions
from spice_core.adapters.sql_source.connector import SqlConnector
from spice_core.domain.connectors import SyncStatus
from spice_core.errors import InvalidInput
from tests.write_path import Crash

PASSWORD = "pw-of-the-reader"  # noqa: S105 - of these tests only


@pytest.fixture
def dsn(module_database: str) -> str:
    run(module_database, "DROP TABLE IF EXISTS orders; CREATE TABLE orders (id int PRIMARY KEY, item text, changed int)")
    run(module_database, "INSERT INTO orders VALUES (1, 'pens', 10), (2, 'paper', 20), (3, 'ink', 30)")
    return module_database


@pytest.fixture
def world(tmp_path: Path, dsn: str) -> Iterator[ConnectorWorld]:
    world = ConnectorWorld(tmp_path)
    connector = SqlConnector(SqlOptions(hosts=[f"{host_of(dsn)}:5432"]))
    world.open(connector)
    config = {"driver": "postgresql", "host": host_of(dsn), "database": urlsplit(dsn).path[1:], "username": "postgres"}
    world.connections.save_connection("shop", "sales", "sql", {**config, "tls": "disable"}, {"password": PASSWORD})
    world.work()
    yield world
    connector.close()
    world.close()


def host_of(dsn: str) -> str:
    return parse_qs(urlsplit(dsn).query)["host"][0]


def run(dsn: str, statement: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(statement)  # type: ignore[call-overload]


def watched(world: ConnectorWorld, **more: Any) -> str:
    own = {"key_columns": ("id",), "watermark_column": "changed", "overlap": 5.0, **more}
    return world.add_source("shop:sales", "public.orders", "orders", **own)


def dies(*_arguments: Any, **_options: Any) -> None:
    raise Crash


def items(world: ConnectorWorld, source: str) -> list[tuple[Any, ...]]:
    return world.rows(world.versions(source)[0])


def test_only_what_changed_is_read_and_the_version_is_the_whole_table(world: ConnectorWorld, dsn: str):
    source = watched(world)
    first = world.sync(source)
    assert (first.error, first.row_count) == (None, 3)
    run(dsn, "UPDATE orders SET item = 'card', changed = 40 WHERE id = 2; INSERT INTO orders VALUES (4, 'glue', 41)")
    read: list[int] = []
    outcome = world.sync(source, progress=read.append)
    assert (outcome.result, outcome.row_count, read[-1]) == ("new_version", 4, 3)  # 30 is in the window behind the watermark
    assert [row[:2] for row in items(world, source)] == [(1, "pens"), (2, "card"), (3, "ink"), (4, "glue")]
    assert world.sync(source).result == "unchanged"
    assert len(world.versions(source)) == 2


def test_rows_that_are_deleted_and_rows_that_are_late_are_seen_by_the_next_whole_read(world: ConnectorWorld, dsn: str):
    source = watched(world, full_every_seconds=3600.0)
    world.sync(source)
    run(dsn, "DELETE FROM orders WHERE id = 1; INSERT INTO orders VALUES (9, 'late', 1)")
    assert world.sync(source).result == "unchanged"
    world.clock.sleep(3600)
    assert world.sync(source).result == "new_version"
    assert [row[0] for row in items(world, source)] == [2, 3, 9]
    assert world.sync(source).result == "unchanged"


def test_a_table_without_a_watermark_is_read_whole_and_its_order_is_no_change(world: ConnectorWorld, dsn: str):
    source = world.add_source("shop:sales", "public.orders", "orders")
    world.sync(source)
    run(dsn, "UPDATE orders SET item = item WHERE id = 1")  # moves the row behind the others
    assert world.sync(source).result == "unchanged"
    run(dsn, "DELETE FROM orders WHERE id = 1")
    assert world.sync(source).row_count == 2
    assert len(world.versions(source)) == 2


@pytest.mark.parametrize("step", ["before", "after"])
def test_a_sync_of_changes_that_dies_is_done_again_as_one_version(
    world: ConnectorWorld, dsn: str, monkeypatch: pytest.MonkeyPatch, step: str
):
    source = watched(world)
    world.sync(source)
    run(dsn, "INSERT INTO orders VALUES (4, 'glue', 40)")
    real = world.ingest.run

    def dies(*arguments: Any) -> None:
        if step == "after":
            real(*arguments)
        raise Crash

    monkeypatch.setattr(world.ingest, "run", dies)
    with pytest.raises(Crash):
        world.syncs.sync("shop", source)
    monkeypatch.undo()
    assert world.sync(source).result == "new_version"
    assert [version.row_count for version in world.versions(source)] == [4, 3]


def test_a_column_that_joins_makes_a_whole_read(world: ConnectorWorld, dsn: str):
    source = watched(world)
    world.sync(source)
    run(dsn, "ALTER TABLE orders ADD price numeric(8, 2) DEFAULT 1.50")
    assert world.sync(source).result == "new_version"
    assert [column.name for column in world.versions(source)[0].columns] == ["id", "item", "changed", "price"]


def test_a_key_that_repeats_fails_at_once_and_says_what_to_do(world: ConnectorWorld, dsn: str):
    run(dsn, "UPDATE orders SET item = 'same'")
    source = watched(world, key_columns=("item",))
    outcome = world.sync(source)
    assert (outcome.result, outcome.state.status) == ("failed", SyncStatus.FAILED)
    assert "choose other key columns" in str(outcome.error)


def test_a_dataset_that_somebody_deleted_comes_back_with_the_next_read(world: ConnectorWorld):
    source = watched(world)
    world.sync(source)
    world.catalogue.delete_dataset("shop", source)
    world.work()
    assert world.sync(source, is_forced=True).result == "new_version"
    assert world.registry.dataset("shop", source) is not None


def test_a_first_sync_that_died_behind_its_upload_is_done_again_though_its_dataset_was_deleted(
    world: ConnectorWorld, monkeypatch: pytest.MonkeyPatch
):
    source = watched(world)
    for _ in range(2):  # the second one has uploaded under the next key, and dies too
        with monkeypatch.context() as patched:
            patched.setattr(world.syncs, "_save", dies)
            with pytest.raises(Crash):
                world.sync(source)
        world.work()
        assert len(world.versions(source)) == 1
        world.catalogue.delete_dataset("shop", source)
        world.clock.sleep(100)  # the dead one's lease runs out
    assert world.sync(source).result == "new_version"
    assert world.sync(source).result == "unchanged"
    assert [version.row_count for version in world.versions(source)] == [3]


def test_another_watermark_column_of_another_type_is_read_whole(world: ConnectorWorld, dsn: str):
    run(dsn, "ALTER TABLE orders ADD touched timestamptz; UPDATE orders SET touched = '2024-01-01 00:00+00'")
    run(dsn, "UPDATE orders SET touched = '2024-01-02 00:00+00' WHERE id = 3")
    world.sync(watched(world))
    source = watched(world, watermark_column="touched")
    assert (world.sync(source).error, world.sync(source).result) == (None, "unchanged")
    run(dsn, "INSERT INTO orders VALUES (4, 'glue', 1, '2024-01-03 00:00+00')")
    read: list[int] = []
    assert world.sync(source, progress=read.append).result == "new_version"
    assert (read[-1], len(items(world, source))) == (2, 4)  # the highest one is in the window behind it


def test_rows_of_the_query_before_are_in_no_version_of_the_present_one(world: ConnectorWorld, dsn: str):
    query = {"key_columns": ("id",), "watermark_column": "changed", "overlap": 5.0}
    before = {"query": "SELECT id, item, changed FROM orders"}
    after = {"query": "SELECT id, upper(item) AS item, changed FROM orders WHERE id > 1"}
    source = world.add_source("shop:sales", "query:q", "orders", options=before, **query)
    world.sync(source)
    world.add_source("shop:sales", "query:q", "orders", options=after, **query)
    assert world.sync(source).result == "new_version"
    assert items(world, source) == [(2, "PAPER", 20), (3, "INK", 30)]


@pytest.mark.parametrize("more", [{"key_columns": ()}, {"polling_interval_seconds": 0.0}, {"options": {"query": "SELECT 1"}}])
def test_a_source_that_cannot_be_is_refused(world: ConnectorWorld, more: dict[str, Any]):
    with pytest.raises(InvalidInput):
        watched(world, **more)


def test_another_address_takes_its_secrets_anew(world: ConnectorWorld):
    connection = world.connections.connections("shop")[0]
    moved = {**connection.config, "port": 5432, "tls": "require"}
    with pytest.raises(InvalidInput, match="give password again"):
        world.connections.save_connection("shop", "sales", "sql", moved, {})
    world.connections.save_connection("shop", "sales", "sql", moved, {"password": PASSWORD})
