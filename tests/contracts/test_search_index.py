"""What every search index promises of documents, generations and its own end: sentences of `ports/search_index.py`."""

import itertools
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta, timezone

import pytest
from search_samples import AT, FLIGHT, doc, follow, gone, ids, put, state

from spice_core.domain.queries import FacetRequest, Filter, Kind, Operator, Sort
from spice_core.domain.search import IndexedClass, SearchQuery
from spice_core.errors import Closed, Conflict, InvalidInput, InvalidQuery


def test_identity_stays_the_stores_and_is_positive(make_index, index):
    assert 0 < index.identity() < 2**61
    assert make_index().identity() == index.identity()


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


def test_data_that_is_nested_too_deep_and_keys_that_are_too_long_are_invalid_input(index, db):
    deep = [1]
    for _ in range(5000):
        deep = [deep]
    for broken in (doc("1", other=deep), doc("1", extra={"a": deep}), doc("x" * 700)):
        with pytest.raises(InvalidInput):
            index.write(db, "main", [broken])
    put(index, db, doc("wide", other=[{} for _ in range(3000)]), doc("x" * 512))
    assert len(ids(index, db)) == 2


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
    long, longer = "é" * 7_999 + "a" * 42_000, "é" * 7_999 + "b" * 42_000
    key = "\U0001f600" * 512
    put(
        index,
        db,
        doc(key, name=long + "b", carrier=long, stops=[long, "x"]),
        doc("2", carrier=longer),
        doc("3", carrier=long + "b"),
    )
    assert ids(index, db, Filter("carrier", Operator.EQ, long)) == [key]
    assert ids(index, db, Filter("carrier", Operator.IN, [long + "b", "x"])) == ["3"]
    assert ids(index, db, Filter("carrier", Operator.NE, long)) == ["2", "3"]
    assert "2" in ids(index, db, Filter("carrier", Operator.GT, long))
    assert key not in ids(index, db, Filter("carrier", Operator.GT, long))
    assert ids(index, db, Filter("carrier", Operator.CONTAINS, "ab")) == ["3"]
    assert ids(index, db, Filter("carrier", Operator.PREFIX, long[:1000])) == ["2", "3", key]
    assert ids(index, db, Filter("stops", Operator.EQ, long)) == [key]
    assert ids(index, db, Filter("stops", Operator.NE, long)) == ["2", "3", key]
    assert ids(index, db, Filter("stops", Operator.EQ, long + "b")) == []
    assert follow(index, db, sort=Sort("carrier"), limit=1)[-1] == "2"


def test_an_enormous_text_is_stored_and_its_beginning_is_found(index, db):
    text = "needle " + " ".join(f"w{n}x" * 20 for n in range(30_000)) + " word" * 20_000
    put(index, db, doc("1", notes=text))
    assert ids(index, db, text="needle") == ["1"]


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
        index.identity,
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
