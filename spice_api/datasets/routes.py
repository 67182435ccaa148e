"""Uploading tables as versions of datasets, and reading them. Of an upload that is refused nothing is stored."""

from collections.abc import Iterator
from typing import Annotated, BinaryIO

from fastapi import APIRouter, Depends, File, Form, Header, Path, Query, Request, UploadFile
from fastapi.responses import StreamingResponse

from spice_api.datasets.schemas import (
    DatasetBody,
    DatasetList,
    Preview,
    Rejects,
    UploadBody,
    VersionBody,
    VersionList,
    dataset_body,
    version_body,
)
from spice_api.dependencies import MAIN, BranchQuery, CallerDep, Offset, PlatformDep, PrincipalDep
from spice_api.edge import edge_of
from spice_api.envelope import CommandResult, Envelope
from spice_api.json_route import StrictJsonRoute
from spice_api.known_datasets import DatasetDep
from spice_api.mappings.schemas import SuggestionBody, suggestion_body
from spice_api.reading import BarrierDep
from spice_api.route_rates import counts_as
from spice_api.waiting import SettlingDep
from spice_core.bootstrap import ingest_dataset
from spice_core.domain.datasets import Dataset
from spice_core.domain.rates import WRITE
from spice_core.errors import DatasetNotFound, InvalidInput
from spice_core.services.ingest_dataset import IngestDataset, UploadRequest, dataset_name_of
from spice_core.services.read_datasets import ReadDatasets
from spice_core.services.submit_registry import RegistryCommands
from spice_core.services.suggest_mapping import SuggestMapping

router = APIRouter(prefix="/api/v1/pipelines/datasets", tags=["datasets"], route_class=StrictJsonRoute)

_CHUNK = 1 << 20
_PREVIEW_ROWS = 20

VersionId = Annotated[str, Path(max_length=100, description="The version's id.")]


def ingest_of(request: Request, platform: PlatformDep) -> IngestDataset:
    """Return what takes uploads in."""
    return ingest_dataset(platform, room=edge_of(request.scope).uploads)


async def reader_of(platform: PlatformDep) -> ReadDatasets:
    """Return what reads versions."""
    return ReadDatasets(datasets=platform.datasets, tables=platform.tables, registry=platform.registry)


ReaderDep = Annotated[ReadDatasets, Depends(reader_of)]


async def suggest_of(platform: PlatformDep, reading: ReaderDep) -> SuggestMapping:
    """Return what suggests classes and mappings."""
    return SuggestMapping(registry=platform.registry, reading=reading, tables=platform.tables, commands=platform.commands)


async def idempotency_key_of(
    idempotency_key: Annotated[
        str | None, Header(max_length=200, description="Required: makes a repeated upload harmless.")
    ] = None,
    x_idempotency_key: Annotated[str | None, Header(max_length=200)] = None,
) -> str:
    """Return the key of an upload. Raises `InvalidInput` where there is none."""
    key = idempotency_key or x_idempotency_key
    if not key:
        raise InvalidInput("an upload needs an Idempotency-Key header: any text of your choice, another one for another upload")
    return key


IngestDep = Annotated[IngestDataset, Depends(ingest_of)]
SuggestDep = Annotated[SuggestMapping, Depends(suggest_of)]
KeyDep = Annotated[str, Depends(idempotency_key_of)]


@router.post("/csv-upload")
def upload_csv(
    *,
    file: Annotated[UploadFile, File(description="The table as text; delimiter, encoding and header are found out.")],
    db_name: Annotated[str, Query(max_length=100, examples=["demo"])],
    key: KeyDep,
    platform: PlatformDep,
    ingest: IngestDep,
    reader: ReaderDep,
    suggest: SuggestDep,
    principal: PrincipalDep,
    branch: BranchQuery = MAIN,
    dataset_name: Annotated[str | None, Form(max_length=200, description="Left out: made of the file's name.")] = None,
    delimiter: Annotated[str | None, Form(max_length=10)] = None,
    has_header: Annotated[bool | None, Form()] = None,
) -> Envelope[UploadBody]:
    """Upload a table as a new version of a dataset.

    The same key with the same file gives the same version again; with another file it is a 409 and nothing changes. An upload
    that failed may be repeated with its key.
    """
    filename = file.filename or "upload.csv"
    request = UploadRequest(
        database=db_name,
        branch=branch,
        name=dataset_name or dataset_name_of(filename),
        filename=filename,
        key=key,
        delimiter=delimiter,
        has_header=has_header,
        actor=principal.actor,
    )
    version = ingest.run(request, _chunks(file.file))
    dataset = platform.registry.dataset(db_name, version.dataset_id)
    if dataset is None:
        raise DatasetNotFound(f"dataset {version.dataset_id!r} was deleted meanwhile")
    body = UploadBody(
        dataset=dataset_body(dataset),
        version=version_body(version),
        preview=_preview(reader, db_name, version.version_id, offset=0, limit=_PREVIEW_ROWS),
        source={"type": "csv", "filename": filename, "size_bytes": version.size_bytes},
        funnel_analysis={"columns": [dict(column.statistics) for column in version.columns]},
        ingest_request_id=version.version_id,
        schema_status="PENDING",
        schema_suggestion=suggestion_body(suggest.suggest(db_name, dataset.dataset_id, version_id=version.version_id)),
        objectify_job_id=None,
    )
    return Envelope(message=f"version {version.number} of {dataset.name}: {version.row_count} rows", data=body)


