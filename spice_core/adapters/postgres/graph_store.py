"""The graph in PostgreSQL: nodes in a versioned map, and their links seen from both ends."""

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime

import orjson

from spice_core.adapters.postgres.connection import Connection, Postgres
from spice_core.adapters.postgres.graph_queries import PinnedQueries
from spice_core.adapters.postgres.graph_view import PostgresGraphView
from spice_core.adapters.postgres.graph_writer import GraphWriter, KnownNames
from spice_core.adapters.postgres.queries import load_queries
from spice_core.adapters.postgres.versioned_map import CommitText, LockedRepo, Pin, VersionedMap
from spice_core.domain.graph import Branch, Commit, Difference, GraphBatch, Node
from spice_core.domain.matching import is_storable
from spice_core.domain.naming import MAIN
from spice_core.domain.node_records import changes_digest, check_text, decode_node, encode_changes
from spice_core.errors import AlreadyExists, Closed, DatabaseNotFound, GraphUnavailable
from spice_core.ports.graph_store import GraphStore, GraphView

_FIRST_ANALYZE = 5_000


class PostgresGraphStore(GraphStore):
    """Uses a pool of the caller, who closes it. Safe for many threads and processes; writers of one database take turns."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres
        self._map = VersionedMap("graph")
        self._writer = GraphWriter()
        self._sql = load_queries("graph")
        self._is_closed = False
        self._known: dict[int, KnownNames] = {}
        self._known_lock = threading.Lock()
        self._written = 0
        self._analyze_at = _FIRST_ANALYZE

    def create_database(self, database: str, *, author: str, message: str, at: datetime, position: int) -> Commit:
        check_text(database, author, message)
        with self._transaction() as connection:
            locked = self._map.lock(connection, database, is_new=True)
            if locked.repo is not None:
                if locked.created_position != position:
                    raise AlreadyExists(f"database {database!r} exists")
                return self._root(connection, locked)
            self._map.check_ahead(locked, position)
            text = CommitText(MAIN, author, message, at, position, position)
            return self._map.create(connection, locked, text, digest=changes_digest(()))

    def drop_database(self, database: str, *, position: int) -> None:
        check_text(database)
        with self._transaction() as connection:
            locked = self._map.lock(connection, database, is_new=True)
            if position > locked.applied:
                self._map.drop(connection, locked, position=position)

    def forget(self, database: str) -> None:
        check_text(database)
        with self._transaction() as connection:
            self._map.drop(connection, self._map.lock(connection, database, is_new=True), position=0)

    def databases(self) -> list[str]:
        with self._reading() as connection:
            return self._map.repos(connection)

    def applied_position(self, database: str) -> int:
        with self._reading() as connection:
            return self._map.applied_position(connection, database)

    def apply(self, database: str, batch: GraphBatch) -> Commit:
        _check_database(database)
        with self._transaction() as connection:
            locked = self._map.lock(connection, database)
            repo = locked.repo or 0
            repeated = self._map.commit_of_range(connection, repo, batch.first_position, batch.last_position)
            if repeated is not None:
                return repeated
            tip = self._map.tip(connection, repo, batch.branch)
            self._map.check_ahead(locked, batch.first_position)
            check_text(batch.author, batch.message)
            encoded = encode_changes(batch.changes)
            known = self._names_of(repo, locked)
            written = self._writer.write(connection, locked, tip, batch.changes, encoded=encoded, known=known)
            text = CommitText(batch.branch, batch.author, batch.message, batch.at, batch.first_position, batch.last_position)
            commit = self._map.add_commit(
                connection,
                locked,
                tip,
                text,
                digest=changes_digest(encoded),
                keys=written.keys,
                next_key=written.learned.next_key,
            )
        with self._known_lock:
            known.keep(written.learned)
        self._analyze_after(len(encoded))
        return commit

    def create_branch(self, database: str, name: str, *, source: str, at: datetime, position: int) -> Branch:
        _check_database(database)
        check_text(name)
        with self._transaction() as connection:
            locked = self._map.lock(connection, database)
            return self._map.create_branch(connection, locked, name, source=source, at=at, position=position)

    def delete_branch(self, database: str, name: str, *, position: int) -> None:
        _check_database(database)
        check_text(name)
        with self._transaction() as connection:
            locked = self._map.lock(connection, database)
            self._map.delete_branch(connection, locked, name, position=position)

    def branches(self, database: str) -> list[Branch]:
        with self._reading() as connection:
            return self._map.branches(connection, self._map.repo_id(connection, database))

    def view(self, database: str, ref: str = "main") -> GraphView:
        with self._reading() as connection:
            return PostgresGraphView(self._reading, self._pin(connection, database, ref))

    def commit_covering(self, database: str, position: int) -> Commit | None:
        with self._reading() as connection:
            return self._map.commit_covering(connection, self._map.repo_id(connection, database), position)

    def history(self, database: str, ref: str = "main", *, limit: int = 100) -> list[Commit]:
        with self._reading() as connection:
            return self._map.history(connection, self._pin(connection, database, ref), limit=limit)

    def diff(self, database: str, from_ref: str, to_ref: str, *, after: str = "", limit: int = 1000) -> list[Difference]:
        check_text(after)
        with self._reading() as connection:
            before, now = self._pin(connection, database, from_ref), self._pin(connection, database, to_ref)
            base = self._map.common_ancestor(connection, before, now)
            ranges = {(layer, number): 0 for pin in (before, now) for layer, number in _since(pin, base)}
            since = {base.layers[0]: base.numbers[0]} if base else {}
            asked = {
                "range_layers": [layer for layer, _ in ranges],
                "above": [since.get(layer, 0) for layer, _ in ranges],
                "upto": [number for _, number in ranges],
                "after_key": after,
                "limit": limit,
            }
            statement = PinnedQueries(before).diff(now, asked)
            rows = connection.execute(statement.text, statement.values, prepare=False).fetchall()
        return [Difference(key, _node(key, old), _node(key, new)) for key, old, new in rows]

    def common_ancestor(self, database: str, left: str, right: str) -> Commit | None:
        with self._reading() as connection:
            pins = [self._pin(connection, database, ref) for ref in (left, right)]
            found = self._map.common_ancestor(connection, *pins)
        return None if found is None else found.commit

    def close(self) -> None:
        self._is_closed = True

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        self._check_open()
        with self._postgres.connection(unavailable=GraphUnavailable) as connection:
            yield connection

    def _reading(self) -> AbstractContextManager[Connection]:
        self._check_open()
        return self._postgres.connection(unavailable=GraphUnavailable, autocommit=True)

    def _check_open(self) -> None:
        if self._is_closed:
            raise Closed

    def _pin(self, connection: Connection, database: str, ref: str) -> Pin:
        return self._map.pin(connection, self._map.repo_id(connection, database), ref)

    def _root(self, connection: Connection, locked: LockedRepo) -> Commit:
        found = self._map.commit_covering(connection, locked.repo or 0, locked.created_position)
        if found is None:
            raise DatabaseNotFound
        return found

    def _names_of(self, repo: int, locked: LockedRepo) -> KnownNames:
        with self._known_lock:
            known = self._known.get(repo)
            if known is None or known.next_key > locked.next_key:
                known = self._known[repo] = KnownNames()
            return known

    def _analyze_after(self, changes: int) -> None:
        """Fresh tables have no statistics and get bad plans: analyze each time the written amount has doubled."""
        self._written += changes
        if self._written >= self._analyze_at:
            self._analyze_at = 2 * self._written
            with self._reading() as connection:
                connection.execute(self._sql["analyze"])


def _since(pin: Pin, base: Pin | None) -> list[tuple[int, int]]:
    """Return the layers of `pin` from the top down to the one of `base`, where commits above the base differ."""
    chain = list(zip(pin.layers, pin.numbers, strict=True))
    return chain[: pin.layers.index(base.layers[0]) + 1] if base is not None else chain


def _node(key: str, value: str | None) -> Node | None:
    return None if value is None else decode_node(key, orjson.loads(value))


def _check_database(database: str) -> None:
    if not is_storable(database):
        raise DatabaseNotFound(f"there is no database {database!r}")
