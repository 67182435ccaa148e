"""The search index in PostgreSQL: a typed table per class, branches as overlays, generations that are swapped by one UPDATE."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TypeVar

import psycopg
from psycopg import sql

from spice_core.adapters.postgres.connection import Connection, Postgres
from spice_core.adapters.postgres.queries import load_queries
from spice_core.adapters.postgres.search_branches import end_branch, start_branch
from spice_core.adapters.postgres.search_catalogue import Snapshot, read_snapshot, unknown_generation
from spice_core.adapters.postgres.search_classes import define_class
from spice_core.adapters.postgres.search_documents import DOCUMENT_COLUMNS, load_document
from spice_core.adapters.postgres.search_query import Statements
from spice_core.adapters.postgres.search_rows import RowEncoder
from spice_core.adapters.postgres.search_tables import SCHEMA
from spice_core.adapters.postgres.search_text import text_condition
from spice_core.adapters.postgres.search_visible import first_of_arms, select_keys, visible_arms
from spice_core.adapters.postgres.search_write import stage, upsert
from spice_core.domain.matching import is_storable
from spice_core.domain.naming import MAIN
from spice_core.domain.paging import PageMark, encode_mark
from spice_core.domain.queries import Facet, Kind
from spice_core.domain.search import IndexedClass, SearchDocument, SearchHit, SearchQuery, SearchResult, WriteResult
from spice_core.domain.search_rules import (
    MAX_TOTAL,
    NUMERIC,
    CheckedQuery,
    check_query,
    decimal_of,
    has_rank,
    highlights,
    json_form,
    merge_definitions,
    newest_of_each_key,
    storable,
)
from spice_core.errors import Closed, Conflict, InvalidInput, InvalidQuery, SearchUnavailable
from spice_core.ports.search_index import SearchIndex

T = TypeVar("T")

_READ_ATTEMPTS = 5


class PostgresSearchIndex(SearchIndex):
    """Search over the tables of schema `spice_search`; the pool stays the caller's and is not closed here."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres
        self._sql = load_queries("search")
        self._is_closed = False

    def identity(self) -> int:
        self._check_open()
        return 1

    def define(self, database: str, definition: IndexedClass, *, generation: int | None = None) -> None:
        merge_definitions(None, definition)
        with self._change(database) as connection:
            self._ensure(connection, database, generation)
            snapshot = read_snapshot(connection, database, class_ids=[definition.class_id], generation=generation)
            define_class(connection, snapshot, definition)
        self._sweep()

    def write(
        self, database: str, branch: str, documents: Sequence[SearchDocument], *, generation: int | None = None
    ) -> WriteResult:
        newest = newest_of_each_key(documents)
        storable(branch)
        class_ids = sorted({document.class_id for document in documents})
        with self._transaction() as connection:
            snapshot = self._writable(connection, database, branch, class_ids, generation)
            for document in documents:
                if document.class_id not in snapshot.classes:
                    raise InvalidQuery(f"the class {document.class_id!r} of {document.key!r} is not defined in {database!r}")
            encoders = {class_id: RowEncoder(snapshot.classes[class_id]) for class_id in class_ids}
            staged = stage(connection, newest, encoders) if newest else None
            applied = upsert(connection, snapshot.chain, staged, list(encoders.values())) if staged else 0
        return WriteResult(applied=applied, stale=len(documents) - applied)

    def refresh(self, database: str) -> None:  # noqa: ARG002 a write is visible when it returns
        self._check_open()

    def create_branch(self, database: str, name: str, *, source: str, generation: int | None = None) -> None:
        storable(name)
        with self._change(database) as connection:
            self._ensure(connection, database, generation)
            snapshot = read_snapshot(connection, database, class_ids=(), generation=generation)
            if snapshot.generation is not None:
                start_branch(connection, snapshot.generation, name, source=source if is_storable(source) else None)

    def delete_branch(self, database: str, name: str, *, generation: int | None = None) -> None:
        if name == MAIN:
            raise InvalidInput("The branch main cannot be deleted; drop the database instead")
        with self._change(database) as connection:
            snapshot = read_snapshot(connection, database, generation=generation)
            if snapshot.generation is not None:
                end_branch(connection, snapshot, name)

    def drop(self, database: str, *, class_id: str | None = None) -> None:
        with self._change(database) as connection:
            generations = [number for number in self._generations(connection, database) if number is not None]
            self._discard(connection, generations, class_id=class_id)
            if class_id is None:
                connection.execute(self._sql["drop_database"], {"database": database})
        self._sweep()

    def get(self, database: str, branch: str, keys: Collection[str]) -> Mapping[str, SearchDocument]:
        by_class: dict[str, list[str]] = {}
        for key in keys:
            if is_storable(key):
                by_class.setdefault(key.partition("/")[0], []).append(key)

        def read(connection: Connection) -> dict[str, SearchDocument]:
            snapshot = _snapshot(connection, database, branch, class_ids=list(by_class))
            return _documents(connection, snapshot, by_class)

        return self._read(read, names=(database, branch)) or {}

    def search(self, database: str, branch: str, query: SearchQuery) -> SearchResult:
        class_ids = [class_id for class_id in query.class_ids if is_storable(class_id)]

        def read(connection: Connection) -> SearchResult:
            snapshot = _snapshot(connection, database, branch, class_ids=class_ids)
            checked = check_query(query, snapshot.definitions)
            return _search(connection, snapshot, query, checked)

        return self._read(read, names=(database, branch)) or _empty(check_query(query, {}))

    def begin_rebuild(self, database: str) -> int:
        with self._change(database) as connection:
            self._ensure(connection, database, None)
            _, unfinished = self._generations(connection, database)
            if unfinished is not None:
                self._discard(connection, [unfinished])
            number = self._next_generation(connection)
            connection.execute(self._sql["set_building"], {"database": database, "generation": number})
        self._sweep()
        return number

    def finish_rebuild(self, database: str, generation: int) -> None:
        with self._change(database) as connection:
            live, building = self._generations(connection, database)
            if live is None or building != generation:
                raise unknown_generation(database, generation)
            connection.execute(self._sql["swap"], {"database": database})
            self._discard(connection, [live])
        self._sweep()

    def abandon_rebuild(self, database: str, generation: int) -> None:
        with self._change(database) as connection:
            if self._generations(connection, database)[1] == generation:
                connection.execute(self._sql["set_building"], {"database": database, "generation": None})
                self._discard(connection, [generation])
        self._sweep()

    def scan(
        self, database: str, branch: str, *, generation: int | None = None, after: str = "", limit: int = 1000
    ) -> Sequence[SearchDocument]:
        after = storable(after)

        def read(connection: Connection) -> list[SearchDocument]:
            snapshot = _snapshot(connection, database, branch, generation=generation)
            return _scan(connection, snapshot, after, max(limit, 0))

        return self._read(read, names=(database, branch)) or []

    def close(self) -> None:
        self._is_closed = True

    def _check_open(self) -> None:
        if self._is_closed:
            raise Closed("The search index is closed.")

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        self._check_open()
        with self._postgres.connection(unavailable=SearchUnavailable) as connection:
            yield connection

    @contextmanager
    def _change(self, database: str) -> Iterator[Connection]:
        """A transaction that has the database for itself: writers wait, readers do not."""
        storable(database)
        with self._transaction() as connection:
            connection.execute(self._sql["lock_alone"], {"database": database})
            yield connection

    def _read(self, read: Callable[[Connection], T], *, names: Sequence[str]) -> T | None:
        """Run `read` on one snapshot of everything; None for names that cannot exist.

        A table may be dropped between finding its name and opening it: then there is a newer one to be found.
        """
        self._check_open()
        if not all(is_storable(name) for name in names):
            return None
        for _ in range(_READ_ATTEMPTS):
            try:
                with self._transaction() as connection:
                    connection.execute(self._sql["read_only"])
                    return read(connection)
            except psycopg.errors.UndefinedTable:
                continue
        raise SearchUnavailable("The class tables were replaced again and again while they were read; retry")

    def _writable(
        self, connection: Connection, database: str, branch: str, class_ids: Sequence[str], generation: int | None
    ) -> Snapshot:
        """Return what a write to `branch` works on, after shutting out changes; an unknown branch is started empty."""
        parameters = {"database": storable(database)}
        connection.execute(self._sql["lock_shared"], parameters)
        snapshot = read_snapshot(connection, database, branch=branch, class_ids=class_ids, generation=generation)
        if snapshot.generation is not None and not snapshot.chain and snapshot.classes:
            start_branch(connection, snapshot.generation, branch, source=None)
            snapshot = read_snapshot(connection, database, branch=branch, class_ids=class_ids, generation=generation)
        return snapshot

    def _ensure(self, connection: Connection, database: str, generation: int | None) -> None:
        """Make sure that a database is there with a live generation, unless a given one is asked for."""
        if generation is None and self._generations(connection, database)[0] is None:
            number = self._next_generation(connection)
            connection.execute(self._sql["add_database"], {"database": database, "generation": number})

    def _generations(self, connection: Connection, database: str) -> tuple[int | None, int | None]:
        row = connection.execute(self._sql["database"], {"database": database}).fetchone()
        return (row[0], row[1]) if row else (None, None)

    def _next_generation(self, connection: Connection) -> int:
        row = connection.execute(self._sql["next_generation"]).fetchone()
        if row is None:
            raise Conflict("No generation was made")
        return int(row[0])

    def _discard(self, connection: Connection, generations: Sequence[int], *, class_id: str | None = None) -> None:
        """Forget generations, or one class of them; the tables wait for `_sweep`."""
        parameters = {"generations": list(generations), "class_id": class_id}
        connection.execute(self._sql["drop_classes"], parameters)
        if class_id is None:
            connection.execute(self._sql["drop_generations"], parameters)

    def _sweep(self) -> None:
        """Drop the tables that nothing refers to; one that a reader holds stays for the next time."""
        with self._transaction() as connection:
            names = [name for (name,) in connection.execute(self._sql["garbage"]).fetchall()]
        for name in names:
            try:
                with self._transaction() as connection:
                    connection.execute(self._sql["hurry"])
                    connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(sql.Identifier(SCHEMA, name)))
                    connection.execute(self._sql["forget_garbage"], {"table": name})
            except SearchUnavailable:
                return


