"""From an upload to searchable documents through the real definitions, on the embedded adapters with real workers."""

import threading
from dataclasses import replace

import dagster as dg
import pytest

from spice_assets.catalogue import read_catalogue
from spice_assets.definitions import build_definitions
from spice_assets.defs.ingest.sensors import observe
from spice_assets.links import Links
from spice_assets.names import AUTOMATIC
from spice_assets.resources import PlatformSource, served_databases
from spice_core.bootstrap import class_changes, ingest_dataset
from spice_core.domain.class_migrations import RESET_EDITS
from spice_core.domain.datasets import ClassMapping, FieldMapping
from spice_core.domain.gates import PASS, GateCheck
from spice_core.domain.link_types import LinkType, TableSpec
from spice_core.services.ingest_dataset import UploadRequest
from spice_core.services.save_link_types import LinkTypes
from spice_core.services.submit_registry import RegistryCommands, mapping_id_of
from spice_core.services.wait_for_reads import ReadBarrier

CITIES = b"code,name\nNYC,New York\nSFO,San Francisco\nSFO,San Francisco again\n"
TRIPS = b"trip,city,paid\n1,NYC,10.50\n2,SFO,3.20\n3,XXX,7.00\n"
CITY = {
    "id": "City",
    "label": "City",
    "properties": [
        {"name": "code", "type": "string", "primaryKey": True, "required": True},
        {"name": "name", "type": "string", "titleKey": True},
    ],
}
TRIP = {
    "id": "Trip",
    "label": "Trip",
    "properties": [
        {"name": "trip", "type": "integer", "primaryKey": True, "required": True},
        {"name": "paid", "type": "decimal"},
    ],
    "relationships": [{"predicate": "went_to", "target": "City", "cardinality": "n:1", "label": "Went to"}],
}


@pytest.fixture
def world(platform):
    """Two datasets, two classes and two mappings in the database `trips`."""
    platform.commands.create_database("trips")
    ingest = ingest_dataset(platform)
    catalogue = RegistryCommands(commands=platform.commands, registry=platform.registry)
    for name, content, definition, links in (("cities", CITIES, CITY, {}), ("trips", TRIPS, TRIP, {"went_to": "city"})):
        version = ingest.run(UploadRequest("trips", "main", name, f"{name}.csv", key=name, actor="tester"), [content])
        platform.commands.create_class("trips", "main", definition)
        fields = {item["name"]: item["name"] for item in definition["properties"]} | links
        catalogue.save_mapping(
            ClassMapping(
                mapping_id=mapping_id_of("trips", "main", version.dataset_id, definition["id"]),
                database="trips",
                branch="main",
                dataset_id=version.dataset_id,
                class_id=definition["id"],
                fields=[FieldMapping(target, [column]) for target, column in fields.items()],
                schema_hash=version.schema_hash,
                on_missing_target="drop_link",
            )
        )
    barrier = ReadBarrier(log=platform.log, work=platform.work, clock=platform.clock, seconds=30)
    assert barrier.wait("trips", "graph", "registry") == []
    return platform


def definitions_of(platform) -> dg.Definitions:
    catalogue = read_catalogue(platform.registry, platform.graph, platform.registry.databases())
    return build_definitions(catalogue, source=PlatformSource(lambda: platform), links=Links(platform.settings))


def materialize(platform, instance, *, is_selected=lambda key: True, tags=None):
    definitions = definitions_of(platform)
    keys = [key for key in definitions.get_repository_def().asset_graph.materializable_asset_keys if is_selected(key)]
    job = definitions.resolve_implicit_global_asset_job_def()
    return job.execute_in_process(asset_selection=keys, instance=instance, raise_on_error=False, tags=tags)


def metadata(result, *path):
    found = result.asset_materializations_for_node("__".join(path))
    return {name: value.value for name, value in found[-1].metadata.items()}, found[-1].tags


