"""Shapes of connections, sources and syncs. Secrets go in and never come out."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from spice_api.envelope import Strict
from spice_core.domain.connectors import POLLING_SECONDS, Connection, ConnectorSource, DeletedPolicy, SyncRun, SyncState
from spice_core.ports.connector import ConfigField, ConnectorKind, FoundSource
from spice_core.services.sync_connectors import SyncOutcome

Value = str | int | float | bool | None


class FieldBody(BaseModel):
    """One field that a kind takes."""

    name: str
    description: str
    secret: bool
    required: bool
    choices: list[str]
    default: Value


class KindBody(BaseModel):
    """A kind of connection."""

    kind: str
    title: str
    connection_fields: list[FieldBody]
    source_fields: list[FieldBody]
    reads_changes: bool = Field(description="Whether a source may have a watermark column.")
    takes_consent: bool = Field(description="Whether a person may authorize it.")


class KindList(BaseModel):
    """The kinds that there are."""

    kinds: list[KindBody]


class ConnectionBody(Strict):
    """A connection to add or replace; `GET /kinds` tells the fields."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "budget",
                    "kind": "google_sheets",
                    "config": {"spreadsheets": "https://docs.google.com/spreadsheets/d/1aBcDeFgHiJkLmNoPqRs/edit"},
                    "secrets": {"api_key": "…"},
                }
            ]
        }
    )

    name: str = Field(min_length=1, max_length=100)
    kind: str = Field(min_length=1, max_length=50)
    config: dict[str, Value] = Field(default_factory=dict, max_length=50)
    secrets: dict[str, str] = Field(
        default_factory=dict,
        max_length=50,
        description="Write only. What is left out stays as it is, an empty text removes it.",
    )
    expected_seq: int | None = Field(default=None, ge=0, description="The version that the client saw; 0: it is not there yet.")


class SecretBody(BaseModel):
    """All that is told of a secret."""

    set: bool = True


class ConnectionAnswer(BaseModel):
    """A connection as it is kept."""

    connection_id: str
    db_name: str
    name: str
    kind: str
    config: dict[str, Value]
    secrets: dict[str, SecretBody]
    status: str = Field(description="active or needs_authorization")
    version: int


class ConnectionList(BaseModel):
    """Connections by name."""

    connections: list[ConnectionAnswer]


class CheckAnswer(BaseModel):
    """What the place said."""

    ok: bool = True
    message: str


class FoundBody(BaseModel):
    """Something that a connection offers; `key` is what a source names it by."""

    key: str
    title: str
    kind: str
    columns: list[str]
    key_columns: list[str]
    row_count: int | None


class FoundList(BaseModel):
    """What a connection offers."""

    sources: list[FoundBody]


class SourceBody(Strict):
    """A source to add or replace: one worksheet, table or query that fills one dataset."""

    connection_id: str = Field(min_length=1, max_length=400)
    key: str = Field(min_length=1, max_length=500, description="As the connection offers it, or `query:name`.")
    dataset_name: str = Field(min_length=1, max_length=100)
    branch: str = Field(default="main", max_length=200)
    title: str = Field(default="", max_length=500)
    options: dict[str, Value] = Field(default_factory=dict, max_length=50)
    key_columns: list[str] = Field(default_factory=list, max_length=50, description="What tells rows apart.")
    watermark_column: str | None = Field(default=None, max_length=200, description="Reads only what is new by this column.")
    overlap: float = Field(
        default=300.0, ge=0, le=1e12, description="How far behind the watermark to read again: seconds or units."
    )
    full_every_seconds: float = Field(default=86_400.0, gt=0, le=1e9, description="Deleted rows are seen by whole reads only.")
    has_header: bool | None = Field(default=None, description="Left out: by the look of the sheet.")
    polling_interval_seconds: float = Field(default=POLLING_SECONDS, ge=1, le=30 * 86_400)
    enabled: bool = True
    on_source_deleted: DeletedPolicy = Field(
        default=DeletedPolicy.KEEP, description="What happens to the dataset once the source is gone at its origin."
    )
    expected_seq: int | None = Field(default=None, ge=0)


class RunBody(BaseModel):
    """One sync that changed something or failed."""

    at: datetime
    result: str
    version_id: str | None
    row_count: int | None
    error: str | None
    seconds: float


class SyncBody(BaseModel):
    """Where the sync of a source stands."""

    status: str
    version_id: str | None
    attempts: int
    next_try_at: datetime | None
    synced_at: datetime | None = Field(description="When something new was last found, or the state last changed.")
    error: str | None
    error_code: str | None


class SourceAnswer(BaseModel):
    """A source as it is kept, and where its sync stands."""

    source_id: str
    db_name: str
    branch: str
    dataset_name: str
    connection_id: str
    key: str
    title: str
    options: dict[str, Value]
    key_columns: list[str]
    watermark_column: str | None
    overlap: float
    full_every_seconds: float
    has_header: bool | None
    polling_interval_seconds: float
    enabled: bool
    on_source_deleted: DeletedPolicy
    version: int
    sync: SyncBody


