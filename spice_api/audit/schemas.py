"""Shapes of the audit."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field


class AuditEntryBody(BaseModel):
    """One line: a projection of one event of the log."""

    database: str
    position: int
    occurred_at: datetime
    actor: str | None
    action: str
    status: str = Field(examples=["success", "failure", "refused"])
    resource_type: str
    resource_id: str
    event_id: str
    command_id: str | None
    error: str | None
    metadata: dict[str, Any]


class AuditPage(BaseModel):
    """Entries, newest first."""

    entries: list[AuditEntryBody]
    next_before: str | None = Field(description="Pass it as `before` for the next page; null at the end.")


class ChainHead(BaseModel):
    """The newest link of a database's hash chain: keep it elsewhere to notice a log that was rewritten."""

    database: str
    segment: int
    position: int
    chain_hash: str


class ChainProblem(BaseModel):
    """The first thing that is wrong with a log."""

    segment: int
    position: int
    message: str


class ChainReport(BaseModel):
    """The result of reading a whole log and checking every hash."""

    database: str
    is_intact: bool
    segments: int
    events: int
    commands: int
    bytes: int
    head: ChainHead
    problem: ChainProblem | None
