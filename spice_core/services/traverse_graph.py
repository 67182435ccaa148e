"""Walking the graph hop by hop from a page of start nodes: pure over one pinned view."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from spice_core.domain.graph import Direction, Link, Node
from spice_core.domain.queries import Filter
from spice_core.ports.graph_store import GraphView

_STEPS_PER_PATH = 200
"""A walk over dead ends is cut after this many steps per path asked for, so that its cost stays bounded."""


@dataclass(frozen=True, slots=True)
class HopPlan:
    """One hop: which links are followed, which way, and what the far end must be. `classes` includes subclasses."""

    predicate: str
    direction: Direction
    classes: tuple[str, ...]
    filters: tuple[Filter, ...] = ()


@dataclass(frozen=True, slots=True)
class WalkLimits:
    """How much a walk may return. `max_paths` 0 asks for no paths."""

    max_nodes: int
    max_edges: int
    max_paths: int = 0
    no_cycles: bool = False


@dataclass(frozen=True, slots=True)
class GraphPath:
    """One walk from a start node as far as the hops lead: `nodes[i]` and `nodes[i + 1]` are joined by `links[i]`."""

    nodes: tuple[str, ...]
    links: tuple[Link, ...]


@dataclass(frozen=True, slots=True)
class Walk:
    """What was found: nodes by key in order of discovery, links without repeats, paths, and the limits that were met."""

    nodes: Mapping[str, Node]
    links: Sequence[Link]
    paths: Sequence[GraphPath]
    warnings: Sequence[str]


def walk(view: GraphView, starts: Sequence[Node], hops: Sequence[HopPlan], limits: WalkLimits) -> Walk:
    """Follow `hops` from `starts`, one round trip to the store per hop.

    A start node without a link to follow is still part of the answer. Order is total: start nodes as given, then hop by
    hop, each by the order of `GraphView.expand`. With `no_cycles` a link is left out if every way to its near end already
    went through its far end, and a path never visits a node twice.
    """
    found = _Found(limits)
    found.add_nodes({node.key: node for node in starts})
    layers: list[list[Link]] = []
    visited = {key: frozenset({key}) for key in found.nodes}
    for hop in hops:
        if not visited:
            break
        kept = found.add_links(_without_cycles(_expand(view, list(visited), hop, found), hop, visited, found))
        kept = found.add_far_ends(view, kept, hop)
        layers.append(kept)
        visited = _visited_after(kept, hop, visited)
    paths = _paths([node.key for node in starts if node.key in found.nodes], layers, hops, limits, found)
    return Walk(found.nodes, list(found.links), paths, found.warnings)


@dataclass(slots=True)
class _Found:
    limits: WalkLimits
    nodes: dict[str, Node] = field(default_factory=dict)
    links: dict[Link, None] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def warn(self, text: str) -> None:
        if text not in self.warnings:
            self.warnings.append(text)

    def add_nodes(self, nodes: Mapping[str, Node]) -> None:
        for key, node in nodes.items():
            if key in self.nodes:
                continue
            if len(self.nodes) >= self.limits.max_nodes:
                self.warn(f"node_limit_reached(max_nodes={self.limits.max_nodes})")
                return
            self.nodes[key] = node

    def add_links(self, links: Sequence[Link]) -> list[Link]:
        kept = []
        for link in links:
            if link not in self.links:
                if len(self.links) >= self.limits.max_edges:
                    self.warn(f"edge_limit_reached(max_edges={self.limits.max_edges})")
                    break
                self.links[link] = None
            kept.append(link)
        return kept

    def add_far_ends(self, view: GraphView, links: Sequence[Link], hop: HopPlan) -> list[Link]:
        """Add the nodes at the far ends; a link whose far end did not fit is taken back."""
        wanted = dict.fromkeys(_far(link, hop.direction) for link in links)
        nodes = view.get([key for key in wanted if key not in self.nodes])
        self.add_nodes({key: nodes[key] for key in wanted if key in nodes})
        kept = [link for link in links if _far(link, hop.direction) in self.nodes]
        for link in links:
            if _far(link, hop.direction) not in self.nodes:
                self.links.pop(link, None)
        return kept


def _expand(view: GraphView, frontier: Sequence[str], hop: HopPlan, found: _Found) -> Sequence[Link]:
    # One more than there is room for tells whether the limit cut anything; links that are known already take no room.
    room = found.limits.max_edges + len(found.links) + 1
    return view.expand(
        frontier,
        predicate=hop.predicate,
        direction=hop.direction,
        target_classes=hop.classes,
        filters=hop.filters,
        limit=room,
    )


def _without_cycles(links: Sequence[Link], hop: HopPlan, visited: Mapping[str, frozenset[str]], found: _Found) -> Sequence[Link]:
    if not found.limits.no_cycles:
        return links
    kept = [link for link in links if _far(link, hop.direction) not in visited[_near(link, hop.direction)]]
    if len(kept) < len(links):
        found.warn("cycle_filtered(no_cycles=true)")
    return kept


def _visited_after(links: Sequence[Link], hop: HopPlan, visited: Mapping[str, frozenset[str]]) -> dict[str, frozenset[str]]:
    """Return, for each node reached, the nodes that every way to it goes through (itself included)."""
    after: dict[str, frozenset[str]] = {}
    for link in links:
        far, ways = _far(link, hop.direction), visited[_near(link, hop.direction)]
        after[far] = after[far] & ways if far in after else ways
    return {key: ways | {key} for key, ways in after.items()}


def _paths(
    starts: Sequence[str], layers: Sequence[Sequence[Link]], hops: Sequence[HopPlan], limits: WalkLimits, found: _Found
) -> list[GraphPath]:
    if not limits.max_paths:
        return []
    finder = _PathFinder(_adjacency(layers, hops), limits)
    for start in starts:
        finder.follow((start,), ())
    if finder.is_cut:
        found.warn(f"path_limit_reached(max_paths={limits.max_paths})")
    return finder.paths


def _adjacency(layers: Sequence[Sequence[Link]], hops: Sequence[HopPlan]) -> list[dict[str, list[tuple[str, Link]]]]:
    result = []
    for links, hop in zip(layers, hops, strict=False):
        adjacent: dict[str, list[tuple[str, Link]]] = {}
        for link in links:
            adjacent.setdefault(_near(link, hop.direction), []).append((_far(link, hop.direction), link))
        result.append(adjacent)
    return result


@dataclass(slots=True)
class _PathFinder:
    layers: Sequence[Mapping[str, Sequence[tuple[str, Link]]]]
    limits: WalkLimits
    paths: list[GraphPath] = field(default_factory=list)
    steps: int = 0
    is_cut: bool = False

    def follow(self, nodes: tuple[str, ...], links: tuple[Link, ...]) -> None:
        """Add every path that begins with `nodes`, longest first by nature: a path ends where nothing leads on."""
        self.steps += 1
        if self.steps > self.limits.max_paths * _STEPS_PER_PATH or self.is_cut:
            self.is_cut = True
            return
        onward = self._onward(nodes)
        if onward:
            for far, link in onward:
                self.follow((*nodes, far), (*links, link))
        elif len(self.paths) < self.limits.max_paths:
            self.paths.append(GraphPath(nodes, links))
        else:
            self.is_cut = True

    def _onward(self, nodes: tuple[str, ...]) -> list[tuple[str, Link]]:
        depth = len(nodes) - 1
        if depth >= len(self.layers):
            return []
        onward = self.layers[depth].get(nodes[-1], ())
        return [step for step in onward if not (self.limits.no_cycles and step[0] in nodes)]


def _near(link: Link, direction: Direction) -> str:
    return link.source if direction is Direction.OUT else link.target


def _far(link: Link, direction: Direction) -> str:
    return link.target if direction is Direction.OUT else link.source
