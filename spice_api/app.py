"""The one factory behind the three apps."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version

import anyio
import anyio.to_thread
from fastapi import APIRouter, FastAPI
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

from spice_api import description_pages
from spice_api.auth import AppName, Gate, gate_of
from spice_api.edge import Edge
from spice_api.errors import install_error_handlers
from spice_api.health.routes import router as health_router
from spice_api.limits import BodyLimit, Gatekeeper
from spice_api.metrics import HttpMetrics
from spice_api.openapi import install_openapi
from spice_api.refusals import RefusalRecorder, append_refusals
from spice_api.request_scope import RequestScope
from spice_api.route_rates import RATE_HEADERS, RouteRates
from spice_api.task_board import TaskBoard
from spice_core.bootstrap import Platform, bootstrap
from spice_core.services.waiting_room import WaitingRoom
from spice_core.settings import Settings

_THREADS = 160
"""Routes run in threads; those that wait (before a read, for an outcome, for a class) may hold 128 of them, never all."""
_LIMITER_THREADS = 16
_PROBE_THREADS = 4
_LOOK_THREADS = 8
_WAITING_READS = 48
_WAITING_OUTCOMES = 48


@dataclass(frozen=True, slots=True)
class AppInfo:
    """What distinguishes one app: its name in settings, its title, and what it is for."""

    name: AppName
    title: str
    summary: str
    description: str


def create_app(info: AppInfo, *, settings: Settings, routers: Sequence[APIRouter], platform: Platform | None = None) -> FastAPI:
    """Return the app `info` with `routers`. It bootstraps its own platform when it starts, unless one is given.

    Raises:
        ConfigurationError: tokens are switched off in a way that is refused, or a rate is none.
    """
    gate, rates = gate_of(info.name, settings), RouteRates(info.name, settings, routers)
    app = FastAPI(
        title=info.title,
        summary=info.summary,
        description=info.description,
        version=version("spice-harvester"),
        lifespan=_lifespan(info, settings, gate, rates, platform),
        middleware=_middleware(settings),
        docs_url=None,
        redoc_url=None,
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.state.info = info
    for router in (health_router, description_pages.router, *routers):
        app.include_router(router)
    install_error_handlers(app)
    install_openapi(app)
    return app


def _middleware(settings: Settings) -> list[Middleware]:
    layers = [Middleware(RequestScope), Middleware(BodyLimit), Middleware(Gatekeeper)]
    if settings.cors_origins:
        cors = Middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["*"],
            allow_headers=["*"],
            expose_headers=["X-Request-ID", "Retry-After", *RATE_HEADERS],
        )
        layers.insert(1, cors)
    return layers


def _lifespan(
    info: AppInfo, settings: Settings, gate: Gate, rates: RouteRates, given: Platform | None
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def run(app: FastAPI) -> AsyncIterator[None]:
        anyio.to_thread.current_default_thread_limiter().total_tokens = _THREADS
        platform = await anyio.to_thread.run_sync(lambda: bootstrap(settings, process=info.name)) if given is None else given
        app.state.platform = platform
        app.state.edge = edge = _edge(info, settings, gate, rates, platform)
        try:
            yield
        finally:
            await anyio.to_thread.run_sync(edge.tasks.close)
            await anyio.to_thread.run_sync(edge.refusals.close)
            if given is None:
                await anyio.to_thread.run_sync(platform.close)

    return run


def _edge(info: AppInfo, settings: Settings, gate: Gate, rates: RouteRates, platform: Platform) -> Edge:
    return Edge(
        settings=settings,
        clock=platform.clock,
        ids=platform.ids,
        metrics=HttpMetrics(info.name, platform=platform.metrics),
        gate=gate,
        rates=rates,
        limiter=platform.rate_limiter if settings.rate_limit_enabled else None,
        limiter_threads=anyio.CapacityLimiter(_LIMITER_THREADS),
        probe_threads=anyio.CapacityLimiter(_PROBE_THREADS),
        look_threads=anyio.CapacityLimiter(_LOOK_THREADS),
        reads=WaitingRoom(_WAITING_READS),
        outcomes=WaitingRoom(_WAITING_OUTCOMES),
        uploads=WaitingRoom(settings.max_concurrent_ingests),
        refusals=RefusalRecorder(lambda held: append_refusals(platform.log, platform.clock, platform.ids, held)),
        tasks=TaskBoard(clock=platform.clock, ids=platform.ids),
        tracer=platform.tracer,
    )
