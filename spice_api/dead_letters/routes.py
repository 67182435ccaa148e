"""Dead letters: listing, inspecting, retrying and discarding them. Retry and discard are commands of the log themselves."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, Field

from spice_api.admin_reads import audited_read
from spice_api.dependencies import CallerDep, DatabasePath, PlatformDep
from spice_api.envelope import CommandResult, Envelope
from spice_api.json_route import StrictJsonRoute
from spice_api.route_rates import counts_as
from spice_api.waiting import Settling, SettlingDep
from spice_core.bootstrap import Platform
from spice_core.domain.commands import CommandType
from spice_core.domain.rates import WRITE
from spice_core.errors import DatabaseNotFound, NotFound
from spice_core.ports.work_ledger import DeadLetter
from spice_core.services.dead_letters import dead_letter_command

router = APIRouter(prefix="/api/v1/dead-letters", tags=["dead letters"], route_class=StrictJsonRoute)

HandlerPath = Annotated[str, Path(max_length=100, examples=["graph"])]
EventPath = Annotated[str, Path(max_length=600)]


class DeadLetterNotFound(NotFound):
    """There is no such dead letter."""

    code = "dead_letter_not_found"


class DeadLetterBody(BaseModel):
    """One event that its handler could not apply."""

    handler: str
    database: str
    event_id: str
    event_type: str
    aggregate: str
    position: int
    error: str
    attempts: int
    state: str = Field(examples=["waiting", "retrying", "resolved", "discarded"])
    parked_behind: str | None = Field(description="The dead letter of the same aggregate that it waits behind.")
    first_failed_at: datetime
    last_failed_at: datetime


class DeadLetterDetail(DeadLetterBody):
    """A dead letter with the event itself."""

    event: dict[str, Any]


class DeadLetterList(BaseModel):
    """Dead letters, oldest first."""

    dead_letters: list[DeadLetterBody]


@router.get("")
def list_dead_letters(
    platform: PlatformDep,
    database: Annotated[str | None, Query(max_length=100)] = None,
    handler: Annotated[str | None, Query(max_length=100)] = None,
    state: Annotated[str, Query(max_length=20, description="Empty for all.")] = "waiting",
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> Envelope[DeadLetterList]:
    """List dead letters, oldest first."""
    found = platform.work.dead_letters(handler=handler, database=database, state=state, limit=limit)
    return Envelope(message=f"{len(found)} dead letters", data=DeadLetterList(dead_letters=[_body(item) for item in found]))


@router.get("/{db_name}/{handler}/{event_id}", dependencies=[Depends(audited_read)])
def inspect_dead_letter(
    db_name: DatabasePath, handler: HandlerPath, event_id: EventPath, platform: PlatformDep
) -> Envelope[DeadLetterDetail]:
    """Return a dead letter with the event that it is about."""
    found = _find(platform, db_name, handler, event_id)
    recorded = platform.log.find(db_name, event_id)
    event = {} if recorded is None else {"data": dict(recorded.event.data), "metadata": dict(recorded.event.metadata)}
    return Envelope(message=found.error, data=DeadLetterDetail(**_body(found).model_dump(), event=event))


@router.post("/{db_name}/{handler}/{event_id}/retry", status_code=202, openapi_extra=counts_as(WRITE))
def retry_dead_letter(
    *,
    db_name: DatabasePath,
    handler: HandlerPath,
    event_id: EventPath,
    platform: PlatformDep,
    caller: CallerDep,
    settling: SettlingDep,
) -> CommandResult:
    """Hand the event, and those parked behind it, to the handler again."""
    kind = CommandType.RETRY_DEAD_LETTER
    return _submit(
        platform=platform, kind=kind, database=db_name, handler=handler, event_id=event_id, caller=caller, settling=settling
    )


@router.post("/{db_name}/{handler}/{event_id}/discard", status_code=202, openapi_extra=counts_as(WRITE))
def discard_dead_letter(
    *,
    db_name: DatabasePath,
    handler: HandlerPath,
    event_id: EventPath,
    platform: PlatformDep,
    caller: CallerDep,
    settling: SettlingDep,
) -> CommandResult:
    """Give the event up: its command ends FAILED, and those parked behind it go on."""
    kind = CommandType.DISCARD_DEAD_LETTER
    return _submit(
        platform=platform, kind=kind, database=db_name, handler=handler, event_id=event_id, caller=caller, settling=settling
    )


def _submit(
    *, platform: Platform, kind: CommandType, database: str, handler: str, event_id: str, caller: CallerDep, settling: Settling
) -> CommandResult:
    _find(platform, database, handler, event_id)
    origin = caller.origin(database)
    command = dead_letter_command(
        kind,
        database,
        handler=handler,
        event_id=event_id,
        command_id=origin["command_id"] or platform.ids.new_id(),
        at=platform.clock.now(),
        actor=origin["actor"],
    )
    accepted = platform.commands.submit(database, [command])[0]
    return settling.result(accepted, command_type=kind.value)


def _find(platform: Platform, database: str, handler: str, event_id: str) -> DeadLetter:
    if not platform.log.exists(database):
        raise DatabaseNotFound(f"there is no database {database!r}")
    for item in platform.work.dead_letters(handler=handler, database=database, state="", limit=10_000):
        if item.event_id == event_id:
            return item
    raise DeadLetterNotFound(f"{handler} has no dead letter {event_id[:100]!r} in {database}")


def _body(item: DeadLetter) -> DeadLetterBody:
    return DeadLetterBody(
        handler=item.handler,
        database=item.database,
        event_id=item.event_id,
        event_type=item.event_type,
        aggregate=item.aggregate,
        position=item.position,
        error=item.error,
        attempts=item.attempts,
        state=item.state,
        parked_behind=item.parked_behind,
        first_failed_at=item.first_failed_at,
        last_failed_at=item.last_failed_at,
    )
