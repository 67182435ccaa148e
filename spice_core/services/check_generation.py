"""Whether a new generation of documents may be swapped in: every branch is what the log says and what the graph holds."""

from bisect import bisect_left
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from itertools import islice

from spice_core.domain.events import DOMAIN, RecordedEvent
from spice_core.errors import NotFound
from spice_core.ports.clock import Clock
from spice_core.ports.graph_store import GraphStore
from spice_core.ports.search_index import SearchIndex
from spice_core.services.compare_search import LogFold, SearchComparison, States, compared, digest, documents_of, nodes_of
from spice_core.services.event_log.event_log import EventLog
from spice_core.services.search_documents import INSTANCE_EVENTS, search_document

_OF_BRANCHES = {"BRANCH_CREATED", "BRANCH_DELETED"}
_PAGE = 1000
_POLL_SECONDS = 0.05
_PATIENCE_SECONDS = 10.0
Beat = Callable[[], None]
"""Called between pages, to keep what the caller holds."""


class GenerationCheck:
    """Folds the events that a rebuild applies, and compares the generation with that fold, key by key.

    Documents have to be exactly as the fold says. The graph runs ahead of the rebuild while there are writes: a node that
    differs is right if it is what the log says by now, which is waited for a little.
    """

    def __init__(self, *, log: EventLog, graph: GraphStore, search: SearchIndex, clock: Clock, database: str) -> None:
        self._log = log
        self._graph = graph
        self._search = search
        self._clock = clock
        self._database = database
        self._fold = LogFold(graph=graph, database=database)
        self._position = 0
        self._changed_keys: dict[str, set[str]] = {}
        self._changed_branches: set[str] = set()

    def take(self, recorded: RecordedEvent) -> None:
        """Take note of an event that the generation has now."""
        self._fold.take(recorded)
        self._position = recorded.position
        event = recorded.event
        branch = str(event.data.get("branch") or "main")
        if event.metadata.get("kind") != DOMAIN:
            return
        if event.event_type in _OF_BRANCHES:
            self._changed_branches.add(branch)
        elif event.event_type in INSTANCE_EVENTS and (document := search_document(recorded)) is not None:
            self._changed_keys.setdefault(branch, set()).add(document.key)

    def compare(self, generation: int, *, beat: Beat) -> SearchComparison:
        """Compare every branch; the counts are sums, samples name the branch. Raises `Unavailable` as the parts do."""
        self._changed_keys, self._changed_branches = {}, set()
        found = SearchComparison(0, 0, 0, 0, 0, 0, 0)
        for branch in self._branches():
            folded = self._fold.branches.get(branch, {})
            documents = documents_of(self._search, self._database, branch, generation, beat=beat)
            found = found.and_branch(branch, compared(documents, self._nodes(branch, folded, beat), folded))
        return found

    def compare_changes(self, generation: int, before: SearchComparison, *, beat: Beat) -> SearchComparison:
        """Return `before`, and what differs among the keys and branches that changed since that comparison."""
        wrong: list[str] = []
        for branch in sorted(self._changed_branches | self._changed_keys.keys()):
            is_whole = branch in self._changed_branches
            keys = self._changed_keys.get(branch, ())
            found = self._wrong_in(branch, generation, beat) if is_whole else self._wrong_among(keys, branch, generation, beat)
            wrong += [f"{branch}: {key}" for key in found]
        samples = (*before.samples, *wrong[:_PAGE])
        return replace(before, different=before.different + len(wrong), equal=before.equal - len(wrong), samples=samples)

    def _branches(self) -> list[str]:
        names = {"main", *self._fold.branches}
        if self._database in self._graph.databases():
            names |= {branch.name for branch in self._graph.branches(self._database)}
        return sorted(names)

    def _wrong_in(self, branch: str, generation: int, beat: Beat) -> list[str]:
        folded = self._fold.branches.get(branch, {})
        documents = documents_of(self._search, self._database, branch, generation, beat=beat)
        return sorted(key for key in documents.keys() | folded.keys() if documents.get(key) != folded.get(key))

    def _wrong_among(self, keys: Collection[str], branch: str, generation: int, beat: Beat) -> Iterator[str]:
        """Read each key behind the one that comes before it, so that the cost is that of the changes."""
        folded = self._fold.branches.get(branch, {})
        in_order = sorted(folded)
        for key in sorted(keys):
            place = bisect_left(in_order, key)
            after = in_order[place - 1] if place else ""
            [*page] = self._search.scan(self._database, branch, generation=generation, after=after, limit=1)
            found = digest(page[0].data) if page and page[0].key == key else None
            if found != folded.get(key):
                yield key
            beat()

    def _nodes(self, branch: str, folded: States, beat: Beat) -> States:
        """Return the nodes of a branch, as they were where the fold is for those that are right by the log of now."""
        nodes = nodes_of(self._graph, self._database, branch, beat=beat)
        late = {key for key in nodes.keys() | folded.keys() if nodes.get(key) != folded.get(key)}
        if not late:
            return nodes
        ahead, position, deadline = self._fold.copy(), self._position, self._clock.monotonic() + _PATIENCE_SECONDS
        while late:
            position = self._follow(ahead, position, beat)
            now, said = self._nodes_among(branch, late, beat), ahead.branches.get(branch, {})
            for key in [key for key in late if now.get(key) == said.get(key)]:
                late.discard(key)
                nodes.pop(key, None)
                if key in folded:
                    nodes[key] = folded[key]
            if not late or self._clock.monotonic() > deadline:
                break
            self._clock.sleep(_POLL_SECONDS)
        return nodes

    def _follow(self, fold: LogFold, position: int, beat: Beat) -> int:
        while events := self._log.read(self._database, after=position, limit=_PAGE):
            for recorded in events:
                fold.take(recorded)
            position = events[-1].position
            beat()
        return position

    def _nodes_among(self, branch: str, keys: Collection[str], beat: Beat) -> States:
        found: States = {}
        try:
            view = self._graph.view(self._database, branch)
        except NotFound:
            return found
        left = iter(keys)
        while page := list(islice(left, _PAGE)):
            found.update((key, digest(node.document)) for key, node in view.get(page).items())
            beat()
        return found
