"""Redis lost, hung and back, under real API processes: limits and statuses degrade as announced, and recover by themselves."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median
from typing import Any

import httpx2
import pytest

from tests.faults.installation import DB, Installation, installation
from tests.faults.nursery import Nursery

pytestmark = pytest.mark.full

LISTING = "/api/v1/database/list"
QUICK_SECONDS = 1.0
TIMEOUT_SECONDS = 0.25
"""What a request would cost that waited for Redis."""


@pytest.fixture(scope="module")
def redis(own_module_server: Any) -> Any:
    return own_module_server("redis")


@pytest.fixture(scope="module")
def postgres(own_module_server: Any) -> Any:
    return own_module_server("postgres")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, nursery: Nursery, postgres: Any, redis: Any) -> Iterator[Installation]:
    """An installation on a Redis and a PostgreSQL of its own, with two OMS processes that limit rates."""
    settings = {
        "SPICE_POSTGRES_URL": postgres.dsn,
        "REDIS_URL": redis.url,
        "SPICE_RATE_LIMIT_ENABLED": "true",
        "SPICE_RATE_LIMIT": "100000",
        "SPICE_RATE_LIMIT_WINDOW_SECONDS": "3600",
    }
    with installation(tmp_path_factory.mktemp("redis") / "home", nursery, settings) as found:
        found.set_up()
        yield found


@pytest.fixture(scope="module")
def apps(shop: Installation) -> Iterator[list[httpx2.Client]]:
    with two_apps(shop) as found:
        yield found


@pytest.fixture(autouse=True)
def healthy(redis: Any, postgres: Any) -> Iterator[None]:
    yield
    for server in (redis, postgres):
        server.resume()
        server.start()


@contextmanager
def two_apps(shop: Installation, **settings: str) -> Iterator[list[httpx2.Client]]:
    """Two OMS processes, each with a connection that is kept: making one would take longer than what is measured."""
    urls = [shop.start_oms(**settings)[1] for _ in range(2)]
    shop.wait_ready(*urls)
    with httpx2.Client(base_url=urls[0], timeout=30) as one, httpx2.Client(base_url=urls[1], timeout=30) as other:
        yield [one, other]


def ask(app: httpx2.Client, path: str = LISTING) -> httpx2.Response:
    return app.get(path)


def mode_of(answer: httpx2.Response) -> tuple[str, str | None, str | None]:
    headers = answer.headers
    return headers["x-ratelimit-mode"], headers.get("x-ratelimit-degraded"), headers.get("degraded")


SHARED = ("shared", None, None)
LOCAL = ("local", "true", "true")


def wait_for(found: Callable[[], bool], what: str, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def remaining(app: httpx2.Client) -> int:
    answer = ask(app)
    assert answer.status_code == 200, answer.text
    return int(answer.headers["x-ratelimit-remaining"])


def completed_command(shop: Installation) -> str:
    """Create an owner, decided and projected; return the command's id."""
    command_id = shop.platform.commands.create_instance(
        DB, "main", "Owner", {"owner_id": shop.platform.ids.new_id(), "name": "0"}
    ).command_id
    shop.work_here()
    return command_id


def test_two_processes_count_together(shop: Installation, apps: list[httpx2.Client]) -> None:
    wait_for(lambda: all(mode_of(ask(app)) == SHARED for app in apps), "they do not share")
    first = remaining(apps[0])
    assert [remaining(apps[number % 2]) for number in range(1, 6)] == [first - number for number in range(1, 6)]


def test_fault_22_killed_redis_degrades_limits_and_statuses(shop: Installation, apps: list[httpx2.Client], redis: Any) -> None:
    command_id = completed_command(shop)
    wait_for(lambda: all(mode_of(ask(app)) == SHARED for app in apps), "they do not share")
    redis.kill()
    for app in apps:
        answer = ask(app)
        assert (answer.status_code, mode_of(answer)) == (200, LOCAL)
        status = ask(app, f"/api/v1/commands/{command_id}/status")
        assert (status.status_code, status.json()["status"], mode_of(status)) == (200, "COMPLETED", LOCAL)
        assert ask(app, "/health/ready").status_code == 200, "Redis is optional"
    assert remaining(apps[0]) == remaining(apps[1]), "each counts for itself"
    written = apps[0].post("/api/v1/database/create", json={"name": "while_redis_is_down"})
    assert written.status_code == 202, "writing goes on without Redis"
    redis.start()
    wait_for(lambda: all(mode_of(ask(app)) == SHARED for app in apps), "they do not share again")


def test_fault_22_hanging_redis_slows_nothing_down(shop: Installation, apps: list[httpx2.Client], redis: Any) -> None:
    command_id = completed_command(shop)
    wait_for(lambda: all(mode_of(ask(app)) == SHARED for app in apps), "they do not share")
    redis.pause()
    try:
        answers = [ask(app, path) for path in (LISTING, f"/api/v1/commands/{command_id}/status") * 20 for app in apps]
    finally:
        redis.resume()
    assert {(answer.status_code, mode_of(answer)) for answer in answers} == {(200, LOCAL)}
    assert median(answer.elapsed.total_seconds() for answer in answers) < TIMEOUT_SECONDS / 2
    wait_for(lambda: all(mode_of(ask(app)) == SHARED for app in apps), "they do not share again")


def test_limit_holds_together_and_without_redis(shop: Installation, redis: Any) -> None:
    few = {"SPICE_RATE_LIMIT": "6", "SPICE_RATE_LIMIT_WINDOW_SECONDS": "1800"}
    with two_apps(shop, **few) as few_apps:
        assert [ask(few_apps[number % 2]).status_code for number in range(8)] == [200] * 6 + [429] * 2
        redis.kill()
        for app in few_apps:
            assert [ask(app).status_code for _ in range(8)] == [200] * 6 + [429] * 2, "never unlimited"
        refused = ask(few_apps[0])
        assert (refused.status_code, mode_of(refused)) == (429, LOCAL)
        redis.start()
        wait_for(lambda: mode_of(ask(few_apps[0])) == SHARED, "it does not share again")
        assert ask(few_apps[0]).status_code == 429, "Redis kept its windows over the kill"


def test_fault_22_cached_status_is_answered_quickly_while_postgres_is_down(
    shop: Installation, apps: list[httpx2.Client], redis: Any, postgres: Any
) -> None:
    command_id = completed_command(shop)
    unknown = shop.platform.ids.new_id()
    path = f"/api/v1/commands/{command_id}/status"
    wait_for(lambda: all(mode_of(ask(app)) == SHARED for app in apps), "they do not share")
    assert ask(apps[0], path).json()["status"] == "COMPLETED"
    postgres.kill()
    for app in apps:
        answer = ask(app, path)
        assert (answer.status_code, answer.json()["status"], mode_of(answer)) == (200, "COMPLETED", SHARED)
        assert answer.elapsed.total_seconds() < QUICK_SECONDS
    assert ask(apps[0], f"/api/v1/commands/{unknown}/status").status_code == 503, "nobody knows"
    redis.kill()
    both_down = ask(apps[0], path)
    assert (both_down.status_code, both_down.json()["retryable"], mode_of(both_down)) == (503, True, LOCAL)
    redis.start()
    postgres.start()
    wait_for(lambda: all(ask(app, path).status_code == 200 for app in apps), "statuses do not come back")
