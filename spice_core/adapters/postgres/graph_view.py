"""One commit of the graph in PostgreSQL, read."""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import orjson

from spice_core.adapters.postgres.connection import Connection
from spice_core.adapters.postgres.graph_queries import PinnedQueries
from spice_core.adapters.postgres.queries import load_queries
from spice_core.adapters.postgres.versioned_map import Pin
from spice_core.domain.graph import Commit, Direction, Link, Node, NodePage
from spice_core.domain.matching import check_sort, condition, is_storable
from spice_core.domain.node_records import decode_node
from spice_core.domain.paging import PageMark, decode_mark, encode_mark, query_fingerprint
from spice_core.domain.queries import Filter, Sort
from spice_core.errors import InvalidQuery
from spice_core.ports.graph_store import GraphView

Connect = Callable[[], AbstractContextManager[Connection]]
"""Lends a connection in which every statement is its own transaction."""


class PostgresGraphView(GraphView):
    """Reads through the layers of a pin; one statement per call (two where classes are scanned)."""

    def __init__(self, connect: Connect, pin: Pin) -> None:
        self._connect = connect
        self._pin = pin
        self._queries = PinnedQueries(pin)
        self._sql = load_queries("graph_reads")

    @property
    def commit(self) -> Commit:
        return self._pin.commit

    def get(self, keys: Collection[str]) -> Mapping[str, Node]:
        asked = {"repo": self._pin.repo, "keys": _storable(keys)}
        if not asked["keys"]:
            return {}
        with self._connect() as connection:
            rows = connection.execute(self._queries.get(), asked, prepare=False).fetchall()
        return {key: _node(key, value) for key, value in rows}

    def page(
        self,
        class_ids: Collection[str],
        *,
        filters: Sequence[Filter] = (),
        sort: Sort | None = None,
        after: str | None = None,
        offset: int = 0,
        limit: int = 100,
    ) -> NodePage:
        check_sort(sort)
        if limit < 1 or offset < 0:
            raise InvalidQuery("limit begins at 1 and offset at 0")
        fingerprint = query_fingerprint(class_ids, filters, sort)
        mark = None if after is None else decode_mark(fingerprint, after)
        rows = self._rows(_storable(class_ids), filters, sort, mark, {"offset": offset, "limit": limit + 1})
        nodes = [_node(key, value) for key, value, _ in rows[:limit]]
        if len(rows) <= limit:
            return NodePage(nodes)
        key, _, value = rows[limit - 1]
        return NodePage(nodes, encode_mark(fingerprint, PageMark(value, key)))

    def count(self, class_ids: Collection[str], *, filters: Sequence[Filter] = ()) -> int:
        for asked in filters:
            condition(asked)
        with self._connect() as connection:
            prefixes = self._prefixes(connection, _storable(class_ids))
            if not prefixes:
                return 0
            row = connection.execute(self._queries.count(prefixes, filters), {}, prepare=False).fetchone()
        return int(row[0]) if row else 0

    def expand(
        self,
        keys: Collection[str],
        *,
        predicate: str | None,
        direction: Direction,
        target_classes: Collection[str] = (),
        filters: Sequence[Filter] = (),
        limit: int | None = None,
    ) -> Sequence[Link]:
        statement = self._queries.expand(predicate, direction, target_classes, filters)
        asked: dict[str, Any] = {"repo": self._pin.repo, "keys": _storable(keys), "limit": limit}
        asked |= {"predicate": predicate, "classes": _storable(target_classes)}
        if not asked["keys"] or not _storable([predicate or ""]):
            return []
        with self._connect() as connection:
            rows = connection.execute(statement, asked, prepare=False).fetchall()
        if direction is Direction.OUT:
            return [Link(near, name, far) for near, name, far in rows]
        return [Link(far, name, near) for near, name, far in rows]

    def _rows(
        self,
        class_ids: Collection[str],
        filters: Sequence[Filter],
        sort: Sort | None,
        mark: PageMark | None,
        cut: Mapping[str, int],
    ) -> list[tuple[str, str, str | None]]:
        """Return key, value and the text of the sort value."""
        for asked in filters:
            condition(asked)
        with self._connect() as connection:
            if sort is None:
                after = "" if mark is None else mark.key
                statement = self._queries.page_by_key(class_ids, filters, after) if class_ids else None
            else:
                prefixes = self._prefixes(connection, class_ids)
                statement = self._queries.page_by_value(prefixes, filters, sort, mark) if prefixes else None
            if statement is None:
                return []
            return connection.execute(statement, {"repo": self._pin.repo, **cut}, prepare=False).fetchall()

    def _prefixes(self, connection: Connection, class_ids: Collection[str]) -> list[int]:
        asked = {"repo": self._pin.repo, "names": list(class_ids)}
        return [found for (found,) in connection.execute(self._sql["prefix_ids"], asked)]


def _storable(texts: Collection[str]) -> list[str]:
    """What no store can hold is not there, and PostgreSQL would refuse the question."""
    return [text for text in set(texts) if is_storable(text)]


def _node(key: str, value: str) -> Node:
    return decode_node(key, orjson.loads(value))
