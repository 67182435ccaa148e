"""Shards as partitions of the real definitions: one run for all of them, one alone, and the checks of the whole."""

import warnings

import dagster as dg
import pytest

from spice_assets.catalogue import Catalogue, read_catalogue
from spice_assets.definitions import build_definitions
from spice_assets.defs.projection.assets import compare_class
from spice_assets.links import Links
from spice_assets.names import AUTOMATIC
from spice_assets.partitions import tags_of_all
from spice_assets.resources import PlatformSource
from spice_core.domain.datasets import ClassMapping, FieldMapping
from spice_core.domain.shards import shards_of
from spice_core.services.submit_registry import RegistryCommands, mapping_id_of
from spice_core.services.wait_for_reads import ReadBarrier
from tests.assets.test_materialize import _tick, world

__all__ = ["world"]
SHARDS = 3
TRIPS = dg.AssetKey(["objects", "trips", "Trip"])
DOCUMENTS = dg.AssetKey(["search", "trips", "Trip"])


@pytest.fixture
def catalogue(world) -> Catalogue:
    return read_catalogue(world.registry, world.graph, ["trips"], shards=SHARDS)


@pytest.fixture
def definitions(world, catalogue) -> dg.Definitions:
    return build_definitions(catalogue, source=PlatformSource(lambda: world), links=Links(world.settings))


def run(definitions, instance, *, keys=None, tags):
    selected = keys or list(definitions.get_repository_def().asset_graph.materializable_asset_keys)
    job = definitions.resolve_implicit_global_asset_job_def()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)
        return job.execute_in_process(asset_selection=selected, instance=instance, raise_on_error=False, tags=tags)


def runs(world):
    return [item for item in world.registry.runs("trips") if item.mapping_id.endswith("Trip")]


def test_an_automatic_run_makes_all_partitions_in_one_and_one_alone_is_made_again(world, catalogue, definitions):
    with dg.instance_for_test() as instance:
        found = run(definitions, instance, tags={AUTOMATIC: "true", **tags_of_all(catalogue)})
        assert found.success
        names = {"0-of-3", "1-of-3", "2-of-3"}
        assert instance.get_materialized_partitions(TRIPS) == names
        assert instance.get_materialized_partitions(DOCUMENTS) == names
        assert [(item.shards, item.created) for item in runs(world)] == [("", 3)], "one run of the mapping, of all rows"

        alone = run(definitions, instance, keys=[TRIPS, DOCUMENTS], tags={"dagster/partition": "1-of-3"})
        assert alone.success
        assert {event.partition for event in alone.get_asset_materialization_events()} == {"1-of-3"}
        newest = runs(world)[0]
        assert (newest.shards, newest.created, newest.unchanged) == ("1/3", 0, newest.rows)
        checks = {(c.asset_key, c.check_name): c.passed for c in alone.get_asset_check_evaluations()}
        assert all(checks.values())


def test_partitions_one_by_one_make_the_whole_class(world, catalogue, definitions):
    counted = []
    [entry] = [item for item in catalogue.classes if item.class_id == "Trip"]
    with dg.instance_for_test() as instance:
        for number in range(SHARDS):
            found = run(definitions, instance, keys=[TRIPS, DOCUMENTS], tags={"dagster/partition": f"{number}-of-3"})
            assert found.success
            [compared] = found.asset_materializations_for_node("search__trips__Trip")
            counted.append([compared.metadata[name].value for name in ("instances", "dagster/row_count", "missing")])
    assert sorted(item.shards for item in runs(world)) == ["0/3", "1/3", "2/3"]
    assert sum(item.created for item in runs(world)) == world.graph.view("trips", "main").count(["Trip"]) == 3
    assert all(found == documents and not missing for found, documents, missing in counted)
    compared = [compare_class(world, entry, shards_of([number], 3)) for number in range(SHARDS)]
    assert sum(item.documents for item in compared) == sum(item.nodes for item in compared) == 3


def test_a_run_that_names_no_partition_makes_the_whole_class(world, definitions):
    with dg.instance_for_test() as instance:
        assert run(definitions, instance, keys=[TRIPS], tags={}).success
    assert [(item.shards, item.created) for item in runs(world)] == [("", 3)]


def test_what_the_sensor_asks_for_are_all_partitions(world, catalogue, definitions):
    with dg.instance_for_test() as instance:
        found = _tick(definitions.resolve_sensor_def("new_uploads"), definitions, instance, cursor=None)
    [request] = found.run_requests
    assert tags_of_all(catalogue).items() <= request.tags.items()


def test_classes_that_are_linked_to_themselves_have_no_partitions(world):
    key = {"name": "code", "type": "string", "primaryKey": True, "required": True}
    link = {"predicate": "made_of", "target": "Part", "cardinality": "n:1", "label": "made of"}
    barrier = ReadBarrier(log=world.log, work=world.work, clock=world.clock, seconds=30)
    catalogue = RegistryCommands(commands=world.commands, registry=world.registry)
    for definition in ({"id": "Part", "properties": [key], "relationships": [link]}, {"id": "Screw", "parent_class": "Part"}):
        name = definition["id"]
        world.commands.create_class("trips", "main", {"label": name, **definition})
        fields = [FieldMapping("code", ["code"]), FieldMapping("made_of", ["name"])]
        dataset = "trips:main:cities"
        catalogue.save_mapping(
            ClassMapping(mapping_id_of("trips", "main", dataset, name), "trips", "main", dataset, name, fields, "")
        )
    assert barrier.wait("trips", "graph", "registry") == []
    found = read_catalogue(world.registry, world.graph, ["trips"], shards=SHARDS)
    assert {entry.class_id: entry.shards for entry in found.classes} == {"City": 3, "Part": 1, "Screw": 1, "Trip": 3}
