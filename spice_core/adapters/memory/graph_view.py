"""One commit of a graph in memory, read."""

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cmp_to_key
from typing import Any

import orjson

from spice_core.adapters.memory.graph_history import Snapshot, link_pairs
from spice_core.domain.graph import Commit, Direction, Hop, Link, Node, NodePage, Reached
from spice_core.domain.matching import Condition, check_sort, condition, mark_text, marked_value, meets, sort_value
from spice_core.domain.node_records import decode_node
from spice_core.domain.paging import PageMark, decode_mark, encode_mark, query_fingerprint
from spice_core.domain.queries import Filter, Sort
from spice_core.errors import InvalidQuery
from spice_core.ports.graph_store import GraphView


class MemoryGraphView(GraphView):
    """Reads an immutable snapshot."""

    def __init__(self, commit: Commit, snapshot: Snapshot) -> None:
        self._commit = commit
        self._snapshot = snapshot

    @property
    def commit(self) -> Commit:
        return self._commit

    def get(self, keys: Collection[str]) -> Mapping[str, Node]:
        found = {}
        for key in keys:
            stored = self._snapshot.nodes.get(key)
            if stored is not None:
                found[key] = decode_node(key, orjson.loads(stored.data))
        return found

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
        ordered = sorted(self._matching(class_ids, filters), key=cmp_to_key(_comparison(sort)))
        if after is not None:
            mark = decode_mark(fingerprint, after)
            ordered = [node for node in ordered if _is_behind(node, mark, sort)]
        nodes = ordered[offset : offset + limit]
        if len(ordered) <= offset + limit:
            return NodePage(nodes)
        return NodePage(nodes, encode_mark(fingerprint, _mark(nodes[-1], sort)))

    def count(self, class_ids: Collection[str], *, filters: Sequence[Filter] = ()) -> int:
        return len(self._matching(class_ids, filters))

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
        conditions = [condition(item) for item in filters]
        hops = [hop for key in set(keys) for hop in self._hops(key, predicate, direction)]
        found = [hop for hop in sorted(hops) if self._is_wanted(hop[2], target_classes, conditions)]
        if direction is Direction.OUT:
            links = [Link(near, name, far) for near, name, far in found]
        else:
            links = [Link(far, name, near) for near, name, far in found]
        return links[:limit]

    def reach(self, keys: Collection[str], hops: Sequence[Hop], *, limit: int | None = None) -> Sequence[Reached]:
        conditions = [[condition(item) for item in hop.filters] for hop in hops]
        seen, frontier = set(keys), set(keys)
        reached: list[Reached] = []
        for depth, (hop, asked) in enumerate(zip(hops, conditions, strict=True), start=1):
            ends = {far for near in frontier for _, _, far in self._hops(near, hop.predicate, hop.direction)} - seen
            frontier = {far for far in ends if self._is_wanted(far, hop.target_classes, asked)}
            seen |= frontier
            reached += [Reached(key, depth) for key in sorted(frontier)]
        return reached[:limit]

    def _hops(self, key: str, predicate: str | None, direction: Direction) -> list[tuple[str, str, str]]:
        if direction is Direction.OUT:
            pairs = link_pairs(self._snapshot.nodes.get(key))
            hops = [(key, name, target) for name, target in pairs]
        else:
            hops = [(key, name, source) for source, name in self._snapshot.arrivals.get(key) or ()]
        return [hop for hop in hops if predicate is None or hop[1] == predicate]

    def _is_wanted(self, key: str, classes: Collection[str], conditions: Sequence[Condition]) -> bool:
        stored = self._snapshot.nodes.get(key)
        if stored is None or (classes and key.partition("/")[0] not in classes):
            return False
        if not conditions:
            return True
        document = orjson.loads(stored.data)["d"]
        return all(meets(document, item) for item in conditions)

    def _matching(self, class_ids: Collection[str], filters: Sequence[Filter]) -> list[Node]:
        conditions = [condition(item) for item in filters]
        nodes = (
            decode_node(key, orjson.loads(stored.data))
            for key, stored in self._snapshot.nodes.items()
            if key.partition("/")[0] in class_ids
        )
        return [node for node in nodes if all(meets(node.document, item) for item in conditions)]


def _comparison(sort: Sort | None) -> Callable[[Node, Node], int]:
    def compare(left: Node, right: Node) -> int:
        if sort is None:
            return -1 if left.key < right.key else 1
        return _order(sort_value(left.document, sort), left.key, sort_value(right.document, sort), right.key, sort)

    return compare


def _order(left: Any, left_key: str, right: Any, right_key: str, sort: Sort) -> int:
    """Nulls come last both ways; ties go by key in the direction of the sort."""
    if (left is None) != (right is None):
        return 1 if left is None else -1
    if left == right:
        left, right = left_key, right_key
    if left == right:
        return 0
    return 1 if (left < right) == sort.descending else -1


def _mark(node: Node, sort: Sort | None) -> PageMark:
    return PageMark(None if sort is None else mark_text(sort_value(node.document, sort)), node.key)


def _is_behind(node: Node, mark: PageMark, sort: Sort | None) -> bool:
    if sort is None:
        return node.key > mark.key
    marked = None if mark.value is None else marked_value(mark.value, sort.kind)
    return _order(sort_value(node.document, sort), node.key, marked, mark.key, sort) > 0
