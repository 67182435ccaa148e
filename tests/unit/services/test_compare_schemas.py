"""What changed between two lists of columns."""

from spice_core.domain.datasets import Column
from spice_core.services.compare_schemas import ColumnChange, compare_schemas

OLD = [
    Column("id", "integer", nullable=False),
    Column("cust_name", "string", statistics={"sample_values": ["Ann", "Bob", "Cy"]}),
    Column("price", "decimal"),
    Column("old", "boolean"),
]


def test_equal_columns_have_no_differences():
    found = compare_schemas(OLD, OLD)
    assert (found.is_same, found.is_breaking) == (True, False)


def test_added_removed_retyped_and_renamed_columns_are_told_apart():
    new = [
        Column("id", "integer", nullable=True),
        Column("customer_name", "string"),
        Column("price", "string"),
        Column("extra", "date"),
    ]
    found = compare_schemas(OLD, new)
    assert (found.added, found.removed) == (["extra"], ["old"])
    assert [(entry.before, entry.after) for entry in found.renamed] == [("cust_name", "customer_name")]
    assert found.types == [ColumnChange("price", "decimal", "string")]
    assert found.nullability == [ColumnChange("id", False, True)]
    assert found.is_breaking


def test_a_column_of_the_same_values_is_guessed_to_be_the_same_under_any_name():
    new = [*OLD[:1], Column("전체 이름", "string", statistics={"sample_values": ["Ann", "Bob", "Cy"]}), *OLD[2:]]
    assert [(entry.before, entry.after) for entry in compare_schemas(OLD, new).renamed] == [("cust_name", "전체 이름")]


def test_columns_of_another_type_are_never_the_same_renamed():
    found = compare_schemas([Column("total", "integer")], [Column("totals", "date")])
    assert (found.renamed, found.added, found.removed) == ([], ["totals"], ["total"])


def test_another_order_alone_is_a_difference_that_breaks_nothing():
    found = compare_schemas(OLD, OLD[::-1])
    assert (found.is_reordered, found.is_same, found.is_breaking) == (True, False, False)
