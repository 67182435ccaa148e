"""What every search index promises: each test is a sentence of `ports/search_index.py`."""

import itertools
import random
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from spice_core.adapters.memory.search_index import MemorySearchIndex
from spice_core.adapters.postgres.connection import Postgres
from spice_core.domain.queries import FacetRequest, Filter, Kind, Operator, Sort
from spice_core.domain.search import IndexedClass, IndexedField, SearchDocument, SearchQuery
from spice_core.errors import Closed, Conflict, InvalidInput, InvalidQuery
from spice_core.ports.search_index import SearchIndex

AT = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
FLIGHT = IndexedClass(
    "Flight",
    (
        IndexedField("name", Kind.TEXT),
        IndexedField("carrier", Kind.TEXT),
        IndexedField("distance", Kind.INTEGER),
        IndexedField("price", Kind.NUMBER),
        IndexedField("is_late", Kind.BOOLEAN),
        IndexedField("day", Kind.DATE),
        IndexedField("left_at", Kind.TIMESTAMP),
        IndexedField("stops", Kind.TEXT, is_array=True),
        IndexedField("ratings", Kind.INTEGER, is_array=True),
        IndexedField("extra", Kind.JSON),
        IndexedField("notes", Kind.TEXT, is_text=True),
    ),
    title_field="name",
    label="Flight",
)


@pytest.fixture(params=["memory", "postgres"])
def make_index(request: pytest.FixtureRequest) -> Iterator[Callable[[], SearchIndex]]:
    """A factory of clients of one and the same index."""
    if request.param == "memory":
        shared = MemorySearchIndex()
        yield lambda: shared
        return
    module = pytest.importorskip("spice_core.adapters.postgres.search_index")
    dsn = request.getfixturevalue("postgres_dsn")
    pools: list[Postgres] = []

    def make() -> SearchIndex:
        pools.append(Postgres(dsn, max_size=4))
        return module.PostgresSearchIndex(pools[-1])

    yield make
    for pool in pools:
        pool.close()


@pytest.fixture
def index(make_index: Callable[[], SearchIndex]) -> SearchIndex:
    return make_index()


@pytest.fixture
def db(index: SearchIndex) -> Iterator[str]:
    """A database of this test alone, with the class Flight."""
    name = f"db_{uuid.uuid4().hex[:12]}"
    index.define(name, FLIGHT)
    yield name
    index.drop(name)


def doc(ident: str, version: int = 1, *, class_id: str = "Flight", **data: Any) -> SearchDocument:
    return SearchDocument(f"{class_id}/{ident}", class_id, data, version, version * 10, f"event-{ident}-{version}", AT, AT)


def gone(ident: str, version: int, *, class_id: str = "Flight") -> SearchDocument:
    return replace(doc(ident, version, class_id=class_id), is_deleted=True)


def put(index: SearchIndex, db: str, *documents: SearchDocument, branch: str = "main", generation: int | None = None):
    result = index.write(db, branch, documents, generation=generation)
    index.refresh(db)
    return result


def ids(index: SearchIndex, db: str, *filters: Filter, branch: str = "main", **options: Any) -> list[str]:
    query = SearchQuery(class_ids=options.pop("class_ids", ["Flight"]), filters=filters, **options)
    return [hit.document.key.partition("/")[2] for hit in index.search(db, branch, query).hits]


def follow(index: SearchIndex, db: str, branch: str = "main", **options: Any) -> list[str]:
    """Return the ids of all pages of a query."""
    found: list[str] = []
    query = SearchQuery(class_ids=["Flight"], **options)
    while True:
        page = index.search(db, branch, query)
        found += [hit.document.key.partition("/")[2] for hit in page.hits]
        if page.next_after is None:
            return found
        query = replace(query, after=page.next_after)


# --- documents and versions


def test_document_comes_back_as_it_was_written(index, db):
    data = {"name": "Añb", "nested": {"z": [1, 2.5, None, True], "a": "x"}, "big": 12345678901234567890123, "tiny": 1e-300}
    written = replace(doc("1", 7, **data), updated_at=AT.astimezone(timezone(timedelta(hours=9))), created_at=None)
    put(index, db, written)
    found = index.get(db, "main", ["Flight/1"])["Flight/1"]
    assert found == written
    assert list(found.data) == list(data)
    assert found.updated_at.utcoffset() == timedelta(0)


def test_get_returns_what_is_there_among_the_keys_tombstones_included(index, db):
    put(index, db, doc("1"), doc("2"), gone("3", 4))
    found = index.get(db, "main", ["Flight/1", "Flight/3", "Flight/9", "Nothing/1", "nonsense", "", "Flight/\0"])
    assert set(found) == {"Flight/1", "Flight/3"}
    assert found["Flight/3"].is_deleted
    assert found["Flight/3"].data == {}
    assert found["Flight/3"].version == 4
    assert index.get(db, "main", []) == {}


def test_stored_documents_do_not_alias_the_callers_memory(index, db):
    data = {"stops": ["A"]}
    put(index, db, replace(doc("1"), data=data))
    data["stops"].append("B")
    index.get(db, "main", ["Flight/1"])["Flight/1"].data["stops"].append("C")
    assert index.get(db, "main", ["Flight/1"])["Flight/1"].data == {"stops": ["A"]}


@pytest.mark.parametrize("order", list(itertools.permutations([1, 2, 3])))
def test_highest_version_wins_whatever_the_order_of_arrival(index, db, order):
    for version in order:
        put(index, db, doc("1", version, distance=version))
    assert index.get(db, "main", ["Flight/1"])["Flight/1"].version == 3
    assert ids(index, db, Filter("distance", Operator.EQ, 3, Kind.INTEGER)) == ["1"]
    assert ids(index, db, Filter("distance", Operator.LT, 3, Kind.INTEGER)) == []


def test_write_counts_applied_and_stale_documents(index, db):
    assert put(index, db, doc("1", 2), doc("2", 2)).applied == 2
    result = put(index, db, doc("1", 1), doc("2", 2), doc("3", 1), doc("3", 2))
    assert (result.applied, result.stale) == (1, 3)
    assert (put(index, db).applied, put(index, db).stale) == (0, 0)


def test_equal_version_is_stale_and_changes_nothing(index, db):
    put(index, db, doc("1", 2, carrier="first"))
    put(index, db, doc("1", 2, carrier="second"))
    assert index.get(db, "main", ["Flight/1"])["Flight/1"].data["carrier"] == "first"


def test_of_one_key_in_a_write_the_highest_version_counts(index, db):
    put(index, db, doc("1", 2, carrier="b"), doc("1", 3, carrier="c"), doc("1", 1, carrier="a"))
    assert ids(index, db, Filter("carrier", Operator.EQ, "c")) == ["1"]
    assert index.get(db, "main", ["Flight/1"])["Flight/1"].version == 3


def test_every_document_of_a_large_write_is_stored(index, db):
    assert put(index, db, *(doc(f"{n:05d}", distance=n) for n in range(2345))).applied == 2345
    assert index.search(db, "main", SearchQuery(["Flight"], limit=1)).total == 2345
    assert len(index.get(db, "main", [f"Flight/{n:05d}" for n in range(3000)])) == 2345


def test_tombstone_is_a_version_like_any_other(index, db):
    put(index, db, doc("1", 1))
    put(index, db, gone("1", 3))
    put(index, db, doc("1", 2))
    assert ids(index, db) == []
    assert index.search(db, "main", SearchQuery(["Flight"])).total == 0
    put(index, db, doc("1", 4))
    assert ids(index, db) == ["1"]


def test_tombstone_of_an_unknown_document_keeps_older_versions_out(index, db):
    put(index, db, gone("1", 5))
    put(index, db, doc("1", 4))
    assert ids(index, db) == []