def _snapshot(
    connection: Connection,
    database: str,
    branch: str,
    *,
    class_ids: Sequence[str] | None = None,
    generation: int | None = None,
) -> Snapshot:
    """Return what a read works on. A young overlay has no statistics, and a hash join is never far off."""
    snapshot = read_snapshot(connection, database, branch=branch, class_ids=class_ids, generation=generation)
    if any(not layer.is_main for layer in snapshot.chain):
        connection.execute(load_queries("search")["prefer_hash_joins"])
    return snapshot


def _documents(connection: Connection, snapshot: Snapshot, keys: Mapping[str, Sequence[str]]) -> dict[str, SearchDocument]:
    """Return the documents under `keys` (by class), tombstones included."""
    found: dict[str, SearchDocument] = {}
    for class_id, tables in snapshot.classes.items() if snapshot.chain else ():
        statement = select_keys(tables, snapshot.chain, DOCUMENT_COLUMNS, keys.get(class_id, ()))
        for row in connection.execute(statement):
            found[row[0]] = load_document(row, class_id)
    return found


def _scan(connection: Connection, snapshot: Snapshot, after: str, limit: int) -> list[SearchDocument]:
    if not snapshot.chain or not snapshot.classes:
        return []
    condition = sql.SQL("NOT m.is_deleted AND m.key > {}").format(sql.Literal(after))
    found = [visible_arms(tables, snapshot.chain, DOCUMENT_COLUMNS, condition) for tables in snapshot.classes.values()]
    arms = [arm for arms in found for arm in arms]
    rows = first_of_arms(arms, behind=sql.SQL("true"), order=sql.SQL("u.key"), limit=limit)
    statement = sql.SQL("SELECT * FROM ({}) u ORDER BY key LIMIT {}").format(rows, sql.Literal(limit))
    return [load_document(row, row[0].partition("/")[0]) for row in connection.execute(statement)]


