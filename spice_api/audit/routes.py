"""Reading the audit, and verifying its chain: audit entries are events of the log, so the log's chain is theirs."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query

from spice_api.admin_reads import audited_read
from spice_api.audit.schemas import AuditEntryBody, AuditPage, ChainHead, ChainProblem, ChainReport
from spice_api.dependencies import PlatformDep
from spice_api.envelope import Envelope
from spice_api.json_route import StrictJsonRoute
from spice_api.reading import BarrierDep
from spice_api.route_rates import counts_as
from spice_core.domain.rates import STANDARD
from spice_core.domain.read_models import AuditEntry
from spice_core.errors import DatabaseNotFound, InvalidQuery
from spice_core.services.event_log.reader import LogHead

router = APIRouter(prefix="/api/v1/audit", tags=["audit"], route_class=StrictJsonRoute, dependencies=[Depends(audited_read)])

Text = Annotated[str | None, Query(max_length=1000)]
DatabaseQuery = Annotated[str, Query(max_length=100, description="The database; `_system` for refusals.", examples=["demo"])]


@router.get("/logs")
def audit_logs(
    *,
    platform: PlatformDep,
    barrier: BarrierDep,
    database: Annotated[str | None, Query(max_length=100, description="Left out: all; `_system` holds refusals.")] = None,
    actor: Text = None,
    action: Annotated[str | None, Query(max_length=1000, examples=["INSTANCE_UPDATED"])] = None,
    status: Annotated[str | None, Query(max_length=100, examples=["refused"])] = None,
    resource_id: Text = None,
    command_id: Text = None,
    since: datetime | None = None,
    until: datetime | None = None,
    before: Annotated[str | None, Query(max_length=200, description="`next_before` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> Envelope[AuditPage]:
    """List audit entries that meet all conditions, newest first."""
    if database is not None and platform.log.exists(database):
        barrier.wait(database, "audit")
    entries = platform.audit.query(
        database=database,
        actor=actor,
        action=action,
        status=status,
        resource_id=resource_id,
        command_id=command_id,
        since=_aware(since),
        until=_aware(until),
        before=_mark(before),
        limit=limit,
    )
    next_before = f"{entries[-1].database}:{entries[-1].position}" if len(entries) == limit else None
    page = AuditPage(entries=[_body(entry) for entry in entries], next_before=next_before)
    return Envelope(message=f"{len(entries)} entries", data=page)


@router.get("/chain-head")
def chain_head(platform: PlatformDep, database: DatabaseQuery) -> Envelope[ChainHead]:
    """Return the newest link of the chain."""
    _require(platform.log.exists(database), database)
    head = _head(database, platform.log.head(database))
    return Envelope(message=f"{database} is at position {head.position}", data=head)


@router.get("/verify", openapi_extra=counts_as(STANDARD))
def verify_chain(platform: PlatformDep, database: DatabaseQuery) -> Envelope[ChainReport]:
    """Read the whole log of a database and check every hash; the time it takes grows with the log."""
    _require(platform.log.exists(database), database)
    found = platform.log.verify(database)
    problem = None
    if found.problem is not None:
        problem = ChainProblem(segment=found.problem.segment, position=found.problem.position, message=found.problem.message)
    report = ChainReport(
        database=database,
        is_intact=found.is_intact,
        segments=found.segments,
        events=found.events,
        commands=found.commands,
        bytes=found.bytes,
        head=_head(database, found.head),
        problem=problem,
    )
    return Envelope(message="the chain is intact" if report.is_intact else "the chain is broken", data=report)


def _require(is_there: bool, database: str) -> None:
    if not is_there:
        raise DatabaseNotFound(f"there is no log of {database!r}")


def _head(database: str, head: LogHead) -> ChainHead:
    return ChainHead(database=database, segment=head.segment, position=head.position, chain_hash=head.chain_hash)


def _aware(moment: datetime | None) -> datetime | None:
    if moment is not None and moment.tzinfo is None:
        raise InvalidQuery("since and until need a time zone: 2026-01-08T00:00:00Z")
    return moment


def _mark(before: str | None) -> tuple[str, int] | None:
    if before is None:
        return None
    database, _, position = before.rpartition(":")
    if not database or not position.isdecimal() or len(position) > 18:
        raise InvalidQuery("before takes the `next_before` of a page")
    return database, int(position)


def _body(entry: AuditEntry) -> AuditEntryBody:
    return AuditEntryBody(
        database=entry.database,
        position=entry.position,
        occurred_at=entry.occurred_at,
        actor=entry.actor,
        action=entry.action,
        status=entry.status,
        resource_type=entry.resource_type,
        resource_id=entry.resource_id,
        event_id=entry.event_id,
        command_id=entry.command_id,
        error=entry.error,
        metadata=dict(entry.metadata),
    )
