"""Why a node or a link is there: the events, commands, people, rows and commits that made it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from spice_core.domain import naming
from spice_core.domain.class_migrations import origin_of
from spice_core.domain.datasets import DatasetVersion
from spice_core.domain.events import RecordedEvent
from spice_core.domain.graph import Commit, Node
from spice_core.domain.read_models import LineageRecord
from spice_core.errors import CommitNotFound, InstanceNotFound, NotFound
from spice_core.ports.graph_store import GraphStore
from spice_core.ports.read_models import LineageStore
from spice_core.ports.registry import Registry
from spice_core.services.event_log.event_log import EventLog

_MAX_BRANCH_DEPTH = 20
_MAX_MOVES = 20


class LinkNotFound(NotFound):
    """There is no such link."""

    code = "link_not_found"


@dataclass(frozen=True, slots=True)
class Cause:
    """One step in the making of something: an event, the command behind it, its commit, and the row it came from."""

    event_id: str
    event_type: str
    command_id: str
    actor: str | None
    occurred_at: Any
    position: int
    sequence_number: int
    commit: Commit | None
    source: Mapping[str, Any] | None
    dataset_version: DatasetVersion | None


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why `subject` is as it is: `because` is the step that made it so, `history` all steps, newest first."""

    subject: Mapping[str, Any]
    because: Cause
    history: Sequence[Cause]


@dataclass(frozen=True, slots=True)
class Explainer:
    """Answers `why` from the graph, the lineage and the log."""

    graph: GraphStore
    lineage: LineageStore
    log: EventLog
    registry: Registry

    def node(self, database: str, branch: str, key: str, *, limit: int = 100) -> Explanation:
        """Explain the present state of a node.

        Raises:
            DatabaseNotFound, BranchNotFound, InstanceNotFound: it is not there.
        """
        node = self._node(database, branch, key)
        history = [self._cause(database, record) for record in self._records(database, branch, key, limit)]
        because = next((item for item in history if item.command_id == node.provenance.command_id), None)
        return Explanation({"node": key, "branch": branch}, because or self._cause_of_node(database, node), history)

    def link(self, database: str, branch: str, source: str, predicate: str, target: str, *, limit: int = 1000) -> Explanation:
        """Explain a link: the newest event of its source node before which it was not there.

        Raises:
            DatabaseNotFound, BranchNotFound, InstanceNotFound: the source node is not there.
            LinkNotFound: the source node does not lead there.
        """
        node = self._node(database, branch, source)
        if target not in node.links.get(predicate, ()):
            raise LinkNotFound(f"{source} -{predicate}-> {target} is not there on {branch}")
        records = self._records(database, branch, source, limit)
        found = self._introduction(database, records, predicate, target)
        because = self._cause(database, found) if found else self._cause_of_node(database, node)
        subject = {"from_node": source, "predicate": predicate, "to_node": target, "branch": branch}
        return Explanation(subject, because, [self._cause(database, record) for record in records[:100]])

    def cause(self, database: str, record: LineageRecord) -> Cause:
        """Return a lineage record with its commit and its dataset version."""
        return self._cause(database, record)

    def effects_of_command(self, database: str, command_id: str) -> list[LineageRecord] | None:
        """Return what a command brought about, None where the log of `database` has no such command."""
        recorded = self.log.find(database, command_id)
        return self.lineage.of_command(database, command_id) if recorded and recorded.event.is_command else None

    def _node(self, database: str, branch: str, key: str) -> Node:
        naming.split_node_key(key)
        node = self.graph.view(database, branch).get([key]).get(key)
        if node is None:
            raise InstanceNotFound(f"there is no {key} on {branch}", details={"id": key})
        return node

    def _records(self, database: str, branch: str, key: str, limit: int) -> list[LineageRecord]:
        """Return the node's records, newest first; those under the keys that it had before a migration follow."""
        records: list[LineageRecord] = []
        found = self._of_key(database, branch, key, limit)
        for _ in range(_MAX_MOVES):
            move = next((record for record in found if origin_of(record.source) is not None), None)
            origin = origin_of(move.source) if move is not None else None
            if move is None or origin is None:
                break
            records += found[: found.index(move) + 1]
            earlier = self._of_key(database, branch, origin[0], limit)
            found = [item for item in earlier if item.position < move.position and item.command_id != move.command_id]
        return [*records, *found][:limit]

    def _of_key(self, database: str, branch: str, key: str, limit: int) -> list[LineageRecord]:
        """Return the records of a key on `branch`, then those of the branches it came from, up to where it left them."""
        records = self.lineage.of_artifact(database, f"node:{branch}:{key}", limit=limit)
        name = branch
        for _ in range(_MAX_BRANCH_DEPTH):
            fork = self._fork(database, name)
            if fork is None or len(records) >= limit:
                break
            name = fork.branch
            older = self.lineage.of_artifact(database, f"node:{name}:{key}", limit=limit)
            records += [record for record in older if self._is_within(database, record, fork)]
        return records[:limit]

    def _is_within(self, database: str, record: LineageRecord, fork: Commit) -> bool:
        """A domain event stands behind the commands of its commit, so its commit decides, not its own position."""
        commit = self._commit(database, record.commit)
        return record.position <= fork.last_position or (commit is not None and commit.last_position <= fork.last_position)

    def _fork(self, database: str, name: str) -> Commit | None:
        created_from = next((item.created_from for item in self.graph.branches(database) if item.name == name), None)
        return self.graph.view(database, created_from).commit if created_from else None

    def _introduction(self, database: str, records: Sequence[LineageRecord], predicate: str, target: str) -> LineageRecord | None:
        found: LineageRecord | None = None
        for record in records:
            recorded = self.log.find(database, record.event_id)
            if recorded is None or target not in _references(recorded, predicate):
                break
            found = record
        return found

    def _cause(self, database: str, record: LineageRecord) -> Cause:
        return Cause(
            event_id=record.event_id,
            event_type=record.event_type,
            command_id=record.command_id,
            actor=record.actor,
            occurred_at=record.occurred_at,
            position=record.position,
            sequence_number=record.sequence_number,
            commit=self._commit(database, record.commit),
            source=record.source,
            dataset_version=self.registry.version(database, record.dataset_version) if record.dataset_version else None,
        )

    def _cause_of_node(self, database: str, node: Node) -> Cause:
        """The lineage may lag behind the graph: the node itself knows its last change."""
        provenance = node.provenance
        source = provenance.source or {}
        version_id = source.get("version_id")
        return Cause(
            event_id=provenance.event_id,
            event_type="",
            command_id=provenance.command_id,
            actor=provenance.actor,
            occurred_at=provenance.occurred_at,
            position=node.position,
            sequence_number=node.sequence_number,
            commit=self.graph.commit_covering(database, node.position),
            source=provenance.source,
            dataset_version=self.registry.version(database, str(version_id)) if version_id else None,
        )

    def _commit(self, database: str, commit_id: str | None) -> Commit | None:
        if commit_id is None:
            return None
        try:
            return self.graph.view(database, commit_id).commit
        except CommitNotFound:
            return None


def _references(recorded: RecordedEvent, predicate: str) -> tuple[str, ...]:
    held = (recorded.event.data.get("data") or {}).get(predicate)
    return (held,) if isinstance(held, str) else tuple(held or ())