def test_write_of_an_undefined_class_is_refused_whole_and_names_it(index, db):
    with pytest.raises(InvalidQuery, match="Ghost"):
        index.write(db, "main", [doc("1"), doc("1", class_id="Ghost")])
    assert ids(index, db) == []


def test_write_to_an_unknown_database_is_refused(index):
    with pytest.raises(InvalidQuery, match="Flight"):
        index.write("never_seen", "main", [doc("1")])


@pytest.mark.parametrize("bad", ["a\0b", "a\ud800b"])
def test_characters_that_engines_cannot_store_are_invalid_input_and_store_nothing(index, db, bad):
    for broken in (
        doc("2", name=bad),
        doc("2", other={"deep": [bad]}),
        replace(doc("2"), data={bad: 1}),
        replace(doc("2"), key=f"Flight/{bad}"),
        replace(doc("2"), event_id=bad),
    ):
        with pytest.raises(InvalidInput):
            index.write(db, "main", [doc("1"), broken])
    assert ids(index, db) == []
    put(index, db, doc("1", name="literal \\u0000 stays"))
    assert index.get(db, "main", ["Flight/1"])["Flight/1"].data["name"] == "literal \\u0000 stays"


def test_a_key_of_another_class_is_invalid_input(index, db):
    with pytest.raises(InvalidInput, match="Airline/1"):
        index.write(db, "main", [replace(doc("1"), key="Airline/1")])


@pytest.mark.parametrize("bad", ["a\0b", "a\ud800b"])
def test_such_characters_in_a_query_are_invalid_input(index, db, bad):
    put(index, db, doc("1", name="x"))
    for query in (
        SearchQuery(["Flight"], text=bad),
        SearchQuery(["Flight"], filters=[Filter("name", Operator.EQ, bad)]),
        SearchQuery(["Flight"], filters=[Filter("stops", Operator.IN, [bad])]),
        SearchQuery(["Flight"], filters=[Filter(bad, Operator.EQ, "x")]),
        SearchQuery(["Flight"], after=bad),
    ):
        with pytest.raises(InvalidInput):
            index.search(db, "main", query)
    assert index.search(db, "main", SearchQuery([bad])).hits == []
    assert index.search(db, bad, SearchQuery(["Flight"])).hits == []
    assert index.search(bad, "main", SearchQuery(["Flight"])).hits == []


def test_long_strings_and_long_keys_are_stored_found_and_sorted(index, db):
    long = "é" * 50_000
    key = "\U0001f600" * 512
    put(index, db, doc(key, name=long + "b", carrier=long, stops=[long, "x"]), doc("2", carrier=long + "b"))
    assert ids(index, db, Filter("carrier", Operator.EQ, long)) == [key]
    assert ids(index, db, Filter("carrier", Operator.GT, long)) == ["2"]
    assert ids(index, db, Filter("stops", Operator.EQ, long)) == [key]
    assert ids(index, db, Filter("stops", Operator.EQ, long + "b")) == []
    assert follow(index, db, sort=Sort("carrier"), limit=1) == [key, "2"]


def test_an_enormous_text_is_stored_and_its_beginning_is_found(index, db):
    text = "needle " + " ".join(f"w{n}x" * 20 for n in range(30_000)) + " word" * 20_000
    put(index, db, doc("1", notes=text))
    assert ids(index, db, text="needle") == ["1"]


# --- unknown things read as empty


def test_unknown_database_class_or_branch_reads_as_empty(index, db):
    put(index, db, doc("1"))
    for database, branch, class_id in (("unknown", "main", "Flight"), (db, "other", "Flight"), (db, "main", "Ghost")):
        query = SearchQuery([class_id], text="x", filters=[Filter("any", Operator.EQ, 1)], facets=[FacetRequest("carrier")])
        result = index.search(database, branch, replace(query, filters=(), facets=()))
        assert (list(result.hits), result.total, result.total_is_exact, result.next_after) == ([], 0, True, None)
    assert index.get("unknown", "main", ["Flight/1"]) == {}
    assert index.get(db, "other", ["Flight/1"]) == {}
    assert list(index.scan("unknown", "main")) == []
    assert list(index.scan(db, "other")) == []
    index.refresh("unknown")


def test_unknown_class_beside_a_known_one_is_left_out(index, db):
    put(index, db, doc("1"))
    assert ids(index, db, class_ids=["Ghost", "Flight"]) == ["1"]
    assert ids(index, db, class_ids=[]) == []


# --- typed filters


def test_filters_compare_numbers_as_numbers_and_dates_as_dates(index, db):
    """must_hold 15."""
    put(
        index,
        db,
        doc("9", distance=9, price=9.5, day="2026-01-09", left_at="2026-01-09T00:00:00Z"),
        doc("10", distance=10, price="10.25", day="2026-01-10", left_at="2026-01-09T00:00:00.5Z"),
        doc("100", distance=100, price=100, day="2026-10-01", left_at="2026-01-09T00:00:00.500001Z"),
    )
    assert ids(index, db, Filter("distance", Operator.GT, 9, Kind.INTEGER)) == ["10", "100"]
    assert ids(index, db, Filter("distance", Operator.GTE, 9, Kind.INTEGER), sort=Sort("distance", Kind.INTEGER)) == [
        "9",
        "10",
        "100",
    ]
    assert ids(index, db, Filter("price", Operator.LT, 10.3, Kind.NUMBER)) == ["10", "9"]
    assert ids(index, db, Filter("price", Operator.EQ, "10.250", Kind.NUMBER)) == ["10"]
    assert ids(index, db, Filter("day", Operator.LTE, "2026-01-10", Kind.DATE)) == ["10", "9"]
    after = Filter("left_at", Operator.GT, "2026-01-09T00:00:00Z", Kind.TIMESTAMP)
    assert ids(index, db, after, sort=Sort("left_at", Kind.TIMESTAMP)) == ["10", "100"]
    assert ids(index, db, Filter("left_at", Operator.EQ, "2026-01-09T00:00:00.500Z", Kind.TIMESTAMP)) == ["10"]


def test_text_compares_in_codepoint_order_and_case_sensitively(index, db):
    names = ["a", "B", "b", "á", "Z", "_", "한", "\U0001f600", "\uffff"]
    put(index, db, *(doc(str(n), carrier=name) for n, name in enumerate(names)))
    expected = [str(names.index(name)) for name in sorted(names)]
    assert ids(index, db, sort=Sort("carrier")) == expected
    assert ids(index, db, Filter("carrier", Operator.EQ, "b")) == ["2"]
    assert set(ids(index, db, Filter("carrier", Operator.GT, "b"))) == {"3", "6", "7", "8"}
    assert ids(index, db, Filter("carrier", Operator.IN, ["B", "한", "zz"])) == ["1", "6"]


def test_text_operators_match_literally(index, db):
    put(index, db, doc("1", carrier="100%_x\\"), doc("2", carrier="100"), doc("3", carrier="x100%"), doc("4", carrier="(a"))
    assert ids(index, db, Filter("carrier", Operator.PREFIX, "100%")) == ["1"]
    assert ids(index, db, Filter("carrier", Operator.CONTAINS, "%")) == ["1", "3"]
    assert ids(index, db, Filter("carrier", Operator.CONTAINS, "_x\\")) == ["1"]
    assert ids(index, db, Filter("carrier", Operator.CONTAINS, "(")) == ["4"]
    assert ids(index, db, Filter("carrier", Operator.PREFIX, "")) == ["1", "2", "3", "4"]


