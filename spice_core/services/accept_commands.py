"""Appending commands to the log: numbers expected, repetitions recognised, answers made."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from spice_core.domain import naming
from spice_core.domain.commands import Command, command_of
from spice_core.domain.events import Event, RecordedEvent
from spice_core.errors import NotFound, OptimisticConcurrencyConflict
from spice_core.ports.graph_store import GraphStore
from spice_core.services.branch_numbers import beginning_of, inherited_numbers
from spice_core.services.draft_commands import Origin, checked_command_id
from spice_core.services.event_log.event_log import EventLog
from spice_core.services.settled_graph import ONTOLOGY_AGGREGATE, class_key
from spice_core.services.submit_rows import BulkRow, required_seq

_INHERITED = "inherited_number"


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
    """Takes commands into the log as one unit.

    What a branch inherited has the number it had where the branch began, and its commands there go on from it; the log counts
    them from 1. Numbers come in and go out as clients know them.
    """

    def __init__(self, log: EventLog, graph: GraphStore) -> None:
        self._log = log
        self._graph = graph

    def submit(self, database: str, commands: Sequence[Command], *, create: bool) -> list[Accepted]:
        """Append `commands`, all or none. Raises `OptimisticConcurrencyConflict`, `IdempotencyMismatch`."""
        inherited = self._inherited(database, commands)
        # The log refuses a number below the inherited one too: that of no command is below 0.
        expected = {
            name: required_seq(command.expected_seq) - inherited.get(name, 0)
            for command in commands
            if command.expected_seq is not None and (name := _aggregate(command))
        }
        try:
            events = [_event(command, inherited.get(_aggregate(command), 0)) for command in commands]
            appended = self._log.append(database, events, expected=expected, create=create)
        except OptimisticConcurrencyConflict as error:
            raise _told(error, inherited) from error
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

    def _inherited(self, database: str, commands: Sequence[Command]) -> dict[str, int]:
        """Return, by aggregate, the numbers that what `commands` are for had where its branch began."""
        found: dict[str, int] = {}
        on_branch = {_aggregate(command): command for command in commands if command.branch != naming.MAIN}
        keys = {name: key for name, command in on_branch.items() if (key := _node_key(command)) is not None}
        for branch in {on_branch[name].branch for name in keys}:
            own = {name: key for name, key in keys.items() if on_branch[name].branch == branch}
            try:
                numbers = inherited_numbers(beginning_of(self._graph, database, branch), set(own.values()))
            except NotFound:
                continue  # The log knows a repetition by its id, whatever became of the branch; the handler refuses the rest.
            found |= {name: numbers[key] for name, key in own.items() if key in numbers}
        return found


def _told(error: OptimisticConcurrencyConflict, inherited: Mapping[str, int]) -> OptimisticConcurrencyConflict:
    """Return a refusal of the log in the numbers that clients know."""
    before = next((number for name, number in inherited.items() if name.partition("|")[2] == error.aggregate_id), 0)
    return OptimisticConcurrencyConflict(
        aggregate_id=error.aggregate_id, expected_seq=error.expected_seq + before, actual_seq=error.actual_seq + before
    )


def _event(command: Command, inherited: int) -> Event:
    """Note the inherited number with the command: a repetition gets the first answer, whatever became of the branch."""
    event = command.as_event()
    return replace(event, metadata={**event.metadata, _INHERITED: inherited}) if inherited else event


def _accepted(command: Command, recorded: RecordedEvent, *, is_duplicate: bool) -> Accepted:
    inherited = int(recorded.event.metadata.get(_INHERITED, 0))
    return Accepted(
        command_id=command.command_id,
        database=command.db_name,
        branch=command.branch,
        aggregate_type=command.aggregate_type,
        aggregate_id=command.aggregate_id,
        sequence_number=inherited + (recorded.event.sequence_number or 0),
        position=recorded.position,
        is_duplicate=is_duplicate,
        class_id=command.class_id,
        instance_id=command.instance_id,
    )


def _aggregate(command: Command) -> str:
    return f"{command.aggregate_type}|{command.aggregate_id}"


def _node_key(command: Command) -> str | None:
    """Return the graph's key of what the command is for, None where it is no node."""
    if command.aggregate_type == ONTOLOGY_AGGREGATE:
        return class_key(command.class_id or "")
    if command.aggregate_type == "Instance":
        return naming.node_key(command.class_id or "", command.instance_id or "")
    return None
