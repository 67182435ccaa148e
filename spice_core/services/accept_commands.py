"""Appending commands to the log: numbers expected, repetitions recognised, answers made."""

from collections.abc import Sequence
from dataclasses import dataclass

from spice_core.domain import naming
from spice_core.domain.commands import Command, command_of
from spice_core.domain.events import RecordedEvent
from spice_core.errors import OptimisticConcurrencyConflict
from spice_core.services.draft_commands import Origin, checked_command_id
from spice_core.services.event_log.event_log import EventLog
from spice_core.services.settled_graph import SettledGraph, class_key
from spice_core.services.submit_rows import BulkRow, required_seq


@dataclass(frozen=True, slots=True)
class Accepted:
    """An accepted command at its place in the log; `is_duplicate` where it was accepted before and this is that answer."""

    command_id: str
    database: str
    branch: str
    aggregate_type: str
    aggregate_id: str
    sequence_number: int
    position: int
    is_duplicate: bool
    class_id: str | None = None
    instance_id: str | None = None


@dataclass(frozen=True, slots=True)
class AcceptedBulk:
    """An accepted bulk request: its marker (`bulk_id` is the marker's command id), and one `Accepted` per row, in order."""

    bulk_id: str
    database: str
    branch: str
    aggregate_id: str
    position: int
    is_duplicate: bool
    members: Sequence[Accepted]


class Acceptance:
    """Takes commands into the log as one unit."""

    def __init__(self, log: EventLog, settled: SettledGraph) -> None:
        self._log = log
        self._settled = settled

    def submit(self, database: str, commands: Sequence[Command], *, create: bool) -> list[Accepted]:
        """Append `commands`, all or none. Raises `OptimisticConcurrencyConflict`, `IdempotencyMismatch`."""
        expected = {_aggregate(command): self._expected(command) for command in commands if command.expected_seq is not None}
        appended = self._log.append(database, [command.as_event() for command in commands], expected=expected, create=create)
        return [
            _accepted(command, recorded, is_duplicate=appended.is_duplicate)
            for command, recorded in zip(commands, appended.events, strict=True)
        ]

    def known(self, origin: Origin, database: str) -> RecordedEvent | None:
        """Return the event of a command id that the client chose, if the log has it: this is a repetition."""
        given = origin.get("command_id")
        if given is None or not self._log.exists(database):
            return None
        return self._log.find(database, checked_command_id(given))

    def first_targets(self, marker: Command, known: RecordedEvent, rows: Sequence[BulkRow]) -> list[str]:
        """Return the instances that the rows of a repeated bulk request stood for when it was first accepted, as `known`.

        Raises:
            IdempotencyMismatch: the first request had another kind, class, branch or number of rows.
        """
        self.submit(marker.db_name, [marker], create=False)
        members = self._log.read(known.database, after=known.position, limit=len(rows))
        return [row.instance_id or str(command_of(found.event).instance_id) for row, found in zip(rows, members, strict=True)]

    def _expected(self, command: Command) -> int:
        """Return the number to expect in the log.

        What a branch inherited has the source's number, and no commands of its own yet: its first command is checked against
        the inherited number here, and expects none in the log.
        """
        given = required_seq(command.expected_seq)
        is_inheritable = command.branch != naming.MAIN and command.class_id is not None
        if not is_inheritable or not given or self._log.number(command.db_name, _aggregate(command)):
            return given
        key = class_key(command.class_id or "")
        if command.instance_id is not None:
            key = naming.node_key(command.class_id or "", command.instance_id)
        node = self._settled.view(command.db_name, command.branch).get([key]).get(key)
        if node is not None and node.sequence_number != given:
            raise OptimisticConcurrencyConflict(
                aggregate_id=command.aggregate_id, expected_seq=given, actual_seq=node.sequence_number
            )
        return given if node is None else 0


def _accepted(command: Command, recorded: RecordedEvent, *, is_duplicate: bool) -> Accepted:
    return Accepted(
        command_id=command.command_id,
        database=command.db_name,
        branch=command.branch,
        aggregate_type=command.aggregate_type,
        aggregate_id=command.aggregate_id,
        sequence_number=recorded.event.sequence_number or 0,
        position=recorded.position,
        is_duplicate=is_duplicate,
        class_id=command.class_id,
        instance_id=command.instance_id,
    )


def _aggregate(command: Command) -> str:
    return f"{command.aggregate_type}|{command.aggregate_id}"
