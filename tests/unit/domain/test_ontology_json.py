"""Reading and writing class definitions."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spice_core.domain.ontology_json import class_from_json, class_to_json
from spice_core.errors import InvalidOntology
from tests.write_path import a_class, text


def errors(definition: Any, **limits: Any) -> dict[str, str]:
    with pytest.raises(InvalidOntology) as caught:
        class_from_json(definition, **limits)
    return {error["field"]: error["message"] for error in caught.value.details["errors"]}


def test_labels_default_to_the_name() -> None:
    found = class_from_json({"id": "Product", "properties": [{"name": "sku", "type": "xsd:string"}]})
    assert (found.label, found.properties[0].label, found.properties[0].spec.type) == ("Product", "sku", "string")


def test_labels_may_be_given_by_language() -> None:
    found = class_from_json({"id": "Product", "label": {"en": "Product", "ko": "제품"}})
    assert class_to_json(found)["label"] == {"en": "Product", "ko": "제품"}


@pytest.mark.parametrize(
    ("definition", "target", "cardinality"),
    [
        ({"name": "x", "type": "Person"}, "Person", "1:n"),
        ({"name": "x", "type": "Person", "cardinality": "n:1"}, "Person", "n:1"),
        ({"name": "x", "type": "link", "linkTarget": "Person"}, "Person", "n:1"),
        ({"name": "x", "type": "array", "items": {"type": "link", "linkTarget": "Person"}}, "Person", "1:n"),
        ({"name": "x", "type": "array", "items": "Person", "cardinality": "n:n"}, "Person", "n:m"),
        ({"name": "x", "type": "array", "items": {"type": "link"}, "target": "Person"}, "Person", "1:n"),
        ({"name": "x", "target": "Person", "isRelationship": True}, "Person", "n:1"),
    ],
)
def test_a_property_that_leads_to_a_class_is_a_relationship(definition: Any, target: str, cardinality: str) -> None:
    found = class_from_json({"id": "A", "properties": [definition]})
    assert found.properties == ()
    assert [(item.predicate, item.target, item.cardinality) for item in found.relationships] == [("x", target, cardinality)]


def test_every_problem_is_named_by_its_field_at_once() -> None:
    found = errors(
        {
            "id": "9lives",
            "label": "",
            "colour": "red",
            "abstract": "yes",
            "properties": [
                {"name": "a", "type": "string", "required": 1},
                {"name": "a", "type": "integer"},
                {"name": "b", "type": "integer", "default": "x"},
                {"name": "c", "type": "string", "target": "X"},
                {"name": "1d", "type": "string"},
                {"name": "e", "type": "enum"},
                {"name": "f"},
                {"name": "g", "type": "link"},
                {"name": "h", "type": "object", "primaryKey": True},
                "nonsense",
            ],
            "relationships": [
                {"predicate": "r", "target": "Person", "cardinality": "many"},
                {"predicate": "s"},
                {"predicate": "t", "target": "Person", "on_delete": "explode"},
            ],
        }
    )
    assert set(found) == {
        "id",
        "colour",
        "abstract",
        "properties.a.required",
        "properties.a",
        "properties.b.default",
        "properties.c.target",
        "properties[4].name",
        "properties.e.type",
        "properties.f.type",
        "properties.g.target",
        "properties.h.primaryKey",
        "properties[9]",
        "relationships.r.cardinality",
        "relationships.s.target",
        "relationships.t.on_delete",
    }


def test_names_of_properties_and_predicates_are_unique_together() -> None:
    found = errors(a_class("A", text("x"), relationships=[{"predicate": "x", "target": "A"}]))
    assert list(found) == ["properties.x"]


def test_a_class_has_a_bounded_number_of_properties() -> None:
    definition = a_class("A", *(text(f"p{number}") for number in range(101)))
    assert "at most 100" in errors(definition)["properties"]
    assert len(class_from_json(definition, max_properties=101).properties) == 101


@pytest.mark.parametrize("value", [None, 1, "x", [], {"id": 5}, {"id": "A", "properties": {}}, {"id": "A", "relationships": "x"}])
def test_what_is_not_a_definition_is_refused(value: Any) -> None:
    with pytest.raises(InvalidOntology):
        class_from_json(value)


names = st.sampled_from([f"p{number}" for number in range(8)])
properties = st.fixed_dictionaries(
    {"name": names, "type": st.sampled_from(["string", "integer", "date", "Person", "array", "link"])},
    optional={
        "required": st.booleans(),
        "primaryKey": st.booleans(),
        "titleKey": st.booleans(),
        "description": st.text(max_size=9),
    },
)


@given(
    st.fixed_dictionaries(
        {"id": st.sampled_from(["A", "Person"]), "properties": st.lists(properties, max_size=5)},
        optional={"parent_class": st.sampled_from(["B", "A"]), "abstract": st.booleans(), "label": st.text(max_size=5)},
    )
)
def test_a_definition_that_is_read_is_written_in_one_stable_form(data: Any) -> None:
    try:
        found = class_from_json(data)
    except InvalidOntology:
        return
    written = class_to_json(found)
    assert class_from_json(written) == found
    assert class_to_json(class_from_json(written)) == written
