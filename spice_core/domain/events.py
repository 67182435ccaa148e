"""The event envelope: what stands in the log, and the ids that make repetition harmless."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import NAMESPACE_URL, uuid5

COMMAND = "command"
DOMAIN = "domain"
COMMAND_FAILED = "COMMAND_FAILED"


@dataclass(frozen=True, slots=True)
class Event:
    """One event or command, as a client reads it in the log.

    Attributes:
        event_id: the global idempotency key; a command's `event_id` is its `command_id`.
        event_type: `<COMMAND_TYPE>_REQUESTED` of a command, past tense of a domain event.
        aggregate_type: `Database`, `OntologyClass`, `Instance`, `Branch`, `Dataset`, `Mapping`, `Bulk`, `Audit`.
        aggregate_id: see `naming.aggregate_id`.
        occurred_at: aware, UTC. A domain event takes its command's time, so that replay gives the same bytes.
        data: JSON object. A command's is `Command.as_data()`, a domain event's the full state after it.
        metadata: JSON object; `kind` is `command` or `domain`; a domain event also has `command_id`, `commit`.
        actor: the verified principal, or None for the platform itself.
        sequence_number: how many commands of this aggregate were accepted up to this one; None before the append
            of a command. A domain event carries its command's number.
    """

    event_id: str
    event_type: str
    aggregate_type: str
    aggregate_id: str
    occurred_at: datetime
    data: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    actor: str | None = None
    schema_version: str = "1"
    sequence_number: int | None = None

    @property
    def is_command(self) -> bool:
        """Whether this is a command: the log numbers and checks commands only."""
        return self.metadata.get("kind") == COMMAND

    @property
    def command_id(self) -> str:
        """The id of the command this is, or was caused by."""
        return self.event_id if self.is_command else str(self.metadata.get("command_id", ""))


@dataclass(frozen=True, slots=True)
class RecordedEvent:
    """An event at its place in the log of one database.

    Attributes:
        database: whose log.
        position: 1, 2, 3 … without gaps over the whole log.
        segment: the number of the segment that holds it, from 1.
        event: with its `sequence_number`.
    """

    database: str
    position: int
    segment: int
    event: Event


def domain_event_id(command_id: str, event_type: str, aggregate_id: str) -> str:
    """Return the id of the one domain event of this type that a command causes on an aggregate (uuid5, repeatable)."""
    return str(uuid5(NAMESPACE_URL, f"spice:{command_id}:{event_type}:{aggregate_id}"))
