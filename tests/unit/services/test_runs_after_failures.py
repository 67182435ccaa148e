"""Commands that failed count in the log's numbers, and not in the graph's: what comes after them goes on from the log's."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from spice_core.domain.link_types import LinkType, TableSpec
from spice_core.services.link_instances import LinkInstances
from spice_core.services.migrate_classes import ClassChanges
from spice_core.services.save_link_types import LinkTypes
from spice_core.services.submit_commands import CommandService
from spice_core.services.withdraw_edits import ObjectEdits
from tests.data_world import DataWorld, csv_of
from tests.write_path import a_class, text

CITY = a_class("City", text("code", primaryKey=True, required=True))
PERSON = a_class(
    "Person",
    text("id", primaryKey=True, required=True),
    text("note"),
    relationships=[
        {"predicate": "city", "target": "City", "cardinality": "1:1", "on_delete": "unlink", "label": "city"},
        {"predicate": "likes", "target": "City", "cardinality": "n:m", "on_delete": "unlink", "label": "likes"},
    ],
)
COLUMNS = ("id", "note", "city")
PAIRS = ("person", "city")


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DataWorld]:
    found = DataWorld(tmp_path).with_classes(CITY, PERSON)
    for code in ("SEL", "PUS"):
        found.path.commands.create_instance("shop", "main", "City", {"code": code})
    found.work()
    bulk, calls = CommandService.bulk, []

    def counted(self: CommandService, *arguments: Any, **options: Any) -> Any:
        calls.append(1)
        assert len(calls) < 50, "a run comes to no end"
        return bulk(self, *arguments, **options)

    monkeypatch.setattr(CommandService, "bulk", counted)
    yield found
    found.close()


def mapped(world: DataWorld, *rows: tuple[Any, ...], **options: Any) -> str:
    version = world.upload("people", csv_of(COLUMNS, rows))
    mapping = world.map(version, "Person", {name: name for name in COLUMNS}, **options)
    assert world.objectify.run("shop", mapping).state == "succeeded"
    return mapping


def refused_patch(world: DataWorld) -> None:
    """Let a person's change of p1 be accepted, and fail when it is decided."""
    number = world.path.graph.view("shop").get(["Person/p1"])["Person/p1"].sequence_number
    patch = {"city": "City/nowhere"}
    accepted = world.path.commands.update_instance("shop", "main", "Person", "p1", patch, expected_seq=number)
    world.work()
    assert world.path.outcome(accepted.command_id).startswith("COMMAND_FAILED")


def test_the_corrected_file_is_applied_after_one_whose_command_failed(world: DataWorld) -> None:
    mapping = mapped(world, ("p1", "a", "SEL"), ("p2", "b", "PUS"))
    world.upload("people", csv_of(COLUMNS, [("p1", "a", "SEL"), ("p2", "mistaken", "SEL")]))
    assert world.objectify.run("shop", mapping).reasons == {"command_failed": 1}
    world.upload("people", csv_of(COLUMNS, [("p1", "a", "SEL"), ("p2", "right", "PUS")]))
    assert world.objectify.run("shop", mapping).state == "succeeded"
    assert world.instances("Person")["p2"] == {"id": "p2", "note": "right", "city": "City/PUS"}


def test_a_run_updates_and_removes_an_instance_that_a_person_failed_to_change(world: DataWorld) -> None:
    mapping = mapped(world, ("p1", "a", None), ("p2", "b", None))
    refused_patch(world)
    world.upload("people", csv_of(COLUMNS, [("p1", "other", None), ("p2", "b", None)]))
    assert world.objectify.run("shop", mapping).updated == 1
    assert world.instances("Person")["p1"] == {"id": "p1", "note": "other"}
    refused_patch(world)
    world.upload("people", csv_of(COLUMNS, [("p2", "b", None)]))
    assert world.objectify.run("shop", mapping).deleted == 1
    assert world.instances("Person").keys() == {"p2"}


