"""A small HTTP server that answers as it is told and remembers what it was asked: a stand-in for a server's bad days."""

import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import orjson

Answering = Callable[[str, str, bytes], tuple[int, Any]]


@dataclass
class Asked:
    """One request."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class ScriptedServer:
    """`answer` is called with method, path and body, and gives status and JSON body."""

    answer: Answering
    delay_seconds: float = 0.0
    asked: list[Asked] = field(default_factory=list)
    most_at_once: int = 0
    url: str = ""
    _at_once: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def serve(self, request: Asked) -> tuple[int, bytes]:
        with self._lock:
            self.asked.append(request)
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        time.sleep(self.delay_seconds)
        try:
            status, body = self.answer(request.method, request.path, request.body)
            return status, orjson.dumps(body)
        finally:
            with self._lock:
                self._at_once -= 1


@contextmanager
def scripted_server(
    answer: Answering, *, delay_seconds: float = 0.0, tls: ssl.SSLContext | None = None
) -> Iterator[ScriptedServer]:
    """Run one on a free port until the end of the block."""
    script = ScriptedServer(answer, delay_seconds)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def _reply(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            request = Asked(self.command, self.path, dict(self.headers), self.rfile.read(length))
            status, body = script.serve(request)
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _reply  # noqa: N815 - names of the standard library

        def log_message(self, *_args: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    script.url = f"{'http' if tls is None else 'https'}://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield script
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