def test_chain_runs_from_file_to_search_and_reports_what_it_counted(world):
    with dg.instance_for_test() as instance:
        result = materialize(world, instance)
        assert result.success

        raw, _ = metadata(result, "raw", "trips", "trips")
        assert raw["bytes"] == len(TRIPS)
        dataset, tags = metadata(result, "dataset", "trips", "trips")
        version = world.registry.dataset("trips", "trips:main:trips").latest
        assert (dataset["dagster/row_count"], dataset["rejects"]) == (3, 0)
        assert [column.name for column in dataset["dagster/column_schema"].columns] == ["trip", "city", "paid"]
        assert tags["dagster/data_version"] == version.commit_id

        cities, _ = metadata(result, "objects", "trips", "City")
        assert (cities["created"], cities["rejects"], cities["dagster/row_count"]) == (2, 1, 2)
        trips, _ = metadata(result, "objects", "trips", "Trip")
        assert (trips["rows"], trips["created"], trips["links_dropped"]) == (3, 3, 1)
        assert [row.data for row in trips["reasons"].records] == [{"reason": "went_to.missing_target", "count": 1}]
        origin = trips["dagster/column_lineage"].deps_by_column
        assert origin["paid"] == [dg.TableColumnDep(dg.AssetKey(["dataset", "trips", "trips"]), "paid")]
        assert [dep.column_name for dep in origin["went_to"]] == ["city"]
        search, _ = metadata(result, "search", "trips", "Trip")
        assert (search["dagster/row_count"], search["missing"], search["different"]) == (3, 0, 0)

        checks = {(c.asset_key.to_user_string(), c.check_name): c.passed for c in result.get_asset_check_evaluations()}
        assert checks.pop(("dataset/trips/cities", "key_is_unique")) is False
        assert len(checks) == 7
        assert all(checks.values())

        again = materialize(world, instance, is_selected=lambda key: key.path[0] == "objects")
        assert again.success
        repeated, _ = metadata(again, "objects", "trips", "Trip")
        assert (repeated["created"], repeated["updated"], repeated["unchanged"]) == (0, 0, 3)


def test_deleted_dataset_says_so_instead_of_failing_in_the_dark(world):
    definitions = definitions_of(world)
    RegistryCommands(commands=world.commands, registry=world.registry).delete_dataset("trips", "trips:main:trips")
    barrier = ReadBarrier(log=world.log, work=world.work, clock=world.clock, seconds=30)
    assert barrier.wait("trips", "registry") == []
    with dg.instance_for_test() as instance:
        job = definitions.resolve_implicit_global_asset_job_def()
        key = dg.AssetKey(["dataset", "trips", "trips"])
        result = job.execute_in_process(asset_selection=[key], instance=instance, raise_on_error=False)
    assert not result.success
    assert "reload the code location" in str(result.failure_data_for_node("dataset__trips__trips").error)


def test_sensor_asks_for_everything_once(world):
    definitions = definitions_of(world)
    sensor = definitions.resolve_sensor_def("new_uploads")
    with dg.instance_for_test() as instance:
        first = _tick(sensor, definitions, instance, cursor=None)
        assert len(first.run_requests) == 1
        assert len(first.run_requests[0].asset_selection) == 8
        second = _tick(sensor, definitions, instance, cursor=first.cursor)
        assert not second.run_requests
    assert observe(world.registry, ["trips"], first.cursor, gate=never, fit=never) == []


@pytest.mark.parametrize(("patterns", "served"), [([], ["trips"]), (["sales", "tri*"], ["trips"]), (["sales", "trip"], [])])
def test_location_serves_the_databases_that_the_setting_names(world, patterns: list[str], served: list[str]):
    platform = replace(world, settings=world.settings.model_copy(update={"dagster_databases": patterns}))
    assert served_databases(platform) == served
    assert {entry.database for entry in read_catalogue(world.registry, world.graph, served).datasets} == set(served)
    definitions = definitions_of(platform)
    with dg.instance_for_test() as instance:
        found = _tick(definitions.resolve_sensor_def("new_uploads"), definitions, instance, cursor=None)
    assert len(found.run_requests or ()) == len(served)


