"""Uploads on record: where they are, why they failed, and whether a person agreed to their schema."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query

from spice_api.admin_reads import audited_read
from spice_api.datasets.ingest_schemas import (
    ApprovalAnswer,
    ApprovalBody,
    IngestRequestBody,
    IngestRequestList,
    ReconciliationBody,
    request_body,
)
from spice_api.datasets.ingesting import CorrectDep, IngestDep, ReconcileDep
from spice_api.datasets.schemas import version_body
from spice_api.dependencies import MAIN, DatabaseQuery, Limit, Offset, PlatformDep, PrincipalDep
from spice_api.envelope import Envelope
from spice_api.json_route import StrictJsonRoute
from spice_api.reading import BarrierDep
from spice_api.route_rates import counts_as
from spice_core.domain.corrections import correction_of_json
from spice_core.domain.ingest_requests import IngestState
from spice_core.domain.rates import WRITE

router = APIRouter(prefix="/api/v1/pipelines/ingest-requests", tags=["datasets"], route_class=StrictJsonRoute)

RequestId = Annotated[str, Path(max_length=100, description="The ingest request's id: `ingest_request_id` of an upload.")]


@router.get("")
def list_requests(
    *,
    platform: PlatformDep,
    ingest: IngestDep,
    barrier: BarrierDep,
    db_name: DatabaseQuery,
    state: Annotated[IngestState | None, Query(description="Left out: every state.")] = None,
    dataset_id: Annotated[str | None, Query(max_length=400, description="Left out: every dataset.")] = None,
    offset: Offset = 0,
    limit: Limit = 100,
) -> Envelope[IngestRequestList]:
    """List the ingest requests of a database, those that changed last first; up to 10,000 can be paged through."""
    platform.commands.settled.view(db_name, MAIN)
    barrier.wait(db_name, "registry")
    found = ingest.requests.page(db_name, state=state, dataset_id=dataset_id, offset=offset, limit=limit)
    body = IngestRequestList(requests=[request_body(entry) for entry in found], offset=offset)
    return Envelope(message=f"{len(found)} ingest requests", data=body)


@router.post("/reconcile", dependencies=[Depends(audited_read)], openapi_extra=counts_as(WRITE))
def reconcile(
    reconciling: ReconcileDep,
    limit: Annotated[int, Query(ge=1, le=1000, description="End at most this many.")] = 200,
    stale_seconds: Annotated[int, Query(ge=60, le=86_400, description="Those that have not moved for so long.")] = 3600,
) -> Envelope[ReconciliationBody]:
    """End uploads that dead workers left: those whose bytes are kept are published, others fail and say so."""
    found = reconciling.run(limit, stale_seconds)
    body = ReconciliationBody.model_validate(found, from_attributes=True)
    return Envelope(message=f"{found.published} published, {found.aborted} aborted, {found.skipped} skipped", data=body)


@router.get("/{request_id}")
def get_request(
    platform: PlatformDep, ingest: IngestDep, db_name: DatabaseQuery, request_id: RequestId
) -> Envelope[IngestRequestBody]:
    """Return one ingest request: its state, what it made, and of a failed one why and what to do."""
    platform.commands.settled.view(db_name, MAIN)
    found = ingest.requests.get(db_name, request_id)
    return Envelope(message=found.state.value, data=request_body(found))


@router.post("/{request_id}/schema/approve", openapi_extra=counts_as(WRITE))
def approve_schema(
    *,
    platform: PlatformDep,
    correct: CorrectDep,
    principal: PrincipalDep,
    db_name: DatabaseQuery,
    request_id: RequestId,
    body: ApprovalBody,
) -> Envelope[ApprovalAnswer]:
    """Approve the schema of an upload. Corrections make a new version of the same bytes, and hold for the next uploads, too.

    The same approval again gives the same answer.
    """
    platform.commands.settled.view(db_name, MAIN)
    corrections = [correction_of_json(entry.model_dump(exclude_none=True)) for entry in body.corrections]
    done = correct.approve(db_name, request_id, corrections=corrections, dataset_id=body.dataset_id, actor=principal.actor)
    version = version_body(done.version) if done.version else None
    message = f"version {version.number}" if version else "approved"
    return Envelope(message=message, data=ApprovalAnswer(request=request_body(done.request), version=version))
