"""The one place that chooses adapters: settings in, a wired platform out."""

import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from spice_core.adapters.duckdb.table_engine import DuckDBTableEngine
from spice_core.adapters.localfs.inspection import inspect_directory
from spice_core.adapters.localfs.object_store import LocalObjectStore
from spice_core.adapters.memory.audit_store import MemoryAuditStore
from spice_core.adapters.memory.command_statuses import MemoryCommandStatuses
from spice_core.adapters.memory.graph_store import MemoryGraphStore
from spice_core.adapters.memory.ledger import MemoryLedger
from spice_core.adapters.memory.lineage_store import MemoryLineageStore
from spice_core.adapters.memory.rate_limiter import MemoryRateLimiter
from spice_core.adapters.memory.registry import MemoryRegistry
from spice_core.adapters.memory.search_index import MemorySearchIndex
from spice_core.adapters.postgres.audit_store import PostgresAuditStore
from spice_core.adapters.postgres.command_statuses import PostgresCommandStatuses
from spice_core.adapters.postgres.connection import Postgres
from spice_core.adapters.postgres.dataset_store import PostgresDatasetStore
from spice_core.adapters.postgres.embedded import start_embedded, stop_embedded
from spice_core.adapters.postgres.graph_store import PostgresGraphStore
from spice_core.adapters.postgres.inspection import inspect_postgres
from spice_core.adapters.postgres.ledger import PostgresLedger
from spice_core.adapters.postgres.lineage_store import PostgresLineageStore
from spice_core.adapters.postgres.migrate import migrate
from spice_core.adapters.postgres.registry import PostgresRegistry
from spice_core.adapters.postgres.search_index import PostgresSearchIndex
from spice_core.adapters.postgres.work_ledger import PostgresWorkLedger
from spice_core.adapters.system.clock import SystemClock
from spice_core.adapters.system.id_source import RandomIds
from spice_core.adapters.system.log_lines import secrets_of_urls, start_logging
from spice_core.domain.findings import Finding
from spice_core.errors import ConfigurationError, SearchUnavailable, SpiceError
from spice_core.ports.clock import Clock
from spice_core.ports.dataset_store import DatasetStore
from spice_core.ports.event_feed import EventFeed
from spice_core.ports.event_publisher import EventPublisher
from spice_core.ports.graph_store import GraphStore
from spice_core.ports.id_source import IdSource
from spice_core.ports.ledger import Ledger
from spice_core.ports.object_store import ObjectStore
from spice_core.ports.rate_limiter import RateLimiter
from spice_core.ports.read_models import AuditStore, CommandStatuses, LineageStore
from spice_core.ports.registry import Registry
from spice_core.ports.search_index import SearchIndex
from spice_core.ports.table_engine import TableEngine
from spice_core.ports.tracer import SilentTracer, Tracer
from spice_core.ports.work_ledger import WorkLedger
from spice_core.services.cached_statuses import CachedStatusReader, CachingCommandStatuses, StatusReader
from spice_core.services.event_log.copy_store import CopyProgress, CopyReport, StoreCopier
from spice_core.services.event_log.event_log import EventLog
from spice_core.services.event_log.feed import LogEventFeed
from spice_core.services.event_log.identity import LogIdentities, read_line
from spice_core.services.event_log.limits import LogLimits
from spice_core.services.event_log.store_checks import installation_of
from spice_core.services.hold_search import HeldSearchIndex
from spice_core.services.limit_rates import FallbackRateLimiter
from spice_core.services.observed_log import ObservedEventLog
from spice_core.services.platform_metrics import PlatformMetrics
from spice_core.services.replay_log import LogStores
from spice_core.services.submit_commands import CommandLimits, CommandService
from spice_core.settings import Settings

if TYPE_CHECKING:
    from spice_core.adapters.elasticsearch.connection import ElasticsearchOptions
    from spice_core.adapters.kafka.access import KafkaAccess
    from spice_core.adapters.kafka.topics import TopicPlan
    from spice_core.adapters.s3.options import S3Options


class _Closeable(Protocol):
    def close(self) -> None: ...


