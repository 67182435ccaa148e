"""Shapes of searches."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from spice_api.envelope import Strict
from spice_api.graph_query.schemas import Filters, SortBody


class SearchBody(Strict):
    """What to find. Filters, sort and facets need one class, whose properties type them."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"text": "shirt", "classes": ["Product"], "facets": ["color"]}]})

    text: str | None = Field(
        default=None, min_length=1, max_length=1000, description='Words; `wor*` is a prefix, `"two words"` stand side by side.'
    )
    classes: list[str] = Field(default_factory=list, max_length=100, description="Left out: all classes.")
    fuzzy: bool = Field(default=False, description="Words may be misspelled a little.")
    filters: Filters = Field(default_factory=dict)
    sort: SortBody | None = None
    facets: list[str] = Field(default_factory=list, max_length=20, description="Count the values of these properties.")
    facet_limit: int = Field(default=20, ge=1, le=1000)
    limit: int = Field(default=20, ge=1, le=1000)
    offset: int = Field(default=0, ge=0, le=10_000)
    after: str | None = Field(default=None, max_length=4000, description="`next_after` of the page before.")
    highlight: bool = False


class HitBody(BaseModel):
    """One document found."""

    id: str = Field(examples=["Product/prod_001"])
    class_id: str
    data: dict[str, Any]
    position: int = Field(description="The log position of the command that made this state.")
    updated_at: datetime
    highlights: dict[str, str] = Field(description="Fragments by field, matches between `<em>` and `</em>`.")


class Bucket(BaseModel):
    """How many documents hold a value."""

    value: Any
    count: int


class SearchAnswer(BaseModel):
    """One page of documents."""

    hits: list[HitBody]
    total: int
    total_is_exact: bool = Field(description="False where there are more than `total`.")
    next_after: str | None
    facets: dict[str, list[Bucket]]
    branch: str
    warnings: list[str]
