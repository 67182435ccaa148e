"""A small S3 in memory whose answers a test spoils, request by request."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

Fault = Callable[[str, str], str]
"""Given method and key: "" for none, a status such as "503", "slow", "reset", "partial", or "lost" (done, not answered)."""

_DATE = "Sat, 21 Nov 2026 08:30:00 GMT"


class SpoiledS3(ThreadingHTTPServer):
    """Buckets `objects[bucket][key]`; `requests` counts what was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.objects: dict[str, dict[str, bytes]] = {"spice-tests": {}}
        self.fault: Fault = lambda method, key: ""
        self.requests: list[tuple[str, str]] = []
        self.lock = threading.Lock()
        self.access_key = "key"
        self.secret_key = "secret"  # noqa: S105 - of nothing

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, *_: Any) -> None:
        """Clients that time out go away without a word."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: SpoiledS3

    def log_message(self, *_: Any) -> None:
        return

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        parts = urlsplit(self.path)
        bucket, _, key = unquote(parts.path).removeprefix("/").partition("/")
        with self.server.lock:
            self.server.requests.append((self.command, key))
            fault = self.server.fault(self.command, key)
        if fault.isdigit():
            code = {"403": "AccessDenied", "400": "InvalidRequest"}.get(fault, "SlowDown")
            self._send(int(fault), f"<Error><Code>{code}</Code></Error>".encode())
        elif fault == "reset":
            self._cut()
        else:
            if fault == "slow":
                threading.Event().wait(1.0)
            status, data = self._do(bucket, key, body, parse_qs(parts.query))
            if fault == "lost":
                self._cut()
            else:
                self._send(status, data, is_cut=fault == "partial")

    do_GET = do_PUT = do_HEAD = do_DELETE = _answer  # noqa: N815 - the names that the base class looks for

    def _do(self, bucket: str, key: str, body: bytes, query: dict[str, list[str]]) -> tuple[int, bytes]:
        with self.server.lock:
            objects = self.server.objects.get(bucket)
            if objects is None:
                return 404, b"<Error><Code>NoSuchBucket</Code></Error>"
            if self.command == "PUT":
                if key in objects and self.headers.get("if-none-match") == "*":
                    return 412, b"<Error><Code>PreconditionFailed</Code></Error>"
                objects[key] = body
                return 200, b""
            if self.command == "DELETE":
                objects.pop(key, None)
                return 204, b""
            if not key:
                return 200, _listing(bucket, objects, query)
            return (200, objects[key]) if key in objects else (404, b"<Error><Code>NoSuchKey</Code></Error>")

    def _send(self, status: int, data: bytes, *, is_cut: bool = False) -> None:
        asked = self.headers.get("range", "")
        place = ""
        if asked and status == 200:
            start, end = (int(number) for number in asked.removeprefix("bytes=").split("-"))
            place = f"bytes {start}-{min(end, len(data) - 1)}/{len(data)}"
            status, data = 206, data[start : end + 1]
        self.send_response(status)
        if place:
            self.send_header("content-range", place)
        self.send_header("content-length", str(len(data)))
        self.send_header("etag", '"0"')
        self.send_header("last-modified", _DATE)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data[: len(data) // 2] if is_cut else data)
        if is_cut:
            self._cut()

    def _cut(self) -> None:
        self.wfile.flush()
        self.connection.shutdown(socket.SHUT_RDWR)
        self.close_connection = True


def _listing(bucket: str, objects: dict[str, bytes], query: dict[str, list[str]]) -> bytes:
    prefix, after = query.get("prefix", [""])[0], query.get("start-after", [""])[0]
    keys = sorted(key for key in objects if key.startswith(prefix) and key > after)
    rows = "".join(
        f"<Contents><Key>{escape(key)}</Key><LastModified>2026-11-21T08:30:00.000Z</LastModified>"
        f'<ETag>"0"</ETag><Size>{len(objects[key])}</Size></Contents>'
        for key in keys
    )
    text = f"<ListBucketResult><Name>{bucket}</Name><KeyCount>{len(keys)}</KeyCount><IsTruncated>false</IsTruncated>{rows}"
    return f"{text}</ListBucketResult>".encode()


@contextmanager
def spoiled_s3() -> Iterator[SpoiledS3]:
    server = SpoiledS3()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
