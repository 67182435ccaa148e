"""The one table of adapters: for every port, every adapter that its contract runs on, and how a test opens it.

Rows of external engines carry the marker `full`: `make test` leaves them out, `make test-full` starts their servers.
"""

import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import psycopg
import pytest
from connector_places import sheet_place, table_place, watermark_place
from dataset_places import datasets_over, local_objects, memory_datasets, s3_objects
from deliveries import delivery_of, kafka_arrivals, kafka_delivery, memory_arrivals
from event_log_world import World, world
from graph_samples import Writer
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from s3_places import new_prefix, open_s3
from search_samples import FLIGHT

from spice_core.adapters.elasticsearch.connection import ElasticsearchOptions
from spice_core.adapters.elasticsearch.search_index import ElasticsearchSearchIndex
from spice_core.adapters.localfs.object_store import LocalObjectStore
from spice_core.adapters.memory.audit_store import MemoryAuditStore
from spice_core.adapters.memory.command_statuses import MemoryCommandStatuses
from spice_core.adapters.memory.event_feed import MemoryEventFeed
from spice_core.adapters.memory.graph_store import MemoryGraphStore
from spice_core.adapters.memory.ledger import MemoryLedger
from spice_core.adapters.memory.lineage_store import MemoryLineageStore
from spice_core.adapters.memory.object_store import MemoryObjectStore
from spice_core.adapters.memory.rate_limiter import MemoryRateLimiter
from spice_core.adapters.memory.registry import MemoryRegistry
from spice_core.adapters.memory.search_index import MemorySearchIndex
from spice_core.adapters.memory.secret_store import MemorySecretStore
from spice_core.adapters.memory.status_cache import MemoryStatusCache
from spice_core.adapters.memory.work_ledger import MemoryWorkLedger
from spice_core.adapters.otel.tracer import OtelTracer, otlp_processor
from spice_core.adapters.postgres.audit_store import PostgresAuditStore
from spice_core.adapters.postgres.command_statuses import PostgresCommandStatuses
from spice_core.adapters.postgres.connection import Postgres
from spice_core.adapters.postgres.graph_store import PostgresGraphStore
from spice_core.adapters.postgres.ledger import PostgresLedger
from spice_core.adapters.postgres.lineage_store import PostgresLineageStore
from spice_core.adapters.postgres.registry import PostgresRegistry
from spice_core.adapters.postgres.search_index import PostgresSearchIndex
from spice_core.adapters.postgres.secret_cipher import SecretCipher
from spice_core.adapters.postgres.secret_store import PostgresSecretStore
from spice_core.adapters.postgres.work_ledger import PostgresWorkLedger
from spice_core.adapters.redis.connection import RedisServer
from spice_core.adapters.redis.rate_limiter import RedisRateLimiter
from spice_core.adapters.redis.status_cache import RedisStatusCache
from spice_core.adapters.system.clock import SystemClock
from spice_core.adapters.system.id_source import RandomIds
from spice_core.ports.graph_store import GraphStore
from spice_core.ports.object_store import ObjectStore
from spice_core.ports.search_index import SearchIndex
from spice_core.ports.tracer import SilentTracer, Tracer
from spice_core.services.event_log.feed import LogEventFeed

Opener = Callable[[pytest.FixtureRequest], AbstractContextManager[Any]]
_SEARCH_PREFIX = f"contract-{uuid.uuid4().hex[:8]}"
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


def _opening(makes: Callable[[pytest.FixtureRequest], Callable[[], Any]]) -> Opener:
    """Tests open clients of one and the same store again and again, as several processes do."""

    @contextmanager
    def opened(request: pytest.FixtureRequest) -> Iterator[Callable[[], Any]]:
        make, clients = makes(request), []

        def open_one() -> Any:
            clients.append(make())
            return clients[-1]

        yield open_one
        for client in clients:
            client.close()

    return opened


def _memory_objects(request: pytest.FixtureRequest) -> Callable[[], ObjectStore]:
    objects: dict[str, tuple[object, bytes]] = {}
    return lambda: MemoryObjectStore(objects)


def _s3_objects(request: pytest.FixtureRequest) -> Callable[[], ObjectStore]:
    prefix = new_prefix()
    return lambda: open_s3(request.getfixturevalue("s3_server"), prefix=prefix)


def _event_log(kind: str) -> Opener:
    @contextmanager
    def opened(request: pytest.FixtureRequest) -> Iterator[World]:
        dsn = None if kind == "memory" else request.getfixturevalue("clean_database")
        server = request.getfixturevalue("s3_server") if kind == "s3" else None
        with world(kind, directory=request.getfixturevalue("tmp_path"), dsn=dsn, s3=server) as made:
            yield made

    return opened


@contextmanager
def _memory_index(request: pytest.FixtureRequest) -> Iterator[Callable[[], SearchIndex]]:
    shared = MemorySearchIndex()
    yield lambda: shared


