"""One function for each part that has a setting of its own: which adapter it is, and its options."""

from contextlib import suppress
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import TYPE_CHECKING

from spice_core.adapters.localfs.object_store import LocalObjectStore
from spice_core.adapters.memory.rate_limiter import MemoryRateLimiter
from spice_core.adapters.postgres.connection import Postgres
from spice_core.adapters.postgres.search_index import PostgresSearchIndex
from spice_core.adapters.system.clock import SystemClock
from spice_core.adapters.system.id_source import RandomIds
from spice_core.errors import ConfigurationError, SearchUnavailable
from spice_core.ports.clock import Clock
from spice_core.ports.event_feed import EventFeed
from spice_core.ports.event_publisher import EventPublisher
from spice_core.ports.id_source import IdSource
from spice_core.ports.object_store import ObjectStore
from spice_core.ports.rate_limiter import RateLimiter
from spice_core.ports.read_models import CommandStatuses
from spice_core.ports.search_index import SearchIndex
from spice_core.ports.tracer import SilentTracer, Tracer
from spice_core.ports.work_ledger import WorkLedger
from spice_core.services.cached_statuses import CachedStatusReader, CachingCommandStatuses, StatusReader
from spice_core.services.event_log.event_log import EventLog
from spice_core.services.event_log.feed import LogEventFeed
from spice_core.services.event_log.identity import LogIdentities, read_line
from spice_core.services.event_log.limits import LogLimits
from spice_core.services.limit_rates import FallbackRateLimiter
from spice_core.settings import Settings

if TYPE_CHECKING:
    from spice_core.adapters.elasticsearch.connection import ElasticsearchOptions
    from spice_core.adapters.kafka.access import KafkaAccess
    from spice_core.adapters.kafka.topics import TopicPlan
    from spice_core.adapters.s3.options import S3Options
from spice_core.bootstrap.closing import Closing
from spice_core.bootstrap.places import state_directory

_SHORTEST_KAFKA_SESSION = 6.0  # seconds; what a broker allows by default (group.min.session.timeout.ms)


def tracer_of(settings: Settings, process: str) -> Tracer:
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


def object_store_of(settings: Settings) -> ObjectStore:
    return LocalObjectStore(state_directory(settings) / "objects") if settings.object_store == "local" else _s3_store(settings)


def _s3_store(settings: Settings) -> ObjectStore:
    try:
        from spice_core.adapters.s3.object_store import S3ObjectStore  # noqa: PLC0415 - an optional extra
    except ImportError as error:
        raise ConfigurationError('SPICE_OBJECT_STORE=s3 needs: pip install "spice-harvester[s3]"') from error
    store = S3ObjectStore(s3_options(settings), clock=SystemClock(), ids=RandomIds())
    store.check_bucket(creates=not settings.is_production)
    return store


def s3_options(settings: Settings) -> "S3Options":
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


def log_limits(settings: Settings, process: str) -> LogLimits:
    """Pack in the workers; where a request to the store takes its time, read ahead and ask less often."""
    limits = LogLimits(
        pack_segments=settings.pack_segments,
        pack_seconds=settings.pack_interval_seconds if process.startswith("worker") else 0.0,
    )
    if settings.object_store == "local":
        return limits
    # The adapter repeats requests; a second layer would multiply them.
    return replace(limits, store_attempts=1, cache_bytes=128 << 20, read_ahead=8, look_seconds=5.0, sweep_seconds=30.0)


def may_adopt(settings: Settings) -> bool:
    """Whether an empty PostgreSQL joins a store by itself: not where the store may be another machine's in production."""
    return settings.object_store == "local" or not settings.is_production


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
    return KafkaEventPublisher(kafka_access(settings), topic_plan(settings), may_create=not settings.is_production)


