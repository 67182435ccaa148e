"""Making the graph again from the domain events of the log, commit by commit, with the same ids."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from spice_core.domain import naming
from spice_core.domain.commands import EVENT_OF, CommandType
from spice_core.domain.events import DOMAIN, Event, RecordedEvent
from spice_core.domain.graph import ONTOLOGY_CLASS, GraphBatch, Node, Provenance, Removal
from spice_core.errors import BrokenChain, Conflict
from spice_core.ports.graph_store import GraphStore
from spice_core.services.apply_control import author_of, created_database_message
from spice_core.services.branch_numbers import told_number
from spice_core.services.event_log.event_log import EventLog
from spice_core.services.graph_batches import batch

_READ = 1000
_NODE_EVENTS = frozenset(
    f"{subject}_{what}" for subject in ("INSTANCE", "ONTOLOGY_CLASS") for what in ("CREATED", "UPDATED", "DELETED")
)
_MIGRATED = EVENT_OF[CommandType.MIGRATE_ONTOLOGY_CLASS]
_CONTROL_EVENTS = frozenset({"DATABASE_CREATED", "DATABASE_DELETED", "BRANCH_CREATED", "BRANCH_DELETED"})

Check = Callable[[str, str, str], None]


@dataclass(frozen=True, slots=True)
class GraphRebuild:
    """What a rebuild did: how many commits it made, and the log position it read to."""

    commits: int
    position: int


@dataclass(slots=True)
class _Group:
    """The events of one commit as they are collected. A migration `is_whole` when its last event is among them."""

    commit: str
    branch: str
    is_whole: bool = True
    changes: dict[str, Node | Removal] = field(default_factory=dict)
    actors: set[str | None] = field(default_factory=set)
    positions: list[int] = field(default_factory=list)
    times: list[datetime] = field(default_factory=list)

    def batch(self) -> GraphBatch:
        return batch(self.branch, list(self.changes.values()), actors=self.actors, times=self.times, positions=self.positions)


class GraphRebuilder:
    """Replays the log of a database into a graph store that does not have it yet.

    Commands without a domain event are left to the graph worker, which has to be stopped meanwhile.
    """

    def __init__(self, *, log: EventLog, graph: GraphStore) -> None:
        self._log = log
        self._graph = graph

    def rebuild(self, database: str, *, progress: Callable[[int], None] = lambda _position: None) -> GraphRebuild:
        """Replay all domain events of `database`; `progress` is called with log positions.

        Raises:
            Conflict: the graph store has seen the database before: rebuild into an empty one.
            BrokenChain: a commit came out with another id than the log says.
        """
        if self._graph.applied_position(database):
            raise Conflict(f"the graph store already holds {database!r}; rebuild into an empty one")
        return self._replay(database, after=0, check=_check_same, progress=progress)

    def restore(self, database: str) -> GraphRebuild:
        """Replay what the domain events of `database` tell of commands behind the applied position, for the graph worker.

        A commit that comes out with another id is kept: its run was told in part only, and the rest of it is decided anew.
        """
        applied = self._graph.applied_position(database)
        return self._replay(database, after=applied, check=_accept_any, progress=_no_progress)

    def _replay(self, database: str, *, after: int, check: Check, progress: Callable[[int], None]) -> GraphRebuild:
        commits, position = 0, after
        group: _Group | None = None
        for recorded in self._events(database, after=after):
            position = recorded.position
            if position % _READ == 0:
                progress(position)
            if group is not None and not _belongs(recorded.event, group):
                commits += self._commit(database, group, check)
                group = None
            event = recorded.event
            if _is_of_run(event):
                group = group or _Group(event.metadata["commit"], event.data["branch"], is_whole=not _is_of_migration(event))
                _collect(event, group)
            elif group is not None and event.event_type == _MIGRATED:
                group.is_whole = True
            else:
                commits += self._control(database, event, check)
        if group is not None:
            commits += self._commit(database, group, check)
        progress(position)
        return GraphRebuild(commits, position)

    def _events(self, database: str, *, after: int) -> Iterator[RecordedEvent]:
        """Yield the domain events of commands behind position `after`; those stand behind it too."""
        applied = after
        while events := self._log.read(database, after=after, limit=_READ):
            yield from (recorded for recorded in events if _is_behind(recorded.event, applied))
            after = events[-1].position

    def _commit(self, database: str, group: _Group, check: Check) -> int:
        if not group.is_whole:
            return 0  # Nothing of a migration is half done: it is decided anew.
        commit = self._graph.apply(database, group.batch())
        check(database, group.commit, commit.id)
        return 1

    def _control(self, database: str, event: Event, check: Check) -> int:
        data, position = event.data, event.metadata.get("position", 0)
        match event.event_type:
            case "DATABASE_CREATED":
                commit = self._graph.create_database(
                    database,
                    author=author_of({event.actor}),
                    message=created_database_message(database),
                    at=event.occurred_at,
                    position=position,
                )
                check(database, event.metadata["commit"], commit.id)
                return 1
            case "DATABASE_DELETED":
                self._graph.drop_database(database, position=position)
            case "BRANCH_CREATED":
                self._graph.create_branch(
                    database, data["branch"], source=event.metadata["commit"], at=event.occurred_at, position=position
                )
            case "BRANCH_DELETED":
                self._graph.delete_branch(database, data["branch"], position=position)
        return 0


def _is_behind(event: Event, applied: int) -> bool:
    return event.metadata.get("kind") == DOMAIN and int(event.metadata.get("position", 0)) > applied


def _is_of_run(event: Event) -> bool:
    """Whether the event tells of a change of a node."""
    return event.event_type in _NODE_EVENTS


def _is_of_migration(event: Event) -> bool:
    return event.metadata.get("command_type") == CommandType.MIGRATE_ONTOLOGY_CLASS


def _belongs(event: Event, group: _Group) -> bool:
    """The events of a commit stand together, but for failures and for what other handlers tell."""
    if _is_of_run(event):
        return bool(event.metadata["commit"] == group.commit)
    return event.event_type not in _CONTROL_EVENTS


def _collect(event: Event, group: _Group) -> None:
    group.positions.append(event.metadata["position"])
    group.actors.add(event.actor)
    group.times.append(event.occurred_at)
    change = _change(event)
    group.changes[change.key] = change


def _change(event: Event) -> Node | Removal:
    data = event.data
    is_class = event.aggregate_type == "OntologyClass"
    class_id = ONTOLOGY_CLASS if is_class else data["class_id"]
    key = naming.node_key(class_id, data["class_id"] if is_class else data["instance_id"])
    document: Mapping[str, Any] | None = data["definition"] if is_class else data["data"]
    number, position = told_number(event), event.metadata["position"]
    provenance = Provenance(event.event_id, event.command_id, event.actor, event.occurred_at, event.metadata.get("source"))
    if document is None:
        return Removal(key, number, position, provenance)
    links = {name: _targets(document[name]) for name in data.get("links", ())}
    return Node(key, class_id, document, links, number, position, provenance)


def _targets(value: Any) -> tuple[str, ...]:
    return tuple(value) if isinstance(value, list) else (value,)


def _check_same(database: str, said: str, made: str) -> None:
    if said != made:
        raise BrokenChain(f"rebuilding {database!r} made commit {made} where the log says {said}", details={"database": database})


def _accept_any(_database: str, _said: str, _made: str) -> None:
    return


def _no_progress(_position: int) -> None:
    return
