"""Migrations of classes whose key changes: decided whole or not at all, once, and the same again from the log."""

from collections.abc import Callable
from typing import Any

import pytest

from spice_core.adapters.memory.graph_store import MemoryGraphStore
from spice_core.domain.class_migrations import ID_REMAP, RESET_EDITS
from spice_core.domain.commands import CommandType
from spice_core.domain.graph import Direction, Node
from spice_core.errors import OptimisticConcurrencyConflict
from spice_core.services import migrate_nodes, tell_outcomes
from spice_core.services.project_statuses import status_change
from spice_core.services.rebuild_graph import GraphRebuilder
from tests.write_path import Crash, WritePath, a_class, text

PERSON = a_class(
    "Person",
    text("person_id", primaryKey=True),
    text("email"),
    text("name"),
    relationships=[
        {"predicate": "boss", "target": "Person", "cardinality": "n:1"},
        {"predicate": "lives_in", "target": "City", "cardinality": "n:1"},
    ],
)
BY_EMAIL = {**PERSON, "properties": [text("person_id"), text("email", primaryKey=True), text("name")]}
CITY = a_class("City", text("code", primaryKey=True))
ORDER = a_class(
    "Order",
    text("order_id", primaryKey=True),
    relationships=[
        {"predicate": "buyer", "target": "Person", "cardinality": "n:1"},
        {"predicate": "watchers", "target": "Person", "cardinality": "n:m"},
    ],
)


def order_with(**buyer: Any) -> dict[str, Any]:
    return {**ORDER, "relationships": [{**ORDER["relationships"][0], **buyer}, ORDER["relationships"][1]]}


def world(*classes: dict[str, Any]) -> WritePath:
    path = WritePath().with_classes(CITY, *(classes or (PERSON, ORDER)))
    create = path.commands.create_instance
    create("shop", "main", "City", {"code": "SEL"})
    create("shop", "main", "Person", {"person_id": "1", "email": "a@x", "lives_in": "City/SEL"})
    create("shop", "main", "Person", {"person_id": "2", "email": "b@x", "boss": "Person/1"})
    create("shop", "main", "Order", {"order_id": "o", "buyer": "Person/1", "watchers": ["Person/2", "Person/1"]})
    path.settle()
    return path


@pytest.fixture
def path() -> WritePath:
    return world()


def migrate(path: WritePath, how: str, definition: dict[str, Any] = BY_EMAIL, *, branch: str = "main", seq: int = 1) -> str:
    command = path.commands.command(
        CommandType.MIGRATE_ONTOLOGY_CLASS, "shop", "OntologyClass", "shop", branch, definition["id"], actor="ann"
    )
    fields = {name: getattr(command, name) for name in type(command).__slots__}
    fields |= {
        "branch": branch,
        "class_id": definition["id"],
        "payload": {"definition": definition, "migration": how},
        "expected_seq": seq,
    }
    path.commands.submit("shop", [type(command)(**fields)])
    return command.command_id


def nodes(path: WritePath, branch: str = "main") -> dict[str, Node]:
    page = path.graph.view("shop", branch).page(["Person", "Order", "City"], limit=1000)
    return {node.key: node for node in page.nodes}


def failure(path: WritePath, command_id: str) -> dict[str, Any]:
    (recorded,) = path.outcomes()[command_id]
    assert recorded.event.event_type == "COMMAND_FAILED"
    return dict(recorded.event.data)


def rebuilt_is_equal(path: WritePath, branch: str = "main") -> None:
    again = MemoryGraphStore()
    GraphRebuilder(log=path.log, graph=again).rebuild("shop")
    assert again.view("shop", branch).commit == path.graph.view("shop", branch).commit
    page = again.view("shop", branch).page(["Person", "Order", "City"], limit=1000)
    assert {node.key: node for node in page.nodes} == nodes(path, branch)


