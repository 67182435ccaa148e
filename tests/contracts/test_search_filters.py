"""What every search index promises of typed filters and facets."""

from dataclasses import replace

import pytest
from search_samples import doc, follow, gone, ids, put

from spice_core.domain.queries import FacetRequest, Filter, Kind, Operator, Sort
from spice_core.domain.search import IndexedClass, IndexedField, SearchQuery
from spice_core.errors import InvalidQuery


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


def test_a_text_contains_exactly_what_stands_in_it(index, db):
    """In a property that full text sees, of one value and of a long one: case, spaces, order and repetition count."""
    long = "x" * 7_999 + "needle" + "\U0001f600é" * 4_000
    put(
        index,
        db,
        doc("1", notes="abcabd"),
        doc("2", notes="abc bcd"),
        doc("3", notes="ABCD abab"),
        doc("4", notes="ababab"),
        doc("5", notes=long),
        doc("6", notes="b"),
        doc("7", notes="e\U0001f600é\U0001f600"),
    )
    expected = {
        "abcd": [],
        "abca": ["1"],
        "c bc": ["2"],
        "bcd": ["2"],
        "BCD ": ["3"],
        "abab": ["3", "4"],
        "ababab": ["4"],
        "ab": ["1", "2", "3", "4"],
        "b": ["1", "2", "3", "4", "6"],
        "xxneedle\U0001f600": ["5"],
        "é\U0001f600é": ["5"],
        "e\U0001f600é\U0001f600": ["5", "7"],
        ("\U0001f600é" * 500): ["5"],
        "x" * 1000: ["5"],
    }
    for text, found in expected.items():
        assert ids(index, db, Filter("notes", Operator.CONTAINS, text)) == found, text[:20]


def test_a_text_in_one_class_as_full_text_and_in_another_not_contains_the_same(index, db):
    index.define(db, IndexedClass("Airline", (IndexedField("notes", Kind.TEXT),)))
    put(index, db, doc("1", notes="abcd"), doc("1", class_id="Airline", notes="xabcx"), doc("2", class_id="Airline", notes="abx"))
    assert ids(index, db, Filter("notes", Operator.CONTAINS, "abc"), class_ids=["Flight", "Airline"]) == ["1", "1"]
    assert ids(index, db, Filter("notes", Operator.CONTAINS, "abc"), class_ids=["Airline"]) == ["1"]


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
