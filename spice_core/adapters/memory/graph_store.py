"""The graph in memory: exact semantics, for tests and simulation."""

import threading
from datetime import datetime

import orjson

from spice_core.adapters.memory.graph_history import DatabaseHistory, StoredNode, frozen_links
from spice_core.adapters.memory.graph_view import MemoryGraphView
from spice_core.domain.graph import Branch, Commit, Difference, GraphBatch, Node
from spice_core.domain.matching import canonical
from spice_core.domain.node_records import check_text, decode_node, encode_changes
from spice_core.errors import AlreadyExists, Closed, Conflict, DatabaseNotFound
from spice_core.ports.graph_store import GraphStore, GraphView


class MemoryGraphStore(GraphStore):
    """Keeps every commit as a persistent map. Safe for many threads."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._databases: dict[str, DatabaseHistory] = {}
        self._applied: dict[str, int] = {}
        self._is_closed = False

    def create_database(self, database: str, *, author: str, message: str, at: datetime, position: int) -> Commit:
        self._check_open()
        check_text(database, author, message)
        with self._lock:
            existing = self._databases.get(database)
            if existing is not None:
                if existing.created_position != position:
                    raise AlreadyExists(f"database {database!r} exists")
                return existing.root
            self._check_ahead(database, position)
            created = DatabaseHistory(author=author, message=message, at=at, position=position)
            self._databases[database] = created
            self._applied[database] = position
            return created.root

    def drop_database(self, database: str, *, position: int) -> None:
        self._check_open()
        with self._lock:
            if position > self._applied.get(database, 0):
                self._databases.pop(database, None)
                self._applied[database] = position

    def forget(self, database: str) -> None:
        self._check_open()
        with self._lock:
            self._databases.pop(database, None)
            self._applied.pop(database, None)

    def databases(self) -> list[str]:
        self._check_open()
        with self._lock:
            return sorted(self._databases)

    def applied_position(self, database: str) -> int:
        self._check_open()
        with self._lock:
            return self._applied.get(database, 0)

    def apply(self, database: str, batch: GraphBatch) -> Commit:
        self._check_open()
        with self._lock:
            history = self._history(database)
            repeated = history.repetition(batch.first_position, batch.last_position)
            if repeated is not None:
                return repeated
            branch = history.branch(batch.branch)
            self._check_ahead(database, batch.first_position)
            check_text(batch.author, batch.message)
            encoded = encode_changes(batch.changes)
            changes = {
                change.key: StoredNode(data, frozen_links(change.links)) if isinstance(change, Node) else None
                for change, (_, data) in zip(batch.changes, encoded, strict=True)
            }
            commit = history.commit(
                batch.branch,
                history.snapshots[branch.head].changed(changes),
                author=batch.author,
                message=batch.message,
                at=batch.at,
                positions=(batch.first_position, batch.last_position),
                encoded=encoded,
            )
            self._applied[database] = batch.last_position
            return commit

    def create_branch(self, database: str, name: str, *, source: str, at: datetime, position: int) -> Branch:
        self._check_open()
        check_text(name)
        with self._lock:
            history = self._history(database)
            repeated = history.created_at(name, position)
            if repeated is not None:
                return repeated
            start = history.resolve(source)
            history.check_free(name)
            self._check_ahead(database, position)
            self._applied[database] = position
            return history.create_branch(name, start, at=at, position=position)

    def delete_branch(self, database: str, name: str, *, position: int) -> None:
        self._check_open()
        with self._lock:
            history = self._history(database)
            if history.was_deleted_at(name, position):
                return
            history.branch(name)
            self._check_ahead(database, position)
            history.delete_branch(name, position=position)
            self._applied[database] = position

    def branches(self, database: str) -> list[Branch]:
        self._check_open()
        with self._lock:
            return self._history(database).branches()

    def view(self, database: str, ref: str = "main") -> GraphView:
        self._check_open()
        with self._lock:
            history = self._history(database)
            commit = history.resolve(ref)
            return MemoryGraphView(commit, history.snapshots[commit.id])

    def commit_covering(self, database: str, position: int) -> Commit | None:
        self._check_open()
        with self._lock:
            return self._history(database).covering(position)

    def history(self, database: str, ref: str = "main", *, limit: int = 100) -> list[Commit]:
        self._check_open()
        with self._lock:
            history = self._history(database)
            found = [history.resolve(ref)]
            while len(found) < limit and found[-1].parents:
                found.append(history.commits[found[-1].parents[0]])
            return found[:limit]

    def diff(self, database: str, from_ref: str, to_ref: str, *, after: str = "", limit: int = 1000) -> list[Difference]:
        self._check_open()
        with self._lock:
            history = self._history(database)
            before, after_ = (history.snapshots[history.resolve(ref).id].nodes for ref in (from_ref, to_ref))
        keys = {key for key, node in before.items() if after_.get(key) is not node} | {
            key for key, node in after_.items() if before.get(key) is not node
        }
        found = []
        for key in sorted(key for key in keys if key > after):
            left, right = _decoded(key, before.get(key)), _decoded(key, after_.get(key))
            if left is None or right is None or canonical(left.document) != canonical(right.document):
                found.append(Difference(key, left, right))
            if len(found) == limit:
                break
        return found

    def common_ancestor(self, database: str, left: str, right: str) -> Commit | None:
        self._check_open()
        with self._lock:
            history = self._history(database)
            shared = history.ancestors(history.resolve(left)) & history.ancestors(history.resolve(right))
            return max((history.commits[key] for key in shared), key=lambda commit: commit.last_position, default=None)

    def close(self) -> None:
        self._is_closed = True

    def _history(self, database: str) -> DatabaseHistory:
        try:
            return self._databases[database]
        except KeyError:
            raise DatabaseNotFound(f"there is no database {database!r}") from None

    def _check_ahead(self, database: str, position: int) -> None:
        applied = self._applied.get(database, 0)
        if position <= applied:
            raise Conflict(f"position {position} of {database!r} is behind the applied position {applied}")

    def _check_open(self) -> None:
        if self._is_closed:
            raise Closed


def _decoded(key: str, stored: StoredNode | None) -> Node | None:
    return None if stored is None else decode_node(key, orjson.loads(stored.data))
