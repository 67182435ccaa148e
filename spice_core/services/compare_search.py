"""Whether the documents of a branch are what the graph holds and what the log says."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from spice_core.domain.events import DOMAIN, RecordedEvent
from spice_core.domain.graph import ONTOLOGY_CLASS
from spice_core.errors import BranchNotFound, DatabaseNotFound, NotFound
from spice_core.ports.graph_store import GraphStore
from spice_core.ports.search_index import SearchIndex
from spice_core.services.branch_documents import documents_of_difference
from spice_core.services.event_log.event_log import EventLog
from spice_core.services.search_documents import INSTANCE_EVENTS, search_document

_PAGE = 1000
_SAMPLES = 10
States = dict[str, bytes]
"""A digest of the document by key: 16 bytes of what may be large."""


def _silent() -> None:
    """Keep nothing alive."""


@dataclass(frozen=True, slots=True)
class SearchComparison:
    """The documents of a branch, or of all, against the same keys elsewhere; `samples` are some keys that are not equal."""

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
        return self.documents == self.nodes == self.folded == self.equal and not self.different

    def and_branch(self, name: str, branch: "SearchComparison") -> "SearchComparison":
        """Return the sums of both; the samples of `branch` are named by it."""
        return SearchComparison(
            documents=self.documents + branch.documents,
            nodes=self.nodes + branch.nodes,
            folded=self.folded + branch.folded,
            equal=self.equal + branch.equal,
            missing=self.missing + branch.missing,
            extra=self.extra + branch.extra,
            different=self.different + branch.different,
            samples=(*self.samples, *(f"{name}: {key}" for key in branch.samples)),
        )


@dataclass(slots=True)
class LogFold:
    """The instances of all branches of one database, folded from its domain events.

    What a branch that starts at an old commit begins with, is asked of the graph.
    """

    graph: GraphStore
    database: str
    branches: dict[str, States] = field(default_factory=lambda: {"main": {}})

    def copy(self) -> "LogFold":
        """Return a fold that goes on by itself."""
        return LogFold(self.graph, self.database, {name: dict(states) for name, states in self.branches.items()})

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
            self.branches[data["branch"]] = self._origin(recorded)
        elif event.event_type == "BRANCH_DELETED":
            self.branches.pop(data["branch"], None)
        elif event.event_type == "DATABASE_DELETED":
            self.branches = {"main": {}}

    def _origin(self, created: RecordedEvent) -> States:
        source = str(created.event.data.get("source") or "main")
        if source in self.branches:
            return dict(self.branches[source])
        try:
            branch, documents = documents_of_difference(self.graph, self.database, source, before=created.position)
        except NotFound:
            return {}
        states = dict(self.branches.get(branch, {}))
        for document in documents:
            if document.is_deleted:
                states.pop(document.key, None)
            else:
                states[document.key] = digest(document.data)
        return states


def fold_of_log(log: EventLog, graph: GraphStore, database: str) -> LogFold:
    """Fold the log of `database` to its head. Memory grows with the number of instances."""
    fold, after = LogFold(graph, database), 0
    while events := log.read(database, after=after, limit=_PAGE):
        for recorded in events:
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
    folded = fold_of_log(log, graph, database).branches.get(branch, {})
    return compared(documents_of(search, database, branch, generation), nodes_of(graph, database, branch), folded)


def digest(document: Mapping[str, Any]) -> bytes:
    """Return 16 bytes that stand for a JSON document."""
    text = json.dumps(document, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=16).digest()


def compared(documents: States, nodes: States, folded: States) -> SearchComparison:
    """Compare digests of documents, nodes and the fold of the log by key."""
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


def nodes_of(graph: GraphStore, database: str, branch: str, *, beat: Callable[[], None] = _silent) -> States:
    """Return digests of the instances of a branch; empty where there is none. `beat` is called between pages."""
    try:
        return dict(_node_digests(graph, database, branch, beat))
    except (DatabaseNotFound, BranchNotFound):
        return {}


def _node_digests(graph: GraphStore, database: str, branch: str, beat: Callable[[], None]) -> Iterator[tuple[str, bytes]]:
    view = graph.view(database, branch)
    classes = [node.document["id"] for node in view.page([ONTOLOGY_CLASS], limit=100_000).nodes]
    after: str | None = None
    while classes:
        page = view.page(classes, after=after, limit=_PAGE)
        yield from ((node.key, digest(node.document)) for node in page.nodes)
        after = page.next_after
        beat()
        if after is None:
            return


def documents_of(
    search: SearchIndex, database: str, branch: str, generation: int | None, *, beat: Callable[[], None] = _silent
) -> States:
    """Return digests of the documents of a branch, of the live ones if `generation` is None. `beat` is called between pages."""
    states: States = {}
    after = ""
    while page := search.scan(database, branch, generation=generation, after=after, limit=_PAGE):
        states.update((found.key, digest(found.data)) for found in page)
        after = page[-1].key
        beat()
    return states
