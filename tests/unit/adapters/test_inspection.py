"""What the doctor says of engines that are away, foreign, wrongly set up, full, or in another time."""

import json
import re
import shutil
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import urllib3

from spice_api.cli.main import run
from spice_core.adapters.elasticsearch.connection import ElasticsearchOptions
from spice_core.adapters.elasticsearch.inspection import inspect_elasticsearch
from spice_core.adapters.kafka.access import KafkaAccess
from spice_core.adapters.kafka.inspection import inspect_kafka
from spice_core.adapters.kafka.topics import TopicPlan, Topics
from spice_core.adapters.localfs.inspection import inspect_directory
from spice_core.adapters.otel.inspection import inspect_receiver
from spice_core.adapters.postgres.inspection import inspect_postgres
from spice_core.adapters.redis.inspection import inspect_redis
from spice_core.adapters.s3.inspection import inspect_s3
from spice_core.adapters.s3.options import S3Options
from spice_core.adapters.system.clock import SystemClock
from spice_core.adapters.system.id_source import RandomIds
from spice_core.bootstrap import inspect_parts
from spice_core.domain.findings import Finding
from spice_core.ports.clock import Clock
from spice_core.settings import load_settings
from tests.otlp_receiver import otlp_receiver
from tests.s3_places import new_prefix, open_s3, options_of

IDS = RandomIds()
NOW = SystemClock()
Reply = tuple[int, dict[str, str], bytes]


class HourAhead(Clock):
    """The clock of a machine that is an hour off."""

    def now(self) -> datetime:
        return NOW.now() + timedelta(hours=1)

    def monotonic(self) -> float:
        return NOW.monotonic()

    def sleep(self, seconds: float) -> None:
        NOW.sleep(seconds)