def test_null_meets_only_is_null_ne_and_not_in(index, db):
    put(index, db, doc("1", carrier="A"), doc("2", carrier=None), doc("3"), doc("4", carrier="B"))
    assert ids(index, db, Filter("carrier", Operator.IS_NULL)) == ["2", "3"]
    assert ids(index, db, Filter("carrier", Operator.NOT_NULL)) == ["1", "4"]
    assert ids(index, db, Filter("carrier", Operator.NE, "A")) == ["2", "3", "4"]
    assert ids(index, db, Filter("carrier", Operator.NOT_IN, ["A", "B"])) == ["2", "3"]
    assert ids(index, db, Filter("carrier", Operator.NOT_IN, [])) == ["1", "2", "3", "4"]
    assert ids(index, db, Filter("carrier", Operator.IN, [])) == []
    assert ids(index, db, Filter("carrier", Operator.LT, "Z")) == ["1", "4"]


def test_condition_on_an_array_holds_if_some_element_meets_it(index, db):
    put(index, db, doc("1", stops=["A", "B"]), doc("2", stops=["B"]), doc("3", stops=[]), doc("4"), doc("5", stops=["C", None]))
    assert ids(index, db, Filter("stops", Operator.EQ, "B")) == ["1", "2"]
    assert ids(index, db, Filter("stops", Operator.IN, ["A", "C"])) == ["1", "5"]
    assert ids(index, db, Filter("stops", Operator.NE, "B")) == ["1", "3", "4", "5"]
    assert ids(index, db, Filter("stops", Operator.NOT_IN, ["B", "C"])) == ["1", "3", "4", "5"]
    assert ids(index, db, Filter("stops", Operator.GT, "B")) == ["5"]
    assert ids(index, db, Filter("stops", Operator.IS_NULL)) == ["3", "4", "5"]
    assert ids(index, db, Filter("stops", Operator.NOT_NULL)) == ["1", "2", "5"]
    assert ids(index, db, Filter("stops", Operator.CONTAINS, "A")) == ["1"]
    put(index, db, doc("6", ratings=[1, 5]), doc("7", ratings=[3]))
    assert ids(index, db, Filter("ratings", Operator.GTE, 4, Kind.INTEGER)) == ["6"]
    assert ids(index, db, Filter("ratings", Operator.EQ, 3, Kind.INTEGER)) == ["7"]


def test_booleans_compare_false_before_true(index, db):
    put(index, db, doc("1", is_late=True), doc("2", is_late=False), doc("3", is_late="true"), doc("4", is_late=1))
    assert ids(index, db, Filter("is_late", Operator.EQ, True, Kind.BOOLEAN)) == ["1"]
    assert ids(index, db, Filter("is_late", Operator.LT, True, Kind.BOOLEAN)) == ["2"]
    assert follow(index, db, sort=Sort("is_late", Kind.BOOLEAN), limit=1) == ["2", "1", "3", "4"]
    assert follow(index, db, sort=Sort("is_late", Kind.BOOLEAN, descending=True), limit=1) == ["1", "2", "4", "3"]


def test_json_values_compare_by_equality_only(index, db):
    put(
        index, db, doc("1", extra={"a": 1, "b": [1]}), doc("2", extra={"b": [1.0], "a": 1}), doc("3", extra={"a": True, "b": [1]})
    )
    put(index, db, doc("4", extra="text"), doc("5", extra=[{"a": 2}, 7]))
    assert ids(index, db, Filter("extra", Operator.EQ, {"a": 1, "b": [1]}, Kind.JSON)) == ["1", "2"]
    assert ids(index, db, Filter("extra", Operator.NE, "text", Kind.JSON)) == ["1", "2", "3", "5"]
    assert ids(index, db, Filter("extra", Operator.IN, ["text", {"a": 2}], Kind.JSON)) == ["4", "5"]
    for bad in (Filter("extra", Operator.GT, 1, Kind.JSON), Filter("extra", Operator.CONTAINS, "a", Kind.JSON)):
        with pytest.raises(InvalidQuery):
            ids(index, db, bad)
    with pytest.raises(InvalidQuery):
        ids(index, db, sort=Sort("extra", Kind.JSON))
    with pytest.raises(InvalidQuery):
        ids(index, db, facets=[FacetRequest("extra", Kind.JSON)])


def test_values_that_do_not_fit_are_null_in_filters_and_stay_in_the_document(index, db):
    put(
        index,
        db,
        doc("1", distance="many", day="soon", carrier=5, stops="A", price=[1], ratings=[1, "x"]),
        doc("2", distance=2**63),
    )
    for field in ("distance", "day", "carrier", "price"):
        assert "1" in ids(index, db, Filter(field, Operator.IS_NULL)), field
    assert ids(index, db, Filter("distance", Operator.NOT_NULL)) == []
    assert ids(index, db, Filter("stops", Operator.EQ, "A")) == ["1"]
    assert ids(index, db, Filter("ratings", Operator.EQ, 1, Kind.INTEGER)) == ["1"]
    assert index.get(db, "main", ["Flight/1"])["Flight/1"].data["distance"] == "many"
    assert index.get(db, "main", ["Flight/2"])["Flight/2"].data["distance"] == 2**63


def test_integers_compare_with_any_number(index, db):
    put(index, db, doc("1", distance=2, ratings=[2]), doc("2", distance=3, ratings=[3, 2**63 - 1]), doc("3", distance=2.5))
    for field in ("distance", "ratings"):
        assert ids(index, db, Filter(field, Operator.GT, 2.5, Kind.INTEGER)) == ["2"]
        assert ids(index, db, Filter(field, Operator.LT, 2**63, Kind.INTEGER)) == ["1", "2"]
        assert ids(index, db, Filter(field, Operator.GTE, -(2**63), Kind.INTEGER)) == ["1", "2"]
        assert ids(index, db, Filter(field, Operator.LT, "-1e300", Kind.INTEGER)) == []
        assert ids(index, db, Filter(field, Operator.EQ, 2.5, Kind.INTEGER)) == []
        assert ids(index, db, Filter(field, Operator.EQ, 2.0, Kind.INTEGER)) == ["1"]
        assert ids(index, db, Filter(field, Operator.NE, 2**64, Kind.INTEGER)) == ["1", "2", "3"]
        assert ids(index, db, Filter(field, Operator.IN, [2.5, 2, 2**70], Kind.INTEGER)) == ["1"]
        assert ids(index, db, Filter(field, Operator.NOT_IN, [2.5, 2], Kind.INTEGER)) == ["2", "3"]


def test_all_conditions_of_a_query_hold_together(index, db):
    put(index, db, *(doc(f"{n:02d}", distance=n, carrier="AB"[n % 2], price=n / 2) for n in range(20)))
    found = ids(
        index,
        db,
        Filter("distance", Operator.GTE, 5, Kind.INTEGER),
        Filter("distance", Operator.LT, 12, Kind.INTEGER),
        Filter("carrier", Operator.EQ, "B"),
        Filter("price", Operator.NE, 3.5, Kind.NUMBER),
    )
    assert found == ["05", "09", "11"]


@pytest.mark.parametrize(
    "bad",
    [
        Filter("nothing", Operator.EQ, "x"),
        Filter("distance", Operator.PREFIX, "1", Kind.INTEGER),
        Filter("distance", Operator.CONTAINS, "1"),
        Filter("distance", Operator.EQ, "nine", Kind.INTEGER),
        Filter("distance", Operator.EQ, None, Kind.INTEGER),
        Filter("distance", Operator.IN, [1, "x"], Kind.INTEGER),
        Filter("distance", Operator.IN, 1, Kind.INTEGER),
        Filter("carrier", Operator.IN, "AB"),
        Filter("is_late", Operator.EQ, "yes", Kind.BOOLEAN),
        Filter("day", Operator.GT, "yesterday", Kind.DATE),
        Filter("left_at", Operator.GT, "2026-01-01", Kind.TIMESTAMP),
    ],
    ids=str,
)
def test_filter_that_does_not_fit_its_class_is_an_invalid_query(index, db, bad):
    with pytest.raises(InvalidQuery):
        ids(index, db, bad)