def _search(connection: Connection, snapshot: Snapshot, query: SearchQuery, checked: CheckedQuery) -> SearchResult:
    if not snapshot.chain or not checked.classes:
        return _empty(checked)
    text = None if checked.clauses is None else text_condition(connection, checked.clauses, snapshot.classes.values())
    statements = Statements(query, checked, snapshot.classes, snapshot.chain, text)
    counted = connection.execute(statements.count()).fetchone()
    total = counted[0] if counted else 0
    rows = connection.execute(statements.page(is_small=total <= MAX_TOTAL)).fetchall() if query.limit and total else []
    page = rows[: query.limit]
    has_more = len(rows) > len(page)
    return SearchResult(
        hits=_hits(connection, snapshot, query, checked, [row[0] for row in page]),
        total=min(total, MAX_TOTAL),
        total_is_exact=total <= MAX_TOTAL,
        next_after=encode_mark(checked.fingerprint, _mark(page[-1], checked)) if has_more else None,
        facets=_facets(connection, statements, is_small=total <= MAX_TOTAL) if checked.facets else (),
    )


def _hits(
    connection: Connection, snapshot: Snapshot, query: SearchQuery, checked: CheckedQuery, keys: Sequence[str]
) -> list[SearchHit]:
    by_class: dict[str, list[str]] = {}
    for key in keys:
        by_class.setdefault(key.partition("/")[0], []).append(key)
    documents = _documents(connection, snapshot, by_class) if keys else {}
    if not query.with_highlights or not checked.clauses:
        return [SearchHit(documents[key]) for key in keys]
    definitions = snapshot.definitions
    found = [documents[key] for key in keys]
    return [SearchHit(item, highlights(definitions[item.class_id], item.data, checked.clauses)) for item in found]


def _mark(row: tuple[str, str | None, int], checked: CheckedQuery) -> PageMark:
    key, value, rank = row
    return PageMark(str(rank) if has_rank(checked) else value, key)


def _facets(connection: Connection, statements: Statements, *, is_small: bool) -> list[Facet]:
    buckets: list[list[tuple[object, int]]] = [[] for _ in statements.checked.facets]
    for number, value, count in connection.execute(statements.facets(is_small=is_small)):
        buckets[number].append((_facet_value(value, statements.checked.facets[number].kind), count))
    return [Facet(request.field, found) for request, found in zip(statements.checked.facets, buckets, strict=True)]


def _facet_value(value: str, kind: Kind) -> object:
    if kind is Kind.BOOLEAN:
        return value == "true"
    return json_form(decimal_of(value) if kind in NUMERIC else value, kind)


def _empty(checked: CheckedQuery) -> SearchResult:
    facets = [Facet(request.field, ()) for request in checked.facets]
    return SearchResult(hits=[], total=0, total_is_exact=True, next_after=None, facets=facets)
