"""The layers in front of the routes: identity, limits, ids, errors in one shape."""

import threading
from collections.abc import Callable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI, Request
from fastapi.testclient import TestClient

from spice_api.app import AppInfo, create_app
from spice_api.bff.main import app as bff_app
from spice_api.dependencies import PrincipalDep
from spice_api.edge import UPLOAD_PATHS
from spice_api.envelope import Strict
from spice_api.funnel.main import app as funnel_app
from spice_api.json_route import StrictJsonRoute
from spice_api.oms.main import app as oms_app
from spice_api.refusals import Refusal, RefusalRecorder
from spice_core.adapters.memory.rate_limiter import MemoryRateLimiter
from spice_core.adapters.system.clock import SystemClock
from spice_core.adapters.system.id_source import RandomIds
from spice_core.errors import BrokenChain, ConfigurationError, GraphUnavailable, OptimisticConcurrencyConflict, StoreUnavailable
from spice_core.ports.tracer import SilentTracer
from spice_core.services.platform_metrics import PlatformMetrics
from spice_core.settings import Settings, load_settings

INFO = AppInfo("bff", "Test", "A test app.", "Routes that answer, fail and burst.")
TOKEN = "right-token"  # noqa: S105 - of this test only


class Body(Strict):
    name: str
    size: int = 0


def make_router() -> APIRouter:
    router = APIRouter(prefix="/t", route_class=StrictJsonRoute)

    @router.get("/who")
    def who(principal: PrincipalDep) -> dict[str, Any]:
        return {"actor": principal.actor, "verified": principal.is_verified}

    @router.get("/trace")
    def trace(request: Request) -> dict[str, str]:
        found: dict[str, str] = request.state.trace
        return found

    @router.post("/body")
    def body(body: Body) -> dict[str, Any]:
        return body.model_dump()

    @router.get("/conflict")
    def conflict() -> None:
        raise OptimisticConcurrencyConflict(aggregate_id="a", expected_seq=1, actual_seq=3)

    @router.get("/down")
    def down() -> None:
        raise GraphUnavailable

    @router.get("/broken")
    def broken() -> None:
        raise BrokenChain("segment 7 of secret-database")

    @router.get("/burst")
    def burst() -> None:
        raise RuntimeError("secret inside")

    return router


class RecordingLog:
    """Keeps what is appended; refuses while `is_down`."""

    def __init__(self) -> None:
        self.events: list[Any] = []
        self.is_down = False

    def append(self, database: str, events: Sequence[Any], *, create: bool) -> None:
        assert (database, create) == ("_system", True)
        if self.is_down:
            raise StoreUnavailable
        self.events += events


def make_settings(**more: Any) -> Settings:
    return load_settings(
        _env_file=None, **{"bff_admin_token": TOKEN, "max_request_bytes": 1000, "max_upload_bytes": 5000, **more}
    )


def client_of(settings: Settings, log: RecordingLog | None = None) -> TestClient:
    platform: Any = SimpleNamespace(
        settings=settings,
        clock=SystemClock(),
        ids=RandomIds(),
        log=log or RecordingLog(),
        rate_limiter=MemoryRateLimiter(SystemClock()),
        tracer=SilentTracer(),
        metrics=PlatformMetrics(),
    )
    app = create_app(INFO, settings=settings, routers=[make_router()], platform=platform)
    return TestClient(app, raise_server_exceptions=False)


@pytest.fixture
def log() -> RecordingLog:
    return RecordingLog()


@pytest.fixture
def client(log: RecordingLog) -> Iterator[TestClient]:
    with client_of(make_settings(), log) as client:
        yield client


AUTH = {"Authorization": f"Bearer {TOKEN}"}
PROBLEM_FIELDS = {"type", "title", "status", "detail", "instance", "code", "category", "http_status", "retryable", "request_id"}


def check_problem(response: Any, status: int, code: str) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert body.keys() >= PROBLEM_FIELDS | {"message", "errors"}
    assert (body["status"], body["http_status"], body["code"]) == (status, status, code)
    assert body["request_id"] == response.headers["x-request-id"]
    return body