def test_an_edit_that_comes_behind_a_failed_change_while_a_run_writes_is_kept(
    world: DataWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    mapping = mapped(world, ("p1", "a", None), default_edit_policy="edit_wins")
    refused_patch(world)
    world.upload("people", csv_of(COLUMNS, [("p1", "other", "SEL")]))
    bulk, calls = CommandService.bulk, []

    def racing(self: CommandService, *arguments: Any, **options: Any) -> Any:
        calls.append(1)
        if len(calls) == 2:  # the row is planned again, for the number of the failed change
            self.update_instance("shop", "main", "Person", "p1", {"note": "mine"}, expected_seq=2, actor="ann")
        return bulk(self, *arguments, **options)

    monkeypatch.setattr(CommandService, "bulk", racing)
    assert world.objectify.run("shop", mapping).state == "succeeded"
    assert world.instances("Person")["p1"] == {"id": "p1", "note": "mine", "city": "City/SEL"}


def test_links_are_made_on_a_source_that_a_person_failed_to_change(world: DataWorld) -> None:
    for identity in ("p1", "p2"):
        world.path.commands.create_instance("shop", "main", "Person", {"id": identity})
    world.work()
    version = world.upload("likes", csv_of(PAIRS, [("p1", "SEL"), ("p2", "SEL")]))
    spec = TableSpec("join_table", version.dataset_id, ("person",), ("city",))
    link_type = LinkType("likes", "shop", "main", "Person", "City", "likes", "n:m", spec)
    LinkTypes(commands=world.path.commands, registry=world.registry).save(link_type)
    world.work()
    service = LinkInstances(world.run_parts())
    assert service.run("shop", link_type.link_type_id).result == "PASS"
    refused_patch(world)
    world.upload("likes", csv_of(PAIRS, [("p1", "PUS"), ("p2", "SEL")]))
    assert service.run("shop", link_type.link_type_id).result == "PASS"
    assert world.instances("Person")["p1"]["likes"] == ["City/PUS"]


def test_an_edit_is_withdrawn_behind_a_change_that_failed(world: DataWorld) -> None:
    mapped(world, ("p1", "a", None))
    world.path.commands.update_instance("shop", "main", "Person", "p1", {"note": "mine"}, expected_seq=1, actor="ann")
    world.work()
    refused_patch(world)
    edits = ObjectEdits(commands=world.path.commands, graph=world.path.graph, reader=world.run_parts().edits())
    edits.withdraw("shop", "main", "Person", "p1")
    world.work()
    assert world.instances("Person")["p1"]["note"] == "a"


def refused_change(world: DataWorld) -> None:
    """Let a change of class Person be accepted, and fail when it is decided."""
    world.path.commands.create_instance("shop", "main", "Person", {"id": "p1"})
    required = {**PERSON, "properties": [text("id", primaryKey=True, required=True), text("note", required=True)]}
    accepted = world.path.commands.update_class("shop", "main", "Person", required, expected_seq=1)
    world.work()
    assert world.path.outcome(accepted.command_id) == "COMMAND_FAILED:breaks_instances"


def test_a_link_type_is_saved_on_a_class_that_somebody_failed_to_change(
    world: DataWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused_change(world)
    monkeypatch.setattr(world.path.commands.settled, "_wait_seconds", 5.0)  # the workers work while it waits
    version = world.upload("visits", csv_of(PAIRS, [("p1", "SEL")]))
    spec = TableSpec("join_table", version.dataset_id, ("person",), ("city",))
    link_type = LinkType("visits", "shop", "main", "Person", "City", "visits", "n:m", spec)
    LinkTypes(commands=world.path.commands, registry=world.registry).save(link_type)
    world.work()
    assert LinkInstances(world.run_parts()).run("shop", link_type.link_type_id).result == "PASS"
    assert world.instances("Person")["p1"]["visits"] == ["City/SEL"]


def test_a_plan_of_a_change_names_the_number_that_the_change_expects_behind_one_that_failed(world: DataWorld) -> None:
    refused_change(world)
    changes = ClassChanges(commands=world.path.commands, registry=world.registry, edits=world.run_parts().edits())
    wanted = {**PERSON, "label": "people"}
    plan = changes.plan("shop", "main", "Person", wanted)
    accepted = changes.update("shop", "main", "Person", wanted, expected_seq=plan.version)
    world.work()
    assert world.path.outcome(accepted.command_id) == "ONTOLOGY_CLASS_UPDATED"
