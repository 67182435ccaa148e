"""What the asset catalogue shows: tables instead of JSON, counts without gaps, words that say what to do, columns' origins."""

import dagster as dg
import pytest
from dagster._core.definitions.utils import is_valid_owner

from spice_assets.catalogue import ClassEntry, MappingEntry
from spice_assets.columns import lineage_of_copy, lineage_of_mappings, property_schema
from spice_assets.defs.linking.outcomes import statistics_of, told_of
from spice_assets.owners import owner_of, owners_of
from spice_assets.tables import counts_of, table_of, tables_of
from spice_core.domain.link_types import LinkRun

DATASET = dg.AssetKey(["dataset", "nyc", "flights"])


def mapping(dataset_id: str, **fields: tuple[str, ...]) -> MappingEntry:
    return MappingEntry("m", 1, dataset_id, "drop_link", "delete", fields=tuple(fields.items()))


def link_run(result: str, **statistics: int) -> LinkRun:
    state = "failed" if result == "FAIL" else "succeeded"
    return LinkRun("r", "nyc:main:lands", 1, state, result=result, statistics=statistics)


def test_rows_become_a_table_whose_cells_are_plain():
    table = table_of([{"row": 1, "links": ["a", "b"]}, {"row": 2, "late": True}])
    assert [(column.name, column.type) for column in table.schema.columns] == [
        ("row", "int"),
        ("links", "string"),
        ("late", "bool"),
    ]
    assert [record.data for record in table.records] == [
        {"row": 1, "links": '["a", "b"]', "late": None},
        {"row": 2, "links": None, "late": True},
    ]


def test_a_table_without_rows_is_left_out():
    assert list(tables_of(rejects=[], reasons=counts_of({"empty": 1, "missing": 2}, name="reason"))) == ["reasons"]
    assert counts_of({"empty": 1, "missing": 2}, name="reason")[0] == {"reason": "missing", "count": 2}


def test_columns_come_from_where_mappings_say():
    key_of_two = mapping("flights", id=("carrier", "flight"), flown_by=("carrier",))
    found = lineage_of_mappings([key_of_two, mapping("deleted", day=("day",))], {"flights": DATASET})
    assert {name: [dep.column_name for dep in deps] for name, deps in found.deps_by_column.items()} == {
        "id": ["carrier", "flight"],
        "flown_by": ["carrier"],
    }
    assert lineage_of_copy(DATASET, ["day"]).deps_by_column == {"day": [dg.TableColumnDep(DATASET, "day")]}


def test_a_column_says_what_it_is_called_and_where_it_comes_from():
    properties = (("id", "string", True), ("day", "date", False), ("note", "string", False))
    mappings = (mapping("flights", id=("carrier", "flight"), day=("day",)),)
    entry = ClassEntry("nyc", "main", "Flight", "", properties, (), mappings, labels=(("day", "Day of departure"),))
    told = {column.name: column.description for column in property_schema(entry, {"flights": DATASET}).columns}
    assert told == {"id": "from carrier + flight of flights", "day": "Day of departure, from day of flights", "note": None}


def test_counts_that_every_run_has_are_plotted_as_zero():
    counts = statistics_of(link_run("PASS", links=3))
    assert (counts["links"], counts["dangling"], counts["removed"]) == (3, 0, 0)


@pytest.mark.parametrize(
    ("run", "told"),
    [
        (link_run("PASS", links=1200), "1,200 links; nothing was left out."),
        (link_run("WARN", links=1, dangling=2), "Left out: 2 links to instances that do not exist."),
        (link_run("FAIL", source_missing=2), "No link was written: 2 links from instances that do not exist. Bring"),
        (link_run("FAIL", failed_commands=4), "Commands failed: 4. Run it again"),
        (link_run("FAIL", dataset_deleted=1), "No link was written: dataset_deleted 1. Run it again."),
    ],
)
def test_a_run_of_a_link_type_says_what_came_of_it_and_what_to_do(run: LinkRun, told: str):
    assert told_of(run).startswith(told)


@pytest.mark.parametrize(
    ("actor", "owner"),
    [("mina@school.example", "mina@school.example"), ("admin", ""), (None, ""), ("@x", ""), (".a@b.co", ""), ("a b@c.de", "")],
)
def test_who_uploaded_owns_where_that_is_an_address(actor: str | None, owner: str):
    assert owner_of(actor) == owner
    assert is_valid_owner(owners_of(owner_of(actor))[0])