@router.get("")
def list_datasets(
    platform: PlatformDep,
    barrier: BarrierDep,
    db_name: Annotated[str, Query(max_length=100, examples=["demo"])],
    branch: Annotated[str | None, Query(max_length=200, description="Left out: all branches.")] = None,
) -> Envelope[DatasetList]:
    """List the datasets of a database with their newest versions."""
    platform.commands.settled.view(db_name, branch or MAIN)
    barrier.wait(db_name, "registry")
    found = platform.registry.datasets(db_name, branch=branch)
    return Envelope(message=f"{len(found)} datasets", data=DatasetList(datasets=[dataset_body(item) for item in found]))


@router.get("/{dataset_id:path}/versions")
def list_versions(
    dataset: DatasetDep, platform: PlatformDep, limit: Annotated[int, Query(ge=1, le=1000)] = 100
) -> Envelope[VersionList]:
    """List the versions of a dataset, newest first."""
    found = platform.registry.versions(dataset.database, dataset.dataset_id, limit=limit)
    body = VersionList(dataset_id=dataset.dataset_id, versions=[version_body(item) for item in found])
    return Envelope(message=f"{len(found)} versions", data=body)


@router.get("/{dataset_id:path}/versions/{version_id}/preview")
def preview(
    *,
    dataset: DatasetDep,
    version_id: VersionId,
    reader: ReaderDep,
    offset: Offset = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> Envelope[Preview]:
    """Return some rows of a version, typed: decimals, dates and times as text."""
    _version_of(reader, dataset, version_id)
    body = _preview(reader, dataset.database, version_id, offset=offset, limit=limit)
    return Envelope(message=f"{len(body.rows)} of {body.total} rows", data=body)


@router.get("/{dataset_id:path}/versions/{version_id}/rejects")
def rejects(
    dataset: DatasetDep, version_id: VersionId, reader: ReaderDep, limit: Annotated[int, Query(ge=1, le=10_000)] = 200
) -> Envelope[Rejects]:
    """List the rows that were refused and the values that did not fit, with reasons."""
    version = _version_of(reader, dataset, version_id)
    found = reader.rejects(dataset.database, version_id, limit=limit)
    body = Rejects(version_id=version_id, reject_count=version.reject_count, rejects=found)
    return Envelope(message=f"{version.reject_count} rows refused", data=body)


@router.get("/{dataset_id:path}/versions/{version_id}/download", response_class=StreamingResponse)
def download(dataset: DatasetDep, version_id: VersionId, reader: ReaderDep) -> StreamingResponse:
    """Download a version as CSV; text that a spreadsheet would run as a formula is quoted."""
    version = _version_of(reader, dataset, version_id)
    name = f"{dataset.name}-v{version.number}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(reader.csv(dataset.database, version_id), media_type="text/csv; charset=utf-8", headers=headers)


@router.get("/{dataset_id:path}/suggestion")
def suggestion(
    dataset: DatasetDep,
    suggest: SuggestDep,
    version_id: Annotated[str | None, Query(max_length=100, description="Left out: the newest version.")] = None,
    class_id: Annotated[str | None, Query(max_length=100, description="Left out: named after the dataset.")] = None,
) -> Envelope[SuggestionBody]:
    """Suggest a class and a mapping to it: edit both, define the class, save the mapping, run it."""
    found = suggest.suggest(dataset.database, dataset.dataset_id, version_id=version_id, class_id=class_id)
    return Envelope(message=f"class {found.mapping.class_id}", data=suggestion_body(found))


@router.get("/{dataset_id:path}/versions/{version_id}")
def get_version(dataset: DatasetDep, version_id: VersionId, reader: ReaderDep) -> Envelope[VersionBody]:
    """Return one version."""
    return Envelope(message=version_id, data=_version_of(reader, dataset, version_id))


@router.get("/{dataset_id:path}")
def get_dataset(dataset: DatasetDep) -> Envelope[DatasetBody]:
    """Return one dataset with its newest version."""
    return Envelope(message=dataset.name, data=dataset_body(dataset))


@router.delete("/{dataset_id:path}", status_code=202, openapi_extra=counts_as(WRITE))
def delete_dataset(dataset: DatasetDep, platform: PlatformDep, caller: CallerDep, settling: SettlingDep) -> CommandResult:
    """Remove a dataset with its versions and mappings from the catalogue; instances made of it stay."""
    commands = RegistryCommands(commands=platform.commands, registry=platform.registry)
    accepted = commands.delete_dataset(dataset.database, dataset.dataset_id, **caller.origin(dataset.database))
    return settling.result(accepted, command_type="DELETE_DATASET")


def _version_of(reader: ReadDatasets, dataset: Dataset, version_id: str) -> VersionBody:
    version = reader.version(dataset.database, version_id)
    if version.dataset_id != dataset.dataset_id:
        raise DatasetNotFound(f"{dataset.dataset_id} has no version {version_id[:100]!r}")
    return version_body(version)


def _preview(reader: ReadDatasets, database: str, version_id: str, *, offset: int, limit: int) -> Preview:
    version = reader.version(database, version_id)
    rows = reader.preview(database, version_id, offset=offset, limit=limit)
    columns = [column.name for column in version.columns]
    return Preview(version_id=version_id, columns=columns, rows=rows, offset=offset, total=version.row_count)


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    while chunk := file.read(_CHUNK):
        yield chunk
