"""One platform of real processes for the whole session, without tokens, and apps with tokens beside it."""

import itertools
import uuid
from collections.abc import Iterator, Mapping

import httpx2
import pytest
from arriving import host_of
from google_server import CLIENT_ID, CLIENT_SECRET, GoogleServer, google_server
from profiles import full_profile, new_database
from running import OPEN, TOKEN, Running

from spice_api.dev.servers.server import free_port

_NUMBERS = itertools.count()


@pytest.fixture(scope="session", params=["embedded", pytest.param("full", marks=pytest.mark.full)])
def profile(request: pytest.FixtureRequest) -> Mapping[str, str]:
    """The settings of a profile: every part embedded, or every part that has an engine of its own on that engine."""
    return {} if request.param == "embedded" else full_profile(request)


@pytest.fixture(scope="session")
def running(profile: Mapping[str, str], postgres_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Workers and the three apps without tokens."""
    dsn = new_database(postgres_server, f"journeys_{uuid.uuid4().hex[:12]}")
    settings = {**OPEN, "SPICE_RATE_LIMIT_ENABLED": "false", "SPICE_CONNECTORS_ENABLED": "false", **profile}
    found = Running.on(tmp_path_factory.mktemp("platform"), dsn, settings)
    try:
        found.start_workers()
        found.start("oms", "bff", "funnel")
        yield found
    finally:
        found.stop()


@pytest.fixture(scope="session")
def secured(running: Running) -> Iterator[Running]:
    """OMS and BFF with tokens, on the same state and the same workers."""
    ports = {name: str(free_port()) for name in ("OMS_PORT", "BFF_PORT")}
    kept = {name: value for name, value in running.environment.items() if name not in OPEN}
    found = Running(running.state, {**kept, **ports, "ADMIN_TOKEN": TOKEN, "SPICE_RATE_LIMIT_ENABLED": "true"})
    try:
        found.start("oms", "bff")
        yield found
    finally:
        found.stop()


@pytest.fixture(scope="session")
def google() -> Iterator[GoogleServer]:
    """A server that speaks Google's endpoints, without a file."""
    with google_server() as server:
        yield server


@pytest.fixture(scope="session")
def connected(running: Running, google: GoogleServer, postgres_server: str) -> Iterator[Running]:
    """A BFF, a Funnel and a worker of connectors that reach the servers of tests and watched places, on what `running` is."""
    state = running.state / "connectors"
    (state / "inbox").mkdir(parents=True)
    urls = {f"SPICE_GOOGLE_{name}_URL": google.url for name in ("SHEETS", "DRIVE", "TOKEN", "CONSENT")}
    own = {
        **{name: str(free_port()) for name in ("BFF_PORT", "FUNNEL_PORT", "SPICE_WORKER_PORT")},
        "GOOGLE_CLIENT_ID": CLIENT_ID,
        "GOOGLE_CLIENT_SECRET": CLIENT_SECRET,
        "SPICE_SQL_SOURCE_HOSTS": f"{host_of(postgres_server)}:5432",
        "SPICE_CONNECTOR_TICK_SECONDS": "0.5",
        "SPICE_WATCH_ROOTS": f"{state / 'inbox'},objects:inbox",
        "SECRET_KEY": "a key of these tests, long enough",
    }
    found = Running(state, {**running.environment, **urls, **own})
    try:
        found.start_program("spice_workers", "connectors", name="connectors")
        found.start("bff", "funnel")
        yield found
    finally:
        found.stop()


@pytest.fixture(scope="session")
def connected_bff(connected: Running) -> Iterator[httpx2.Client]:
    """The BFF of `connected`."""
    with httpx2.Client(base_url=f"{connected.url('bff')}/api/v1", timeout=60) as client:
        yield client


@pytest.fixture(scope="session")
def oms(running: Running) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=f"{running.url('oms')}/api/v1", timeout=30) as client:
        yield client


@pytest.fixture(scope="session")
def bff(running: Running) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=f"{running.url('bff')}/api/v1", timeout=30) as client:
        yield client


@pytest.fixture
def database(oms: httpx2.Client) -> str:
    """A database of this test alone, with the classes Customer and Product; it is ready."""
    name = f"journey_{next(_NUMBERS)}"
    wait = {"Prefer": "wait=20"}
    created = oms.post("/database/create", json={"name": name}, headers=wait)
    assert created.json()["data"]["status"] == "completed", created.text
    for definition in (CUSTOMER, PRODUCT):
        answer = oms.post(f"/database/{name}/ontology", json=definition, headers=wait)
        assert answer.json()["data"]["status"] == "completed", answer.text
    return name


CUSTOMER = {
    "id": "Customer",
    "label": "Customer",
    "properties": [
        {"name": "customer_id", "type": "string", "required": True},
        {"name": "name", "type": "string", "required": True},
    ],
}
PRODUCT = {
    "id": "Product",
    "label": "Product",
    "properties": [
        {"name": "product_id", "type": "string", "required": True},
        {"name": "name", "type": "string", "required": True},
        {"name": "price", "type": "decimal"},
        {"name": "stock", "type": "integer"},
        {"name": "released", "type": "date"},
    ],
    "relationships": [{"predicate": "owned_by", "target": "Customer", "label": "Owned By", "cardinality": "n:1"}],
}