class SourceList(BaseModel):
    """Sources by id."""

    sources: list[SourceAnswer]


class RunsAnswer(BaseModel):
    """The newest runs of a source, newest first: those that changed something or failed. The log has all of them."""

    source_id: str
    sync: SyncBody
    runs: list[RunBody]


class SyncStarted(BaseModel):
    """A sync that was started; `sync` once it has ended."""

    task_id: str
    status: str = Field(description="accepted, succeeded or failed: of the task; how the sync ended stands in `sync`")
    message: str
    status_url: str
    sync: dict[str, Any] | None = None


class ConsentAnswer(BaseModel):
    """Where a person consents; good for ten minutes, once."""

    authorization_url: str


def kind_body(kind: ConnectorKind, *, takes_consent: bool) -> KindBody:
    """Return a kind as clients read it."""
    return KindBody(
        kind=kind.name,
        title=kind.title,
        connection_fields=[_field(field) for field in kind.connection_fields],
        source_fields=[_field(field) for field in kind.source_fields],
        reads_changes=kind.reads_changes,
        takes_consent=takes_consent,
    )


def connection_answer(connection: Connection) -> ConnectionAnswer:
    """Return a connection as clients read it."""
    return ConnectionAnswer(
        connection_id=connection.connection_id,
        db_name=connection.database,
        name=connection.name,
        kind=connection.kind,
        config=dict(connection.config),
        secrets={name: SecretBody() for name in connection.secret_fields},
        status=connection.status,
        version=connection.version,
    )


def found_body(found: FoundSource) -> FoundBody:
    """Return what a connection offers as clients read it."""
    return FoundBody(
        key=found.key,
        title=found.title,
        kind=found.kind,
        columns=list(found.columns),
        key_columns=list(found.key_columns),
        row_count=found.row_count,
    )


def source_of_body(body: SourceBody, database: str) -> ConnectorSource:
    """Return the source that a client sent; its id and incarnation are not known yet."""
    return ConnectorSource(
        source_id="",
        database=database,
        branch=body.branch,
        dataset=body.dataset_name,
        connection_id=body.connection_id,
        key=body.key,
        incarnation="",
        title=body.title,
        options=body.options,
        key_columns=tuple(body.key_columns),
        watermark_column=body.watermark_column,
        overlap=body.overlap,
        full_every_seconds=body.full_every_seconds,
        has_header=body.has_header,
        polling_interval_seconds=body.polling_interval_seconds,
        is_enabled=body.enabled,
        on_source_deleted=body.on_source_deleted,
    )


def source_answer(source: ConnectorSource, state: SyncState) -> SourceAnswer:
    """Return a source as clients read it."""
    return SourceAnswer(
        source_id=source.source_id,
        db_name=source.database,
        branch=source.branch,
        dataset_name=source.dataset,
        connection_id=source.connection_id,
        key=source.key,
        title=source.title,
        options=dict(source.options),
        key_columns=list(source.key_columns),
        watermark_column=source.watermark_column,
        overlap=source.overlap,
        full_every_seconds=source.full_every_seconds,
        has_header=source.has_header,
        polling_interval_seconds=source.polling_interval_seconds,
        enabled=source.is_enabled,
        on_source_deleted=source.on_source_deleted,
        version=source.version,
        sync=sync_body(state),
    )


def sync_body(state: SyncState) -> SyncBody:
    """Return where a sync stands as clients read it."""
    names = ("version_id", "attempts", "next_try_at", "synced_at", "error", "error_code")
    return SyncBody(status=state.status, **{name: getattr(state, name) for name in names})


def runs_answer(source: ConnectorSource, state: SyncState) -> RunsAnswer:
    """Return the runs of a source as clients read them."""
    return RunsAnswer(source_id=source.source_id, sync=sync_body(state), runs=[_run(run) for run in state.runs])


def outcome_json(outcome: SyncOutcome) -> dict[str, Any]:
    """Return how a sync ended as a JSON object."""
    return {
        "source_id": outcome.source_id,
        "result": outcome.result,
        "version_id": outcome.version_id,
        "row_count": outcome.row_count,
        "error": outcome.error,
        "state": sync_body(outcome.state).model_dump(mode="json"),
    }


def _field(field: ConfigField) -> FieldBody:
    return FieldBody(
        name=field.name,
        description=field.description,
        secret=field.is_secret,
        required=field.is_required,
        choices=list(field.choices),
        default=field.default,
    )


def _run(run: SyncRun) -> RunBody:
    return RunBody(
        at=run.at, result=run.result, version_id=run.version_id, row_count=run.row_count, error=run.error, seconds=run.seconds
    )