def test_one_platform_serves_all_threads():
    opened = []
    source = PlatformSource(lambda: opened.append(1) or object())  # type: ignore[return-value]
    threads = [threading.Thread(target=source.get) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert opened == [1]


def never(*_):
    raise AssertionError("nothing is new")


def passes(*_):
    return GateCheck("OBJECT_TYPE_SCHEMA_HASH_MISMATCH", PASS)


def _tick(sensor, definitions, instance, *, cursor):
    with dg.build_sensor_context(
        instance=instance, cursor=cursor, repository_def=definitions.get_repository_def(), resources=definitions.resources
    ) as context:
        return sensor.evaluate_tick(context)


def test_links_come_from_a_column_and_follow_the_next_version(world):
    wanted = LinkType(
        name="starts",
        database="trips",
        branch="main",
        class_id="Trip",
        target="City",
        predicate="starts_in",
        cardinality="n:1",
        spec=TableSpec("foreign_key", "trips:main:trips", (), ("city",), dangling_policy="WARN_DROP"),
    )
    barrier = ReadBarrier(log=world.log, work=world.work, clock=world.clock, seconds=30)
    with dg.instance_for_test() as instance:
        assert materialize(world, instance).success
        strict = replace(wanted, spec=replace(wanted.spec, dangling_policy="FAIL"))
        LinkTypes(commands=world.commands, registry=world.registry).save(strict)
        assert barrier.wait("trips", "graph", "registry") == []
        refused = materialize(world, instance, is_selected=lambda key: key.path[0] == "links")
        assert not refused.success
        [record] = instance.fetch_observations(dg.AssetKey(["links", "trips", "starts"]), limit=2).records
        told = record.asset_observation
        assert told is not None
        assert told.description.startswith("No link was written: 1 links to instances that do not exist.")
        assert "dagster/row_count" not in told.metadata

        LinkTypes(commands=world.commands, registry=world.registry).save(wanted)
        assert barrier.wait("trips", "graph", "registry") == []
        [observed] = observe(world.registry, ["trips"], None, gate=passes, fit=lambda *_: "")
        assert [(item.name, item.dataset_ids) for item in observed.link_types] == [
            ("starts", ["trips:main:cities", "trips:main:trips"])
        ]

        result = materialize(world, instance)
        assert result.success
        links, _ = metadata(result, "links", "trips", "starts")
        assert (links["dagster/row_count"], links["result"], links["dangling"]) == (2, "WARN", 1)
        checks = {c.check_name: (c.passed, c.severity) for c in result.get_asset_check_evaluations()}
        assert checks["nothing_dropped"] == (False, dg.AssetCheckSeverity.WARN)
        assert starts_in(world) == {"Trip/1": ("City/NYC",), "Trip/2": ("City/SFO",), "Trip/3": ()}

        content = b"trip,city,paid\n1,SFO,10.50\n2,SFO,3.20\n"
        ingest_dataset(world).run(UploadRequest("trips", "main", "trips", "trips.csv", key="second"), [content])
        assert barrier.wait("trips", "registry") == []
        result = materialize(world, instance)
        links, _ = metadata(result, "links", "trips", "starts")
        assert (links["added"], links["removed"], links["result"]) == (1, 1, "PASS")
        assert starts_in(world) == {"Trip/1": ("City/SFO",), "Trip/2": ("City/SFO",)}


def starts_in(world):
    nodes = world.graph.view("trips", "main").page(["Trip"], limit=100).nodes
    return {node.key: tuple(node.links.get("starts_in", ())) for node in nodes}


BY_NAME = {
    **CITY,
    "properties": [
        {"name": "code", "type": "string"},
        {"name": "name", "type": "string", "primaryKey": True, "required": True, "titleKey": True},
    ],
}


def test_reset_instances_and_the_links_to_them_are_made_again_by_what_the_next_tick_starts(world):
    settle = ReadBarrier(log=world.log, work=world.work, clock=world.clock, seconds=30).wait
    ingest_dataset(world).run(
        UploadRequest("trips", "main", "cities", "cities.csv", key="by name"), [b"code,name\nn-y,NYC\ns-f,SFO\n"]
    )
    assert settle("trips", "registry") == []
    definitions = definitions_of(world)
    sensor, job = definitions.resolve_sensor_def("new_uploads"), definitions.resolve_implicit_global_asset_job_def()
    with dg.instance_for_test() as instance:
        cursor = _tick(sensor, definitions, instance, cursor=None).cursor
        assert materialize(world, instance, tags={AUTOMATIC: "true"}).success
        class_changes(world).update("trips", "main", "City", BY_NAME, expected_seq=1, migration=RESET_EDITS)
        assert settle("trips", "graph") == []
        assert settle("trips", "registry") == []
        assert world.graph.view("trips", "main").count(["City"]) == 0

        found = _tick(sensor, definitions, instance, cursor=cursor)
        [request] = found.run_requests
        asked = {f"{kind}/trips/{name}" for kind in ("objects", "search") for name in ("City", "Trip")}
        assert {key.to_user_string() for key in request.asset_selection} == asked
        assert job.execute_in_process(asset_selection=request.asset_selection, instance=instance, tags=request.tags).success
        nodes = world.graph.view("trips", "main").page(["City", "Trip"], limit=100).nodes
        assert {node.key: node.links.get("went_to") for node in nodes} == {
            "City/NYC": None, "City/SFO": None, "Trip/1": ("City/NYC",), "Trip/2": ("City/SFO",), "Trip/3": None,
        }  # fmt: skip
        assert settle("trips", "registry") == []
        assert not _tick(sensor, definitions, instance, cursor=found.cursor).run_requests


OTHER_COLUMNS = b"trip,city,paid,tip\n1,NYC,10.50,1.00\n"


def test_version_with_other_columns_is_skipped_with_the_reason_by_what_runs_by_itself_and_fails_what_somebody_starts(world):
    """The sensor leaves the mapping out; so does a run that was queued before; a person is told by a failure."""
    definitions = definitions_of(world)
    sensor = definitions.resolve_sensor_def("new_uploads")
    with dg.instance_for_test() as instance:
        first = _tick(sensor, definitions, instance, cursor=None)
        ingest_dataset(world).run(UploadRequest("trips", "main", "trips", "trips.csv", key="wider"), [OTHER_COLUMNS])
        assert ReadBarrier(log=world.log, work=world.work, clock=world.clock, seconds=30).wait("trips", "registry") == []

        found = _tick(sensor, definitions, instance, cursor=first.cursor)
        [request] = found.run_requests
        assert [key.to_user_string() for key in request.asset_selection] == ["raw/trips/trips", "dataset/trips/trips"]
        [told] = found.asset_events
        assert told.asset_key.to_user_string() == "objects/trips/Trip"
        assert "added: tip" in told.metadata["reason"].value
        assert not _tick(sensor, definitions, instance, cursor=found.cursor).asset_events

        queued = materialize(world, instance, tags={AUTOMATIC: "true"})
        assert queued.success
        made = {event.asset_key.to_user_string() for event in queued.get_asset_materialization_events()}
        assert "objects/trips/City" in made
        assert not made & {"objects/trips/Trip", "search/trips/Trip"}

        started = materialize(world, instance)
        assert not started.success
        checks = {(c.asset_key.path[-1], c.check_name): c for c in started.get_asset_check_evaluations()}
        refused = checks["trips", "schema_fits_mappings"]
        assert (refused.passed, refused.severity, refused.blocking) == (False, dg.AssetCheckSeverity.ERROR, True)
