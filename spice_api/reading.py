"""The services that read, over the running app's platform."""

from json import JSONDecodeError
from typing import Annotated

from fastapi import Depends, Query, Request

from spice_api.dependencies import PlatformDep
from spice_api.edge import edge_of
from spice_api.json_route import strict_json
from spice_core.errors import InvalidQuery
from spice_core.services.explain import Explainer
from spice_core.services.number_nodes import NodeNumbers
from spice_core.services.query_graph import GraphQueries, QueryLimits
from spice_core.services.read_instances import InstanceReader
from spice_core.services.wait_for_reads import ReadBarrier


async def barrier_of(request: Request, platform: PlatformDep) -> ReadBarrier:
    """Return what reads wait at."""
    seconds, room = platform.settings.read_wait_seconds, edge_of(request.scope).reads
    return ReadBarrier(platform.log, platform.work, platform.clock, seconds, room)


BarrierDep = Annotated[ReadBarrier, Depends(barrier_of)]


async def instance_reader_of(platform: PlatformDep, barrier: BarrierDep) -> InstanceReader:
    """Return what reads instances."""
    return InstanceReader(platform.graph, barrier)


async def numbers_of(platform: PlatformDep, barrier: BarrierDep) -> NodeNumbers:
    """Return what tells the numbers that commands have to expect."""
    return NodeNumbers(platform.graph, barrier)


async def graph_queries_of(platform: PlatformDep, barrier: BarrierDep) -> GraphQueries:
    """Return what answers graph questions."""
    settings = platform.settings
    limits = QueryLimits(settings.graph_query_max_hops, settings.graph_query_max_limit, settings.graph_query_max_paths)
    return GraphQueries(platform.graph, platform.search, barrier, limits)


async def explainer_of(platform: PlatformDep) -> Explainer:
    """Return what answers why."""
    return Explainer(platform.graph, platform.lineage, platform.log, platform.registry)


async def filters_of(
    filters: Annotated[
        str | None,
        Query(
            alias="filter",
            max_length=10_000,
            description='Conditions as JSON, as in a graph query: `{"price": {"gte": 10}, "name": "Shirt"}`.',
            examples=['{"name": "Alice"}'],
        ),
    ] = None,
) -> dict[str, object]:
    """Return the conditions of a query string."""
    if not filters:
        return {}
    try:
        found = strict_json(filters.encode())
    except (JSONDecodeError, UnicodeEncodeError) as error:
        raise InvalidQuery(f"filter is not valid JSON: {error}") from error
    if not isinstance(found, dict):
        raise InvalidQuery('filter takes a JSON object: {"field": value}')
    return found


NumbersDep = Annotated[NodeNumbers, Depends(numbers_of)]
InstanceReaderDep = Annotated[InstanceReader, Depends(instance_reader_of)]
GraphQueriesDep = Annotated[GraphQueries, Depends(graph_queries_of)]
ExplainerDep = Annotated[Explainer, Depends(explainer_of)]
FiltersDep = Annotated[dict[str, object], Depends(filters_of)]