PartT = TypeVar("PartT", bound=_Closeable)


@dataclass(frozen=True, slots=True)
class Platform:
    """Every part of one process, wired. Closing it closes them all, in reverse order of their making."""

    settings: Settings
    clock: Clock
    ids: IdSource
    objects: ObjectStore
    log: ObservedEventLog
    ledger: Ledger
    work: WorkLedger
    feed: EventFeed
    graph: GraphStore
    search: SearchIndex
    statuses: CommandStatuses
    status_reader: StatusReader
    lineage: LineageStore
    audit: AuditStore
    registry: Registry
    datasets: DatasetStore
    tables: TableEngine
    commands: CommandService
    rate_limiter: RateLimiter
    tracer: Tracer
    metrics: PlatformMetrics
    closing: ExitStack = field(repr=False)

    def close(self) -> None:
        """Stop what runs and release everything; closing again does nothing."""
        self.closing.close()


def bootstrap(settings: Settings, *, process: str) -> Platform:
    """Wire the platform for the process called `process` (the name stands in the log's segments).

    Starts the embedded PostgreSQL where no server is named, and applies missing migrations.

    Raises:
        ConfigurationError: a setting cannot work.
        LedgerUnavailable, StoreUnavailable: a part does not answer.
    """
    with ExitStack() as stack:
        return _wire(settings, process, stack)


def log_lines(settings: Settings, *, process: str) -> None:
    """Make this process, called `process`, log as the settings say (LOG_LEVEL, SPICE_LOG_FORMAT), without their secrets."""
    secrets = settings.secrets()
    start_logging(
        level=settings.log_level,
        is_json=settings.log_format == "json",
        process=process,
        secrets={*secrets.values(), *secrets_of_urls(secrets)},
    )


def inspect_parts(settings: Settings, *, clock: Clock | None = None) -> list[Finding]:
    """Look at every engine that the settings name, all at the same time, and return what was found of each.

    One that is down hides nothing of the others. Writes a probe to each, and removes it. Raises nothing of the tree.
    """
    looks = _inspections(settings, clock or SystemClock(), RandomIds())
    with ThreadPoolExecutor(len(looks)) as pool:
        found = pool.map(_inspected, looks.keys(), looks.values())
        return [finding for findings in found for finding in findings]


def _inspections(settings: Settings, clock: Clock, ids: IdSource) -> Mapping[str, Callable[[], Iterator[Finding]]]:
    looks: dict[str, Callable[[], Iterator[Finding]]] = {
        "state": lambda: inspect_directory(state_directory(settings), clock=clock),
        "postgresql": lambda: _inspect_postgres(settings, clock),
    }
    if settings.object_store == "s3":
        looks["s3"] = lambda: _inspect_s3(settings, clock, ids)
    if settings.event_feed == "kafka":
        looks["kafka"] = lambda: _inspect_kafka(settings, clock, ids)
    if settings.search_index == "elasticsearch":
        looks["elasticsearch"] = lambda: _inspect_elasticsearch(settings, clock, ids)
    if settings.redis_url is not None:
        looks["redis"] = lambda: _inspect_redis(settings, clock, ids)
    if settings.otlp_endpoint is not None:
        looks["traces"] = lambda: _inspect_traces(settings)
    return looks


def _inspected(part: str, look: Callable[[], Iterator[Finding]]) -> list[Finding]:
    try:
        return list(look())
    except ImportError as error:
        return [Finding(part, "down", f"{error.name} is not installed", 'pip install "spice-harvester[full]"')]
    except SpiceError as error:
        return [Finding(part, "down", error.message)]


def _inspect_postgres(settings: Settings, clock: Clock) -> Iterator[Finding]:
    log = postgres_directory(settings) / "log"
    advice = (
        "is the server of SPICE_POSTGRES_URL up, and are its user and password right?" if settings.postgres_url else f"see {log}"
    )
    try:
        dsn = _postgres_dsn(settings)
    except SpiceError as error:
        yield Finding("postgresql", "down", error.message, advice)
        return
    yield from inspect_postgres(dsn, clock=clock, advice=advice)


