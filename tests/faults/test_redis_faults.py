"""Redis lost, hung and back, under real API processes: limits and statuses degrade as announced, and recover by themselves."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest

from tests.faults.installation import DB, Installation, installation
from tests.faults.nursery import Nursery

pytestmark = pytest.mark.full

LISTING = "/api/v1/database/list"
QUICK_SECONDS = 1.0


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
def apps(shop: Installation) -> list[str]:
    urls = [shop.start_oms()[1] for _ in range(2)]
    shop.wait_ready(*urls)
    return urls


@pytest.fixture(autouse=True)
def healthy(redis: Any, postgres: Any) -> Iterator[None]:
    yield
    for server in (redis, postgres):
        server.resume()
        server.start()


def ask(url: str, path: str = LISTING) -> httpx2.Response:
    return httpx2.get(f"{url}{path}", timeout=30)


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


def remaining(url: str) -> int:
    answer = ask(url)
    assert answer.status_code == 200, answer.text
    return int(answer.headers["x-ratelimit-remaining"])


def completed_command(shop: Installation) -> str:
    """Create an owner, decided and projected; return the command's id."""
    command_id = shop.platform.commands.create_instance(
        DB, "main", "Owner", {"owner_id": shop.platform.ids.new_id(), "name": "0"}
    ).command_id
    shop.work_here()
    return command_id


def test_two_processes_count_together(shop: Installation, apps: list[str]) -> None:
    wait_for(lambda: all(mode_of(ask(url)) == SHARED for url in apps), "they do not share")
    first = remaining(apps[0])
    assert [remaining(apps[number % 2]) for number in range(1, 6)] == [first - number for number in range(1, 6)]


def test_fault_22_killed_redis_degrades_limits_and_statuses(shop: Installation, apps: list[str], redis: Any) -> None:
    command_id = completed_command(shop)
    wait_for(lambda: all(mode_of(ask(url)) == SHARED for url in apps), "they do not share")
    redis.kill()
    for url in apps:
        answer = ask(url)
        assert (answer.status_code, mode_of(answer)) == (200, LOCAL)
        status = ask(url, f"/api/v1/commands/{command_id}/status")
        assert (status.status_code, status.json()["status"], mode_of(status)) == (200, "COMPLETED", LOCAL)
        assert ask(url, "/health/ready").status_code == 200, "Redis is optional"
    assert remaining(apps[0]) == remaining(apps[1]), "each counts for itself"
    written = httpx2.post(f"{apps[0]}/api/v1/database/create", json={"name": "while_redis_is_down"}, timeout=30)
    assert written.status_code == 202, "writing goes on without Redis"
    redis.start()
    wait_for(lambda: all(mode_of(ask(url)) == SHARED for url in apps), "they do not share again")


def test_fault_22_hanging_redis_slows_nothing_down(shop: Installation, apps: list[str], redis: Any) -> None:
    command_id = completed_command(shop)
    wait_for(lambda: all(mode_of(ask(url)) == SHARED for url in apps), "they do not share")
    redis.pause()
    try:
        began = time.monotonic()
        answers = [ask(url, path) for path in (LISTING, f"/api/v1/commands/{command_id}/status") * 20 for url in apps]
        seconds = time.monotonic() - began
    finally:
        redis.resume()
    assert {(answer.status_code, mode_of(answer)) for answer in answers} == {(200, LOCAL)}
    slow = [answer for answer in answers if answer.elapsed.total_seconds() > 0.2]
    assert len(slow) <= 8, f"{len(slow)} of {len(answers)} waited"
    assert seconds < 15
    wait_for(lambda: all(mode_of(ask(url)) == SHARED for url in apps), "they do not share again")


def test_limit_holds_together_and_without_redis(shop: Installation, redis: Any) -> None:
    few = {"SPICE_RATE_LIMIT": "6", "SPICE_RATE_LIMIT_WINDOW_SECONDS": "1800"}
    urls = [shop.start_oms(**few)[1] for _ in range(2)]
    shop.wait_ready(*urls)
    assert [ask(urls[number % 2]).status_code for number in range(8)] == [200] * 6 + [429] * 2
    redis.kill()
    for url in urls:
        assert [ask(url).status_code for _ in range(8)] == [200] * 6 + [429] * 2, "never unlimited"
    refused = ask(urls[0])
    assert (refused.status_code, mode_of(refused)) == (429, LOCAL)
    redis.start()
    wait_for(lambda: mode_of(ask(urls[0])) == SHARED, "it does not share again")
    assert ask(urls[0]).status_code == 429, "Redis kept its windows over the kill"


def test_fault_22_cached_status_is_answered_quickly_while_postgres_is_down(
    shop: Installation, apps: list[str], redis: Any, postgres: Any
) -> None:
    command_id = completed_command(shop)
    unknown = shop.platform.ids.new_id()
    path = f"/api/v1/commands/{command_id}/status"
    wait_for(lambda: all(mode_of(ask(url)) == SHARED for url in apps), "they do not share")
    assert ask(apps[0], path).json()["status"] == "COMPLETED"
    postgres.kill()
    for url in apps:
        answer = ask(url, path)
        assert (answer.status_code, answer.json()["status"], mode_of(answer)) == (200, "COMPLETED", SHARED)
        assert answer.elapsed.total_seconds() < QUICK_SECONDS
    assert ask(apps[0], f"/api/v1/commands/{unknown}/status").status_code == 503, "nobody knows"
    redis.kill()
    both_down = ask(apps[0], path)
    assert (both_down.status_code, both_down.json()["retryable"], mode_of(both_down)) == (503, True, LOCAL)
    redis.start()
    postgres.start()
    wait_for(lambda: all(ask(url, path).status_code == 200 for url in apps), "statuses do not come back")
