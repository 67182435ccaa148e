"""The one table of adapters: for every port, every adapter that its contract runs on, and how a test opens it.

Rows of external engines carry the marker `full`: `make test` leaves them out, `make test-full` starts their servers.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import psycopg
import pytest
from graph_samples import Writer

from spice_core.adapters.memory.audit_store import MemoryAuditStore
from spice_core.adapters.memory.command_statuses import MemoryCommandStatuses
from spice_core.adapters.memory.graph_store import MemoryGraphStore
from spice_core.adapters.memory.ledger import MemoryLedger
from spice_core.adapters.memory.lineage_store import MemoryLineageStore
from spice_core.adapters.memory.rate_limiter import MemoryRateLimiter
from spice_core.adapters.memory.registry import MemoryRegistry
from spice_core.adapters.memory.status_cache import MemoryStatusCache
from spice_core.adapters.memory.work_ledger import MemoryWorkLedger
from spice_core.adapters.postgres.audit_store import PostgresAuditStore
from spice_core.adapters.postgres.command_statuses import PostgresCommandStatuses
from spice_core.adapters.postgres.connection import Postgres
from spice_core.adapters.postgres.graph_store import PostgresGraphStore
from spice_core.adapters.postgres.ledger import PostgresLedger
from spice_core.adapters.postgres.lineage_store import PostgresLineageStore
from spice_core.adapters.postgres.registry import PostgresRegistry
from spice_core.adapters.postgres.work_ledger import PostgresWorkLedger
from spice_core.adapters.redis.connection import RedisServer
from spice_core.adapters.redis.rate_limiter import RedisRateLimiter
from spice_core.adapters.redis.status_cache import RedisStatusCache
from spice_core.adapters.system.clock import SystemClock
from spice_core.ports.graph_store import GraphStore
from spice_core.ports.ledger import Ledger
from spice_core.ports.rate_limiter import RateLimiter
from spice_core.ports.read_models import AuditStore, CommandStatuses, LineageStore, Projection
from spice_core.ports.registry import Registry
from spice_core.ports.status_cache import StatusCache
from spice_core.ports.work_ledger import WorkLedger

Opener = Callable[[pytest.FixtureRequest], AbstractContextManager[Any]]
ENGINES = frozenset({"s3", "kafka", "elasticsearch", "redis"})


def _memory(make: Callable[[], Any]) -> Opener:
    @contextmanager
    def opened(request: pytest.FixtureRequest) -> Iterator[Any]:
        yield make()

    return opened


def _postgres(make: Callable[[Postgres], Any], *, database: str) -> Opener:
    """`database`: the fixture that gives the DSN, one of tests/conftest.py."""

    @contextmanager
    def opened(request: pytest.FixtureRequest) -> Iterator[Any]:
        pool = Postgres(request.getfixturevalue(database), max_size=4)
        yield make(pool)
        pool.close()

    return opened


def _redis(make: Callable[[RedisServer], Any]) -> Opener:
    @contextmanager
    def opened(request: pytest.FixtureRequest) -> Iterator[Any]:
        server = RedisServer(request.getfixturevalue("redis_server").url, timeout_seconds=5.0)
        yield make(server)
        server.close()

    return opened


@contextmanager
def _emptied_postgres_graph(request: pytest.FixtureRequest) -> Iterator[GraphStore]:
    """A graph store in this worker's database, emptied: quicker than a database of its own."""
    dsn = request.getfixturevalue("postgres_dsn")
    with psycopg.connect(dsn, autocommit=True) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'spice_graph'").fetchall()
        connection.execute("TRUNCATE " + ", ".join(f"spice_graph.{name}" for (name,) in tables))
    pool = Postgres(dsn, max_size=4)
    yield PostgresGraphStore(pool)
    pool.close()


ADAPTERS: Mapping[str, Mapping[str, Opener]] = {
    "Ledger": {
        "memory": _memory(MemoryLedger),
        "postgres": _postgres(PostgresLedger, database="clean_database"),
    },
    "WorkLedger": {
        "memory": _memory(lambda: MemoryWorkLedger(SystemClock())),
        "postgres": _postgres(PostgresWorkLedger, database="postgres_dsn"),
    },
    "GraphStore": {
        "memory": _memory(MemoryGraphStore),
        "postgres": _emptied_postgres_graph,
    },
    "CommandStatuses": {
        "memory": _memory(MemoryCommandStatuses),
        "postgres": _postgres(PostgresCommandStatuses, database="postgres_dsn"),
    },
    "LineageStore": {
        "memory": _memory(MemoryLineageStore),
        "postgres": _postgres(PostgresLineageStore, database="postgres_dsn"),
    },
    "AuditStore": {
        "memory": _memory(MemoryAuditStore),
        "postgres": _postgres(PostgresAuditStore, database="postgres_dsn"),
    },
    "Registry": {
        "memory": _memory(MemoryRegistry),
        "postgres": _postgres(PostgresRegistry, database="clean_database"),
    },
    "RateLimiter": {
        "memory": _memory(lambda: MemoryRateLimiter(SystemClock())),
        "redis": _redis(RedisRateLimiter),
    },
    "StatusCache": {
        "memory": _memory(MemoryStatusCache),
        "redis": _redis(lambda server: RedisStatusCache(server, ttl_seconds=60)),
    },
}


def rows(*ports: str) -> list[Any]:
    """Return the adapters of `ports` as parameters of a fixture."""
    return [
        pytest.param(opener, id=f"{port}-{name}" if len(ports) > 1 else name, marks=[pytest.mark.full] if name in ENGINES else [])
        for port in ports
        for name, opener in ADAPTERS[port].items()
    ]


@pytest.fixture(params=rows("Ledger"))
def ledger(request: pytest.FixtureRequest) -> Iterator[Ledger]:
    with request.param(request) as opened:
        yield opened


@pytest.fixture(params=rows("WorkLedger"))
def work(request: pytest.FixtureRequest) -> Iterator[WorkLedger]:
    with request.param(request) as opened:
        yield opened


@pytest.fixture(params=rows("GraphStore"))
def writer(request: pytest.FixtureRequest) -> Iterator[Writer]:
    """A writer on a new database `shop`."""
    with request.param(request) as store:
        writer = Writer(store)
        writer.create()
        yield writer
        store.close()


@pytest.fixture(params=rows("CommandStatuses"))
def statuses(request: pytest.FixtureRequest) -> Iterator[CommandStatuses]:
    with request.param(request) as opened:
        yield opened


@pytest.fixture(params=rows("LineageStore"))
def lineage(request: pytest.FixtureRequest) -> Iterator[LineageStore]:
    with request.param(request) as opened:
        yield opened


@pytest.fixture(params=rows("AuditStore"))
def audit(request: pytest.FixtureRequest) -> Iterator[AuditStore]:
    with request.param(request) as opened:
        yield opened


@pytest.fixture(params=rows("CommandStatuses", "LineageStore", "AuditStore"))
def projection(request: pytest.FixtureRequest) -> Iterator[Projection]:
    with request.param(request) as opened:
        yield opened


@pytest.fixture(params=rows("Registry"))
def registry(request: pytest.FixtureRequest) -> Iterator[Registry]:
    with request.param(request) as opened:
        yield opened


@pytest.fixture(params=rows("RateLimiter"))
def limiter(request: pytest.FixtureRequest) -> Iterator[RateLimiter]:
    with request.param(request) as opened:
        yield opened


@pytest.fixture(params=rows("StatusCache"))
def cache(request: pytest.FixtureRequest) -> Iterator[StatusCache]:
    with request.param(request) as opened:
        yield opened
