"""Asking the graph over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Query

from spice_api.dependencies import MAIN, BranchQuery, DatabasePath, PlatformDep
from spice_api.graph_query.answers import graph_answer
from spice_api.graph_query.schemas import GraphAnswer, GraphQueryBody, HopBody, SimpleQueryBody
from spice_api.json_route import StrictJsonRoute
from spice_api.reading import GraphQueriesDep
from spice_core.bootstrap import Platform
from spice_core.domain.graph import Direction
from spice_core.errors import InvalidQuery
from spice_core.services.query_graph import GraphQueries, GraphQuery, Hop

router = APIRouter(prefix="/api/v1/graph-query", tags=["graph query"], route_class=StrictJsonRoute)


@router.post("/{db_name}")
@router.post("/{db_name}/multi-hop")
def ask(
    db_name: DatabasePath,
    body: GraphQueryBody,
    platform: PlatformDep,
    queries: GraphQueriesDep,
    branch: BranchQuery = MAIN,
) -> GraphAnswer:
    """Start from the instances of a class and follow links, hop by hop.

    The answer waits a little for what was accepted before it; `warnings` says if that was in vain. Nodes come in a total
    order, so pages (`limit` and `offset` over the start nodes) are stable. Unknown classes, fields and predicates are 400.
    """
    return _answer(platform, queries, db_name, branch, body)


@router.post("/{db_name}/simple")
def ask_simply(
    db_name: DatabasePath,
    body: SimpleQueryBody,
    platform: PlatformDep,
    queries: GraphQueriesDep,
    branch: BranchQuery = MAIN,
) -> GraphAnswer:
    """Find the instances of one class, without hops."""
    full = GraphQueryBody(
        start_class=body.class_name,
        filters=body.filters,
        sort=body.sort,
        limit=body.limit,
        offset=body.offset,
        include_documents=body.include_documents,
    )
    return _answer(platform, queries, db_name, branch, full)


@router.get("/{db_name}/paths")
def paths(
    *,
    db_name: DatabasePath,
    platform: PlatformDep,
    queries: GraphQueriesDep,
    start_class: Annotated[str, Query(max_length=200, examples=["Product"])],
    hops: Annotated[
        str,
        Query(
            max_length=4000,
            description="Hops as `predicate` or `predicate:Class`, joined by commas.",
            examples=["owned_by:Customer"],
        ),
    ],
    branch: BranchQuery = MAIN,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    max_paths: Annotated[int, Query(ge=1, le=10_000)] = 100,
    no_cycles: bool = True,
) -> GraphAnswer:
    """List the ways along a chain of predicates."""
    body = GraphQueryBody(
        start_class=start_class,
        hops=[_hop_of_text(text) for text in hops.split(",")],
        limit=limit,
        include_paths=True,
        max_paths=max_paths,
        no_cycles=no_cycles,
    )
    return _answer(platform, queries, db_name, branch, body)


def _answer(platform: Platform, queries: GraphQueries, database: str, branch: str, body: GraphQueryBody) -> GraphAnswer:
    query = _query(body)
    found = queries.ask(database, branch, query)
    return graph_answer(
        database,
        branch,
        query,
        found,
        now=platform.clock.now(),
        asked=body.model_dump(mode="json"),
        with_provenance=body.include_provenance,
        with_audit=body.include_audit,
        with_paths=body.include_paths,
    )


def _query(body: GraphQueryBody) -> GraphQuery:
    return GraphQuery(
        start_class=body.start_class,
        hops=[Hop(hop.predicate, hop.target_class, Direction(hop.direction), hop.filters) for hop in body.hops],
        filters=body.filters,
        sort_field=body.sort.field if body.sort else None,
        sort_descending=body.sort.descending if body.sort else False,
        limit=body.limit,
        offset=body.offset,
        max_nodes=body.max_nodes,
        max_edges=body.max_edges,
        max_paths=body.max_paths if body.include_paths else 0,
        path_depth_limit=body.path_depth_limit,
        no_cycles=body.no_cycles,
        with_documents=body.include_documents,
    )


def _hop_of_text(text: str) -> HopBody:
    predicate, _, target = text.strip().partition(":")
    if not predicate:
        raise InvalidQuery("hops takes predicates joined by commas: `owned_by:Customer,located_in`")
    return HopBody(predicate=predicate[:100], target_class=target[:100] or None)
