"""Objects that a source makes and people edit, when the key of their class changes: what runs, edits and reasons make of it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from spice_core.domain.class_migrations import ID_REMAP, RESET_EDITS, Migration
from spice_core.errors import BreaksInstances, ObjectTypeMigrationRequired
from spice_core.services.explain import Explainer
from spice_core.services.migrate_classes import ClassChanges
from spice_core.services.read_edits import EditReader
from spice_core.services.withdraw_edits import ObjectEdits
from tests.data_world import DataWorld, csv_of
from tests.write_path import a_class, text

CITY = a_class("City", text("code", primaryKey=True, required=True), text("name"))
BY_NAME = {**CITY, "properties": [text("code"), text("name", primaryKey=True, required=True)]}
PERSON = a_class(
    "Person",
    text("id", primaryKey=True, required=True),
    text("mail"),
    text("note"),
    relationships=[{"predicate": "city", "target": "City", "cardinality": "n:1"}],
)
BY_MAIL = {**PERSON, "properties": [text("id"), text("mail", primaryKey=True), text("note")]}
COLUMNS = ("id", "mail", "note", "city")
ROWS = [("1", "a@x", "n1", "SEL"), ("2", "b@x", "n2", "SEL"), ("3", "c@x", "n3", "PUS")]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[DataWorld]:
    found = DataWorld(tmp_path).with_classes(CITY, PERSON)
    cities = found.upload("cities", csv_of(("code", "name"), [("SEL", "Seoul"), ("PUS", "Busan")]))
    mapping = found.map(cities, "City", {"code": "code", "name": "name"})
    assert found.objectify.run("shop", mapping).state == "succeeded"
    yield found
    found.close()


def begin(world: DataWorld, **options: Any) -> str:
    version = world.upload("people", csv_of(COLUMNS, ROWS))
    mapping = world.map(version, "Person", {name: name for name in COLUMNS}, **options)
    assert world.objectify.run("shop", mapping).state == "succeeded"
    return mapping


def reader(world: DataWorld) -> EditReader:
    return EditReader(graph=world.path.graph, lineage=world.lineage, log=world.path.log, clock=world.clock)


def changes(world: DataWorld) -> ClassChanges:
    return ClassChanges(commands=world.path.commands, registry=world.registry, edits=reader(world))


def migrate(world: DataWorld, how: Migration | None, definition: dict[str, Any] = BY_MAIL, *, seq: int = 1) -> str:
    accepted = changes(world).update("shop", "main", definition["id"], definition, expected_seq=seq, migration=how, actor="ann")
    world.work()
    assert world.path.outcomes()[accepted.command_id][-1].event.event_type == "ONTOLOGY_CLASS_MIGRATED"
    return accepted.command_id


def edit(world: DataWorld, identity: str, patch: dict[str, Any]) -> None:
    number = world.path.graph.view("shop").get([f"Person/{identity}"])[f"Person/{identity}"].sequence_number
    world.path.commands.update_instance("shop", "main", "Person", identity, patch, expected_seq=number, actor="bob")
    world.work()


def edits_of(world: DataWorld, identity: str) -> dict[str, Any]:
    service = ObjectEdits(commands=world.path.commands, graph=world.path.graph, reader=reader(world))
    return {name: (item.said, item.by) for name, item in service.of("shop", "main", "Person", identity).fields.items()}


def test_a_change_of_the_key_is_refused_with_counts_and_both_ways(world: DataWorld) -> None:
    mapping = begin(world)
    edit(world, "1", {"note": "mine"})
    world.path.commands.create_instance("shop", "main", "Person", {"id": "9", "mail": "z@x"}, actor="bob")
    world.work()
    with pytest.raises(ObjectTypeMigrationRequired, match=r"id_remap.*reset_edits") as refusal:
        changes(world).update("shop", "main", "Person", BY_MAIL, expected_seq=1)
    told = refusal.value.details
    counts = {"objects": 4, "moving": 4, "links": 0, "edits": 1, "objects_with_edits": 1, "objects_by_people": 1}
    assert {name: told[name] for name in counts} == counts
    assert told["keys"] == [{"class_id": "Person", "before": ["id"], "after": ["mail"]}]
    assert told["mappings"] == [mapping]
    assert [(way["migration"], way["is_possible"]) for way in told["ways"]] == [(ID_REMAP, True), (RESET_EDITS, True)]
    assert world.path.outcomes().keys() == {event.event.command_id for event in world.path.events() if event.event.is_command}


def test_a_plan_writes_nothing_and_names_what_links_to_the_objects(world: DataWorld) -> None:
    mapping = begin(world)
    head = world.path.log.head("shop")
    plan = changes(world).plan("shop", "main", "City", BY_NAME)
    assert (plan.objects, plan.links, plan.linking_objects, plan.version) == (2, 3, 3, 1)
    assert mapping in plan.mappings
    assert world.path.log.head("shop") == head
    assert not changes(world).plan("shop", "main", "City", {**CITY, "description": "towns"}).is_required


def test_a_way_that_cannot_be_gone_is_refused_with_samples_before_anything_is_accepted(world: DataWorld) -> None:
    begin(world)
    edit(world, "2", {"mail": "a@x"})
    head = world.path.log.head("shop")
    with pytest.raises(BreaksInstances, match="key_repeated: 1") as refusal:
        changes(world).update("shop", "main", "Person", BY_MAIL, expected_seq=1, migration=ID_REMAP)
    assert refusal.value.details["samples"] == [
        {"reason": "key_repeated", "instance": "Person/2", "other": "Person/1", "id": "a@x"}
    ]
    assert world.path.log.head("shop") == head


def test_after_a_remap_the_next_version_changes_the_moved_objects(world: DataWorld) -> None:
    mapping = begin(world)
    migrate(world, ID_REMAP)
    version = world.upload("people", csv_of(COLUMNS, [("1", "a@x", "other", "SEL"), ROWS[1]]))
    run = world.objectify.run("shop", mapping)
    assert (run.state, run.created, run.updated, run.deleted) == ("succeeded", 0, 1, 1)
    assert world.instances("Person").keys() == {"a@x", "b@x"}
    assert world.instances("Person")["a@x"]["note"] == "other"
    assert version.row_count == 2


def test_edits_move_with_their_objects_and_stand_against_the_next_version(world: DataWorld) -> None:
    mapping = begin(world, default_edit_policy="edit_wins")
    edit(world, "1", {"note": "mine"})
    edit(world, "2", {"note": "hers"})
    world.upload("people", csv_of(COLUMNS, [ROWS[0], ("2", "b@x", "n2 again", "PUS"), ROWS[2]]))
    world.objectify.run("shop", mapping)  # the edit of 2 is carried along from here, that of 1 is read from the events
    migrate(world, ID_REMAP)
    assert edits_of(world, "a@x") == {"note": ("n1", "bob")}
    assert edits_of(world, "b@x") == {"note": ("n2 again", "bob")}
    assert edits_of(world, "c@x") == {}
    world.upload("people", csv_of(COLUMNS, [(*row[:2], "new", row[3]) for row in ROWS]))
    run = world.objectify.run("shop", mapping)
    assert (run.state, run.edits_kept) == ("succeeded", 2)
    assert {name: item["note"] for name, item in world.instances("Person").items()} == {
        "a@x": "mine", "b@x": "hers", "c@x": "new",
    }  # fmt: skip
    assert edits_of(world, "a@x") == {"note": ("new", "bob")}


def test_an_edit_can_be_withdrawn_after_its_object_moved(world: DataWorld) -> None:
    begin(world)
    edit(world, "1", {"note": "mine"})
    migrate(world, ID_REMAP)
    service = ObjectEdits(commands=world.path.commands, graph=world.path.graph, reader=reader(world))
    service.withdraw("shop", "main", "Person", "a@x", fields=["note"])
    world.work()
    assert world.instances("Person")["a@x"]["note"] == "n1"


def test_links_in_carried_edits_follow_their_targets(world: DataWorld) -> None:
    mapping = begin(world, default_edit_policy="edit_wins")
    edit(world, "1", {"city": "City/PUS"})
    world.upload("people", csv_of(COLUMNS, [("1", "a@x", "n1 again", "SEL"), *ROWS[1:]]))
    world.objectify.run("shop", mapping)
    migrate(world, ID_REMAP, BY_NAME)
    assert world.instances("Person")["1"]["city"] == "City/Busan"
    assert edits_of(world, "1") == {"city": ("City/Seoul", "bob")}
    assert edits_of(world, "2") == {}


def test_a_migration_is_no_edit_of_who_asked_for_it(world: DataWorld) -> None:
    begin(world)
    migrate(world, ID_REMAP, BY_NAME)
    migrate(world, ID_REMAP)
    assert [edits_of(world, identity) for identity in ("a@x", "b@x", "c@x")] == [{}, {}, {}]


def test_a_moved_object_still_says_which_row_made_it_and_what_it_was_before(world: DataWorld) -> None:
    begin(world)
    edit(world, "1", {"note": "mine"})
    migrate(world, ID_REMAP)
    explainer = Explainer(world.path.graph, world.lineage, world.path.log, world.registry)
    told = explainer.node("shop", "main", "Person/b@x")
    assert told.because.source is not None
    assert (told.because.source["row"], told.because.source["moved_from"]["key"]) == (2, "Person/2")
    assert told.because.dataset_version is not None
    assert [cause.event_type for cause in told.history] == ["INSTANCE_CREATED", "INSTANCE_CREATED"]
    edited = explainer.node("shop", "main", "Person/a@x")
    assert [(cause.event_type, cause.actor) for cause in edited.history] == [
        ("INSTANCE_CREATED", "ann"), ("INSTANCE_UPDATED", "bob"), ("INSTANCE_CREATED", "objectify"),
    ]  # fmt: skip
    assert edited.history[-1].source is not None
    assert edited.history[-1].source["row"] == 1


def test_after_a_reset_a_run_makes_the_objects_again_without_edits(world: DataWorld) -> None:
    mapping = begin(world, default_edit_policy="edit_wins")
    edit(world, "1", {"note": "mine"})
    migrate(world, RESET_EDITS)
    assert world.instances("Person") == {}
    run = world.objectify.run("shop", mapping)
    assert (run.state, run.created) == ("succeeded", 3)
    assert {name: item["note"] for name, item in world.instances("Person").items()} == {"a@x": "n1", "b@x": "n2", "c@x": "n3"}
    assert edits_of(world, "a@x") == {}
    assert world.objectify.run("shop", mapping).created == 0


def test_after_a_reset_of_a_target_runs_bring_the_links_back(world: DataWorld) -> None:
    mapping = begin(world)
    migrate(world, RESET_EDITS, {**CITY, "properties": [text("code", required=True), text("name", primaryKey=True)]})
    assert {item.get("city") for item in world.instances("Person").values()} == {None}
    cities = next(item for item in world.registry.mappings("shop") if item.class_id == "City")
    assert world.objectify.run("shop", cities.mapping_id).created == 2
    world.upload("people", csv_of(COLUMNS, [(*row[:3], {"SEL": "Seoul", "PUS": "Busan"}[row[3]]) for row in ROWS]))
    run = world.objectify.run("shop", mapping)
    assert (run.state, run.updated) == ("succeeded", 3)
    assert {name: item["city"] for name, item in world.instances("Person").items()} == {
        "1": "City/Seoul", "2": "City/Seoul", "3": "City/Busan",
    }  # fmt: skip


def test_other_columns_for_the_key_of_a_mapping_are_refused_while_instances_of_the_old_ones_are_there(world: DataWorld) -> None:
    version = world.upload("people", csv_of(COLUMNS, ROWS))
    fields = {name: name for name in COLUMNS}
    mapping = world.map(version, "Person", {**fields, "id": "mail", "mail": "id"})
    world.map(version, "Person", fields)  # nothing ran yet
    assert world.objectify.run("shop", mapping).state == "succeeded"
    with pytest.raises(ObjectTypeMigrationRequired, match="3 instances of Person are made of id") as refusal:
        world.map(version, "Person", {**fields, "id": "mail", "mail": "id"})
    assert (refusal.value.details["before"], refusal.value.details["after"]) == (["id"], ["mail"])
    world.map(version, "Person", {**fields, "note": "mail"})  # the key is the same
    migrate(world, RESET_EDITS)
    world.map(version, "Person", {**fields, "mail": "id", "id": "mail"})
    assert world.objectify.run("shop", mapping).created == 3
    assert world.instances("Person").keys() == {"1", "2", "3"}


def test_a_key_column_with_another_name_is_no_other_key(world: DataWorld) -> None:
    mapping = begin(world)
    version = world.upload("people", csv_of(("number", *COLUMNS[1:]), ROWS))
    world.map(version, "Person", {**{name: name for name in COLUMNS}, "id": "number"})
    run = world.objectify.run("shop", mapping)
    assert (run.state, run.created) == ("succeeded", 0)


def test_a_run_looks_at_all_rows_only_where_a_class_changed(world: DataWorld) -> None:
    mapping = begin(world)
    seen: list[int] = []
    world.objectify.run("shop", mapping, progress=lambda progress: seen.append(progress.rows))
    assert seen == []
    world.path.commands.update_class("shop", "main", "City", {**CITY, "description": "towns"}, expected_seq=1)
    world.work()
    world.objectify.run("shop", mapping, progress=lambda progress: seen.append(progress.rows))
    assert seen == [3]
