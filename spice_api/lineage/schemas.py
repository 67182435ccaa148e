"""Shapes of explanations."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from spice_api.versions.schemas import CommitBody, commit_body
from spice_core.services.explain import Cause, Explanation


class DatasetOrigin(BaseModel):
    """The dataset version that values came from."""

    dataset_id: str
    version_id: str
    number: int
    filename: str
    commit_id: str
    created_by: str | None


class CauseBody(BaseModel):
    """One step: an event, the command behind it, who sent it, the commit it is in, and the row it came from."""

    event_id: str
    event_type: str
    command_id: str
    actor: str | None
    occurred_at: datetime
    position: int = Field(description="In the log of the database.")
    sequence_number: int
    commit: CommitBody | None
    source: dict[str, Any] | None = Field(description="Dataset, version, row and mapping, where the values came from a table.")
    dataset_version: DatasetOrigin | None


class ExplanationBody(BaseModel):
    """Why a node or a link is there: `because` made it as it is; `history` is all that happened, newest first."""

    subject: dict[str, Any]
    because: CauseBody
    history: list[CauseBody]


class LineageNode(BaseModel):
    """One thing of a lineage graph."""

    id: str = Field(examples=["node:main:Product/prod_001", "command:2f1b7a52-6f0e-4c0e-9d43-0d8f5a0f5b7c"])
    kind: str
    label: str


class LineageEdge(BaseModel):
    """One step of a lineage graph, from cause to effect."""

    from_node: str
    to_node: str
    edge_type: str


class LineageGraph(BaseModel):
    """Causes and effects around one thing."""

    root: str
    nodes: list[LineageNode]
    edges: list[LineageEdge]
    is_cut: bool = Field(description="Whether a limit left something out.")


class Effects(BaseModel):
    """What one command, or one dataset version, brought about, in the order of the log."""

    subject: str
    artifacts: list[str]
    records: list[CauseBody]
    next_after: int | None


class LineageCounts(BaseModel):
    """How many steps there are by type of event, and how far the projection is."""

    counts: dict[str, int]
    position: int
    log_position: int


def cause_body(cause: Cause) -> CauseBody:
    """Return a step as clients read it."""
    version = cause.dataset_version
    origin = None
    if version is not None:
        origin = DatasetOrigin(
            dataset_id=version.dataset_id,
            version_id=version.version_id,
            number=version.number,
            filename=version.filename,
            commit_id=version.commit_id,
            created_by=version.created_by,
        )
    return CauseBody(
        event_id=cause.event_id,
        event_type=cause.event_type,
        command_id=cause.command_id,
        actor=cause.actor,
        occurred_at=cause.occurred_at,
        position=cause.position,
        sequence_number=cause.sequence_number,
        commit=commit_body(cause.commit) if cause.commit else None,
        source=dict(cause.source) if cause.source else None,
        dataset_version=origin,
    )


def explanation_body(found: Explanation) -> ExplanationBody:
    """Return an explanation as clients read it."""
    return ExplanationBody(
        subject=dict(found.subject),
        because=cause_body(found.because),
        history=[cause_body(cause) for cause in found.history],
    )
