"""Who links to the instances that a run deletes or must not share, kept up to date while the run is decided."""

from collections.abc import Collection, Mapping

from spice_core.domain.graph import Direction, Link
from spice_core.ports.graph_store import GraphView

MAX_LINKS = 50_000
MAX_LINKS_OF_ONE = 5_000


class IncomingLinks:
    """The (source, predicate) pairs that reach certain nodes.

    Memory is bounded: of a node that more than 5,000 links reach in a run that meets too many in all, only the first
    5,000 are known, and `is_cut` says so.
    """

    def __init__(self, view: GraphView, *, deleted: Collection[str], exclusive: Mapping[str, Collection[str]]) -> None:
        """Fetch all links to `deleted`, and the links by predicate to the targets of `exclusive`."""
        self._links: dict[str, set[tuple[str, str]]] = {}
        self._cut: set[str] = set()
        if deleted:
            self._fetch(view, deleted)
        for predicate, targets in exclusive.items():
            self._add(view.expand(targets, predicate=predicate, direction=Direction.IN, limit=MAX_LINKS))

    def of(self, target: str) -> Collection[tuple[str, str]]:
        """Return the pairs that reach `target` now."""
        return self._links.get(target, ())

    def is_cut(self, target: str) -> bool:
        """Whether more links reach `target` than are known."""
        return target in self._cut

    def sources(self, targets: Collection[str]) -> set[str]:
        """Return the keys of the nodes that link to `targets`."""
        return {source for target in targets for source, _ in self.of(target)}

    def change(self, key: str, before: Mapping[str, tuple[str, ...]], after: Mapping[str, tuple[str, ...]]) -> None:
        """Take note that the node at `key` has other links now."""
        for predicate, targets in before.items():
            for target in targets:
                self._links.get(target, set()).discard((key, predicate))
        for predicate, targets in after.items():
            for target in targets:
                self._links.setdefault(target, set()).add((key, predicate))

    def _fetch(self, view: GraphView, targets: Collection[str]) -> None:
        found = view.expand(targets, predicate=None, direction=Direction.IN, limit=MAX_LINKS)
        self._add(found)
        if len(found) < MAX_LINKS:
            return
        for target in sorted(key for key in targets if key >= found[-1].target):
            links = view.expand([target], predicate=None, direction=Direction.IN, limit=MAX_LINKS_OF_ONE)
            self._add(links)
            if len(links) == MAX_LINKS_OF_ONE:
                self._cut.add(target)

    def _add(self, links: Collection[Link]) -> None:
        for link in links:
            self._links.setdefault(link.target, set()).add((link.source, link.predicate))
