"""A receiver of traces over OTLP/HTTP, in this process, for tests."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True, slots=True)
class ReceivedSpan:
    """One span as it came in; ids in hexadecimal digits."""

    service: str
    name: str
    trace_id: str
    span_id: str
    parent_id: str
    links: tuple[str, ...]
    is_failed: bool


@dataclass
class OtlpReceiver:
    """Keeps what it is sent."""

    url: str = ""
    spans: list[ReceivedSpan] = field(default_factory=list)

    def wait_for(self, is_enough: Callable[[list[ReceivedSpan]], bool], *, seconds: float = 20.0) -> list[ReceivedSpan]:
        """Return the spans once they are enough; fail with those that came."""
        deadline = time.monotonic() + seconds
        while not is_enough(list(self.spans)):
            assert time.monotonic() < deadline, [(span.service, span.name, span.trace_id) for span in self.spans]
            time.sleep(0.05)
        return list(self.spans)

    def take(self, body: bytes) -> None:
        """Keep the spans of a request."""
        request = ExportTraceServiceRequest.FromString(body)
        for resource in request.resource_spans:
            named = {item.key: item.value.string_value for item in resource.resource.attributes}
            for scope in resource.scope_spans:
                for span in scope.spans:
                    links = tuple(link.trace_id.hex() for link in span.links)
                    self.spans.append(
                        ReceivedSpan(
                            named["service.name"],
                            span.name,
                            span.trace_id.hex(),
                            span.span_id.hex(),
                            span.parent_span_id.hex(),
                            links,
                            span.status.code == 2,
                        )
                    )


@contextmanager
def otlp_receiver() -> Iterator[OtlpReceiver]:
    """Listen on a free port."""
    found = OtlpReceiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            found.take(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    found.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
