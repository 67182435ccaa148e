"""A part that is down is a 503 that names it: never an empty answer, never a 500."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from running import OPEN

from spice_api.bff.main import app as bff_app
from spice_core.adapters.postgres.embedded import stop_embedded
from spice_core.bootstrap import Platform, bootstrap, postgres_directory
from spice_core.errors import GraphUnavailable, LedgerUnavailable, SearchUnavailable, SpiceError, StoreUnavailable
from spice_core.settings import Settings, load_settings

DATABASE = "engines"
QUERY = {"start_class": "Customer"}
UPLOAD = {"files": {"file": ("t.csv", b"a,b\n1,2\n", "text/csv")}, "headers": {"Idempotency-Key": "k"}}
GRAPH_READS: list[tuple[str, str, dict[str, Any]]] = [
    ("GET", "/database/list", {}),
    ("GET", f"/database/{DATABASE}/ontology", {}),
    ("GET", f"/instance/{DATABASE}/class/Customer/instances", {}),
    ("GET", f"/instance/{DATABASE}/class/Customer/count", {}),
    ("GET", f"/instance/{DATABASE}/instance/Customer/a", {}),
    ("GET", f"/version/{DATABASE}/history", {}),
    ("GET", f"/branch/{DATABASE}/list", {}),
    ("POST", f"/graph-query/{DATABASE}", {"json": QUERY}),
    ("POST", f"/search/{DATABASE}", {"json": {}}),
    ("GET", f"/lineage/{DATABASE}/why/node?node_id=Customer/a", {}),
    ("POST", f"/instances/{DATABASE}/async/Customer/create", {"json": {"data": {"customer_id": "a"}}}),
    ("POST", "/pipelines/datasets/csv-upload?db_name=" + DATABASE, UPLOAD),
]
LEDGER_READS: list[tuple[str, str, dict[str, Any]]] = [
    *GRAPH_READS,
    ("GET", f"/audit/logs?database={DATABASE}", {}),
    ("GET", "/commands/2f1b7a52-6f0e-4c0e-9d43-0d8f5a0f5b7c/status", {}),
    ("GET", "/dead-letters", {}),
    ("GET", f"/pipelines/datasets?db_name={DATABASE}", {}),
    ("POST", "/database/create", {"json": {"name": "another"}}),
]


class Down:
    """Stands for a part that does not answer, whatever it is asked."""

    def __init__(self, error: type[SpiceError]) -> None:
        self._error = error

    def __getattr__(self, name: str) -> Any:
        def fail(*_: object, **__: object) -> None:
            raise self._error

        return fail


def settings_of(state: Path, **more: Any) -> Settings:
    switches = {name.lower(): value == "true" for name, value in OPEN.items()}
    return load_settings(_env_file=None, state_dir=state, read_wait_seconds=0, **switches, **more)


@pytest.fixture(scope="module")
def platform(module_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A platform on a database of its own: its log is another than that of the running one."""
    platform = bootstrap(settings_of(tmp_path_factory.mktemp("engines"), postgres_url=module_database), process="test")
    platform.commands.create_database(DATABASE)
    yield platform
    platform.close()


def check(client: TestClient, method: str, path: str, content: dict[str, Any], codes: set[str]) -> None:
    answer = client.request(method, f"/api/v1{path}", **content)
    assert (answer.status_code, answer.json()["code"] in codes) == (503, True), f"{method} {path}: {answer.text}"
    assert answer.json()["retryable"] is True
    assert int(answer.headers["retry-after"]) >= 1


@pytest.mark.parametrize(("method", "path", "content"), GRAPH_READS, ids=lambda value: value if isinstance(value, str) else "")
def test_must_hold_13_graph_that_is_down_is_named(platform: Platform, method: str, path: str, content: dict[str, Any]) -> None:
    down: Any = Down(GraphUnavailable)
    commands: Any = Down(GraphUnavailable)
    commands.settled = down
    broken = replace(platform, graph=down, commands=commands)
    with TestClient(bff_app(platform.settings, broken), raise_server_exceptions=False) as client:
        check(client, method, path, content, {"graph_unavailable"})
        ready = client.get("/health/ready")
        assert (ready.status_code, ready.json()["parts"]["graph"]["is_ready"]) == (503, False)
        assert client.get("/health/live").status_code == 200


@pytest.mark.parametrize(
    ("part", "error", "path"),
    [
        ("audit", LedgerUnavailable, "/audit/logs"),
        ("registry", LedgerUnavailable, "/objectify/runs?db_name=" + DATABASE),
        ("work", LedgerUnavailable, "/dead-letters"),
        ("log", StoreUnavailable, f"/audit/verify?database={DATABASE}"),
        ("search", SearchUnavailable, None),
    ],
)
def test_must_hold_13_other_parts_are_named_too(platform: Platform, part: str, error: type[SpiceError], path: str | None) -> None:
    broken = replace(platform, **{part: Down(error)})  # type: ignore[arg-type]
    with TestClient(bff_app(platform.settings, broken), raise_server_exceptions=False) as client:
        if path is not None:
            check(client, "GET", path, {}, {error.code})
        else:
            assert error.code in client.get("/api/v1/monitoring/status").json()["data"]["parts"][part]


def test_fault_14_postgres_that_is_gone_is_a_503(tmp_path_factory: pytest.TempPathFactory) -> None:
    settings = settings_of(tmp_path_factory.mktemp("gone"), postgres_pool_size=2)
    platform = bootstrap(settings, process="test")
    try:
        with TestClient(bff_app(settings, platform), raise_server_exceptions=False) as client:
            assert client.post("/api/v1/database/create", json={"name": DATABASE}).status_code == 202
            stop_embedded(postgres_directory(settings))
            with ThreadPoolExecutor(len(LEDGER_READS)) as pool:
                codes = {"graph_unavailable", "ledger_unavailable", "search_unavailable"}
                for done in [pool.submit(check, client, *request, codes) for request in LEDGER_READS]:
                    done.result()
            assert client.get("/health/ready").status_code == 503
            assert client.get("/health").status_code == 200
    finally:
        platform.close()