def _inspect_s3(settings: Settings, clock: Clock, ids: IdSource) -> Iterator[Finding]:
    from spice_core.adapters.s3.inspection import inspect_s3  # noqa: PLC0415 - an extra

    return inspect_s3(_s3_options(settings), clock=clock, ids=ids)


def _inspect_kafka(settings: Settings, clock: Clock, ids: IdSource) -> Iterator[Finding]:
    from spice_core.adapters.kafka.inspection import inspect_kafka  # noqa: PLC0415 - an extra

    may_create = not settings.is_production
    return inspect_kafka(_kafka_access(settings), _topic_plan(settings), may_create=may_create, clock=clock, ids=ids)


def _inspect_elasticsearch(settings: Settings, clock: Clock, ids: IdSource) -> Iterator[Finding]:
    from spice_core.adapters.elasticsearch.inspection import inspect_elasticsearch  # noqa: PLC0415 - an extra

    options = _elasticsearch_options(settings)
    return inspect_elasticsearch(options, prefix=settings.elasticsearch_index_prefix, clock=clock, ids=ids)


def _inspect_redis(settings: Settings, clock: Clock, ids: IdSource) -> Iterator[Finding]:
    from spice_core.adapters.redis.inspection import inspect_redis  # noqa: PLC0415 - an extra

    url = settings.redis_url.get_secret_value() if settings.redis_url else ""
    return inspect_redis(url, clock=clock, ids=ids)


def _inspect_traces(settings: Settings) -> Iterator[Finding]:
    from spice_core.adapters.otel.inspection import inspect_receiver  # noqa: PLC0415 - an extra

    return inspect_receiver(settings.otlp_endpoint or "")


def start_infrastructure(settings: Settings) -> str:
    """Make sure that the embedded servers run and are migrated; return the DSN of PostgreSQL."""
    dsn = _postgres_dsn(settings)
    migrate(dsn)
    return dsn


def stop_infrastructure(settings: Settings) -> None:
    """Stop the embedded servers of this state directory; a named PostgreSQL server is left alone."""
    if settings.postgres_url is None:
        stop_embedded(postgres_directory(settings))


def live_stores(parts: Platform) -> LogStores:
    """Return the log of a platform and every store that follows it, for a comparison with a replay."""
    return LogStores(
        log=parts.log,
        ledger=parts.ledger,
        graph=parts.graph,
        search=parts.search,
        statuses=parts.statuses,
        lineage=parts.lineage,
        audit=parts.audit,
        registry=parts.registry,
    )


def empty_stores(parts: Platform) -> LogStores:
    """Return the log of a platform and empty stores in memory, to replay it into."""
    ledger = MemoryLedger()
    log = EventLog(store=parts.objects, ledger=ledger, clock=parts.clock, ids=parts.ids, writer_id="replay")
    return LogStores(
        log=log,
        ledger=ledger,
        graph=MemoryGraphStore(),
        search=MemorySearchIndex(),
        statuses=MemoryCommandStatuses(),
        lineage=MemoryLineageStore(),
        audit=MemoryAuditStore(),
        registry=MemoryRegistry(),
    )


def companion_dsn(settings: Settings, database: str) -> str:
    """Return the DSN of another database on the same PostgreSQL server, created if it is the embedded one."""
    if settings.postgres_url is None:
        return start_embedded(postgres_directory(settings), database=database)
    return settings.postgres_url.get_secret_value()


def postgres_directory(settings: Settings) -> Path:
    """Return where the embedded PostgreSQL keeps its data."""
    return state_directory(settings) / "postgres"


def state_directory(settings: Settings) -> Path:
    """Return the state directory; creates it, for its owner only.

    As root, passing through stays open to others: PostgreSQL does not run as root and must reach its own folder.
    """
    path = settings.state_path
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.chmod(0o711 if os.geteuid() == 0 else 0o700)
    return path


def _postgres_dsn(settings: Settings) -> str:
    if settings.postgres_url is not None:
        return settings.postgres_url.get_secret_value()
    return start_embedded(postgres_directory(settings))


