"""Searching documents: text, typed filters, sort, facets, highlights."""

from fastapi import APIRouter

from spice_api.dependencies import MAIN, BranchQuery, DatabasePath, PlatformDep
from spice_api.json_route import StrictJsonRoute
from spice_api.reading import BarrierDep
from spice_api.route_rates import counts_as
from spice_api.search.schemas import Bucket, HitBody, SearchAnswer, SearchBody
from spice_core.domain.rates import SEARCH
from spice_core.domain.search import SearchHit
from spice_core.services.search_instances import InstanceSearch, SearchRequest

router = APIRouter(prefix="/api/v1/search", tags=["search"], route_class=StrictJsonRoute)


@router.post("/{db_name}", openapi_extra=counts_as(SEARCH))
def search(
    db_name: DatabasePath, body: SearchBody, platform: PlatformDep, barrier: BarrierDep, branch: BranchQuery = MAIN
) -> SearchAnswer:
    """Find documents, best first with a text, else in the order of `sort` and id."""
    request = SearchRequest(
        text=body.text,
        classes=body.classes,
        is_fuzzy=body.fuzzy,
        filters=body.filters,
        sort_field=body.sort.field if body.sort else None,
        sort_descending=body.sort.descending if body.sort else False,
        facets=body.facets,
        facet_limit=body.facet_limit,
        after=body.after,
        offset=body.offset,
        limit=body.limit,
        with_highlights=body.highlight,
    )
    behind, found = InstanceSearch(platform.graph, platform.search, barrier).search(db_name, branch, request)
    return SearchAnswer(
        hits=[_hit(hit) for hit in found.hits],
        total=found.total,
        total_is_exact=found.total_is_exact,
        next_after=found.next_after,
        facets={facet.field: [Bucket(value=value, count=count) for value, count in facet.buckets] for facet in found.facets},
        branch=branch,
        warnings=[f"{name}_behind" for name in behind],
    )


def _hit(hit: SearchHit) -> HitBody:
    document = hit.document
    return HitBody(
        id=document.key,
        class_id=document.class_id,
        data=dict(document.data),
        position=document.version,
        updated_at=document.updated_at,
        highlights=dict(hit.highlights),
    )
