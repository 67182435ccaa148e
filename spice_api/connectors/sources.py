"""Sources of connections: kept, synced, and what became of their syncs."""

from typing import Annotated

from fastapi import APIRouter, Query, Request

from spice_api.connectors.known import ConnectionsDep, DatabaseDep, SourceDep, SyncsDep
from spice_api.connectors.schemas import (
    RunsAnswer,
    SourceAnswer,
    SourceBody,
    SourceList,
    SyncStarted,
    outcome_json,
    runs_answer,
    source_answer,
    source_of_body,
)
from spice_api.dependencies import CallerDep, PrincipalDep
from spice_api.edge import edge_of
from spice_api.envelope import CommandResult, Envelope
from spice_api.json_route import StrictJsonRoute
from spice_api.route_rates import counts_as
from spice_api.task_board import Report
from spice_api.waiting import SettlingDep
from spice_core.domain.connectors import SyncStatus
from spice_core.domain.rates import WRITE

router = APIRouter(prefix="/api/v1/connectors/sources", tags=["connectors"], route_class=StrictJsonRoute)


@router.post("", status_code=202, openapi_extra=counts_as(WRITE))
def save_source(
    body: SourceBody, database: DatabaseDep, connections: ConnectionsDep, caller: CallerDep, settling: SettlingDep
) -> CommandResult:
    """Add or replace a source. It is synced by its polling interval from then on; mappings of its dataset decide what follows."""
    source = source_of_body(body, database)
    saved = connections.save_source(source, expected_seq=body.expected_seq, **caller.origin(database))
    result = settling.result(saved.accepted, command_type="SAVE_RECORD")
    return result.model_copy(update={"result": {"source_id": saved.record_id, "dataset_id": saved.record_id}})


@router.get("")
def list_sources(
    database: DatabaseDep,
    connections: ConnectionsDep,
    syncs: SyncsDep,
    connection_id: Annotated[str | None, Query(max_length=400)] = None,
    status: Annotated[SyncStatus | None, Query(description="Only those whose sync stands so; `failed` waits for you.")] = None,
) -> Envelope[SourceList]:
    """List the sources of a database, or of one connection, and where their syncs stand."""
    found = [source_answer(item, syncs.state(item)) for item in connections.sources(database, connection_id=connection_id)]
    kept = [item for item in found if status is None or item.sync.status == status]
    return Envelope(message=f"{len(kept)} sources", data=SourceList(sources=kept))


@router.post("/{source_id:path}/sync", status_code=202)
def sync_source(
    *,
    source: SourceDep,
    request: Request,
    syncs: SyncsDep,
    settling: SettlingDep,
    force: Annotated[bool, Query(description="Read it also where its change token says that nothing changed.")] = False,
) -> SyncStarted:
    """Bring the dataset of a source up to date, now. It goes on in the background; `Prefer: wait=N` waits for it."""

    def work(report: Report) -> dict[str, object]:
        outcome = syncs.sync(source.database, source.source_id, is_forced=force, progress=lambda rows: report({"rows": rows}))
        return outcome_json(outcome)

    board = edge_of(request.scope).tasks
    task = board.start("connector-sync", work)
    found = settling.task(board, task.task_id, what="sync")
    return SyncStarted(
        task_id=found.task_id, status=found.status, message=found.message, status_url=found.status_url, sync=found.result
    )


@router.get("/{source_id:path}/runs")
def list_runs(source: SourceDep, syncs: SyncsDep) -> Envelope[RunsAnswer]:
    """List the newest runs that changed something or failed."""
    body = runs_answer(source, syncs.state(source))
    return Envelope(message=f"{len(body.runs)} runs", data=body)


@router.post("/{source_id:path}/retry", openapi_extra=counts_as(WRITE))
def retry(source: SourceDep, syncs: SyncsDep, principal: PrincipalDep) -> Envelope[RunsAnswer]:
    """Let a failed or discarded sync be tried again, with all its attempts."""
    state = syncs.retry(source.database, source.source_id, actor=principal.actor)
    return Envelope(message="it is tried again in a moment", data=runs_answer(source, state))


@router.post("/{source_id:path}/discard", openapi_extra=counts_as(WRITE))
def discard(source: SourceDep, syncs: SyncsDep, principal: PrincipalDep) -> Envelope[RunsAnswer]:
    """Give a failed sync up: the source rests until it is retried."""
    state = syncs.discard(source.database, source.source_id, actor=principal.actor)
    return Envelope(message="it rests until it is retried", data=runs_answer(source, state))


@router.get("/{source_id:path}")
def get_source(source: SourceDep, syncs: SyncsDep) -> Envelope[SourceAnswer]:
    """Return one source, and where its sync stands."""
    return Envelope(message=source.source_id, data=source_answer(source, syncs.state(source)))


@router.delete("/{source_id:path}", status_code=202, openapi_extra=counts_as(WRITE))
def delete_source(
    source: SourceDep,
    connections: ConnectionsDep,
    caller: CallerDep,
    settling: SettlingDep,
    expected_seq: Annotated[int | None, Query(ge=0)] = None,
) -> CommandResult:
    """Remove a source; its dataset stays."""
    accepted = connections.delete_source(
        source.database, source.source_id, expected_seq=expected_seq, **caller.origin(source.database)
    )
    return settling.result(accepted, command_type="DELETE_RECORD")
