"""Instances as pure values: ids, states, patches."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spice_core.domain import naming
from spice_core.domain.instances import InstanceState, created, key_id, patched, unlinked
from spice_core.domain.ontology_json import class_from_json
from spice_core.domain.resolution import Ontology
from spice_core.errors import InvalidInstance, InvalidName
from tests.write_path import a_class, text

ONTOLOGY = Ontology(
    map(
        class_from_json,
        (
            a_class(
                "Order",
                text("order_id", required=True),
                text("note"),
                {"name": "count", "type": "integer", "default": 1},
                {"name": "price", "type": "decimal"},
                relationships=[
                    {"predicate": "by", "target": "Person", "cardinality": "n:1"},
                    {"predicate": "items", "target": "Thing", "cardinality": "n:m", "required": True},
                ],
            ),
            a_class("Person"),
            a_class("Thing"),
            a_class("Book", parent_class="Thing"),
            a_class("Shape", abstract=True),
        ),
    )
)
ORDER = ONTOLOGY.resolve("Order")
GIVEN = {"order_id": "o1", "price": 1.50, "by": "Person/p1", "items": ["Thing/a", "Book/b", "Thing/a"]}


def test_a_created_instance_is_kept_in_its_one_form() -> None:
    state = created(ORDER, GIVEN)
    assert state.document == {"order_id": "o1", "price": "1.5", "by": "Person/p1", "items": ["Thing/a", "Book/b"], "count": 1}
    assert state.links == {"by": ("Person/p1",), "items": ("Thing/a", "Book/b")}


def test_one_reference_may_stand_for_a_list_of_one_and_the_other_way_round() -> None:
    state = created(ORDER, {"order_id": "o1", "by": ["Person/p1"], "items": "Thing/a"})
    assert (state.document["by"], state.document["items"]) == ("Person/p1", ["Thing/a"])


def test_unknown_and_missing_fields_are_all_named() -> None:
    with pytest.raises(InvalidInstance) as caught:
        created(ORDER, {"ordr_id": "o1", "count": "many", "by": "Thing/x"})
    fields = {error["field"] for error in caught.value.details["errors"]}
    assert fields == {"ordr_id", "count", "by", "order_id", "items"}


def test_an_abstract_class_has_no_instances() -> None:
    with pytest.raises(InvalidInstance, match="abstract"):
        created(ONTOLOGY.resolve("Shape"), {})


def test_a_required_field_cannot_be_removed() -> None:
    current = created(ORDER, GIVEN)
    for patch in ({"order_id": None}, {"items": None}, {"items": []}):
        with pytest.raises(InvalidInstance, match="required"):
            patched(ORDER, current, patch)


def test_a_patch_keeps_what_it_does_not_name() -> None:
    current = created(ORDER, GIVEN)
    state = patched(ORDER, current, {"by": None, "note": "x"})
    assert state.document == {name: value for name, value in current.document.items() if name != "by"} | {"note": "x"}
    assert state.links == {"items": ("Thing/a", "Book/b")}
    assert "by" in current.document


def test_unlinking_takes_one_target_out_of_document_and_links() -> None:
    current = created(ORDER, GIVEN)
    state = unlinked(ORDER, current, "Thing/a")
    assert (state.document["items"], state.links["items"]) == (["Book/b"], ("Book/b",))
    assert unlinked(ORDER, current, "Person/p1").links == {"items": ("Thing/a", "Book/b")}


key_parts = st.lists(st.text(alphabet=st.characters(codec="utf-8"), min_size=1, max_size=8), min_size=1, max_size=4)


@given(key_parts, key_parts)
def test_distinct_composite_keys_give_distinct_ids(left: list[str], right: list[str]) -> None:
    try:
        ids = naming.instance_id_of_key(left), naming.instance_id_of_key(right)
    except InvalidName:
        return
    if len(left) == len(right):
        assert (ids[0] == ids[1]) == (left == right)


@pytest.mark.parametrize("value", ["a@b.c", "with space", "a/b/c", "한국어", "x" * 255, "a|b", "100%", "a:b"])
def test_natural_keys_work_whatever_their_characters(value: str) -> None:
    resolved = Ontology([class_from_json(a_class("A", text("a", primaryKey=True)))]).resolve("A")
    assert key_id(resolved, {"a": value}) == value
    split = naming.split_aggregate_id(naming.aggregate_id("db", "main", "A", value))
    assert split == ["db", "main", "A", value]
    assert naming.split_node_key(naming.node_key("A", value)) == ("A", value)


def test_a_key_that_cannot_identify_is_refused() -> None:
    resolved = Ontology([class_from_json(a_class("A", text("a", primaryKey=True)))]).resolve("A")
    for value in ("", "x" * 513, "a\nb"):
        with pytest.raises(InvalidInstance):
            key_id(resolved, {"a": value})
    assert key_id(resolved, {}) is None


patches = st.dictionaries(st.sampled_from(["note", "count", "price"]), st.one_of(st.none(), st.integers(0, 9)), max_size=3)


@given(st.lists(patches, max_size=6))
def test_patches_of_different_fields_survive_in_any_order(given_patches: list[dict[str, Any]]) -> None:
    texts = [
        {name: str(value) if name == "note" and value is not None else value for name, value in p.items()} for p in given_patches
    ]
    start = created(ORDER, GIVEN)
    state: InstanceState = start
    merged: dict[str, Any] = dict(start.document)
    for patch in texts:
        state = patched(ORDER, state, patch)
        merged.update(patch)
    merged = {name: str(value) if name == "price" else value for name, value in merged.items() if value is not None}
    assert state.document == merged
