"""The ledger in PostgreSQL."""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from psycopg.errors import UniqueViolation

from spice_core.adapters.postgres.connection import Connection, Postgres
from spice_core.adapters.postgres.queries import load_queries
from spice_core.domain.event_keys import event_key
from spice_core.errors import Closed
from spice_core.ports.ledger import EMPTY_HEAD, FoldedHead, IndexEntry, Ledger, LedgerView

_KEYS_PER_BLOCK = 10_000
_SPECIAL = re.compile(r"[\\\t\n\r]")
_ESCAPES = {"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"}


class PostgresLedger(Ledger):
    """Three tables of the schema `spice_ledger`, written in batches behind the log.

    A fold's commit is asynchronous: what the server loses in a crash is whole folds, and they are folded again.
    """

    def __init__(self, postgres: Postgres) -> None:
        """Use `postgres`, which the caller closes."""
        self._postgres = postgres
        self._sql = load_queries("ledger")
        self._is_closed = False

    def view(self, database: str, *, aggregates: Collection[str] = (), event_ids: Collection[str] = ()) -> LedgerView:
        self._check_open()
        ids = {event_key(event_id): event_id for event_id in event_ids}
        # Keys are hex digits and hyphens, so their array needs no quoting: dumping a list costs ten times as much.
        parameters = {"database": database, "aggregates": list(aggregates), "keys": "{" + ",".join(ids) + "}"}
        with self._postgres.connection(autocommit=True) as connection:
            rows = connection.execute(self._sql["view"], parameters).fetchall()
        head, numbers, known = EMPTY_HEAD, dict[str, int](), dict[str, IndexEntry]()
        for kind, name, *values in rows:
            if kind == "h":
                head = FoldedHead(*values[:3])
            elif kind == "a":
                numbers[name] = values[0]
            else:
                known[ids[name]] = _entry(ids[name], values)
        return LedgerView(head, numbers, known)

    def visit_keys(self, database: str, visit: Callable[[Iterable[str]], None]) -> FoldedHead:
        self._check_open()
        with self._postgres.connection() as connection:
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            row = connection.execute(self._sql["head"], (database,)).fetchone()
            for query in ("event_keys", "aggregate_names"):
                with connection.cursor(f"spice_{query}") as cursor:
                    cursor.execute(self._sql[query], (database,))
                    while block := cursor.fetchmany(_KEYS_PER_BLOCK):
                        visit([name for (name,) in block])
        return EMPTY_HEAD if row is None else FoldedHead(*row)

    def fold(self, database: str, entries: Sequence[IndexEntry], *, since: FoldedHead, head: FoldedHead) -> bool:
        self._check_open()
        with self._postgres.connection() as connection:
            connection.execute("SET LOCAL synchronous_commit = off")
            if not self._advance(connection, database, since, head):
                return False
            self._add_events(connection, database, entries)
            numbers = {entry.aggregate: entry.sequence_number for entry in entries if entry.is_command}
            if numbers:
                # In one order everywhere, so that folds of two processes cannot wait for each other in a circle.
                ordered = dict(sorted(numbers.items()))
                parameters = {"database": database, "aggregates": list(ordered), "numbers": list(ordered.values())}
                connection.execute(self._sql["set_numbers"], parameters)
        return True

    @contextmanager
    def folding(self, database: str) -> Iterator[bool]:
        self._check_open()
        with self._postgres.connection(autocommit=True) as connection:
            row = connection.execute(self._sql["try_folding"], (database,)).fetchone()
            has_right = row is not None and bool(row[0])
            try:
                yield has_right
            finally:
                if has_right and not connection.closed:
                    connection.execute(self._sql["end_folding"], (database,))

    def heads(self) -> Mapping[str, FoldedHead]:
        self._check_open()
        with self._postgres.connection(autocommit=True) as connection:
            rows = connection.execute(self._sql["heads"]).fetchall()
        return {database: FoldedHead(segment, position, chain_hash) for database, segment, position, chain_hash in rows}

    def forget(self, database: str) -> None:
        self._check_open()
        with self._postgres.connection() as connection:
            for name in ("forget_head", "forget_events", "forget_numbers"):
                connection.execute(self._sql[name], (database,))

    def installation(self) -> str | None:
        self._check_open()
        with self._postgres.connection(autocommit=True) as connection:
            row = connection.execute(self._sql["installation"]).fetchone()
        return None if row is None else str(row[0])

    def join_installation(self, installation_id: str, *, replaces: bool = False) -> str:
        self._check_open()
        with self._postgres.connection() as connection:
            connection.execute(self._sql["replace_installation" if replaces else "join_installation"], (installation_id,))
        return self.installation() or installation_id

    def close(self) -> None:
        self._is_closed = True

    def _advance(self, connection: Connection, database: str, since: FoldedHead, head: FoldedHead) -> bool:
        parameters = {
            "database": database,
            "segment": head.segment,
            "position": head.position,
            "chain_hash": head.chain_hash,
            "since_segment": since.segment,
            "since_position": since.position,
            "since_hash": since.chain_hash,
        }
        is_first = since == EMPTY_HEAD
        if is_first and connection.execute(self._sql["first_fold"], parameters).rowcount == 1:
            return True
        return connection.execute(self._sql["advance"], parameters).rowcount == 1

    def _add_events(self, connection: Connection, database: str, entries: Sequence[IndexEntry]) -> None:
        """Index `entries`; an id that is there already keeps its first place (the log never holds one twice)."""
        try:
            with connection.transaction(), connection.cursor().copy(self._sql["copy_events"]) as copy:
                copy.write("".join([_row(database, entry) for entry in entries]))
        except UniqueViolation:
            connection.execute(self._sql["add_events"], _columns(database, entries))

    def _check_open(self) -> None:
        if self._is_closed:
            raise Closed("The ledger is closed.")


def _entry(event_id: str, values: Sequence[Any]) -> IndexEntry:
    segment, position, aggregate, sequence_number, is_command, fingerprint = values
    return IndexEntry(event_id, position, segment, aggregate, sequence_number, is_command, bytes(fingerprint))


def _row(database: str, entry: IndexEntry) -> str:
    """Return one line of COPY's text format, in the column order of `copy_events`."""
    aggregate = entry.aggregate
    if _SPECIAL.search(aggregate):
        aggregate = _SPECIAL.sub(lambda match: _ESCAPES[match[0]], aggregate)
    return (
        f"{database}\t{event_key(entry.event_id)}\t{entry.position}\t{entry.segment}\t{entry.sequence_number}\t"
        f"{'t' if entry.is_command else 'f'}\t\\\\x{entry.fingerprint.hex()}\t{aggregate}\n"
    )


def _columns(database: str, entries: Sequence[IndexEntry]) -> dict[str, Any]:
    return {
        "database": database,
        "keys": [event_key(entry.event_id) for entry in entries],
        "positions": [entry.position for entry in entries],
        "segments": [entry.segment for entry in entries],
        "numbers": [entry.sequence_number for entry in entries],
        "commands": [entry.is_command for entry in entries],
        "fingerprints": [entry.fingerprint for entry in entries],
        "aggregates": [entry.aggregate for entry in entries],
    }
