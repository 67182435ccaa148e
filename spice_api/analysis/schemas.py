"""Shapes of the funnel's analyses."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from spice_api.envelope import Strict

Cell = str | int | float | bool | None
Rows = Annotated[list[list[Cell]], Field(max_length=100_000, description="Rows of values, each as long as `columns`.")]
Columns = Annotated[
    list[Annotated[str, Field(min_length=1, max_length=1000)]],
    Field(min_length=1, max_length=2000, examples=[["product_id", "price"]]),
]


class AnalyzeBody(Strict):
    """A table to analyze."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"columns": ["code", "price"], "data": [["01234", "1.234,50"], ["00567", "99,00"]]}]}
    )

    data: Rows
    columns: Columns
    sample_size: int = Field(default=1000, ge=1, le=100_000, description="How many rows to look at.")
    include_complex_types: bool = Field(default=False, description="Also tell email, url, uuid, ip and time from plain text.")


class InferredType(BaseModel):
    """A type, how sure it is, and why."""

    type: str
    confidence: float
    reason: str
    metadata: dict[str, Any]


class RiskFlag(BaseModel):
    """Something to look at."""

    code: str
    severity: str
    message: str


class ColumnRisk(RiskFlag):
    """Something to look at in one column."""

    column: str


class ColumnAnalysis(BaseModel):
    """What is known of one column."""

    column_name: str
    inferred_type: InferredType
    total_count: int
    non_empty_count: int
    sample_values: list[Any]
    null_count: int
    unique_count: int
    null_ratio: float
    unique_ratio: float
    rejected_count: int
    profile: dict[str, Any]
    risk_flags: list[RiskFlag]


class RiskPolicy(BaseModel):
    """What the risks are for: suggestions, never a gate."""

    stage: Literal["funnel"]
    suggestion_only: bool
    hard_gate: bool


class Analysis(BaseModel):
    """What is known of a table."""

    columns: list[ColumnAnalysis]
    risk_summary: list[ColumnRisk]
    risk_count: int
    risk_policy: RiskPolicy


class SuggestBody(AnalyzeBody):
    """A table to make a class of."""

    class_name: str = Field(default="Table", min_length=1, max_length=100, examples=["Product"])


class SuggestedSchema(BaseModel):
    """A class that the rows would fit, ready for the ontology endpoint."""

    schema_suggestion: dict[str, Any]
    analysis: Analysis
