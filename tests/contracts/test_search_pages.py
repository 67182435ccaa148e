"""What every search index promises of order, pages and totals."""

import itertools
import random
from dataclasses import replace
from typing import Any

import pytest
from search_samples import doc, follow, gone, ids, put

from spice_core.domain.queries import Filter, Kind, Operator, Sort
from spice_core.domain.search import SearchQuery
from spice_core.errors import InvalidQuery


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