def test_unknown_field_or_array_in_sort_and_facet_is_an_invalid_query(index, db):
    for query in (
        SearchQuery(["Flight"], sort=Sort("nothing")),
        SearchQuery(["Flight"], sort=Sort("stops")),
        SearchQuery(["Flight"], facets=[FacetRequest("nothing")]),
        SearchQuery(["Flight"], limit=-1),
        SearchQuery(["Flight"], offset=-1),
    ):
        with pytest.raises(InvalidQuery):
            index.search(db, "main", query)


def test_the_class_decides_the_kind_whatever_the_filter_says(index, db):
    put(index, db, doc("9", distance=9), doc("10", distance=10))
    assert ids(index, db, Filter("distance", Operator.GT, 9, Kind.TEXT)) == ["10"]
    assert ids(index, db, sort=Sort("distance", Kind.TEXT)) == ["9", "10"]


# --- order and pages


def test_without_sort_hits_come_by_key(index, db):
    put(index, db, *(doc(name) for name in ["b", "a", "B", "한", "a1", "é"]))
    assert follow(index, db, limit=2) == ["B", "a", "a1", "b", "é", "한"]


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize(
    ("field", "kind"),
    [("carrier", Kind.TEXT), ("distance", Kind.INTEGER), ("price", Kind.NUMBER), ("day", Kind.DATE), ("left_at", Kind.TIMESTAMP)],
)
def test_nulls_sort_last_both_ways_and_ties_break_by_key(index, db, field, kind, descending):
    values: dict[str, list[Any]] = {
        "carrier": ["b", "a", "b", None, ""],
        "distance": [2, -10, 2, None, 0],
        "price": [2.5, -1e300, "2.50", None, 0.1],
        "day": ["2026-02-01", "2026-01-31", "2026-02-01", None, "0001-01-01"],
        "left_at": ["2026-01-01T00:00:01Z", "2026-01-01T00:00:00.25Z", "2026-01-01T00:00:01.0Z", None, "1999-01-01T00:00:00Z"],
    }
    put(index, db, *(doc(f"{n:02d}", **{field: value}) for n, value in enumerate(values[field] * 3)))
    found = follow(index, db, sort=Sort(field, kind, descending), limit=2)
    by_value = {"up": [4, 9, 14, 1, 6, 11, 0, 2, 5, 7, 10, 12], "number": [1, 6, 11, 4, 9, 14, 0, 2, 5, 7, 10, 12]}
    order = by_value["number" if field in {"distance", "price"} else "up"]
    expected = [*order[::-1], 13, 8, 3] if descending else [*order, 3, 8, 13]
    assert found == [f"{n:02d}" for n in expected]


def test_pages_visit_every_document_once_on_a_branch_both_ways(index, db):
    """must_hold 14."""
    rng = random.Random(5)
    put(index, db, *(doc(f"m{n:03d}", distance=rng.choice([None, 1, 2, 3]), carrier="x") for n in range(120)))
    index.create_branch(db, "work", source="main")
    put(index, db, *(doc(f"m{n:03d}", 2, distance=9, carrier="main later") for n in range(0, 120, 3)))
    put(index, db, *(doc(f"w{n:03d}", distance=rng.choice([None, 2, 7]), carrier="x") for n in range(30)), branch="work")
    put(index, db, *(gone(f"m{n:03d}", 2) for n in range(0, 120, 5)), branch="work")
    put(index, db, *(doc(f"m{n:03d}", 2, distance=2, carrier="x") for n in range(1, 120, 5)), branch="work")
    expected = {f"m{n:03d}" for n in range(120) if n % 5} | {f"w{n:03d}" for n in range(30)}
    query = SearchQuery(["Flight"], filters=[Filter("carrier", Operator.EQ, "x")])
    assert index.search(db, "work", query).total == len(expected)
    for descending in (False, True):
        for sort in (Sort("distance", Kind.INTEGER, descending), None):
            found = follow(index, db, "work", sort=sort, limit=7, filters=query.filters)
            assert len(found) == len(set(found))
            assert set(found) == expected


def test_pages_stay_stable_while_other_documents_are_written(index, db):
    put(index, db, *(doc(f"{n:03d}", distance=n % 4) for n in range(0, 100, 2)))
    query = SearchQuery(["Flight"], sort=Sort("distance", Kind.INTEGER), limit=9)
    seen: list[str] = []
    for step in itertools.count():
        page = index.search(db, "main", query)
        seen += [hit.document.key[7:] for hit in page.hits]
        if page.next_after is None:
            break
        query = replace(query, after=page.next_after)
        put(index, db, *(doc(f"{n:03d}", distance=n % 4) for n in range(step * 10 + 1, step * 10 + 10, 2)), gone(seen[-1], 5))
    stayed = [ident for ident in seen if int(ident) % 2 == 0]
    assert sorted(stayed) == [f"{n:03d}" for n in range(0, 100, 2)]


def test_after_of_another_query_is_an_invalid_query(index, db):
    put(index, db, *(doc(str(n), name=f"word{n}", carrier="x") for n in range(3)))
    query = SearchQuery(["Flight"], sort=Sort("carrier"), limit=1)
    after = index.search(db, "main", query).next_after
    assert after
    for other in (
        replace(query, after=after, sort=None),
        replace(query, after=after, sort=Sort("carrier", descending=True)),
        replace(query, after=after, filters=[Filter("carrier", Operator.EQ, "x")]),
        replace(query, after=after, text="word1"),
        replace(query, after=after, is_fuzzy=True),
        replace(query, after="nonsense"),
        replace(query, after=""),
    ):
        with pytest.raises(InvalidQuery):
            index.search(db, "main", other)
    assert len(index.search(db, "main", replace(query, after=after, limit=10, with_highlights=True)).hits) == 2


def test_offset_skips_documents_after_the_mark(index, db):
    put(index, db, *(doc(f"{n}") for n in range(10)))
    assert ids(index, db, offset=3, limit=2) == ["3", "4"]
    assert ids(index, db, offset=20) == []
    after = index.search(db, "main", SearchQuery(["Flight"], limit=2)).next_after
    assert ids(index, db, after=after, offset=3, limit=2) == ["5", "6"]


def test_limit_nothing_still_counts(index, db):
    put(index, db, doc("1"), doc("2"))
    result = index.search(db, "main", SearchQuery(["Flight"], limit=0))
    assert (list(result.hits), result.total, result.next_after) == ([], 2, None)


def test_last_page_has_no_next(index, db):
    put(index, db, doc("1"), doc("2"))
    assert index.search(db, "main", SearchQuery(["Flight"], limit=2)).next_after is None
    assert index.search(db, "main", SearchQuery(["Flight"], limit=1)).next_after is not None


def test_total_is_exact_up_to_ten_thousand(index, db):
    put(index, db, *(doc(f"{n:05d}") for n in range(10_000)))
    result = index.search(db, "main", SearchQuery(["Flight"], limit=1))
    assert (result.total, result.total_is_exact) == (10_000, True)
    put(index, db, doc("x"))
    result = index.search(db, "main", SearchQuery(["Flight"], limit=1))
    assert (result.total, result.total_is_exact) == (10_000, False)


# --- several classes


