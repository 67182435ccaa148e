"""The stores without the platform around them: to copy them, to adopt them, to replay a log into empty ones."""

from contextlib import ExitStack

from spice_core.adapters.memory.audit_store import MemoryAuditStore
from spice_core.adapters.memory.command_statuses import MemoryCommandStatuses
from spice_core.adapters.memory.graph_store import MemoryGraphStore
from spice_core.adapters.memory.ledger import MemoryLedger
from spice_core.adapters.memory.lineage_store import MemoryLineageStore
from spice_core.adapters.memory.registry import MemoryRegistry
from spice_core.adapters.memory.search_index import MemorySearchIndex
from spice_core.adapters.postgres.connection import Postgres
from spice_core.adapters.postgres.ledger import PostgresLedger
from spice_core.adapters.system.clock import SystemClock
from spice_core.adapters.system.id_source import RandomIds
from spice_core.bootstrap.closing import Closing
from spice_core.bootstrap.engines import object_store_of
from spice_core.bootstrap.places import start_infrastructure
from spice_core.bootstrap.platform import Platform
from spice_core.errors import ConfigurationError
from spice_core.ports.object_store import ObjectStore
from spice_core.services.event_log.copy_store import CopyProgress, CopyReport, StoreCopier
from spice_core.services.event_log.event_log import EventLog
from spice_core.services.event_log.store_checks import installation_of
from spice_core.services.replay_log import LogStores
from spice_core.settings import Settings


def open_store(settings: Settings) -> ObjectStore:
    """Open the store that the settings name, and nothing else: for moving a log between stores.

    Raises:
        ConfigurationError: it cannot work; names the setting.
        StoreUnavailable: (retryable) it does not answer.
    """
    return object_store_of(settings)


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
        closing = Closing(stack)
        marked = installation_of(closing(object_store_of(settings)))
        if marked is None:
            raise ConfigurationError("The object store belongs to no installation yet: nothing is there to adopt")
        ledger = closing(PostgresLedger(closing(Postgres(start_infrastructure(settings), max_size=2))))
        before = ledger.installation()
        if ledger.join_installation(marked, replaces=replaces) != marked:
            raise ConfigurationError(f"PostgreSQL belongs to installation {before}, not to {marked}; --force changes that")
        return marked, before


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
