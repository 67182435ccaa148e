"""Reading datasets and their versions."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal
from urllib.parse import quote

from fastapi import APIRouter, Path, Query
from fastapi.responses import StreamingResponse

from spice_api.datasets.ingesting import ReaderDep, SuggestDep
from spice_api.datasets.schemas import (
    DatasetBody,
    DatasetList,
    Preview,
    Profile,
    Rejects,
    Sample,
    SchemaDiffBody,
    VersionBody,
    VersionList,
    dataset_body,
    preview_body,
    profile_body,
    schema_diff_body,
    version_body,
)
from spice_api.dependencies import MAIN, CallerDep, Offset, PlatformDep
from spice_api.envelope import CommandResult, Envelope
from spice_api.json_route import StrictJsonRoute
from spice_api.known_datasets import DatasetDep
from spice_api.mappings.schemas import SuggestionBody, suggestion_body
from spice_api.reading import BarrierDep
from spice_api.route_rates import counts_as
from spice_api.waiting import SettlingDep
from spice_core.domain.datasets import Dataset, DatasetVersion
from spice_core.domain.rates import WRITE
from spice_core.errors import DatasetNotFound
from spice_core.services.compare_schemas import compare_schemas
from spice_core.services.read_datasets import ReadDatasets
from spice_core.services.submit_registry import RegistryCommands

router = APIRouter(prefix="/api/v1/pipelines/datasets", tags=["datasets"], route_class=StrictJsonRoute)

VersionId = Annotated[str, Path(max_length=100, description="The version's id.")]


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
    body = preview_body(reader, dataset.database, version_id, offset=offset, limit=limit)
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
def download(
    *,
    dataset: DatasetDep,
    version_id: VersionId,
    reader: ReaderDep,
    file_format: Annotated[Literal["csv", "parquet"], Query(alias="format")] = "csv",
) -> StreamingResponse:
    """Download a version: as CSV, in which text that a spreadsheet would run as a formula is quoted, or as Parquet, typed.

    The Parquet file is the version's own: `__row` is the row in the file that was uploaded (of large texts there is no such
    column: rows are in their places), `__rejects` the texts (JSON) that did not fit their columns.
    """
    version = _version_of(reader, dataset, version_id)
    headers = {"Content-Disposition": f'attachment; filename="{dataset.name}-v{version.number}.{file_format}"'}
    if file_format == "parquet":
        rows = reader.parquet(dataset.database, version_id)
        return StreamingResponse(rows, media_type="application/vnd.apache.parquet", headers=headers)
    return StreamingResponse(reader.csv(dataset.database, version_id), media_type="text/csv; charset=utf-8", headers=headers)


@router.get("/{dataset_id:path}/versions/{version_id}/media/{number}", response_class=StreamingResponse)
def media(
    dataset: DatasetDep,
    version_id: VersionId,
    reader: ReaderDep,
    number: Annotated[int, Path(ge=1, le=1_000_000, description="As the row's `reference` has it.")],
) -> StreamingResponse:
    """Download one of the files of a media upload, as it came."""
    _version_of(reader, dataset, version_id)
    found, content = reader.media(dataset.database, version_id, number)
    headers = {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(found.name, safe='')}",
        "Content-Length": str(found.size_bytes),
        "ETag": f'"{found.sha256}"',
        "X-Content-Type-Options": "nosniff",  # a browser shows nothing that a stranger uploaded on our address
    }
    return StreamingResponse(content, media_type=found.media_type, headers=headers)


@router.get("/{dataset_id:path}/versions/{version_id}/profile")
def profile(dataset: DatasetDep, version_id: VersionId, reader: ReaderDep) -> Envelope[Profile]:
    """Return what is known of every column of a version: type and how sure it is, counts, frequent values, risks."""
    body = profile_body(_version_of(reader, dataset, version_id))
    return Envelope(message=f"{len(body.columns)} columns", data=body)


@router.get("/{dataset_id:path}/versions/{version_id}/sample")
def sample(dataset: DatasetDep, version_id: VersionId, reader: ReaderDep) -> Envelope[Sample]:
    """Return the first rows of a version as they were kept with it."""
    _version_of(reader, dataset, version_id)
    rows = reader.sample(dataset.database, version_id)
    return Envelope(message=f"{len(rows)} rows", data=Sample(version_id=version_id, rows=rows))


@router.get("/{dataset_id:path}/versions/{version_id}/schema-diff")
def schema_diff(
    dataset: DatasetDep,
    version_id: VersionId,
    reader: ReaderDep,
    against: Annotated[str | None, Query(max_length=100, description="A version's id; left out: the one before.")] = None,
) -> Envelope[SchemaDiffBody]:
    """Return which columns were added, removed, perhaps renamed, or changed their type or their gaps."""
    version = _version_of(reader, dataset, version_id)
    if against is None:
        stored = dict(version.schema_diff) or compare_schemas(version.columns, version.columns).as_json()
        return Envelope(message=_diff_message(stored), data=schema_diff_body(version_id, stored))
    other = _version_of(reader, dataset, against)
    found = {"against": against} | compare_schemas(other.columns, version.columns).as_json()
    return Envelope(message=_diff_message(found), data=schema_diff_body(version_id, found))


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
    return Envelope(message=version_id, data=version_body(_version_of(reader, dataset, version_id)))


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


def _diff_message(found: Mapping[str, Any]) -> str:
    return "the columns are the same" if found["is_same"] else "the columns changed"


def _version_of(reader: ReadDatasets, dataset: Dataset, version_id: str) -> DatasetVersion:
    version = reader.version(dataset.database, version_id)
    if version.dataset_id != dataset.dataset_id:
        raise DatasetNotFound(f"{dataset.dataset_id} has no version {version_id[:100]!r}")
    return version
