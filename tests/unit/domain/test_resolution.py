"""Inheritance, keys, titles and targets of classes."""

from typing import Any

import pytest

from spice_core.domain.ontology_json import class_from_json
from spice_core.domain.resolution import Ontology
from spice_core.errors import ClassNotFound, InvalidOntology
from tests.write_path import a_class, text


def ontology(*definitions: dict[str, Any]) -> Ontology:
    return Ontology(map(class_from_json, definitions))


def test_a_class_has_what_its_ancestors_have() -> None:
    found = ontology(
        a_class("Thing", text("thing_id"), relationships=[{"predicate": "near", "target": "Thing"}]),
        a_class("Animal", text("name"), parent_class="Thing"),
        a_class("Dog", {"name": "age", "type": "integer"}, parent_class="Animal"),
    )
    dog = found.resolve("Dog")
    assert list(dog.properties) == ["thing_id", "name", "age"]
    assert dog.ancestors == ("Animal", "Thing")
    assert dog.targets["near"] == {"Thing", "Animal", "Dog"}
    assert found.resolve("Thing").family == {"Thing", "Animal", "Dog"}


@pytest.mark.parametrize(
    ("properties", "parent", "key"),
    [
        ([text("b", primaryKey=True), text("order_id"), text("a", primaryKey=True)], None, ("b", "a")),
        ([text("a_id"), text("order_id")], None, ("order_id",)),
        ([text("z_id"), text("b_id"), text("name")], None, ("b_id",)),
        ([text("name")], None, ()),
        ([{"name": "order_id", "type": "object"}, text("name")], None, ()),
        ([text("a_id")], a_class("Base", text("base_id")), ("base_id",)),
    ],
)
def test_the_primary_key_is_marked_or_follows_from_names(properties: list[Any], parent: Any, key: tuple[str, ...]) -> None:
    definition = a_class("Order", *properties, parent_class="Base" if parent else None)
    found = ontology(definition, *([parent] if parent else []))
    assert found.resolve("Order").primary_key == key


def test_the_title_is_the_marked_property_or_a_usual_one() -> None:
    found = ontology(a_class("A", text("name"), text("sku", titleKey=True)), a_class("B", text("title")), a_class("C", text("x")))
    assert [found.resolve(name).title_key for name in "ABC"] == ["sku", "title", None]


@pytest.mark.parametrize(
    ("definitions", "message"),
    [
        ([a_class("A", parent_class="B"), a_class("B", parent_class="A")], "its own ancestor"),
        ([a_class("A", parent_class="Missing")], "no class 'Missing'"),
        ([a_class("A", relationships=[{"predicate": "x", "target": "Missing"}])], "no class or type 'Missing'"),
        ([a_class("A", {"name": "x", "type": "strnig"})], "no class or type 'strnig'"),
        (
            [a_class("B", text("x")), a_class("A", {"name": "x", "type": "integer"}, parent_class="B")],
            "within the inherited type",
        ),
        (
            [a_class("B", text("x")), a_class("A", parent_class="B", relationships=[{"predicate": "x", "target": "B"}])],
            "a property of this name is inherited",
        ),
        (
            [
                a_class("C"),
                a_class("B", relationships=[{"predicate": "x", "target": "B"}]),
                a_class("A", parent_class="B", relationships=[{"predicate": "x", "target": "C"}]),
            ],
            "name it or a subclass",
        ),
    ],
)
def test_classes_that_contradict_each_other_are_refused(definitions: list[Any], message: str) -> None:
    with pytest.raises(InvalidOntology, match=message) as caught:
        ontology(*definitions).resolve("A")
    assert caught.value.details["errors"][0]["field"]


def test_a_subclass_may_narrow_an_inherited_property() -> None:
    narrow = {"name": "x", "type": "string", "constraints": {"maxLength": 3}}
    found = ontology(a_class("B", text("x")), a_class("A", narrow, parent_class="B"))
    assert found.resolve("A").properties["x"].spec.constraints.max_length == 3


def test_an_unknown_class_is_not_found() -> None:
    with pytest.raises(ClassNotFound):
        ontology().resolve("A")
    assert ontology().get("A") is None
