"""Shapes of what is found in Google Sheets."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from spice_api.analysis.schemas import ColumnAnalysis, ColumnRisk, RiskPolicy
from spice_api.envelope import Strict
from spice_core.ports.connector import FoundSource
from spice_core.services.preview_source import Preview, PreviewTable

_ADDRESS = "https://docs.google.com/spreadsheets/d/1BxiMVs0XRA5nFMdKvBdBZjgmUUqptlbs74OgvE2upms/edit#gid=0"


class WorksheetBody(Strict):
    """Which worksheet to look into, and with whose credentials."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"sheet_url": _ADDRESS, "worksheet_name": "Class Data"}]})

    sheet_url: str = Field(min_length=1, max_length=1000, description="The spreadsheet's address, or its id.")
    worksheet_name: str | None = Field(
        default=None, max_length=255, description="Left out: the one of the address's `gid`, else the first."
    )
    connection_id: str | None = Field(
        default=None, max_length=400, description="Read with this connection's credentials, one of the spreadsheets it names."
    )
    api_key: str | None = Field(
        default=None, max_length=200, description="Reads public spreadsheets; left out: the operator's key. It is not kept."
    )
    values: Literal["unformatted", "formatted"] = Field(
        default="unformatted", description="What cells hold, or what people see (currency signs, leading zeros)."
    )


class PreviewBody(WorksheetBody):
    """Which worksheet to preview, and how much of it."""

    sample_size: int = Field(default=1000, ge=1, le=100_000, description="How many rows of the worksheet to read.")
    limit: int = Field(default=20, ge=0, le=1000, description="How many rows of each table to show.")


class WorksheetAnswer(BaseModel):
    """A worksheet as Google tells of it; `key` makes it a source of a connection."""

    key: str
    title: str
    worksheet: str
    row_count: int | None = Field(description="Of the grid, empty rows included.")


class TableAnswer(BaseModel):
    """A table as a dataset would have it."""

    name: str = Field(description="What the dataset would be called.")
    row_count: int
    reject_count: int
    region: dict[str, Any] = Field(description="Where in the worksheet it lies; empty where that is one plain table.")
    columns: list[ColumnAnalysis]
    primary_key_candidates: list[list[str]]
    rows: list[dict[str, Any]] = Field(description="The first rows, typed: decimals, dates and times as text.")
    notes: list[str]
    risk_summary: list[ColumnRisk]


class PreviewAnswer(BaseModel):
    """What a worksheet would become; the types are of the rows that were read."""

    source: WorksheetAnswer
    rows_read: int
    is_whole: bool = Field(description="Whether there are no more rows.")
    tables: Annotated[list[TableAnswer], Field(description="The largest first.")]
    risk_policy: RiskPolicy


def preview_answer(found: FoundSource, preview: Preview) -> PreviewAnswer:
    """Return a preview as clients read it."""
    return PreviewAnswer(
        source=WorksheetAnswer(key=found.key, title=found.title, worksheet=found.name, row_count=found.row_count),
        rows_read=preview.row_count,
        is_whole=preview.is_whole,
        tables=[_table(table) for table in preview.tables],
        risk_policy=RiskPolicy(stage="funnel", suggestion_only=True, hard_gate=False),
    )


def _table(table: PreviewTable) -> TableAnswer:
    built = table.built
    columns = [ColumnAnalysis.model_validate(dict(column.statistics)) for column in built.columns]
    return TableAnswer(
        name=built.name,
        row_count=built.row_count,
        reject_count=built.reject_count,
        region=dict(built.region),
        columns=columns,
        primary_key_candidates=[list(names) for names in built.keys],
        rows=list(table.rows),
        notes=list(built.notes),
        risk_summary=[
            ColumnRisk(column=column.column_name, **flag.model_dump()) for column in columns for flag in column.risk_flags
        ],
    )
