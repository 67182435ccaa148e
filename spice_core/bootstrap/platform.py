"""The wired platform of one process."""

import os
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field

from spice_core.adapters.duckdb.table_engine import DuckDBTableEngine
from spice_core.adapters.postgres.audit_store import PostgresAuditStore
from spice_core.adapters.postgres.command_statuses import PostgresCommandStatuses
from spice_core.adapters.postgres.connection import Postgres
from spice_core.adapters.postgres.dataset_store import PostgresDatasetStore
from spice_core.adapters.postgres.graph_store import PostgresGraphStore
from spice_core.adapters.postgres.ledger import PostgresLedger
from spice_core.adapters.postgres.lineage_store import PostgresLineageStore
from spice_core.adapters.postgres.registry import PostgresRegistry
from spice_core.adapters.postgres.work_ledger import PostgresWorkLedger
from spice_core.adapters.system.clock import SystemClock
from spice_core.adapters.system.id_source import RandomIds
from spice_core.adapters.system.log_lines import secrets_of_urls, start_logging
from spice_core.bootstrap.closing import Closing
from spice_core.bootstrap.connector_engines import Connectors, secret_store
from spice_core.bootstrap.engines import event_feed, log_limits, may_adopt, near_stores, object_store_of, search_index, tracer_of
from spice_core.bootstrap.file_readers import source_files_of
from spice_core.bootstrap.places import start_infrastructure, state_directory
from spice_core.ports.clock import Clock
from spice_core.ports.connector import Connector
from spice_core.ports.dataset_store import DatasetStore
from spice_core.ports.event_feed import EventFeed
from spice_core.ports.graph_store import GraphStore
from spice_core.ports.id_source import IdSource
from spice_core.ports.ledger import Ledger
from spice_core.ports.object_store import ObjectStore
from spice_core.ports.rate_limiter import RateLimiter
from spice_core.ports.read_models import AuditStore, CommandStatuses, LineageStore
from spice_core.ports.registry import Registry
from spice_core.ports.search_index import SearchIndex
from spice_core.ports.secret_store import SecretStore
from spice_core.ports.source_files import SourceFiles
from spice_core.ports.table_engine import TableEngine
from spice_core.ports.tracer import Tracer
from spice_core.ports.work_ledger import WorkLedger
from spice_core.services.cached_statuses import StatusReader
from spice_core.services.hold_search import HeldSearchIndex
from spice_core.services.observed_log import ObservedEventLog
from spice_core.services.platform_metrics import PlatformMetrics
from spice_core.services.submit_commands import CommandLimits, CommandService
from spice_core.settings import Settings


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
    source_files: SourceFiles
    commands: CommandService
    secrets: SecretStore
    connectors: Mapping[str, Connector]
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


def _wire(settings: Settings, process: str, stack: ExitStack) -> Platform:
    closing = Closing(stack)
    tracer, metrics = closing(tracer_of(settings, process)), PlatformMetrics()
    postgres = Postgres(start_infrastructure(settings), max_size=settings.postgres_pool_size)
    stack.callback(postgres.close)
    clock, ids = SystemClock(), RandomIds()
    store = closing(object_store_of(settings))
    ledger = closing(PostgresLedger(postgres))
    log = ObservedEventLog(
        store=store,
        ledger=ledger,
        clock=clock,
        ids=ids,
        writer_id=f"{process}-{os.getpid()}",
        tracer=tracer,
        metrics=metrics,
        limits=log_limits(settings, process),
    )
    log.start(adopts=may_adopt(settings))
    closing(log)
    graph = closing(PostgresGraphStore(postgres))
    work = closing(PostgresWorkLedger(postgres))
    near = near_stores(settings, PostgresCommandStatuses(postgres), log, clock, closing)
    limits = CommandLimits(read_wait_seconds=settings.read_wait_seconds, max_property_count=settings.max_property_count)
    return Platform(
        settings=settings,
        clock=clock,
        ids=ids,
        objects=store,
        log=log,
        ledger=ledger,
        work=work,
        feed=closing(event_feed(settings, log, work, clock)),
        graph=graph,
        search=closing(HeldSearchIndex(search_index(settings, postgres, clock, ids), work=work)),
        statuses=near.statuses,
        status_reader=near.status_reader,
        lineage=closing(PostgresLineageStore(postgres)),
        audit=closing(PostgresAuditStore(postgres)),
        registry=closing(PostgresRegistry(postgres)),
        datasets=closing(PostgresDatasetStore(postgres, store=store, cache=state_directory(settings) / "cache")),
        tables=closing(_table_engine(settings)),
        source_files=source_files_of(settings),
        commands=CommandService(log=log, graph=graph, work=work, clock=clock, ids=ids, limits=limits),
        secrets=closing(secret_store(settings, postgres)),
        connectors=closing(Connectors(settings, clock, ids)),
        rate_limiter=near.rate_limiter,
        tracer=tracer,
        metrics=metrics,
        closing=stack.pop_all(),
    )


def _table_engine(settings: Settings) -> TableEngine:
    state = state_directory(settings)
    return DuckDBTableEngine(memory=settings.duckdb_memory, scratch=state / "scratch", roots=[state / "cache"])
