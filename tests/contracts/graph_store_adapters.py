"""The adapters of `GraphStore` under test: each name with a factory that gets pytest's request."""

from collections.abc import Callable, Iterator, Mapping

import psycopg
import pytest
from graph_samples import Writer

from spice_core.adapters.memory.graph_store import MemoryGraphStore
from spice_core.adapters.postgres.connection import Postgres
from spice_core.adapters.postgres.graph_store import PostgresGraphStore
from spice_core.ports.graph_store import GraphStore


def _memory(request: pytest.FixtureRequest) -> GraphStore:
    return MemoryGraphStore()


def _postgres(request: pytest.FixtureRequest) -> GraphStore:
    dsn = request.getfixturevalue("postgres_dsn")
    with psycopg.connect(dsn, autocommit=True) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'spice_graph'").fetchall()
        connection.execute("TRUNCATE " + ", ".join(f"spice_graph.{name}" for (name,) in tables))
    postgres = Postgres(dsn, max_size=4)
    request.addfinalizer(postgres.close)
    return PostgresGraphStore(postgres)


GRAPH_STORES: Mapping[str, Callable[[pytest.FixtureRequest], GraphStore]] = {"memory": _memory, "postgres": _postgres}


def a_writer(request: pytest.FixtureRequest) -> Iterator[Writer]:
    """Yield a writer on a new database `shop` of the adapter that is the fixture's parameter."""
    store = GRAPH_STORES[request.param](request)
    writer = Writer(store)
    writer.create()
    yield writer
    store.close()