@contextmanager
def server(reply: Callable[[str, str, bytes], Reply], *, tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """A server that answers `reply(method, path, body)`; yields its address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, headers, data = reply(self.command, self.path, body)
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", **headers, "Content-Length": str(len(data))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data if self.command != "HEAD" else b"")

        do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _answer  # noqa: N815 - the base class names them so

        def log_message(self, *args: object) -> None: ...

    found = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.daemon_threads = True
    found.handle_error = lambda *_: None  # type: ignore[method-assign]  # a refused handshake is what is tested
    if tls is not None:
        found.socket = tls.wrap_socket(found.socket, server_side=True)
    thread = threading.Thread(target=found.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"{'http' if tls is None else 'https'}://127.0.0.1:{found.server_address[1]}"
    finally:
        found.shutdown()
        found.server_close()
        thread.join()


def states(findings: Sequence[Finding]) -> dict[str, str]:
    return {finding.part: finding.state for finding in findings}


def words(findings: Sequence[Finding], part: str) -> str:
    return next(f"{finding.found} -> {finding.advice}" for finding in findings if finding.part == part)


def elasticsearch(url: str, *, clock: Clock = NOW, prefix: str = "spice", ca_file: Path | None = None) -> list[Finding]:
    options = ElasticsearchOptions(url, ca_file=ca_file, timeout_seconds=2)
    return list(inspect_elasticsearch(options, prefix=prefix, clock=clock, ids=IDS))


def s3(endpoint: str, *, clock: Clock = NOW, **more: Any) -> list[Finding]:
    options = S3Options(
        **{"bucket": "b", "endpoint": endpoint, "access_key": "a", "secret_key": "s", "timeout_seconds": 2, **more}
    )
    return list(inspect_s3(options, clock=clock, ids=IDS))


def test_directory_is_well(tmp_path: Path) -> None:
    found = list(inspect_directory(tmp_path, clock=NOW))
    assert set(states(found).values()) == {"ok"}
    assert list(tmp_path.iterdir()) == []


def test_directory_that_cannot_be_written_names_its_setting(tmp_path: Path) -> None:
    found = list(inspect_directory(Path("/proc/self"), clock=NOW))
    assert states(found)["state"] == "down"
    assert "SPICE_HOME" in words(found, "state")


def test_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1_000_000))
    found = list(inspect_directory(tmp_path, clock=NOW))
    assert states(found)["disk"] == "warning"
    assert "free some space" in words(found, "disk")


def test_clock_an_hour_off_is_told_by_every_part_that_has_one(tmp_path: Path, clean_database: str) -> None:
    clock = HourAhead()
    found = [*inspect_directory(tmp_path, clock=clock), *inspect_postgres(clean_database, clock=clock, advice="")]
    found += s3_of_stub(clock=clock)
    found += elasticsearch_of_stub(clock=clock)
    late = {finding.part for finding in found if "behind ours" in finding.found and finding.state == "warning"}
    assert late == {"state clock", "postgresql clock", "s3 clock", "elasticsearch clock"}
    assert "NTP" in words(found, "s3 clock")


def test_postgres_is_well(clean_database: str) -> None:
    assert states(list(inspect_postgres(clean_database, clock=NOW, advice=""))) == {
        "postgresql": "ok",
        "postgresql clock": "ok",
        "migrations": "ok",
    }


def test_postgres_that_is_away_is_down_with_the_advice() -> None:
    found = list(inspect_postgres("postgresql://u:hidden@127.0.0.1:1/d", clock=NOW, advice="look at SPICE_POSTGRES_URL"))
    assert states(found) == {"postgresql": "down"}
    assert "SPICE_POSTGRES_URL" in words(found, "postgresql")
    assert "hidden" not in words(found, "postgresql")


def elasticsearch_of_stub(*, version: str = "9.5.3", owner: str = "spice-harvester", clock: Clock = NOW) -> list[Finding]:
    node = {"name": "n", "timestamp": NOW.now().timestamp() * 1000, "fs": {"total": {"available_in_bytes": 10**12}}}

    def reply(method: str, path: str, body: bytes) -> Reply:
        answers: dict[str, Any] = {
            "/": {"version": {"number": version}},
            "/_cluster/health?timeout=1s": {"status": "green"},
            "/spice-*/_mapping": {"spice-catalogue": {"mappings": {"_meta": {"made_by": owner, "mapping": 1}}}},
        }
        found = answers.get(path, {"nodes": {"x": node}} if path.startswith("/_nodes") else {})
        return 200, {}, json.dumps(found).encode()

    with server(reply) as url:
        return elasticsearch(url, clock=clock)


def test_elasticsearch_is_well() -> None:
    assert set(states(elasticsearch_of_stub()).values()) == {"ok"}


def test_elasticsearch_of_another_version_names_its_setting() -> None:
    found = elasticsearch_of_stub(version="7.17.0")
    assert states(found) == {"elasticsearch": "down"}
    assert "7.17.0" in words(found, "elasticsearch")
    assert "ELASTICSEARCH_URL" in words(found, "elasticsearch")


def test_foreign_index_under_our_prefix_names_the_setting() -> None:
    found = elasticsearch_of_stub(owner="somebody else")
    assert states(found)["elasticsearch indices"] == "down"
    assert "SPICE_ELASTICSEARCH_INDEX_PREFIX" in words(found, "elasticsearch indices")


def test_elasticsearch_that_refuses_the_credentials_names_them() -> None:
    with server(lambda *_: (401, {}, b"{}")) as url:
        found = elasticsearch(url)
    assert states(found) == {"elasticsearch": "down"}
    assert "ELASTICSEARCH_API_KEY" in words(found, "elasticsearch")


def s3_of_stub(*, keeps_first: bool = True, clock: Clock = NOW) -> list[Finding]:
    held: dict[str, bytes] = {}

    def reply(method: str, path: str, body: bytes) -> Reply:
        path = path.partition("?")[0]
        headers = {"ETag": '"1"', "Last-Modified": "Mon, 05 Jan 2026 00:00:00 GMT", "Content-Type": "application/xml"}
        if method == "PUT":
            if path in held and keeps_first:
                return 412, headers, b"<Error><Code>PreconditionFailed</Code></Error>"
            held[path] = body
            return 200, headers, b""
        if method == "POST":
            names = re.findall(rb"<Key>([^<]+)</Key>", body)
            for name in names:
                held.pop(f"{path}/{name.decode()}", None)
            deleted = b"".join(b"<Deleted><Key>%b</Key></Deleted>" % name for name in names)
            return 200, headers, b"<DeleteResult>%b</DeleteResult>" % deleted
        if method == "DELETE":
            held.pop(path, None)
            return 204, {}, b""
        if method == "GET" and path in held:
            return 200, headers, held[path]
        return 200, headers, b"<ListBucketResult><Name>b</Name><IsTruncated>false</IsTruncated></ListBucketResult>"

    with server(reply) as url:
        return s3(url, clock=clock)


def test_bucket_is_well() -> None:
    assert states(s3_of_stub()) == {"s3": "ok", "s3 clock": "ok", "s3 writes": "ok"}


def test_bucket_without_put_if_absent_is_down() -> None:
    found = s3_of_stub(keeps_first=False)
    assert states(found)["s3 writes"] == "down"
    assert "put-if-absent" in words(found, "s3 writes")
    assert "SPICE_S3_ENDPOINT" in words(found, "s3 writes")


def test_bucket_that_refuses_the_credentials_names_them() -> None:
    body = b"<Error><Code>InvalidAccessKeyId</Code></Error>"
    with server(lambda *_: (403, {"Content-Type": "application/xml"}, body)) as url:
        found = s3(url)
    assert states(found)["s3"] == "down"
    assert "SPICE_S3_ACCESS_KEY" in words(found, "s3")
    assert states(found)["s3 clock"] == "ok"


@pytest.fixture(scope="module")
def expired(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, Path]:
    """The certificate of a server on 127.0.0.1 that ran out yesterday, which is its own authority."""
    folder = tmp_path_factory.mktemp("tls")
    certificate, key, request, config = (folder / name for name in ("cert.pem", "key.pem", "request.pem", "ca.cnf"))
    (folder / "index.txt").touch()
    config.write_text(
        f"[ca]\ndefault_ca=own\n[own]\ndatabase={folder}/index.txt\nnew_certs_dir={folder}\nserial={folder}/serial\n"
        "default_md=sha256\npolicy=any\ncopy_extensions=copy\n[any]\ncommonName=supplied\n"
    )
    start, end = (f"{datetime.now(tz=UTC) - timedelta(days=days):%Y%m%d%H%M%SZ}" for days in (10, 1))
    named = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    asked = ["openssl", "req", "-newkey", "rsa:2048", "-nodes", "-keyout", str(key), "-out", str(request), *named]
    signed = ["openssl", "ca", "-batch", "-selfsign", "-create_serial", "-notext", "-config", str(config), "-keyfile", str(key)]
    signed += ["-in", str(request), "-out", str(certificate), "-startdate", start, "-enddate", end]
    for command in (asked, signed):
        made = subprocess.run(command, capture_output=True, text=True, check=False)
        assert made.returncode == 0, made.stderr
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context, certificate


def test_expired_certificate_is_told_with_the_setting(expired: tuple[ssl.SSLContext, Path]) -> None:
    context, certificate = expired
    with server(lambda *_: (200, {}, b"{}"), tls=context) as url:
        of_search, of_bucket = elasticsearch(url, ca_file=certificate), s3(url, ca_file=certificate)
    assert "certificate" in words(of_search, "elasticsearch")
    assert "ELASTICSEARCH_CA_FILE" in words(of_search, "elasticsearch")
    assert "SPICE_S3_CA_FILE" in words(of_bucket, "s3")
    assert (states(of_search)["elasticsearch"], states(of_bucket)["s3"]) == ("down", "down")


def test_receiver_of_traces_is_asked_and_never_needed() -> None:
    with otlp_receiver() as receiver:
        assert states(list(inspect_receiver(receiver.url))) == {"traces": "ok"}
    found = list(inspect_receiver("http://127.0.0.1:1"))
    assert states(found) == {"traces": "warning"}
    assert "OTEL_EXPORTER_OTLP_ENDPOINT" in words(found, "traces")


def away(tmp_path: Path, dsn: str) -> dict[str, Any]:
    """Settings of an installation of which only PostgreSQL is there."""
    return {
        "state_dir": tmp_path / "home",
        "postgres_url": dsn,
        "object_store": "s3",
        "s3_endpoint": "http://127.0.0.1:1",
        "s3_access_key": "a",
        "s3_secret_key": "s",
        "event_feed": "kafka",
        "kafka_bootstrap_servers": "127.0.0.1:1",
        "search_index": "elasticsearch",
        "elasticsearch_url": "http://127.0.0.1:1",
        "redis_url": "redis://127.0.0.1:1",
    }


def test_engine_that_is_down_hides_nothing_of_the_others(tmp_path: Path, clean_database: str) -> None:
    found = inspect_parts(load_settings(_env_file=None, **away(tmp_path, clean_database)))
    told = states(found)
    assert {part for part, state in told.items() if state == "down"} == {"s3", "kafka", "elasticsearch", "redis"}
    assert told["postgresql"] == told["state"] == "ok"
    settings = {
        "s3": "SPICE_S3_ENDPOINT",
        "kafka": "KAFKA_BOOTSTRAP_SERVERS",
        "elasticsearch": "ELASTICSEARCH_URL",
        "redis": "REDIS_URL",
    }
    assert {part: name in words(found, part) for part, name in settings.items()} == dict.fromkeys(settings, True)


def test_doctor_ends_with_3_when_a_part_is_down_and_tells_of_every_part(
    tmp_path: Path, clean_database: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SPICE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SPICE_POSTGRES_URL", clean_database)
    assert run(["doctor", "--json"]) == 0
    assert {"state", "postgresql", "log", "dead letters", "oms", "workers"} <= {
        item["part"] for item in json.loads(capsys.readouterr().out)
    }
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1")
    assert run(["doctor", "--json"]) == 3
    told = {item["part"]: item["state"] for item in json.loads(capsys.readouterr().out)}
    assert (told["redis"], told["postgresql"], told["work"]) == ("down", "ok", "warning")


@pytest.mark.full
def test_real_bucket_is_well_and_tells_of_wrong_credentials(s3_server: Any) -> None:
    prefix = new_prefix()
    open_s3(s3_server, prefix=prefix).close()
    options = options_of(s3_server, prefix=prefix)
    found = list(inspect_s3(options, clock=NOW, ids=IDS))
    assert states(found) == {"s3": "ok", "s3 clock": "ok", "s3 writes": "ok"}
    wrong = list(inspect_s3(options_of(s3_server, prefix=prefix, secret_key="wrong"), clock=NOW, ids=IDS))  # noqa: S106
    assert states(wrong)["s3"] == "down"
    assert "SPICE_S3_SECRET_KEY" in words(wrong, "s3")


@pytest.mark.full
def test_real_cluster_of_kafka_is_well_and_tells_of_too_few_partitions(kafka_server: Any) -> None:
    access, prefix = KafkaAccess(kafka_server.bootstrap), f"doctor-{IDS.new_id()}-"
    plan = TopicPlan(prefix=prefix, partitions=1)
    found = list(inspect_kafka(access, plan, may_create=True, clock=NOW, ids=IDS))
    assert states(found) == {"kafka": "ok", "kafka topics": "ok", "kafka writes": "ok", "kafka clock": "ok"}
    Topics(access, plan).ensure(may_create=True)
    wider = TopicPlan(prefix=prefix, partitions=3)
    found = list(inspect_kafka(access, wider, may_create=False, clock=NOW, ids=IDS))
    assert states(found)["kafka topics"] == "down"
    assert "SPICE_KAFKA_PARTITIONS" in words(found, "kafka topics")


@pytest.mark.full
def test_real_elasticsearch_is_well_and_tells_of_a_foreign_index(elasticsearch_server: Any) -> None:
    prefix = f"doctor-{IDS.new_id()}"
    assert set(states(elasticsearch(elasticsearch_server.url, prefix=prefix)).values()) == {"ok"}
    index = f"{elasticsearch_server.url}/{prefix}-catalogue"
    urllib3.request("PUT", index)
    try:
        found = elasticsearch(elasticsearch_server.url, prefix=prefix)
    finally:
        urllib3.request("DELETE", index)
    assert states(found)["elasticsearch indices"] == "down"


@pytest.mark.full
def test_real_redis_is_well_and_tells_of_a_wrong_password(redis_server: Any) -> None:
    assert states(list(inspect_redis(redis_server.url, clock=NOW, ids=IDS))) == {"redis": "ok", "redis clock": "ok"}
    late = list(inspect_redis(redis_server.url, clock=HourAhead(), ids=IDS))
    assert states(late)["redis clock"] == "warning"
    wrong = redis_server.url.replace("redis://", "redis://user:wrong@")
    found = list(inspect_redis(wrong, clock=NOW, ids=IDS))
    assert states(found) == {"redis": "down"}
    assert "REDIS_URL" in words(found, "redis")