def test_a_change_of_the_key_without_a_migration_is_refused_with_both_ways(path: WritePath) -> None:
    accepted = path.commands.update_class("shop", "main", "Person", BY_EMAIL, expected_seq=1)
    path.settle()
    refusal = failure(path, accepted.command_id)
    assert refusal["code"] == "object_type_migration_required"
    assert refusal["details"]["migrations"] == [RESET_EDITS, ID_REMAP]
    assert refusal["details"]["breaks"][0]["count"] == 2


def test_objects_move_with_their_links_in_both_directions(path: WritePath) -> None:
    command = migrate(path, ID_REMAP)
    path.settle()
    found = nodes(path)
    assert set(found) == {"City/SEL", "Person/a@x", "Person/b@x", "Order/o"}
    assert found["Person/a@x"].links == {"lives_in": ("City/SEL",)}
    assert found["Person/b@x"].document["boss"] == "Person/a@x"
    assert found["Order/o"].document == {"order_id": "o", "buyer": "Person/a@x", "watchers": ["Person/b@x", "Person/a@x"]}
    incoming = path.graph.view("shop").expand(["Person/a@x"], predicate=None, direction=Direction.IN)
    assert {(link.source, link.predicate) for link in incoming} == {
        ("Order/o", "buyer"), ("Order/o", "watchers"), ("Person/b@x", "boss"),
    }  # fmt: skip
    last = path.outcomes()[command][-1].event
    assert last.event_type == "ONTOLOGY_CLASS_MIGRATED"
    assert {name: last.data[name] for name in ("objects", "moved", "links", "linking_objects", "objects_by_people")} == {
        "objects": 2, "moved": 2, "links": 4, "linking_objects": 1, "objects_by_people": 2,
    }  # fmt: skip
    rebuilt_is_equal(path)


def test_a_migration_is_one_commit_and_one_status(path: WritePath) -> None:
    before = len(path.graph.history("shop"))
    command = migrate(path, ID_REMAP)
    path.settle()
    assert len(path.graph.history("shop")) == before + 1
    told = [change for recorded in path.outcomes()[command] if (change := status_change(recorded)) is not None]
    assert [change.state for change in told] == ["COMPLETED"]
    assert told[0].result is not None
    assert told[0].result["migration"]["moved"] == 2


def test_moved_objects_can_be_changed_and_deleted_and_their_old_ids_used_again(path: WritePath) -> None:
    migrate(path, ID_REMAP)
    path.settle()
    number = nodes(path)["Person/b@x"].sequence_number
    changed = path.commands.update_instance("shop", "main", "Person", "b@x", {"name": "Bob"}, expected_seq=number)
    path.settle()
    gone = path.commands.delete_instance("shop", "main", "Order", "o", expected_seq=1)
    path.settle()
    anew = path.commands.create_instance("shop", "main", "Person", {"person_id": "1", "email": "1"})
    path.settle()
    assert path.outcome(changed.command_id) == "INSTANCE_UPDATED"
    assert path.outcome(gone.command_id) == "INSTANCE_DELETED"
    assert path.outcome(anew.command_id) == "INSTANCE_CREATED"
    rebuilt_is_equal(path)


def test_objects_may_swap_their_ids(path: WritePath) -> None:
    for identity, other in (("1", "2"), ("2", "1")):
        path.commands.update_instance("shop", "main", "Person", identity, {"email": other}, expected_seq=1)
    path.settle()
    migrate(path, ID_REMAP)
    path.settle()
    found = nodes(path)
    assert found["Person/2"].document == {"person_id": "1", "email": "2", "lives_in": "City/SEL"}
    assert found["Person/1"].document == {"person_id": "2", "email": "1", "boss": "Person/2"}
    assert found["Order/o"].document["buyer"] == "Person/2"
    rebuilt_is_equal(path)


