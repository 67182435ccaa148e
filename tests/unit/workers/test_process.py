"""What a worker process shows and does around its streams: threads, health, metrics, crash points, names."""

import http.client
import json
import subprocess
import sys
import threading
from pathlib import Path

from prometheus_client import CollectorRegistry

from spice_core.adapters.system.clock import SystemClock
from spice_core.settings import load_settings
from spice_workers.__main__ import main
from spice_workers.crash_points import CrashPoints
from spice_workers.health import HealthServer
from spice_workers.limits import RunnerLimits
from tests.workers_world import Workers


def test_threads_work_all_databases_and_stop_cleanly():
    workers = Workers(limits=RunnerLimits(batch=5, threads=2, tick_seconds=0.001, stop_seconds=5.0))
    workers.clock = SystemClock()
    workers.runner = workers.another_runner("threads")
    seen = threading.Event()
    wanted = {workers.append(f"n{number}", database=f"db{number % 3}x") for number in range(40)}

    def note(_database, _events):
        if len(workers.handler.seen) >= 30:
            seen.set()

    workers.handler.trouble = note
    workers.runner.start()
    assert seen.wait(10)
    late = workers.append("late", database="db0x")
    deadline = workers.clock.monotonic() + 10
    while late not in workers.handler.ids("db0x") and workers.clock.monotonic() < deadline:
        workers.clock.sleep(0.005)
    assert workers.runner.stop()
    assert {event_id for _, _, event_id in workers.handler.seen} == wanted | {late}
    assert all(workers.work.holder(f"recording:db{number}x") is None for number in range(3))


def test_stop_abandons_the_batch_between_calls_of_the_handler():
    workers = Workers()
    ids = [workers.append(f"n{number}") for number in range(8)]

    def stop_in_the_first_call(_database, _events):
        workers.runner._stop.set()
        raise ValueError("poison, if anyone asks again")

    workers.handler.trouble = stop_in_the_first_call
    workers.runner.step("recording", "shop")
    assert workers.position() == 0
    assert workers.work.dead_letters(state="") == []
    workers.handler.trouble = lambda _database, _events: None
    workers.clock.sleep(100)
    workers.another_runner("next").run_until_idle()
    assert workers.handler.ids() == ids


def test_stuck_pass_is_ill_and_a_paused_stream_is_not():
    workers = Workers()
    workers.append("a")
    reports = []

    def look(_database, _events):
        reports.append(workers.runner.health())
        workers.clock.sleep(workers.limits.stuck_seconds + 1)
        reports.append(workers.runner.health())

    workers.handler.trouble = look
    workers.runner.run_until_idle()
    assert [is_healthy for is_healthy, _ in reports] == [True, False]
    assert reports[1][1]["stuck"] == ["recording:shop"]


def ask(port: int, path: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("GET", path)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, body


def test_health_and_metrics_are_served():
    answers = [(True, {"stuck": []}), (False, {"stuck": ["graph:shop"]})]
    server = HealthServer(host="127.0.0.1", port=0, registry=CollectorRegistry(), report=lambda: answers.pop(0))
    server.start()
    try:
        status, body = ask(server.port, "/healthz")
        assert (status, json.loads(body)["status"]) == (200, "healthy")
        status, body = ask(server.port, "/healthz")
        assert (status, json.loads(body)["stuck"]) == (503, ["graph:shop"])
        assert ask(server.port, "/metrics")[0] == 200
        assert ask(server.port, "/secrets")[0] == 404
    finally:
        server.close()


def test_metrics_tell_events_lag_pauses_and_dead_letters():
    workers = Workers()
    workers.append("a")
    workers.runner.run_until_idle()
    workers.runner._look_at("shop", workers.clock.monotonic())
    value = workers.runner._parts.metrics.registry.get_sample_value
    labels = {"handler": "recording", "database": "shop"}
    assert value("spice_worker_events_total", labels) == 1
    assert value("spice_worker_lag_events", labels) == 0
    assert value("spice_worker_paused", labels) == 0


def test_crash_point_dies_once_per_marker(tmp_path):
    program = (
        "import sys; from pathlib import Path; from spice_workers.crash_points import CrashPoints;"
        "points = CrashPoints(point='graph:after_claim', marker=Path(sys.argv[1]), exit_code=42);"
        "points.at('graph:before_done'); points.at('graph:after_claim')"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "crashed")]
    root = Path(__file__).parents[3]
    assert [subprocess.run(command, cwd=root, check=False).returncode for _ in range(2)] == [42, 0]


def test_crash_points_are_off_without_chaos(tmp_path, monkeypatch):
    died = []
    monkeypatch.setattr("os._exit", died.append)
    CrashPoints.of(load_settings(state_dir=tmp_path, crash_point="graph:after_claim")).at("graph:after_claim")
    assert died == []
    CrashPoints.of(load_settings(state_dir=tmp_path, crash_point="a:b", enable_chaos_injection=True)).at("a:b")
    assert died == [42]


def test_unknown_worker_is_refused_with_the_known_names(capsys):
    assert main(["grpah"]) == 2
    assert "graph, search, read-models, registry" in capsys.readouterr().err
