"""The pool, the migrations, the named queries and the embedded server."""

import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from spice_core.adapters.postgres import connection as connection_module
from spice_core.adapters.postgres.audit_store import PostgresAuditStore
from spice_core.adapters.postgres.connection import Postgres
from spice_core.adapters.postgres.embedded import NOT_DURABLE, embedded_pid, start_embedded, stop_embedded
from spice_core.adapters.postgres.migrate import available_migrations, migrate
from spice_core.adapters.postgres.queries import load_queries
from spice_core.adapters.postgres.work_ledger import PostgresWorkLedger
from spice_core.errors import Closed, ConfigurationError, GraphUnavailable, LedgerUnavailable


def test_queries_are_found_by_name():
    assert load_queries("migrations")["applied"] == "SELECT name, checksum FROM public.spice_migrations"


def test_migrations_are_applied_once_and_in_order(clean_database):
    assert migrate(clean_database) == []
    with psycopg.connect(clean_database) as connection:
        names = [name for (name,) in connection.execute("SELECT name FROM public.spice_migrations ORDER BY applied_at, name")]
    assert names == list(available_migrations())


def test_a_changed_migration_is_refused(clean_database):
    shipped = available_migrations()
    with pytest.raises(ConfigurationError, match="001_ledger"):
        migrate(clean_database, migrations={**shipped, "001_ledger.sql": "SELECT 1"})


def test_a_newer_database_is_refused(clean_database):
    with pytest.raises(ConfigurationError, match="newer"):
        migrate(clean_database, migrations={})


def test_a_failing_migration_leaves_nothing(clean_database):
    broken = {**available_migrations(), "999_broken.sql": "CREATE TABLE public.half (a int); SELECT no_such_thing"}
    with pytest.raises(psycopg.errors.UndefinedColumn):
        migrate(clean_database, migrations=broken)
    with psycopg.connect(clean_database) as connection:
        assert connection.execute("SELECT to_regclass('public.half')").fetchone() == (None,)