def _wire(settings: Settings, process: str, stack: ExitStack) -> Platform:
    closing = _Closing(stack)
    tracer, metrics = closing(_tracer(settings, process)), PlatformMetrics()
    postgres = Postgres(start_infrastructure(settings), max_size=settings.postgres_pool_size)
    stack.callback(postgres.close)
    clock, ids = SystemClock(), RandomIds()
    store = closing(_object_store(settings))
    ledger = closing(PostgresLedger(postgres))
    log = ObservedEventLog(
        store=store,
        ledger=ledger,
        clock=clock,
        ids=ids,
        writer_id=f"{process}-{os.getpid()}",
        tracer=tracer,
        metrics=metrics,
        limits=_log_limits(settings, process),
    )
    log.start(adopts=_may_adopt(settings))
    closing(log)
    graph = closing(PostgresGraphStore(postgres))
    work = closing(PostgresWorkLedger(postgres))
    near = _near_stores(settings, PostgresCommandStatuses(postgres), log, clock, closing)
    limits = CommandLimits(read_wait_seconds=settings.read_wait_seconds, max_property_count=settings.max_property_count)
    return Platform(
        settings=settings,
        clock=clock,
        ids=ids,
        objects=store,
        log=log,
        ledger=ledger,
        work=work,
        feed=closing(_event_feed(settings, log, work, clock)),
        graph=graph,
        search=closing(HeldSearchIndex(_search_index(settings, postgres, clock, ids), work=work)),
        statuses=near.statuses,
        status_reader=near.status_reader,
        lineage=closing(PostgresLineageStore(postgres)),
        audit=closing(PostgresAuditStore(postgres)),
        registry=closing(PostgresRegistry(postgres)),
        datasets=closing(PostgresDatasetStore(postgres, store=store, cache=state_directory(settings) / "cache")),
        tables=closing(DuckDBTableEngine(memory=settings.duckdb_memory, scratch=state_directory(settings) / "scratch")),
        commands=CommandService(log=log, graph=graph, work=work, clock=clock, ids=ids, limits=limits),
        rate_limiter=near.rate_limiter,
        tracer=tracer,
        metrics=metrics,
        closing=stack.pop_all(),
    )


def _tracer(settings: Settings, process: str) -> Tracer:
    if settings.otlp_endpoint is None:
        return SilentTracer()
    try:
        from spice_core.adapters.otel.tracer import OtelTracer, otlp_processor  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise ConfigurationError(
            'OTEL_EXPORTER_OTLP_ENDPOINT needs the extra of traces: pip install "spice-harvester[otel]"'
        ) from error
    processor = otlp_processor(settings.otlp_endpoint)
    ratio = settings.trace_sample_ratio
    return OtelTracer(processor, process=process, version=version("spice-harvester"), sample_ratio=ratio)


def open_store(settings: Settings) -> ObjectStore:
    """Open the store that the settings name, and nothing else: for moving a log between stores.

    Raises:
        ConfigurationError: it cannot work; names the setting.
        StoreUnavailable: (retryable) it does not answer.
    """
    return _object_store(settings)


def copy_store(source: ObjectStore, target: ObjectStore, *, progress: CopyProgress) -> CopyReport:
    """Copy logs and dataset bytes (see `StoreCopier.copy`)."""
    return StoreCopier(source, target, clock=SystemClock(), ids=RandomIds()).copy(progress=progress)


def adopt_store(settings: Settings, *, replaces: bool = False) -> tuple[str, str | None]:
    """Let PostgreSQL belong to the installation that the store belongs to; return its id, and the one it had before.

    For a PostgreSQL that replaces a lost one. One that belongs to another installation only with `replaces`.

    Raises:
        ConfigurationError: the store belongs to no installation yet, or PostgreSQL to another one.
    """
    with ExitStack() as stack:
        closing = _Closing(stack)
        marked = installation_of(closing(_object_store(settings)))
        if marked is None:
            raise ConfigurationError("The object store belongs to no installation yet: nothing is there to adopt")
        ledger = closing(PostgresLedger(closing(Postgres(start_infrastructure(settings), max_size=2))))
        before = ledger.installation()
        if ledger.join_installation(marked, replaces=replaces) != marked:
            raise ConfigurationError(f"PostgreSQL belongs to installation {before}, not to {marked}; --force changes that")
        return marked, before


