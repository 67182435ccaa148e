"""The shape of answers: one envelope, one command result."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from spice_core.domain.read_models import CommandState, CommandStatus

DataT = TypeVar("DataT")


class Strict(BaseModel):
    """A request body: an unknown field is an error, so that a misspelled one is not lost in silence."""

    model_config = ConfigDict(extra="forbid", str_max_length=1_000_000, allow_inf_nan=False)


class Envelope(BaseModel, Generic[DataT]):
    """A successful answer."""

    status: Literal["success", "created", "accepted"] = "success"
    message: str
    data: DataT


class HistoryStep(BaseModel):
    """One step in the life of a command."""

    status: CommandState
    at: datetime


class Progress(BaseModel):
    """How far a bulk command is."""

    total: int
    done: int
    failed: int


class CommandResult(BaseModel):
    """Where a command is. COMPLETED, FAILED and CANCELLED are final."""

    command_id: str
    status: CommandState
    command_type: str = ""
    database: str = ""
    aggregate_id: str = ""
    result: dict[str, Any] | None = Field(default=None, description="What the command brought about, once it is COMPLETED.")
    error: str | None = None
    errors: list[dict[str, Any]] = Field(default_factory=list, description="The failed members of a bulk command.")
    submitted_at: datetime | None = None
    completed_at: datetime | None = Field(
        default=None, description="Set once it is final. A time of the log: that of the command, not of the worker's clock."
    )
    retry_count: int = 0
    progress: Progress | None = Field(default=None, description="Of a bulk command.")
    history: list[HistoryStep] = Field(default_factory=list)
    status_url: str


class Started(BaseModel):
    """A command that was accepted, with what it is about; more fields depend on the kind of command."""

    model_config = ConfigDict(extra="allow")

    command_id: str
    status: str = Field(examples=["processing", "completed", "failed"])
    mode: Literal["event_sourcing"] = "event_sourcing"
    status_url: str
    error: str | None = None


def pending(command_id: str, *, command_type: str = "", database: str = "", aggregate_id: str = "") -> CommandResult:
    """Return the result of a command that was accepted a moment ago."""
    return CommandResult(
        command_id=command_id,
        status=CommandState.PENDING,
        command_type=command_type,
        database=database,
        aggregate_id=aggregate_id,
        status_url=status_url(command_id),
    )


def command_result(status: CommandStatus) -> CommandResult:
    """Return a command's status as clients read it."""
    progress = Progress(total=status.total, done=status.done, failed=status.failed) if status.total else None
    return CommandResult(
        command_id=status.command_id,
        status=status.state,
        command_type=status.command_type,
        database=status.database,
        aggregate_id=status.aggregate_id,
        result=_plain(status.result),
        error=status.error,
        errors=[dict(item) for item in status.errors],
        submitted_at=status.submitted_at,
        completed_at=status.completed_at,
        retry_count=status.retry_count,
        progress=progress,
        history=[HistoryStep(status=state, at=at) for state, at in status.history],
        status_url=status_url(status.command_id),
    )


def status_url(command_id: str) -> str:
    """Return where a command's status is read."""
    return f"/api/v1/commands/{command_id}/status"


def _plain(result: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if result is None else dict(result)
