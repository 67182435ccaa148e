"""One commit of the graph in PostgreSQL, read."""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import orjson

from spice_core.adapters.postgres.connection import Connection
from spice_core.adapters.postgres.graph_queries import PinnedQueries, Statement
from spice_core.adapters.postgres.queries import load_queries
from spice_core.adapters.postgres.versioned_map import Pin
from spice_core.domain.graph import Commit, Direction, Hop, Link, Node, NodePage, Reached
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
        wanted = _storable(keys)
        rows = self._execute(self._queries.get(wanted), is_prepared=True) if wanted else []
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
        prefixes = self._prefixes(_storable(class_ids))
        return int(self._execute(self._queries.count(prefixes, filters))[0][0]) if prefixes else 0

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
        near = _storable(keys)
        hop = _storable_hop(Hop(predicate, direction, target_classes, filters))
        if hop is None or not near:
            return []
        rows = self._execute(self._queries.expand(near, hop, limit=limit), is_prepared=True)
        if direction is Direction.OUT:
            return [Link(near, name, far) for near, name, far in rows]
        return [Link(far, name, near) for near, name, far in rows]

    def reach(self, keys: Collection[str], hops: Sequence[Hop], *, limit: int | None = None) -> Sequence[Reached]:
        passable = [_storable_hop(hop) for hop in hops]
        possible = [hop for hop in passable[: passable.index(None) if None in passable else None] if hop]
        near = _storable(keys)
        if not possible or not near:
            return []
        rows = self._execute(self._queries.reach(near, possible, limit=limit), is_prepared=True)
        return [Reached(key, depth) for key, depth in rows]

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
        if sort is None:
            after = "" if mark is None else mark.key
            return self._execute(self._queries.page_by_key(class_ids, filters, after, **cut))
        prefixes = self._prefixes(class_ids)
        return self._execute(self._queries.page_by_value(prefixes, filters, sort, mark, **cut)) if prefixes else []

    def _prefixes(self, class_ids: Collection[str]) -> list[int]:
        asked = {"repo": self._pin.repo, "names": list(class_ids)}
        with self._connect() as connection:
            return [found for (found,) in connection.execute(self._sql["prefix_ids"], asked)]

    def _execute(self, statement: Statement, *, is_prepared: bool = False) -> list[tuple[Any, ...]]:
        """Prepared statements save the planning of small questions; scans are planned for the values they are asked with."""
        with self._connect() as connection:
            return connection.execute(statement.text, statement.values, prepare=is_prepared).fetchall()


def _storable(texts: Collection[str]) -> list[str]:
    """What no store can hold is not there, and PostgreSQL would refuse the question."""
    return [text for text in set(texts) if is_storable(text)]


def _storable_hop(hop: Hop) -> Hop | None:
    """Return `hop` as it can be asked, None if nothing can be linked that way. Raises as `domain.matching.condition`."""
    for asked in hop.filters:
        condition(asked)
    classes = _storable(hop.target_classes)
    if (hop.predicate is not None and not is_storable(hop.predicate)) or (hop.target_classes and not classes):
        return None
    return replace(hop, target_classes=classes)


def _node(key: str, value: str) -> Node:
    return decode_node(key, orjson.loads(value))
