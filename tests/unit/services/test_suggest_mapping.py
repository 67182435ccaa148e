"""A dataset suggests a class and a mapping that run as they are."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from spice_core.domain.suggestions import class_name, property_names
from spice_core.errors import DatasetNotFound
from spice_core.services.suggest_mapping import Suggestion, SuggestMapping
from tests.data_world import DataWorld, csv_of

CUSTOMERS = csv_of(("customer_id", "Full name", "joined"), [(f"c{n}", f"Name {n}", "2024-01-02") for n in range(20)])
ORDERS = csv_of(
    ("order no", "customer_id", "amount", "1st", "메모"),
    [(1000 + n, f"c{n % 19 if n % 10 else 99}", f"{n}.50", "x", None if n % 3 else "ok") for n in range(40)],
)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[DataWorld]:
    found = DataWorld(tmp_path).with_classes()
    yield found
    found.close()


def suggest(world: DataWorld, name: str) -> Suggestion:
    service = SuggestMapping(registry=world.registry, reading=world.reading, tables=world.tables, commands=world.path.commands)
    return service.suggest("shop", f"shop:main:{name}")


def accept(world: DataWorld, suggestion: Suggestion) -> str:
    world.path.commands.create_class("shop", "main", suggestion.class_definition)
    world.work()
    world.catalogue.save_mapping(suggestion.mapping)
    world.work()
    return suggestion.mapping.mapping_id


def test_a_suggestion_runs_as_it_is_and_links_to_what_is_there(world: DataWorld):
    world.upload("customers", CUSTOMERS)
    first = suggest(world, "customers")
    assert first.class_definition["id"] == "Customer"
    assert [(entry["name"], entry["type"], entry["required"]) for entry in first.class_definition["properties"]] == [
        ("customer_id", "string", True),
        ("Full_name", "string", True),
        ("joined", "date", True),
    ]
    assert first.class_definition["properties"][0]["primaryKey"]
    assert first.class_definition["properties"][1]["titleKey"]
    world.objectify.run("shop", accept(world, first))

    world.upload("orders", ORDERS)
    second = suggest(world, "orders")
    names = [entry["name"] for entry in second.class_definition["properties"]]
    assert names == ["order_no", "customer_id", "amount", "_1st", "field_5"]
    assert second.class_definition["relationships"][0] | {"label": ""} == {
        "predicate": "customer",
        "target": "Customer",
        "label": "",
        "cardinality": "n:1",
        "on_delete": "unlink",
    }
    assert second.mapping.on_missing_target == "drop_link"
    assert "4 of 40 rows name no Customer" in second.notes[0]
    run = world.objectify.run("shop", accept(world, second))
    assert (run.state, run.created, run.links_dropped) == ("succeeded", 40, 4)
    assert world.instances("Order")["1001"]["customer"] == "Customer/c1"


def test_small_numbers_are_no_reference_without_a_name_that_says_so(world: DataWorld):
    world.upload("things", csv_of(("id", "name"), [(n, f"t{n}") for n in range(50)]))
    world.objectify.run("shop", accept(world, suggest(world, "things")))
    world.upload("events", csv_of(("key", "age", "thing_id"), [(f"e{n}", n % 40, n % 50) for n in range(100)]))
    assert [reference.columns for reference in suggest(world, "events").references] == [("thing_id",)]


def test_a_table_without_a_key_says_so(world: DataWorld):
    world.upload("marks", csv_of(("a", "b"), [("x", 1.5), ("x", 1.5)]))
    found = suggest(world, "marks")
    assert not any("primaryKey" in entry for entry in found.class_definition["properties"])
    assert "no columns identify a row" in found.notes[0]


def test_an_unknown_dataset_is_not_found(world: DataWorld):
    with pytest.raises(DatasetNotFound):
        suggest(world, "nothing")


@pytest.mark.parametrize(
    ("dataset", "expected"),
    [
        ("flights", "Flight"),
        ("order_lines", "OrderLine"),
        ("categories", "Category"),
        ("boxes", "Box"),
        ("glass", "Glass"),
        ("x", "X"),
    ],
)
def test_a_class_is_named_after_one_row(dataset: str, expected: str):
    assert class_name(dataset) == expected


def test_property_names_are_legal_and_differ():
    columns = ["a b", "a-b", "이름", "1x", "", "a_b", "x" * 300]
    found = property_names(columns)
    assert len(set(found.values())) == len(set(columns))
    assert list(found.values())[:4] == ["a_b", "a_b_2", "field_3", "_1x"]
