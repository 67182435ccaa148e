"""`/healthz` and `/metrics` of a worker process."""

import json
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

Report = Callable[[], tuple[bool, Mapping[str, Any]]]


class HealthServer:
    """A tiny HTTP server in a thread. `report` says whether the process is healthy, and the details."""

    def __init__(self, *, host: str, port: int, registry: CollectorRegistry, report: Report) -> None:
        """Bind `host:port` (0 for any free port); nothing is answered before `start`.

        Raises:
            OSError: the port is taken.
        """
        self._server = ThreadingHTTPServer((host, port), _handler(registry, report))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, name="health", daemon=True)

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return int(self._server.server_address[1])

    def start(self) -> None:
        """Answer from now on."""
        self._thread.start()

    def close(self) -> None:
        """Stop answering and free the port."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()


def _handler(registry: CollectorRegistry, report: Report) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/metrics":
                self._send(200, generate_latest(registry), CONTENT_TYPE_LATEST)
            elif self.path in ("/healthz", "/health"):
                is_healthy, details = report()
                body = json.dumps({"status": "healthy" if is_healthy else "stuck", **details}).encode()
                self._send(200 if is_healthy else 503, body, "application/json")
            else:
                self._send(404, b"{}", "application/json")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
            del format, args  # requests of a health check are no news

        def _send(self, status: int, body: bytes, content_type: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler
