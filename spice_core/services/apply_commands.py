"""The graph handler: decides the commands of a database in log order and makes the graph what they say."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import ClassVar

from spice_core.domain.commands import EVENT_OF, Command, CommandType
from spice_core.domain.events import COMMAND_FAILED, RecordedEvent, domain_event_id
from spice_core.domain.graph import Commit, Node, Removal
from spice_core.domain.resolution import Ontology
from spice_core.errors import BranchNotFound, Conflict, DatabaseNotFound, LeaseLost, NotFound
from spice_core.ports.graph_store import GraphStore, GraphView
from spice_core.ports.tracer import SilentTracer, Tracer
from spice_core.services.apply_control import apply_control
from spice_core.services.branch_numbers import beginning_of
from spice_core.services.decide_classes import ClassDecisions
from spice_core.services.decide_instances import InstanceDecisions
from spice_core.services.decide_migrations import MigrationDecisions
from spice_core.services.domain_events import events_of, failed_event, provenance_of
from spice_core.services.event_log.event_log import EventLog
from spice_core.services.graph_batches import batch_of
from spice_core.services.graph_commands import (
    CLASSES,
    CONTROL,
    MIGRATION,
    Outcome,
    Placed,
    Run,
    is_graph_command,
    placed,
    runs_of,
)
from spice_core.services.handling import Handler
from spice_core.services.rebuild_graph import GraphRebuilder
from spice_core.services.settled_graph import GRAPH_HANDLER, read_ontology
from spice_core.services.tell_outcomes import tell

_REMEMBERED = 64
_DELETIONS = frozenset({CommandType.DELETE_INSTANCE, CommandType.DELETE_ONTOLOGY_CLASS})

CrashPoint = Callable[[str], None]


def no_crash(_name: str) -> None:
    """Do nothing: the crash point of every run that is no experiment."""


class GraphHandler(Handler):
    """Decides commands on databases, branches, classes and instances.

    Per run (see `runs_of`): decide all commands against the branch's head, apply one batch, append the domain events. A
    crash between the two leaves the batch without its events: they are made again, from the state before the batch, and
    since their ids follow from the commands, what was appended before is not appended twice.

    A graph that lost commits, or all of them, gets back from the log what was decided before, commit by commit.
    """

    name: ClassVar[str] = GRAPH_HANDLER

    def __init__(
        self, *, log: EventLog, graph: GraphStore, crash_point: CrashPoint = no_crash, tracer: Tracer | None = None
    ) -> None:
        """Keep the ports. Tests may end the process in `crash_point`.

        It is called with `graph:after_claim`, `graph:before_effect`, `graph:after_effect`, `graph:before_done`.
        """
        self._log = log
        self._graph = graph
        self._crash_point = crash_point
        self._tracer = tracer or SilentTracer()
        self._ontologies: dict[tuple[str, str], tuple[str, Ontology]] = {}
        self._reached: dict[str, int] = {}

    def wants(self, event: RecordedEvent) -> bool:
        """Whether it is a command on a database, branch, class or instance."""
        return is_graph_command(event)

    def handle(self, database: str, events: Sequence[RecordedEvent]) -> None:
        """Bring about the commands among `events`; see `Handler.handle`.

        Raises:
            Conflict: commands of one position, which a retry makes, are not of one run: a position takes one effect.
        """
        self._crash_point(f"{self.name}:after_claim")
        commands = [placed(event) for event in events if is_graph_command(event)]
        if any(run.last_position == later.first_position for run, later in pairwise(runs_of(commands))):
            raise Conflict("commands at one position cannot be decided in one run; retry them one by one")
        commands = list(self._redo(database, commands, applied=self._restored(database, commands)))
        for run in runs_of(commands):
            if run.kind == CONTROL:
                self._control(database, run)
            else:
                self._apply(database, run)
        self._crash_point(f"{self.name}:before_done")

    def _control(self, database: str, run: Run) -> None:
        self._crash_point(f"{self.name}:before_effect")
        event = apply_control(self._graph, run.commands[0])
        if event.event_type == COMMAND_FAILED:
            self._check_not_overtaken(database, run)
        self._crash_point(f"{self.name}:after_effect")
        self._log.append(database, [event])

    def _apply(self, database: str, run: Run) -> None:
        try:
            view = self._graph.view(database, run.branch)
        except (DatabaseNotFound, BranchNotFound) as error:
            self._check_not_overtaken(database, run)
            tell(self._log, database, [failed_event(command, error) for command in run.commands])
            return
        self._check_not_overtaken(database, run)
        outcomes, ontology = self._decide(database, view, self._ontology(database, view, run.branch), run)
        self._crash_point(f"{self.name}:before_effect")
        changed = [outcome for outcome in outcomes if outcome.changes]
        commit: Commit | None = None
        if changed:
            with self._tracer.span("graph commit", attributes={"spice.changes": len(changed)}) as span:
                commit = self._graph.apply(database, batch_of(run.branch, changed))
                span.set("spice.commit", commit.id)
            self._reached[database] = commit.last_position
            self._remember(database, run.branch, commit, ontology)
        self._crash_point(f"{self.name}:after_effect")
        tell(self._log, database, events_of(outcomes, commit=commit.id if commit else None))

    def _check_not_overtaken(self, database: str, run: Run) -> None:
        """Raise `LeaseLost` where the state that `run` is decided on, read before this call, may hold later effects.

        A worker that hung between looking at the applied position and reading the state was replaced meanwhile. It would
        refuse what its successor has done: "exists already". An effect is refused by the store, but a refusal has none, and its
        event would be a second outcome of the command.
        """
        if self._graph.applied_position(database) >= run.commands[0].position:
            raise LeaseLost(f"another worker has gone on with {database}")

    def _restored(self, database: str, commands: Sequence[Placed]) -> int:
        """Return the applied position, when the graph has got back what it lost of decided commands.

        Deciding those again would cut other runs, and with them make other commits than the log and its readers name. It is
        looked for at the first call for a database, and when the graph is behind what it was.
        """
        applied = self._graph.applied_position(database)
        if self._reached.get(database, applied + 1) <= applied:
            return applied
        ahead = [item for item in commands if item.position > applied]
        if len(self._untold(database, ahead)) < len(ahead):
            GraphRebuilder(log=self._log, graph=self._graph).restore(database)
            applied = self._graph.applied_position(database)
        self._reached[database] = applied
        return applied

    def _redo(self, database: str, commands: Sequence[Placed], *, applied: int) -> Sequence[Placed]:
        """Make the events that a crash left out, and return the commands behind what is applied.

        Only the newest run can lack events: the next one begins when they are appended. Of a deletion it may be a part of them
        (see `_cut_short`). A control command at the applied position is its own proof (see `apply_control`).

        Raises:
            Conflict: a command was passed over (it was to become a dead letter): it can have its effect at a later position only.
        """
        if not commands or commands[0].position > applied:
            return commands
        commit = self._covering(database, applied)
        told = [item for item in commands if item.position <= applied]
        if commit is None or any(item.kind == CONTROL for item in told if item.position == applied):
            told, commit = [item for item in told if item.position < applied], None
        untold = self._untold(database, told)
        newest = self._newest(database, commit, untold, given=told) if commit is not None else []
        if commit is not None:
            cut_short = self._cut_short(database, commit, [item for item in told if item not in untold])
            self._repeat(database, commit, [*cut_short, *newest], given=told)
        if len(newest) < len(untold):
            passed = next(item for item in untold if item not in newest)
            raise _passed_over(passed)
        return commands[len(told) :]

    def _newest(self, database: str, commit: Commit, commands: Sequence[Placed], *, given: Sequence[Placed]) -> list[Placed]:
        """Return those of `commands` that can be of the run of `commit`: behind the commit before it, of its branch and kind.

        Its kind is that of its last command, which is one of those at hand, `given`, or stands in the log.
        """
        if not commit.parents or not commands:
            return []
        before, last = self._graph.view(database, commit.parents[0]).commit.last_position, commit.last_position
        kinds = {item.kind for item in (*given, *self._log_range(database, last, last)) if item.position == last}
        behind = [item for item in commands if item.position > before and item.command.branch == commit.branch]
        return [item for item in behind if item.kind in kinds]

    def _cut_short(self, database: str, commit: Commit, told: Sequence[Placed]) -> list[Placed]:
        """Return the last of the `told` commands if it is a deletion in `commit`: it may lack events of what it unlinked.

        A run's events are appended in order, a deletion's own before those, and in parts. What was told of another commit was
        lost with it: the one that is restored in its place holds what was told, and no more.
        """
        if not told or told[-1].command.command_type is not CommandType.DELETE_INSTANCE:
            return []
        own = self._log.find(database, provenance_of(told[-1].command).event_id)
        return [*told[-1:]] if own is not None and own.event.metadata.get("commit") == commit.id else []

    def _repeat(self, database: str, commit: Commit, again: Sequence[Placed], *, given: Sequence[Placed]) -> None:
        """Decide again what `commit` holds, from the state before it, and append the events of `again` that the log lacks.

        `given` are the commands at hand: the log shows those that were retried where they were accepted, not where they count.
        """
        if not again:
            return
        known, kind = {item.command.command_id for item in again}, again[0].kind
        first, last = commit.first_position, max(item.position for item in again)
        range_ = [*self._log_range(database, first, last), *(item for item in given if first <= item.position <= last)]
        of_kind = [item for item in range_ if item.kind == kind]
        others = {item.command.command_id: item for item in of_kind if item.command.command_id not in known}
        lacking = {item.command.command_id for item in self._untold(database, list(others.values()))}
        earlier = [item for command_id, item in others.items() if command_id not in lacking]
        commands = sorted([*earlier, *again], key=lambda item: (item.position, item.sequence_number))
        run = Run(kind, commit.branch, commands)
        view = self._graph.view(database, commit.parents[0])
        outcomes, _ = self._decide(database, view, read_ontology(view), run)
        wanted = [outcome for outcome in outcomes if outcome.placed.command.command_id in known]
        self._check_held(database, commit, wanted)
        tell(self._log, database, events_of(wanted, commit=commit.id), is_again=True)

    def _check_held(self, database: str, commit: Commit, outcomes: Sequence[Outcome]) -> None:
        """Raise `Conflict` where `commit` lacks what a command changes: it was left out, and must not be told as done."""
        changes = {outcome.changes[0].key: outcome for outcome in outcomes if outcome.changes}
        held = self._graph.view(database, commit.id).get(changes.keys())
        for key, outcome in changes.items():
            if not self._is_held(database, commit, outcome, held.get(key)):
                raise _passed_over(outcome.placed)

    def _is_held(self, database: str, commit: Commit, outcome: Outcome, node: Node | None) -> bool:
        item = outcome.placed
        if node is not None:
            # The position alone proves nothing: a deletion elsewhere moves it, and retried commands share one.
            return node.position >= item.position and node.sequence_number >= outcome.changes[0].sequence_number
        if isinstance(outcome.changes[0], Removal):
            return True
        later = self._log_range(database, item.position + 1, commit.last_position)
        return any(
            other.command.aggregate_id == item.command.aggregate_id and other.command.command_type in _DELETIONS
            for other in later
        )

    def _log_range(self, database: str, first: int, last: int) -> list[Placed]:
        """Return the graph's commands at the log positions from `first` to `last`."""
        found: list[Placed] = []
        after = first - 1
        while after < last:
            events = self._log.read(database, after=after, limit=last - after)
            if not events:
                break
            found.extend(placed(event) for event in events if event.position <= last and is_graph_command(event))
            after = events[-1].position
        return found

    def _untold(self, database: str, commands: Sequence[Placed]) -> list[Placed]:
        """Return those of `commands` whose outcome the log does not have."""
        if not commands:
            return []
        held = self._log.holds(database, [event_id for item in commands for event_id in _outcome_ids(item.command)])
        return [item for item in commands if held.isdisjoint(_outcome_ids(item.command))]

    def _covering(self, database: str, position: int) -> Commit | None:
        try:
            return self._graph.commit_covering(database, position)
        except NotFound:
            return None

    def _decide(self, database: str, view: GraphView, ontology: Ontology, run: Run) -> tuple[list[Outcome], Ontology]:
        begun = beginning_of(self._graph, database, run.branch)
        if run.kind == MIGRATION:
            migrations = MigrationDecisions(view, ontology, begun=begun)
            return [migrations.decide(command) for command in run.commands], migrations.ontology
        if run.kind == CLASSES:
            classes = ClassDecisions(view, ontology, begun=begun)
            return [classes.decide(command) for command in run.commands], classes.ontology
        instances = InstanceDecisions(view, ontology, run.commands, begun=begun)
        return [instances.decide(command) for command in run.commands], ontology

    def _ontology(self, database: str, view: GraphView, branch: str) -> Ontology:
        known = self._ontologies.get((database, branch))
        if known is not None and known[0] == view.commit.id:
            return known[1]
        found = read_ontology(view)
        self._remember(database, branch, view.commit, found)
        return found

    def _remember(self, database: str, branch: str, commit: Commit, ontology: Ontology) -> None:
        if len(self._ontologies) >= _REMEMBERED:
            self._ontologies.clear()
        self._ontologies[database, branch] = (commit.id, ontology)


def _outcome_ids(command: Command) -> list[str]:
    """Return the ids of the two events that can tell how `command` ended."""
    names = (EVENT_OF[command.command_type], COMMAND_FAILED)
    return [domain_event_id(command.command_id, name, command.aggregate_id) for name in names]


def _passed_over(placed: Placed) -> Conflict:
    return Conflict(
        f"command {placed.command.command_id} at position {placed.position} was passed over: the graph is ahead of it without it",
        details={"command_id": placed.command.command_id, "position": placed.position},
    )