def test_request_without_token_is_401_and_says_how(client: TestClient) -> None:
    response = client.get("/t/who")
    check_problem(response, 401, "unauthenticated")
    assert response.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Bearer wrong"},
        {"X-API-Key": "wrong"},
        {"X-Admin-Token": TOKEN, "X-API-Key": "wrong"},
        {"X-Admin-Token": TOKEN + "x"},
    ],
)
def test_wrong_token_is_403(client: TestClient, headers: dict[str, str]) -> None:
    check_problem(client.get("/t/who", headers=headers), 403, "forbidden")


@pytest.mark.parametrize("headers", [AUTH, {"X-Admin-Token": TOKEN}, {"X-API-Key": TOKEN}, {"Authorization": f"bearer {TOKEN}"}])
def test_right_token_is_accepted_in_every_header(client: TestClient, headers: dict[str, str]) -> None:
    assert client.get("/t/who", headers=headers).json() == {"actor": "admin", "verified": True}


def test_must_hold_22_actor_header_counts_only_behind_a_verified_token(client: TestClient) -> None:
    assert client.get("/t/who", headers={"X-Admin-Actor": "mallory"}).status_code == 401
    named = client.get("/t/who", headers={**AUTH, "X-Admin-Actor": "ops@example.com"})
    assert named.json()["actor"] == "ops@example.com"
    settings = make_settings(bff_require_auth=False, allow_insecure_bff_auth_disable=True)
    with client_of(settings) as open_client:
        found = open_client.get("/t/who", headers={"X-Admin-Actor": "mallory", "X-User-ID": "root"}).json()
    assert found == {"actor": "anonymous", "verified": False}


def test_app_without_a_token_answers_503_until_one_is_configured() -> None:
    with client_of(make_settings(bff_admin_token=None)) as client:
        check_problem(client.get("/t/who", headers=AUTH), 503, "auth_not_configured")
        assert client.get("/health").status_code == 200