@pytest.mark.parametrize(
    ("patch", "problem"),
    [({"email": None}, "key_missing"), ({"email": "a@x"}, "key_repeated"), ({"email": ""}, "key_invalid")],
)
def test_objects_without_a_value_of_their_own_refuse_the_whole_migration(
    path: WritePath, patch: dict[str, Any], problem: str
) -> None:
    path.commands.update_instance("shop", "main", "Person", "2", patch, expected_seq=1)
    path.settle()
    before, commit = nodes(path), path.graph.view("shop").commit
    command = migrate(path, ID_REMAP)
    path.settle()
    refusal = failure(path, command)
    assert refusal["code"] == "breaks_instances"
    assert refusal["details"]["problems"] == {problem: 1}
    assert refusal["details"]["samples"][0]["instance"] == "Person/2"
    assert (nodes(path), path.graph.view("shop").commit) == (before, commit)


@pytest.mark.parametrize("how", [ID_REMAP, RESET_EDITS])
@pytest.mark.parametrize(("bound", "value"), [("MAX_NODES", 2), ("MAX_NODES", 1), ("MAX_BYTES", 50)])
def test_more_than_one_commit_in_memory_may_be_is_refused_whole(
    path: WritePath, how: str, bound: str, value: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two people, and the order that links to them."""
    before = nodes(path)
    monkeypatch.setattr(migrate_nodes, bound, value)
    command = migrate(path, how)
    path.settle()
    assert path.outcome(command) == "COMMAND_FAILED:too_large"
    assert nodes(path) == before


def test_a_reset_deletes_the_objects_and_the_links_to_them(path: WritePath) -> None:
    command = migrate(path, RESET_EDITS)
    path.settle()
    found = nodes(path)
    assert set(found) == {"City/SEL", "Order/o"}
    assert (found["Order/o"].document, found["Order/o"].links) == ({"order_id": "o"}, {})
    summary = path.outcomes()[command][-1].event.data
    assert (summary["deleted"], summary["links"], summary["linking_objects"]) == (2, 3, 1)
    made = path.commands.create_instance("shop", "main", "Person", {"email": "a@x"})
    path.settle()
    assert path.outcome(made.command_id) == "INSTANCE_CREATED"
    assert "Person/a@x" in nodes(path)
    rebuilt_is_equal(path)


def test_a_reset_that_would_take_a_required_link_is_refused() -> None:
    path = world(PERSON, order_with(required=True))
    before = nodes(path)
    command = migrate(path, RESET_EDITS)
    path.settle()
    assert failure(path, command)["details"]["problems"] == {"link_required": 1}
    assert nodes(path) == before


def test_a_reset_may_drop_properties_and_a_remap_may_not_while_they_have_values(path: WritePath) -> None:
    without = {**BY_EMAIL, "properties": [text("email", primaryKey=True)]}
    refused = migrate(path, ID_REMAP, without)
    path.settle()
    assert failure(path, refused)["code"] == "breaks_instances"
    done = migrate(path, RESET_EDITS, without, seq=2)
    path.settle()
    assert path.outcomes()[done][-1].event.event_type == "ONTOLOGY_CLASS_MIGRATED"


def test_what_was_accepted_before_moves_too_and_what_comes_later_meets_the_new_ids(path: WritePath) -> None:
    edit = path.commands.update_instance("shop", "main", "Person", "1", {"name": "Ann"}, expected_seq=1)
    migrate(path, ID_REMAP)
    late = path.commands.update_instance("shop", "main", "Person", "2", {"name": "Bob"}, expected_seq=1)
    path.settle()
    assert path.outcome(edit.command_id) == "INSTANCE_UPDATED"
    assert path.outcome(late.command_id) == "COMMAND_FAILED:instance_not_found"
    assert nodes(path)["Person/a@x"].document["name"] == "Ann"


def test_a_migration_expects_the_number_of_the_class(path: WritePath) -> None:
    path.commands.update_class("shop", "main", "Person", {**PERSON, "description": "people"}, expected_seq=1)
    with pytest.raises(OptimisticConcurrencyConflict):
        migrate(path, ID_REMAP)


def test_instances_of_subclasses_move_too(path: WritePath) -> None:
    path.commands.create_class("shop", "main", a_class("Boss", text("title"), parent_class="Person"))
    path.settle()
    path.commands.create_instance("shop", "main", "Boss", {"person_id": "9", "email": "z@x"})
    path.settle()
    migrate(path, ID_REMAP)
    path.settle()
    page = path.graph.view("shop").page(["Boss"], limit=10)
    assert [node.key for node in page.nodes] == ["Boss/z@x"]


def test_a_migration_on_a_branch_leaves_main_alone(path: WritePath) -> None:
    path.commands.create_branch("shop", "side")
    path.settle()
    before = nodes(path)
    command = migrate(path, ID_REMAP, branch="side")
    path.settle()
    assert path.outcomes()[command][-1].event.event_type == "ONTOLOGY_CLASS_MIGRATED"
    assert nodes(path) == before
    found = nodes(path, "side")
    assert found["Order/o"].document["buyer"] == "Person/a@x"
    number = found["Person/a@x"].sequence_number
    later = path.commands.update_instance("shop", "side", "Person", "a@x", {"name": "Ann"}, expected_seq=number)
    path.settle()
    assert path.outcome(later.command_id) == "INSTANCE_UPDATED"
    rebuilt_is_equal(path, "side")


def dies_at(point: str) -> Callable[[str], None]:
    def crash(name: str) -> None:
        if name == point:
            raise Crash

    return crash


@pytest.mark.parametrize("how", [ID_REMAP, RESET_EDITS])
@pytest.mark.parametrize("point", ["graph:after_claim", "graph:before_effect", "graph:after_effect", "graph:before_done"])
def test_a_worker_that_dies_does_it_once(path: WritePath, point: str, how: str) -> None:
    command = migrate(path, how)
    path.crash_point = dies_at(point)
    with pytest.raises(Crash):
        path.settle()
    path.crash_point = lambda _name: None
    path.restart()
    path.settle()
    types = [recorded.event.event_type for recorded in path.outcomes()[command]]
    assert types.count("ONTOLOGY_CLASS_MIGRATED") == 1
    assert len({recorded.event.event_id for recorded in path.outcomes()[command]}) == len(types)
    assert "Person/1" not in nodes(path)
    rebuilt_is_equal(path)


@pytest.mark.parametrize("chunks", [1, 2, 4])
@pytest.mark.parametrize("is_lost", [False, True], ids=["kept", "graph lost"])
def test_a_worker_that_dies_between_two_appends_tells_the_rest(
    path: WritePath, chunks: int, is_lost: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = migrate(path, ID_REMAP)
    monkeypatch.setattr(tell_outcomes, "_PART", 1)
    append, left = path.log.append, [chunks]

    def dying(*args: Any, **options: Any) -> Any:
        if not left[0]:
            raise Crash
        left[0] -= 1
        return append(*args, **options)

    monkeypatch.setattr(path.log, "append", dying)
    with pytest.raises(Crash):
        path.settle()
    monkeypatch.setattr(path.log, "append", append)
    monkeypatch.setattr(tell_outcomes, "_PART", 5_000)
    if is_lost:
        path.graph.forget("shop")
        path.position["shop"] = 0
    path.restart()
    path.settle()
    types = [recorded.event.event_type for recorded in path.outcomes()[command]]
    assert (types[0], types[-1]) == ("ONTOLOGY_CLASS_UPDATED", "ONTOLOGY_CLASS_MIGRATED")
    assert len(types) == len({recorded.event.event_id for recorded in path.outcomes()[command]}) == 7
    assert set(nodes(path)) == {"City/SEL", "Person/a@x", "Person/b@x", "Order/o"}
    rebuilt_is_equal(path)
