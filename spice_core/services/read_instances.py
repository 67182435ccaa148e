"""Reading instances at a branch: by class with typed filters, or one by its id."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from spice_core.domain import naming
from spice_core.domain.graph import Node
from spice_core.domain.resolution import Ontology
from spice_core.errors import InstanceNotFound, InvalidQuery
from spice_core.ports.graph_store import GraphStore, GraphView
from spice_core.services.number_nodes import NodeNumbers
from spice_core.services.read_filters import typed_filters, typed_sort
from spice_core.services.settled_graph import read_ontology
from spice_core.services.wait_for_reads import ReadBarrier


@dataclass(frozen=True, slots=True)
class InstanceQuery:
    """Instances of a class and its subclasses. `sort` names a property, with `-` in front for descending order."""

    class_id: str
    filters: Mapping[str, Any]
    sort: str | None = None
    after: str | None = None
    offset: int = 0
    limit: int = 100


@dataclass(frozen=True, slots=True)
class InstancePage:
    """One page: `total` counts over all pages; following `next_after` visits each unchanged instance once."""

    nodes: Sequence[Node]
    total: int
    next_after: str | None
    commit: str
    is_behind: bool


@dataclass(frozen=True, slots=True)
class InstanceReader:
    """Reads instances from the graph, after a bounded wait for what was accepted before the read came.

    A ref is a branch or a commit: paging on a commit id is stable whatever is written meanwhile.

    Raises, all methods:
        DatabaseNotFound, BranchNotFound, CommitNotFound, ClassNotFound: there is nothing to read.
        GraphUnavailable: (retryable) the store is down: never an empty answer.
    """

    graph: GraphStore
    barrier: ReadBarrier

    def page(self, database: str, ref: str, query: InstanceQuery) -> InstancePage:
        """Return one page. Raises `InvalidQuery` for a filter, sort or `after` that does not fit."""
        view, is_behind = self._view(database, ref)
        resolved = read_ontology(view).resolve(query.class_id)
        filters = typed_filters(resolved, query.filters)
        sort = None
        if query.sort:
            sort = typed_sort(resolved, query.sort.removeprefix("-"), descending=query.sort.startswith("-"))
        page = view.page(resolved.family, filters=filters, sort=sort, after=query.after, offset=query.offset, limit=query.limit)
        total = view.count(resolved.family, filters=filters)
        nodes = NodeNumbers(self.graph, self.barrier).of(database, ref, page.nodes)
        return InstancePage(nodes, total, page.next_after, view.commit.id, is_behind)

    def count(self, database: str, ref: str, class_id: str, filters: Mapping[str, Any]) -> int:
        """Return how many instances of a class and its subclasses meet `filters`."""
        view, _ = self._view(database, ref)
        resolved = read_ontology(view).resolve(class_id)
        return view.count(resolved.family, filters=typed_filters(resolved, filters))

    def one(self, database: str, ref: str, instance_id: str, *, class_id: str | None = None) -> Node:
        """Return one instance by its id, or by `Class/id`, which goes before ids that look like one.

        Its `sequence_number` is the one that the next command on it has to expect: commands that failed count too.

        Raises:
            InstanceNotFound: there is none.
            InvalidQuery: several classes have an instance of this id, and `class_id` names none of them.
        """
        view, _ = self._view(database, ref)
        ontology = read_ontology(view)
        found = view.get(_keys(ontology, instance_id, class_id))
        exact = found.get(instance_id) if class_id is None else None
        nodes = [exact] if exact is not None else list(found.values())
        if not nodes:
            raise InstanceNotFound(f"there is no instance {instance_id[:100]!r} on {ref}", details={"instance_id": instance_id})
        if len(nodes) > 1:
            names = ", ".join(sorted(node.class_id for node in nodes))
            raise InvalidQuery(f"{names} have an instance {instance_id[:100]!r}: name one as class_id")
        return NodeNumbers(self.graph, self.barrier).of(database, ref, nodes)[0]

    def _view(self, database: str, ref: str) -> tuple[GraphView, bool]:
        is_behind = bool(self.barrier.wait(database, "graph"))
        return self.graph.view(database, ref), is_behind


def _keys(ontology: Ontology, instance_id: str, class_id: str | None) -> list[str]:
    if class_id is not None:
        return [naming.node_key(name, instance_id) for name in ontology.resolve(class_id).family]
    keys = [naming.node_key(name, instance_id) for name in ontology.definitions]
    named, slash, _ = instance_id.partition("/")
    return [instance_id, *keys] if slash and named in ontology.definitions else keys