@contextmanager
def _postgres_index(request: pytest.FixtureRequest) -> Iterator[Callable[[], SearchIndex]]:
    pools: list[Postgres] = []

    def make() -> SearchIndex:
        pools.append(Postgres(request.getfixturevalue("postgres_dsn"), max_size=4))
        return PostgresSearchIndex(pools[-1])

    yield make
    for pool in pools:
        pool.close()


def _elasticsearch_index(request: pytest.FixtureRequest) -> Callable[[], SearchIndex]:
    """Clients share the indexes of the run: a database of its own is what a test needs."""
    options = ElasticsearchOptions(request.getfixturevalue("elasticsearch_server").url, timeout_seconds=60)
    return lambda: ElasticsearchSearchIndex(options, clock=SystemClock(), ids=RandomIds(), prefix=_SEARCH_PREFIX)


def _traced(make: Callable[[], Tracer]) -> Opener:
    @contextmanager
    def opened(request: pytest.FixtureRequest) -> Iterator[Tracer]:
        tracer = make()
        yield tracer
        tracer.close()

    return opened


def _otel(processor: Callable[[], Any]) -> Callable[[], Tracer]:
    return lambda: OtelTracer(processor(), process="test", version="0", sample_ratio=1.0)


ADAPTERS: Mapping[str, Mapping[str, Opener]] = {
    "ObjectStore": {
        "memory": _opening(_memory_objects),
        "localfs": _opening(lambda request: lambda: LocalObjectStore(request.getfixturevalue("tmp_path") / "store")),
        "s3": _opening(_s3_objects),
    },
    "EventLog": {  # a service, over the adapters of its two ports
        "memory": _event_log("memory"),
        "embedded": _event_log("embedded"),
        "s3": _event_log("s3"),
    },
    "EventFeed": {
        "memory": delivery_of(lambda log: MemoryEventFeed()),
        "memory, misbehaving": delivery_of(lambda log: MemoryEventFeed(seed=7, duplicate=0.5, reorder=0.5, skip=0.5)),
        "log": delivery_of(LogEventFeed),
        "kafka": kafka_delivery,
    },
    "EventPublisher": {
        "memory": memory_arrivals,
        "kafka": kafka_arrivals,
    },
    "SearchIndex": {
        "memory": _memory_index,
        "postgres": _postgres_index,
        "elasticsearch": _opening(_elasticsearch_index),
    },
    "DatasetStore": {
        "memory": memory_datasets,
        "postgres": datasets_over(local_objects),
        "s3": datasets_over(s3_objects),
    },
    "Tracer": {
        "silent": _traced(SilentTracer),
        "otel": _traced(_otel(lambda: SimpleSpanProcessor(InMemorySpanExporter()))),
        "otel without receiver": _traced(_otel(lambda: otlp_processor("http://127.0.0.1:1"))),
    },
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
    "Connector": {
        "google_sheets": sheet_place,
        "sql": table_place,
        "sql, by a watermark": watermark_place,
    },
    "SecretStore": {
        "memory": _memory(MemorySecretStore),
        "postgres": _postgres(
            lambda pool: PostgresSecretStore(pool, cipher=SecretCipher(lambda: ["a key of these tests"])),
            database="clean_database",
        ),
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


def _each(*ports: str) -> Callable[[pytest.FixtureRequest], Any]:
    """Return a fixture that opens each adapter of `ports` in turn."""

    @pytest.fixture(params=rows(*ports))
    def opened(request: pytest.FixtureRequest) -> Iterator[Any]:
        with request.param(request) as adapter:
            yield adapter

    return opened


ledger = _each("Ledger")
work = _each("WorkLedger")
statuses = _each("CommandStatuses")
lineage = _each("LineageStore")
audit = _each("AuditStore")
projection = _each("CommandStatuses", "LineageStore", "AuditStore")
registry = _each("Registry")
secrets = _each("SecretStore")
place_outside = _each("Connector")
limiter = _each("RateLimiter")
cache = _each("StatusCache")
delivery = _each("EventFeed")
arrivals = _each("EventPublisher")
harness = _each("DatasetStore")
tracer = _each("Tracer")


@pytest.fixture(params=rows("GraphStore"))
def writer(request: pytest.FixtureRequest) -> Iterator[Writer]:
    """A writer on a new database `shop`."""
    with request.param(request) as store:
        writer = Writer(store)
        writer.create()
        yield writer
        store.close()


@pytest.fixture(params=rows("ObjectStore"))
def open_store(request: pytest.FixtureRequest) -> Iterator[Callable[[], ObjectStore]]:
    """Opens the same store again and again, as several processes do."""
    with request.param(request) as opened:
        yield opened


@pytest.fixture(params=rows("EventLog"))
def place(request: pytest.FixtureRequest) -> Iterator[World]:
    """One store and one ledger, and logs over them as processes have."""
    with request.param(request) as opened:
        yield opened


@pytest.fixture(params=rows("SearchIndex"))
def make_index(request: pytest.FixtureRequest) -> Iterator[Callable[[], SearchIndex]]:
    """A factory of clients of one and the same index."""
    with request.param(request) as opened:
        yield opened


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
