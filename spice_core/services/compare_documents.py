"""Whether the search index holds exactly what the graph holds: every key once, at the same version, with the same state."""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass

from spice_core.domain.graph import Node
from spice_core.domain.search import SearchDocument
from spice_core.domain.shards import WHOLE, Shards
from spice_core.ports.graph_store import GraphStore, GraphView
from spice_core.ports.search_index import SearchIndex

_PAGE = 1000
_SAMPLES = 10


@dataclass(frozen=True, slots=True)
class Comparison:
    """How many keys are in the graph, in the index, in one alone, or in both at different versions or states; some of these."""

    nodes: int
    documents: int
    missing: int
    surplus: int
    different: int
    samples: tuple[str, ...] = ()

    @property
    def is_equal(self) -> bool:
        """Whether nothing differs."""
        return not (self.missing or self.surplus or self.different)


def compare_documents(
    *, graph: GraphStore, search: SearchIndex, database: str, branch: str, class_id: str, shards: Shards = WHOLE
) -> Comparison:
    """Compare one class key by key, in pages; memory does not grow with its size. `shards` are of the keys of nodes.

    Writes under way show as differences: let the projection catch up first (`wait_for_reads`).

    Raises:
        DatabaseNotFound, BranchNotFound: there is nothing to compare.
        GraphUnavailable, SearchUnavailable: (retryable) a part does not answer.
    """
    view = graph.view(database, branch)
    nodes = ((node.key, node) for node in _nodes(view, class_id) if shards.holds([node.key]))
    found = _documents(search, database, branch, class_id)
    documents = ((document.key, document) for document in found if shards.holds([document.key]))
    counts = {"nodes": 0, "documents": 0, "missing": 0, "surplus": 0, "different": 0}
    samples: list[str] = []
    for key, node, document in _side_by_side(nodes, documents):
        counts["nodes"] += node is not None
        counts["documents"] += document is not None
        problem = _problem(node, document)
        if problem is not None:
            counts[problem] += 1
            if len(samples) < _SAMPLES:
                samples.append(key)
    return Comparison(**counts, samples=tuple(samples))


def _problem(node: Node | None, document: SearchDocument | None) -> str | None:
    if document is None:
        return "missing"
    if node is None:
        return "surplus"
    is_same = document.version == node.position and document.data == node.document
    return None if is_same else "different"


def _side_by_side(
    nodes: Iterator[tuple[str, Node]], documents: Iterator[tuple[str, SearchDocument]]
) -> Iterator[tuple[str, Node | None, SearchDocument | None]]:
    """Merge two sequences in key order into one row per key."""
    left = ((key, 0, node, None) for key, node in nodes)
    right = ((key, 1, None, document) for key, document in documents)
    pending: tuple[str, Node | None, SearchDocument | None] | None = None
    for key, _side, node, document in heapq.merge(left, right, key=lambda row: (row[0], row[1])):
        if pending is not None and pending[0] == key:
            yield key, pending[1], document
            pending = None
            continue
        if pending is not None:
            yield pending
        pending = (key, node, document)
    if pending is not None:
        yield pending


def _nodes(view: GraphView, class_id: str) -> Iterator[Node]:
    after: str | None = None
    while True:
        page = view.page([class_id], after=after, limit=_PAGE)
        yield from page.nodes
        after = page.next_after
        if after is None:
            return


def _documents(search: SearchIndex, database: str, branch: str, class_id: str) -> Iterator[SearchDocument]:
    prefix = f"{class_id}/"
    after = prefix
    while True:
        page = search.scan(database, branch, after=after, limit=_PAGE)
        for document in page:
            if not document.key.startswith(prefix):
                return
            yield document
        if not page:
            return
        after = page[-1].key
