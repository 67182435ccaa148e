"""Commands of the graph as the handler meets them: which they are, and the runs in which they are decided."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from spice_core.domain.commands import Command, CommandType, command_of
from spice_core.domain.events import RecordedEvent
from spice_core.domain.graph import Node, Removal
from spice_core.errors import SpiceError

INSTANCES = "instances"
CLASSES = "classes"
MIGRATION = "migration"
CONTROL = "control"

_KINDS = {
    CommandType.CREATE_DATABASE: CONTROL,
    CommandType.DELETE_DATABASE: CONTROL,
    CommandType.CREATE_BRANCH: CONTROL,
    CommandType.DELETE_BRANCH: CONTROL,
    CommandType.CREATE_ONTOLOGY_CLASS: CLASSES,
    CommandType.UPDATE_ONTOLOGY_CLASS: CLASSES,
    CommandType.DELETE_ONTOLOGY_CLASS: CLASSES,
    CommandType.MIGRATE_ONTOLOGY_CLASS: MIGRATION,
    CommandType.CREATE_INSTANCE: INSTANCES,
    CommandType.UPDATE_INSTANCE: INSTANCES,
    CommandType.DELETE_INSTANCE: INSTANCES,
    CommandType.BULK_CREATE_INSTANCES: INSTANCES,
    CommandType.BULK_UPDATE_INSTANCES: INSTANCES,
    CommandType.BULK_DELETE_INSTANCES: INSTANCES,
}
BULK_MARKERS = frozenset(
    {CommandType.BULK_CREATE_INSTANCES, CommandType.BULK_UPDATE_INSTANCES, CommandType.BULK_DELETE_INSTANCES}
)
_EVENT_TYPES = frozenset(f"{command_type}_REQUESTED" for command_type in _KINDS)


@dataclass(frozen=True, slots=True)
class Placed:
    """A command at its place: its log position (a retry's, if an operator retried it) and its aggregate's number."""

    command: Command
    position: int
    sequence_number: int

    @property
    def kind(self) -> str:
        """Which of the four kinds of commands it is."""
        return _KINDS[self.command.command_type]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was decided of one command: the nodes it changes (its own first), or why it fails.

    The marker of a bulk request changes nothing itself; its members stand behind it. `inherited` has the numbers that the
    changed nodes had where their branch began (see `inherited_numbers`). `event_types` are those of a migration's nodes by key,
    `summary` is what it tells at its end.
    """

    placed: Placed
    changes: Sequence[Node | Removal] = ()
    failure: SpiceError | None = None
    inherited: Mapping[str, int] = field(default_factory=dict)
    event_types: Mapping[str, str] = field(default_factory=dict)
    summary: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Run:
    """Commands that are decided together: neighbours in the log, of one branch and one kind.

    Control commands and migrations stand alone.
    """

    kind: str
    branch: str
    commands: Sequence[Placed]

    @property
    def first_position(self) -> int:
        """Of its first command."""
        return self.commands[0].position

    @property
    def last_position(self) -> int:
        """Of its last command."""
        return self.commands[-1].position


def is_graph_command(recorded: RecordedEvent) -> bool:
    """Whether the event is a command that the graph decides."""
    return recorded.event.event_type in _EVENT_TYPES and recorded.event.is_command


def placed(recorded: RecordedEvent) -> Placed:
    """Return the command of a recorded event."""
    return Placed(command_of(recorded.event), recorded.position, recorded.event.sequence_number or 0)


def runs_of(commands: Sequence[Placed]) -> Iterator[Run]:
    """Yield `commands` in order, cut into runs."""
    for (kind, branch), group in groupby(commands, key=lambda item: (item.kind, item.command.branch)):
        members = list(group)
        if kind in {CONTROL, MIGRATION}:
            yield from (Run(kind, branch, [member]) for member in members)
        else:
            yield Run(kind, branch, members)
