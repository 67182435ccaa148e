"""The PostgreSQL search index beyond its contract: dead servers, tables, plans."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from spice_core.adapters.postgres.connection import Postgres
from spice_core.adapters.postgres.search_index import PostgresSearchIndex
from spice_core.adapters.postgres.search_rows import RowEncoder
from spice_core.adapters.postgres.search_tables import ClassTables
from spice_core.domain.matching import canonical
from spice_core.domain.queries import Filter, Kind, Operator
from spice_core.domain.search import IndexedClass, IndexedField, SearchDocument, SearchQuery
from spice_core.domain.search_rules import json_digest
from spice_core.errors import SearchUnavailable

AT = datetime(2026, 1, 1, tzinfo=UTC)
THING = IndexedClass("Thing", (IndexedField("name", Kind.TEXT), IndexedField("size", Kind.INTEGER)), "name")


def thing(ident: str, version: int = 1, **data: Any) -> SearchDocument:
    return SearchDocument(f"Thing/{ident}", "Thing", data, version, version, "e", AT)


def tables(dsn: str) -> set[str]:
    with psycopg.connect(dsn) as connection:
        rows = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'spice_search'").fetchall()
    return {name for (name,) in rows if name[1:2].isdigit()}


@pytest.fixture
def index(clean_database):
    postgres = Postgres(clean_database, max_size=3)
    yield PostgresSearchIndex(postgres)
    postgres.close()


def test_a_dead_server_is_search_unavailable_never_an_empty_answer():
    """must_hold 13."""
    postgres = Postgres("postgresql://nobody@127.0.0.1:1/none", wait_seconds=0.3)
    index = PostgresSearchIndex(postgres)
    try:
        for call in (
            lambda: index.search("db", "main", SearchQuery(["Thing"])),
            lambda: index.get("db", "main", ["Thing/1"]),
            lambda: index.scan("db", "main"),
            lambda: index.define("db", THING),
            lambda: index.begin_rebuild("db"),
        ):
            with pytest.raises(SearchUnavailable):
                call()
    finally:
        postgres.close()


def test_a_connection_cut_in_a_write_stores_nothing_and_the_next_write_works(index, clean_database, monkeypatch):
    index.define("db", THING)
    original = RowEncoder.quick_row

    def cut(self, document):
        if document.key == "Thing/500":
            with psycopg.connect(clean_database, autocommit=True) as other:
                other.execute(
                    "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity "
                    "WHERE application_name = 'spice' AND datname = current_database()"
                )
        return original(self, document)

    monkeypatch.setattr(RowEncoder, "quick_row", cut)
    with pytest.raises(SearchUnavailable):
        index.write("db", "main", [thing(f"{number:03d}") for number in range(900)])
    monkeypatch.setattr(RowEncoder, "quick_row", original)
    assert index.search("db", "main", SearchQuery(["Thing"])).total == 0
    assert index.write("db", "main", [thing(f"{number:03d}") for number in range(900)]).applied == 900


def test_dropped_and_replaced_tables_are_gone(index, clean_database):
    index.define("db", THING)
    first = tables(clean_database)
    assert len(first) == 3
    index.define("db", replace(THING, title_field="size"))
    second = tables(clean_database)
    assert len(second) == 3
    assert not first & second
    index.define("db", THING, generation=index.begin_rebuild("db"))
    index.define("db", THING, generation=index.begin_rebuild("db"))
    assert len(tables(clean_database)) == 6
    index.drop("db")
    assert tables(clean_database) == set()


def test_a_table_that_a_reader_holds_is_dropped_later(index, clean_database):
    index.define("db", THING)
    index.define("other", THING)
    with psycopg.connect(clean_database) as reader:
        reader.execute("SELECT * FROM spice_search.c1_v1")
        index.drop("db")
        assert "c1_v1" in tables(clean_database)
    index.drop("other")
    assert tables(clean_database) == set()


def test_adding_a_field_keeps_the_tables_and_indexes_the_field(index, clean_database):
    index.define("db", THING)
    index.write("db", "main", [thing(str(number), name="x") for number in range(100)])
    before = tables(clean_database)
    index.define("db", IndexedClass("Thing", (IndexedField("color", Kind.TEXT),), "name"))
    assert tables(clean_database) == before
    index.write("db", "main", [thing("red", color="red", other=1)])
    found = index.search("db", "main", SearchQuery(["Thing"], filters=[Filter("color", Operator.EQ, "red")]))
    assert [hit.document.key for hit in found.hits] == ["Thing/red"]
    index.define("db", IndexedClass("Thing", (IndexedField("other", Kind.INTEGER),), "name"))
    assert tables(clean_database).isdisjoint(before)
    found = index.search("db", "main", SearchQuery(["Thing"], filters=[Filter("other", Operator.EQ, 1)]))
    assert found.total == 1


def test_more_undeclared_properties_than_are_listed_are_still_found_when_declared(index):
    index.define("db", THING)
    for batch in range(3):
        index.write("db", "main", [thing(str(batch), **{f"extra{batch}_{number}": number for number in range(700)})])
    index.define("db", IndexedClass("Thing", (IndexedField("extra2_5", Kind.INTEGER),), "name"))
    found = index.search("db", "main", SearchQuery(["Thing"], filters=[Filter("extra2_5", Operator.EQ, 5)]))
    assert [hit.document.key for hit in found.hits] == ["Thing/2"]


def test_deleting_the_last_branch_forgets_the_kept_states(index, clean_database):
    index.define("db", THING)
    index.write("db", "main", [thing("1"), thing("2")])
    index.create_branch("db", "a", source="main")
    index.create_branch("db", "b", source="a")
    index.write("db", "main", [thing("1", 2), thing("2", 2)])
    index.write("db", "a", [thing("1", 3)])
    index.delete_branch("db", "a")
    assert _overlay_rows(clean_database) == 3
    index.delete_branch("db", "b")
    assert _overlay_rows(clean_database) == 0
    index.write("db", "main", [thing("1", 4)])
    assert _overlay_rows(clean_database) == 0


def _overlay_rows(dsn: str) -> int:
    with psycopg.connect(dsn) as connection:
        row = connection.execute("SELECT count(*) FROM spice_search.c1_v1_o").fetchone()
    return row[0] if row else -1


@pytest.mark.parametrize("left", [1, 1.0, True, "1", [1], {"a": 1.50}, {"a": [1]}, {}, [], 0.1, 10**30])
def test_json_digests_are_equal_where_json_values_are(left):
    for right in [1, 1.0, True, "1", [1.0], {"a": 1.5}, {"a": [True]}, {}, [], 1e-1, 1e30, -0.0, 0]:
        assert (json_digest(left) == json_digest(right)) == (canonical(left) == canonical(right)), (left, right)


def test_quick_rows_are_for_documents_whose_values_have_their_types():
    encoder = RowEncoder(ClassTables(1, 1, THING))
    assert encoder.quick_row(thing("1", name="x", size=1)) is not None
    for unusual in (
        thing("1", name=1),
        thing("1", size="1"),
        thing("1", size=2**63),
        thing("1", name='a "b"'),
        thing("1", size=True),
    ):
        assert encoder.quick_row(unusual) is None
