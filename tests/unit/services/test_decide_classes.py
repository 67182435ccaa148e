"""Changes of the ontology against existing instances."""

from typing import Any

import pytest

from spice_core.errors import InvalidOntology
from tests.write_path import WritePath, a_class, text

PERSON = a_class("Person", text("person_id"), text("name"))
BASE = a_class(
    "Thing",
    text("thing_id"),
    text("colour"),
    {"name": "size", "type": "integer"},
    relationships=[
        {"predicate": "owner", "target": "Person", "cardinality": "n:1"},
        {"predicate": "friends", "target": "Person", "cardinality": "n:m"},
    ],
)


@pytest.fixture
def path() -> WritePath:
    path = WritePath().with_classes(PERSON, BASE)
    create = path.commands.create_instance
    for name in "ab":
        create("shop", "main", "Person", {"person_id": name})
    create("shop", "main", "Thing", {"thing_id": "1", "colour": "red", "size": 3, "owner": "Person/a", "friends": ["Person/a"]})
    create("shop", "main", "Thing", {"thing_id": "2", "size": 9, "owner": "Person/a", "friends": ["Person/a", "Person/b"]})
    create("shop", "main", "Thing", {"thing_id": "3"})
    path.settle()
    return path


def changed(**changes: Any) -> dict[str, Any]:
    return {**BASE, **changes}


def with_property(name: str, **parts: Any) -> dict[str, Any]:
    kept = [item for item in BASE["properties"] if item["name"] != name]
    return changed(properties=[*kept, {"name": name, **parts}] if parts else kept)


def with_link(name: str, **parts: Any) -> dict[str, Any]:
    kept = [item for item in BASE["relationships"] if item["predicate"] != name]
    return changed(relationships=[*kept, {"predicate": name, "target": "Person", **parts}] if parts else kept)


BREAKING = [
    (with_property("colour"), "properties.colour", 1),
    (with_property("colour", type="string", required=True), "properties.colour", 2),
    (with_property("weight", type="integer", required=True), "properties.weight", 3),
    (with_property("size", type="integer", constraints={"max": 5}), "properties.size", 1),
    (with_property("size", type="string"), "properties.size", 2),
    (with_link("owner"), "relationships.owner", 2),
    (with_link("owner", cardinality="n:1", required=True), "relationships.owner", 1),
    (with_link("owner", cardinality="n:1", target="Thing"), "relationships.owner", 2),
    (with_link("owner", cardinality="1:1"), "owner", 2),
    (with_link("friends", cardinality="n:1"), "relationships.friends", 1),
    (with_link("friends", cardinality="1:n"), "friends", 2),
    (changed(abstract=True), "abstract", 3),
]


@pytest.mark.parametrize(("definition", "field", "count"), BREAKING, ids=[field for _, field, _ in BREAKING])
def test_a_change_that_breaks_instances_is_refused_with_the_count(
    path: WritePath, definition: dict[str, Any], field: str, count: int
) -> None:
    accepted = path.commands.update_class("shop", "main", "Thing", definition, expected_seq=1)
    path.settle()
    event = path.outcomes()[accepted.command_id][0].event
    assert (event.event_type, event.data.get("code")) == ("COMMAND_FAILED", "breaks_instances")
    found = {item["field"]: item["count"] for item in event.data["details"]["breaks"]}
    assert found[field] == count
    assert path.graph.view("shop").get(["_Class/Thing"])["_Class/Thing"].sequence_number == 1


@pytest.mark.parametrize(
    "definition",
    [
        with_property("weight", type="integer"),
        with_property("weight", type="integer", required=True, default=1),
        with_property("size", type="long"),
        with_property("size", type="integer", constraints={"max": 9}),
        with_property("colour", type="string", constraints={"enum": ["red", "blue"]}),
        with_link("owner", cardinality="n:m"),
        with_link("parent", cardinality="1:1"),
        changed(label={"en": "Thing"}, description="what there is"),
    ],
)
def test_a_change_that_breaks_nothing_is_taken(path: WritePath, definition: dict[str, Any]) -> None:
    accepted = path.commands.update_class("shop", "main", "Thing", definition, expected_seq=1)
    path.settle()
    assert path.outcome(accepted.command_id) == "ONTOLOGY_CLASS_UPDATED"
    follow_up = path.commands.update_instance("shop", "main", "Thing", "1", {"size": 4}, expected_seq=1)
    path.settle()
    assert path.outcome(follow_up.command_id) == "INSTANCE_UPDATED"


def test_an_instance_takes_the_default_of_a_property_that_became_required(path: WritePath) -> None:
    path.commands.update_class(
        "shop", "main", "Thing", with_property("weight", type="integer", required=True, default=1), expected_seq=1
    )
    path.settle()
    path.commands.update_instance("shop", "main", "Thing", "3", {"colour": "blue"}, expected_seq=1)
    path.settle()
    assert path.document("Thing/3") == {"thing_id": "3", "colour": "blue", "weight": 1}


def test_a_class_with_instances_or_users_cannot_be_deleted(path: WritePath) -> None:
    used = path.commands.delete_class("shop", "main", "Person", expected_seq=1)
    full = path.commands.delete_class("shop", "main", "Thing", expected_seq=1)
    path.settle()
    outcomes = path.outcomes()
    assert outcomes[used.command_id][0].event.data["code"] == "still_referenced"
    assert outcomes[full.command_id][0].event.data["details"]["count"] == 3


def test_instances_of_subclasses_count_too(path: WritePath) -> None:
    path.commands.create_class("shop", "main", a_class("Toy", text("maker"), parent_class="Thing"))
    path.settle()
    path.commands.create_instance("shop", "main", "Toy", {"thing_id": "t", "colour": "pink"})
    path.settle()
    accepted = path.commands.update_class("shop", "main", "Thing", with_property("colour"), expected_seq=1)
    path.settle()
    breaks = path.outcomes()[accepted.command_id][0].event.data["details"]["breaks"]
    assert {(item["class_id"], item["count"]) for item in breaks} == {("Thing", 1), ("Toy", 1)}


def test_a_reference_to_a_parent_takes_instances_of_its_subclasses(path: WritePath) -> None:
    path.commands.create_class("shop", "main", a_class("Child", {"name": "age", "type": "integer"}, parent_class="Person"))
    path.settle()
    path.commands.create_instance("shop", "main", "Child", {"person_id": "kid", "age": 5})
    accepted = path.commands.create_instance("shop", "main", "Thing", {"thing_id": "9", "owner": "Child/kid"})
    path.settle()
    assert path.outcome(accepted.command_id) == "INSTANCE_CREATED"
    orphaned = path.commands.update_class("shop", "main", "Child", a_class("Child", text("person_id")), expected_seq=1)
    path.settle()
    assert path.outcome(orphaned.command_id) == "COMMAND_FAILED:breaks_instances"


def test_an_inheritance_cycle_is_refused(path: WritePath) -> None:
    path.commands.create_class("shop", "main", a_class("Child", parent_class="Person"))
    path.settle()
    with pytest.raises(InvalidOntology, match="own ancestor"):
        path.commands.update_class("shop", "main", "Person", {**PERSON, "parent_class": "Child"}, expected_seq=1)