def _may_adopt(settings: Settings) -> bool:
    """Whether an empty PostgreSQL joins a store by itself: not where the store may be another machine's in production."""
    return settings.object_store == "local" or not settings.is_production


def _log_limits(settings: Settings, process: str) -> LogLimits:
    """Pack in the workers; where a request to the store takes its time, read ahead and ask less often."""
    limits = LogLimits(
        pack_segments=settings.pack_segments,
        pack_seconds=settings.pack_interval_seconds if process.startswith("worker") else 0.0,
    )
    if settings.object_store == "local":
        return limits
    # The adapter repeats requests; a second layer would multiply them.
    return replace(limits, store_attempts=1, cache_bytes=128 << 20, read_ahead=8, look_seconds=5.0, sweep_seconds=30.0)


def _object_store(settings: Settings) -> ObjectStore:
    return LocalObjectStore(state_directory(settings) / "objects") if settings.object_store == "local" else _s3_store(settings)


def _s3_store(settings: Settings) -> ObjectStore:
    try:
        from spice_core.adapters.s3.object_store import S3ObjectStore  # noqa: PLC0415 - an optional extra
    except ImportError as error:
        raise ConfigurationError('SPICE_OBJECT_STORE=s3 needs: pip install "spice-harvester[s3]"') from error
    store = S3ObjectStore(_s3_options(settings), clock=SystemClock(), ids=RandomIds())
    store.check_bucket(creates=not settings.is_production)
    return store


def _s3_options(settings: Settings) -> "S3Options":
    from spice_core.adapters.s3.options import S3Options, is_loopback  # noqa: PLC0415 - an optional extra

    is_private = settings.s3_endpoint is not None and is_loopback(settings.s3_endpoint)
    return S3Options(
        bucket=settings.s3_bucket,
        endpoint=settings.s3_endpoint,
        region=settings.s3_region,
        access_key=settings.s3_access_key.get_secret_value() if settings.s3_access_key else None,
        secret_key=settings.s3_secret_key.get_secret_value() if settings.s3_secret_key else None,
        prefix=settings.s3_prefix,
        addressing=settings.s3_addressing,
        ca_file=settings.s3_ca_file,
        requires_tls=settings.s3_require_tls or (settings.is_production and not is_private),
        timeout_seconds=settings.s3_timeout_seconds,
    )


def event_publisher(settings: Settings) -> EventPublisher:
    """Return what the relay publishes to; connects at the first call. The caller closes it.

    Raises:
        ConfigurationError: the settings name no engine to publish to, or cannot work.
    """
    if settings.event_feed != "kafka":
        raise ConfigurationError(f"SPICE_EVENT_FEED={settings.event_feed}: the workers read the log itself, nothing is relayed")
    try:
        from spice_core.adapters.kafka.event_publisher import KafkaEventPublisher  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise ConfigurationError('SPICE_EVENT_FEED=kafka needs: pip install "spice-harvester[kafka]"') from error
    return KafkaEventPublisher(_kafka_access(settings), _topic_plan(settings), may_create=not settings.is_production)


def _event_feed(settings: Settings, log: EventLog, work: WorkLedger, clock: Clock) -> EventFeed:
    if settings.event_feed == "log":
        return LogEventFeed(log)
    try:
        from spice_core.adapters.kafka.event_feed import KafkaEventFeed  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise ConfigurationError('SPICE_EVENT_FEED=kafka needs: pip install "spice-harvester[kafka]"') from error
    return KafkaEventFeed(
        _kafka_access(settings),
        _topic_plan(settings),
        log=LogEventFeed(log),
        work=work,
        clock=clock,
        identity_of=LogIdentities(log),
        read_line=read_line,
    )


