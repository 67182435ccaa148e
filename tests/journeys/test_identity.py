"""Tokens, refusals and rates over HTTP."""

import time
from typing import Any

import httpx2
import pytest
from running import TOKEN, Running

AUTH = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture
def guarded(secured: Running) -> Any:
    with httpx2.Client(base_url=secured.url("bff"), timeout=30) as client:
        yield client


@pytest.mark.parametrize("path", ["/health", "/api/v1/health", "/health/live", "/health/ready", "/metrics"])
def test_health_and_metrics_need_no_token(guarded: httpx2.Client, path: str) -> None:
    answer = guarded.get(path)
    assert answer.status_code == 200, answer.text


def test_ready_asks_every_part(guarded: httpx2.Client) -> None:
    answer = guarded.get("/health/ready").json()
    assert answer["status"] == "ready"
    assert answer["parts"].keys() == {"log", "ledger", "graph", "search"}


def test_must_hold_22_actor_is_named_by_the_holder_of_the_token(secured: Running, guarded: httpx2.Client) -> None:
    named = {**AUTH, "X-Admin-Actor": "ops@example.com", "Prefer": "wait=20"}
    created = guarded.post("/api/v1/database/create", json={"name": "identity"}, headers=named)
    assert created.json()["data"]["status"] == "completed", created.text
    entries = guarded.get("/api/v1/audit/logs", params={"database": "identity"}, headers=AUTH).json()["data"]["entries"]
    assert {entry["actor"] for entry in entries} == {"ops@example.com"}
    forged = guarded.post("/api/v1/database/create", json={"name": "forged"}, headers={"X-Admin-Actor": "ops@example.com"})
    assert forged.status_code == 401
    assert guarded.get("/api/v1/database/exists/forged", headers=AUTH).json()["data"]["exists"] is False


def test_must_hold_20_refusals_and_admin_reads_are_in_the_system_log(guarded: httpx2.Client) -> None:
    path = "/api/v1/graph-query/of-a-stranger"
    assert guarded.post(path, json={}, headers={"X-API-Key": "wrong"}).status_code == 403
    guarded.get("/api/v1/config/settings", headers={**AUTH, "X-Admin-Actor": "ann"})
    refused, reads = [], []
    deadline = time.monotonic() + 20
    while not (refused and reads) and time.monotonic() < deadline:
        asked = {"database": "_system", "limit": 1000}
        entries = guarded.get("/api/v1/audit/logs", params=asked, headers=AUTH).json()["data"]["entries"]
        refused = [entry for entry in entries if entry["action"] == "ACCESS_REFUSED" and entry["resource_id"] == path]
        reads = [entry for entry in entries if entry["action"] == "ADMIN_READ" and entry["actor"] == "ann"]
    assert (refused[0]["status"], refused[0]["error"]) == ("refused", "forbidden")
    assert reads[0]["resource_id"] == "/api/v1/config/settings"
    assert guarded.get("/api/v1/audit/verify", params={"database": "_system"}, headers=AUTH).json()["data"]["is_intact"] is True


def test_answers_carry_the_rate_and_the_request_id(guarded: httpx2.Client) -> None:
    answer = guarded.get("/api/v1/database/list", headers={**AUTH, "X-Request-ID": "my-request"})
    assert answer.headers["x-request-id"] == "my-request"
    assert int(answer.headers["x-ratelimit-limit"]) == 1000
    assert int(answer.headers["x-ratelimit-remaining"]) < 1000


def test_metrics_count_by_template(guarded: httpx2.Client) -> None:
    guarded.get("/api/v1/database/exists/identity", headers=AUTH)
    text = guarded.get("/metrics").text
    assert 'route="/api/v1/database/exists/{db_name}"' in text
    assert "exists/identity" not in text
