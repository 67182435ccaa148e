"""Real engines for the tests marked `full`: one of each per run, shared by its workers, and private ones for fault tests.

A run's servers live in its directory below the system's temporary one, on free ports. The first worker that asks starts a
server, the others find it; the controller stops all at the end, and a later run sweeps up after one that was killed.
`SPICE_TEST_S3_URL` (with `SPICE_TEST_S3_ACCESS_KEY` and `…_SECRET_KEY`), `SPICE_TEST_KAFKA`, `SPICE_TEST_ELASTICSEARCH_URL`
and `SPICE_TEST_REDIS_URL` name servers to use instead.
"""

import fcntl
import itertools
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from spice_api.dev.servers.cache import Cache
from spice_api.dev.servers.elasticsearch import ElasticsearchServer
from spice_api.dev.servers.fleet import KINDS
from spice_api.dev.servers.kafka import KafkaServer
from spice_api.dev.servers.redis import RedisServer
from spice_api.dev.servers.seaweedfs import SeaweedServer
from spice_api.dev.servers.server import Server
from spice_core.errors import SpiceError

NOT_RUN = "server not started"
ROOT = pytest.StashKey[Path]()
_NUMBERS = itertools.count()
_NAMED = {
    "s3": "SPICE_TEST_S3_URL",
    "kafka": "SPICE_TEST_KAFKA",
    "elasticsearch": "SPICE_TEST_ELASTICSEARCH_URL",
    "redis": "SPICE_TEST_REDIS_URL",
}


@dataclass(frozen=True)
class NamedS3:
    """A server of the user's own."""

    endpoint: str
    access_key: str
    secret_key: str


@dataclass(frozen=True)
class NamedKafka:
    bootstrap: str


@dataclass(frozen=True)
class NamedServer:
    url: str


def run_server(request: pytest.FixtureRequest, name: str) -> Server:
    """Return the run's server of this name, started if need be; where it cannot start, the test fails or does not run."""
    root = _root(request)
    server = KINDS[name](root / name, cache=Cache.of_user(), ports={"port": 0})
    server.directory.mkdir(mode=0o711, parents=True, exist_ok=True)
    failure = server.directory / "failed"
    with (server.directory / "turn").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)  # one worker starts it; what it could not, the others need not try
        if not failure.exists():
            try:
                server.start()
            except SpiceError as error:
                failure.write_text(error.message)
    if failure.exists():
        _not_started(request, name, failure.read_text())
    return server


def _not_started(request: pytest.FixtureRequest, name: str, why: str) -> None:
    if request.config.getoption("--require-full"):
        pytest.fail(f"{name}: {NOT_RUN}: {why}", pytrace=False)
    pytest.skip(f"{name}: {NOT_RUN}: {why}")


def _root(request: pytest.FixtureRequest) -> Path:
    root = request.config.stash[ROOT]
    root.mkdir(mode=0o711, exist_ok=True)
    (root / "servers").mkdir(mode=0o711, exist_ok=True)
    return root / "servers"


def remove_servers(run: Path) -> None:
    """End every server of a run's directory and delete what they left."""
    for note in (run / "servers").rglob("process.json"):
        folder = note.parent
        KINDS[folder.name.partition("-")[0]](folder, cache=Cache.of_user()).kill()
    shutil.rmtree(run / "servers", ignore_errors=True)


class OwnServers:
    """Starts private servers, to be killed and paused by one test, and removes them all."""

    def __init__(self, request: pytest.FixtureRequest) -> None:
        self._request = request
        self._started: list[Server] = []

    def __call__(self, name: str, *, options: Mapping[str, str] | None = None) -> Server:
        """Start one; `options` are settings in the server's own words (`server.properties`, `elasticsearch.yml` …)."""
        worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
        directory = _root(self._request) / f"{name}-{worker}-{next(_NUMBERS)}"
        server = KINDS[name](directory, cache=Cache.of_user(), ports={"port": 0}, options=options)
        self._started.append(server)
        try:
            server.start()
        except SpiceError as error:
            _not_started(self._request, name, error.message)
        return server

    def remove(self) -> None:
        """End them."""
        for server in self._started:
            server.remove()


@contextmanager
def own_servers(request: pytest.FixtureRequest) -> Iterator[OwnServers]:
    """Private servers until the end of the block."""
    servers = OwnServers(request)
    try:
        yield servers
    finally:
        servers.remove()


# The fixtures, taken over by tests/conftest.py.


@pytest.fixture(scope="session")
def s3_server(request: pytest.FixtureRequest) -> SeaweedServer | NamedS3:
    """An S3 server: `.endpoint`, `.access_key`, `.secret_key`."""
    url = os.environ.get(_NAMED["s3"])
    if url:
        keys = (
            os.environ.get(f"SPICE_TEST_S3_{kind}_KEY", default)
            for kind, default in (("ACCESS", "spice"), ("SECRET", "spice-secret"))
        )
        return NamedS3(url, *keys)
    server = run_server(request, "s3")
    assert isinstance(server, SeaweedServer)
    return server


@pytest.fixture(scope="session")
def kafka_server(request: pytest.FixtureRequest) -> KafkaServer | NamedKafka:
    """A Kafka broker: `.bootstrap`."""
    bootstrap = os.environ.get(_NAMED["kafka"])
    if bootstrap:
        return NamedKafka(bootstrap)
    server = run_server(request, "kafka")
    assert isinstance(server, KafkaServer)
    return server


@pytest.fixture(scope="session")
def elasticsearch_server(request: pytest.FixtureRequest) -> ElasticsearchServer | NamedServer:
    """An Elasticsearch node: `.url`."""
    url = os.environ.get(_NAMED["elasticsearch"])
    if url:
        return NamedServer(url)
    server = run_server(request, "elasticsearch")
    assert isinstance(server, ElasticsearchServer)
    return server


@pytest.fixture(scope="session")
def redis_server(request: pytest.FixtureRequest) -> RedisServer | NamedServer:
    """A Redis server: `.url`."""
    url = os.environ.get(_NAMED["redis"])
    if url:
        return NamedServer(url)
    server = run_server(request, "redis")
    assert isinstance(server, RedisServer)
    return server


@pytest.fixture
def own_server(request: pytest.FixtureRequest) -> Iterator[OwnServers]:
    """`own_server("kafka")` starts a server of this test alone: `.kill()`, `.pause()`, `.resume()`, `.restart()`, `.stop()`."""
    with own_servers(request) as servers:
        yield servers


@pytest.fixture(scope="module")
def own_module_server(request: pytest.FixtureRequest) -> Iterator[OwnServers]:
    """As `own_server`, until the end of the file's tests."""
    with own_servers(request) as servers:
        yield servers
