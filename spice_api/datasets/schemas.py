"""Shapes of datasets and their versions."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from spice_api.mappings.schemas import SuggestionBody
from spice_core.domain.datasets import Dataset, DatasetVersion


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


class UploadBody(BaseModel):
    """An upload that became a dataset version."""

    dataset: DatasetBody
    version: VersionBody
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
    )


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
