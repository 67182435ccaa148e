"""Sheets and tables that are watched: from a connection over HTTP to dataset versions, by real processes."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import httpx2
import psycopg
import pytest
from arriving import PASSWORD, WAIT, cli, host_of, saved, until, versions
from connectors_world import BUDGET, ITEMS, with_budget
from google_server import CLIENT_ID, CLIENT_SECRET, GoogleServer
from running import Running

GRANTED = "refresh-token-that-ann-granted"


@pytest.fixture(scope="module", autouse=True)
def budget(google: GoogleServer) -> None:
    """A spreadsheet that the person who grants GRANTED may read."""
    with_budget(google)
    google.files[BUDGET].readers.add(GRANTED)


@pytest.fixture
def api(connected: Running) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=f"{connected.url('bff')}/api/v1/connectors", timeout=60, headers=WAIT) as client:
        yield client


def synced(api: httpx2.Client, source_id: str) -> dict[str, Any]:
    """Sync a source now, waiting where the worker is at it."""

    def look() -> dict[str, Any] | None:
        answer = api.post(f"/sources/{quote(source_id, safe='')}/sync", params={"force": True})
        assert answer.status_code == 200, answer.text
        assert answer.json()["status"] == "succeeded", answer.text
        sync: dict[str, Any] = answer.json()["sync"]
        return None if sync["result"] == "busy" else sync

    found: dict[str, Any] = until(look)
    return found


def test_a_sheet_that_a_person_authorized_is_watched(
    api: httpx2.Client, bff: httpx2.Client, google: GoogleServer, connected: Running, database: str
):
    body = {"name": "budget", "kind": "google_sheets", "config": {"spreadsheets": BUDGET}}
    connection = saved(api.post("/connections", params={"db_name": database}, json=body))["connection_id"]
    refused = api.post(f"/connections/{connection}/test")
    assert (refused.status_code, refused.json()["code"]) == (409, "source_not_authorized")

    address = api.post(f"/connections/{connection}/authorize").json()["data"]["authorization_url"]
    asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
    assert (asked["client_id"], asked["code_challenge_method"], asked["access_type"]) == (CLIENT_ID, "S256", "offline")
    google.codes["code-1"] = (asked["code_challenge"], GRANTED)
    assert api.get("/oauth/callback", params={"state": "x" * 64, "code": "code-1"}).status_code == 409
    assert api.get("/oauth/callback", params={"state": asked["state"], "code": "code-1"}).status_code == 200
    assert api.get("/oauth/callback", params={"state": asked["state"], "code": "code-1"}).status_code == 409  # good once

    shown = until(lambda: (found := api.get(f"/connections/{connection}").json()["data"])["secrets"] and found)
    assert shown["secrets"] == {"refresh_token": {"set": True}}
    assert api.post(f"/connections/{connection}/test").json()["message"] == "reads 'Budget'"
    offered = api.get(f"/connections/{connection}/sources").json()["data"]["sources"]
    assert [item["title"] for item in offered] == ["Budget / Items", "Budget / People"]

    source = {"connection_id": connection, "key": offered[0]["key"], "dataset_name": "items", "polling_interval_seconds": 1}
    source_id = saved(api.post("/sources", params={"db_name": database}, json=source))["source_id"]
    until(lambda: len(versions(bff, source_id)) == 1)
    google.edit(BUDGET, 0, [*ITEMS, ["3", "ink", 3.25]])
    until(lambda: len(versions(bff, source_id)) == 2)
    assert synced(api, source_id)["result"] == "unchanged"
    assert [item["row_count"] for item in versions(bff, source_id)] == [3, 2]
    runs = api.get(f"/sources/{quote(source_id, safe='')}/runs").json()["data"]
    assert [run["result"] for run in runs["runs"]] == ["new_version", "new_version"]
    assert_hidden(connected, GRANTED, CLIENT_SECRET, "ya29.")

    seen = looked_at(connected, "preview", sheet_url=BUDGET, connection_id=connection, worksheet_name="People").json()
    assert seen["source"] == {"key": f"{BUDGET}/5", "title": "Budget / People", "worksheet": "People", "row_count": 1000}
    assert [row["name"] for row in seen["tables"][0]["rows"]] == ["Ann", "Bob"]
    assert [column["column_name"] for column in seen["tables"][0]["columns"]] == ["id", "name"]
    address = f"https://docs.google.com/spreadsheets/d/{BUDGET}/edit#gid=5"
    assert looked_at(connected, "structure/analyze", sheet_url=address, connection_id=connection).json()["sheet"] == "People"
    assert_hidden(connected, GRANTED, CLIENT_SECRET, "ya29.")

    listed = cli(connected, "connector", "sources", "-d", database, "--json")
    assert [(item["source"]["dataset"], item["sync"]["status"]) for item in json.loads(listed)] == [("items", "ok")]
    still = api.delete(f"/connections/{connection}")
    assert (still.status_code, still.json()["code"]) == (409, "still_referenced")


def test_a_table_is_watched_by_its_watermark(
    api: httpx2.Client, bff: httpx2.Client, connected: Running, database: str, module_database: str
):
    with psycopg.connect(module_database, autocommit=True) as sales:
        sales.execute(
            "CREATE TABLE orders (id int PRIMARY KEY, price numeric(9, 2), day date, changed timestamptz DEFAULT now())"
        )
        sales.execute("INSERT INTO orders VALUES (1, 10.50, '2024-01-05'), (2, 7, '2024-02-06')")
    name = urlsplit(module_database).path[1:]
    url = f"postgresql://postgres:{PASSWORD}@/{name}?host={quote(host_of(module_database), safe='')}&sslmode=disable"
    body = {"name": "sales", "kind": "sql", "config": {"url": url}}
    connection = saved(api.post("/connections", params={"db_name": database}, json=body))["connection_id"]
    shown = api.get(f"/connections/{connection}").json()["data"]
    assert shown["secrets"] == {"password": {"set": True}}
    assert PASSWORD not in json.dumps(shown)
    offered = {item["key"]: item for item in api.get(f"/connections/{connection}/sources").json()["data"]["sources"]}
    assert offered["public.orders"]["key_columns"] == ["id"]

    source = {"connection_id": connection, "key": "public.orders", "dataset_name": "orders", "key_columns": ["id"],
              "watermark_column": "changed", "polling_interval_seconds": 1}  # fmt: skip
    source_id = saved(api.post("/sources", params={"db_name": database}, json=source))["source_id"]
    until(lambda: len(versions(bff, source_id)) == 1)
    with psycopg.connect(module_database, autocommit=True) as sales:
        sales.execute("INSERT INTO orders VALUES (3, 1.25, '2024-03-07')")
        sales.execute("UPDATE orders SET price = 8, changed = now() WHERE id = 2")
    until(lambda: (found := versions(bff, source_id)) and found[0]["row_count"] == 3 and found)
    assert synced(api, source_id)["result"] == "unchanged"
    newest = versions(bff, source_id)[0]
    types = {column["name"]: column["type"] for column in newest["columns"]}
    assert (types["id"], types["price"], types["day"], types["changed"]) == ("integer", "decimal", "date", "dateTime")
    rows = bff.get(f"/pipelines/datasets/{quote(source_id, safe='')}/versions/{newest['version_id']}/preview").json()["data"][
        "rows"
    ]
    assert [(row["id"], str(row["price"])) for row in rows] == [(1, "10.50"), (2, "8.00"), (3, "1.25")]
    assert_hidden(connected, PASSWORD)


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"kind": "ftp"}, 400, "no kind"),
        ({"kind": "sql", "config": {"url": "postgresql://a:b@169.254.169.254/x"}}, 400, "SPICE_SQL_SOURCE_HOSTS"),
        ({"kind": "google_sheets", "config": {"spreadsheets": "http://169.254.169.254/"}}, 400, "spreadsheets"),
        ({"kind": "google_sheets", "config": {"base_url": "http://evil"}}, 400, "unknown field"),
        ({"kind": "google_sheets", "secrets": {"api_key": 5}}, 422, "secrets"),
    ],
)
def test_a_connection_that_leads_elsewhere_is_refused(
    api: httpx2.Client, database: str, body: dict[str, Any], status: int, said: str
):
    answer = api.post("/connections", params={"db_name": database}, json={"name": "x", **body})
    assert answer.status_code == status, answer.text
    assert said in answer.text


@pytest.mark.parametrize("route", ["preview", "structure/analyze"])
@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"sheet_url": "http://169.254.169.254/"}, 400, "invalid_input"),
        ({"sheet_url": f"{BUDGET},{BUDGET}x"}, 400, "invalid_input"),
        ({"sheet_url": BUDGET}, 409, "source_not_authorized"),
        ({"sheet_url": BUDGET, "api_key": "wrong"}, 409, "source_not_authorized"),
        ({"sheet_url": BUDGET, "connection_id": "nowhere:x"}, 404, "record_not_found"),
        ({"sheet_url": BUDGET, "connection_id": "nowhere:x", "api_key": "k"}, 400, "invalid_input"),
        ({"sheet_url": BUDGET, "base_url": "http://evil"}, 422, "invalid_request"),
    ],
)
def test_a_sheet_that_may_not_be_looked_at_is_refused(
    connected: Running, route: str, body: dict[str, Any], status: int, code: str
):
    answer = looked_at(connected, route, **body)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


def test_what_is_not_there_is_not_found(api: httpx2.Client, database: str):
    for path in (f"/connections/{database}:nothing", "/connections/nowhere:x", f"/sources/{database}:main:x"):
        assert api.get(path).status_code == 404
    assert api.get("/sources", params={"db_name": "nowhere"}).status_code == 404
    assert {item["kind"] for item in api.get("/kinds").json()["data"]["kinds"]} == {"google_sheets", "sql"}


def looked_at(connected: Running, route: str, **body: Any) -> httpx2.Response:
    return httpx2.post(f"{connected.url('funnel')}/api/v1/funnel/{route}/google-sheets", json=body, timeout=60)


def assert_hidden(connected: Running, *secrets: str) -> None:
    """No byte of the log, of the datasets or of what the processes printed holds a secret."""
    home = Path(connected.environment["SPICE_HOME"])
    found = re.compile("|".join(re.escape(secret) for secret in secrets).encode())
    looked_at = [path for path in home.rglob("*") if path.is_file() and "postgres" not in path.relative_to(home).parts]
    assert [path for path in looked_at if found.search(path.read_bytes())] == []
