"""Edits by people against the next versions of a source: kept, overwritten or withdrawn, by the stated policy."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from spice_core.errors import InvalidInput
from spice_core.services.objectify_batches import CommandBatches
from spice_core.services.read_edits import EditReader
from spice_core.services.submit_commands import CommandService
from spice_core.services.withdraw_edits import ObjectEdits
from tests.data_world import DataWorld, csv_of
from tests.write_path import Crash, a_class, text

CITY = a_class("City", text("code", primaryKey=True, required=True))
PERSON = a_class(
    "Person",
    text("id", primaryKey=True, required=True),
    text("name", required=True),
    {"name": "age", "type": "integer"},
    text("note"),
    relationships=[{"predicate": "city", "target": "City", "cardinality": "n:1", "on_delete": "unlink", "label": "city"}],
)
FIELDS = {"id": "id", "name": "name", "age": "age", "city": "city"}
COLUMNS = ("id", "name", "age", "city")
V1 = [("p1", "Ann", 30, "SEL"), ("p2", "Bob", 40, "SEL")]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[DataWorld]:
    found = DataWorld(tmp_path).with_classes(CITY, PERSON)
    for code in ("SEL", "PUS"):
        found.path.commands.create_instance("shop", "main", "City", {"code": code})
    found.work()
    yield found
    found.close()


def begin(world: DataWorld, policy: str, rows: list[tuple[Any, ...]] | None = None, **options: Any) -> str:
    version = world.upload("people", csv_of(COLUMNS, rows or V1))
    mapping = world.map(version, "Person", FIELDS, default_edit_policy=policy, on_missing_target="drop_link", **options)
    assert world.objectify.run("shop", mapping).state == "succeeded"
    return mapping


def number(world: DataWorld, key: str = "Person/p1") -> int:
    return world.path.graph.view("shop", "main").get([key])[key].sequence_number


def edit(world: DataWorld, patch: dict[str, Any], identity: str = "p1") -> None:
    expected = number(world, f"Person/{identity}")
    world.path.commands.update_instance("shop", "main", "Person", identity, patch, expected_seq=expected, actor="ann")
    world.work()


def source(world: DataWorld, identity: str = "p1") -> dict[str, Any]:
    node = world.path.graph.view("shop", "main").get([f"Person/{identity}"])[f"Person/{identity}"]
    return dict(node.provenance.source or {})


def edits(world: DataWorld) -> ObjectEdits:
    reader = EditReader(graph=world.path.graph, lineage=world.lineage, log=world.path.log, clock=world.clock)
    return ObjectEdits(commands=world.path.commands, graph=world.path.graph, reader=reader)


def next_version(world: DataWorld, mapping: str, *rows: tuple[Any, ...], **options: Any) -> Any:
    world.upload("people", csv_of(COLUMNS, rows))
    return world.objectify.run("shop", mapping, **options)


def person(world: DataWorld, identity: str = "p1") -> tuple[Any, ...]:
    document = world.instances("Person")[identity]
    return document["name"], document.get("age"), document.get("city")


def test_a_source_that_wins_overwrites_an_edit_when_its_value_changes_and_not_before(world: DataWorld):
    mapping = begin(world, "source_wins")
    edit(world, {"age": 77})
    run = next_version(world, mapping, ("p1", "Anna", 30, "SEL"), V1[1])
    assert (person(world), run.edits_kept, run.edits_overwritten) == (("Anna", 77, "City/SEL"), 0, 0)
    assert source(world)["edits"]["age"]["said"] == 30
    run = next_version(world, mapping, ("p1", "Anna", 31, "SEL"), V1[1])
    assert (person(world), run.edits_overwritten) == (("Anna", 31, "City/SEL"), 1)
    assert run.samples[0]["field"] == "age"
    assert "edits" not in source(world)
    edit(world, {"age": 78})
    run = world.objectify.run("shop", mapping, full=True)
    assert (person(world), run.edits_overwritten) == (("Anna", 31, "City/SEL"), 1)


def test_an_edit_that_wins_survives_the_next_versions_until_it_is_withdrawn(world: DataWorld):
    mapping = begin(world, "edit_wins", on_removed_row="keep")
    edit(world, {"age": 77, "city": "City/PUS"})
    run = next_version(world, mapping, ("p1", "Anna", 31, None), V1[1])
    assert (person(world), run.edits_kept) == (("Anna", 77, "City/PUS"), 2)
    next_version(world, mapping, V1[1])
    run = next_version(world, mapping, ("p1", "Anne", 32, "SEL"), V1[1])
    assert (person(world), run.edits_kept) == (("Anne", 77, "City/PUS"), 2)
    run = world.objectify.run("shop", mapping, full=True)
    assert (person(world), run.edits_kept, run.updated) == (("Anne", 77, "City/PUS"), 2, 0)
    standing = edits(world).of("shop", "main", "Person", "p1")
    assert {name: (found.said, found.by) for name, found in standing.fields.items()} == {
        "age": (32, "ann"),
        "city": ("City/SEL", "ann"),
    }
    edits(world).withdraw("shop", "main", "Person", "p1", fields=["age"])
    world.work()
    assert person(world) == ("Anne", 32, "City/PUS")
    next_version(world, mapping, ("p1", "Anne", 33, "SEL"), V1[1])
    assert person(world) == ("Anne", 33, "City/PUS")
    edits(world).withdraw("shop", "main", "Person", "p1")
    world.work()
    assert person(world) == ("Anne", 33, "City/SEL")
    with pytest.raises(InvalidInput, match="no edit"):
        edits(world).withdraw("shop", "main", "Person", "p1")


def test_the_newest_of_edit_and_version_wins(world: DataWorld):
    mapping = begin(world, "newest")
    world.upload("people", csv_of(COLUMNS, [("p1", "Ann", 31, "SEL"), V1[1]]))
    edit(world, {"age": 77})
    run = world.objectify.run("shop", mapping)
    assert (person(world)[1], run.edits_kept) == (77, 1)
    run = next_version(world, mapping, ("p1", "Ann", 32, "SEL"), V1[1])
    assert (person(world)[1], run.edits_overwritten) == (32, 1)


def test_policies_differ_by_property_and_only_edited_fields_are_kept(world: DataWorld):
    mapping = begin(world, "source_wins", edit_policy={"age": "edit_wins"})
    edit(world, {"age": 77, "name": "Anya"})
    edit(world, {"note": "hers"}, "p2")
    run = next_version(world, mapping, ("p1", "Anna", 31, "PUS"), ("p2", "Bobby", 41, "SEL"))
    assert (person(world), person(world, "p2")) == (("Anna", 77, "City/PUS"), ("Bobby", 41, "City/SEL"))
    assert (run.edits_kept, run.edits_overwritten, run.updated) == (1, 1, 2)


def test_setting_a_value_back_to_what_the_source_says_ends_the_edit(world: DataWorld):
    mapping = begin(world, "edit_wins")
    edit(world, {"age": 77})
    next_version(world, mapping, ("p1", "Anna", 31, "SEL"), V1[1])
    edit(world, {"age": 31})
    next_version(world, mapping, ("p1", "Anna", 32, "SEL"), V1[1])
    assert person(world)[1] == 32


def test_a_link_that_went_with_its_target_is_nobodys_edit_and_hides_none(world: DataWorld):
    mapping = begin(world, "edit_wins")
    edit(world, {"age": 77})
    next_version(world, mapping, ("p1", "Anna", 30, "SEL"), V1[1])
    world.path.commands.delete_instance("shop", "main", "City", "SEL", expected_seq=1, actor="bob")
    world.work()
    next_version(world, mapping, ("p1", "Anna", 31, "PUS"), V1[1])
    assert person(world) == ("Anna", 77, "City/PUS")


def test_a_value_typed_before_any_row_came_is_kept_where_edits_win(world: DataWorld):
    world.path.commands.create_instance("shop", "main", "Person", {"id": "p1", "name": "Mine", "age": 1}, actor="ann")
    world.work()
    version = world.upload("people", csv_of(COLUMNS, V1))
    mapping = world.map(version, "Person", FIELDS, edit_policy={"name": "edit_wins"})
    run = world.objectify.run("shop", mapping)
    assert (person(world), run.edits_kept, run.edits_overwritten) == (("Mine", 30, "City/SEL"), 1, 1)


@pytest.mark.parametrize("policy", ["source_wins", "edit_wins", "newest"])
def test_an_unchanged_source_never_undoes_an_edit_after_a_run_that_died(world: DataWorld, policy: str):
    mapping = begin(world, policy)
    edit(world, {"age": 77})
    world.upload("people", csv_of(COLUMNS, [("p1", "Anna", 30, "SEL"), V1[1]]))
    finish = CommandBatches.finish

    def dying(self: CommandBatches) -> None:
        finish(self)
        raise Crash

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(CommandBatches, "finish", dying)
        with pytest.raises(Crash):
            world.objectify.run("shop", mapping)
    assert world.objectify.run("shop", mapping).state == "succeeded"
    assert person(world) == ("Anna", 77, "City/SEL")


def test_an_edit_that_comes_while_a_run_writes_is_judged_by_the_policy_too(world: DataWorld, monkeypatch: pytest.MonkeyPatch):
    mapping = begin(world, "edit_wins")
    world.upload("people", csv_of(COLUMNS, [("p1", "Anna", 31, "SEL"), V1[1]]))
    bulk, calls = CommandService.bulk, []

    def racing(self: CommandService, *arguments: Any, **options: Any) -> Any:
        if not calls:
            calls.append(1)
            self.update_instance("shop", "main", "Person", "p1", {"age": 77}, expected_seq=1, actor="ann")
        return bulk(self, *arguments, **options)

    monkeypatch.setattr(CommandService, "bulk", racing)
    assert world.objectify.run("shop", mapping).state == "succeeded"
    assert person(world) == ("Anna", 77, "City/SEL")
    assert source(world)["edits"]["age"]["said"] == 31


def test_an_edit_made_on_main_stands_on_a_branch_of_it(world: DataWorld):
    mapping = begin(world, "edit_wins")
    edit(world, {"age": 77})
    world.path.commands.create_branch("shop", "draft")
    world.work()
    assert mapping
    found = edits(world).of("shop", "draft", "Person", "p1")
    assert {name: item.said for name, item in found.fields.items()} == {"age": 30}