def _kafka_access(settings: Settings) -> "KafkaAccess":
    from spice_core.adapters.kafka.access import KafkaAccess  # noqa: PLC0415 - an extra

    return KafkaAccess(
        settings.kafka_bootstrap_servers,
        security=settings.kafka_security,
        mechanism=settings.kafka_sasl_mechanism,
        username=settings.kafka_username,
        password=settings.kafka_password.get_secret_value() if settings.kafka_password else None,
        ca_file=settings.kafka_ca_file,
    )


def _topic_plan(settings: Settings) -> "TopicPlan":
    from spice_core.adapters.kafka.topics import TopicPlan  # noqa: PLC0415 - an extra

    return TopicPlan(
        prefix=settings.kafka_topic_prefix,
        partitions=settings.kafka_partitions,
        replication=settings.kafka_replication,
        retention_hours=settings.kafka_retention_hours,
    )


def _search_index(settings: Settings, postgres: Postgres, clock: Clock, ids: IdSource) -> SearchIndex:
    """A server that is down at the start may come up later; one that is wrong is refused at once."""
    if settings.search_index == "postgres":
        return PostgresSearchIndex(postgres)
    try:
        from spice_core.adapters.elasticsearch.search_index import ElasticsearchSearchIndex  # noqa: PLC0415 - an extra
    except ImportError as error:
        message = 'SPICE_SEARCH_INDEX=elasticsearch needs an extra: pip install "spice-harvester[elasticsearch]"'
        raise ConfigurationError(message) from error
    index = ElasticsearchSearchIndex(
        _elasticsearch_options(settings),
        clock=clock,
        ids=ids,
        prefix=settings.elasticsearch_index_prefix,
        replicas=settings.elasticsearch_replicas,
    )
    with suppress(SearchUnavailable):
        index.check()
    return index


def _elasticsearch_options(settings: Settings) -> "ElasticsearchOptions":
    from spice_core.adapters.elasticsearch.connection import ElasticsearchOptions  # noqa: PLC0415 - an extra

    return ElasticsearchOptions(
        settings.elasticsearch_url,
        api_key=settings.elasticsearch_api_key.get_secret_value() if settings.elasticsearch_api_key else None,
        username=settings.elasticsearch_username,
        password=settings.elasticsearch_password.get_secret_value() if settings.elasticsearch_password else None,
        ca_file=settings.elasticsearch_ca_file,
        timeout_seconds=settings.elasticsearch_timeout_seconds,
    )


@dataclass(frozen=True, slots=True)
class _NearStores:
    """What Redis shares between processes, or what stands in for it."""

    statuses: CommandStatuses
    status_reader: StatusReader
    rate_limiter: RateLimiter


def _near_stores(settings: Settings, stored: CommandStatuses, log: EventLog, clock: Clock, closing: "_Closing") -> _NearStores:
    local = MemoryRateLimiter(clock)
    if settings.redis_url is None:
        return _NearStores(closing(stored), stored, closing(local))
    try:
        from spice_core.adapters.redis.connection import RedisServer  # noqa: PLC0415 - an extra
        from spice_core.adapters.redis.rate_limiter import RedisRateLimiter  # noqa: PLC0415
        from spice_core.adapters.redis.status_cache import RedisStatusCache  # noqa: PLC0415
    except ImportError as error:
        raise ConfigurationError('REDIS_URL needs the extra of Redis: pip install "spice-harvester[redis]"') from error
    server = closing(RedisServer(settings.redis_url.get_secret_value()))
    server.check()
    cache, identities = RedisStatusCache(server, ttl_seconds=settings.command_status_ttl_seconds), LogIdentities(log)
    return _NearStores(
        statuses=closing(CachingCommandStatuses(stored, cache=cache, origin_of=identities)),
        status_reader=CachedStatusReader(stored, cache=cache, origin_of=identities),
        rate_limiter=closing(FallbackRateLimiter(RedisRateLimiter(server), local=local)),
    )


class _Closing:
    """Registers a part for closing and hands it through."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack

    def __call__(self, part: PartT) -> PartT:
        self._stack.callback(part.close)
        return part
