"""What runs by itself after a migration deleted the instances of a class: looked for by the sensor's own functions, in memory."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest

from spice_assets.defs.ingest.arrivals import Arrivals, evaluate
from spice_assets.defs.ingest.sensors import observe
from spice_core.domain.catalogue_records import RecordKind
from spice_core.domain.class_migrations import ID_REMAP, RESET_EDITS, Migration
from spice_core.domain.class_resets import is_reset
from spice_core.domain.link_types import LinkType, TableSpec
from spice_core.services.fit_mappings import MappingFit
from spice_core.services.keep_gates import Gates
from spice_core.services.migrate_classes import ClassChanges
from spice_core.services.read_edits import EditReader
from spice_core.services.save_link_types import LinkTypes
from tests.data_world import DataWorld, csv_of
from tests.write_path import Crash, a_class, no_crash, text

CITY = a_class("City", text("code", primaryKey=True, required=True), text("name"), text("land"))
PERSON = a_class(
    "Person",
    text("id", primaryKey=True, required=True),
    relationships=[{"predicate": "city", "target": "City", "cardinality": "n:1"}],
)
BOAT = a_class("Boat", text("id", primaryKey=True, required=True))
BY_NAME = {**CITY, "properties": [text("code"), text("name", primaryKey=True, required=True), text("land")]}
BY_LAND = {**CITY, "properties": [text("code"), text("name"), text("land", primaryKey=True, required=True)]}
BY_BOTH = {**CITY, "properties": [text("code", primaryKey=True), text("name", primaryKey=True, required=True), text("land")]}
CITIES = csv_of(("code", "name", "land"), [("SEL", "SEL", "KR"), ("TYO", "TYO", "JP")])
PEOPLE = csv_of(("id", "city"), [("1", "SEL"), ("2", "TYO")])
MADE = ["objects/shop/City", "search/shop/City", "objects/shop/Person", "search/shop/Person"]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[DataWorld]:
    """Cities of a table, people who live in them, and boats that have nothing to do with either."""
    found = DataWorld(tmp_path).with_classes(CITY, PERSON, BOAT)
    for name, content, class_id, fields in (
        ("cities", CITIES, "City", {"code": "code", "name": "name"}),
        ("people", PEOPLE, "Person", {"id": "id", "city": "city"}),
        ("boats", "id\nb1\n", "Boat", {"id": "id"}),
    ):
        mapping = found.map(found.upload(name, content), class_id, fields)
        assert found.objectify.run("shop", mapping).state == "succeeded"
    yield found
    found.close()


def look(world: DataWorld, cursor: str | None) -> Arrivals:
    """One tick, as the sensor makes it."""
    path = world.path
    gates = Gates(commands=path.commands, registry=world.registry, datasets=world.datasets, tables=world.tables)
    fit = MappingFit(settled=path.commands.settled, registry=world.registry)
    observed = observe(world.registry, ["shop"], cursor, gate=gates.schema, fit=fit.refusal)
    return evaluate(cursor, observed, is_known=lambda _: True)


def migrate(world: DataWorld, how: Migration, definition: dict[str, object], *, seq: int = 1) -> None:
    path = world.path
    edits = EditReader(graph=path.graph, lineage=world.lineage, log=path.log, clock=world.clock)
    changes = ClassChanges(commands=path.commands, registry=world.registry, edits=edits)
    changes.update("shop", "main", "City", definition, expected_seq=seq, migration=how)


def link_people_to_cities(world: DataWorld) -> None:
    spec = TableSpec("foreign_key", "shop:main:people", ("id",), ("city",))
    born = LinkType("born", "shop", "main", "Person", "City", "born_in", "n:1", spec)
    LinkTypes(commands=world.path.commands, registry=world.registry).save(born)
    world.work()


def requested(found: Arrivals) -> list[str]:
    assert len(found.requests) <= 1
    return [key.to_user_string() for _, _, keys in found.requests for key in keys]


def refused(found: Arrivals) -> dict[str, str]:
    return {key.to_user_string(): reason for key, reason in found.refused}


def test_reset_asks_once_for_the_class_and_for_what_links_to_it_in_one_run(world: DataWorld) -> None:
    before = look(world, None)
    migrate(world, RESET_EDITS, BY_NAME)
    world.work()
    asked = look(world, before.cursor)
    assert sorted(requested(asked)) == sorted(MADE)
    world.upload("boats", "id\nb2\n")
    world.work()
    again = look(world, asked.cursor)
    assert requested(again) == ["raw/shop/boats", "dataset/shop/boats", "objects/shop/Boat", "search/shop/Boat"]


def test_remap_asks_for_nothing(world: DataWorld) -> None:
    before = look(world, None)
    migrate(world, ID_REMAP, BY_NAME)
    world.work()
    assert requested(look(world, before.cursor)) == []


def test_reset_that_is_not_decided_yet_or_whose_worker_died_half_way_is_asked_for_when_it_is_done(world: DataWorld) -> None:
    cursor = look(world, None).cursor
    migrate(world, RESET_EDITS, BY_NAME)
    accepted = look(world, cursor)
    assert (requested(accepted), world.instances("City").keys()) == ([], {"SEL", "TYO"})

    def die(name: str) -> None:
        if name == "graph:after_effect":
            raise Crash

    world.path.crash_point = die
    with pytest.raises(Crash):
        world.work()
    applied = look(world, accepted.cursor)
    assert (requested(applied), world.instances("City")) == ([], {})
    world.path.crash_point = no_crash
    world.path.restart()
    world.work()
    assert sorted(requested(look(world, applied.cursor))) == sorted(MADE)


def test_lost_cursor_asks_for_a_reset_with_all_the_rest_and_then_for_nothing(world: DataWorld) -> None:
    migrate(world, RESET_EDITS, BY_NAME)
    world.work()
    found = look(world, None)
    assert set(MADE) < set(requested(found))
    assert requested(look(world, found.cursor)) == []
    assert look(world, None).requests == found.requests


def test_each_further_reset_is_asked_for_also_where_nothing_was_made_again_yet(world: DataWorld) -> None:
    cursor = look(world, None).cursor
    for seq, definition in ((1, BY_NAME), (2, CITY)):
        migrate(world, RESET_EDITS, definition, seq=seq)
        world.work()
        found = look(world, cursor)
        assert sorted(requested(found)) == sorted(MADE)
        cursor = found.cursor


def test_mapping_that_does_not_fit_the_new_key_is_told_and_holds_up_what_links_to_it_until_it_fits(world: DataWorld) -> None:
    cursor = look(world, None).cursor
    migrate(world, RESET_EDITS, BY_LAND)
    world.upload("boats", "id\nb2\n")
    world.work()
    told = look(world, cursor)
    assert requested(told) == ["raw/shop/boats", "dataset/shop/boats", "objects/shop/Boat", "search/shop/Boat"]
    assert "the primary key is not mapped: land" in refused(told)["objects/shop/City"]
    assert refused(told)["objects/shop/Person"].startswith("waits for the instances of City, which cannot be made again: ")
    assert refused(look(world, told.cursor)) == {}

    version = world.registry.dataset("shop", "shop:main:cities").latest
    world.map(version, "City", {"code": "code", "name": "name", "land": "land"})
    assert sorted(requested(look(world, told.cursor))) == sorted(MADE)


def test_mapping_whose_link_does_not_fit_the_new_key_is_told_and_the_class_itself_is_made(world: DataWorld) -> None:
    cursor = look(world, None).cursor
    migrate(world, RESET_EDITS, BY_BOTH)
    world.work()
    told = look(world, cursor)
    assert requested(told) == ["objects/shop/City", "search/shop/City"]
    assert refused(told) == {"objects/shop/Person": "link city needs 2 columns, one per part of the target's primary key"}


def test_second_mapping_of_a_class_that_fits_again_runs_what_links_to_it_again(world: DataWorld) -> None:
    more = world.upload("more_cities", csv_of(("code", "land"), [("PUS", "KR")]))
    world.map(more, "City", {"code": "code"})
    cursor = look(world, None).cursor
    migrate(world, RESET_EDITS, BY_NAME)
    world.work()
    half = look(world, cursor)
    assert (sorted(requested(half)), list(refused(half))) == (sorted(MADE), ["objects/shop/City"])
    world.map(more, "City", {"code": "code", "name": "code"})
    assert sorted(requested(look(world, half.cursor))) == sorted(MADE)


def test_mappings_that_do_not_run_by_themselves_are_left_alone(world: DataWorld) -> None:
    version = world.registry.dataset("shop", "shop:main:cities").latest
    world.map(version, "City", {"code": "code", "name": "name"}, auto_run=False)
    cursor = look(world, None).cursor
    migrate(world, RESET_EDITS, BY_NAME)
    world.work()
    assert requested(look(world, cursor)) == ["objects/shop/Person", "search/shop/Person"]


def test_links_from_a_table_are_made_again_after_their_ends(world: DataWorld) -> None:
    link_people_to_cities(world)
    cursor = look(world, None).cursor
    migrate(world, RESET_EDITS, BY_NAME)
    world.work()
    assert sorted(requested(look(world, cursor))) == sorted([*MADE, "links/shop/born"])


def test_reset_is_kept_per_class_and_goes_with_its_database(world: DataWorld) -> None:
    migrate(world, RESET_EDITS, BY_NAME)
    world.work()
    [record] = world.registry.records("shop", RecordKind.CLASS_RESET)
    assert (record.record_id, record.document["linked_by"]) == ("shop:main:City", {"Person": ["city"]})
    world.path.commands.delete_database("shop", expected_seq=1)
    world.work()
    assert world.registry.records("shop", RecordKind.CLASS_RESET) == []


def test_tick_in_which_nothing_moved_reads_no_class(world: DataWorld) -> None:
    migrate(world, RESET_EDITS, BY_NAME)
    world.work()
    cursor = look(world, None).cursor

    def never(*_: object) -> dg.AssetKey:
        raise AssertionError("nothing moved")

    assert observe(world.registry, ["shop"], cursor, gate=never, fit=never) == []  # type: ignore[arg-type]


def test_links_are_looked_at_again_when_the_data_of_an_end_changes(world: DataWorld) -> None:
    """What they lead to may have come."""
    link_people_to_cities(world)
    cursor = look(world, None).cursor
    world.upload("cities", f"{CITIES}OSL,OSL,NO\n")
    found = look(world, cursor)
    assert {"objects/shop/City", "links/shop/born"} <= set(requested(found))
    world.upload("boats", "id\nb2\n")
    assert requested(look(world, found.cursor))[-1] == "search/shop/Boat"


def test_a_reset_that_does_not_tell_what_led_to_it_is_none_for_the_catalogue(world: DataWorld) -> None:
    migrate(world, RESET_EDITS, BY_NAME)
    world.work()
    [told] = [item for item in world.path.events() if is_reset(item)]
    older = {name: value for name, value in told.event.data.items() if name != "linked_by"}
    assert not is_reset(replace(told, event=replace(told.event, data=older)))
