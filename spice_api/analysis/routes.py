"""Inferring types. Nothing is stored."""

from typing import Any

from fastapi import APIRouter

from spice_api.analysis.schemas import Analysis, AnalyzeBody, SuggestBody, SuggestedSchema
from spice_api.dependencies import PlatformDep
from spice_api.json_route import StrictJsonRoute
from spice_core.bootstrap import Platform, state_directory
from spice_core.domain import naming
from spice_core.domain.datasets import Column
from spice_core.domain.suggestions import class_definition, property_names
from spice_core.services.infer_types import InferTypes

router = APIRouter(prefix="/api/v1/funnel", tags=["analysis"], route_class=StrictJsonRoute)


@router.post("/analyze")
def analyze(body: AnalyzeBody, platform: PlatformDep) -> Analysis:
    """Tell the type of every column, with its confidence and the reason. Suggestions, never a gate."""
    return _analysis(platform, body)


@router.post("/suggest-schema")
def suggest_schema(body: SuggestBody, platform: PlatformDep) -> SuggestedSchema:
    """Suggest a class that the rows would fit; its first column that is unique and never empty becomes the primary key."""
    naming.class_id(body.class_name)
    analysis = _analysis(platform, body)
    return SuggestedSchema(schema_suggestion=_class_of(body.class_name, analysis), analysis=analysis)


@router.get("/health")
async def health() -> dict[str, str]:
    """Say that the service is up."""
    return {"status": "healthy", "service": "funnel"}


def _analysis(platform: Platform, body: AnalyzeBody) -> Analysis:
    infer = InferTypes(tables=platform.tables, scratch=state_directory(platform.settings) / "scratch")
    rows = body.data[: body.sample_size]
    return Analysis.model_validate(infer.of_rows(body.columns, rows, include_complex=body.include_complex_types))


def _class_of(name: str, analysis: Analysis) -> dict[str, Any]:
    columns = [Column(item.column_name, item.inferred_type.type, nullable=item.null_count > 0) for item in analysis.columns]
    unique = [item.column_name for item in analysis.columns if item.null_count == 0 and item.unique_ratio == 1.0]
    names = property_names([column.name for column in columns])
    return class_definition(name, columns, names, unique[:1], {})