@pytest.mark.parametrize(
    "switches",
    [
        {"bff_require_auth": False},
        {"bff_require_auth": False, "allow_insecure_bff_auth_disable": True, "app_env": "production"},
    ],
)
def test_tokens_are_not_switched_off_by_half_nor_in_production(switches: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        client_of(make_settings(**switches))


@pytest.mark.parametrize("path", ["/health", "/api/v1/health", "/health/live", "/metrics"])
def test_health_and_metrics_need_no_token(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 200


def test_metrics_count_requests_by_route_template(client: TestClient) -> None:
    client.get("/t/who", headers=AUTH)
    client.get("/t/nowhere-1", headers=AUTH)
    text = client.get("/metrics").text
    assert 'spice_http_requests_total{app="bff",method="GET",route="/t/who",status="200"} 1.0' in text
    assert 'route="unmatched",status="404"' in text
    assert "nowhere-1" not in text


def test_must_hold_20_refusals_are_appended_to_the_system_log(log: RecordingLog) -> None:
    with client_of(make_settings(), log) as client:
        for _ in range(3):
            client.get("/t/who")
        client.get("/t/who", headers={"X-API-Key": "wrong"})
    found = {(event.data["code"], event.data["path"]): event.data["count"] for event in log.events}
    assert found == {("unauthenticated", "/t/who"): 3, ("forbidden", "/t/who"): 1}
    assert {event.event_type for event in log.events} == {"ACCESS_REFUSED"}
    assert TOKEN not in str(log.events)


def test_flood_of_refusals_stays_bounded_and_survives_a_log_that_is_down() -> None:
    written: list[tuple[Refusal, int]] = []
    tried = threading.Event()
    is_down = True

    def sink(held: Sequence[tuple[Refusal, int]]) -> None:
        tried.set()
        if is_down:
            raise StoreUnavailable
        written.extend(held)

    recorder = RefusalRecorder(sink, interval_seconds=0.01, max_kinds=5)
    for number in range(1000):
        recorder.record(Refusal("bff", "forbidden", "GET", f"/{number}", "10.0.0.1"))
    assert tried.wait(5)
    is_down = False
    recorder.close()
    assert sum(count for _, count in written) == 1000
    assert len(written) <= 6 * 2


def test_must_hold_21_rate_limit_is_not_bypassed_by_a_header_or_an_address() -> None:
    with client_of(make_settings(rate_limit=3, rate_limit_window_seconds=3600)) as client:
        statuses = []
        for number in range(5):
            disguise = {"X-Forwarded-For": f"10.0.0.{number}", "X-Admin-Actor": f"user-{number}", "X-Real-IP": f"10.1.1.{number}"}
            statuses.append(client.get("/t/who", headers={**AUTH, **disguise}).status_code)
        assert statuses == [200, 200, 200, 429, 429]
        refused = client.get("/t/who", headers={"X-API-Key": TOKEN})
        body = check_problem(refused, 429, "rate_limited")
        assert int(refused.headers["retry-after"]) == body["details"]["retry_after"] > 0
        assert refused.headers["x-ratelimit-remaining"] == "0"
        assert client.get("/health").status_code == 200


def test_guessing_tokens_is_limited_too() -> None:
    with client_of(make_settings(rate_limit=3, rate_limit_window_seconds=3600)) as client:
        statuses = [client.get("/t/who", headers={"X-API-Key": f"guess-{number}"}).status_code for number in range(5)]
        assert statuses == [403, 403, 403, 429, 429]
        assert client.get("/t/who", headers=AUTH).status_code == 200


def test_answers_announce_the_rate(client: TestClient) -> None:
    headers = client.get("/t/who", headers=AUTH).headers
    assert (headers["x-ratelimit-limit"], headers["x-ratelimit-remaining"], headers["x-ratelimit-mode"]) == (
        "1000",
        "999",
        "local",
    )


def test_declared_body_over_the_limit_is_413_at_once(client: TestClient) -> None:
    response = client.post("/t/body", content=b"x" * 1001, headers={**AUTH, "content-type": "application/json"})
    check_problem(response, 413, "too_large")


def test_chunked_body_over_the_limit_is_413(client: TestClient) -> None:
    chunks = (b'{"name":"' + b"x" * 600 if number == 0 else b"x" * 600 for number in range(4))
    response = client.post("/t/body", content=chunks, headers={**AUTH, "content-type": "application/json"})
    assert response.status_code == 413
    assert response.headers["content-type"] == "application/problem+json"


def test_only_paths_of_uploads_take_large_bodies(client: TestClient) -> None:
    for path in ("/t/x-upload", "/api/v1/search/csv-upload", "/api/v1/pipelines/datasets/x-upload"):
        check_problem(client.post(path, content=b"x" * 1001, headers=AUTH), 413, "too_large")
    assert client.post("/api/v1/pipelines/datasets/csv-upload", content=b"x" * 1001, headers=AUTH).status_code == 404


@pytest.mark.parametrize("make", [oms_app, bff_app, funnel_app])
def test_every_route_that_takes_a_file_is_a_path_of_uploads(make: Callable[..., FastAPI]) -> None:
    paths = make(make_settings(admin_token=TOKEN), None).openapi()["paths"]
    files = {
        path
        for path, operations in paths.items()
        for operation in operations.values()
        if "multipart/form-data" in operation.get("requestBody", {}).get("content", {})
    }
    app = {oms_app: "/api/v1/none/", bff_app: "/api/v1/pipelines/", funnel_app: "/api/v1/funnel/"}[make]
    assert files == {path for path in UPLOAD_PATHS if path.startswith(app)}


def test_size_is_not_read_before_the_token_is_checked(client: TestClient) -> None:
    assert client.post("/t/body", content=b"x" * 10).status_code == 401


TOO_DEEP = b'{"name": ' + b"[" * 100 + b"]" * 100 + b"}"


@pytest.mark.parametrize(
    "body",
    [b"{", b"", b"\xff\xfe", b'{"name": NaN}', b'{"name": "\\ud800"}', b'{"name": "a\\u0000b"}', TOO_DEEP],
)
def test_malformed_json_is_400_or_422(client: TestClient, body: bytes) -> None:
    response = client.post("/t/body", content=body, headers={**AUTH, "content-type": "application/json"})
    assert response.status_code in (400, 422), response.text
    assert response.headers["content-type"] == "application/problem+json"
    if body:
        assert (response.status_code, response.json()["code"]) == (400, "malformed_json")


def test_unknown_and_mistyped_fields_are_named(client: TestClient) -> None:
    response = client.post("/t/body", json={"size": "big", "colour": "red"}, headers=AUTH)
    body = check_problem(response, 422, "invalid_request")
    assert {error["field"] for error in body["errors"]} == {"name", "size", "colour"}


def test_invalid_request_does_not_echo_what_was_sent(client: TestClient) -> None:
    response = client.post("/t/body", json={"name": 1, "password": "hunter2"}, headers=AUTH)
    assert "hunter2" not in response.text


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/nowhere", 404), ("DELETE", "/t/who", 405)])
def test_unknown_routes_and_methods_answer_in_the_same_shape(client: TestClient, method: str, path: str, status: int) -> None:
    response = client.request(method, path, headers=AUTH)
    assert response.status_code == status
    assert response.json().keys() >= PROBLEM_FIELDS


def test_conflict_says_both_numbers_in_detail(client: TestClient) -> None:
    body = check_problem(client.get("/t/conflict", headers=AUTH), 409, "optimistic_concurrency_conflict")
    assert body["detail"] == {
        "error": "optimistic_concurrency_conflict",
        "aggregate_id": "a",
        "expected_seq": 1,
        "actual_seq": 3,
    }


def test_engine_that_is_down_is_a_503_that_names_it(client: TestClient) -> None:
    response = client.get("/t/down", headers=AUTH)
    assert check_problem(response, 503, "graph_unavailable")["retryable"] is True
    assert int(response.headers["retry-after"]) >= 1


def test_unforeseen_error_tells_nothing_of_the_inside(client: TestClient) -> None:
    response = client.get("/t/burst", headers=AUTH)
    check_problem(response, 500, "internal_error")
    assert "secret" not in response.text


def test_integrity_violation_is_for_operators_only(client: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    response = client.get("/t/broken", headers={**AUTH, "X-Request-ID": "req-7"})
    check_problem(response, 500, "internal_error")
    assert "secret-database" not in response.text
    assert "req-7" in caplog.text
    assert "secret-database" in caplog.text


def test_request_id_of_the_client_is_kept_if_it_is_a_plain_word(client: TestClient) -> None:
    kept = client.get("/t/trace", headers={**AUTH, "X-Request-ID": "req-1"})
    assert kept.headers["x-request-id"] == kept.json()["request_id"] == "req-1"
    made = client.get("/t/trace", headers={**AUTH, "X-Request-ID": "two words\t"})
    assert made.headers["x-request-id"] not in ("", "two words\t")


def test_trace_context_is_taken_over(client: TestClient) -> None:
    parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    found = client.get("/t/trace", headers={**AUTH, "traceparent": parent}).json()
    assert found["traceparent"] == parent
    assert found["trace_id"] == "4bf92f3577b34da6a3ce929d0e0e4736"
    assert "traceparent" not in client.get("/t/trace", headers={**AUTH, "traceparent": "x"}).json()


def test_nul_in_the_address_is_refused(client: TestClient) -> None:
    assert client.get("/t/who?x=%00", headers=AUTH).status_code == 400


def test_cross_origin_requests_are_allowed_by_setting() -> None:
    origin = {"Origin": "https://app.example.com", "Access-Control-Request-Method": "GET"}
    with client_of(make_settings(cors_origins=["https://app.example.com"])) as client:
        assert client.options("/t/who", headers=origin).headers["access-control-allow-origin"] == "https://app.example.com"
        refused = client.get("/t/who", headers={"Origin": "https://app.example.com"})
        assert refused.headers["access-control-allow-origin"] == "https://app.example.com"
    with client_of(make_settings()) as client:
        assert "access-control-allow-origin" not in client.options("/t/who", headers=origin).headers


def test_description_lists_errors_and_tokens(client: TestClient) -> None:
    schema = client.get("/openapi.json").json()
    operation = schema["paths"]["/t/who"]["get"]
    assert operation["responses"]["409"] == {"$ref": "#/components/responses/Conflict"}
    assert {"bearer": []} in operation["security"]
    assert schema["paths"]["/health"]["get"]["security"] == []
    assert "HTTPValidationError" not in schema["components"]["schemas"]


@pytest.mark.parametrize("make", [oms_app, bff_app, funnel_app])
def test_every_operation_is_described(make: Callable[..., FastAPI]) -> None:
    schema = make(make_settings(admin_token=TOKEN), None).openapi()
    described = {tag["name"] for tag in schema["tags"]}
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            assert operation.get("description"), f"{method} {path}"
            assert set(operation["tags"]) <= described, f"{method} {path}"
