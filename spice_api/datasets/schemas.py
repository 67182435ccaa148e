"""Shapes of datasets and their versions."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from spice_api.mappings.schemas import SuggestionBody
from spice_core.domain.datasets import Dataset, DatasetVersion
from spice_core.services.read_datasets import ReadDatasets


class ColumnBody(BaseModel):
    """One column of a version."""

    name: str
    type: str
    nullable: bool
    statistics: dict[str, Any]


class VersionBody(BaseModel):
    """One immutable version of a dataset."""

    version_id: str
    dataset_id: str
    number: int
    commit_id: str = Field(description="The commit of the dataset store: the version's identity.")
    content_sha256: str
    size_bytes: int
    row_count: int
    reject_count: int = Field(description="Rows that could not be read; see the version's rejects.")
    columns: list[ColumnBody]
    schema_hash: str
    primary_key_candidates: list[list[str]] = Field(description="Column lists that identify every row, best first.")
    dialect: dict[str, Any]
    filename: str
    created_at: datetime
    created_by: str | None
    region: dict[str, Any] = Field(description="Where in its file the table lies: sheet, box, mode, headers, confidence.")
    notes: list[str] = Field(description="What stands around the table, and what was changed on the way.")
    schema_diff: dict[str, Any] = Field(description="Against the version before; empty for a first one.")
    ingest_request_id: str
    source: dict[str, Any] = Field(description="Where the file came from, and its format.")


class DatasetBody(BaseModel):
    """A named line of versions on a branch of a database."""

    dataset_id: str = Field(examples=["demo:main:products"])
    db_name: str
    branch: str
    name: str
    source_type: str
    created_at: datetime
    latest: VersionBody | None


class DatasetList(BaseModel):
    """Datasets by name."""

    datasets: list[DatasetBody]


class VersionList(BaseModel):
    """Versions, newest first."""

    dataset_id: str
    versions: list[VersionBody]


class Preview(BaseModel):
    """Some rows of a version, typed."""

    version_id: str
    columns: list[str]
    rows: list[dict[str, Any]]
    offset: int
    total: int


class Rejects(BaseModel):
    """Rows that were refused and values that did not fit, with reasons."""

    version_id: str
    reject_count: int
    rejects: list[dict[str, Any]]


class Profile(BaseModel):
    """What is known of every column."""

    version_id: str
    row_count: int
    reject_count: int
    columns: list[dict[str, Any]]


class Sample(BaseModel):
    """The first rows of a version, typed."""

    version_id: str
    rows: list[dict[str, Any]]


class RenameBody(BaseModel):
    """A guess that a column has another name now."""

    before: str
    after: str
    confidence: float


class ColumnChangeBody(BaseModel):
    """A property of a column that differs."""

    column: str
    before: str | bool
    after: str | bool


class SchemaDiffBody(BaseModel):
    """What changed between the columns of two versions."""

    version_id: str
    against: str | None
    added: list[str]
    removed: list[str]
    renamed: list[RenameBody]
    types: list[ColumnChangeBody]
    nullability: list[ColumnChangeBody]
    is_reordered: bool
    is_same: bool
    is_breaking: bool = Field(description="Whether somebody who reads by name and type may stumble.")


class TableBody(BaseModel):
    """One table of a file: the dataset it went to, and the version it became."""

    dataset: DatasetBody
    version: VersionBody


class UploadBody(BaseModel):
    """An upload that became a dataset version."""

    dataset: DatasetBody = Field(description="Of the only or largest table, as are version, preview and suggestion.")
    version: VersionBody
    tables: list[TableBody] = Field(description="All tables of the file, the largest first.")
    preview: Preview
    source: dict[str, Any]
    funnel_analysis: dict[str, Any] = Field(description="What is known of each column, and how sure its type is.")
    ingest_request_id: str
    schema_status: Literal["PENDING", "APPROVED"]
    schema_suggestion: SuggestionBody = Field(description="A class and a mapping to edit and save.")
    objectify_job_id: str | None


def version_body(version: DatasetVersion) -> VersionBody:
    """Return a version as clients read it."""
    return VersionBody(
        version_id=version.version_id,
        dataset_id=version.dataset_id,
        number=version.number,
        commit_id=version.commit_id,
        content_sha256=version.content_sha256,
        size_bytes=version.size_bytes,
        row_count=version.row_count,
        reject_count=version.reject_count,
        columns=[
            ColumnBody(name=item.name, type=item.type, nullable=item.nullable, statistics=dict(item.statistics))
            for item in version.columns
        ],
        schema_hash=version.schema_hash,
        primary_key_candidates=[list(names) for names in version.primary_key_candidates],
        dialect=dict(version.dialect),
        filename=version.filename,
        created_at=version.created_at,
        created_by=version.created_by,
        region=dict(version.region),
        notes=list(version.notes),
        schema_diff=dict(version.schema_diff),
        ingest_request_id=version.request_id or version.version_id,
        source=dict(version.source),
    )


def profile_body(version: DatasetVersion) -> Profile:
    """Return what is known of the columns of a version."""
    columns = [dict(column.statistics) for column in version.columns]
    return Profile(version_id=version.version_id, row_count=version.row_count, reject_count=version.reject_count, columns=columns)


def preview_body(reader: ReadDatasets, database: str, version_id: str, *, offset: int, limit: int) -> Preview:
    """Return some rows of a version."""
    version = reader.version(database, version_id)
    rows = reader.preview(database, version_id, offset=offset, limit=limit)
    columns = [column.name for column in version.columns]
    return Preview(version_id=version_id, columns=columns, rows=rows, offset=offset, total=version.row_count)


def schema_diff_body(version_id: str, found: Mapping[str, Any]) -> SchemaDiffBody:
    """Return a diff of columns; of a first version against none."""
    return SchemaDiffBody(version_id=version_id, **{"against": None, **found})


def dataset_body(dataset: Dataset) -> DatasetBody:
    """Return a dataset as clients read it."""
    return DatasetBody(
        dataset_id=dataset.dataset_id,
        db_name=dataset.database,
        branch=dataset.branch,
        name=dataset.name,
        source_type=dataset.source_type,
        created_at=dataset.created_at,
        latest=version_body(dataset.latest) if dataset.latest else None,
    )
