"""The adapters of `SearchIndex` under test, as fixtures."""

import uuid
from collections.abc import Callable, Iterator

import pytest
from search_samples import FLIGHT

from spice_core.adapters.elasticsearch.connection import ElasticsearchOptions
from spice_core.adapters.elasticsearch.search_index import ElasticsearchSearchIndex
from spice_core.adapters.memory.search_index import MemorySearchIndex
from spice_core.adapters.postgres.connection import Postgres
from spice_core.adapters.postgres.search_index import PostgresSearchIndex
from spice_core.adapters.system.clock import SystemClock
from spice_core.adapters.system.id_source import RandomIds
from spice_core.ports.search_index import SearchIndex

ADAPTERS = ["memory", "postgres", pytest.param("elasticsearch", marks=pytest.mark.full)]
"""Every adapter of the port; those that need a server of their own are marked."""

_PREFIX = f"contract-{uuid.uuid4().hex[:8]}"


@pytest.fixture(params=ADAPTERS)
def make_index(request: pytest.FixtureRequest) -> Iterator[Callable[[], SearchIndex]]:
    """A factory of clients of one and the same index."""
    if request.param == "memory":
        shared = MemorySearchIndex()
        yield lambda: shared
        return
    if request.param == "elasticsearch":
        yield from _on_elasticsearch(request.getfixturevalue("elasticsearch_server").url)
        return
    dsn = request.getfixturevalue("postgres_dsn")
    pools: list[Postgres] = []

    def make() -> SearchIndex:
        pools.append(Postgres(dsn, max_size=4))
        return PostgresSearchIndex(pools[-1])

    yield make
    for pool in pools:
        pool.close()


def _on_elasticsearch(url: str) -> Iterator[Callable[[], SearchIndex]]:
    """Clients share the indexes of the run: a database of its own is what a test needs."""
    clients: list[ElasticsearchSearchIndex] = []

    def make() -> SearchIndex:
        options = ElasticsearchOptions(url, timeout_seconds=60)
        clients.append(ElasticsearchSearchIndex(options, clock=SystemClock(), ids=RandomIds(), prefix=_PREFIX))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


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
