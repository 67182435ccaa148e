"""Conditions as clients write them: typed, or refused by name."""

from typing import Any

import pytest

from spice_core.adapters.memory.graph_store import MemoryGraphStore
from spice_core.domain.ontology_json import class_from_json
from spice_core.domain.resolution import Ontology, ResolvedClass
from spice_core.errors import InvalidQuery
from spice_core.services.read_filters import typed_filters, typed_sort
from tests.contracts.graph_samples import Writer, node

MIXED: tuple[Any, ...] = (12, "12.5", "twelve", True, None, [1, 2], {"a": 1})


@pytest.fixture
def item() -> ResolvedClass:
    properties = [{"name": "item_id", "type": "string"}, {"name": "price", "type": "decimal"}, {"name": "tags", "type": "array"}]
    return Ontology([class_from_json({"id": "Item", "properties": properties, "relationships": []})]).resolve("Item")


@pytest.mark.parametrize(
    ("asked", "named"),
    [({"price": {"around": 3}}, "around"), ({"prize": 3}, "prize"), ({"price": {"gt": "cheap"}}, "price")],
)
def test_must_hold_17_a_condition_that_cannot_be_asked_is_refused_and_named(item, asked, named):
    with pytest.raises(InvalidQuery, match=named):
        typed_filters(item, asked)


def test_must_hold_17_values_of_mixed_types_compare_without_a_crash(item):
    writer = Writer(MemoryGraphStore())
    writer.create()
    writer.write(*(node(f"Item/{number}", {"price": value}) for number, value in enumerate(MIXED)))
    view = writer.store.view("shop")
    dear = view.page(["Item"], filters=typed_filters(item, {"price": {"gt": 12}}))
    assert [found.key for found in dear.nodes] == ["Item/1"]
    everything = view.page(["Item"], sort=typed_sort(item, "price", descending=False))
    assert len(everything.nodes) == len(MIXED)