def test_processes_that_migrate_at_once_take_turns(clean_database):
    more = {**available_migrations(), "999_more.sql": "SELECT pg_sleep(0.05); CREATE TABLE public.more (a int)"}
    results: list[list[str]] = []
    threads = [threading.Thread(target=lambda: results.append(migrate(clean_database, migrations=more))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [[], [], [], ["999_more.sql"]]


def test_an_error_rolls_the_block_back(clean_database):
    pool = Postgres(clean_database, max_size=2)
    with pool.connection() as connection:
        connection.execute("CREATE TABLE t (a int)")

    def insert_and_fail() -> None:
        with pool.connection() as connection:
            connection.execute("INSERT INTO t VALUES (1)")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        insert_and_fail()
    with pool.connection(autocommit=True) as connection:
        assert connection.execute("SELECT count(*) FROM t").fetchone() == (0,)
    pool.close()


def test_an_exhausted_pool_is_unavailable(clean_database):
    pool = Postgres(clean_database, max_size=1, wait_seconds=0.1)
    with pool.connection(), pytest.raises(LedgerUnavailable), pool.connection():
        pass
    pool.close()


def test_a_closed_pool_raises_closed_and_closes_again(clean_database):
    pool = Postgres(clean_database)
    pool.close()
    pool.close()
    with pytest.raises(Closed), pool.connection():
        pass


def test_a_cut_connection_is_the_callers_error_class_and_the_next_one_works(clean_database):
    pool = Postgres(clean_database, max_size=1)
    with pytest.raises(GraphUnavailable), pool.connection(unavailable=GraphUnavailable) as connection:
        connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")
    with pool.connection() as connection:
        pid = connection.execute("SELECT pg_backend_pid()").fetchone()
    with psycopg.connect(clean_database, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s, 10000)", pid)  # back when the backend is gone
    with pool.connection() as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    pool.close()


def test_a_read_only_server_is_unavailable(clean_database):
    pool = Postgres(clean_database, max_size=1)
    with pool.connection() as connection:  # as a standby has it, and a managed server whose disk is nearly full
        connection.execute("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY")
    with pytest.raises(GraphUnavailable, match="read-only"), pool.connection(unavailable=GraphUnavailable) as connection:
        connection.execute("CREATE TABLE t (a int)")
    pool.close()


def test_a_process_that_hangs_in_a_transaction_lets_go_of_its_locks(clean_database, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(connection_module, "_HANGING_SECONDS", 1)
    hanging, other = Postgres(clean_database, max_size=1), Postgres(clean_database, max_size=1)
    with other.connection() as connection:
        connection.execute("CREATE TABLE held (id int); INSERT INTO held VALUES (1)")

    def hang() -> None:
        with hanging.connection(unavailable=GraphUnavailable) as held:
            held.execute("SELECT id FROM held FOR UPDATE")
            with other.connection() as connection:
                assert connection.execute("SELECT id FROM held FOR UPDATE").fetchone() == (1,)
            held.execute("SELECT 1")

    with pytest.raises(GraphUnavailable):
        hang()
    with hanging.connection() as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    hanging.close()
    other.close()


@pytest.fixture
def own_server() -> Iterator[Path]:
    # Not in pytest's own folder: as root the server passes through the folders above, and the next run closes that one.
    root = Path(tempfile.mkdtemp(prefix="spice-own-server-"))
    data_dir = root / "cluster of this test" / ("x" * 90)
    yield data_dir
    stop_embedded(data_dir)
    shutil.rmtree(root)


def test_embedded_server_survives_kill_and_long_paths(own_server: Path):
    dsn = start_embedded(own_server, shared_buffers="16MB", settings={"fsync": "off"})
    pool = Postgres(dsn, max_size=2, wait_seconds=2)
    with pool.connection() as connection:
        connection.execute("CREATE TABLE kept (a int)")
    first = embedded_pid(own_server)
    assert first is not None
    os.kill(first, signal.SIGKILL)
    assert start_embedded(own_server, shared_buffers="16MB", settings=NOT_DURABLE) == dsn
    assert embedded_pid(own_server) not in {None, first}
    with pool.connection() as connection:
        assert connection.execute("SELECT count(*) FROM kept").fetchone() == (0,)
    pool.close()
    assert start_embedded(own_server) == dsn
    stop_embedded(own_server)
    stop_embedded(own_server)
    assert embedded_pid(own_server) is None


def test_embedded_server_sorts_by_codepoint_and_is_set_for_us(postgres_dsn):
    with psycopg.connect(postgres_dsn) as connection:
        assert connection.execute("SELECT 'a' > 'B', lower('Ä'), current_setting('jit')").fetchone() == (True, "ä", "off")


def test_a_fenced_transaction_is_bounded(clean_database):
    postgres = Postgres(clean_database)
    work = PostgresWorkLedger(postgres)
    lease = work.acquire("graph", owner="me", seconds=60)
    with work._fenced(lease) as connection:
        assert connection.execute("SHOW transaction_timeout").fetchone() == ("45s",)
    with postgres.connection() as connection:
        assert connection.execute("SHOW transaction_timeout").fetchone() == ("0",)
    postgres.close()


def test_a_read_model_that_follows_is_bounded(clean_database):
    postgres = Postgres(clean_database)
    with PostgresAuditStore(postgres)._following("shop", 1, 0) as (connection, _):
        assert connection.execute("SHOW transaction_timeout").fetchone() == ("45s",)
    postgres.close()


def test_a_process_that_hangs_in_a_pipeline_loses_its_lease_by_that_bound(clean_database, monkeypatch):
    """The server waits for the rest of a pipeline as long as it takes, and counts nobody there as idle in a transaction."""
    monkeypatch.setenv("PGOPTIONS", "-c lock_timeout=10s -c idle_in_transaction_session_timeout=1s")
    postgres = Postgres(clean_database)
    work = PostgresWorkLedger(postgres)
    lease = work.acquire("graph", owner="hangs", seconds=0)
    fence = load_queries("work")["fence"].replace("%(name)s", "$1").replace("%(owner)s", "$2").replace("%(epoch)s", "$3")
    with psycopg.connect(clean_database) as hanging, psycopg.connect(clean_database, autocommit=True) as watching:
        sent = hanging.pgconn
        sent.enter_pipeline_mode()
        for statement in ("BEGIN", load_queries("transactions")["end_when_hanging"].replace("45s", "2s")):
            sent.send_query_params(statement.encode(), None)
        sent.send_query_params(fence.encode(), [lease.name.encode(), lease.owner.encode(), str(lease.epoch).encode()])
        sent.send_flush_request()
        while sent.flush():
            pass
        state = "SELECT state, wait_event FROM pg_stat_activity WHERE pid = %s"
        while watching.execute(state, (sent.backend_pid,)).fetchone() != ("active", "ClientRead"):
            pass
        assert work.acquire("graph", owner="next", seconds=60).owner == "next"
        hanging.close()
    postgres.close()
