"""A look at every engine that the settings name."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

from spice_core.adapters.localfs.inspection import inspect_directory
from spice_core.adapters.postgres.inspection import inspect_postgres
from spice_core.adapters.system.clock import SystemClock
from spice_core.adapters.system.id_source import RandomIds
from spice_core.bootstrap.engines import elasticsearch_options, kafka_access, s3_options, topic_plan
from spice_core.bootstrap.places import postgres_directory, postgres_dsn, state_directory
from spice_core.domain.findings import Finding
from spice_core.errors import SpiceError
from spice_core.ports.clock import Clock
from spice_core.ports.id_source import IdSource
from spice_core.settings import Settings


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
        dsn = postgres_dsn(settings)
    except SpiceError as error:
        yield Finding("postgresql", "down", error.message, advice)
        return
    yield from inspect_postgres(dsn, clock=clock, advice=advice)


def _inspect_s3(settings: Settings, clock: Clock, ids: IdSource) -> Iterator[Finding]:
    from spice_core.adapters.s3.inspection import inspect_s3  # noqa: PLC0415 - an extra

    return inspect_s3(s3_options(settings), clock=clock, ids=ids)


def _inspect_kafka(settings: Settings, clock: Clock, ids: IdSource) -> Iterator[Finding]:
    from spice_core.adapters.kafka.inspection import inspect_kafka  # noqa: PLC0415 - an extra

    may_create = not settings.is_production
    return inspect_kafka(kafka_access(settings), topic_plan(settings), may_create=may_create, clock=clock, ids=ids)


def _inspect_elasticsearch(settings: Settings, clock: Clock, ids: IdSource) -> Iterator[Finding]:
    from spice_core.adapters.elasticsearch.inspection import inspect_elasticsearch  # noqa: PLC0415 - an extra

    options = elasticsearch_options(settings)
    return inspect_elasticsearch(options, prefix=settings.elasticsearch_index_prefix, clock=clock, ids=ids)


def _inspect_redis(settings: Settings, clock: Clock, ids: IdSource) -> Iterator[Finding]:
    from spice_core.adapters.redis.inspection import inspect_redis  # noqa: PLC0415 - an extra

    url = settings.redis_url.get_secret_value() if settings.redis_url else ""
    return inspect_redis(url, clock=clock, ids=ids)


def _inspect_traces(settings: Settings) -> Iterator[Finding]:
    from spice_core.adapters.otel.inspection import inspect_receiver  # noqa: PLC0415 - an extra

    return inspect_receiver(settings.otlp_endpoint or "")
