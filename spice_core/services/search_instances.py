"""Searching the documents of a branch, typed by its ontology."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from spice_core.domain.queries import FacetRequest, Filter
from spice_core.domain.resolution import Ontology, ResolvedClass
from spice_core.domain.search import SearchQuery, SearchResult
from spice_core.errors import InvalidQuery
from spice_core.ports.graph_store import GraphStore
from spice_core.ports.search_index import SearchIndex
from spice_core.services.read_filters import field_kind, typed_filters, typed_sort
from spice_core.services.settled_graph import read_ontology
from spice_core.services.wait_for_reads import ReadBarrier


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """What a client asks; no `classes` means all. Filters, sort and facets need exactly one."""

    text: str | None = None
    classes: Sequence[str] = ()
    is_fuzzy: bool = False
    filters: Mapping[str, Any] = field(default_factory=dict)
    sort_field: str | None = None
    sort_descending: bool = False
    facets: Sequence[str] = ()
    facet_limit: int = 20
    after: str | None = None
    offset: int = 0
    limit: int = 20
    with_highlights: bool = False


@dataclass(frozen=True, slots=True)
class InstanceSearch:
    """Searches after a bounded wait for what was accepted before the search came."""

    graph: GraphStore
    index: SearchIndex
    barrier: ReadBarrier

    def search(self, database: str, branch: str, request: SearchRequest) -> tuple[list[str], SearchResult]:
        """Return the handlers that are still behind, and what was found. A class stands for its subclasses too.

        Raises:
            DatabaseNotFound, BranchNotFound: there is nothing to search.
            InvalidQuery: a class or field is not of the ontology, or a filter does not fit its type.
            GraphUnavailable, SearchUnavailable: (retryable) an engine is down.
        """
        behind = self.barrier.wait(database, "graph", "search")
        ontology = read_ontology(self.graph.view(database, branch))
        classes = _classes(ontology, request.classes)
        is_typed = bool(request.filters or request.sort_field or request.facets)
        resolved = _one(ontology, request.classes) if is_typed else None
        query = SearchQuery(
            class_ids=classes,
            text=request.text,
            is_fuzzy=request.is_fuzzy,
            filters=_filters(resolved, request),
            sort=typed_sort(resolved, request.sort_field, descending=request.sort_descending)
            if resolved and request.sort_field
            else None,
            facets=[FacetRequest(name, field_kind(resolved, name), request.facet_limit) for name in request.facets if resolved],
            after=request.after,
            offset=request.offset,
            limit=request.limit,
            with_highlights=request.with_highlights,
        )
        return behind, self.index.search(database, branch, query)


def _filters(resolved: ResolvedClass | None, request: SearchRequest) -> tuple[Filter, ...]:
    return typed_filters(resolved, request.filters) if resolved else ()


def _classes(ontology: Ontology, asked: Sequence[str]) -> list[str]:
    if not asked:
        return sorted(ontology.definitions)
    for name in asked:
        if name not in ontology.definitions:
            raise InvalidQuery(f"there is no class {name[:100]!r}", details={"class_id": name[:100]})
    return sorted({member for name in asked for member in ontology.family(name)})


def _one(ontology: Ontology, asked: Sequence[str]) -> ResolvedClass:
    if len(asked) != 1:
        raise InvalidQuery("filters, sort and facets are typed by one class: name exactly one in `classes`")
    return ontology.resolve(asked[0])