def test_several_classes_are_searched_together(index, db):
    index.define(db, IndexedClass("Airline", (IndexedField("name", Kind.TEXT), IndexedField("distance", Kind.INTEGER)), "name"))
    put(index, db, *(doc(f"{n}", name="Blue sky", distance=n) for n in range(5)))
    put(index, db, *(doc(f"{n}", class_id="Airline", name="blue", distance=n) for n in range(5)))
    both = SearchQuery(["Flight", "Airline"], text="blue", sort=Sort("distance", Kind.INTEGER, descending=True), limit=3)
    keys = []
    while True:
        page = index.search(db, "main", both)
        assert page.total == 10
        keys += [hit.document.key for hit in page.hits]
        if page.next_after is None:
            break
        both = replace(both, after=page.next_after)
    assert keys == [f"{name}/{n}" for n in (4, 3, 2, 1, 0) for name in ("Flight", "Airline")]
    facet = index.search(db, "main", SearchQuery(["Flight", "Airline"], facets=[FacetRequest("name")])).facets[0]
    assert list(facet.buckets) == [("Blue sky", 5), ("blue", 5)]


def test_a_field_must_be_of_every_asked_class_and_of_one_kind(index, db):
    index.define(db, IndexedClass("Airline", (IndexedField("name", Kind.TEXT), IndexedField("distance", Kind.TEXT))))
    for bad in (Filter("carrier", Operator.EQ, "x"), Filter("distance", Operator.EQ, "1")):
        with pytest.raises(InvalidQuery, match=bad.field):
            ids(index, db, bad, class_ids=["Flight", "Airline"])


# --- facets


def test_facets_count_documents_per_value_most_frequent_first_ties_by_value(index, db):
    put(index, db, *(doc(str(n), carrier=carrier) for n, carrier in enumerate("BAABCCDB")), doc("null"), gone("dead", 2))
    put(index, db, doc("dead", 1, carrier="D"))
    query = SearchQuery(["Flight"], facets=[FacetRequest("carrier"), FacetRequest("carrier", limit=2)], limit=1)
    every, two = index.search(db, "main", query).facets
    assert list(every.buckets) == [("B", 3), ("A", 2), ("C", 2), ("D", 1)]
    assert list(two.buckets) == [("B", 3), ("A", 2)]
    assert every.field == "carrier"


def test_facets_count_what_the_filters_leave_typed(index, db):
    put(index, db, *(doc(str(n), carrier="AB"[n % 2], distance=n % 3, is_late=n > 3) for n in range(9)))
    put(
        index,
        db,
        doc("x", price=1.5, carrier="A"),
        doc("y", price="1.50", carrier="A", left_at="2026-01-01T00:00:00.50Z", day="2026-01-01"),
    )
    names = [
        ("distance", Kind.INTEGER),
        ("is_late", Kind.BOOLEAN),
        ("price", Kind.NUMBER),
        ("left_at", Kind.TIMESTAMP),
        ("day", Kind.DATE),
    ]
    query = SearchQuery(["Flight"], filters=[Filter("carrier", Operator.EQ, "A")], facets=[FacetRequest(*name) for name in names])
    found = {facet.field: list(facet.buckets) for facet in index.search(db, "main", query).facets}
    assert found["distance"] == [(0, 2), (1, 1), (2, 2)] or found["distance"] == [(0, 2), (2, 2), (1, 1)]
    assert found["is_late"] == [(True, 3), (False, 2)]
    assert found["price"] == [(1.5, 2)]
    assert found["left_at"] == [("2026-01-01T00:00:00.5Z", 1)]
    assert found["day"] == [("2026-01-01", 1)]


def test_facets_of_an_array_count_each_document_once_per_value(index, db):
    put(index, db, doc("1", stops=["A", "A", "B"]), doc("2", stops=["A", None]), doc("3", stops=[]), doc("4"))
    query = SearchQuery(["Flight"], facets=[FacetRequest("stops"), FacetRequest("ratings", Kind.INTEGER)], limit=0)
    stops, ratings = index.search(db, "main", query).facets
    assert list(stops.buckets) == [("A", 2), ("B", 1)]
    assert list(ratings.buckets) == []


# --- full text


def test_every_word_must_occur_accents_and_case_folded(index, db):
    put(
        index,
        db,
        doc("1", name="São Paulo", notes="Große STRASSE"),
        doc("2", name="Sao", notes="paulo's"),
        doc("3", carrier="paulo"),
    )
    assert ids(index, db, text="sao PAULO") == ["1", "2"]
    assert ids(index, db, text="grosse straße") == ["1"]
    assert ids(index, db, text="sao missing") == []
    assert ids(index, db, text="서울") == []
    put(index, db, doc("4", name="서울 공항"), doc("5", name="e\u0301tude ﬁn Ⅳ"))
    assert ids(index, db, text="서울") == ["4"]
    assert ids(index, db, text="étude fin iv") == ["5"]


def test_words_split_at_everything_but_letters_and_digits(index, db):
    put(index, db, doc("1", name="snake_case-and/slash:N12.5"), doc("2", name="x"))
    for text in ("case", "and", "slash", "n12", "5", "snake_case", "and/slash"):
        assert ids(index, db, text=text) == ["1"], text
    assert ids(index, db, text="12") == []


def test_a_text_without_a_word_finds_nothing(index, db):
    put(index, db, doc("1", name="x"))
    for text in ("", "  ", "!?*", '""', '"'):
        assert ids(index, db, text=text) == [], text


def test_word_ending_in_a_star_is_a_prefix(index, db):
    put(index, db, doc("1", name="Newark Liberty"), doc("2", name="New York"), doc("3", name="Knew"))
    assert set(ids(index, db, text="new*")) == {"1", "2"}
    assert ids(index, db, text="new* lib*") == ["1"]
    assert ids(index, db, text="new") == ["2"]


def test_quoted_words_stand_next_to_each_other(index, db):
    put(index, db, doc("1", name="red blue green"), doc("2", name="blue red green"), doc("3", name="red", notes="blue green"))
    put(index, db, doc("4", notes="x blue, GREEN! red"))
    assert set(ids(index, db, text='"blue green"')) == {"1", "3", "4"}
    assert ids(index, db, text='"red blue"') == ["1"]
    assert ids(index, db, text='"red blue green"') == ["1"]
    assert ids(index, db, text='"blue green" red*  "green red"') == ["4"]


def test_fuzzy_words_may_be_misspelled_by_their_length(index, db):
    put(
        index,
        db,
        doc("1", name="Philadelphia"),
        doc("2", name="Miami"),
        doc("3", name="LA"),
        doc("4", notes="Philadelphia airport"),
    )
    assert ids(index, db, text="Philadelhpia", is_fuzzy=True) == ["1", "4"]
    assert ids(index, db, text="Filadelphia", is_fuzzy=True) == ["1", "4"]
    assert ids(index, db, text="Filadelfia", is_fuzzy=True) == []
    assert ids(index, db, text="mimai", is_fuzzy=True) == ["2"]
    assert ids(index, db, text="mimay", is_fuzzy=True) == []
    assert ids(index, db, text="lo", is_fuzzy=True) == []
    assert ids(index, db, text="Philadelhpia") == []
    assert ids(index, db, text="philadelhpia arport", is_fuzzy=True) == ["4"]
    put(index, db, doc("1", 2, name="Boston"))
    assert ids(index, db, text="Philadelhpia", is_fuzzy=True) == ["4"]


def test_best_hits_come_first_the_title_weighs_more_ties_by_key(index, db):
    put(
        index,
        db,
        doc("1", notes="boston"),
        doc("2", name="Boston"),
        doc("3", name="bostom"),
        doc("4", name="boston tea", notes="x"),
    )
    assert follow(index, db, text="boston", limit=1) == ["2", "4", "1"]
    assert follow(index, db, text="boston", is_fuzzy=True, limit=1) == ["2", "4", "3", "1"]
    assert follow(index, db, text="bost*", limit=2) == ["2", "3", "4", "1"]
    assert ids(index, db, text="boston", sort=Sort("name", descending=True)) == ["4", "2", "1"]


