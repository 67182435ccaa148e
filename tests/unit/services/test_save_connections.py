"""Connections and sources that are saved again: whose secrets stay, and what is known of a source that is edited."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from connectors_world import BUDGET, ConnectorWorld, google_connector, with_budget
from google_server import google_server

from spice_core.services.save_connections import Saved


@pytest.fixture
def world(tmp_path: Path) -> Iterator[ConnectorWorld]:
    with google_server() as google:
        with_budget(google)
        world = ConnectorWorld(tmp_path)
        yield world.open(google_connector(google, world))
        world.close()


def save(world: ConnectorWorld, token: str, request: int, *, is_applied: bool = True) -> Saved:
    config, secrets = {"spreadsheets": BUDGET}, {"refresh_token": token}
    saved = world.connections.save_connection(
        "shop", "budget", "google_sheets", config, secrets, command_id=str(UUID(int=request << 64))
    )
    if is_applied:
        world.work()
    return saved


def kept(world: ConnectorWorld) -> tuple[str, int]:
    """Return the token of the connection, and how many sets of secrets there are."""
    found = world.connections.connection("shop", "shop:budget")
    return world.connections.secrets_of(found)["refresh_token"], len(world.secrets._values)


def test_a_repeated_request_leaves_the_secrets_that_were_saved_behind_it(world: ConnectorWorld):
    for number, token in enumerate(["first", "second", "third"], start=1):
        save(world, token, number)
    assert save(world, "second", 2).accepted.is_duplicate
    assert kept(world) == ("third", 1)
    save(world, "third", 3)
    assert kept(world) == ("third", 1)


def test_a_request_that_is_repeated_once_its_connection_is_gone_leaves_no_secrets(world: ConnectorWorld):
    save(world, "first", 1)
    world.connections.delete_connection("shop", "shop:budget")
    world.work()
    assert save(world, "first", 1).accepted.is_duplicate
    assert world.secrets._values == {}


def test_secrets_that_readers_still_see_stay(world: ConnectorWorld, monkeypatch: pytest.MonkeyPatch):
    save(world, "first", 1)
    with monkeypatch.context() as patched:
        patched.setattr(world.clock, "pump", lambda: None)
        save(world, "second", 2, is_applied=False)
    assert kept(world)[0] == "first"
    world.work()
    assert kept(world)[0] == "second"


@pytest.mark.parametrize("change", [{"has_header": False}, {"options": {"values": "formatted"}}, {"key_columns": ("id",)}])
def test_a_source_that_is_read_in_another_way_is_read_anew(world: ConnectorWorld, change: dict[str, Any]):
    source = world.add_source(world.connect_budget(), f"{BUDGET}/0", "items")
    world.sync(source)
    world.add_source("shop:budget", f"{BUDGET}/0", "items", **change)
    assert world.sync(source).result == "new_version"
    assert len(world.versions(source)) == 2
    if "has_header" in change:
        assert [column.name for column in world.versions(source)[0].columns] == ["column_1", "column_2", "column_3"]


def test_a_source_that_is_read_as_before_keeps_what_is_known_of_it(world: ConnectorWorld):
    source = world.add_source(world.connect_budget(), f"{BUDGET}/0", "items")
    world.sync(source)
    before = world.connections.source("shop", source)
    world.connections.save_source(replace(before, polling_interval_seconds=60.0, title="Items", options={}))
    world.work()
    assert world.connections.source("shop", source).incarnation == before.incarnation
    assert world.sync(source).result == "unchanged"
