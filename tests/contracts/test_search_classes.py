"""What every search index promises of defining classes."""

import pytest
from search_samples import FLIGHT, doc, gone, ids, put

from spice_core.domain.queries import Filter, Kind, Operator, Sort
from spice_core.domain.search import IndexedClass, IndexedField
from spice_core.domain.search_rules import MAX_FIELDS
from spice_core.errors import Conflict, InvalidInput


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


def test_properties_declared_one_after_the_other_are_found_in_what_is_there(index, db):
    put(index, db, doc("1", first="a", second="b"))
    for name in ("first", "second"):
        index.define(db, IndexedClass("Flight", (IndexedField(name, Kind.TEXT),), "name"))
        assert ids(index, db, Filter(name, Operator.NOT_NULL)) == ["1"]


def test_a_rebuild_that_nobody_finished_leaves_the_live_documents_and_is_replaced(make_index, index, db):
    put(index, db, doc("1"))
    number = index.begin_rebuild(db)
    index.define(db, FLIGHT, generation=number)
    index.write(db, "main", [doc("2")], generation=number)
    other = make_index()
    assert ids(other, db) == ["1"]
    again = other.begin_rebuild(db)
    other.define(db, FLIGHT, generation=again)
    other.write(db, "main", [doc("3")], generation=again)
    with pytest.raises(Conflict):
        index.write(db, "main", [doc("4")], generation=number)
    other.finish_rebuild(db, again)
    assert ids(index, db) == ["3"]


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


def test_class_of_as_many_long_fields_as_allowed_works_and_one_more_is_refused(index, db):
    fields = [IndexedField(f"f{n}", Kind.TEXT, is_text=n % 10 == 0) for n in range(MAX_FIELDS)]
    index.define(db, IndexedClass("Wide", fields, "f1"))
    contents = {f"f{n}": f"{n} some words of a text of ordinary length" * (1 + n % 3) for n in range(MAX_FIELDS)}
    put(index, db, doc("1", class_id="Wide", **contents))
    assert ids(index, db, Filter("f299", Operator.CONTAINS, "299 some"), class_ids=["Wide"]) == ["1"]
    with pytest.raises(InvalidInput):
        index.define(db, IndexedClass("Wide", [IndexedField("one_more", Kind.TEXT)]))


def test_class_without_fields_holds_documents(index, db):
    index.define(db, IndexedClass("Bare", ()))
    put(index, db, doc("1", class_id="Bare", any=1))
    assert ids(index, db, class_ids=["Bare"]) == ["1"]


def test_a_field_that_stands_twice_is_invalid_input(index, db):
    with pytest.raises(InvalidInput):
        index.define(db, IndexedClass("Twice", (IndexedField("a", Kind.TEXT), IndexedField("a", Kind.DATE))))
