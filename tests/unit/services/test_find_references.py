"""Foreign-key candidates across the datasets of a database."""

from collections.abc import Iterator

import pytest

from spice_core.domain.references import ReferenceCandidate
from spice_core.errors import DatasetNotFound
from spice_core.services.find_references import FindReferences
from tests.data_world import DataWorld, csv_of


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DataWorld]:
    found = DataWorld(tmp_path_factory.mktemp("references")).with_classes()
    found.upload("customers", csv_of(("customer_id", "name"), [(f"c{n}", f"Name {n}") for n in range(40)]))
    found.upload("shops", csv_of(("id", "city", "floors"), [(n, f"City {n}", n % 3) for n in range(60)]))
    found.upload(
        "legs",
        csv_of(
            ("flight_day", "flight_no", "gate"), [(f"2024-01-{n % 28 + 1:02}", f"F{n // 28}", f"g{n % 9}") for n in range(280)]
        ),
    )
    orders = [(1000 + n, f"c{n % 41}", n % 60, n % 55, f"2024-01-{n % 28 + 1:02}", f"F{n % 10}") for n in range(200)]
    found.upload("orders", csv_of(("order", "buyer", "shop_id", "age", "flight_day", "flight_no"), orders))
    found.upload(
        "staff", csv_of(("id", "name", "manager_id"), [(n, f"Person {n}", n // 5 if n >= 5 else None) for n in range(1, 60)])
    )
    yield found
    found.close()


def found(world: DataWorld, name: str) -> dict[tuple[str, ...], ReferenceCandidate]:
    finding = FindReferences(registry=world.registry, reading=world.reading, tables=world.tables)
    return {entry.columns: entry for entry in finding.of_dataset("shop", f"shop:main:{name}")}


def test_a_column_refers_to_the_key_that_its_values_are_found_in(world: DataWorld):
    buyer = found(world, "orders")[("buyer",)]
    assert (buyer.target_dataset_id, buyer.target_columns) == ("shop:main:customers", ("customer_id",))
    assert (buyer.given, buyer.found, buyer.distinct) == (200, 196, 41)
    assert 0.9 < buyer.coverage < 1
    assert "196 of 200 rows" in buyer.reason


def test_numbers_refer_only_where_the_name_says_so(world: DataWorld):
    orders = found(world, "orders")
    assert orders[("shop_id",)].target_dataset_id == "shop:main:shops"
    assert ("age",) not in orders
    assert ("floors",) not in found(world, "shops")


def test_a_composite_key_is_referred_to_by_columns_of_its_names(world: DataWorld):
    legs = found(world, "orders")[("flight_day", "flight_no")]
    assert (legs.target_dataset_id, legs.target_columns) == ("shop:main:legs", ("flight_day", "flight_no"))


def test_a_dataset_may_refer_to_itself(world: DataWorld):
    staff = found(world, "staff")[("manager_id",)]
    assert (staff.target_dataset_id, staff.target_columns) == ("shop:main:staff", ("id",))


def test_the_references_of_a_branch_are_found_at_once(world: DataWorld):
    finding = FindReferences(registry=world.registry, reading=world.reading, tables=world.tables)
    assert set(finding.of_database("shop", "main")) == {"shop:main:orders", "shop:main:staff"}
    assert finding.of_database("shop", "other") == {}
    with pytest.raises(DatasetNotFound):
        finding.of_dataset("shop", "shop:main:nothing")
