"""Whether the documents of a branch are what the graph holds and what the log says."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from spice_core.domain.events import DOMAIN, RecordedEvent
from spice_core.domain.graph import ONTOLOGY_CLASS
from spice_core.errors import BranchNotFound, DatabaseNotFound
from spice_core.ports.graph_store import GraphStore
from spice_core.ports.search_index import SearchIndex
from spice_core.services.event_log.event_log import EventLog
from spice_core.services.search_documents import INSTANCE_EVENTS, search_document

_PAGE = 1000
_SAMPLES = 10
States = dict[str, bytes]
"""A digest of the document by key: 16 bytes of what may be large."""


@dataclass(frozen=True, slots=True)
class SearchComparison:
    """The documents of one branch against the same keys elsewhere; `samples` are some keys that are not equal."""

    documents: int
    nodes: int
    folded: int
    equal: int
    missing: int
    extra: int
    different: int
    samples: tuple[str, ...] = ()

    @property
    def is_equal(self) -> bool:
        """Whether documents, nodes and the fold of the log are the same."""
        return self.documents == self.nodes == self.folded == self.equal


@dataclass(slots=True)
class LogFold:
    """The instances of all branches of one database, folded from its domain events."""

    branches: dict[str, States] = field(default_factory=dict)

    def take(self, recorded: RecordedEvent) -> None:
        """Apply one event; everything but domain events is ignored."""
        event, data = recorded.event, recorded.event.data
        if event.metadata.get("kind") != DOMAIN:
            return
        if event.event_type in INSTANCE_EVENTS:
            document = search_document(recorded)
            if document is None:
                return
            states = self.branches.setdefault(data["branch"], {})
            if document.is_deleted:
                states.pop(document.key, None)
            else:
                states[document.key] = digest(document.data)
        elif event.event_type == "BRANCH_CREATED":
            self.branches[data["branch"]] = dict(self.branches.get(data.get("source") or "main", {}))
        elif event.event_type == "BRANCH_DELETED":
            self.branches.pop(data["branch"], None)
        elif event.event_type == "DATABASE_DELETED":
            self.branches.clear()


def fold_of_log(log: EventLog, database: str, *, upto: int | None = None) -> LogFold:
    """Fold the log of `database`, to position `upto` or to its head. Memory grows with the number of instances.

    A branch that started at an old commit, not at a branch, is folded as if it had started empty.
    """
    fold, after = LogFold(), 0
    while upto is None or after < upto:
        events = log.read(database, after=after, limit=_PAGE)
        if not events:
            break
        for recorded in events:
            if upto is None or recorded.position <= upto:
                fold.take(recorded)
        after = events[-1].position
    return fold


def compare_search(
    *, log: EventLog, graph: GraphStore, search: SearchIndex, database: str, branch: str = "main", generation: int | None = None
) -> SearchComparison:
    """Compare documents, graph nodes and the fold of the log, key by key.

    What was written while it runs may show as a difference: stop the writers, or let the projections catch up first.

    Raises:
        StoreUnavailable, GraphUnavailable, SearchUnavailable: (retryable) a part does not answer.
    """
    folded = fold_of_log(log, database).branches.get(branch, {})
    nodes = _nodes(graph, database, branch)
    documents = _documents(search, database, branch, generation)
    return _compared(documents, nodes, folded)


def digest(document: Mapping[str, Any]) -> bytes:
    """Return 16 bytes that stand for a JSON document."""
    text = json.dumps(document, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=16).digest()


def _compared(documents: States, nodes: States, folded: States) -> SearchComparison:
    counts = {"equal": 0, "missing": 0, "extra": 0, "different": 0}
    samples: list[str] = []
    for key in sorted(documents.keys() | nodes.keys() | folded.keys()):
        found, node, said = documents.get(key), nodes.get(key), folded.get(key)
        if found == node == said:
            verdict = "equal"
        elif found is None:
            verdict = "missing"
        elif node is None and said is None:
            verdict = "extra"
        else:
            verdict = "different"
        counts[verdict] += 1
        if verdict != "equal" and len(samples) < _SAMPLES:
            samples.append(key)
    return SearchComparison(len(documents), len(nodes), len(folded), **counts, samples=tuple(samples))


def _nodes(graph: GraphStore, database: str, branch: str) -> States:
    try:
        return dict(_node_digests(graph, database, branch))
    except (DatabaseNotFound, BranchNotFound):
        return {}


def _node_digests(graph: GraphStore, database: str, branch: str) -> Iterator[tuple[str, bytes]]:
    view = graph.view(database, branch)
    classes = [node.document["id"] for node in view.page([ONTOLOGY_CLASS], limit=100_000).nodes]
    after: str | None = None
    while classes:
        page = view.page(classes, after=after, limit=_PAGE)
        yield from ((node.key, digest(node.document)) for node in page.nodes)
        after = page.next_after
        if after is None:
            return


def _documents(search: SearchIndex, database: str, branch: str, generation: int | None) -> States:
    states: States = {}
    after = ""
    while page := search.scan(database, branch, generation=generation, after=after, limit=_PAGE):
        states.update((found.key, digest(found.data)) for found in page)
        after = page[-1].key
    return states
