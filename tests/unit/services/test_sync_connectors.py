"""Syncs of worksheets, from the sheet to the dataset version: what makes a version, what makes none, and what dies between."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from connectors_world import BUDGET, ITEMS, REFRESH, ConnectorWorld, google_connector, with_budget
from google_server import Fault, GoogleServer, google_server

from spice_core.domain.catalogue_records import RecordKind
from spice_core.domain.connectors import ConnectionStatus, DeletedPolicy, SyncStatus
from spice_core.errors import (
    AlreadyExists,
    Conflict,
    InvalidInput,
    LedgerUnavailable,
    RecordNotFound,
    StillReferenced,
)
from tests.write_path import Crash


@pytest.fixture
def google() -> Iterator[GoogleServer]:
    with google_server() as server:
        with_budget(server)
        yield server


@pytest.fixture
def world(tmp_path: Path, google: GoogleServer) -> Iterator[ConnectorWorld]:
    world = ConnectorWorld(tmp_path)
    connector = google_connector(google, world)
    yield world.open(connector)
    connector.close()
    world.close()


@pytest.fixture
def items(world: ConnectorWorld) -> str:
    return world.add_source(world.connect_budget(), f"{BUDGET}/0", "items")


def due(world: ConnectorWorld) -> list[str]:
    return [item.source_id for item in world.syncs.due(world.clock.now())]


def test_a_sheet_becomes_a_version_then_the_next_one_after_a_change_and_none_without(
    world: ConnectorWorld, google: GoogleServer, items: str
):
    first = world.sync(items)
    assert (first.result, first.row_count) == ("new_version", 3)
    version = world.versions(items)[0]
    assert (version.number, version.row_count, version.version_id) == (1, 2, first.version_id)
    assert [(column.name, column.type) for column in version.columns][2] == ("amount", "decimal")
    assert world.sync(items).result == "unchanged"
    google.edit(BUDGET, 0, [*ITEMS, ["3", "ink", 3.25]])
    assert world.sync(items).result == "new_version"
    assert [found.number for found in world.versions(items)] == [2, 1]
    assert world.rows(world.versions(items)[0])[-1][:2] == (3, "ink")
    dataset = world.registry.dataset("shop", items)
    assert dataset is not None
    assert dataset.source_type == "google_sheets"


def test_an_edit_in_another_worksheet_makes_no_version_and_reads_once(world: ConnectorWorld, google: GoogleServer, items: str):
    world.sync(items)
    google.edit(BUDGET, 5, [["id", "name"], ["c", "Cid"]])
    read = google.asked["values"]
    assert world.sync(items).result == "unchanged"
    assert google.asked["values"] == read + 1
    assert world.sync(items).result == "unchanged"
    assert google.asked["values"] == read + 1
    assert len(world.versions(items)) == 1


def test_content_that_comes_back_is_a_version_again(world: ConnectorWorld, google: GoogleServer, items: str):
    world.sync(items)
    google.edit(BUDGET, 0, [*ITEMS, ["3", "ink", 3.25]])
    world.sync(items)
    google.edit(BUDGET, 0, ITEMS)
    assert world.sync(items).result == "new_version"
    assert [found.number for found in world.versions(items)] == [3, 2, 1]


def test_must_hold_30_every_worksheet_is_its_own_source(world: ConnectorWorld, google: GoogleServer, items: str):
    connection = world.connections.connections("shop")[0]
    people = world.add_source(connection.connection_id, f"{BUDGET}/5", "people")
    for source in (items, people):
        assert world.sync(source).result == "new_version"
    google.edit(BUDGET, 5, [["id", "name"], ["c", "Cid"]])
    assert [world.sync(source).result for source in (items, people)] == ["unchanged", "new_version"]
    google.files[BUDGET].sheets[1].title = "Staff"
    google.files[BUDGET].version += 1
    assert world.sync(people).result == "unchanged"
    with pytest.raises(AlreadyExists, match="items"):
        world.add_source(connection.connection_id, f"{BUDGET}/0", "again")


def test_must_hold_30_tokens_are_in_no_record_no_event_and_no_error(world: ConnectorWorld, google: GoogleServer, items: str):
    google.refresh_tokens.clear()
    world.sync(items)
    google.refresh_tokens.add("another-token")
    google.files[BUDGET].readers.add("another-token")
    connection = world.connections.connections("shop")[0]
    world.connections.set_secrets(connection, {"refresh_token": "another-token"})
    world.work()
    world.sync(items)
    written = json.dumps([event.event.data for event in world.path.events()], default=str)
    for secret in (REFRESH, "another-token", "client-secret-of-tests", "ya29."):
        assert secret not in written
    assert "refresh_token" in written  # the name of the field only
    assert len(world.secrets._values) == 1


@pytest.mark.parametrize(
    ("policy", "result"),
    [(DeletedPolicy.KEEP, "gone"), (DeletedPolicy.FAIL, "failed"), (DeletedPolicy.DELETE_DATASET, "deleted")],
)
def test_must_hold_30_a_deleted_worksheet_is_handled_by_the_stated_policy(
    world: ConnectorWorld, google: GoogleServer, policy: DeletedPolicy, result: str
):
    is_kept = policy is not DeletedPolicy.DELETE_DATASET
    source = world.add_source(world.connect_budget(), f"{BUDGET}/0", "items", on_source_deleted=policy)
    world.sync(source)
    sheet = google.files[BUDGET].sheets.pop(0)
    google.files[BUDGET].version += 1
    outcome = world.sync(source)
    status = SyncStatus.FAILED if policy is DeletedPolicy.FAIL else SyncStatus.GONE
    assert (outcome.result, outcome.state.status) == (result, status)
    assert (world.registry.dataset("shop", source) is not None) is is_kept
    head = world.path.log.head("shop").position
    if policy is not DeletedPolicy.FAIL:
        assert world.sync(source).result == "gone"
        assert world.path.log.head("shop").position == head  # told once
    google.files[BUDGET].sheets.insert(0, sheet)
    google.files[BUDGET].version += 1
    back = world.sync(source)
    assert (back.result, back.state.status) == ("unchanged" if is_kept else "new_version", SyncStatus.OK)
    dataset = world.registry.dataset("shop", source)
    assert dataset is not None
    assert dataset.latest is not None


def test_a_spreadsheet_that_is_not_shared_any_more_is_not_taken_for_a_deleted_one(world: ConnectorWorld, google: GoogleServer):
    source = world.add_source(world.connect_budget(), f"{BUDGET}/0", "items", on_source_deleted=DeletedPolicy.DELETE_DATASET)
    world.sync(source)
    google.files[BUDGET].readers.clear()
    assert world.sync(source).result == "needs_authorization"
    assert world.registry.dataset("shop", source) is not None


def test_refused_credentials_stop_the_sources_of_their_connection_until_new_ones_come(
    world: ConnectorWorld, google: GoogleServer, items: str
):
    google.refresh_tokens.clear()
    assert world.sync(items).result == "needs_authorization"
    connection = world.connections.connections("shop")[0]
    assert connection.status is ConnectionStatus.NEEDS_AUTHORIZATION
    world.clock.sleep(10_000)
    assert due(world) == []
    google.refresh_tokens.add("new-token")
    google.files[BUDGET].readers.add("new-token")
    world.connections.set_secrets(connection, {"refresh_token": "new-token"})
    world.work()
    assert world.connections.connections("shop")[0].status is ConnectionStatus.ACTIVE
    assert due(world) == [items]
    assert world.sync(items).result == "new_version"


def test_a_source_rests_for_its_interval_and_nothing_is_logged_where_nothing_changed(world: ConnectorWorld, items: str):
    assert due(world) == [items]
    world.sync(items)
    assert due(world) == []
    world.clock.sleep(299)
    assert due(world) == []
    world.clock.sleep(2)
    assert due(world) == [items]
    head = world.path.log.head("shop").position
    assert world.sync(items).result == "unchanged"
    assert world.path.log.head("shop").position == head
    assert due(world) == []


def test_failures_are_tried_again_with_growing_pauses_then_wait_for_an_operator(
    world: ConnectorWorld, google: GoogleServer, items: str
):
    google.faults.append(Fault("/", 500, 10_000))
    pauses = []
    for _ in range(5):
        outcome = world.sync(items)
        assert outcome.result == "retrying"
        assert outcome.state.next_try_at is not None
        pauses.append((outcome.state.next_try_at - outcome.state.runs[0].at).total_seconds())
        assert due(world) == []
        world.clock.sleep(pauses[-1] + 1)
        assert due(world) == [items]
    for found, bound in zip(pauses, (2, 4, 8, 16, 32), strict=True):
        assert bound * 0.75 <= found <= bound
    assert world.sync(items).result == "failed"
    assert [state.source_id for state in world.syncs.failed("shop")] == [items]
    assert world.records_of(RecordKind.CONNECTOR_SYNC)[0]["error_code"] == "source_unavailable"
    world.clock.sleep(100_000)
    assert due(world) == []
    google.faults.clear()
    world.syncs.retry("shop", items, actor="ann")
    world.work()
    assert due(world) == [items]
    assert world.sync(items).result == "new_version"
    assert (world.syncs.failed("shop"), world.versions(items)[0].number) == ([], 1)


def test_a_discarded_sync_rests_until_it_is_retried(world: ConnectorWorld, google: GoogleServer, items: str):
    with pytest.raises(Conflict):
        world.syncs.discard("shop", items)
    google.edit(BUDGET, 0, [])
    assert world.sync(items).result == "failed"
    world.syncs.discard("shop", items)
    world.work()
    google.edit(BUDGET, 0, ITEMS)
    world.clock.sleep(10_000)
    assert due(world) == []
    world.syncs.retry("shop", items)
    world.work()
    assert world.sync(items).result == "new_version"


def test_an_empty_sheet_fails_at_once_and_is_looked_at_again_once_it_changed(
    world: ConnectorWorld, google: GoogleServer, items: str
):
    google.edit(BUDGET, 0, [])
    outcome = world.sync(items)
    assert (outcome.result, outcome.state.error_code) == ("failed", "unreadable_file")
    world.clock.sleep(301)
    assert due(world) == [items]
    head = world.path.log.head("shop").position
    assert world.sync(items).result == "unchanged"
    assert world.path.log.head("shop").position == head
    google.edit(BUDGET, 0, ITEMS)
    assert world.sync(items).result == "new_version"


def test_a_long_retry_after_of_the_source_is_kept(world: ConnectorWorld, google: GoogleServer, items: str):
    google.faults.append(Fault("/values/", 429, 1, {"Retry-After": "400"}))
    state = world.sync(items).state
    assert state.next_try_at is not None
    assert state.next_try_at - state.runs[0].at == timedelta(seconds=400)


def test_a_failing_source_keeps_no_other_one(world: ConnectorWorld, google: GoogleServer, items: str):
    people = world.add_source(world.connections.connections("shop")[0].connection_id, f"{BUDGET}/5", "people")
    google.faults.append(Fault("Items", 500, 10_000))
    assert [world.sync(source).result for source in (items, people)] == ["retrying", "new_version"]


def crash_at(world: ConnectorWorld, step: str) -> Callable[[], None]:
    """Make a step of the sync die: `before` it takes effect, or `after`. Returns what lets it live again."""
    target, name, when = {
        "the read": (world.tables, "profile", "before"),
        "the upload": (world.ingest, "run", "before"),
        "the upload's answer": (world.ingest, "run", "after"),
        "the commit of bytes": (world.datasets, "commit", "after"),
        "the record": (world.records, "save", "before"),
        "the record's answer": (world.records, "save", "after"),
        "the release": (world.path.work, "release", "before"),
    }[step]
    real = getattr(target, name)

    def dies(*arguments: Any, **options: Any) -> Any:
        if when == "after":
            real(*arguments, **options)
        raise Crash(step)

    setattr(target, name, dies)
    return lambda: setattr(target, name, real)


STEPS = [
    "the read",
    "the upload",
    "the upload's answer",
    "the commit of bytes",
    "the record",
    "the record's answer",
    "the release",
]


@pytest.mark.parametrize("step", STEPS)
def test_a_crash_at_any_step_and_then_again_is_one_version(world: ConnectorWorld, google: GoogleServer, items: str, step: str):
    if step != "the read":
        world.sync(items)
        google.edit(BUDGET, 0, [*ITEMS, ["3", "ink", 3.25]])
    before = len(world.versions(items))
    live_again = crash_at(world, step)
    with pytest.raises(Crash):
        world.syncs.sync("shop", items)
    live_again()
    world.clock.sleep(1000)  # the dead one's lease runs out
    assert world.sync(items).result in {"new_version", "unchanged"}
    assert len(world.versions(items)) == before + 1
    assert world.syncs.state(world.connections.source("shop", items)).status is SyncStatus.OK
    assert world.sync(items).result == "unchanged"


def test_two_at_once_do_one_sync(world: ConnectorWorld, items: str):
    other = world.new_syncs()
    found: list[str] = []
    outcome = world.syncs.sync("shop", items, progress=lambda _rows: found.append(other.sync("shop", items).result))
    assert (outcome.result, set(found)) == ("new_version", {"busy"})


def test_a_part_of_ours_that_is_down_is_no_failure_of_the_source(
    world: ConnectorWorld, items: str, monkeypatch: pytest.MonkeyPatch
):
    def down(*_arguments: Any, **_options: Any) -> None:
        raise LedgerUnavailable("away")

    monkeypatch.setattr(world.ingest, "run", down)
    with pytest.raises(LedgerUnavailable):
        world.sync(items)
    monkeypatch.undo()
    assert world.syncs.state(world.connections.source("shop", items)).attempts == 0
    assert world.sync(items).result == "new_version"


def test_a_disabled_source_is_never_due_and_not_read(world: ConnectorWorld, google: GoogleServer):
    source = world.add_source(world.connect_budget(), f"{BUDGET}/0", "items", is_enabled=False)
    assert due(world) == []
    assert world.sync(source).result == "disabled"
    assert not google.asked


def test_without_an_enabled_mapping_a_sync_writes_nothing_to_the_graph(world: ConnectorWorld, items: str):
    world.sync(items)
    kinds = {event.event.aggregate_type for event in world.path.events()}
    assert kinds >= {"Connection", "ConnectorSource", "ConnectorSync", "Dataset"}
    assert not kinds & {"Instance", "OntologyClass", "Bulk", "Run"}


def test_a_source_that_is_made_again_does_not_repeat_the_uploads_of_the_one_before(
    world: ConnectorWorld, google: GoogleServer, items: str
):
    world.sync(items)
    google.edit(BUDGET, 0, [*ITEMS, ["3", "ink", 3.25]])
    world.sync(items)
    world.connections.delete_source("shop", items)
    world.work()
    google.edit(BUDGET, 0, ITEMS)
    again = world.add_source("shop:budget", f"{BUDGET}/0", "items")
    assert world.sync(again).result == "new_version"
    assert [found.number for found in world.versions(items)] == [3, 2, 1]


def test_a_connection_goes_with_its_secrets_and_not_while_it_has_sources(world: ConnectorWorld, items: str):
    with pytest.raises(StillReferenced):
        world.connections.delete_connection("shop", "shop:budget")
    world.connections.delete_source("shop", items)
    world.work()
    world.connections.delete_connection("shop", "shop:budget")
    world.work()
    assert world.secrets._values == {}
    with pytest.raises(RecordNotFound, match="no connection"):
        world.connections.connection("shop", "shop:budget")


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "ftp"},
        {"config": {}},
        {"config": {"spreadsheets": BUDGET, "url": "http://evil"}},
        {"secrets": {"password": "x"}},
        {"config": {"spreadsheets": "http://evil.example/x"}},
    ],
)
def test_a_connection_that_cannot_be_is_refused_and_nothing_is_stored(world: ConnectorWorld, wrong: dict[str, Any]):
    given = {"kind": "google_sheets", "config": {"spreadsheets": BUDGET}, "secrets": {}, **wrong}
    head = world.path.log.head("shop").position
    with pytest.raises(InvalidInput):
        world.connections.save_connection("shop", "x", given["kind"], given["config"], given["secrets"])
    assert (world.path.log.head("shop").position, world.secrets._values) == (head, {})


def test_a_secret_in_the_open_fields_is_moved_to_the_secret_ones(world: ConnectorWorld):
    world.connections.save_connection("shop", "x", "google_sheets", {"spreadsheets": BUDGET, "api_key": "k"}, {})
    world.work()
    found = world.connections.connections("shop")[0]
    assert (dict(found.config), found.secret_fields) == ({"spreadsheets": BUDGET}, ("api_key",))
    world.connections.save_connection("shop", "x", "google_sheets", {"spreadsheets": BUDGET}, {})
    world.work()
    assert world.connections.secrets_of(world.connections.connections("shop")[0]) == {"api_key": "k"}
    world.connections.save_connection("shop", "x", "google_sheets", {"spreadsheets": BUDGET}, {"api_key": ""})
    world.work()
    assert world.connections.connections("shop")[0].secret_fields == ()
    assert world.secrets._values == {}