def event_feed(settings: Settings, log: EventLog, work: WorkLedger, clock: Clock) -> EventFeed:
    if settings.event_feed == "log":
        return LogEventFeed(log)
    try:
        from spice_core.adapters.kafka.event_feed import FeedLimits, KafkaEventFeed  # noqa: PLC0415 - an extra
        from spice_core.adapters.kafka.group_reader import ReaderLimits  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise ConfigurationError('SPICE_EVENT_FEED=kafka needs: pip install "spice-harvester[kafka]"') from error
    # Who is silent for a lease has lost its work to another process; its partitions go the same way.
    reader = ReaderLimits(session_seconds=max(_SHORTEST_KAFKA_SESSION, settings.lease_seconds))
    return KafkaEventFeed(
        kafka_access(settings),
        topic_plan(settings),
        log=LogEventFeed(log),
        work=work,
        clock=clock,
        identity_of=LogIdentities(log),
        read_line=read_line,
        limits=FeedLimits(reader=reader),
    )


def kafka_access(settings: Settings) -> "KafkaAccess":
    from spice_core.adapters.kafka.access import KafkaAccess  # noqa: PLC0415 - an extra

    return KafkaAccess(
        settings.kafka_bootstrap_servers,
        security=settings.kafka_security,
        mechanism=settings.kafka_sasl_mechanism,
        username=settings.kafka_username,
        password=settings.kafka_password.get_secret_value() if settings.kafka_password else None,
        ca_file=settings.kafka_ca_file,
    )


def topic_plan(settings: Settings) -> "TopicPlan":
    from spice_core.adapters.kafka.topics import TopicPlan  # noqa: PLC0415 - an extra

    return TopicPlan(
        prefix=settings.kafka_topic_prefix,
        partitions=settings.kafka_partitions,
        replication=settings.kafka_replication,
        retention_hours=settings.kafka_retention_hours,
    )


def search_index(settings: Settings, postgres: Postgres, clock: Clock, ids: IdSource) -> SearchIndex:
    """A server that is down at the start may come up later; one that is wrong is refused at once."""
    if settings.search_index == "postgres":
        return PostgresSearchIndex(postgres)
    try:
        from spice_core.adapters.elasticsearch.search_index import ElasticsearchSearchIndex  # noqa: PLC0415 - an extra
    except ImportError as error:
        message = 'SPICE_SEARCH_INDEX=elasticsearch needs an extra: pip install "spice-harvester[elasticsearch]"'
        raise ConfigurationError(message) from error
    index = ElasticsearchSearchIndex(
        elasticsearch_options(settings),
        clock=clock,
        ids=ids,
        prefix=settings.elasticsearch_index_prefix,
        replicas=settings.elasticsearch_replicas,
    )
    with suppress(SearchUnavailable):
        index.check()
    return index


def elasticsearch_options(settings: Settings) -> "ElasticsearchOptions":
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
class NearStores:
    """What Redis shares between processes, or what stands in for it."""

    statuses: CommandStatuses
    status_reader: StatusReader
    rate_limiter: RateLimiter


def near_stores(settings: Settings, stored: CommandStatuses, log: EventLog, clock: Clock, closing: "Closing") -> NearStores:
    local = MemoryRateLimiter(clock)
    if settings.redis_url is None:
        return NearStores(closing(stored), stored, closing(local))
    try:
        from spice_core.adapters.redis.connection import RedisServer  # noqa: PLC0415 - an extra
        from spice_core.adapters.redis.rate_limiter import RedisRateLimiter  # noqa: PLC0415
        from spice_core.adapters.redis.status_cache import RedisStatusCache  # noqa: PLC0415
    except ImportError as error:
        raise ConfigurationError('REDIS_URL needs the extra of Redis: pip install "spice-harvester[redis]"') from error
    server = closing(RedisServer(settings.redis_url.get_secret_value()))
    server.check()
    cache, identities = RedisStatusCache(server, ttl_seconds=settings.command_status_ttl_seconds), LogIdentities(log)
    return NearStores(
        statuses=closing(CachingCommandStatuses(stored, cache=cache, origin_of=identities)),
        status_reader=CachedStatusReader(stored, cache=cache, origin_of=identities),
        rate_limiter=closing(FallbackRateLimiter(RedisRateLimiter(server), local=local)),
    )