def test_text_filters_and_facets_work_together(index, db):
    put(
        index,
        db,
        *(doc(f"{n:02d}", name="even" if n % 2 == 0 else "odd", distance=n, carrier="AB"[n % 4 // 2]) for n in range(20)),
    )
    query = SearchQuery(["Flight"], text="even", filters=[Filter("distance", Operator.GTE, 10, Kind.INTEGER)], limit=2)
    result = index.search(db, "main", replace(query, facets=[FacetRequest("carrier")]))
    assert result.total == 5
    assert list(result.facets[0].buckets) == [("B", 3), ("A", 2)] or list(result.facets[0].buckets) == [("A", 3), ("B", 2)]


def test_highlights_mark_matches_in_escaped_fragments(index, db):
    put(index, db, doc("1", name="<b>Été & été</b>", notes="nothing here", carrier="ete"))
    found = index.search(db, "main", SearchQuery(["Flight"], text="ete", with_highlights=True)).hits[0]
    assert found.highlights == {"name": "&lt;b&gt;<em>Été</em> &amp; <em>été</em>&lt;/b&gt;"}
    assert index.search(db, "main", SearchQuery(["Flight"], text="ete")).hits[0].highlights == {}
    assert index.search(db, "main", SearchQuery(["Flight"], with_highlights=True)).hits[0].highlights == {}


def test_each_text_of_an_array_is_searched_apart(index, db):
    index.define(db, IndexedClass("Tagged", (IndexedField("tags", Kind.TEXT, is_array=True, is_text=True),)))
    put(index, db, doc("1", class_id="Tagged", tags=["red blue", "green", 5, None]))
    assert ids(index, db, text="green red", class_ids=["Tagged"]) == ["1"]
    assert ids(index, db, text='"blue green"', class_ids=["Tagged"]) == []


# --- definitions


def test_defining_the_same_again_changes_nothing(index, db):
    put(index, db, doc("1", carrier="A"))
    index.define(db, FLIGHT)
    assert ids(index, db, Filter("carrier", Operator.EQ, "A")) == ["1"]


def test_new_fields_are_added_to_what_is_there(index, db):
    put(index, db, doc("1", carrier="A", gate="early"))
    index.define(db, IndexedClass("Flight", (IndexedField("gate", Kind.TEXT), IndexedField("seats", Kind.INTEGER)), "name"))
    put(index, db, doc("2", gate="7", seats=3, carrier="A"))
    assert ids(index, db, Filter("seats", Operator.GT, 2, Kind.INTEGER)) == ["2"]
    assert ids(index, db, Filter("seats", Operator.IS_NULL)) == ["1"]
    assert ids(index, db, Filter("gate", Operator.NOT_NULL)) == ["1", "2"]
    assert ids(index, db, Filter("carrier", Operator.EQ, "A")) == ["1", "2"]


def test_changed_kind_converts_what_fits_and_nulls_the_rest_on_every_branch(index, db):
    put(index, db, doc("1", carrier="12"), doc("2", carrier="x"), doc("3", carrier="9"), gone("4", 2))
    index.create_branch(db, "work", source="main")
    put(index, db, doc("1", 2, carrier="13"))
    put(index, db, doc("5", carrier="100"), branch="work")
    index.define(db, IndexedClass("Flight", (IndexedField("carrier", Kind.INTEGER),), "name"))
    above = Filter("carrier", Operator.GT, 9, Kind.INTEGER)
    assert ids(index, db, above) == ["1"]
    assert ids(index, db, Filter("carrier", Operator.EQ, 13, Kind.INTEGER)) == ["1"]
    assert ids(index, db, above, branch="work") == ["1", "5"]
    assert ids(index, db, Filter("carrier", Operator.EQ, 12, Kind.INTEGER), branch="work") == ["1"]
    assert ids(index, db, Filter("carrier", Operator.IS_NULL)) == ["2"]
    assert index.get(db, "main", ["Flight/2"])["Flight/2"].data == {"carrier": "x"}
    assert put(index, db, doc("4", 1)).applied == 0
    assert put(index, db, doc("3", 2, carrier=20)).applied == 1
    assert ids(index, db, above) == ["1", "3"]


def test_a_field_that_becomes_text_or_title_or_array_is_searched_so(index, db):
    put(index, db, doc("1", carrier="blue sky", day="2026-01-01"), doc("2", carrier=["blue", "x"]))
    assert ids(index, db, text="sky") == []
    index.define(db, IndexedClass("Flight", (IndexedField("carrier", Kind.TEXT, is_array=True, is_text=True),), "carrier"))
    assert ids(index, db, text="sky") == ["1"]
    assert ids(index, db, text="blue") == ["1", "2"]
    assert ids(index, db, text="bleu", is_fuzzy=True) == ["1", "2"]
    assert ids(index, db, Filter("carrier", Operator.EQ, "x")) == ["2"]


def test_names_of_any_legal_form_work(index, db):
    long = "P" + "x" * 98
    names = [long + "1", long + "2", "mixedCase", "MixedCase", "select", "seq", "key", "deleted", "tsv", "_1", "p0"]
    class_ids = ["A" + "b" * 98 + "1", "A" + "b" * 98 + "2", "ns:Sub-Class", "ns:sub-class"]
    for class_id in class_ids:
        index.define(db, IndexedClass(class_id, [IndexedField(name, Kind.TEXT, is_text=True) for name in names], names[0]))
        put(index, db, doc("한/글 @.|%", class_id=class_id, **{name: f"{class_id} {name}" for name in names}))
    for class_id in class_ids:
        for name in names:
            assert ids(index, db, Filter(name, Operator.EQ, f"{class_id} {name}"), class_ids=[class_id]) == ["한/글 @.|%"]
            assert ids(index, db, Filter(name, Operator.NE, f"{class_id} {name}"), class_ids=[class_id]) == []
        assert ids(index, db, sort=Sort(names[1]), text=names[0], class_ids=[class_id], with_highlights=True) != []


def test_class_of_a_hundred_and_twenty_fields_works(index, db):
    fields = [IndexedField(f"f{n}", Kind.INTEGER, is_array=n % 7 == 0) for n in range(120)]
    index.define(db, IndexedClass("Wide", fields))
    put(index, db, *(doc(f"{n:02d}", class_id="Wide", **{f"f{i}": n + i for i in range(120)}) for n in range(10)))
    for i in (0, 31, 32, 33, 64, 119):
        assert ids(index, db, Filter(f"f{i}", Operator.EQ, 5 + i, Kind.INTEGER), class_ids=["Wide"]) == ["05"]


def test_class_without_fields_holds_documents(index, db):
    index.define(db, IndexedClass("Bare", ()))
    put(index, db, doc("1", class_id="Bare", any=1))
    assert ids(index, db, class_ids=["Bare"]) == ["1"]


def test_a_field_that_stands_twice_is_invalid_input(index, db):
    with pytest.raises(InvalidInput):
        index.define(db, IndexedClass("Twice", (IndexedField("a", Kind.TEXT), IndexedField("a", Kind.DATE))))


# --- branches


def state(index: SearchIndex, db: str, branch: str) -> dict[str, Any]:
    return {document.key[7:]: document.data.get("carrier") for document in index.scan(db, branch)}


def test_later_writes_on_the_source_do_not_show_on_the_branch(index, db):
    put(index, db, doc("1", carrier="old"), doc("2", carrier="old"))
    index.create_branch(db, "work", source="main")
    put(index, db, doc("1", 2, carrier="new"), gone("2", 2), doc("3", carrier="new"))
    assert state(index, db, "work") == {"1": "old", "2": "old"}
    assert state(index, db, "main") == {"1": "new", "3": "new"}
    assert ids(index, db, Filter("carrier", Operator.EQ, "old"), branch="work") == ["1", "2"]
    assert index.get(db, "work", ["Flight/1", "Flight/3"])["Flight/1"].version == 1
    assert "Flight/3" not in index.get(db, "work", ["Flight/1", "Flight/3"])
    query = SearchQuery(["Flight"], facets=[FacetRequest("carrier")])
    assert list(index.search(db, "work", query).facets[0].buckets) == [("old", 2)]
    put(index, db, doc("1", 3, carrier="newer"))
    assert state(index, db, "work") == {"1": "old", "2": "old"}


def test_branch_writes_do_not_show_on_the_source(index, db):
    put(index, db, doc("1", carrier="main"), doc("2", carrier="main"))
    index.create_branch(db, "work", source="main")
    put(index, db, doc("1", 2, carrier="work"), gone("2", 2), doc("3", carrier="work"), branch="work")
    assert state(index, db, "main") == {"1": "main", "2": "main"}
    assert state(index, db, "work") == {"1": "work", "3": "work"}
    put(index, db, doc("2", 3, carrier="back"), branch="work")
    assert state(index, db, "work") == {"1": "work", "2": "back", "3": "work"}


def test_a_write_on_a_branch_that_is_not_above_the_inherited_version_is_stale(index, db):
    put(index, db, doc("1", 5, carrier="main"))
    index.create_branch(db, "work", source="main")
    assert put(index, db, doc("1", 5, carrier="work"), branch="work").stale == 1
    put(index, db, doc("1", 9, carrier="later"))
    assert put(index, db, doc("1", 6, carrier="work"), branch="work").applied == 1
    assert state(index, db, "work") == {"1": "work"}


def test_a_branch_of_a_branch_holds_what_its_source_held(index, db):
    put(index, db, doc("1", carrier="main"), doc("2", carrier="main"), doc("3", carrier="main"))
    index.create_branch(db, "a", source="main")
    put(index, db, doc("2", 2, carrier="a"), branch="a")
    put(index, db, doc("1", 2, carrier="main later"))
    index.create_branch(db, "b", source="a")
    put(index, db, doc("2", 3, carrier="a later"), doc("4", carrier="a later"), gone("3", 2), branch="a")
    put(index, db, doc("3", 2, carrier="main later"))
    assert state(index, db, "b") == {"1": "main", "2": "a", "3": "main"}
    put(index, db, gone("1", 7), branch="b")
    index.create_branch(db, "c", source="b")
    put(index, db, doc("1", 8, carrier="b later"), branch="b")
    assert state(index, db, "c") == {"2": "a", "3": "main"}
    assert state(index, db, "b") == {"1": "b later", "2": "a", "3": "main"}
    assert state(index, db, "a") == {"1": "main", "2": "a later", "4": "a later"}


def test_branches_started_at_different_times_see_different_states(index, db):
    put(index, db, doc("1", 1, carrier="v1"))
    for version in range(2, 6):
        index.create_branch(db, f"b{version}", source="main")
        put(index, db, doc("1", version, carrier=f"v{version}"), doc(f"new{version}", carrier="x"))
    for version in range(2, 6):
        expected = {"1": f"v{version - 1}"} | {f"new{n}": "x" for n in range(2, version)}
        assert state(index, db, f"b{version}") == expected


def test_creating_an_existing_branch_changes_nothing(index, db):
    put(index, db, doc("1", carrier="old"))
    index.create_branch(db, "work", source="main")
    put(index, db, doc("2", carrier="work"), branch="work")
    put(index, db, doc("1", 2, carrier="new"))
    index.create_branch(db, "work", source="main")
    assert state(index, db, "work") == {"1": "old", "2": "work"}


def test_a_later_branch_of_a_deleted_name_starts_anew(index, db):
    put(index, db, doc("1", carrier="old"))
    index.create_branch(db, "work", source="main")
    put(index, db, doc("2", carrier="work"), branch="work")
    index.delete_branch(db, "work")
    index.delete_branch(db, "work")
    index.delete_branch("unknown", "work")
    assert state(index, db, "work") == {}
    put(index, db, doc("1", 2, carrier="new"))
    index.create_branch(db, "work", source="main")
    assert state(index, db, "work") == {"1": "new"}
    assert put(index, db, doc("2", 1, carrier="again"), branch="work").applied == 1


def test_deleting_a_branch_leaves_the_branches_made_from_it(index, db):
    put(index, db, doc("1", carrier="main"))
    index.create_branch(db, "a", source="main")
    put(index, db, doc("2", carrier="a"), branch="a")
    index.create_branch(db, "b", source="a")
    index.delete_branch(db, "a")
    put(index, db, doc("1", 2, carrier="new"))
    assert state(index, db, "b") == {"1": "main", "2": "a"}
    index.delete_branch(db, "b")
    assert state(index, db, "main") == {"1": "new"}


def test_main_cannot_be_deleted_as_a_branch(index, db):
    with pytest.raises(InvalidInput):
        index.delete_branch(db, "main")


def test_a_branch_of_an_unknown_source_starts_empty(index, db):
    index.create_branch(db, "work", source="nowhere")
    put(index, db, doc("1", carrier="x"), branch="work")
    assert state(index, db, "work") == {"1": "x"}


def test_text_and_fuzzy_search_work_on_a_branch(index, db):
    put(index, db, doc("1", name="Boston"), doc("2", name="Boston"))
    index.create_branch(db, "work", source="main")
    put(index, db, doc("1", 2, name="Chicago"), branch="work")
    put(index, db, doc("2", 2, name="Denver"))
    assert ids(index, db, text="boston", branch="work") == ["2"]
    assert ids(index, db, text="bosten", is_fuzzy=True, branch="work") == ["2"]
    assert ids(index, db, text="chicaog", is_fuzzy=True, branch="work") == ["1"]
    assert ids(index, db, text="boston") == ["1"]


# --- generations


def test_a_generation_is_empty_and_apart_until_it_is_finished(index, db):
    put(index, db, doc("1", carrier="live"))
    number = index.begin_rebuild(db)
    assert list(index.scan(db, "main", generation=number)) == []
    index.define(db, FLIGHT, generation=number)
    put(index, db, doc("1", 9, carrier="rebuilt"), doc("2", carrier="rebuilt"), generation=number)
    index.create_branch(db, "work", source="main", generation=number)
    put(index, db, doc("2", 2, carrier="live"))
    assert state(index, db, "main") == {"1": "live", "2": "live"}
    assert state(index, db, "work") == {}
    assert [document.key for document in index.scan(db, "main", generation=number)] == ["Flight/1", "Flight/2"]
    index.finish_rebuild(db, number)
    assert state(index, db, "main") == {"1": "rebuilt", "2": "rebuilt"}
    assert state(index, db, "work") == {"1": "rebuilt", "2": "rebuilt"}
    assert ids(index, db, Filter("carrier", Operator.EQ, "live")) == []
    put(index, db, doc("3", carrier="late"), generation=number)
    assert "3" in state(index, db, "main")


def test_finishing_what_is_not_the_rebuild_under_way_is_a_conflict(index, db):
    first = index.begin_rebuild(db)
    second = index.begin_rebuild(db)
    assert first != second
    for number in (first, 10**6):
        with pytest.raises(Conflict):
            index.finish_rebuild(db, number)
        with pytest.raises(Conflict):
            index.scan(db, "main", generation=number)
        with pytest.raises(Conflict):
            index.define(db, FLIGHT, generation=number)
    index.finish_rebuild(db, second)
    with pytest.raises(Conflict):
        index.finish_rebuild(db, second)
    with pytest.raises(Conflict):
        index.finish_rebuild("unknown", second)


def test_abandoning_a_generation_leaves_the_live_one(index, db):
    put(index, db, doc("1", carrier="live"))
    number = index.begin_rebuild(db)
    index.define(db, FLIGHT, generation=number)
    put(index, db, doc("2"), generation=number)
    index.abandon_rebuild(db, number)
    index.abandon_rebuild(db, number)
    index.abandon_rebuild("unknown", number)
    assert state(index, db, "main") == {"1": "live"}
    with pytest.raises(Conflict):
        index.write(db, "main", [doc("3")], generation=number)
    index.abandon_rebuild(db, index.begin_rebuild(db))
    assert state(index, db, "main") == {"1": "live"}


def test_abandoning_the_live_generation_changes_nothing(index, db):
    number = index.begin_rebuild(db)
    index.define(db, FLIGHT, generation=number)
    put(index, db, doc("1", carrier="x"), generation=number)
    index.finish_rebuild(db, number)
    index.abandon_rebuild(db, number)
    assert state(index, db, "main") == {"1": "x"}


def test_a_rebuild_of_an_unknown_database_works(index):
    name = f"db_{uuid.uuid4().hex[:12]}"
    number = index.begin_rebuild(name)
    index.define(name, FLIGHT, generation=number)
    put(index, name, doc("1"), generation=number)
    assert ids(index, name) == []
    index.finish_rebuild(name, number)
    assert ids(index, name) == ["1"]
    index.drop(name)


# --- dropping, scanning, closing


def test_drop_of_a_class_takes_all_its_documents_on_all_branches_and_generations(index, db):
    index.define(db, IndexedClass("Airline", ()))
    put(index, db, doc("1"), doc("1", class_id="Airline"))
    index.create_branch(db, "work", source="main")
    put(index, db, doc("2"), branch="work")
    number = index.begin_rebuild(db)
    index.define(db, FLIGHT, generation=number)
    index.drop(db, class_id="Flight")
    index.drop(db, class_id="Flight")
    index.drop("unknown", class_id="Flight")
    assert [document.key for document in index.scan(db, "work")] == ["Airline/1"]
    assert index.get(db, "main", ["Flight/1"]) == {}
    for generation in (None, number):
        with pytest.raises(InvalidQuery):
            index.write(db, "main", [doc("1")], generation=generation)
    index.define(db, FLIGHT)
    assert put(index, db, doc("1", 1)).applied == 1


def test_drop_of_a_database_takes_everything(index, db):
    put(index, db, doc("1"))
    number = index.begin_rebuild(db)
    index.drop(db)
    index.drop(db)
    assert ids(index, db) == []
    with pytest.raises(Conflict):
        index.finish_rebuild(db, number)
    with pytest.raises(InvalidQuery):
        index.write(db, "main", [doc("1")])
    index.define(db, FLIGHT)
    assert put(index, db, doc("1")).applied == 1


def test_databases_do_not_see_each_other(index, db):
    other = f"{db}_2"
    index.define(other, FLIGHT)
    put(index, db, doc("1"))
    assert ids(index, other) == []
    index.drop(other)
    assert ids(index, db) == ["1"]


def test_scan_returns_documents_in_key_order_without_tombstones(index, db):
    index.define(db, IndexedClass("Airline", ()))
    index.define(db, IndexedClass("Flight-b", ()))
    put(
        index,
        db,
        *(doc(name) for name in ("b", "a", "c")),
        gone("d", 1),
        doc("z", class_id="Airline"),
        doc("0", class_id="Flight-b"),
    )
    keys = ["Airline/z", "Flight-b/0", "Flight/a", "Flight/b", "Flight/c"]
    assert [document.key for document in index.scan(db, "main")] == keys
    found: list[str] = []
    while page := index.scan(db, "main", after=found[-1] if found else "", limit=2):
        found += [document.key for document in page]
    assert found == keys
    assert index.scan(db, "main")[0].data == {}


def test_every_method_of_a_closed_index_raises(make_index):
    index = make_index()
    index.close()
    index.close()
    calls: list[Callable[[], object]] = [
        lambda: index.define("x", FLIGHT),
        lambda: index.write("x", "main", []),
        lambda: index.refresh("x"),
        lambda: index.create_branch("x", "b", source="main"),
        lambda: index.delete_branch("x", "b"),
        lambda: index.drop("x"),
        lambda: index.get("x", "main", []),
        lambda: index.search("x", "main", SearchQuery([])),
        lambda: index.begin_rebuild("x"),
        lambda: index.finish_rebuild("x", 1),
        lambda: index.abandon_rebuild("x", 1),
        lambda: index.scan("x", "main"),
    ]
    for call in calls:
        with pytest.raises(Closed):
            call()


# --- threads


def test_overlapping_unsorted_writers_never_deadlock_and_the_highest_version_wins(make_index, index, db):
    keys = [f"{n:03d}" for n in range(300)]
    failures: list[BaseException] = []

    def work(seed: int, writer: SearchIndex) -> None:
        rng = random.Random(seed)
        try:
            for step in range(12):
                batch = [
                    doc(key, step * 4 + seed + 1, distance=step * 4 + seed, name=f"w{seed}x{step}")
                    for key in rng.sample(keys, 200)
                ]
                writer.write(db, "main", batch)
            writer.write(db, "main", [doc(key, 100 + seed, distance=seed) for key in rng.sample(keys, len(keys))])
        except BaseException as error:  # noqa: BLE001 reported by the test
            failures.append(error)

    threads = [threading.Thread(target=work, args=(seed, make_index())) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    index.refresh(db)
    assert failures == []
    assert {document.version for document in index.scan(db, "main")} == {103}
    assert index.search(db, "main", SearchQuery(["Flight"])).total == len(keys)


def test_readers_see_either_the_old_or_the_new_generation_never_a_mixture(make_index, index, db):
    put(index, db, *(doc(f"{n}", carrier="g0") for n in range(20)))
    failures: list[object] = []
    done = threading.Event()

    def read(reader: SearchIndex) -> None:
        try:
            while not done.is_set():
                query = SearchQuery(["Flight"], facets=[FacetRequest("carrier")], limit=50)
                result = reader.search(db, "main", query)
                carriers = {hit.document.data["carrier"] for hit in result.hits}
                if len(carriers) != 1 or len(result.hits) != 20 or result.total != 20 or len(result.facets[0].buckets) != 1:
                    failures.append((carriers, result.total))
                if len(reader.get(db, "main", ["Flight/1"])) != 1 or len(reader.scan(db, "main")) != 20:
                    failures.append("missing")
        except BaseException as error:  # noqa: BLE001 reported by the test
            failures.append(error)

    threads = [threading.Thread(target=read, args=(make_index(),)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for generation in range(1, 8):
        number = index.begin_rebuild(db)
        index.define(db, FLIGHT, generation=number)
        index.write(db, "main", [doc(f"{n}", carrier=f"g{generation}") for n in range(20)], generation=number)
        index.finish_rebuild(db, number)
    done.set()
    for thread in threads:
        thread.join()
    assert failures == []


def test_a_branch_started_while_its_source_is_written_holds_whole_writes(make_index, index, db):
    put(index, db, *(doc(f"{n}", 1, distance=1) for n in range(50)))
    writer = make_index()

    def write() -> None:
        for version in range(2, 25):
            writer.write(db, "main", [doc(f"{n}", version, distance=version) for n in range(50)])

    thread = threading.Thread(target=write)
    thread.start()
    names = [f"b{n}" for n in range(8)]
    before = {}
    for name in names:
        index.create_branch(db, name, source="main")
        before[name] = [document.version for document in index.scan(db, name)]
    thread.join()
    for name in names:
        versions = [document.version for document in index.scan(db, name)]
        assert len(set(versions)) == 1, name
        assert versions == before[name]
