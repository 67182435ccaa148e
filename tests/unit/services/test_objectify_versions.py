"""What a version says of a row that is only written in another way, or of which the graph holds an older state."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from spice_core.domain.shards import shards_of
from spice_core.services import objectify_write, removed_rows
from tests.data_world import DataWorld, csv_of
from tests.write_path import a_class, text

WithClass = Callable[[Mapping[str, Any]], DataWorld]
UUIDS = [f"6f9619ff-8b86-d011-b42d-00c04fc96{number:03x}" for number in range(5)]
KEYS = {
    "decimal": (["1.50", "2.25", "3.75"], ["1.50", "2.25", "3.75", "4.125"], {"1.5", "2.25", "3.75", "4.125"}),
    "uuid": (UUIDS, [key.upper() for key in UUIDS], set(UUIDS)),
}


@pytest.fixture
def with_class(tmp_path: Path) -> Iterator[WithClass]:
    """Makes a class in a world of its own."""
    world = DataWorld(tmp_path)
    yield world.with_classes
    world.close()


def things(key_type: str) -> Mapping[str, Any]:
    return a_class("Thing", {"name": "id", "type": key_type, "primaryKey": True, "required": True}, text("name"))


def upload(world: DataWorld, keys: list[str]) -> Any:
    return world.upload("things", csv_of(("id", "name"), [(key, "same") for key in keys]))


@pytest.mark.parametrize("key_type", ["decimal", "uuid", "string of decimals"])
def test_instances_stay_whose_keys_are_written_in_another_way(with_class: WithClass, key_type: str):
    before, after, expected = KEYS[key_type.removeprefix("string of ").rstrip("s")]
    world = with_class(things(key_type.partition(" ")[0]))
    mapping_id = world.map(upload(world, before), "Thing", {"id": "id", "name": "name"})
    assert world.objectify.run("shop", mapping_id).created == len(before)
    upload(world, after)
    run = world.objectify.run("shop", mapping_id)
    assert (run.state, run.deleted, run.created) == ("succeeded", 0, len(expected) - len(before))
    assert world.instances("Thing").keys() == expected


@pytest.mark.parametrize("remembered", [1, 2, 50_000])
def test_in_shards_a_key_written_in_another_way_stays_and_a_removed_one_goes(
    with_class: WithClass, remembered: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(removed_rows, "_REMEMBERED_ROWS", remembered)
    world = with_class(things("uuid"))
    mapping_id = world.map(upload(world, UUIDS), "Thing", {"id": "id", "name": "name"})
    world.objectify.run("shop", mapping_id)
    upload(world, [key.upper() for key in UUIDS[2:]])
    runs = [world.objectify.run("shop", mapping_id, shards=shards_of([number], 3)) for number in range(3)]
    assert sum(run.deleted for run in runs) == 2
    assert world.instances("Thing").keys() == set(UUIDS[2:])


def test_a_kept_row_is_not_counted_where_only_its_key_is_written_in_another_way(with_class: WithClass):
    world = with_class(things("uuid"))
    mapping_id = world.map(upload(world, UUIDS), "Thing", {"id": "id", "name": "name"}, on_removed_row="keep")
    world.objectify.run("shop", mapping_id)
    upload(world, [key.upper() for key in UUIDS[1:]])
    assert world.objectify.run("shop", mapping_id).reasons == {"removed_row_kept": 1}


def test_a_corrected_row_is_applied_whole_after_it_was_rejected(with_class: WithClass):
    person = a_class(
        "Person",
        text("id", primaryKey=True, required=True),
        text("name", required=True),
        {"name": "age", "type": "integer"},
    )
    world = with_class(person)

    def people(name: str | None, age: int) -> Any:
        return world.upload("people", csv_of(("id", "name", "age"), [("p1", name, age), ("p2", "Zed", 1)]))

    mapping_id = world.map(people("Ann", 30), "Person", {"id": "id", "name": "name", "age": "age"})
    world.objectify.run("shop", mapping_id)
    people(None, 31)
    assert world.objectify.run("shop", mapping_id).rejected == 1
    assert world.instances("Person")["p1"] == {"id": "p1", "name": "Ann", "age": 30}, "a rejected row keeps the last good state"
    people("Bob", 31)
    assert world.objectify.run("shop", mapping_id).updated == 1
    assert world.instances("Person")["p1"] == {"id": "p1", "name": "Bob", "age": 31}


@pytest.mark.parametrize("default", [{}, {"default": "?"}])
@pytest.mark.parametrize("between", ["another row", "the same version again"])
def test_a_row_that_stays_rejected_is_applied_whole_whenever_it_is_corrected(
    with_class: WithClass, between: str, default: dict[str, str]
):
    age = {"name": "age", "type": "integer"}
    world = with_class(a_class("Person", text("id", primaryKey=True, required=True), text("name", required=True, **default), age))

    def people(name: str | None, age: int, other: int) -> Any:
        return world.upload("people", csv_of(("id", "name", "age"), [("p1", name, age), ("p2", "Zed", other)]))

    mapping_id = world.map(people("Ann", 30, 1), "Person", {"id": "id", "name": "name", "age": "age"})
    world.objectify.run("shop", mapping_id)
    people(None, 31, 1)
    assert world.objectify.run("shop", mapping_id).rejected == 1
    if between == "another row":
        people(None, 31, 2)
    world.objectify.run("shop", mapping_id)
    people("Bob", 31, 3)
    world.objectify.run("shop", mapping_id)
    assert world.instances("Person")["p1"] == {"id": "p1", "name": "Bob", "age": 31}


@pytest.mark.parametrize("is_required", [True, False])
def test_a_link_whose_target_takes_one_source_stays_where_its_row_is_rejected(with_class: WithClass, *, is_required: bool):
    lives = {"predicate": "city", "target": "City", "cardinality": "1:1", "on_delete": "unlink", "label": "city"}
    if is_required:
        lives["required"] = True
    person = a_class("Person", text("id", primaryKey=True, required=True), text("name", required=True), relationships=[lives])
    world = with_class(a_class("City", text("code", primaryKey=True, required=True)), person)
    for code in ("SEL", "PUS", "NYC"):
        world.path.commands.create_instance("shop", "main", "City", {"code": code})
    world.work()

    def people(name: str | None, city: str, other: str) -> Any:
        return world.upload("people", csv_of(("id", "name", "city"), [("p1", name, city), ("p2", "Zed", other)]))

    fields = {"id": "id", "name": "name", "city": "city"}
    mapping_id = world.map(people("Ann", "SEL", "PUS"), "Person", fields, on_missing_target="drop_link")
    world.objectify.run("shop", mapping_id)
    people(None, "NYC", "PUS")
    assert world.objectify.run("shop", mapping_id).rejected == 1
    assert world.instances("Person")["p1"] == {"id": "p1", "name": "Ann", "city": "City/SEL"}
    people("Ann", "NYC", "PUS")
    run = world.objectify.run("shop", mapping_id)
    assert (run.state, run.rejected) == ("succeeded", 0)
    assert world.instances("Person")["p1"]["city"] == "City/NYC"


def test_an_instance_stays_where_one_of_two_spellings_of_its_key_goes(with_class: WithClass):
    world = with_class(things("uuid"))
    mapping_id = world.map(upload(world, [UUIDS[0], UUIDS[0].upper(), UUIDS[1]]), "Thing", {"id": "id", "name": "name"})
    world.objectify.run("shop", mapping_id)
    upload(world, [UUIDS[0], UUIDS[1]])
    assert world.objectify.run("shop", mapping_id).deleted == 0
    assert world.instances("Thing").keys() == set(UUIDS[:2])


def test_a_row_that_stays_rejected_makes_no_run_look_at_all_rows(with_class: WithClass):
    world = with_class(a_class("Thing", text("id", primaryKey=True, required=True), text("name", required=True)))

    def things(name: str) -> Any:
        rows = [("bad", None), ("t1", name), *((f"u{number}", "same") for number in range(20))]
        return world.upload("things", csv_of(("id", "name"), rows))

    mapping_id = world.map(things("a"), "Thing", {"id": "id", "name": "name"})
    assert world.objectify.run("shop", mapping_id).rejected == 1
    looked_at: list[int] = []
    things("b")
    run = world.objectify.run("shop", mapping_id, progress=lambda progress: looked_at.append(progress.rows))
    assert (run.state, run.updated, looked_at) == ("succeeded", 1, [1])


@pytest.mark.parametrize("remembered", [0, 50_000])
@pytest.mark.parametrize("was_rejected", [True, False])
def test_an_instance_that_a_changed_row_makes_again_is_linked_to_its_own_class(
    with_class: WithClass, was_rejected: bool, remembered: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(objectify_write, "_REMEMBERED_ROWS", remembered)
    parent = {"predicate": "parent", "target": "Part", "cardinality": "n:1", "on_delete": "unlink", "label": "parent"}
    part = a_class("Part", text("id", primaryKey=True, required=True), text("name", required=True), relationships=[parent])
    world = with_class(part)

    def parts(name: str | None) -> Any:
        return world.upload("parts", csv_of(("id", "name", "parent"), [("a", "A", None), ("b", name, "a"), ("c", "C", "a")]))

    fields = {"id": "id", "name": "name", "parent": "parent"}
    mapping_id = world.map(parts(None if was_rejected else "B"), "Part", fields, on_missing_target="drop_link")
    world.objectify.run("shop", mapping_id)
    if not was_rejected:
        number = world.path.graph.view("shop", "main").get(["Part/b"])["Part/b"].sequence_number
        world.path.commands.delete_instance("shop", "main", "Part", "b", expected_seq=number)
        world.work()
    parts("B2")
    assert world.objectify.run("shop", mapping_id).created == 1
    assert world.instances("Part")["b"] == {"id": "b", "name": "B2", "parent": "Part/a"}


@pytest.mark.parametrize("cardinality", ["1:1", "1:n"])
@pytest.mark.parametrize("cities", [("PUS", "SEL"), ("PUS", "NYC"), ("PUS", None)])
def test_a_target_that_takes_one_source_changes_hands_in_one_run(
    tmp_path: Path, cities: tuple[str, str | None], cardinality: str
):
    city = a_class("City", text("code", primaryKey=True, required=True))
    lives = {"predicate": "city", "target": "City", "cardinality": cardinality, "on_delete": "unlink", "label": "city"}
    person = a_class("Person", text("id", primaryKey=True, required=True), relationships=[lives])
    world = DataWorld(tmp_path).with_classes(city, person)
    for code in ("SEL", "PUS", "NYC"):
        world.path.commands.create_instance("shop", "main", "City", {"code": code})
    world.work()

    def people(*cities: str | None) -> Any:
        return world.upload("people", csv_of(("id", "city"), [(f"p{number}", code) for number, code in enumerate(cities)]))

    mapping_id = world.map(people("SEL", "PUS"), "Person", {"id": "id", "city": "city"}, on_missing_target="drop_link")
    world.objectify.run("shop", mapping_id)
    people(*cities)
    run = world.objectify.run("shop", mapping_id)
    nodes = world.path.graph.view("shop", "main").get(["Person/p0", "Person/p1"])
    links = {key: node.links.get("city", ()) for key, node in nodes.items()}
    world.close()
    assert (run.state, run.updated) == ("succeeded", 2)
    assert links == {f"Person/p{number}": (f"City/{code}",) if code else () for number, code in enumerate(cities)}


def test_instances_of_one_class_change_the_places_that_they_have_by_links_to_each_other(with_class: WithClass):
    after = {"predicate": "after", "target": "Step", "cardinality": "1:1", "on_delete": "unlink", "label": "after"}
    world = with_class(a_class("Step", text("id", primaryKey=True, required=True), relationships=[after]))

    def steps(*before: str | None) -> Any:
        return world.upload("steps", csv_of(("id", "after"), [(f"s{number}", code) for number, code in enumerate(before)]))

    mapping_id = world.map(steps(None, None, "s0", "s1"), "Step", {"id": "id", "after": "after"}, on_missing_target="drop_link")
    world.objectify.run("shop", mapping_id)
    steps(None, None, "s1", "s0")
    assert world.objectify.run("shop", mapping_id).state == "succeeded"
    found = world.instances("Step")
    assert (found["s2"]["after"], found["s3"]["after"]) == ("Step/s1", "Step/s0")
