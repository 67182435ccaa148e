"""Inferring types. Nothing is stored."""

from typing import Any

from fastapi import APIRouter

from spice_api.analysis.schemas import Analysis, AnalyzeBody, SuggestBody, SuggestedSchema
from spice_api.dependencies import PlatformDep
from spice_api.json_route import StrictJsonRoute
from spice_core.bootstrap import Platform, state_directory
from spice_core.domain import naming
from spice_core.services.infer_types import InferTypes

router = APIRouter(prefix="/api/v1/funnel", tags=["analysis"], route_class=StrictJsonRoute)

_NOT_IN_NAMES = str.maketrans(dict.fromkeys(" .-/\\()[]{}:;,'\"#%&+*?!@$^~|<>=\t\r\n", "_"))


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
    names = _property_names([column.column_name for column in analysis.columns])
    key = next((column.column_name for column in analysis.columns if _identifies(column.null_count, column.unique_ratio)), None)
    return {
        "id": name,
        "label": name,
        "properties": [
            {
                "name": names[column.column_name],
                "label": column.column_name,
                "type": column.inferred_type.type,
                "required": column.column_name == key,
                "primaryKey": column.column_name == key,
            }
            for column in analysis.columns
        ],
        "relationships": [],
    }


def _identifies(null_count: int, unique_ratio: float) -> bool:
    return null_count == 0 and unique_ratio == 1.0


def _property_names(columns: list[str]) -> dict[str, str]:
    """Return a distinct property name for each header: letters, digits and `_`, not a digit first."""
    taken: set[str] = set()
    names: dict[str, str] = {}
    for number, column in enumerate(columns, start=1):
        base = "".join(part for part in column.translate(_NOT_IN_NAMES) if part.isascii() and (part.isalnum() or part == "_"))
        base = base.strip("_")[:90] or f"column_{number}"
        base = f"_{base}" if base[0].isdigit() else base
        name = base if base not in taken else f"{base}_{number}"
        taken.add(name)
        names[column] = name
    return names
