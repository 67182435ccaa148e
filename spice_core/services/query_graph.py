"""Graph questions: typed start nodes, hops, documents joined from the search index, and how fresh they are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from spice_core.domain import naming
from spice_core.domain.graph import Direction, Node
from spice_core.domain.queries import Sort
from spice_core.domain.resolution import Ontology, ResolvedClass
from spice_core.domain.search import SearchDocument
from spice_core.errors import InvalidQuery
from spice_core.ports.graph_store import GraphStore
from spice_core.ports.search_index import SearchIndex
from spice_core.services.read_filters import typed_filters, typed_sort
from spice_core.services.settled_graph import read_ontology
from spice_core.services.traverse_graph import HopPlan, Walk, WalkLimits, walk
from spice_core.services.wait_for_reads import ReadBarrier

DataStatus = Literal["FULL", "PARTIAL", "MISSING"]


@dataclass(frozen=True, slots=True)
class Hop:
    """One hop as asked: `target_class` None stands for the relationship's own target."""

    predicate: str
    target_class: str | None = None
    direction: Direction = Direction.OUT
    filters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class GraphQuery:
    """One question. `filters` and `sort_field` are typed by the start class; `max_paths` 0 asks for no paths."""

    start_class: str
    hops: Sequence[Hop] = ()
    filters: Mapping[str, Any] = field(default_factory=dict)
    sort_field: str | None = None
    sort_descending: bool = False
    limit: int = 100
    offset: int = 0
    max_nodes: int = 500
    max_edges: int = 2000
    max_paths: int = 0
    path_depth_limit: int | None = None
    no_cycles: bool = False
    with_documents: bool = True


@dataclass(frozen=True, slots=True)
class QueryLimits:
    """What one question may ask for at most."""

    max_hops: int
    max_limit: int
    max_paths: int


@dataclass(frozen=True, slots=True)
class JoinedNode:
    """A node and its document.

    Attributes:
        node: at the commit that was read.
        document: what the index holds, tombstones included; None where it holds none or documents were not asked for.
        data_status: FULL (the document is as new as the node), PARTIAL (older, or not asked for), MISSING (none).
        title: the value of the class's title key, else the instance id.
        key_values: the primary key's values by property.
    """

    node: Node
    document: SearchDocument | None
    data_status: DataStatus
    title: str
    key_values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class GraphAnswer:
    """What was found; `total` counts the start nodes over all pages, `next_offset` is None at the end."""

    nodes: Sequence[JoinedNode]
    walk: Walk
    total: int
    next_offset: int | None
    warnings: Sequence[str]
    commit: str


@dataclass(frozen=True, slots=True)
class GraphQueries:
    """Answers questions about one installation's graphs."""

    graph: GraphStore
    search: SearchIndex
    barrier: ReadBarrier
    limits: QueryLimits

    def ask(self, database: str, branch: str, query: GraphQuery) -> GraphAnswer:
        """Answer `query` at the head of `branch`, after a bounded wait for what was accepted before it came.

        Raises:
            DatabaseNotFound, BranchNotFound: there is nothing to ask.
            InvalidQuery: a class, field, predicate or target is not of the ontology, or a limit is over the setting.
            GraphUnavailable, SearchUnavailable: (retryable) an engine is down: never an empty answer.
        """
        self._check(query)
        handlers = ("graph", "search") if query.with_documents else ("graph",)
        behind = [f"{handler}_behind" for handler in self.barrier.wait(database, *handlers)]
        view = self.graph.view(database, branch)
        ontology = read_ontology(view)
        start, hops = _plan(ontology, query)
        filters = typed_filters(start, query.filters)
        sort = _sort(start, query)
        page = view.page(start.family, filters=filters, sort=sort, offset=query.offset, limit=query.limit)
        found = walk(view, page.nodes, hops, _walk_limits(query))
        documents = self._documents(database, branch, found, query)
        return GraphAnswer(
            nodes=[_joined(node, ontology, documents) for node in found.nodes.values()],
            walk=found,
            total=view.count(start.family, filters=filters),
            next_offset=query.offset + query.limit if page.next_after is not None else None,
            warnings=[*behind, *found.warnings],
            commit=view.commit.id,
        )

    def _documents(self, database: str, branch: str, found: Walk, query: GraphQuery) -> Mapping[str, SearchDocument] | None:
        return self.search.get(database, branch, list(found.nodes)) if query.with_documents else None

    def _check(self, query: GraphQuery) -> None:
        for name, asked, most in (
            ("hops", len(query.hops), self.limits.max_hops),
            ("limit", query.limit, self.limits.max_limit),
            ("max_paths", query.max_paths, self.limits.max_paths),
        ):
            if asked > most:
                raise InvalidQuery(f"{name} is {asked}; at most {most} are allowed", details={"field": name, "max": most})


