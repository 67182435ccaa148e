"""The SQL connector on a real PostgreSQL: types, windows, what is refused, and what a database's errors become."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest

from spice_core.adapters.sql_source.access import SqlOptions
from spice_core.adapters.sql_source.connector import SqlConnector
from spice_core.adapters.sql_source.sources import read_only
from spice_core.errors import (
    InvalidInput,
    InvalidSource,
    SourceGone,
    SourceNotAuthorized,
    SourceUnavailable,
    SpiceError,
)
from spice_core.ports.connector import Access, ReadEnd, SourceSpec

PASSWORD = "pw-of-the-reader"  # noqa: S105 - of these tests only
TABLE = """
DROP SCHEMA IF EXISTS sales CASCADE;
DROP SCHEMA public CASCADE;
CREATE SCHEMA public;
CREATE SCHEMA sales;
CREATE TABLE sales.orders (
    id bigint PRIMARY KEY, code text, price numeric(12, 2), share numeric, day date, at timestamp, seen timestamptz, paid boolean,
    ratio double precision, data jsonb, raw bytea, tags text[], span interval
);
INSERT INTO sales.orders VALUES
    (1, '01234', 10.50, 0.125, '2024-01-05', '2024-01-05 10:00', '2024-01-05 10:00+02', true, 0.5, '{"a": 1}', 'ab',
     '{x,y}', '1 hour'),
    (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
CREATE VIEW sales.paid AS SELECT id, price FROM sales.orders WHERE paid;
CREATE TABLE sales."odd.name" ("a""b:c%d" int);
"""


@pytest.fixture
def dsn(module_database: str) -> str:
    with psycopg.connect(module_database, autocommit=True) as connection:
        connection.execute(TABLE)
    return module_database


def place(dsn: str) -> dict[str, Any]:
    parts = urlsplit(dsn)
    return {"driver": "postgresql", "host": parse_qs(parts.query)["host"][0], "port": 5432, "database": parts.path[1:],
            "username": "postgres", "tls": "disable"}  # fmt: skip


def access(dsn: str, **config: Any) -> Access:
    return Access("shop:sales", {**place(dsn), **config}, {"password": PASSWORD})


def connector_of(dsn: str, **options: Any) -> SqlConnector:
    return SqlConnector(SqlOptions(hosts=[f"{place(dsn)['host']}:5432"], **options))


@pytest.fixture
def connector(dsn: str) -> Iterator[SqlConnector]:
    made = connector_of(dsn)
    yield made
    made.close()


def take(
    connector: SqlConnector, dsn: str, spec: SourceSpec, cursor: str | None = None
) -> tuple[list[tuple[Any, ...]], ReadEnd, bool]:
    with connector.read(access(dsn), spec, cursor) as reading:
        rows = [tuple(row) for batch in reading.batches() for row in batch]
        return rows, reading.end(), reading.is_full


def run(dsn: str, statement: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(statement)


def query(text: str) -> SourceSpec:
    return SourceSpec("query:q", {"query": text})


def test_tables_and_views_are_offered_with_their_keys(connector: SqlConnector, dsn: str):
    found = {item.key: item for item in connector.list_sources(access(dsn))}
    assert found["sales.orders"].key_columns == ("id",)
    assert (found["sales.orders"].kind, found["sales.paid"].kind) == ("table", "view")
    assert "sales.odd%2Ename" in found
    assert not any(key.startswith(("pg_", "information_schema")) for key in found)
    assert connector.check(access(dsn)).startswith("connected to ")


def test_types_that_say_more_than_text_are_kept(connector: SqlConnector, dsn: str):
    with connector.read(access(dsn), SourceSpec("sales.orders"), None) as reading:
        assert reading.columns is not None
        types = {column.name: column.type for column in reading.columns}
        decimals = [column for column in reading.columns if column.type == "decimal"]
        ((row, nulls),) = [list(batch) for batch in reading.batches()]
    assert types == {
        "id": "integer", "code": "string", "price": "decimal", "share": "string", "day": "date", "at": "dateTime",
        "seen": "dateTime", "paid": "boolean", "ratio": "double", "data": "string", "raw": "string", "tags": "string",
        "span": "string",
    }  # fmt: skip
    assert (decimals[0].precision, decimals[0].scale) == (12, 2)
    assert tuple(row) == (
        1, "01234", Decimal("10.50"), "0.125", date(2024, 1, 5), datetime(2024, 1, 5, 10, tzinfo=UTC),
        datetime(2024, 1, 5, 8, tzinfo=UTC), True, 0.5, '{"a": 1}', "YWI=", '["x", "y"]', "1:00:00",
    )  # fmt: skip
    assert tuple(nulls) == (2, *(None,) * 12)


def test_a_query_keeps_its_types_and_its_colons_and_percents(connector: SqlConnector, dsn: str):
    text = "SELECT id, price * 2 AS double_price, 'a:b :c %s %' AS note, day::text FROM sales.orders WHERE id = 1 -- done"
    spec = connector.prepare_source(place(dsn), query(text))
    with connector.read(access(dsn), spec, None) as reading:
        assert reading.columns is not None
        assert [(column.name, column.type) for column in reading.columns] == [
            ("id", "integer"), ("double_price", "string"), ("note", "string"), ("day", "string"),
        ]  # fmt: skip
        assert [list(row) for batch in reading.batches() for row in batch] == [[1, "21.00", "a:b :c %s %", "2024-01-05"]]


def test_odd_names_are_read(connector: SqlConnector, dsn: str):
    run(dsn, 'INSERT INTO sales."odd.name" VALUES (7)')
    assert take(connector, dsn, SourceSpec("sales.odd%2Ename"))[0] == [(7,)]


@pytest.mark.parametrize(
    "text",
    [
        "", "DELETE FROM t", "SELECT 1; SELECT 2", "SELECT 1; DROP TABLE t", "DROP TABLE t", "SELECT * INTO x FROM t",
        "WITH gone AS (DELETE FROM t RETURNING *) SELECT * FROM gone", "SELECT * FROM t FOR UPDATE", "COPY t TO PROGRAM 'x'",
        "SET ROLE admin",
        "EXPLAIN ANALYZE DELETE FROM t", "CALL p()", "SELEC 1", "VACUUM", "DO $$ BEGIN END $$", "INSERT INTO t VALUES (1)",
    ],
)  # fmt: skip
def test_a_query_that_is_not_one_select_is_refused(text: str):
    with pytest.raises(InvalidInput, match="query"):
        read_only(text, "postgres")


@pytest.mark.parametrize(
    "text", ["SELECT 1", "WITH a AS (SELECT 1 AS x) SELECT * FROM a", "SELECT 1 UNION ALL SELECT 2", "(SELECT 1)"]
)
def test_a_query_that_only_reads_is_taken(text: str):
    assert read_only(text, "postgres")


def test_what_the_check_does_not_see_the_transaction_refuses(connector: SqlConnector, dsn: str):
    run(dsn, "CREATE FUNCTION grab() RETURNS int LANGUAGE sql AS 'DELETE FROM sales.orders RETURNING 1'")
    with pytest.raises(SpiceError, match="read-only"):
        take(connector, dsn, query("SELECT grab()"))
    assert len(take(connector, dsn, SourceSpec("sales.orders"))[0]) == 2


def test_a_watermark_reads_what_is_new_and_a_window_behind_it(connector: SqlConnector, dsn: str):
    run(
        dsn,
        "CREATE TABLE ticks (id int PRIMARY KEY, at timestamptz); "
        "INSERT INTO ticks SELECT n, timestamptz '2024-01-01 00:00+00' + n * interval '1 minute' FROM generate_series(1, 100) n",
    )
    spec = SourceSpec("public.ticks", key_columns=("id",), watermark_column="at", overlap=300)
    rows, end, is_full = take(connector, dsn, spec)
    assert (len(rows), is_full) == (100, True)
    assert connector.revision(access(dsn), spec, end.cursor) == end.revision
    run(dsn, "INSERT INTO ticks VALUES (101, '2024-01-01 01:41+00'), (102, '2024-01-01 01:36+00'), (103, '2024-01-01 01:30+00')")
    assert connector.revision(access(dsn), spec, end.cursor) != end.revision
    rows, after, is_full = take(connector, dsn, spec, end.cursor)
    assert (sorted(row[0] for row in rows), is_full) == ([95, 96, 97, 98, 99, 100, 101, 102], False)
    assert connector.revision(access(dsn), spec, after.cursor) == after.revision
    run(dsn, "UPDATE ticks SET at = at WHERE id = 101")
    assert connector.revision(access(dsn), spec, after.cursor) == after.revision
    run(dsn, "DELETE FROM ticks WHERE id = 101")
    assert connector.revision(access(dsn), spec, after.cursor) != after.revision


@pytest.mark.parametrize(
    ("table", "overlap", "expected"),
    [
        ("m int); INSERT INTO w VALUES (1), (5), (9), (NULL)", 4.0, 2),
        ("m date); INSERT INTO w VALUES ('2024-01-01'), ('2024-01-05'), ('2024-01-06'), (NULL)", 3600.0, 2),
        ("m numeric(6, 1)); INSERT INTO w VALUES (1), (2), (2.5), (NULL)", 0.5, 2),
        ("m text); INSERT INTO w VALUES ('a'), ('b'), ('c'), (NULL)", 9.0, 1),
    ],
)
def test_watermarks_of_every_kind_have_a_window(connector: SqlConnector, dsn: str, table: str, overlap: float, expected: int):
    run(dsn, f"CREATE TABLE w ({table}")
    spec = SourceSpec("public.w", key_columns=("m",), watermark_column="m", overlap=overlap)
    end = take(connector, dsn, spec)[1]
    again, after, _ = take(connector, dsn, spec, end.cursor)
    assert len(again) == expected + 1  # a row without a watermark is in every window
    assert after == end
    assert connector.revision(access(dsn), spec, end.cursor) == end.revision


def test_other_columns_are_read_whole_again(connector: SqlConnector, dsn: str):
    run(dsn, "CREATE TABLE w (m int); INSERT INTO w VALUES (1), (100)")
    spec = SourceSpec("public.w", key_columns=("m",), watermark_column="m")
    end = take(connector, dsn, spec)[1]
    run(dsn, "ALTER TABLE w ADD x text")
    rows, _, is_full = take(connector, dsn, spec, end.cursor)
    assert (len(rows), is_full) == (2, True)
    assert connector.revision(access(dsn), spec, end.cursor) is None


def test_the_cursor_of_another_watermark_column_is_read_whole(connector: SqlConnector, dsn: str):
    run(dsn, "CREATE TABLE w (m int, at timestamptz, n int); INSERT INTO w VALUES (100, now(), 1), (1, now(), 2)")
    spec = SourceSpec("public.w", key_columns=("m",), watermark_column="m")
    cursor = take(connector, dsn, spec)[1].cursor
    for other in ("at", "n"):  # of another type, and of the same one
        spec = SourceSpec("public.w", key_columns=("m",), watermark_column=other)
        assert connector.revision(access(dsn), spec, cursor) is None
        rows, _, is_full = take(connector, dsn, spec, cursor)
        assert (len(rows), is_full) == (2, True)


def test_an_empty_table_has_columns_and_no_rows(connector: SqlConnector, dsn: str):
    run(dsn, "CREATE TABLE w (m int)")
    spec = SourceSpec("public.w", key_columns=("m",), watermark_column="m")
    rows, end, is_full = take(connector, dsn, spec)
    assert (rows, is_full) == ([], True)
    assert take(connector, dsn, spec, end.cursor)[2] is True


def test_one_read_is_one_moment(connector: SqlConnector, dsn: str):
    run(dsn, "CREATE TABLE w (m int); INSERT INTO w SELECT generate_series(1, 12000)")
    with connector.read(access(dsn), SourceSpec("public.w"), None) as reading:
        batches = reading.batches()
        first = len(next(batches))
        run(dsn, "DELETE FROM w")
        assert first + sum(len(batch) for batch in batches) == 12_000


def test_errors_are_told_apart(connector: SqlConnector, dsn: str):
    with pytest.raises(SourceGone):
        take(connector, dsn, SourceSpec("sales.nothing"))
    with pytest.raises(InvalidSource):
        take(connector, dsn, query("SELECT nope FROM sales.orders"))
    with pytest.raises(InvalidSource):
        take(connector, dsn, query("SELECT * FROM nowhere"))
    with pytest.raises(InvalidSource, match="watermark"):
        take(connector, dsn, SourceSpec("sales.orders", watermark_column="paid"))
    run(dsn, "DROP ROLE IF EXISTS nobody_reads; CREATE ROLE nobody_reads LOGIN")
    with pytest.raises(SourceNotAuthorized):
        connector.check(access(dsn, username="no_such_role"))
    with (
        pytest.raises(SourceNotAuthorized, match="permission denied"),
        connector.read(access(dsn, username="nobody_reads"), SourceSpec("sales.orders"), None) as reading,
    ):
        list(reading.batches())
    run(dsn, "DROP ROLE nobody_reads")


def test_a_server_that_is_away_is_unavailable_and_its_message_has_no_password(dsn: str):
    connector = SqlConnector(SqlOptions(hosts=["127.0.0.1:1"]))
    with pytest.raises(SourceUnavailable) as refused:
        connector.check(access(dsn, host="127.0.0.1", port=1))
    assert PASSWORD not in f"{refused.value.message} {refused.value!r} {refused.value.__cause__!r}"


def test_a_connection_that_is_cut_in_a_read_is_unavailable(connector: SqlConnector, dsn: str):
    run(dsn, "CREATE TABLE w (m int); INSERT INTO w SELECT generate_series(1, 100000)")
    with connector.read(access(dsn), SourceSpec("public.w"), None) as reading:
        batches = reading.batches()
        next(batches)
        run(
            dsn,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name = 'spice-connector' AND datname = current_database()",
        )
        with pytest.raises(SourceUnavailable):
            list(batches)


def test_time_and_rows_are_bounded(dsn: str):
    with pytest.raises(SpiceError, match="timeout"):
        take(connector_of(dsn, timeout_seconds=0.05), dsn, query("SELECT pg_sleep(30)"))
    run(dsn, "CREATE TABLE w (m int); INSERT INTO w SELECT generate_series(1, 50)")
    with pytest.raises(InvalidSource, match="more than 49 rows"):
        take(connector_of(dsn, max_rows=49), dsn, SourceSpec("public.w"))


def test_a_url_is_split_and_its_password_is_a_secret():
    connector = SqlConnector(SqlOptions(hosts=["db.example.com:5433"]))
    config, secrets = connector.prepare({"url": "postgresql://ann:p%40ss@db.example.com:5433/sales?sslmode=verify-full"}, {})
    assert config == {
        "driver": "postgresql", "host": "db.example.com", "port": 5433, "database": "sales", "username": "ann",
        "tls": "verify-full",
    }  # fmt: skip
    assert secrets == {"password": "p@ss"}


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://a:secret@db.example.com/x", "SPICE_SQL_SOURCE_HOSTS"),
        ("postgresql://a:secret@169.254.169.254:5433/x", "SPICE_SQL_SOURCE_HOSTS"),
        ("sqlite:////etc/passwd", "driver"),
        ("duckdb:///x", "driver"),
        ("postgresql://a:secret@db.example.com:5433/x?sslkey=/etc/key", "not taken"),
        ("postgresql://a:secret@db.example.com:5433/x?service=x", "not taken"),
        ("postgresql://a:secret@db.example.com:5433/x?sslmode=none", "sslmode"),
        ("nonsense", "url"),
    ],
)
def test_a_url_that_leads_elsewhere_is_refused_without_its_password(url: str, said: str):
    with pytest.raises(InvalidInput, match=said) as refused:
        SqlConnector(SqlOptions(hosts=["db.example.com:5433"])).prepare({"url": url}, {})
    assert "secret" not in refused.value.message


def test_a_driver_that_is_not_installed_is_named(dsn: str):
    connector = SqlConnector(SqlOptions(hosts=["h:3306"]))
    with pytest.raises(InvalidSource, match="pip install pymysql"):
        connector.check(access(dsn, driver="mysql", host="h", port=3306))


def test_a_host_that_an_operator_took_away_is_not_asked_any_more(dsn: str):
    with pytest.raises(InvalidSource, match="SPICE_SQL_SOURCE_HOSTS"):
        SqlConnector(SqlOptions(hosts=[])).check(access(dsn))
