"""The real engines as the tests start them: each answers, dies, comes back with its data, and hangs when it is paused."""

import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from elasticsearch import Elasticsearch
from obstore.store import S3Store
from redis import Redis

from spice_api.dev.servers.server import Server

pytestmark = [pytest.mark.full, pytest.mark.timeout(600)]


class Postgres:
    """Writes and reads one value."""

    def write(self, server: Server) -> None:
        with psycopg.connect(server.dsn) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 'yes' AS value")

    def read(self, server: Server) -> str:
        with psycopg.connect(server.dsn, connect_timeout=3) as connection:
            return connection.execute("SELECT value FROM kept").fetchone()[0]


class S3:
    def _store(self, server: Server) -> S3Store:
        return S3Store(
            "spice-event-store",
            endpoint=server.endpoint,
            access_key_id=server.access_key,
            secret_access_key=server.secret_key,
            region="us-east-1",
            client_options={"allow_http": True, "timeout": "10s"},
            retry_config={"max_retries": 0},
        )

    def write(self, server: Server) -> None:
        self._store(server).put("kept", b"yes")

    def read(self, server: Server) -> str:
        return bytes(self._store(server).get("kept").bytes()).decode()


class Kafka:
    def write(self, server: Server) -> None:
        admin = AdminClient({"bootstrap.servers": server.bootstrap})
        admin.create_topics([NewTopic("kept", 1, 1)])["kept"].result(60)
        producer = Producer({"bootstrap.servers": server.bootstrap, "acks": "all"})
        producer.produce("kept", b"yes")
        assert producer.flush(60) == 0

    def read(self, server: Server) -> str:
        consumer = Consumer({"bootstrap.servers": server.bootstrap, "group.id": "reader", "auto.offset.reset": "earliest"})
        consumer.assign([TopicPartition("kept", 0, OFFSET_BEGINNING)])  # a group would wait for its coordinator
        try:
            found = consumer.consume(1, timeout=60)
            return found[0].value().decode()
        finally:
            consumer.close()


class Search:
    def write(self, server: Server) -> None:
        with Elasticsearch(server.url, request_timeout=60) as client:
            client.index(index="kept", id="1", document={"value": "yes"}, refresh=True)

    def read(self, server: Server) -> str:
        with Elasticsearch(server.url, request_timeout=60) as client:
            return client.get(index="kept", id="1")["_source"]["value"]


class Cache:
    def write(self, server: Server) -> None:
        with Redis.from_url(server.url) as client:
            client.set("kept", "yes")

    def read(self, server: Server) -> str:
        with Redis.from_url(server.url, socket_timeout=3) as client:
            return client.get("kept").decode()


CLIENTS = {"postgres": Postgres(), "s3": S3(), "kafka": Kafka(), "elasticsearch": Search(), "redis": Cache()}


@pytest.mark.parametrize("name", CLIENTS)
def test_private_server_keeps_its_data_over_a_crash_and_hangs_while_paused(own_server, name):
    server, client = own_server(name), CLIENTS[name]
    client.write(server)
    server.kill()
    assert not server.is_ready()
    server.restart()
    assert client.read(server) == "yes"
    server.pause()
    assert name == "kafka" or not server.is_ready()
    server.resume()
    assert client.read(server) == "yes"
    assert server.stop()


def test_shared_servers_answer(s3_server, kafka_server, elasticsearch_server, redis_server):
    with Redis.from_url(redis_server.url) as client:
        assert client.ping()
    with Elasticsearch(elasticsearch_server.url) as client:
        assert client.info()["version"]["number"].startswith("9.")
    assert AdminClient({"bootstrap.servers": kafka_server.bootstrap}).list_topics(timeout=30).brokers
    assert s3_server.endpoint.startswith("http")


ROWS = """
import spice_api.dev.servers.kafka as kafka
from spice_core.errors import ConfigurationError


def none(version, **options):
    raise ConfigurationError("Java is needed")


kafka.find_java = none


def test_redis(redis_server):
    print("REDIS", redis_server.process().pid)


def test_kafka(kafka_server):
    pass
"""


def test_servers_end_with_the_run_and_rows_without_one_are_named(tmp_path):
    """A run of its own, as on a machine without Java: Redis runs and ends; the row of Kafka is named, and fails if required."""
    root = Path(__file__).parents[2]
    (tmp_path / "test_rows.py").write_text(ROWS)
    command = [sys.executable, "-m", "pytest", "-s", "-p", "no:cacheprovider", "-c", str(root / "pyproject.toml")]
    command += ["--rootdir", str(tmp_path), "--confcutdir", "/", "-p", "conftest", str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(root / "tests")}
    environment.pop("SPICE_TEST_KAFKA", None)
    environment.pop("SPICE_TEST_REDIS_URL", None)
    lenient = _run(command, tmp_path, environment)
    assert "1 rows did not run: their server did not start" in lenient.stdout, lenient.stdout + lenient.stderr
    assert "kafka: server not started: Java is needed" in lenient.stdout
    assert lenient.returncode == 0
    pid = lenient.stdout.partition("REDIS ")[2].split()[0]
    assert not Path(f"/proc/{pid}").exists()
    strict = _run([*command, "--require-full"], tmp_path, environment)
    assert strict.returncode == 1
    assert "kafka: server not started: Java is needed" in strict.stdout


def _run(command: list[str], folder: Path, environment: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
