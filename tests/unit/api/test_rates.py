"""Rates at the door: what a route declares, what an answer announces, and what stands in for a server that is gone."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi import APIRouter
from fastapi.testclient import TestClient

from spice_api.app import AppInfo, create_app
from spice_api.bff.main import app as bff_app
from spice_api.route_rates import RouteRates, counts_as
from spice_core.adapters.memory.rate_limiter import MemoryRateLimiter
from spice_core.adapters.system.clock import SystemClock
from spice_core.adapters.system.id_source import RandomIds
from spice_core.domain.rates import BURST, SEARCH, STRICT, WRITE, Rate, presets
from spice_core.errors import CacheUnavailable, ConfigurationError
from spice_core.ports.rate_limiter import Allowance, Charge, RateLimiter
from spice_core.ports.tracer import SilentTracer
from spice_core.services.limit_rates import FallbackRateLimiter
from spice_core.services.platform_metrics import PlatformMetrics
from spice_core.settings import Settings, load_settings

TOKEN = "right-token"  # noqa: S105 - of this test only
AUTH = {"Authorization": f"Bearer {TOKEN}"}


class Switchable(RateLimiter):
    """Counts like the memory limiter while it answers; says that it is shared."""

    is_remote = True

    def __init__(self) -> None:
        self.is_down = False
        self.inner = MemoryRateLimiter(SystemClock())

    def take(self, charges: Sequence[Charge]) -> Allowance:
        if self.is_down:
            raise CacheUnavailable
        found = self.inner.take(charges)
        return Allowance(found.is_allowed, found.rate, found.remaining, found.reset_seconds, "shared")

    @property
    def mode(self) -> Any:
        return "shared"

    @property
    def is_degraded(self) -> bool:
        return self.is_down

    def close(self) -> None:
        self.inner.close()


def make_router() -> APIRouter:
    router = APIRouter(prefix="/t")

    @router.get("/plain")
    def plain() -> None: ...

    @router.post("/recompute", openapi_extra=counts_as(STRICT))
    def recompute() -> None: ...

    @router.post("/search/{db}", openapi_extra=counts_as(SEARCH))
    def search(db: str) -> None: ...

    @router.post("/search/{db}/shadowed", openapi_extra=counts_as(STRICT))
    def shadowed(db: str) -> None: ...

    @router.put("/write", openapi_extra=counts_as(WRITE))
    def write() -> None: ...

    return router


def make_settings(**more: Any) -> Settings:
    return load_settings(_env_file=None, bff_admin_token=TOKEN, **more)


@contextmanager
def client_of(limiter: RateLimiter | None = None, address: str = "127.0.0.1", **more: Any) -> Iterator[TestClient]:
    settings = make_settings(**more)
    limiter = limiter or MemoryRateLimiter(SystemClock())
    log: Any = SimpleNamespace(append=lambda *_, **__: None)
    platform: Any = SimpleNamespace(
        settings=settings,
        clock=SystemClock(),
        ids=RandomIds(),
        log=log,
        rate_limiter=limiter,
        tracer=SilentTracer(),
        metrics=PlatformMetrics(),
    )
    info = AppInfo("bff", "Test", "A test app.", "Routes under rates.")
    app = create_app(info, settings=settings, routers=[make_router()], platform=platform)
    with TestClient(app, client=(address, 50_000)) as client:
        yield client


def rate_of(answer: Any) -> tuple[str, ...]:
    return tuple(answer.headers[f"x-ratelimit-{name}"] for name in ("limit", "remaining", "mode"))


def test_route_counts_under_its_preset_and_under_the_rate_of_all() -> None:
    with client_of(rate_limit=100) as client:
        assert rate_of(client.get("/t/plain", headers=AUTH)) == ("100", "99", "local")
        assert rate_of(client.post("/t/search/db", headers=AUTH)) == ("30", "28", "local")
        assert rate_of(client.put("/t/write", headers=AUTH)) == ("100", "97", "local")  # 3 of 2000 leave room for 665 more
        assert rate_of(client.get("/t/plain", headers=AUTH)) == ("100", "96", "local")


def test_search_costs_two_of_thirty() -> None:
    with client_of() as client:
        statuses = [client.post("/t/search/db", headers=AUTH).status_code for _ in range(16)]
        assert statuses == [200] * 15 + [429]
        assert client.get("/t/plain", headers=AUTH).status_code == 200


def test_first_route_that_fits_decides_as_it_does_for_the_request() -> None:
    router = make_router()
    rates = RouteRates("bff", make_settings(), [router])
    scope = {"method": "POST", "path": "/t/search/a/shadowed", "client": ("10.0.0.1", 1)}
    principal: Any = SimpleNamespace(name="admin")
    assert [charge.rate.name for charge in rates.charges(scope, principal)] == ["strict", "strict", "all"]
    assert [charge.rate.name for charge in rates.charges({**scope, "path": "/t/search/a"}, principal)] == ["search", "all"]
    assert [charge.rate.name for charge in rates.charges({**scope, "path": "/t/nowhere"}, principal)] == ["all"]


def test_j03_recompute_is_ten_a_minute_per_address_also_with_the_token_and_from_this_machine() -> None:
    limiter = MemoryRateLimiter(SystemClock())
    with client_of(limiter, "127.0.0.1") as client:
        disguises = [{"X-Forwarded-For": f"10.0.0.{number}", "X-Admin-Actor": f"user-{number}"} for number in range(12)]
        statuses = [client.post("/t/recompute", headers={**AUTH, **disguise}).status_code for disguise in disguises]
        assert statuses == [200] * 10 + [429] * 2
        assert rate_of(client.post("/t/recompute", headers=AUTH)) == ("10", "0", "local")
        assert client.get("/t/plain", headers=AUTH).status_code == 200
    with client_of(limiter, "10.9.9.9") as elsewhere:
        assert elsewhere.post("/t/recompute", headers=AUTH).status_code == 429, "another address is the same principal"


def test_j03_one_address_is_limited_whatever_principal_it_names() -> None:
    rates = RouteRates("bff", make_settings(), [make_router()])
    limiter = MemoryRateLimiter(SystemClock())
    scope = {"method": "POST", "path": "/t/recompute", "client": ("10.0.0.1", 1)}
    found = [limiter.take(rates.charges(scope, SimpleNamespace(name=f"p{number}"))).is_allowed for number in range(12)]  # type: ignore[arg-type]
    assert found == [True] * 10 + [False] * 2


def test_refused_request_says_when_to_come_back() -> None:
    with client_of(rate_limit=1, rate_limit_window_seconds=3600) as client:
        client.get("/t/plain", headers=AUTH)
        refused = client.get("/t/plain", headers=AUTH)
    body = refused.json()
    assert (body["error"], body["limit"], body["window"]) == ("Rate limit exceeded", 1, 3600)
    assert 3590 <= body["retry_after"] == int(refused.headers["retry-after"]) == int(refused.headers["x-ratelimit-reset"]) <= 3600
    assert rate_of(refused) == ("1", "0", "local")
    assert "x-ratelimit-degraded" not in refused.headers


def test_contract_7_lost_redis_means_local_limits_that_are_announced_and_recovery_by_itself() -> None:
    shared = Switchable()
    with client_of(FallbackRateLimiter(shared, local=MemoryRateLimiter(SystemClock())), rate_limit=3) as client:
        assert rate_of(client.get("/t/plain", headers=AUTH)) == ("3", "2", "shared")
        shared.is_down = True
        degraded = client.get("/t/plain", headers=AUTH)
        assert rate_of(degraded) == ("3", "2", "local")
        assert (degraded.headers["x-ratelimit-degraded"], degraded.headers["degraded"]) == ("true", "true")
        statuses = [client.get("/t/plain", headers=AUTH).status_code for _ in range(4)]
        assert statuses == [200, 200, 429, 429], "never unlimited"
        shared.is_down = False
        back = client.get("/t/plain", headers=AUTH)
        assert rate_of(back) == ("3", "1", "shared")
        assert "degraded" not in back.headers


def test_limits_that_are_off_are_announced() -> None:
    with client_of(rate_limit=1, rate_limit_enabled=False) as client:
        answers = [client.get("/t/plain", headers=AUTH) for _ in range(3)]
    assert {(answer.status_code, answer.headers["x-ratelimit-disabled"]) for answer in answers} == {(200, "true")}


def test_right_token_with_headers_that_are_refused_is_not_unlimited() -> None:
    with client_of(rate_limit=2) as client:
        statuses = [client.get("/t/plain", headers={**AUTH, "X-Admin-Actor": " "}).status_code for _ in range(4)]
    assert statuses == [400, 400, 429, 429]


def test_presets_change_by_setting_but_strict_does_not() -> None:
    with client_of(rate_limit_presets=["search=600/60"]) as client:
        assert rate_of(client.post("/t/search/db", headers=AUTH)) == ("600", "598", "local")
    for wrong in ("strict=1000/60", "nothing=1/1", "search=1/60", "search", "search=x/60", "burst=20/0"):
        with pytest.raises(ConfigurationError, match="SPICE_RATE_LIMIT_PRESETS"):
            RouteRates("bff", make_settings(rate_limit_presets=[wrong]), [])
    assert presets([])["burst"] == BURST == Rate("burst", 20, 1)


def test_description_tells_what_a_route_counts_as() -> None:
    paths = bff_app(make_settings(), None).openapi()["paths"]
    found = {
        (method, path): operation["x-rate-limit"]["preset"]
        for path, operations in paths.items()
        for method, operation in operations.items()
        if "x-rate-limit" in operation
    }
    assert found["post", "/api/v1/search/{db_name}"] == "search"
    writes = {key for key, preset in found.items() if preset == "write"}
    assert ("post", "/api/v1/instances/{db_name}/async/{class_id}/create") in writes
    assert ("delete", "/api/v1/branch/{db_name}/branch/{branch_name}") in writes
    assert ("delete", "/api/v1/database/{db_name}") in writes
