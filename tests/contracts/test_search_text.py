"""What every search index promises of full text."""

from dataclasses import replace

from search_samples import doc, follow, ids, put

from spice_core.domain.queries import FacetRequest, Filter, Kind, Operator, Sort
from spice_core.domain.search import IndexedClass, IndexedField, SearchQuery


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
