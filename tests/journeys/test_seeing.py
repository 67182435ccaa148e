"""What an operator sees of real processes: one trace over all of them, lines of JSON, and the metrics that are documented."""

import json
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest
from profiles import full_profile, new_database
from running import OPEN, Running

from spice_core.bootstrap import bootstrap
from spice_core.domain.trace_context import trace_context_of
from spice_core.settings import load_settings
from tests.otlp_receiver import OtlpReceiver, otlp_receiver

DB = "seen"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SENT = f"00-{TRACE}-00f067aa0ba902b7-01"
UNSAMPLED = "00-5bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"
SECRET = "hidden-password-77"  # noqa: S105 - to be looked for
WAIT = {"Prefer": "wait=20"}
CLASS = {"id": "Thing", "label": "Thing", "properties": [{"name": "thing_id", "type": "string", "required": True}]}
WRITES = f"/database/{DB}/instances/Thing/create"


@dataclass(frozen=True)
class Seen:
    """The processes, what they sent, and a client of OMS."""

    running: Running
    receiver: OtlpReceiver
    oms: httpx2.Client
    is_full: bool

    def metrics(self, name: str) -> str:
        port = self.running.environment["SPICE_WORKER_PORT" if name == "worker" else f"{name.upper()}_PORT"]
        return httpx2.get(f"http://127.0.0.1:{port}/metrics", timeout=30).text

    def lines(self, name: str) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.running.log_of(name).splitlines()]


