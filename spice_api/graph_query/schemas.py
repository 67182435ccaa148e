"""Shapes of graph questions and their answers."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from spice_api.envelope import Strict

Filters = Annotated[
    dict[str, Any],
    Field(
        description="Conditions on properties, all of which must hold. A value means equality; an object names operators "
        "(eq ne gt gte lt lte in not_in contains prefix is_null not_null). Values are compared by the property's type.",
        examples=[{"product_id": "prod_001"}, {"price": {"gte": 10, "lt": 20}}],
        max_length=50,
    ),
]


class HopBody(Strict):
    """One hop: follow `predicate` to nodes of `target_class` or a subclass of it."""

    predicate: str = Field(min_length=1, max_length=100, examples=["owned_by"])
    target_class: str | None = Field(
        default=None, max_length=100, examples=["Customer"], description="Left out: the relationship's own target."
    )
    direction: Literal["out", "in"] = Field(default="out", description="`in` follows links that arrive, against their direction.")
    filters: Filters = Field(default_factory=dict)


class SortBody(Strict):
    """Order by one property, nulls last, ties by id."""

    field: str = Field(min_length=1, max_length=100)
    descending: bool = False


class GraphQueryBody(Strict):
    """A question: start nodes of one class, then hops."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "start_class": "Product",
                    "hops": [{"predicate": "owned_by", "target_class": "Customer"}],
                    "filters": {"product_id": "prod_001"},
                    "limit": 10,
                    "no_cycles": True,
                    "include_documents": True,
                }
            ]
        }
    )

    start_class: str = Field(min_length=1, max_length=100)
    hops: list[HopBody] = Field(default_factory=list, max_length=100)
    filters: Filters = Field(default_factory=dict)
    sort: SortBody | None = None
    limit: int = Field(default=100, ge=1, le=2**31 - 1, description="How many start nodes a page holds.")
    offset: int = Field(default=0, ge=0, le=2**31 - 1)
    max_nodes: int = Field(default=500, ge=1, le=100_000)
    max_edges: int = Field(default=2000, ge=1, le=100_000)
    include_paths: bool = False
    path_depth_limit: int | None = Field(default=None, ge=0, le=100, description="Follow at most this many hops.")
    max_paths: int = Field(default=100, ge=1, le=2**31 - 1)
    no_cycles: bool = Field(default=False, description="Never lead back to a node that the way already went through.")
    include_provenance: bool = False
    include_documents: bool = True
    include_audit: bool = Field(default=False, description="Add who changed each node last, and by which command.")


class SimpleQueryBody(Strict):
    """A question without hops."""

    class_name: str = Field(min_length=1, max_length=100, examples=["Product"])
    filters: Filters = Field(default_factory=dict)
    sort: SortBody | None = None
    limit: int = Field(default=100, ge=1, le=2**31 - 1)
    offset: int = Field(default=0, ge=0, le=2**31 - 1)
    include_documents: bool = True


class EsRef(BaseModel):
    """Where the search index keeps the document."""

    index: str
    id: str


class Display(BaseModel):
    """How to show a node: its key, its name (from the class's title key) and a short line."""

    primary_key: str
    name: str
    summary: str


class IndexStatus(BaseModel):
    """How the document compares with the node."""

    last_indexed_at: datetime | None = Field(
        default=None, description="When the command was accepted whose effect the document shows: a time of the log."
    )
    index_age_seconds: float | None = Field(
        default=None, description="How old that command is: the age of the data, not the delay of the index."
    )
    event_sequence: int | None = Field(
        default=None, description="The node's sequence number, where the document is as new as it."
    )
    position: int | None = Field(default=None, description="The log position of the command that the document shows.")
    tombstoned: bool = False


class ProvenanceBody(BaseModel):
    """Why something is there."""

    event_id: str
    command_id: str
    actor: str | None
    occurred_at: datetime
    sequence_number: int
    position: int
    commit: str | None = None
    source: dict[str, Any] | None = Field(
        default=None, description="Dataset, version and row, where the values came from a table."
    )


class NodeBody(BaseModel):
    """One node of the answer."""

    id: str = Field(examples=["Product/prod_001"])
    type: str = Field(examples=["Product"])
    es_doc_id: str
    db_name: str
    es_ref: EsRef
    data_status: Literal["FULL", "PARTIAL", "MISSING"] = Field(
        description="FULL: the document is as new as the node. PARTIAL: it is older, or documents were not asked for. "
        "MISSING: the index has none yet."
    )
    display: Display
    data: dict[str, Any] | None = None
    index_status: IndexStatus
    provenance: ProvenanceBody | None = None
    audit: dict[str, Any] | None = None


class EdgeBody(BaseModel):
    """One link of the answer, in its own direction."""

    from_node: str
    to_node: str
    predicate: str
    provenance: ProvenanceBody | None = None


class PathBody(BaseModel):
    """One way from a start node as far as the hops lead."""

    nodes: list[str]
    edges: list[EdgeBody]
    length: int


class PageBody(BaseModel):
    """Which start nodes the answer holds."""

    limit: int
    offset: int
    next_offset: int | None


class IndexSummary(BaseModel):
    """How the search index stands to the graph in this answer."""

    documents_found: int
    documents_missing: int
    max_index_age_seconds: float | None
    avg_index_age_seconds: float | None


class GraphAnswer(BaseModel):
    """Nodes, links and, if asked for, paths."""

    nodes: list[NodeBody]
    edges: list[EdgeBody]
    query: dict[str, Any] = Field(description="The question as it was understood.")
    count: int = Field(description="How many nodes the answer holds.")
    total: int = Field(description="How many start nodes there are over all pages.")
    branch: str
    commit: str = Field(description="The commit that was read.")
    warnings: list[str] = Field(
        description="Limits that cut the answer, and `graph_behind` or `index_behind` after a wait in vain."
    )
    page: PageBody
    paths: list[PathBody] | None = None
    index_summary: IndexSummary