def _plan(ontology: Ontology, query: GraphQuery) -> tuple[ResolvedClass, list[HopPlan]]:
    start = _class(ontology, query.start_class)
    hops: list[HopPlan] = []
    current = start
    for hop in query.hops[: query.path_depth_limit]:
        current, plan = _plan_hop(ontology, current, hop)
        hops.append(plan)
    for hop in query.hops[len(hops) :]:
        current, _ = _plan_hop(ontology, current, hop)
    return start, hops


def _plan_hop(ontology: Ontology, current: ResolvedClass, hop: Hop) -> tuple[ResolvedClass, HopPlan]:
    allowed = _allowed(ontology, current, hop)
    target = _class(ontology, hop.target_class or _common(ontology, current, hop))
    if not target.family & allowed:
        raise InvalidQuery(
            f"{current.id} -{hop.predicate}- leads to {', '.join(sorted(allowed))}, not to {target.id}",
            details={"predicate": hop.predicate, "target_class": target.id},
        )
    plan = HopPlan(hop.predicate, hop.direction, tuple(sorted(target.family)), typed_filters(target, hop.filters))
    return target, plan


def _allowed(ontology: Ontology, current: ResolvedClass, hop: Hop) -> frozenset[str]:
    """Return the classes at the far end of a hop, subclasses included; a subclass of the near end may define the link."""
    family = [ontology.resolve(name) for name in sorted(current.family)]
    if hop.direction is Direction.OUT:
        far = [item.targets[hop.predicate] for item in family if hop.predicate in item.targets]
    else:
        arriving = [pair for item in family for pair in ontology.incoming(item.id)]
        far = [ontology.family(owner) for owner, link in arriving if link.predicate == hop.predicate]
    if far:
        return frozenset().union(*far)
    if any(hop.predicate in item.properties for item in family):
        raise InvalidQuery(f"{current.id}.{hop.predicate} is a property, not a relationship")
    known = sorted({name for item in family for name in item.relationships})
    raise InvalidQuery(
        f"class {current.id} has no relationship {hop.predicate[:100]!r}; it has {', '.join(known) or 'none'}",
        details={"class_id": current.id, "predicate": hop.predicate[:100]},
    )


def _common(ontology: Ontology, current: ResolvedClass, hop: Hop) -> str:
    """Return the class that a hop without a target leads to."""
    if hop.direction is Direction.OUT and hop.predicate in current.relationships:
        return current.relationships[hop.predicate].target
    owners = _allowed(ontology, current, hop)
    tops = [name for name in sorted(owners) if not owners & set(ontology.resolve(name).ancestors)]
    if len(tops) != 1:
        raise InvalidQuery(f"{hop.predicate} leads to {', '.join(tops)}; name one as target_class")
    return tops[0]


def _class(ontology: Ontology, class_id: str) -> ResolvedClass:
    found = ontology.get(class_id)
    if found is None:
        raise InvalidQuery(f"there is no class {class_id[:100]!r}", details={"class_id": class_id[:100]})
    return found


def _sort(start: ResolvedClass, query: GraphQuery) -> Sort | None:
    return typed_sort(start, query.sort_field, descending=query.sort_descending) if query.sort_field else None


def _walk_limits(query: GraphQuery) -> WalkLimits:
    return WalkLimits(max_nodes=query.max_nodes, max_edges=query.max_edges, max_paths=query.max_paths, no_cycles=query.no_cycles)


def _joined(node: Node, ontology: Ontology, documents: Mapping[str, SearchDocument] | None) -> JoinedNode:
    document = None if documents is None else documents.get(node.key)
    resolved = ontology.get(node.class_id)
    _, instance_id = naming.split_node_key(node.key)
    title = node.document.get(resolved.title_key) if resolved and resolved.title_key else None
    keys = resolved.primary_key if resolved else ()
    return JoinedNode(
        node=node,
        document=document,
        data_status=_data_status(node, document, are_asked=documents is not None),
        title=instance_id if title is None else str(title),
        key_values={name: node.document.get(name) for name in keys},
    )


def _data_status(node: Node, document: SearchDocument | None, *, are_asked: bool) -> DataStatus:
    if not are_asked:
        return "PARTIAL"
    if document is None:
        return "MISSING"
    return "FULL" if document.version >= node.position and not document.is_deleted else "PARTIAL"
