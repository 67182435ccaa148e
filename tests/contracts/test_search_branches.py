"""What every search index promises of branches."""

import pytest
from search_samples import doc, gone, ids, put, state

from spice_core.domain.queries import FacetRequest, Filter, Operator
from spice_core.domain.search import SearchQuery
from spice_core.errors import InvalidInput


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
