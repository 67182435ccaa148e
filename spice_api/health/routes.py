"""Health without a token: liveness asks the process only, readiness asks the log, the ledger, the graph and the search index.

Readiness and metrics have threads of their own: they answer also while every other route is busy.
"""

from functools import partial

from anyio import to_thread
from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST

from spice_api.dependencies import PlatformDep
from spice_api.edge import edge_of
from spice_api.health.schemas import Health, HealthAnswer, Part, Readiness
from spice_api.json_route import StrictJsonRoute
from spice_core.services.check_parts import check_parts

router = APIRouter(tags=["health"], route_class=StrictJsonRoute)


@router.get("/health")
@router.get("/api/v1/health")
async def health(request: Request) -> HealthAnswer:
    """Say that the app is up."""
    return HealthAnswer(data=_health(request))


@router.get("/health/live")
async def live(request: Request) -> HealthAnswer:
    """Say that the process answers; asks no other part."""
    return HealthAnswer(data=_health(request))


@router.get("/health/ready", responses={503: {"model": Readiness, "description": "A part does not answer."}})
async def ready(request: Request, platform: PlatformDep, response: Response) -> Readiness:
    """Ask every part that requests need; 503 while one does not answer, with its name."""
    ask = partial(check_parts, log=platform.log, ledger=platform.ledger, graph=platform.graph, search=platform.search)
    errors = await to_thread.run_sync(ask, limiter=edge_of(request.scope).probe_threads)
    is_ready = not any(errors.values())
    response.status_code = 200 if is_ready else 503
    parts = {name: Part(is_ready=error is None, error=error) for name, error in errors.items()}
    return Readiness(status="ready" if is_ready else "not_ready", parts=parts)


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
async def metrics(request: Request) -> Response:
    """Return the app's metrics in the text format of Prometheus."""
    edge = edge_of(request.scope)
    shown = await to_thread.run_sync(edge.metrics.exposition, limiter=edge.probe_threads)
    return Response(shown, media_type=CONTENT_TYPE_LATEST)


def _health(request: Request) -> Health:
    info = request.app.state.info
    return Health(service=info.name, version=request.app.version, status="healthy", description=info.summary)
