"""Waiting clients hold no thread that others need: however many wait, the app answers."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from anyio import CapacityLimiter
from fastapi import APIRouter, FastAPI, Response

from spice_api.app import AppInfo, create_app
from spice_api.commands.routes import router as commands_router
from spice_api.json_route import StrictJsonRoute
from spice_api.waiting import Follower, Settling
from spice_core.adapters.memory.rate_limiter import MemoryRateLimiter
from spice_core.adapters.system.clock import SystemClock
from spice_core.adapters.system.id_source import RandomIds
from spice_core.domain.read_models import CommandState, CommandStatus
from spice_core.ports.tracer import SilentTracer
from spice_core.services.platform_metrics import PlatformMetrics
from spice_core.services.waiting_room import WaitingRoom
from spice_core.settings import load_settings

INFO = AppInfo("oms", "Test", "A test app.", "Commands that stay pending.")
CLIENTS = 300
AT = datetime(2026, 1, 1, tzinfo=UTC)


def status_of(command_id: str, state: CommandState = CommandState.PENDING, **more: Any) -> CommandStatus:
    more = {"command_type": "CREATE_DATABASE", "aggregate_id": "shop", "submitted_at": AT, "history": [(state, AT)], **more}
    return CommandStatus(command_id=command_id, database="shop", state=state, **more)


class Statuses:
    """Every command is pending until `is_done`."""

    def __init__(self) -> None:
        self.is_done = False

    def get(self, command_id: str) -> CommandStatus:
        return status_of(command_id, CommandState.COMPLETED if self.is_done else CommandState.PENDING)


@pytest.fixture
def statuses() -> Statuses:
    return Statuses()


@pytest.fixture
def app(statuses: Statuses) -> FastAPI:
    settings = load_settings(
        _env_file=None, oms_require_auth=False, allow_insecure_oms_auth_disable=True, rate_limit_enabled=False
    )
    part: Any = SimpleNamespace(databases=list, heads=dict, get=lambda *_: {}, append=lambda *_, **__: None)
    platform: Any = SimpleNamespace(
        settings=settings,
        clock=SystemClock(),
        ids=RandomIds(),
        log=part,
        ledger=part,
        graph=part,
        search=part,
        status_reader=statuses,
        rate_limiter=MemoryRateLimiter(SystemClock()),
        tracer=SilentTracer(),
        metrics=PlatformMetrics(),
    )
    router = APIRouter(route_class=StrictJsonRoute)

    @router.get("/list")
    def listed() -> list[str]:
        return ["shop"]

    return create_app(INFO, settings=settings, routers=[router, commands_router], platform=platform)


def while_clients_wait(app: FastAPI, path: str, then: Callable[[httpx2.AsyncClient, list[Any]], Awaitable[None]]) -> None:
    """Let many clients ask for `path`, and run `then` while they wait."""

    async def run() -> None:
        transport = httpx2.ASGITransport(app=app)
        async with app.router.lifespan_context(app), httpx2.AsyncClient(transport=transport, base_url="http://t") as client:
            waiting = [asyncio.create_task(client.get(path.format(id=uuid4()), timeout=60)) for _ in range(CLIENTS)]
            await asyncio.sleep(0.5)
            await then(client, waiting)

    asyncio.run(run())


@pytest.mark.parametrize("path", ["/api/v1/commands/{id}/status?wait=30", "/api/v1/commands/{id}/events?timeout=30"])
def test_app_answers_while_many_clients_wait_and_they_are_answered_in_time(app: FastAPI, statuses: Statuses, path: str) -> None:
    async def ask(client: httpx2.AsyncClient, waiting: list[Any]) -> None:
        for other in ("/health", "/health/ready", "/metrics", "/list", f"/api/v1/commands/{uuid4()}/status"):
            answer = await asyncio.wait_for(client.get(other), timeout=5)
            assert answer.status_code == 200, other
        assert not any(task.done() for task in waiting)
        statuses.is_done = True
        answers = await asyncio.wait_for(asyncio.gather(*waiting), timeout=10)
        assert all("COMPLETED" in answer.text for answer in answers)

    while_clients_wait(app, path, ask)


def test_readiness_and_metrics_answer_while_every_thread_of_the_routes_is_held(app: FastAPI) -> None:
    release = threading.Event()

    @app.get("/held")
    def held() -> None:
        release.wait(30)

    async def ask(client: httpx2.AsyncClient, waiting: list[Any]) -> None:
        try:
            for other in ("/health/ready", "/metrics"):
                assert (await asyncio.wait_for(client.get(other), timeout=5)).status_code == 200
        finally:
            release.set()
        await asyncio.gather(*waiting)

    while_clients_wait(app, "/held", ask)


def test_write_whose_client_finds_no_place_is_answered_at_once_with_its_command_id() -> None:
    asked: list[float] = []

    class Tracker:
        def wait(self, command_id: str, *, seconds: float, database: str) -> CommandStatus:
            asked.append(seconds)
            return status_of(command_id)

    tracker: Any = Tracker()
    room = WaitingRoom(1)
    settling = Settling(tracker, Response(), 10.0, room)
    with room.place():
        assert settling.status("a", database="shop") is None
    assert settling.status("a", database="shop") is None
    assert asked == [0, 10.0]


def test_follower_tells_each_change_once_and_ends_with_the_final_one_or_after_its_time() -> None:
    pending, final = status_of("a"), status_of("a", CommandState.COMPLETED)
    halfway = status_of("a", total=2, done=1)
    looks = iter([pending, halfway, halfway, final])
    tracker: Any = SimpleNamespace(status=lambda command_id, database: next(looks, pending))

    async def run(seconds: float) -> list[CommandStatus]:
        follower = Follower(tracker, SystemClock(), CapacityLimiter(2))
        return [status async for status in follower.changes(pending, seconds=seconds)]

    assert asyncio.run(run(20)) == [pending, halfway, final]
    began = time.monotonic()
    assert asyncio.run(run(0.1)) == [pending]
    assert time.monotonic() - began < 5
