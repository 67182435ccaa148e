"""`spice health-monitor` says UP, DOWN or ERROR in the form that scripts read."""

import asyncio
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from spice_api.cli.health_monitor import look
from spice_api.cli.main import run

CLOSED = "http://127.0.0.1:1/health"


@contextmanager
def app(status: int, body: bytes = b'{"message": "Service is healthy"}', *, silent: bool = False) -> Iterator[int]:
    """An app that answers `status`, or, if it is `silent`, not before the end; yields its port."""
    ended = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if silent:
                ended.wait(20)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        ended.set()
        server.shutdown()
        server.server_close()
        thread.join()


def test_apps_are_up_down_or_in_error() -> None:
    with app(200) as good, app(503) as bad, app(200, silent=True) as mute:
        urls = {name: f"http://127.0.0.1:{port}/health" for name, port in (("BFF", good), ("OMS", bad), ("Mute", mute))}
        found = asyncio.run(look({**urls, "Funnel": CLOSED}, timeout_seconds=0.3))
    assert [(item.name, item.status) for item in found] == [("BFF", "UP"), ("OMS", "ERROR"), ("Mute", "DOWN"), ("Funnel", "DOWN")]
    assert found[0].message == "Service is healthy"
    assert "503" in found[1].message


def test_one_look_prints_the_form_that_scripts_read(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with app(200) as port:
        for name in ("BFF_PORT", "OMS_PORT", "FUNNEL_PORT"):
            monkeypatch.setenv(name, str(port))
        assert run(["health-monitor", "--once"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\] Health Check", lines[0])
    assert lines[1:] == [f"  {name}: UP - Service is healthy" for name in ("BFF", "OMS", "Funnel")]


def test_one_app_down_ends_with_3_and_says_so_as_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with app(200) as port:
        for name, value in (("BFF_PORT", str(port)), ("OMS_PORT", str(port)), ("FUNNEL_PORT", "1")):
            monkeypatch.setenv(name, value)
        assert run(["health-monitor", "--once", "--json"]) == 3
    told = json.loads(capsys.readouterr().out)
    assert told["is_up"] is False
    assert [(item["name"], item["status"]) for item in told["services"]] == [("BFF", "UP"), ("OMS", "UP"), ("Funnel", "DOWN")]


def test_interval_must_be_above_zero() -> None:
    assert run(["health-monitor", "--once", "--interval", "0"]) == 2
