"""Shapes of ingest requests."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from spice_api.datasets.schemas import VersionBody
from spice_api.envelope import Strict
from spice_core.domain.ingest_requests import IngestRequest, IngestState, SchemaStatus


class MadeBody(BaseModel):
    """A version that an ingest request made."""

    dataset_id: str
    version_id: str


class IngestErrorBody(BaseModel):
    """Why an ingest request failed, and what to do."""

    code: str
    message: str
    advice: str


class IngestRequestBody(BaseModel):
    """A file that was sent in."""

    ingest_request_id: str
    db_name: str
    branch: str
    dataset_id: str
    state: IngestState = Field(description="RAW_COMMITTED: the bytes are kept, a crash loses nothing from there on.")
    schema_status: SchemaStatus
    filename: str
    idempotency_key: str
    content_sha256: str
    size_bytes: int
    attempts: int
    versions: list[MadeBody] = Field(description="What it published, the largest table's first.")
    retyped: list[MadeBody] = Field(description="Versions made of the same bytes when columns were corrected.")
    error: IngestErrorBody | None
    origin: dict[str, Any] = Field(description="Where the file came from.")
    requested_by: str | None
    received_at: datetime
    finished_at: datetime | None


class IngestRequestList(BaseModel):
    """Ingest requests, those that changed last first."""

    requests: list[IngestRequestBody]
    offset: int


class CorrectionBody(Strict):
    """What a person says of one column; what is left out stays with the evidence."""

    column: str = Field(min_length=1, max_length=1000)
    type: str | None = Field(default=None, min_length=1, max_length=100, examples=["decimal"])
    reading: str | None = Field(default=None, min_length=1, max_length=100, description="How its texts are read.")
    null_words: list[str] | None = Field(default=None, max_length=100, description="All spellings that stand for nothing.")
    date_order: Literal["ymd", "dmy", "mdy"] | None = None
    scale: int | None = Field(default=None, ge=0, le=18, description="Digits behind the point of a decimal.")
    name: str | None = Field(default=None, min_length=1, max_length=1000, description="What it is called from now on.")


class ApprovalBody(Strict):
    """An approval, with corrections of columns or without."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"corrections": [{"column": "zip", "type": "string"}]}]})

    corrections: list[CorrectionBody] = Field(default_factory=list, max_length=2000)
    dataset_id: str | None = Field(default=None, max_length=400, description="Which of several tables the corrections are for.")


class ApprovalAnswer(BaseModel):
    """The request as it stands now, and the version that the corrections made."""

    request: IngestRequestBody
    version: VersionBody | None


class ReconciliationBody(BaseModel):
    """What was done."""

    published: int
    outbox_repaired: int = Field(description="Always 0: a version and its request's state are one append.")
    aborted: int
    committed_tx: int = Field(description="Of those above, requests whose bytes were kept although their state did not say so.")
    skipped: int


def request_body(request: IngestRequest) -> IngestRequestBody:
    """Return a request as clients read it."""
    asked = request.request
    return IngestRequestBody(
        ingest_request_id=request.request_id,
        db_name=asked.database,
        branch=asked.branch,
        dataset_id=asked.dataset_id,
        state=request.state,
        schema_status=request.schema_status,
        filename=asked.filename,
        idempotency_key=asked.key,
        content_sha256=request.content_sha256,
        size_bytes=request.size_bytes,
        attempts=request.attempts,
        versions=[MadeBody(dataset_id=made.dataset_id, version_id=made.version_id) for made in request.versions],
        retyped=[MadeBody(dataset_id=made.dataset_id, version_id=made.version_id) for made in request.retyped],
        error=IngestErrorBody.model_validate(dict(request.error)) if request.error else None,
        origin=dict(asked.origin),
        requested_by=asked.actor,
        received_at=request.received_at,
        finished_at=request.finished_at,
    )
