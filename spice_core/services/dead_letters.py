"""The commands about dead letters, and the events that answer them.

A retry is a command of the log, whoever asks for it: so it has a place in the order of the log, and a replay meets it there.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from spice_core.domain import naming
from spice_core.domain.commands import EVENT_OF, Command, CommandType, command_of
from spice_core.domain.events import COMMAND_FAILED, DOMAIN, Event, RecordedEvent, domain_event_id

DEAD_LETTER = "DeadLetter"
_COMMANDS = {f"{kind}_REQUESTED": kind for kind in (CommandType.RETRY_DEAD_LETTER, CommandType.DISCARD_DEAD_LETTER)}


def dead_letter_command(
    kind: CommandType,
    database: str,
    *,
    handler: str,
    event_id: str,
    command_id: str,
    at: datetime,
    actor: str | None = None,
) -> Command:
    """Return the command that retries or discards the dead letter of `event_id`."""
    return Command(
        command_id=command_id,
        command_type=kind,
        db_name=database,
        aggregate_type=DEAD_LETTER,
        aggregate_id=naming.aggregate_id(database, handler, event_id),
        created_at=at,
        payload={"handler": handler, "event_id": event_id},
        created_by=actor,
    )


def automatic_retry_id(database: str, *, handler: str, event_id: str, attempts: int) -> str:
    """Return the command id of the retry after `attempts` failures (uuid5, so that two workers ask once)."""
    return str(uuid5(NAMESPACE_URL, f"spice:retry:{database}:{handler}:{event_id}:{attempts}"))


def is_for(recorded: RecordedEvent, handler: str) -> bool:
    """Whether the event is a command about a dead letter of `handler`."""
    event = recorded.event
    if event.event_type not in _COMMANDS or not event.is_command:
        return False
    payload = event.data.get("payload")
    return isinstance(payload, Mapping) and payload.get("handler") == handler


def is_discard(recorded: RecordedEvent) -> bool:
    """Whether the command discards; else it retries."""
    return _COMMANDS[recorded.event.event_type] is CommandType.DISCARD_DEAD_LETTER


def wanted_event_id(recorded: RecordedEvent) -> str:
    """Return the event id that the command is about."""
    return str(recorded.event.data["payload"].get("event_id", ""))


def answer(command: Event, data: Mapping[str, Any]) -> Event:
    """Return the domain event that completes a command about a dead letter."""
    return domain_event(command, EVENT_OF[command_of(command).command_type], data)


def failure(command: Event, *, error: str, code: str, details: Mapping[str, Any] | None = None) -> Event:
    """Return the COMMAND_FAILED event of `command`."""
    return domain_event(command, COMMAND_FAILED, {"error": error, "code": code, "details": dict(details or {})})


def domain_event(command: Event, event_type: str, data: Mapping[str, Any]) -> Event:
    """Return an event caused by `command`: its id, time and number follow from it."""
    metadata: dict[str, Any] = {"kind": DOMAIN, "command_id": command.event_id}
    for name in ("bulk_id", "source", "command_type"):
        if name in command.metadata:
            metadata[name] = command.metadata[name]
    return Event(
        event_id=domain_event_id(command.event_id, event_type, command.aggregate_id),
        event_type=event_type,
        aggregate_type=command.aggregate_type,
        aggregate_id=command.aggregate_id,
        occurred_at=command.occurred_at,
        data=data,
        metadata=metadata,
        actor=command.actor,
        sequence_number=command.sequence_number,
    )
