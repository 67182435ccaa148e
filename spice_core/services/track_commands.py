"""Where a command is: asked of the projection first, and of the log where that does not know or does not answer."""

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from spice_core.domain.commands import EVENT_OF, command_of
from spice_core.domain.events import COMMAND_FAILED, RecordedEvent, domain_event_id
from spice_core.domain.read_models import FINAL_STATES, CommandState, CommandStatus
from spice_core.errors import CommandNotFound, InvalidInput, NotFound, Unavailable
from spice_core.ports.clock import Clock
from spice_core.services.cached_statuses import StatusReader
from spice_core.services.event_log.event_log import EventLog
from spice_core.services.project_statuses import status_change

_BULK_MARKER = "Bulk"


class CommandTracker:
    """Answers for the commands of all databases. No answer goes back once a command is final."""

    def __init__(self, *, log: EventLog, statuses: StatusReader, clock: Clock, poll_seconds: float = 0.02) -> None:
        """`poll_seconds` is the pause between two looks while waiting."""
        self._log = log
        self._statuses = statuses
        self._clock = clock
        self._poll_seconds = poll_seconds

    def status(self, command_id: str, *, database: str | None = None) -> CommandStatus:
        """Return the status of a command; `database`, where it is known, spares a search through all logs.

        Raises:
            InvalidInput: `command_id` is not a UUID.
            CommandNotFound: neither the projection nor any log, read to its head, has it.
            Unavailable: (retryable) neither of them answers.
        """
        _check(command_id)
        try:
            found = self._statuses.get(command_id)
        except Unavailable:
            found = None
        return found or self._of_logs(command_id, [database] if database else self._log.databases())

    def wait(self, command_id: str, *, seconds: float, database: str | None = None) -> CommandStatus:
        """Return the final status as soon as there is one, at the latest after `seconds` the latest one. Raises as `status`."""
        deadline = self._clock.monotonic() + seconds
        while True:
            status = self.status(command_id, database=database)
            if status.state in FINAL_STATES or self._clock.monotonic() >= deadline:
                return status
            database = database or status.database
            self._clock.sleep(self._poll_seconds)

    def _of_logs(self, command_id: str, databases: Sequence[str]) -> CommandStatus:
        for database in databases:
            try:
                recorded = self._log.find(database, command_id)
            except NotFound:
                continue
            if recorded is not None and recorded.event.is_command:
                return self._of_log(recorded)
        raise CommandNotFound(f"there is no command {command_id}", details={"command_id": command_id})

    def _of_log(self, recorded: RecordedEvent) -> CommandStatus:
        """Return what the log alone tells: the command, and whether its domain event is there."""
        asked = status_change(recorded)
        assert asked is not None, "a command has a status"  # noqa: S101 - for the type checker
        status = CommandStatus(
            command_id=asked.command_id,
            database=recorded.database,
            state=CommandState.PENDING,
            command_type=asked.command_type,
            aggregate_id=asked.aggregate_id,
            submitted_at=asked.at,
            total=asked.total,
            history=[(asked.state, asked.at)],
        )
        outcome = None if recorded.event.aggregate_type == _BULK_MARKER else self._outcome(recorded)
        change = status_change(outcome) if outcome is not None else None
        if change is None:
            return status
        return replace(
            status,
            state=change.state,
            completed_at=change.at,
            result=change.result,
            error=change.error,
            history=[*status.history, (change.state, change.at)],
        )

    def _outcome(self, recorded: RecordedEvent) -> RecordedEvent | None:
        command = command_of(recorded.event)
        for event_type in (EVENT_OF[command.command_type], COMMAND_FAILED):
            event_id = domain_event_id(command.command_id, event_type, command.aggregate_id)
            found = self._log.find(recorded.database, event_id)
            if found is not None:
                return found
        return None


def _check(command_id: str) -> None:
    try:
        UUID(command_id)
    except ValueError:
        raise InvalidInput(f"{command_id[:80]!r} is not a command id: use the UUID that the request was answered with") from None
