"""Rows of the read models: command status, lineage, audit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class CommandState(StrEnum):
    """Where a command is. COMPLETED, FAILED and CANCELLED are final."""

    PENDING = "PENDING"
    PROCESSING = "PROCESSING"
    RETRYING = "RETRYING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


FINAL_STATES = frozenset({CommandState.COMPLETED, CommandState.FAILED, CommandState.CANCELLED})


@dataclass(frozen=True, slots=True)
class StatusChange:
    """One step of one command. `total` and `done` count the members of a bulk command, else 0 and 0."""

    command_id: str
    state: CommandState
    at: datetime
    position: int
    command_type: str = ""
    aggregate_id: str = ""
    result: Mapping[str, Any] | None = None
    error: str | None = None
    bulk_id: str | None = None
    total: int = 0


@dataclass(frozen=True, slots=True)
class CommandStatus:
    """The status of one command as clients see it; `history` holds (state, time) steps, oldest first.

    A bulk command counts its members: `done` and `failed` of `total`; it is final when all are.
    """

    command_id: str
    database: str
    state: CommandState
    command_type: str
    aggregate_id: str
    submitted_at: datetime
    completed_at: datetime | None = None
    result: Mapping[str, Any] | None = None
    error: str | None = None
    retry_count: int = 0
    total: int = 0
    done: int = 0
    failed: int = 0
    errors: Sequence[Mapping[str, Any]] = ()
    history: Sequence[tuple[CommandState, datetime]] = ()


@dataclass(frozen=True, slots=True)
class LineageRecord:
    """Why one artifact has its present state: one record per domain event that touched it.

    Attributes:
        artifact: `node:{branch}:{Class/id}`, `class:{branch}:{Class}`, `dataset:{id}`, `version:{id}`, `mapping:{id}`,
            `branch:{name}`, `database`.
        event_id, event_type, command_id, actor, occurred_at, position: the domain event and its cause.
        sequence_number: of the command.
        commit: the graph commit id, where there is one.
        dataset_version: the id of the dataset version the values came from, where there is one.
        source: all that is known of the origin: dataset_id, version_id, row, mapping_id, …
    """

    artifact: str
    event_id: str
    event_type: str
    command_id: str
    actor: str | None
    occurred_at: datetime
    position: int
    sequence_number: int
    commit: str | None = None
    dataset_version: str | None = None
    source: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One line of the audit: a projection of one event of the log.

    `action` is the event type, `status` is `success`, `failure` or `refused`.
    """

    database: str
    position: int
    occurred_at: datetime
    actor: str | None
    action: str
    status: str
    resource_type: str
    resource_id: str
    event_id: str
    command_id: str | None
    error: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
