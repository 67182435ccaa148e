"""The adapters of `SearchIndex` under test, as fixtures."""

import uuid
from collections.abc import Callable, Iterator

import pytest
from search_samples import FLIGHT

from spice_core.adapters.memory.search_index import MemorySearchIndex
from spice_core.adapters.postgres.connection import Postgres
from spice_core.adapters.postgres.search_index import PostgresSearchIndex
from spice_core.ports.search_index import SearchIndex


@pytest.fixture(params=["memory", "postgres"])
def make_index(request: pytest.FixtureRequest) -> Iterator[Callable[[], SearchIndex]]:
    """A factory of clients of one and the same index."""
    if request.param == "memory":
        shared = MemorySearchIndex()
        yield lambda: shared
        return
    dsn = request.getfixturevalue("postgres_dsn")
    pools: list[Postgres] = []

    def make() -> SearchIndex:
        pools.append(Postgres(dsn, max_size=4))
        return PostgresSearchIndex(pools[-1])

    yield make
    for pool in pools:
        pool.close()


@pytest.fixture
def index(make_index: Callable[[], SearchIndex]) -> SearchIndex:
    return make_index()


@pytest.fixture
def db(index: SearchIndex) -> Iterator[str]:
    """A database of this test alone, with the class Flight."""
    name = f"db_{uuid.uuid4().hex[:12]}"
    index.define(name, FLIGHT)
    yield name
    index.drop(name)
