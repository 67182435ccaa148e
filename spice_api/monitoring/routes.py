"""Looking at the platform: its parts, its logs, and how far each worker is behind them."""

from fastapi import APIRouter
from pydantic import BaseModel, Field

from spice_api.dependencies import DatabasePath, PlatformDep
from spice_api.envelope import Envelope
from spice_api.json_route import StrictJsonRoute
from spice_core.bootstrap import Platform
from spice_core.errors import DatabaseNotFound
from spice_core.services.check_parts import check_parts

router = APIRouter(prefix="/api/v1/monitoring", tags=["monitoring"], route_class=StrictJsonRoute)

HANDLERS = ("graph", "registry", "search", "statuses", "lineage", "audit")


class Progress(BaseModel):
    """How far one handler is."""

    position: int
    lag: int = Field(description="Events of the log that it has not done yet.")


class DatabaseProgress(BaseModel):
    """One database: its log and its handlers."""

    database: str
    log_position: int
    log_segments: int
    unfolded_events: int = Field(description="Events that the ledger lacks.")
    handlers: dict[str, Progress]
    dead_letters: int


class Overview(BaseModel):
    """The parts that answer, and every database."""

    parts: dict[str, str] = Field(examples=[{"log": "ok", "graph": "ok"}])
    databases: list[DatabaseProgress]


@router.get("/status")
def overview(platform: PlatformDep) -> Envelope[Overview]:
    """Return how every part and every database is."""
    errors = check_parts(log=platform.log, ledger=platform.ledger, graph=platform.graph, search=platform.search)
    databases = [_progress(platform, name) for name in platform.log.databases()]
    body = Overview(parts={name: error or "ok" for name, error in errors.items()}, databases=databases)
    return Envelope(message=f"{len(databases)} databases", data=body)


@router.get("/databases/{db_name}")
def database_progress(db_name: DatabasePath, platform: PlatformDep) -> Envelope[DatabaseProgress]:
    """Return how far one database's handlers are behind its log."""
    if not platform.log.exists(db_name):
        raise DatabaseNotFound(f"there is no database {db_name!r}")
    body = _progress(platform, db_name)
    behind = max((item.lag for item in body.handlers.values()), default=0)
    return Envelope(message=f"at most {behind} events behind", data=body)


def _progress(platform: Platform, database: str) -> DatabaseProgress:
    stats = platform.log.stats(database)
    positions = {name: platform.work.position(name, database) for name in HANDLERS}
    return DatabaseProgress(
        database=database,
        log_position=stats.head.position,
        log_segments=stats.head.segment,
        unfolded_events=stats.unfolded_events,
        handlers={
            name: Progress(position=position, lag=max(0, stats.head.position - position)) for name, position in positions.items()
        },
        dead_letters=len(platform.work.dead_letters(database=database, limit=1000)),
    )
