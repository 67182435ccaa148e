"""Sensors over the real parts: what they start and tell, once; a tick that happens twice; a part that is down."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import dagster as dg
import pytest

from spice_assets.catalogue import Catalogue, read_catalogue
from spice_assets.definitions import build_definitions
from spice_assets.defs.ingest import connector_syncs
from spice_assets.defs.ingest.connector_syncs import ObservedSource, TickIsOver, changes, sync_due
from spice_assets.defs.projection.dead_letters import evaluate
from spice_assets.defs.runs import lost
from spice_assets.heartbeat import beating, lease_name
from spice_assets.links import Links
from spice_assets.resources import PlatformSource
from spice_assets.turns import key_of_turn
from spice_core.bootstrap import Platform, ingest_dataset, watch_places
from spice_core.domain.connectors import ConnectorSource, SyncState
from spice_core.domain.ingest_requests import UploadRequest
from spice_core.domain.watched_places import WatchedPlace
from spice_core.errors import Conflict, LedgerUnavailable
from spice_core.ports.work_ledger import DeadLetter
from spice_core.services.submit_registry import RegistryCommands
from spice_core.services.sync_connectors import Due
from spice_core.services.wait_for_reads import ReadBarrier
from tests.assets.catalogues import fixed_catalogue
from tests.faults.load import wait_until

NOW = datetime(2026, 11, 21, 12, 0, 30, tzinfo=UTC)
ALWAYS = ("watched_locations", "connector_changes", "dead_letters", "lost_runs")


def tick(name: str, definitions: dg.Definitions, instance: dg.DagsterInstance, *, cursor: str | None = None):
    sensor = definitions.resolve_sensor_def(name)
    with dg.build_sensor_context(
        instance=instance, cursor=cursor, repository_def=definitions.get_repository_def(), resources=definitions.resources
    ) as context:
        return sensor.evaluate_tick(context)


def definitions_of(open_platform, settings, catalogue: Catalogue | None = None) -> dg.Definitions:
    return build_definitions(catalogue or Catalogue(), source=PlatformSource(open_platform), links=Links(settings))


def settle(platform: Platform) -> None:
    barrier = ReadBarrier(log=platform.log, work=platform.work, clock=platform.clock, seconds=30)
    assert barrier.wait("trips", "registry") == []


@pytest.mark.parametrize("name", [*ALWAYS, "new_uploads", "worker_summaries", "deleted_datasets"])
def test_a_part_that_is_down_is_a_reason_to_skip(platform: Platform, name: str):
    def down() -> Platform:
        raise LedgerUnavailable("PostgreSQL does not answer")

    definitions = definitions_of(down, platform.settings, fixed_catalogue())
    with dg.instance_for_test() as instance:
        if name == "deleted_datasets":
            instance.add_run(dg.DagsterRun(job_name="x", status=dg.DagsterRunStatus.STARTED))
        found = tick(name, definitions, instance)
    assert not found.run_requests
    assert "does not answer" in found.skip_message


def test_a_file_in_a_watched_place_starts_one_run_that_takes_it_in(platform: Platform, tmp_path):
    folder = tmp_path / "inbox"
    folder.mkdir()
    platform = replace(platform, settings=platform.settings.model_copy(update={"watch_roots": (str(tmp_path),)}))
    platform.commands.create_database("trips")
    watch_places(platform, ingest_dataset(platform)).add(WatchedPlace("inbox", "trips", "main", str(folder), stable_seconds=0.0))
    settle(platform)
    definitions = definitions_of(lambda: platform, platform.settings)
    with dg.instance_for_test() as instance:
        assert "nothing new" in tick("watched_locations", definitions, instance).skip_message
        (folder / "cities.csv").write_text("code,name\nNYC,New York\n")
        (folder / "broken.csv").write_bytes(b"a,b\n1,\x00\n")
        [first] = tick("watched_locations", definitions, instance).run_requests
        [again] = tick("watched_locations", definitions, instance).run_requests
        assert first.run_key == again.run_key

        job = definitions.get_job_def("watched_places")
        assert job.execute_in_process(instance=instance).success
        settle(platform)
        assert platform.registry.dataset("trips", "trips:main:cities").latest.row_count == 1
        assert "nothing new" in tick("watched_locations", definitions, instance).skip_message
        assert job.execute_in_process(instance=instance).success
        settle(platform)
        assert platform.registry.dataset("trips", "trips:main:cities").latest.number == 1


def test_a_key_of_a_turn_is_the_same_for_ten_minutes():
    keys = [key_of_turn(["a"], NOW + timedelta(minutes=minutes)) for minutes in (0, 5, 15)]
    assert keys[0] == keys[1] != keys[2]
    assert key_of_turn(["b"], NOW) != keys[0]


def letter(**changed) -> DeadLetter:
    values = {
        "handler": "graph", "database": "trips", "event_id": "e1", "position": 7, "aggregate": "Instance|trips:main:City:NYC",
        "event_type": "UPDATE_INSTANCE_REQUESTED", "error": "boom", "attempts": 5, "first_failed_at": NOW, "last_failed_at": NOW,
        "state": "waiting", "parked_behind": "e1",
    }  # fmt: skip
    return DeadLetter(**{**values, **changed})


def test_each_failure_is_told_once_and_an_answer_is_noticed():
    news, changed, cursor = evaluate(None, [letter()])
    assert ([found.event_id for found in news], changed) == (["e1"], ["trips"])
    assert evaluate(cursor, [letter()]) == ([], [], cursor)
    failed_again = letter(last_failed_at=NOW + timedelta(seconds=1))
    assert evaluate(cursor, [failed_again])[0] == [failed_again]
    assert evaluate(cursor, [])[:2] == ([], ["trips"])


def test_a_dead_letter_is_shown_at_its_database_with_the_command_to_look_at_it(platform: Platform, monkeypatch):
    catalogue = replace(fixed_catalogue(), classes=(), links=())
    definitions = definitions_of(lambda: platform, platform.settings, catalogue)
    waiting = [letter(database="nyc"), letter(database="nyc", event_id="e2", parked_behind="e1")]
    monkeypatch.setattr(type(platform.work), "dead_letters", lambda *_, **__: list(waiting))
    with dg.instance_for_test() as instance:
        found = tick("dead_letters", definitions, instance)
        observed, check = found.asset_events
        assert observed.asset_key == check.asset_key == dg.AssetKey(["dead_letters", "nyc"])
        assert observed.metadata["command"].value == "spice dead-letters show e1 --db nyc"
        assert (check.check_name, check.passed) == ("none_waits", False)
        assert not tick("dead_letters", definitions, instance, cursor=found.cursor).asset_events
        waiting.clear()
        [answered] = tick("dead_letters", definitions, instance, cursor=found.cursor).asset_events
        assert answered.passed


SOURCE = ConnectorSource("trips:main:cities", "trips", "main", "cities", "sheet", "key", "first")


def test_what_became_of_a_source_is_told_once():
    observed = [ObservedSource(SOURCE, SyncState("trips:main:cities", version=3))]
    news, cursor = changes(None, observed)
    assert (news, json.loads(cursor)) == (observed, {"trips:main:cities": 3})
    assert changes(cursor, observed) == ([], cursor)
    assert changes(cursor, [ObservedSource(SOURCE, SyncState("trips:main:cities", version=4))])[0]
    assert changes(None, [ObservedSource(SOURCE, SyncState("trips:main:cities"))])[0] == []


def test_sources_are_synced_by_the_sensor_where_no_worker_does_and_large_ones_by_a_run(platform: Platform, monkeypatch):
    done: list[str] = []

    class Syncs:
        def due(self, _now):
            return [Due("trips", name) for name in ("small", "large", "busy", "last")]

        def sync(self, _database, source_id, *, progress):
            if source_id == "large":
                progress(1)
            if source_id == "busy":
                raise Conflict("somebody else was faster")
            done.append(source_id)

    told: list[str] = []
    with monkeypatch.context() as patched:
        patched.setattr(connector_syncs, "_for_seconds", lambda _clock, _seconds: _over)
        unfinished = sync_due(platform, Syncs(), tell=lambda *words: told.append(str(words)))  # type: ignore[arg-type]
    assert ([due.source_id for due in unfinished], done, len(told)) == (["large"], ["small", "last"], 1)


def _over(_rows: int) -> None:
    raise TickIsOver


@pytest.mark.parametrize(("enabled", "synced"), [(True, False), (False, True)])
def test_the_sensor_leaves_syncs_to_the_worker_where_there_is_one(platform: Platform, monkeypatch, enabled, synced):
    settings = platform.settings.model_copy(update={"connectors_enabled": enabled})
    changed = replace(platform, settings=settings)
    calls: list[int] = []
    monkeypatch.setattr(connector_syncs, "sync_due", lambda *_, **__: calls.append(1) or [Due("trips", "trips:main:cities")])
    definitions = definitions_of(lambda: changed, settings)
    with dg.instance_for_test() as instance:
        found = tick("connector_changes", definitions, instance)
    assert bool(calls) is synced
    assert [request.run_config for request in found.run_requests or ()] == (
        [{"ops": {"sync_source": {"config": {"database": "trips", "source_id": "trips:main:cities"}}}}] if synced else []
    )


def test_runs_of_deleted_datasets_are_cancelled_and_others_are_not(platform: Platform, monkeypatch):
    platform.commands.create_database("trips")
    ingest = ingest_dataset(platform)
    for name in ("cities", "trips"):
        ingest.run(UploadRequest("trips", "main", name, f"{name}.csv", key=name), [b"code,name\nNYC,New York\n"])
    settle(platform)
    definitions = definitions_of(
        lambda: platform, platform.settings, read_catalogue(platform.registry, platform.graph, platform.registry.databases())
    )
    cancelled: list[str] = []
    with dg.instance_for_test() as instance:
        monkeypatch.setattr(
            instance, "_run_coordinator", SimpleNamespace(cancel_run=cancelled.append, dispose=lambda: None), raising=False
        )
        runs = {
            name: instance.add_run(
                dg.DagsterRun(
                    job_name="__ASSET_JOB",
                    status=dg.DagsterRunStatus.STARTED,
                    asset_selection=frozenset({dg.AssetKey(["raw", "trips", name]), dg.AssetKey(["dataset", "trips", name])}),
                )
            )
            for name in ("cities", "trips")
        }
        assert "all runs have their datasets" in tick("deleted_datasets", definitions, instance).skip_message
        RegistryCommands(commands=platform.commands, registry=platform.registry).delete_dataset("trips", "trips:main:trips")
        found = tick("deleted_datasets", definitions, instance)
        assert cancelled == [runs["trips"].run_id]
        assert runs["trips"].run_id in found.skip_message


def test_a_run_shows_that_it_lives_until_it_ends(platform: Platform):
    source = PlatformSource(lambda: platform)
    with beating(source, "r1"):
        wait_until(lambda: platform.work.holder(lease_name("r1")) == "r1", seconds=10, what="a heartbeat")
    assert platform.work.holder(lease_name("r1")) is None


def test_a_run_is_lost_when_it_is_silent_at_two_looks_and_not_young():
    started = {"old": 0.0, "living": 0.0, "young": 95.0}
    alive = {"living"}.__contains__
    found, cursor = lost.evaluate(None, started, now=100.0, is_alive=alive)
    assert (set(found), json.loads(cursor)) == (set(), ["old"])
    assert set(lost.evaluate(cursor, started, now=115.0, is_alive=alive)[0]) == {"old"}
    assert set(lost.evaluate(cursor, started, now=115.0, is_alive=lambda _: True)[0]) == set()