@pytest.fixture(scope="module", params=["embedded", pytest.param("full", marks=pytest.mark.full)])
def seen(request: pytest.FixtureRequest, postgres_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    """Workers and OMS of either profile, each on stores of its own."""
    is_full = request.param == "full"
    dsn = new_database(postgres_server, f"seen_{uuid.uuid4().hex[:12]}")
    with otlp_receiver() as receiver:
        more = {
            **OPEN,
            **(full_profile(request) if is_full else {}),
            "SPICE_RATE_LIMIT": "100000",
            "SPICE_LOG_FORMAT": "json",
            "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url,
            "NO_PROXY": "*",
            "BFF_ADMIN_TOKEN": SECRET,
        }
        running = Running.on(tmp_path_factory.mktemp("seen"), dsn, more)
        try:
            running.start_workers()
            running.start("oms")
            with httpx2.Client(base_url=f"{running.url('oms')}/api/v1", timeout=30) as client:
                assert client.post("/database/create", json={"name": DB}, headers=WAIT).json()["data"]["status"] == "completed"
                assert client.post(f"/database/{DB}/ontology", json=CLASS, headers=WAIT).json()["data"]["status"] == "completed"
                yield Seen(running, receiver, client, is_full)
        finally:
            running.stop()


def create(seen: Seen, name: str, **headers: str) -> str:
    """Create an instance with `headers` and return its command id, when it is done."""
    body = {"data": {"thing_id": name}}
    answer = seen.oms.post(f"/instances/{DB}/async/Thing/create", json=body, headers={**WAIT, **headers})
    assert answer.json()["status"] == "COMPLETED", answer.text
    return str(answer.json()["command_id"])


STEPS = {
    ("spice-oms", "POST /api/v1/instances/{db_name}/async/{class_id}/create"),
    ("spice-oms", "log append"),
    ("spice-worker-all", "graph handle"),
    ("spice-worker-all", "graph commit"),
    ("spice-worker-all", "log append"),
    ("spice-worker-all", "statuses handle"),
    ("spice-worker-all", "search handle"),
    ("spice-worker-all", "search write"),
}


def test_write_is_one_trace_from_the_request_to_the_index(seen: Seen) -> None:
    create(seen, "traced", traceparent=SENT)
    steps = STEPS | ({("spice-worker-all", "relay handle")} if seen.is_full else set())
    spans = seen.receiver.wait_for(lambda spans: {(span.service, span.name) for span in spans if span.trace_id == TRACE} >= steps)
    mine = [span for span in spans if span.trace_id == TRACE]
    ids = {span.span_id for span in mine}
    assert [span.name for span in mine if span.parent_id == SENT[36:52]] == [
        "POST /api/v1/instances/{db_name}/async/{class_id}/create"
    ]
    assert all(span.parent_id in ids | {SENT[36:52]} for span in mine)
    assert not any(span.is_failed for span in mine)


def test_unsampled_trace_is_kept_in_the_log_and_sent_nowhere(seen: Seen) -> None:
    command_id = create(seen, "unsampled", traceparent=UNSAMPLED)
    create(seen, "after", traceparent=SENT.replace("4bf9", "6bf9"))
    seen.receiver.wait_for(lambda spans: any(span.trace_id.startswith("6bf9") and span.name == "search write" for span in spans))
    assert not [span for span in seen.receiver.spans if span.trace_id == UNSAMPLED[3:35]]
    events = events_of(seen, command_id)
    assert {context.trace_id for event in events if (context := trace_context_of(event))} == {UNSAMPLED[3:35]}


def events_of(seen: Seen, command_id: str) -> list[dict[str, object]]:
    """Return the metadata of the command and of its domain events."""
    kept = {name: value for name, value in seen.running.environment.items() if not name.startswith("OTEL")}
    settings = load_settings(_env_file=None, **kept)
    platform = bootstrap(settings, process="test")
    try:
        assert platform.log.verify(DB).is_intact
        recorded = platform.log.read(DB, after=0, limit=10_000)
        return [dict(item.event.metadata) for item in recorded if item.event.command_id == command_id]
    finally:
        platform.close()


def test_command_and_its_events_carry_the_same_trace_fields(seen: Seen) -> None:
    command_id = create(seen, "carried", traceparent=SENT.replace("4bf9", "7bf9"), **{"X-Correlation-ID": "order-7"})
    command, *events = events_of(seen, command_id)
    assert command["trace_id"] == "7bf9" + TRACE[4:]
    assert command["correlation_id"] == "order-7"
    fields = ("traceparent", "trace_id", "correlation_id", "request_id")
    assert events
    for event in events:
        assert {name: event[name] for name in fields} == {name: command[name] for name in fields}


def test_same_command_with_another_trace_is_a_repetition(seen: Seen) -> None:
    key = {"Idempotency-Key": "once"}
    first = create(seen, "repeated", traceparent=SENT.replace("4bf9", "8bf9"), **key)
    assert create(seen, "repeated", traceparent=SENT.replace("4bf9", "9bf9"), **key) == first
    assert {event["trace_id"] for event in events_of(seen, first)} == {"8bf9" + TRACE[4:]}


def test_every_line_of_every_process_is_json_with_the_ids_of_its_request(seen: Seen) -> None:
    create(seen, "logged", traceparent=SENT.replace("4bf9", "abf9"), **{"X-Correlation-ID": "order-8"})
    for name in ("oms", "workers"):
        lines = seen.lines(name)
        assert lines
        assert all({"time", "level", "logger", "message", "process"} <= set(line) for line in lines)
    access = [line for line in seen.lines("oms") if line.get("trace_id") == "abf9" + TRACE[4:]]
    assert [(line["logger"], line["status"], line["correlation_id"]) for line in access] == [("uvicorn.access", 200, "order-8")]
    assert access[0]["span_id"]


def test_no_line_holds_a_secret(seen: Seen) -> None:
    url = f"/database/{DB}/ontology?token={SECRET}"
    seen.oms.get(url, headers={"Authorization": f"Bearer {SECRET}", "X-Admin-Token": SECRET})
    for name in ("oms", "workers"):
        text = seen.running.log_of(name)
        assert SECRET not in text
        assert "token=********" in text or name == "workers"


def test_metrics_are_the_documented_ones(seen: Seen) -> None:
    create(seen, "measured")
    shown: set[str] = set()
    for process in ("oms", "worker"):
        shown |= set(re.findall(r"^# TYPE (spice_\w+) ", seen.metrics(process), flags=re.MULTILINE))
    shown = {name for name in shown if not name.endswith("_created")}
    text = (Path(__file__).parents[2] / "docs" / "OPERATIONS.md").read_text()
    documented = set(re.findall(r"^\| `(spice_\w+)` ", text, flags=re.MULTILINE))
    assert shown == documented


def test_metrics_tell_of_a_write_in_every_part(seen: Seen) -> None:
    create(seen, "counted")
    oms, worker = seen.metrics("oms"), seen.metrics("worker")
    assert re.search(r'^spice_log_appended_events_total{kind="command"} [1-9]', oms, flags=re.MULTILINE)
    assert re.search(r"^spice_log_append_seconds_count [1-9]", oms, flags=re.MULTILINE)
    assert re.search(r'^spice_rate_limit_local{app="oms"} [01]', oms, flags=re.MULTILINE)
    assert re.search(r'^spice_log_appended_events_total{kind="domain"} [1-9]', worker, flags=re.MULTILINE)
    assert re.search(r'^spice_worker_batch_seconds_count{handler="graph"} [1-9]', worker, flags=re.MULTILINE)
    assert re.search(rf'^spice_worker_events_total{{database="{DB}",handler="search"}} [1-9]', worker, flags=re.MULTILINE)
    assert {'spice_part_up{part="log"} 1.0', 'spice_part_up{part="graph"} 1.0'} <= set(worker.splitlines())
